"""From a placed curve to the schedule of timm that equals it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, NoReturn

from cadence._errors import ConversionError
from cadence.conversion.arithmetic import tidy
from cadence.conversion.definition import definitions
from cadence.conversion.frameworks.timm.falls import Cosine, Poly, Tanh
from cadence.conversion.frameworks.timm.objects.recognise import Form, fall_of, formula_of, rise_of, tanh_of
from cadence.conversion.native import Native
from cadence.conversion.pattern import (
    Groups,
    described,
    groups_of,
    near,
    only_rates,
    phases_of,
    schedules_of,
    without_hold,
)
from cadence.curve.combined import PlacedClip, PlacedProduct, PlacedSequence, PlacedSum
from cadence.curve.curve import Curve
from cadence.curve.cycles import PlacedGrowing, PlacedRepeat
from cadence.curve.place import place
from cadence.curve.placed import Placed, PlacedConstant, PlacedFormula, PlacedInverse, PlacedPhase, PlacedSteps
from cadence.spec.nodes import Constant, Plateau, Product, Schedule, Staircase
from cadence.spec.span import span

INSTEAD = "cd.torch_scheduler(optimizer, schedule, ...), stepped after each update"

LEAST_CHANGE = 1e-8
"""Torch's eps, which timm leaves at its default."""


def express(curve: Curve) -> Native:
    """The native of a placed curve.

    Raises:
        ConversionError: which part has no equal, and why.
    """
    only_rates(curve, "timm")
    # Stepped per epoch, an update stands for an epoch, and stairs of one are no stairs.
    each_epoch = curve.horizon.steps_per_epoch == 1
    core, scales = _core(schedules_of(curve, "timm"), each_epoch=each_epoch)
    run = curve.horizon
    curve = place(core, total=run.total, steps_per_epoch=run.steps_per_epoch, base=list(groups_of(curve).bases))
    groups = groups_of(curve)
    phases = without_hold(phases_of(curve.placed[0], curve.end), groups)
    native = _Search(groups, phases, curve.end).native()
    if all(scale == 1 for scale in scales):
        return native
    return Native("timm", native.name, {**native.arguments, "lr_scale": scales})


def _core(schedules: list[Schedule], *, each_epoch: bool) -> tuple[Schedule, list[float]]:
    """The schedule that all groups have, and what each multiplies it with."""
    parts = [_unscaled(schedule, each_epoch=each_epoch) for schedule in schedules]
    cores, scales = [core for core, _ in parts], [scale for _, scale in parts]
    if any(core != cores[0] for core in cores):
        raise ConversionError(
            "timm's schedules are the same in all parameter groups up to a factor, lr_scale, and these groups have "
            f"schedules of their own; use {INSTEAD}"
        )
    return cores[0], scales


def _unscaled(schedule: Schedule, *, each_epoch: bool) -> tuple[Schedule, float]:
    if each_epoch and isinstance(schedule, Staircase) and schedule.every == span("1 epoch"):
        return _unscaled(schedule.inner, each_epoch=each_epoch)
    match schedule:
        case Product(parts=(*parts, Constant(length=None, start=float(scale)))):
            return (parts[0] if len(parts) == 1 else Product(tuple(parts))), scale
        case _:
            return schedule, 1.0


@dataclass(frozen=True)
class _Search:
    """What is looked for in one curve.

    Attributes:
        groups: the parameter groups.
        phases: the curve in order.
        end: of the run.
    """

    groups: Groups
    phases: list[Placed]
    end: int | None

    def native(self) -> Native:
        """The native, or why there is none."""
        warm, rest = self._warm()
        match rest:
            case []:
                return self._named("StepLRScheduler", {"decay_t": 1, "decay_rate": 1.0, **warm})
            case [PlacedConstant(value=value) as part]:
                if not self.groups.is_base(value):
                    self._refuse(part, "its constant schedule stays at the base; make the optimizer with that rate")
                return self._named("StepLRScheduler", {"decay_t": 1, "decay_rate": 1.0, **warm})
            case [PlacedSteps() as part]:
                return self._steps(part, warm)
            case [PlacedProduct(carrier=PlacedConstant(value=value), factors=(), rules=(rule,)) as part]:
                if not self.groups.is_base(value) or not isinstance(rule.rule, Plateau):
                    self._refuse(part, "its plateau begins at the base and cuts it")
                return self._plateau(rule.rule, warm)
            case [PlacedClip(inner=inner, lo=lo, hi=None)] if lo is not None and (found := self._stable(inner, warm)):
                if self.groups.number(lo) != found.arguments.get("lr_min", 0.0):
                    self._refuse(rest[0], "it keeps the rate above lr_min and nothing else")
                return found
            case [PlacedConstant() as flat, PlacedPhase() as fall] if self.groups.is_base(flat.value):
                found = self._stable(PlacedSequence(flat.begin, fall.end, (flat, fall)), warm)
            case [PlacedProduct() | PlacedSum() as part] if (found := self._stable(part, warm)) is not None:
                pass
            case [first, *after] if (found := self._cycles(first, after, warm)) is not None:
                pass
            case [PlacedPhase() as fall]:
                found = self._stable(fall, warm)
            case _:
                found = None
        if found is not None:
            return found
        names = " and ".join(described(p) for p in (rest or self.phases)[:4])
        raise ConversionError(f"timm has no schedule of {names}; use {INSTEAD}")

    # ---- the first phase -----------------------------------------------------------------------------------------

    def _warm(self) -> tuple[dict[str, Any], list[Placed]]:
        """The arguments of a warmup, and what follows it."""
        first, rest = self.phases[0], self.phases[1:]
        line = rise_of(first, formula_of(rest[0], self.groups) if rest else None, self.groups)
        if line is None:
            return {}, self.phases
        if math.isnan(line.start):
            self._refuse(first, "its warmup begins at one absolute rate and is over one tick after its last")
        return {"warmup_t": line.length, "warmup_lr_init": line.start}, rest

    # ---- what follows --------------------------------------------------------------------------------------------

    def _steps(self, part: PlacedSteps, warm: dict[str, Any]) -> Native:
        if not self.groups.is_base(part.start):
            self._refuse(part, "its steps begin at the base")
        if part.positions is not None:
            # On the run's clock, a milestone counts one tick early.
            at = [position + 1 for position in part.positions]
            own = {"decay_t": at, "decay_rate": part.gamma, **warm}
            return self._named("MultiStepLRScheduler", {**own, "warmup_prefix": False} if warm else own)
        every, rest = part.every or (0, 0)
        if rest != 1 or part.origin not in (0, part.begin):
            self._refuse(part, "its steps are whole, and count from the beginning of the run or the end of the warmup")
        own = {"decay_t": every, "decay_rate": part.gamma, **warm}
        if warm and part.origin == 0:
            own["warmup_prefix"] = False
        return self._named("StepLRScheduler", own)

    def _plateau(self, rule: Plateau, warm: dict[str, Any]) -> Native:
        minimum = self.groups.number(rule.minimum)
        counted = rule.patience.unit == rule.cooldown.unit == "evaluations"
        plain = (
            rule.significance is None
            and rule.threshold_mode != "abs"
            and rule.nan != "ignore"
            and near(rule.least_change, LEAST_CHANGE)
        )
        if minimum is None or not counted or not plain:
            self._refuse(
                self.phases[-1], "its plateau has one absolute minimum, patience and cooldown counted in evaluations, "
                "a relative threshold, least_change=1e-8 and no test of significance"
            )  # fmt: skip
        given = {
            "decay_rate": rule.factor, "patience_t": int(rule.patience.amount), "threshold": rule.threshold,
            "cooldown_t": int(rule.cooldown.amount), **warm, "lr_min": minimum, "mode": rule.mode,
        }  # fmt: skip
        return self._named("PlateauLRScheduler", given)

    def _stable(self, part: Placed, warm: dict[str, Any]) -> Native | None:
        """Warmup, stable, decay."""
        stable: dict[str, Any] = {}
        match part:
            case PlacedProduct(carrier=PlacedInverse() as root, factors=(rest,), rules=()):
                if not self.groups.is_base(root.start):
                    return None
                scale = {} if root.timescale == warm.get("warmup_t") else {"stable_timescale": tidy(root.timescale)}
                power = (
                    {"stable_fn": "rsqrt"} if root.power == 0.5 else {"stable_fn": "power", "stable_power": root.power}
                )
                stable = {**power, **scale}
            case _:
                rest = part
        match rest:
            case PlacedSequence(parts=(PlacedConstant() as flat, PlacedPhase() as fall)):
                length = fall.end - flat.begin
            case PlacedPhase() as fall:
                length = fall.end - fall.begin
            case _:
                return None
        low, kind = self.groups.number(fall.to), fall.shape.name
        decays = {"linear": {"decay_fn": "linear"}, "cosine": {"decay_fn": "cosine"}, "1-sqrt": {}}
        if low is None or kind not in decays or fall.closed or (stable and low):
            return None
        if not stable and not self.groups.is_base(fall.start):
            return None
        given = {"t_initial": length, "decay_t": fall.end - fall.begin, "lr_min": low, **stable, **decays[kind], **warm}
        return self._named("WSDLRScheduler", given)

    # ---- cycles --------------------------------------------------------------------------------------------------

    def _cycles(self, first: Placed, after: list[Placed], warm: dict[str, Any]) -> Native | None:
        prefix = {"warmup_prefix": True} if warm else {}
        match first, after:
            case ((PlacedPhase() | PlacedSum()), [PlacedConstant(value=value)]) if found := tanh_of(
                first, value, self.groups
            ):
                return self._made(found, {**warm, **prefix})
            case PlacedPhase(), []:
                one, many = fall_of(first, self.groups), {}
            case ((PlacedRepeat() | PlacedGrowing()), []):
                one, many = self._repeated(first)
            case PlacedSum(
                parts=((PlacedRepeat() | PlacedGrowing()) as down, (PlacedRepeat() | PlacedGrowing()) as up)
            ), []:
                one, many = self._two(down, up)
            case ((PlacedFormula() | PlacedSum()), _):
                return self._formula(first, after, warm)
            case _:
                return None
        return None if one is None else self._made(one, {**many, **warm, **prefix})

    def _repeated(self, part: PlacedRepeat | PlacedGrowing) -> tuple[Form | None, dict[str, Any]]:
        if isinstance(part, PlacedRepeat):
            (length, rest), grow = part.period, 1.0
            if rest != 1:
                return None, {}
        else:
            length, grow = int(part.first_length), part.grow
            if length != part.first_length or grow != int(grow) or grow < 2:
                return None, {}
        one = fall_of(part.make(0, length), self.groups)
        count = part.n if part.n is not None else self._enough(part.begin, length, grow)
        if one is None or count is None or (part.decay != 1 and one.low) or one.length != length:
            return None, {}
        return one, {"cycle_mul": tidy(grow), "cycle_decay": part.decay, "cycle_limit": count}

    def _two(
        self, down: PlacedRepeat | PlacedGrowing, up: PlacedRepeat | PlacedGrowing
    ) -> tuple[Form | None, dict[str, Any]]:
        """Cycles that shrink down to a floor that does not."""
        one, many = self._repeated(down)
        length = down.period[0] if isinstance(down, PlacedRepeat) else int(down.first_length)
        other = up.make(0, length)
        if one is None or not isinstance(other, PlacedPhase) or type(up) is not type(down):
            return None, {}
        same = (up.n, up.decay) == (down.n, 1.0) and (other.shape, other.closed) == (
            _shape(down.make(0, length)),
            False,
        )
        floor = self.groups.number(other.to)
        if not same or floor is None or self.groups.number(other.start) != 0 or _lengths(up) != _lengths(down):
            return None, {}
        return Form(one.fall, one.length, floor), many

    def _formula(self, first: Placed, after: list[Placed], warm: dict[str, Any]) -> Native | None:
        """What is left of a cosine behind a warmup, or one with k-decay."""
        found = formula_of(first, self.groups)
        if found is None:
            return None
        form, prefix = found
        count = 1
        match after:
            case []:
                if form.fall.at_end():
                    return None
            case [PlacedConstant(value=value)]:
                if self.groups.number(value) != form.low:
                    return None
            case [(PlacedPhase() | PlacedRepeat()) as more] if not prefix:
                one, many = self._repeated(more) if isinstance(more, PlacedRepeat) else (fall_of(more, self.groups), {})
                if one != form or many.get("cycle_decay", 1.0) != 1:
                    return None
                count += many.get("cycle_limit", 1)
            case _:
                return None
        given = {"cycle_limit": count, **warm, **({"warmup_prefix": True} if warm and prefix else {})}
        return self._made(form, given)

    def _made(self, form: Form, given: dict[str, Any]) -> Native | None:
        common = {"t_initial": tidy(form.length), "lr_min": form.low, **given}
        match form.fall:
            case Cosine(k=k):
                return self._named("CosineLRScheduler", {**common, "k_decay": k})
            case Poly(power=power, k=k):
                return self._named("PolyLRScheduler", {**common, "power": power, "k_decay": k})
            case Tanh(low=lb, high=ub):
                return self._named("TanhLRScheduler", {**common, "lb": lb, "ub": ub})
            case _:
                return None

    def _enough(self, begin: int, length: int, grow: float) -> int | None:
        """Cycles that last to the end of the run."""
        if self.end is None:
            return None
        left = self.end - begin + 1
        if grow == 1:
            return math.ceil(left / length)
        return math.ceil(math.log(1 + left * (grow - 1) / length, grow)) + 1

    # ---- small parts ---------------------------------------------------------------------------------------------

    def _named(self, name: str, arguments: dict[str, Any]) -> Native:
        return definitions("timm")[name].call(arguments)

    def _refuse(self, part: Placed, why: str) -> NoReturn:
        raise ConversionError(f"timm has no equal of {described(part)}: {why}; or use {INSTEAD}")


def _shape(part: Placed) -> object:
    return part.shape if isinstance(part, PlacedPhase) else None


def _lengths(part: PlacedRepeat | PlacedGrowing) -> tuple[object, ...]:
    return part.period if isinstance(part, PlacedRepeat) else (part.first_length, part.grow)
