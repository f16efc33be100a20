"""The run that a native schedule is read for: its bases, its clock, its length."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import TYPE_CHECKING

from cadence._errors import ConversionError
from cadence.conversion.written import Written
from cadence.curve.curve import Curve
from cadence.curve.horizon import Horizon, round_half_up
from cadence.curve.place import place
from cadence.spec.constructors.phases import formula, piecewise
from cadence.spec.nodes import Schedule, Staircase
from cadence.spec.plan import Plan
from cadence.spec.span import Span
from cadence.spec.value import Value, absolute

if TYPE_CHECKING:
    from cadence.conversion.native import Native

MOST_SAMPLES = 10_000_000
"""Calls of a user's function at most: what takes longer was not meant."""

Reader = Callable[["Native", "Setting"], "Schedule | Plan"]


@dataclass(frozen=True)
class Setting:
    """What a native schedule is read for. Its clock ticks once for each call of the native `step()`.

    Attributes:
        bases: base learning rate of each parameter group.
        per: ``"step"``: a tick is an update; ``"epoch"``: a tick is an epoch.
        horizon: the run; what it does not know is None.
        reader: reads a scheduler inside another.
        local: whether this is a part of a sequence, whose clock began at 0 when the part did.
        momentum: the value that moves where a scheduler moves the momentum: ``"momentum"`` or ``"beta1"``.
    """

    bases: tuple[float, ...]
    per: str
    horizon: Horizon
    reader: Reader
    local: bool = False
    momentum: str = "momentum"

    @property
    def base(self) -> float:
        """Base of the first group."""
        return self.bases[0]

    @property
    def ticks(self) -> int | None:
        """Length of the run in ticks; None where it is not known."""
        if self.horizon.total is None or self.per == "step":
            return self.horizon.total
        if self.horizon.steps_per_epoch is None:
            return None
        return round_half_up(Fraction(self.horizon.total, self.horizon.steps_per_epoch))

    def span(self, n: float | Fraction) -> Span:
        """A length or position of n ticks, exact; n may be fractional, not negative."""
        return Span(Fraction(n), "steps" if self.per == "step" else "epochs")

    @property
    def clock(self) -> str:
        """The name under which a formula knows the tick."""
        return "t" if self.per == "step" else "epoch"

    def value(self, number: float) -> Value:
        """A number that the native schedule means in the optimizer's own unit."""
        return 0.0 if number == 0 else absolute(number)

    def need_ticks(self, why: str) -> int:
        """Length of the run in ticks.

        Raises:
            ConversionError: not known; `why` begins the sentence.
        """
        if self.ticks is None:
            raise ConversionError(f"{why}, and the length of the run is not known; give total=, e.g. total=1000")
        return self.ticks

    def sampled(self, factor: Callable[[int], float], what: str) -> Schedule:
        """A function of the tick as a table that holds every value it has on this run: multiples of the base.

        One that was given as text is a formula instead.

        Raises:
            ConversionError: the run's length is not known, or the function fails or gives no number.
        """
        if isinstance(factor, Written):
            return formula(factor.formula(self.clock), local=self.local)
        ticks = self.need_ticks(f"{what} is a function, which is sampled over the whole run")
        if ticks > MOST_SAMPLES:
            raise ConversionError(f"{what} is a function, and {ticks} values of it are too many to sample; at most 1e7")
        values: list[float] = []
        for k in range(ticks + 1):
            try:
                values.append(float(factor(k)))
            except Exception as fault:
                raise ConversionError(f"{what} fails at {k}: {type(fault).__name__}: {fault}; repair it") from fault
        return self.table(values)

    def table(self, values: Iterable[Value]) -> Schedule:
        """The schedule that has these values at ticks 0, 1, ..., the last for ever."""
        points: list[tuple[Span, Value]] = []
        for k, value in enumerate(values):
            if not points or points[-1][1] != value:
                points.append((self.span(k), value))
        return piecewise(points, local=self.local)

    def read(self, native: Native) -> Schedule | Plan:
        """A scheduler inside another, on this clock."""
        return self.reader(native, self)

    @property
    def inside(self) -> Setting:
        """The same for a part of a sequence."""
        return replace(self, local=True)

    def with_bases(self, *bases: float) -> Setting:
        """The same run with other bases."""
        return replace(self, bases=bases)

    def placed(self, schedule: Schedule | Plan) -> Curve:
        """A schedule on this run, its time counted in ticks."""
        if self.per == "step":
            run = self.horizon
            return place(
                schedule, total=run.total, steps_per_epoch=run.steps_per_epoch, batch_size=run.batch_size,
                tokens_per_step=run.tokens_per_step, base=self._bases_of(schedule),
            )  # fmt: skip
        # One update stands for one epoch: what changes inside an epoch has no place in a scheduler stepped per epoch,
        # and a stair of one epoch is every value itself.
        schedule = _each_epoch(schedule)
        return place(schedule, total=self.ticks, steps_per_epoch=1, base=self._bases_of(schedule))

    def _bases_of(self, schedule: Schedule | Plan) -> dict[str, Sequence[float]]:
        values = schedule.values() if isinstance(schedule, Plan) else ["lr"]
        # Values other than the rate are converted in absolute numbers, so that their base does not matter.
        return {value: self.bases if value == "lr" else [1.0] * len(self.bases) for value in values}


def _each_epoch(schedule: Schedule | Plan) -> Schedule | Plan:
    """Without the stairs of one epoch that stand outermost: what is stepped per epoch has no others."""
    if isinstance(schedule, Plan):
        return Plan(tuple((key, _smooth(part)) for key, part in schedule.entries))
    return _smooth(schedule)


def _smooth(schedule: Schedule) -> Schedule:
    if isinstance(schedule, Staircase) and schedule.every == Span(Fraction(1), "epochs"):
        return schedule.inner
    return schedule
