"""The scheduler of paddle that equals a placed curve."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, replace
from typing import Any, NoReturn, cast

from cadence._errors import ConversionError
from cadence.conversion.definition import definitions
from cadence.conversion.native import Native
from cadence.curve.combined import (
    PlacedCut,
    PlacedPastEnd,
    PlacedProduct,
    PlacedSequence,
    PlacedStaircase,
    PlacedSum,
)
from cadence.curve.curve import Curve
from cadence.curve.cycles import PlacedGrowing, PlacedRepeat
from cadence.curve.layout import has_absolute
from cadence.curve.placed import (
    Placed,
    PlacedConstant,
    PlacedFormula,
    PlacedGeometric,
    PlacedInverse,
    PlacedPhase,
    PlacedPiecewise,
    PlacedSteps,
    Scene,
)
from cadence.spec.nodes import EarlyStop
from cadence.spec.span import Span

MOST_BOUNDARIES = 10_000
"""More of them are no source that anybody reads."""

NEAR = 1e-12
"""Relative difference of two rates that are one, computed twice."""

CYCLING = re.compile(r"\(?1 - t / \((\d+) \* max\(-\(-t // \1\), 1\)\)(?:\) \*\* (\S+))?")
"""The share that is left in a PolynomialDecay with cycle=True, as `decays.cycling` writes it."""


def native_equal(curve: Curve) -> Native:
    """The scheduler.

    Raises:
        ConversionError: which part paddle has no equal of, and why.
    """
    (_, schedule), *more = curve.plan.entries
    others = [value for value in curve.plan.values() if value != "lr"]
    if others:
        _no(f"the {others[0]} of the plan", "its schedulers move the learning rate and nothing else")
    if more:
        _no("a plan with a schedule for each group", "its groups are fixed multiples of one scheduler's rate")
    bases = [base for base in curve.bases["lr"] if base is not None]
    if len(set(bases)) > 1 and has_absolute(schedule):
        _no(
            f"{schedule} for groups with different bases",
            "its groups are fixed multiples of one scheduler's rate, and an absolute value is the same in all of them",
        )
    return _Part(Scene(bases[0], {}), 0, curve.end, 1.0).native(curve.placed[0])


def _no(part: str, why: str) -> NoReturn:
    raise ConversionError(f"paddle has no scheduler for {part}: {why}; cd.paddle_scheduler(...) takes any schedule")


@dataclass(frozen=True)
class _Part:
    """What is asked for: from `begin` to `end` (None: for ever), times `scale`; its clock shows 0 at `begin`."""

    scene: Scene
    begin: int
    end: int | None
    scale: float

    def native(self, node: Placed) -> Native:
        """The scheduler that equals a node."""
        match node:
            case PlacedConstant(value=value):
                return self.held(self.number(value))
            case PlacedPhase():
                return self.phase(node)
            case PlacedSteps():
                return self.steps(node)
            case PlacedGeometric():
                return self.exponential(self.number(node.start), node.gamma ** (node.every[1] / node.every[0]))
            case PlacedInverse():
                return self.inverse(node)
            case PlacedPiecewise():
                return self.piecewise(node)
            case PlacedSequence(parts=parts):
                return self.sequence(parts)
            case PlacedProduct():
                return self.product(node)
            case PlacedSum(parts=parts):
                return self.sum(parts)
            case PlacedRepeat() | PlacedGrowing():
                return self.repeat(node)
            case PlacedPastEnd():
                return self.past_end(node)
            case PlacedCut(end=end, inner=inner) if end is None or self.over(end):
                return self.native(inner)
            case PlacedStaircase():
                if node.every == (1, 1):
                    return self.native(node.inner)
                _no("a staircase", "its schedulers change with every step; convert with per='epoch' and step per epoch")
            case PlacedFormula(text=text):
                cycling = self.cycling(node, self.scene.base * self.scale, 0.0)
                return cycling or _no(f"formula({text!r})", "its LambdaDecay takes python code, and a formula is none")
            case _:
                _no(f"a {type(node).__name__.removeprefix('Placed').lower()}", "none of its classes does that")

    # ---- numbers -----------------------------------------------------------------------------------------------------

    def number(self, value: Any) -> float:
        """A value of a node as a rate."""
        found = cast("float", value(self.scene)) if callable(value) else self.scene.resolve(value)
        return _tidy(found * self.scale)

    def over(self, end: int) -> bool:
        """Whether the run is over when this update comes."""
        return self.end is not None and self.end <= end

    def at(self, begin: int) -> _Part:
        """The same for a part that begins later."""
        return replace(self, begin=begin)

    # ---- leaves ------------------------------------------------------------------------------------------------------

    def held(self, rate: float) -> Native:
        return _native("MultiStepDecay", learning_rate=rate, milestones=[])

    def phase(self, node: PlacedPhase) -> Native:
        start, to, n = self.number(node.start), self.number(node.to), node.end - node.begin - node.closed
        if n == 0 or start == to:
            return self.held(to if n == 0 else start)
        name, exponent = node.shape.name, dict(node.parameters).get("exponent", 1.0)
        if name in ("linear", "power"):
            power = {} if exponent == 1 else {"power": exponent}
            return _native("PolynomialDecay", learning_rate=start, decay_steps=n, end_lr=to, **power)
        if name == "cosine":
            if not self.over(node.begin + n + 1):
                _no(
                    f"a cosine of {n} that stays at its end",
                    f"its CosineAnnealingDecay rises again after T_max={n}, and the run goes on; end the run there, or "
                    f"write .past_end('mirror')",
                )
            return _native("CosineAnnealingDecay", learning_rate=start, T_max=n, eta_min=to)
        if name == "exponential" and to < start:
            if not self.over(node.begin + n + 1):
                _no(f"an exponential of {n} that stays at its end", "its ExponentialDecay falls on; end the run there")
            return self.exponential(start, (to / start) ** (1 / n))
        direction = "rises" if to > start else "falls"
        return _no(
            f"a phase that {direction} along {name!r}", "its shapes are lines, powers, cosines and falling exponentials"
        )

    def exponential(self, start: float, gamma: float) -> Native:
        if gamma == 1:
            return self.held(start)
        if gamma == 0:
            return _native("PiecewiseDecay", boundaries=[1], values=[start, 0.0])
        if gamma > 1:
            _no(f"an exponential that grows by {gamma:g}", "its ExponentialDecay wants a gamma below 1")
        return _native("ExponentialDecay", learning_rate=start, gamma=gamma)

    def inverse(self, node: PlacedInverse) -> Native:
        if node.power == 0:
            return self.held(self.number(node.start))
        if node.power != 1:
            _no(
                f"an inverse power of {node.power:g}",
                "its InverseTimeDecay has power 1, and its NoamDecay power 0.5 after a warmup from 0 to that phase's "
                "start, as long as the timescale",
            )
        return _native("InverseTimeDecay", learning_rate=self.number(node.start), gamma=1 / node.timescale)

    def steps(self, node: PlacedSteps) -> Native:
        start, gamma = self.number(node.start), node.gamma
        if node.positions is None:
            assert node.every is not None
            (p, q), local = node.every, node.origin == self.begin
            if local and q == 1 and gamma < 1:
                return _native("StepDecay", learning_rate=start, step_size=p, gamma=gamma)
            positions = self.listed(node)
        else:
            positions = [at - self.begin for at in node.positions]
        start *= gamma ** sum(at <= 0 for at in positions)
        ahead = [at for at in positions if at > 0]
        if gamma < 1 and len(set(ahead)) == len(ahead):
            return _native("MultiStepDecay", learning_rate=start, milestones=ahead, gamma=gamma)
        return self.table([(0, start), *((at, start * gamma ** (k + 1)) for k, at in enumerate(ahead))])

    def listed(self, node: PlacedSteps) -> list[int]:
        """Where it steps, one by one."""
        assert node.every is not None
        (p, q), end = node.every, self.end
        if end is None or (end - node.origin) * q // p > MOST_BOUNDARIES:
            _no("steps that go on for ever", "their places would have to be listed; give total=, or longer steps")
        places = [node.origin + (2 * k * p + q) // (2 * q) for k in range(1, (end - node.origin) * q // p + 2)]
        return [at - self.begin for at in places if at < end]

    def piecewise(self, node: PlacedPiecewise) -> Native:
        values = [self.number(value) for value in node.points]
        if node.shape is not None and len(set(values)) > 1:
            _no(
                f"points joined along {node.shape.name!r}",
                "its PiecewiseDecay holds each value; write the phases with >>",
            )
        before = [(0, values[0])]
        return self.table([*before, *((at - self.begin, x) for at, x in zip(node.positions, values, strict=True))])

    def table(self, points: list[tuple[int, float]]) -> Native:
        """Values held from their places on."""
        heights: dict[int, float] = {}
        for at, value in points:
            heights[max(at, 0)] = value
        boundaries = [at for at in heights if at > 0]
        if not boundaries:
            return self.held(heights[0])
        return _native("PiecewiseDecay", boundaries=boundaries, values=list(heights.values()))

    # ---- combinations ------------------------------------------------------------------------------------------------

    def sequence(self, parts: tuple[Placed, ...]) -> Native:
        first, then = parts[0], parts[1:]
        if not then or self.over(then[0].begin):
            return self.native(first)
        if all(isinstance(part, PlacedConstant) for part in parts):
            return self.table([(part.begin - self.begin, self.first(part)) for part in parts])
        if isinstance(first, PlacedPhase):
            cycle = self.one_cycle(parts)
            if cycle is not None:
                return cycle
            if first.shape.name == "linear" and self.number(first.to) > self.number(first.start):
                return self.warmup(first, then)
            end = self.number(first.to)
            if all(isinstance(part, PlacedConstant) and _near(self.first(part), end) for part in then):
                return self.native(first)
            _no(
                f"a phase along {first.shape.name!r} before another",
                "its LinearWarmup, the only one that takes another after it, is a rising line",
            )
        return _no(
            "something other than a rising line before another schedule",
            "its LinearWarmup is the only one that takes another after it",
        )

    def first(self, node: Placed) -> float:
        return node.first(self.scene) * self.scale

    def warmup(self, first: PlacedPhase, then: tuple[Placed, ...]) -> Native:
        start, to, n = self.number(first.start), self.number(first.to), first.end - first.begin
        if first.closed:
            # Its end is reached an update before the next phase begins, where paddle's line would go on.
            to = start + (to - start) * n / (n - 1) if n > 1 else to
        after = then[0]
        if (
            len(then) == 1
            and isinstance(after, PlacedInverse)
            and start == 0
            and after.power == 0.5
            and after.timescale == n
            and _near(self.number(after.start), to)
        ):
            return _native("NoamDecay", d_model=1, warmup_steps=n, learning_rate=_tidy(to * math.sqrt(n)))
        rest = after if len(then) == 1 else PlacedSequence(after.begin, then[-1].end, then)
        if isinstance(rest, PlacedConstant):
            inner: Any = self.number(rest.value)
        else:
            inner = self.at(after.begin).native(rest)
            if inner.name == "ReduceOnPlateau":
                _no("a plateau after a warmup", "its LinearWarmup takes the number of the epoch for the metric")
        return _native("LinearWarmup", learning_rate=inner, warmup_steps=n, start_lr=start, end_lr=to)

    def one_cycle(self, parts: tuple[Placed, ...]) -> Native | None:
        """One cycle of two phases along a cosine, or of three phases that belong together."""
        last = parts[-1]
        if isinstance(last, PlacedPastEnd) and last.then in ("hold", "mirror"):
            # Its end is the run's, or the step after it, where paddle's goes back like a mirror.
            parts = (*parts[:-1], last.inner)
        phases = [part for part in parts if isinstance(part, PlacedPhase)]
        names = {part.shape.name for part in phases}
        if len(phases) != len(parts) or len(parts) not in (2, 3) or len(names) > 1:
            return None
        name = names.pop()
        if name not in (("cosine",) if len(parts) == 2 else ("cosine", "linear")):
            return None
        starts, ends = [self.number(p.start) for p in phases], [self.number(p.to) for p in phases]
        sizes = [p.end - p.begin - (p.closed and p is phases[-1]) for p in phases]
        if any(p.closed for p in phases[:-1]) or not all(map(_near, ends, starts[1:])):
            return None
        n = sum(sizes) + 1
        if not ends[0] > starts[0] or not self.over(self.begin + n):
            return None
        if len(parts) == 3 and (sizes[0] != sizes[1] or not _near(ends[1], starts[0])):
            return None
        named: dict[str, Any] = {"three_phase": True} if len(parts) == 3 else {}
        return _native(
            "OneCycleLR", max_learning_rate=ends[0], total_steps=n,
            divide_factor=_tidy(ends[0] / starts[0]) if starts[0] else math.inf, end_learning_rate=ends[-1],
            phase_pct=(sizes[0] + 1) / n, anneal_strategy="cos" if name == "cosine" else "linear", **named,
        )  # fmt: skip

    def product(self, node: PlacedProduct) -> Native:
        if node.rules:
            return self.plateau(node)
        scale, moving = self.scale, list[tuple[Placed, Scene]]()
        for part, scene in [(node.carrier, self.scene), *((factor, self.scene.unit) for factor in node.factors)]:
            if isinstance(part, PlacedConstant):
                scale *= scene.resolve(part.value)
            else:
                moving.append((part, scene))
        if len(moving) > 1:
            _no("a product of two schedules that move", "it has no product; write the one schedule that they make")
        if not moving:
            return self.held(scale)
        return replace(self, scene=moving[0][1], scale=scale).native(moving[0][0])

    def plateau(self, node: PlacedProduct) -> Native:
        rules = [placed.rule for placed in node.rules]
        bare = self.product(replace(node, rules=()))
        if len(rules) > 1 or isinstance(rules[0], EarlyStop):
            _no("early_stop or more than one rule", "its ReduceOnPlateau is a single rule that cuts")
        if bare.name != "MultiStepDecay" or bare.arguments["milestones"]:
            _no("a plateau on a schedule that moves by itself", "its ReduceOnPlateau starts from one rate")
        rule = rules[0]
        counted = isinstance(rule.patience, Span) and {rule.patience.unit, rule.cooldown.unit} == {"evaluations"}
        if not counted:
            _no(f"a patience of {rule.patience}", "its ReduceOnPlateau counts observations; write a bare number")
        if rule.significance is not None or rule.nan == "ignore":
            _no("significance= or nan='ignore'", "its ReduceOnPlateau only counts observations that are no better")
        if rule.cooldown.amount and not rule.deaf:
            _no("a cooldown that hears improvements", "its ReduceOnPlateau hears nothing then; write deaf=True")
        return _native(
            "ReduceOnPlateau", learning_rate=bare.arguments["learning_rate"], mode=rule.mode, factor=rule.factor,
            patience=int(rule.patience.amount), threshold=rule.threshold,
            threshold_mode="abs" if rule.threshold_mode == "abs" else "rel",
            cooldown=int(rule.cooldown.amount), min_lr=self.scene.resolve(rule.minimum), epsilon=rule.least_change,
        )  # fmt: skip

    def sum(self, parts: tuple[Placed, ...]) -> Native:
        held = [part for part in parts if isinstance(part, PlacedConstant)]
        moving = [part for part in parts if not isinstance(part, PlacedConstant)]
        floor = _tidy(sum((self.number(part.value) for part in held), 0.0))
        if not moving:
            return self.held(floor)
        if len(moving) == 1 and floor == 0:
            return self.native(moving[0])
        found = (
            self.rising_cycles(moving[0], floor)
            if len(moving) == 1
            else self.polynomial(moving[0], moving[1])
            if len(moving) == 2 and not held
            else None
        )
        return found or _no("a sum", "of sums it has only those of its CyclicLR and of PolynomialDecay(cycle=True)")

    def rising_cycles(self, node: Placed, floor: float) -> Native | None:
        """Cycles that stand on a floor, lower from one to the next."""
        gamma, scale = 1.0, self.scale
        if isinstance(node, PlacedProduct) and not node.rules:
            repeats = [part for part in (node.carrier, *node.factors) if isinstance(part, PlacedRepeat)]
            shrink = [part for part in node.factors if isinstance(part, PlacedGeometric)]
            if len(repeats) != 1 or len(shrink) != 1 or len(node.factors) != 1 or node.carrier is not repeats[0]:
                return None
            (p, q), cycles = shrink[0].every, repeats[0]
            gamma = shrink[0].gamma ** (q / p)
            scale *= self.scene.unit.resolve(shrink[0].start)
        else:
            cycles = node
        if not isinstance(cycles, PlacedRepeat):
            return None
        sizes = replace(self, scale=scale).triangle(cycles)
        if sizes is None or sizes[2] != 0 or (cycles.decay not in (1.0, 0.5)) or (cycles.decay != 1 and gamma != 1):
            return None
        up, down, _, height = sizes
        mode = {"mode": "triangular2"} if cycles.decay == 0.5 else {"mode": "exp_range", "exp_gamma": gamma}
        named = {} if cycles.decay == gamma == 1 else mode
        return _native(
            "CyclicLR", base_learning_rate=floor, max_learning_rate=_tidy(floor + height), step_size_up=up,
            step_size_down=down, **named,
        )  # fmt: skip

    def polynomial(self, high: Placed, low: Placed) -> Native | None:
        """What `Rates.between` makes of a PolynomialDecay with cycle=True."""
        (scale, wave), (floor, rest) = self.scaled(high), self.scaled(low)
        if not isinstance(wave, PlacedFormula) or not isinstance(rest, PlacedFormula):
            return None
        return self.cycling(wave, scale, floor) if rest.text == f"1 - ({wave.text})" else None

    def scaled(self, node: Placed) -> tuple[float, Placed]:
        """A constant times a factor, taken apart."""
        if isinstance(node, PlacedProduct) and len(node.factors) == 1 and not node.rules:
            parts = (node.carrier, node.factors[0])
            constants = [part for part in parts if isinstance(part, PlacedConstant)]
            if len(constants) == 1:
                rest = parts[1] if constants[0] is parts[0] else parts[0]
                # Of the two the carrier has the unit, and the base with it.
                scene = self.scene if constants[0] is node.carrier else self.scene.unit
                base = 1.0 if constants[0] is node.carrier else self.scene.base
                return scene.resolve(constants[0].value) * base * self.scale, rest
        return self.scene.base * self.scale, node

    def cycling(self, node: PlacedFormula, high: float, low: float) -> Native | None:
        match = CYCLING.fullmatch(node.text) if node.origin == self.begin and node.scale == 1 else None
        if match is None:
            return None
        power = {} if match[2] is None else {"power": float(match[2])}
        return _native(
            "PolynomialDecay", learning_rate=high, decay_steps=int(match[1]), end_lr=low, **power, cycle=True
        )

    # ---- again and again ---------------------------------------------------------------------------------------------

    def repeat(self, node: PlacedRepeat | PlacedGrowing) -> Native:
        if isinstance(node, PlacedRepeat):
            (length, q), grow, inner = node.period, 1.0, next(iter(node.made.values()))
            end = None if node.n is None else node.begin + length * node.n
        else:
            length, q, grow, inner = round(node.first_length), 1, node.grow, node.made[0]
            end = node.end if node.n is not None else None
        if q != 1 or length != (inner.end or 0):
            _no("cycles of a broken number of steps", "its cycles are whole; choose a length that is")
        if end is not None and not self.over(end):
            _no("cycles that come to an end", "its own go on for ever; end the run there")
        if isinstance(inner, PlacedPhase) and inner.shape.name == "cosine" and not inner.closed:
            return self.restarts(inner, length, grow, node.decay)
        sizes = self.triangle(node) if isinstance(node, PlacedRepeat) and node.decay == 1 else None
        if sizes is None:
            _no("these cycles", "it repeats falling cosines, and triangles between two rates")
        up, down, low, high = sizes
        return _native("CyclicLR", base_learning_rate=low, max_learning_rate=high, step_size_up=up, step_size_down=down)

    def restarts(self, inner: PlacedPhase, length: int, grow: float, decay: float) -> Native:
        if grow != int(grow) or decay != 1:
            _no(
                "restarts that grow by a broken factor or fall",
                "its CosineAnnealingWarmRestarts has a whole T_mult, and every cycle begins at the same rate",
            )
        start, to = self.number(inner.start), self.number(inner.to)
        return _native("CosineAnnealingWarmRestarts", learning_rate=start, T_0=length, T_mult=int(grow), eta_min=to)

    def triangle(self, node: PlacedRepeat) -> tuple[int, int, float, float] | None:
        """Steps up, steps down, low and high of a cycle of two lines; None where it is none."""
        inner = next(iter(node.made.values()))
        if node.period[1] != 1 or not isinstance(inner, PlacedSequence) or len(inner.parts) != 2:
            return None
        rise, fall = inner.parts
        if not isinstance(rise, PlacedPhase) or not isinstance(fall, PlacedPhase):
            return None
        lines = rise.shape.name == fall.shape.name == "linear" and not (rise.closed or fall.closed)
        low, high = self.number(rise.start), self.number(rise.to)
        if not lines or not _near(self.number(fall.start), high) or not _near(self.number(fall.to), low):
            return None
        return rise.end - rise.begin, fall.end - fall.begin, low, high

    def past_end(self, node: PlacedPastEnd) -> Native:
        inner, end = node.inner, node.inner.end
        if node.then in ("hold", "raise") or end is None or self.over(end):
            return self.native(inner)
        if (
            node.then == "mirror"
            and isinstance(inner, PlacedPhase)
            and inner.shape.name == "cosine"
            and not inner.closed
        ):
            start, to = self.number(inner.start), self.number(inner.to)
            return _native("CosineAnnealingDecay", learning_rate=start, T_max=end - inner.begin, eta_min=to)
        if (
            node.then == "repeat"
            and isinstance(inner, PlacedPhase)
            and inner.shape.name == "cosine"
            and not inner.closed
        ):
            return self.restarts(inner, end - inner.begin, 1.0, 1.0)
        return _no(f"past_end({node.then!r}) of this", "only its cosines go on that way")


def _near(a: float, b: float) -> bool:
    return abs(a - b) <= NEAR * max(abs(a), abs(b))


def _tidy(x: float) -> float:
    """Without the last digit, which a product of two numbers that people wrote need not have: 0.01, not 0.1 * 0.1."""
    return float(f"{x:.15g}")


def _native(name: str, **arguments: Any) -> Native:
    """A call, without what is paddle's default anyway; a gamma is always told."""
    defaults = {p.name: p.default for p in definitions("paddle")[name].parameters if p.name != "gamma"}
    return Native("paddle", name, {key: x for key, x in arguments.items() if defaults.get(key, _NONE) != x})


_NONE = object()
