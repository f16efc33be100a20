"""From a placed curve to the schedule of transformers that equals it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NoReturn

from cadence._errors import ConversionError
from cadence.conversion.arithmetic import tidy
from cadence.conversion.definition import definitions
from cadence.conversion.frameworks.torch.objects.express import expressed
from cadence.conversion.frameworks.transformers.decays import restarts_on_time
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
from cadence.curve.combined import PlacedPastEnd
from cadence.curve.curve import Curve
from cadence.curve.cycles import PlacedRepeat
from cadence.curve.placed import Placed, PlacedConstant, PlacedInverse, PlacedPhase

INSTEAD = "cd.torch_scheduler(optimizer, schedule, ...), which Trainer takes as optimizers=(optimizer, scheduler)"


def express(curve: Curve) -> Native:
    """The native of a placed curve.

    Raises:
        ConversionError: which part has no equal, and why.
    """
    only_rates(curve, "transformers")
    if curve.rules:
        # Its plateau is torch's own.
        name = "reduce_lr_on_plateau"
        return Native("transformers", name, _without_defaults(name, expressed(curve).arguments))
    schedules = schedules_of(curve, "transformers")
    if any(schedule != schedules[0] for schedule in schedules):
        raise ConversionError(
            "transformers' schedules are one factor for all parameter groups, and these groups have schedules of their "
            f"own; use {INSTEAD}"
        )
    groups, placed = groups_of(curve), curve.placed[curve.plan.governing(curve.groups[0], "lr") or 0]
    phases = without_hold(phases_of(placed, curve.end), groups)
    return _Search(groups, phases, curve.end).native()


@dataclass(frozen=True)
class _Rise:
    """The first phase, where it goes up to the base."""

    length: int
    start: float
    kind: str


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
        rise, rest = self._rise(), self.phases
        if rise is not None:
            rest = rest[1:]
        match rest:
            case []:
                return self._named("constant_with_warmup", self._from_zero(rise))
            case [PlacedConstant(value=value) as part] if part.end is None or self.end is None or part.end >= self.end:
                if not self.groups.is_base(value):
                    self._refuse(part, "its constant schedules stay at the base; make the optimizer with that rate")
                return (
                    self._named("constant_with_warmup", self._from_zero(rise)) if rise else self._named("constant", {})
                )
            case [PlacedConstant(value=value, begin=begin, end=int(end)), PlacedPhase() as fall] if self.groups.is_base(
                value
            ):
                return self._stable(rise, end - begin, fall)
            case [
                PlacedPhase()
                | PlacedPastEnd(inner=PlacedPhase(), then="mirror")
                | PlacedRepeat()
                | PlacedInverse() as part
            ]:
                return self._decay(rise, part)
            case _:
                names = " and ".join(described(p) for p in self.phases[:4])
                raise ConversionError(f"transformers has no schedule of {names}; use {INSTEAD}")

    # ---- the first phase -----------------------------------------------------------------------------------------

    def _rise(self) -> _Rise | None:
        first = self.phases[0]
        if not isinstance(first, PlacedPhase) or first.closed or not self.groups.is_base(first.to):
            return None
        start = self.groups.multiple(first.start)
        kind = {"linear": "linear", "cosine": "cosine"}.get(first.shape.name)
        if first.shape.name == "power" and first.parameters["exponent"] == 0.5:
            kind = "1-sqrt"
        if start is None or start >= 1 or kind is None:
            return None
        return _Rise(first.end - first.begin, start, kind)

    def _from_zero(self, rise: _Rise | None) -> dict[str, Any]:
        """The warmup that most of transformers' schedules have."""
        if rise is None:
            return {"num_warmup_steps": 0}
        if not _istidy(rise):
            self._refuse(self.phases[0], "its warmup is a line from 0; write warmup(..., start=0)")
        return {"num_warmup_steps": rise.length}

    # ---- what follows --------------------------------------------------------------------------------------------

    def _decay(self, rise: _Rise | None, part: Placed) -> Native:
        match part:
            case PlacedInverse(timescale=timescale, power=0.5, start=start) if self.groups.is_base(start):
                scale = {} if rise is not None and timescale == rise.length else {"timescale": tidy(timescale)}
                return self._named("inverse_sqrt", {**self._from_zero(rise), **scale})
            case PlacedRepeat(n=int(n), decay=1.0, period=(length, 1)):
                return self._restarts(rise, part, n, length)
            case PlacedPastEnd(inner=PlacedPhase() as fall):
                return self._cosine(rise, fall) if fall.shape.name == "cosine" else self._unknown(part)
            case PlacedPhase() as fall:
                return self._fall(rise, fall)
            case _:
                return self._unknown(part)

    def _fall(self, rise: _Rise | None, fall: PlacedPhase) -> Native:
        low, end, plain = self._low(fall), fall.end - fall.closed, _istidy(rise)
        match fall.shape.name:
            case "cosine" if not fall.closed and self._ends_with(fall) and (rise is None or rise.kind == "linear"):
                return self._cosine(rise, fall)
            case "cosine" if not fall.closed and plain and low == 0:
                # The plain cosine would rise again.
                return self._named("cosine_with_restarts", self._span(rise, end))
            case "linear" if plain and low == 0:
                return self._named("linear", self._span(rise, end))
            case "linear" | "power" if plain and low < 1:
                power = 1.0 if fall.shape.name == "linear" else fall.parameters["exponent"]
                lowest = {"lr_end": low * self.groups.bases[0], "power": tidy(power)}
                return self._named("polynomial", {**self._span(rise, end), **lowest})
            case _:
                return self._stable(rise, 0, fall)

    def _cosine(self, rise: _Rise | None, fall: PlacedPhase) -> Native:
        low = self._low(fall)
        if rise is not None and rise.start > 0:
            # Its warmup is at the base at its last step, and the cosine begins there.
            rates = {"min_lr_rate": low, "warmup_lr_rate": rise.start}
            span = {"num_warmup_steps": rise.length + 1, "num_training_steps": fall.end + 1}
            return self._named("cosine_warmup_with_min_lr", {**span, **rates})
        span = self._span(rise, fall.end)
        return self._named("cosine_with_min_lr", {**span, "min_lr_rate": low}) if low else self._named("cosine", span)

    def _restarts(self, rise: _Rise | None, part: PlacedRepeat, n: int, length: int) -> Native:
        cycle = part.make(0, length)
        if not isinstance(cycle, PlacedPhase) or cycle.shape.name != "cosine" or cycle.closed or self._low(cycle):
            self._refuse(part, "its cycles are cosines from the base to 0")
        if not restarts_on_time(n * length, n):
            self._refuse(part, f"its own rounding lets one of {n} cycles of {length} steps begin late")
        return self._named("cosine_with_restarts", {**self._span(rise, part.begin + n * length), "num_cycles": n})

    def _stable(self, rise: _Rise | None, stable: int, fall: PlacedPhase) -> Native:
        low, kind = self._low(fall), fall.shape.name
        if kind not in ("linear", "cosine", "1-sqrt") or fall.closed:
            self._unknown(fall)
        if rise is not None and not near(rise.start, low):
            self._refuse(
                self.phases[0], "its warmup is a line from 0, or, in warmup_stable_decay, a rise from where the decay "
                f"ends, here {low:g}"
            )  # fmt: skip
        given: dict[str, Any] = {
            "num_warmup_steps": rise.length if rise else 0, "num_decay_steps": fall.end - fall.begin,
            "num_stable_steps": stable,
        }  # fmt: skip
        if rise is not None and rise.kind != "linear":
            given["warmup_type"] = rise.kind
        if kind != "cosine":
            given["decay_type"] = kind
        return self._named("warmup_stable_decay", {**given, "min_lr_ratio": low} if low else given)

    # ---- small parts ---------------------------------------------------------------------------------------------

    def _named(self, name: str, arguments: Mapping[str, Any]) -> Native:
        return Native("transformers", name, _without_defaults(name, arguments))

    def _span(self, rise: _Rise | None, end: int) -> dict[str, Any]:
        return {**self._from_zero(rise), "num_training_steps": end}

    def _low(self, fall: PlacedPhase) -> float:
        """Where a phase from the base ends, as a multiple of it."""
        low = self.groups.multiple(fall.to)
        if not self.groups.is_base(fall.start):
            self._refuse(fall, "its decays begin at the base")
        if low is None:
            self._refuse(fall, "its lowest rate is one multiple of the base for all parameter groups")
        return low

    def _ends_with(self, part: Placed) -> bool:
        return self.end is not None and part.end is not None and part.end >= self.end

    def _unknown(self, part: Placed) -> NoReturn:
        self._refuse(part, "it decays by a line, a power, a cosine, 1-sqrt after a stable part, or an inverse root")

    def _refuse(self, part: Placed, why: str) -> NoReturn:
        raise ConversionError(f"transformers has no equal of {described(part)}: {why}; or use {INSTEAD}")


def _istidy(rise: _Rise | None) -> bool:
    """Whether a warmup is the line from 0 that most of transformers' schedules have, or none."""
    return rise is None or (rise.start == 0 and rise.kind == "linear")


def _without_defaults(name: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
    defaults = {p.name: p.default for p in definitions("transformers")[name].parameters}
    return {key: value for key, value in arguments.items() if defaults[key] != value or isinstance(value, bool)}
