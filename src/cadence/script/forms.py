"""What was seen while a script was followed, in the words of schedules."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import partial
from itertools import groupby
from typing import cast

import numpy as np
import numpy.typing as npt

from cadence._errors import CadenceError, ScriptError
from cadence.conversion.doors import read, setting
from cadence.conversion.epochs import per_epoch
from cadence.conversion.setting import Setting
from cadence.curve.place import place
from cadence.script.formulas import formula_of
from cadence.script.model import Function
from cadence.script.sims import MovingOptimizer, MovingScheduler, Recursive
from cadence.spec.constructors.phases import constant, formula, piecewise
from cadence.spec.nodes import PastEnd, Schedule
from cadence.spec.plan import Plan, plan
from cadence.spec.span import Span, SpanLike
from cadence.spec.value import Value, absolute

CLOSE = 1e-9
"""A form in words and numbers is the rate that was followed when it differs by no more than this share of the peak."""

MOST_CHECKED = 200_000
"""Updates at which that is looked at, evenly spread in longer runs, and around every change."""


@dataclass(frozen=True)
class Seen:
    """What one value of an optimizer was while a script was followed.

    Attributes:
        name: of the value: ``"lr"`` or ``"momentum"`` (the first of the betas, too).
        rows: (number of updates, numbers of the groups during them), in order.
        bases: of the groups.
        per_epoch: updates in an epoch; None where they are not known, or vary.
    """

    name: str
    rows: Sequence[tuple[int, tuple[float, ...]]]
    bases: tuple[float, ...]
    per_epoch: int | None

    @property
    def total(self) -> int:
        """Updates."""
        return sum(n for n, _ in self.rows)


def form(seen: Seen, optimizer: MovingOptimizer) -> Schedule | Plan:
    """A schedule in few words that gives every number that was seen; a table of them where none does.

    Args:
        seen: the numbers.
        optimizer: whose they are, with the schedulers that were stepped.
    """
    for candidate in _candidates(optimizer, seen.per_epoch):
        try:
            schedule = _only(candidate(), seen.name)
            if schedule is not None and _same(schedule, seen):
                return schedule
        except CadenceError:
            continue
    return _table(seen)


def _candidates(optimizer: MovingOptimizer, per_epoch: int | None) -> Iterator[Callable[[], Schedule | Plan]]:
    bases, total = optimizer.bases, optimizer.updates
    yield constant
    if optimizer.function is not None:
        yield partial(_by_formula, optimizer.function, "t", absolute(1))
    runs = _runs(optimizer)
    for per in ("step", "epoch") if per_epoch is not None else ("step",):
        on = setting(bases, per, total, per_epoch if per == "epoch" else None)
        if len({id(s) for s, _, _ in runs}) == 1 and optimizer.written is None:
            yield partial(_by_formula, runs[0][0].native.arguments.get("lr_lambda"), on.clock, 1.0)
            yield partial(_told, runs[0][0], on, past_end=False)
            yield partial(_told, runs[0][0], on, past_end=True)
        elif runs and optimizer.written is None:
            yield partial(_in_turn, runs, on, cut=False)
            yield partial(_in_turn, runs, on, cut=True)


def _runs(optimizer: MovingOptimizer) -> list[tuple[MovingScheduler, int, int]]:
    """(scheduler, update of its first step, number of steps) for each stretch in which one scheduler is stepped."""
    asked = optimizer.asked if optimizer.asked is not None else optimizer.scheduler
    if asked is not None and not optimizer.stepped:
        return [(asked, 0, 0)]
    found: list[tuple[MovingScheduler, int, int]] = []
    for _, group in groupby(optimizer.stepped, key=lambda each: id(each[0])):
        steps = list(group)
        found.append((steps[0][0], steps[0][1], len(steps)))
    return found


def _by_formula(function: object, clock: str, unit: Value) -> Schedule:
    """A function of the script as a formula."""
    if isinstance(function, (list, tuple)) and function:
        # One for each group, which may be the same.
        function = cast("Sequence[object]", function)[0]
    text = formula_of(function, clock) if isinstance(function, Function) else None
    if text is None:
        raise ScriptError("there is no formula")
    return formula(text) if unit == 1 else formula(text) * unit


def _told(scheduler: MovingScheduler, on: Setting, *, past_end: bool) -> Schedule | Plan:
    """What a scheduler means by itself; without what comes after its end, where the run is over by then."""
    told = read(scheduler.native, on)
    if isinstance(told, PastEnd) and not past_end:
        told = told.inner
    return told if on.per == "step" else per_epoch(told)


def _in_turn(runs: Sequence[tuple[MovingScheduler, int, int]], on: Setting, *, cut: bool) -> Schedule:
    """Schedulers that take turns, each for as many ticks as it is stepped."""
    whole: Schedule | None = None
    for i, (scheduler, _, steps) in enumerate(runs):
        told = read(scheduler.native, on.inside if i else on)
        if isinstance(told, Plan) or (isinstance(scheduler, Recursive) and scheduler.steps != steps):
            raise ScriptError("schedulers that take turns more than once have no short form")
        last = i == len(runs) - 1
        if last and isinstance(told, PastEnd) and not cut:
            # Where it fits, what comes after its end is nothing.
            told = told.inner
        part = told if not cut else told.cut() if last else told.cut(on.span(steps))
        whole = part if whole is None else whole >> part
    if whole is None:
        raise ScriptError("nothing is stepped")
    return whole if on.per == "step" else per_epoch(whole)


def _only(told: Schedule | Plan, name: str) -> Schedule | Plan | None:
    """What a plan says of one value; None where it does not govern it."""
    if isinstance(told, Schedule):
        return told if name == "lr" else None
    entries = {key: part for key, part in told.entries if key.rpartition("/")[2] == name}
    if list(entries) == [name]:
        return entries[name]
    return plan(entries) if entries else None


def _same(schedule: Schedule | Plan, seen: Seen) -> bool:
    """Whether a schedule gives every number that was seen."""
    curve = place(
        schedule if isinstance(schedule, Plan) else plan({seen.name: schedule}), total=seen.total,
        steps_per_epoch=seen.per_epoch, base={seen.name: list(seen.bases)},
        groups=[str(g) for g in range(len(seen.bases))],
    )  # fmt: skip
    times, values = _sampled(seen)
    peak = float(values.max()) if values.size else 0.0
    for g in range(len(seen.bases)):
        numbers = curve.at(times, group=g, value=seen.name)
        if not np.allclose(numbers, values[:, g], rtol=CLOSE, atol=CLOSE * 1e-3 * peak):
            return False
    return True


def _sampled(seen: Seen) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float64]]:
    """Updates and what was in force then: all of a short run; of a long one a net, and both sides of every change."""
    lengths = np.array([n for n, _ in seen.rows], dtype=np.int64)
    table = np.array([row for _, row in seen.rows], dtype=float)
    ends = np.cumsum(lengths)
    total = int(ends[-1])
    if total <= MOST_CHECKED:
        times = np.arange(total)
    else:
        edges = np.concatenate([ends - lengths, ends - 1])[:MOST_CHECKED]
        times = np.unique(np.concatenate([np.linspace(0, total - 1, MOST_CHECKED).astype(np.int64), edges]))
    return times, table[np.searchsorted(ends, times, side="right")]


def _table(seen: Seen) -> Schedule | Plan:
    """Every number that was seen, as it was."""
    by_group: list[Schedule] = []
    for g in range(len(seen.bases)):
        points: list[tuple[SpanLike, Value]] = []
        begin = 0
        for n, row in seen.rows:
            value = absolute(row[g])
            if not points or points[-1][1] != value:
                points.append((Span(Fraction(begin), "steps"), value))
            begin += n
        by_group.append(piecewise(points))
    if all(each == by_group[0] for each in by_group):
        return by_group[0]
    return plan({f"{g}/{seen.name}": each for g, each in enumerate(by_group)})
