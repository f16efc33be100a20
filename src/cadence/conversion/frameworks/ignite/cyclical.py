"""Cycles of ignite: from a value to another and back, or along half a cosine, again and again."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from cadence._errors import ConversionError
from cadence.conversion.definition import native
from cadence.conversion.frameworks.ignite.governed import governed, values
from cadence.conversion.setting import Setting
from cadence.spec.constructors.phases import constant, ramp
from cadence.spec.nodes import Schedule
from cadence.spec.plan import Plan
from cadence.spec.shown import shown
from cadence.spec.value import Value, number_of

MOST_CYCLES = 1000
"""Cycles that are written one by one."""


@dataclass(frozen=True)
class Cycle:
    """One cycle: ticks down, ticks back to the next start, and the values between."""

    size: int
    back: int
    start: float
    end: float
    next_start: float


@dataclass(frozen=True)
class Cycles:
    """What a cyclical scheduler was made with, checked.

    Attributes:
        kind: ``"cosine"``, ``"linear"`` (there and no further) or ``"triangle"`` (there and back).
        size, back: ticks of the first cycle, and of its way back to the next start.
        grow: factor of both from a cycle to the next, the result cut to a whole number.
        start, end: values of the first cycle.
        start_mult, end_mult: their factors from a cycle to the next.
    """

    kind: str
    size: int
    back: int
    grow: float
    start: float
    end: float
    start_mult: float
    end_mult: float

    def one_by_one(self) -> Iterator[Cycle]:
        """The cycles with the numbers that ignite computes, from one to the next."""
        size, back, start, end = self.size, self.back, self.start, self.end
        while True:
            if size < 1:
                raise ConversionError(
                    f"cycles of {self.size} events that are multiplied by {self.grow:g} become 0 events long, and "
                    f"ignite divides by that; write a larger cycle_mult, or a shorter run"
                )
            following = start * self.start_mult
            yield Cycle(size, back, start, end, following)
            size, back = int(size * self.grow), int(back * self.grow)
            start, end = following, end * self.end_mult

    @property
    def equal(self) -> bool:
        """Whether every cycle is as long as the first."""
        return int(self.size * self.grow) == self.size and int(self.back * self.grow) == self.back


@native(
    "ignite",
    "ignite.handlers.param_scheduler.LinearCyclicalScheduler",
    note="There and back within one cycle; with monotonic=True only there.",
)
def linear_cyclical_scheduler(
    on: Setting,
    param_name: str,
    start_value: float,
    end_value: float,
    cycle_size: int,
    cycle_mult: float = 1.0,
    start_value_mult: float = 1.0,
    end_value_mult: float = 1.0,
    warmup_duration: int = 0,
    save_history: bool = False,
    param_group_index: int | None = None,
    monotonic: bool = False,
) -> Schedule | Plan:
    """In straight lines from start_value to end_value and back over cycle_size events."""
    if warmup_duration > 0 and not monotonic:
        raise ConversionError(
            f"warmup_duration is {warmup_duration} and monotonic is False, which ignite refuses; write monotonic=True, "
            f"or leave warmup_duration out"
        )
    cycles = checked(
        "linear" if monotonic else "triangle", start_value, end_value, cycle_size, cycle_mult, start_value_mult,
        end_value_mult, warmup_duration,
    )  # fmt: skip
    return governed(on, param_name, param_group_index, scheduled(on, param_name, cycles))


@native("ignite", "ignite.handlers.param_scheduler.CosineAnnealingScheduler")
def cosine_annealing_scheduler(
    on: Setting,
    param_name: str,
    start_value: float,
    end_value: float,
    cycle_size: int,
    cycle_mult: float = 1.0,
    start_value_mult: float = 1.0,
    end_value_mult: float = 1.0,
    warmup_duration: int = 0,
    save_history: bool = False,
    param_group_index: int | None = None,
) -> Schedule | Plan:
    """Half a cosine from start_value to end_value over cycle_size events, then from the beginning."""
    cycles = checked(
        "cosine", start_value, end_value, cycle_size, cycle_mult, start_value_mult, end_value_mult, warmup_duration
    )
    return governed(on, param_name, param_group_index, scheduled(on, param_name, cycles))


def checked(
    kind: str,
    start: float,
    end: float,
    size: float,
    grow: float,
    start_mult: float,
    end_mult: float,
    back: float,
) -> Cycles:
    """Arguments that ignite accepts, and that a schedule can follow."""
    if size < 2:
        raise ConversionError(f"cycle_size is {shown(size)}; ignite wants more than 1")
    if size != int(size) or back != int(back):
        raise ConversionError(
            f"cycle_size is {shown(size)} and warmup_duration {shown(back)}; ignite counts whole events and would "
            f"never come to the end of the cycle, so write whole numbers"
        )
    if back < 0:
        raise ConversionError(f"warmup_duration is {back:g}; write 0 or more")
    factors = [
        number_of(x, what)
        for x, what in ((grow, "cycle_mult"), (start_mult, "start_value_mult"), (end_mult, "end_value_mult"))
    ]
    return Cycles(kind, int(size), int(back), factors[0], float(start), float(end), factors[1], factors[2])


def scheduled(on: Setting, param_name: str, cycles: Cycles) -> Schedule:
    """The cycles as a schedule."""
    whole = cycles.grow == int(cycles.grow) and cycles.grow >= 1
    # Of a triangle that is odd, and then even, the tips differ.
    if cycles.equal or (whole and not (cycles.kind == "triangle" and cycles.size % 2)):
        return _repeated(on, param_name, cycles, 1.0 if cycles.equal else cycles.grow)
    return _listed(on, param_name, cycles)


def _repeated(on: Setting, param_name: str, cycles: Cycles, grow: float) -> Schedule:
    """Cycles that are the first one again, longer and lower."""
    start, end = cycles.start, cycles.end
    following = start * cycles.start_mult
    if cycles.start_mult == cycles.end_mult:
        one = _one(on, cycles, values(on, param_name, start, start, end, following, _tip(cycles, start, end))[1:])
        return one.repeat(grow=grow, decay=cycles.start_mult)
    # The two ends shrink apart: each is a cycle of its own, beside a zero.
    high = _one(on, cycles, values(on, param_name, start, start, 0.0, following, _tip(cycles, start, 0.0))[1:])
    low = _one(on, cycles, values(on, param_name, start, 0.0, end, 0.0, _tip(cycles, 0.0, end))[1:])
    return high.repeat(grow=grow, decay=cycles.start_mult) + low.repeat(grow=grow, decay=cycles.end_mult)


def _tip(cycles: Cycles, start: float, end: float) -> float:
    """The value next to the tip of a triangle that lies between two events."""
    return end + (start - end) / cycles.size


def _one(on: Setting, cycles: Cycles, numbers: Sequence[Value]) -> Schedule:
    """One cycle with its values: start, end, the next start, beside the tip."""
    start, end, following, tip = numbers
    half = on.span(cycles.size // 2)
    if cycles.kind == "triangle" and cycles.size % 2:
        down = ramp(half, shape="linear", start=start, to=tip) >> constant(on.span(1), start=tip)
        return down >> ramp(half, shape="linear", start=tip, to=start)
    if cycles.kind == "triangle":
        return ramp(half, shape="linear", start=start, to=end) >> ramp(half, shape="linear", start=end, to=start)
    there = ramp(on.span(cycles.size), shape=cycles.kind, start=start, to=end)
    if not cycles.back:
        return there
    return there >> ramp(on.span(cycles.back), shape="linear", start=end, to=following)


def _listed(on: Setting, param_name: str, cycles: Cycles) -> Schedule:
    """Cycles whose lengths follow no rule, because ignite cuts them to whole numbers: one by one, over the run."""
    ticks = on.need_ticks(f"cycles of {cycles.size} events, each cut to whole events, are listed")
    made: Schedule | None = None
    begin, count = 0, 0
    for cycle in cycles.one_by_one():
        own = replace(cycles, size=cycle.size, back=cycle.back)
        numbers = (cycle.start, cycle.end, cycle.next_start, _tip(own, cycle.start, cycle.end))
        # Told by the first value of all, so that either all cycles are multiples or none is.
        part = _one(on, own, values(on, param_name, cycles.start, *numbers)[1:])
        made = part if made is None else made >> part
        begin, count = begin + cycle.size + cycle.back, count + 1
        if begin >= ticks:
            break
        if count == MOST_CYCLES:
            raise ConversionError(
                f"the run has more than {MOST_CYCLES} cycles of unequal length; write a larger cycle_size"
            )
    assert made is not None
    return made.cut()
