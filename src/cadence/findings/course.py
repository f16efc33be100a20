"""The rate over one run, wherever it comes from: what rules about curves look at."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, cast

import numpy as np
import numpy.typing as npt

from cadence._errors import CadenceError
from cadence.conversion.doors import reading, setting
from cadence.conversion.native import Native
from cadence.curve.curve import Curve
from cadence.curve.place import place
from cadence.findings.finding import Both, Spot
from cadence.spec.nodes import Schedule
from cadence.spec.plan import Plan

FINEST = 200_000
"""Values looked at of one run at most; of a longer one an even selection, and all near its events."""

LONGEST = 10**9
"""Steps of a run that is looked at; a longer one is no run."""

MOST_CALLS = 30_000
"""Steps of a run whose rate is a function of the script, which has to be computed at each of them."""

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Waypoint:
    """What the rate should be at one time."""

    t: int
    value: float


@dataclass(frozen=True)
class Course:
    """The learning rate of one parameter group over one run.

    Attributes:
        t: times looked at, rising, in ticks; the last is the length of the run, which no update uses any more.
        lr: the rate at them.
        unit: what a tick is: ``"epoch"`` or ``"update"``.
        base: the base rate; None where it is not known, then `lr` counts in multiples of it.
        native: the framework's scheduler, where it is one.
        schedule: its meaning, or the schedule itself.
        at: where it stands in a source.
        expected: waypoints that it should pass.
        tolerance: relative, of waypoints.
        arguments: where the scheduler's arguments stand.
        alone: whether no other scheduler changes the same optimizer.
        beyond: where the schedule itself would end, and its rate there, if that lies after the end of the run.
    """

    t: npt.NDArray[np.int64]
    lr: Floats
    unit: str
    base: float | None
    native: Native | None
    schedule: Schedule | Plan
    at: Spot | None = None
    expected: tuple[Waypoint, ...] = ()
    tolerance: float = 0.01
    arguments: Mapping[str, Spot] = field(default_factory=dict[str, Spot])
    alone: bool = True
    beyond: tuple[int, float] | None = None

    @property
    def ticks(self) -> int:
        """Length of the run."""
        return int(self.t[-1])

    @property
    def used(self) -> Floats:
        """The rates that updates are made with: all but the one that the end would bring."""
        return self.lr[:-1]

    @property
    def peak(self) -> float:
        """The highest rate in use."""
        return float(self.used.max())

    def at_tick(self, t: int) -> float:
        """The rate at the time looked at that is nearest below `t`."""
        return float(self.lr[int(np.searchsorted(self.t, t, side="right")) - 1])

    def rate(self, x: float) -> str:
        """A rate in words."""
        return f"{x:.3g}" if self.base is not None or x == 0 else f"{x:.3g} of the base rate"

    def rate_zh(self, x: float) -> str:
        """A rate in Chinese words."""
        return f"{x:.3g}" if self.base is not None or x == 0 else f"基础学习率的 {x:.3g} 倍"

    @property
    def unit_zh(self) -> str:
        """The unit in Chinese."""
        return "轮" if self.unit == "epoch" else "步"

    def argument(self, *names: str) -> Spot | None:
        """Where the first of these arguments stands, else the whole scheduler."""
        return next((self.arguments[name] for name in names if name in self.arguments), self.at)


def course_of(curve: Curve, *, unit: str = "update", base_known: bool = True, native: Native | None = None) -> Course:
    """The course of a curve's first group, over a run of known length.

    Args:
        curve: with an end.
        unit: what its updates stand for.
        base_known: whether its base is a real one.
        native: see `Course`.
    """
    end = curve.end
    assert end is not None
    if end <= FINEST:
        times = np.arange(end + 1)
    else:
        near = [e.t + d for e in curve.events for d in (-2, -1, 0, 1)]
        times = np.unique([*np.linspace(0, end, FINEST).astype(np.int64), *(t for t in near if 0 <= t <= end), end])
    group, value = next((pair for pair in curve.pairs if pair[1] == "lr"), curve.pairs[0])
    plan = curve.plan
    schedule = plan.entries[0][1] if len(plan.entries) == 1 else plan
    base = curve.bases[value][group] if base_known else None
    lr = np.asarray(curve.at(times, group=group, value=value))
    own = curve.placed[plan.governing(curve.groups[group], value) or 0].end
    beyond = None if own is None or own <= end else (own, float(curve.at(own, group=group, value=value)))
    return Course(times, lr, unit, base, native, schedule, beyond=beyond)


def course_of_native(
    native: Native, *, ticks: int | None, unit: str, base: float | None, bases: Sequence[float] = ()
) -> Course | None:
    """The course of a framework's scheduler.

    Args:
        native: the scheduler.
        ticks: calls of its `step()` in the run; None where they are not known.
        unit: what they are.
        base: base rate of the first group; None: not known.
        bases: of all groups, where they are known.

    Returns:
        None where its meaning needs more than is known, or is refused: others say that.
    """
    if ticks is None or not 1 <= ticks <= (MOST_CALLS if _calls(native) else LONGEST):
        return None
    rates = tuple(bases) or (1.0 if base is None else base,)
    try:
        schedule = reading(native, setting(rates, "step", ticks, None))
        curve = place(schedule, total=ticks, base=_bases(schedule, rates))
        return replace(course_of(curve, unit=unit, base_known=base is not None), native=native)
    except CadenceError:
        return None


def _calls(native: Native) -> bool:
    """Whether a scheduler, or one inside it, is given a function."""
    values = [value for part in natives_in(native) for value in part.arguments.values()]
    each = [v for value in values for v in (cast("list[Any]", value) if isinstance(value, (list, tuple)) else [value])]
    return any(callable(value) for value in each)


def _bases(schedule: Schedule | Plan, rates: tuple[float, ...]) -> dict[str, Any]:
    values = schedule.values() if isinstance(schedule, Plan) else ["lr"]
    return {value: list(rates) if value == "lr" else [1.0] * len(rates) for value in values}


def rises(course: Course) -> tuple[int, int, float] | None:
    """Where the rate climbs again after its lowest point, up to the end.

    Returns:
        The time of the lowest point, the last time in use, and the highest rate between them; None where it does not
        climb.
    """
    used = course.used
    bottom = int(used.argmin())
    after = used[bottom:]
    if after.size < 2 or float(after.max()) <= float(used[bottom]) + 1e-9 * course.peak:
        return None
    return int(course.t[bottom]), int(course.t[len(used) - 1]), float(after.max())


def runs_of(mask: npt.NDArray[np.bool_]) -> Iterator[tuple[int, int]]:
    """First and last index of each stretch that is true."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], mask.astype(np.int8), [0]])))
    for first, after in zip(edges[::2], edges[1::2], strict=True):
        yield int(first), int(after) - 1


def when(course: Course, t: int) -> Both:
    """A time in words."""
    return Both(f"{course.unit} {t}", f"第 {t} {course.unit_zh}")


def natives_in(native: Native) -> Iterator[Native]:
    """A scheduler and all those inside it."""
    yield native
    for value in native.arguments.values():
        parts: list[Any] = list(cast("list[Any]", value)) if isinstance(value, (list, tuple)) else [value]
        for part in parts:
            if isinstance(part, Native):
                yield from natives_in(part)
