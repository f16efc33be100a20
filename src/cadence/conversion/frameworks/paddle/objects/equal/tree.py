"""The scheduler of paddle that equals a placed curve: what is combined, and the way into it."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

from cadence.conversion.frameworks.paddle.objects.equal.function import cycling
from cadence.conversion.frameworks.paddle.objects.equal.leaves import held, leaf, table
from cadence.conversion.frameworks.paddle.objects.equal.part import DRIVER, Part, call, near, refuse, tidy
from cadence.conversion.frameworks.paddle.objects.equal.rounds import one_cycle, past_end, repeated, rising
from cadence.conversion.native import Native
from cadence.curve.combined import PlacedCut, PlacedPastEnd, PlacedProduct, PlacedSequence, PlacedStaircase, PlacedSum
from cadence.curve.curve import Curve
from cadence.curve.cycles import PlacedGrowing, PlacedRepeat
from cadence.curve.layout import has_absolute
from cadence.curve.placed import Placed, PlacedConstant, PlacedFormula, PlacedInverse, PlacedPhase, Scene
from cadence.spec.nodes import EarlyStop


def native_equal(curve: Curve) -> Native:
    """The scheduler.

    Raises:
        ConversionError: which part paddle has no equal of, and why.
    """
    (_, schedule), *more = curve.plan.entries
    others = [value for value in curve.plan.values() if value != "lr"]
    if others:
        refuse(f"the {others[0]} of the plan", "its schedulers move the learning rate and nothing else", DRIVER)
    if more:
        refuse(
            "a plan with a schedule for each group", "its groups are fixed multiples of one scheduler's rate", DRIVER
        )
    bases = [base for base in curve.bases["lr"] if base is not None]
    if len(set(bases)) > 1 and has_absolute(schedule):
        refuse(
            f"{schedule} for groups with different bases",
            "its groups are fixed multiples of one scheduler's rate, and an absolute value is the same in all of them",
            DRIVER,
        )
    return _native(Part(Scene(bases[0], {}), 0, curve.end, 1.0), curve.placed[0])


def _native(part: Part, node: Placed) -> Native:
    match node:
        case PlacedSequence():
            return _sequence(part, node.parts)
        case PlacedProduct():
            return _plateau(part, node) if node.rules else _product(part, node)
        case PlacedSum():
            return _sum(part, node.parts)
        case PlacedRepeat() | PlacedGrowing():
            return repeated(part, node)
        case PlacedPastEnd():
            return past_end(part, node) or _native(part, node.inner)
        case PlacedCut() if part.lasts(node):
            return _native(part, node.inner)
        case PlacedStaircase():
            if node.every == (1, 1):
                return _native(part, node.inner)
            refuse("a staircase", "its schedulers change with every step; convert with per='epoch' and step per epoch")
        case PlacedFormula():
            rate = part.scene.base * part.scale
            own = cycling(node, part.begin, rate, 0.0) if part.lasts(node) else None
            found = own or leaf(part, node)
        case _:
            found = leaf(part, node)
    return found or refuse(f"a {type(node).__name__.removeprefix('Placed').lower()}", "none of its classes does that")


def _sequence(part: Part, nodes: tuple[Placed, ...]) -> Native:
    first, then = nodes[0], nodes[1:]
    if not then or part.over(then[0].begin):
        return _native(part, first)
    if all(isinstance(node, PlacedConstant) for node in nodes):
        return table(
            [(node.begin - part.begin, part.number(node.value)) for node in nodes if isinstance(node, PlacedConstant)]
        )
    if isinstance(first, PlacedPhase):
        cycle = one_cycle(part, nodes)
        if cycle is not None:
            return cycle
        start, to = part.number(first.start), part.number(first.to)
        if first.shape.name == "linear" and to > start and first.end - first.begin > first.closed:
            return _warmup(part, first, then)
        if all(isinstance(node, PlacedConstant) and near(part.first(node), to) for node in then):
            return _native(part, first)
        refuse(
            f"a phase along {first.shape.name!r} before another",
            "its LinearWarmup, the only one that takes another after it, is a rising line",
        )
    refuse(
        "something other than a rising line before another schedule",
        "its LinearWarmup is the only one that takes another after it",
    )


def _warmup(part: Part, first: PlacedPhase, then: tuple[Placed, ...]) -> Native:
    start, to, n = part.number(first.start), part.number(first.to), first.end - first.begin
    if first.closed:
        # Its end is reached an update before the next phase begins, where paddle's line would go on.
        to = start + (to - start) * n / (n - 1)
    after = then[0]
    rest = after if len(then) == 1 else PlacedSequence(after.begin, then[-1].end, then)
    if isinstance(rest, PlacedConstant):
        return call("LinearWarmup", learning_rate=part.number(rest.value), warmup_steps=n, start_lr=start, end_lr=to)
    if isinstance(rest, PlacedInverse) and start == 0 and near(part.number(rest.start), to) and _noam(part, rest, n):
        return call("NoamDecay", d_model=1, warmup_steps=n, learning_rate=tidy(to * math.sqrt(n)))
    inner = _native(part.at(after.begin), rest)
    if inner.name == "ReduceOnPlateau":
        refuse("a plateau after a warmup", "its LinearWarmup takes the number of the epoch for the metric")
    return call("LinearWarmup", learning_rate=inner, warmup_steps=n, start_lr=start, end_lr=to)


def _noam(part: Part, node: PlacedInverse, n: int) -> bool:
    return node.power == 0.5 and node.timescale == n and part.lasts(node)


def _product(part: Part, node: PlacedProduct) -> Native:
    scale, moving = part.scale, list[tuple[Placed, Scene]]()
    for factor, scene in [(node.carrier, part.scene), *((factor, part.scene.unit) for factor in node.factors)]:
        if isinstance(factor, PlacedConstant):
            scale *= scene.resolve(factor.value)
        else:
            moving.append((factor, scene))
    if len(moving) > 1:
        refuse("a product of two schedules that move", "it has no product; write the one schedule that they make")
    if not moving:
        return held(scale)
    return _native(replace(part, scene=moving[0][1], scale=scale), moving[0][0])


def _plateau(part: Part, node: PlacedProduct) -> Native:
    rules: list[Any] = [placed.rule for placed in node.rules]
    bare = _product(part, replace(node, rules=()))
    if len(rules) > 1 or isinstance(rules[0], EarlyStop):
        refuse("early_stop or more than one rule", "its ReduceOnPlateau is a single rule that cuts")
    if bare.name != "MultiStepDecay" or bare.arguments["milestones"]:
        refuse("a plateau on a schedule that moves by itself", "its ReduceOnPlateau starts from one rate")
    rule = rules[0]
    if {rule.patience.unit, rule.cooldown.unit} != {"evaluations"}:
        refuse(f"a patience of {rule.patience}", "its ReduceOnPlateau counts observations; write a bare number")
    if rule.significance is not None or rule.nan == "ignore":
        refuse("significance= or nan='ignore'", "its ReduceOnPlateau only counts observations that are no better")
    if rule.cooldown.amount and not rule.deaf:
        refuse("a cooldown that hears improvements", "its ReduceOnPlateau hears nothing then; write deaf=True")
    return call(
        "ReduceOnPlateau", learning_rate=bare.arguments["learning_rate"], mode=rule.mode, factor=rule.factor,
        patience=int(rule.patience.amount), threshold=rule.threshold,
        threshold_mode="abs" if rule.threshold_mode == "abs" else "rel", cooldown=int(rule.cooldown.amount),
        min_lr=part.scene.resolve(rule.minimum), epsilon=rule.least_change,
    )  # fmt: skip


def _sum(part: Part, nodes: tuple[Placed, ...]) -> Native:
    constants = [node for node in nodes if isinstance(node, PlacedConstant)]
    moving = [node for node in nodes if not isinstance(node, PlacedConstant)]
    floor, found = tidy(sum((part.number(node.value) for node in constants), 0.0)), None
    if not moving:
        return held(floor)
    if len(moving) == 1:
        found = _native(part, moving[0]) if floor == 0 else rising(part, moving[0], floor)
    elif len(moving) == 2 and not constants:
        found = _polynomial(part, *moving)
    return found or refuse("a sum", "of sums it has only those of its CyclicLR and of PolynomialDecay(cycle=True)")


def _polynomial(part: Part, high: Placed, low: Placed) -> Native | None:
    """What `Rates.between` makes of a PolynomialDecay with cycle=True."""
    (rate, wave), (floor, rest) = _scaled(part, high), _scaled(part, low)
    if not isinstance(wave, PlacedFormula) or not isinstance(rest, PlacedFormula) or not part.lasts(wave):
        return None
    return cycling(wave, part.begin, rate, floor) if rest.text == f"1 - ({wave.text})" else None


def _scaled(part: Part, node: Placed) -> tuple[float, Placed]:
    """A constant times a factor, taken apart."""
    if isinstance(node, PlacedProduct) and len(node.factors) == 1 and not node.rules:
        if isinstance(node.carrier, PlacedConstant):
            return part.number(node.carrier.value), node.factors[0]
        if isinstance(node.factors[0], PlacedConstant):
            # The carrier, which is the other one, has the unit, and the base with it.
            factor = part.scene.unit.resolve(node.factors[0].value)
            return part.scene.base * factor * part.scale, node.carrier
    return part.scene.base * part.scale, node
