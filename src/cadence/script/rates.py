"""The rate that a script will really run, as a schedule on the script's own loops."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import partial
from itertools import groupby, pairwise
from typing import cast

import numpy as np
import numpy.typing as npt

from cadence._errors import CadenceError, ScriptError
from cadence.conversion.doors import read, setting
from cadence.conversion.epochs import per_epoch
from cadence.conversion.setting import Setting
from cadence.curve.curve import Curve
from cadence.curve.place import place
from cadence.script.follow import Follower, followed
from cadence.script.formulas import formula_of
from cadence.script.model import Function, Script
from cadence.script.resolve import Resolver
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
class Rate:
    """What one optimizer of a script runs with.

    Attributes:
        variable: what the script calls the optimizer.
        line: where it is made.
        schedule: the schedule, or a plan where groups differ; multiples are of `bases`.
        bases: base learning rate of each group.
        groups: names of the groups.
        total: updates that the script does; None where they are not counted.
        steps_per_epoch: updates in one epoch; None where that is not known or varies.
        per: what one update of the schedule stands for: ``"update"``, or ``"epoch"`` where the length of an epoch is
            not known and does not matter.
        followed: whether it is what the script was seen to do, update by update; otherwise it is what its scheduler
            means by itself.
        assumed: sentences on what was taken for granted.
    """

    variable: str
    line: int
    schedule: Schedule | Plan
    bases: tuple[float, ...]
    groups: tuple[str, ...]
    total: int | None
    steps_per_epoch: int | None
    per: str
    followed: bool
    assumed: tuple[str, ...]

    def by_group(self) -> list[tuple[str, Curve]]:
        """A label and a curve for each group that does what no group before it does."""
        whole = self.curve()
        found: list[tuple[str, Curve]] = []
        seen: set[tuple[Schedule, float]] = set()
        for g, base in enumerate(self.bases):
            entry = whole.plan.governing(self.groups[g], "lr")
            if entry is None or (whole.plan.entries[entry][1], base) in seen:
                continue
            schedule = whole.plan.entries[entry][1]
            seen.add((schedule, base))
            curve = place(schedule, total=self.total, steps_per_epoch=self.steps_per_epoch, base=base)
            found.append((f"group {g} of {self.variable}" if len(self.bases) > 1 else self.variable, curve))
        return found if len(found) > 1 else [(self.variable, curve) for _, curve in found]

    def curve(self) -> Curve:
        """The schedule on its run."""
        return place(
            self.schedule, total=self.total, steps_per_epoch=self.steps_per_epoch, base=list(self.bases),
            groups=self.groups,
        )  # fmt: skip


def rates(script: Script, *, total: int | None = None, base: float | None = None) -> list[Rate]:
    """What each optimizer of a script runs with.

    The script is followed from its first line to its last, as far as rates go (`cadence.script.follow`); schedulers
    that fight over one optimizer, writes by hand and the order in which things are made come out as they would. Where
    schedules say the same in few words (`cosine(90)`), those words are given instead of a table, after a comparison at
    every update.

    Args:
        script: what was read, with ``steps_per_epoch`` where a rate depends on the length of an epoch.
        total: updates to look at; None: to the script's end.
        base: learning rate instead of the script's own.

    Returns:
        One for each optimizer that is stepped (or that a scheduler is made for), in the order in which they are made.

    Raises:
        ScriptError: there is no optimizer, or a rate depends on something that only a run would show; the sentence says
            on what, in which line, and what to give instead.
    """
    for problem in script.problems:
        if problem.kind == "flattened":
            raise ScriptError(problem.text)
    resolver = script._resolver  # pyright: ignore[reportPrivateUsage]
    seen = followed(script, resolver, total=total, base=base)
    if not any(o.updates for o in seen.optimizers) and seen.optimizers:
        seen = followed(script, resolver, total=total, base=base, implied=True)
        seen.assumed["the optimizer's own steps are not in the script: one is taken for each round of its loop"] = None
    if not seen.optimizers and not script.optimizers:
        raise ScriptError(f"{script.name} makes no optimizer that can be seen; there is no rate to tell")
    moving = [o for o in seen.optimizers if o.updates]
    if not moving:
        raise ScriptError(_nothing(script, seen))
    return [_of_moving(resolver, o, seen) for o in moving]


def _nothing(script: Script, seen: Follower) -> str:
    if not seen.optimizers:
        made = script.optimizers[0]
        return f"{script.name} makes its {made.name} of {script.at(made.line)} where nothing at its top leads to"
    made = seen.optimizers[0].optimizer
    return (
        f"nothing in {script.name} steps the {made.name} of {script.at(made.line)}, nor a scheduler of it; its rate is "
        f"{', '.join(f'{b:g}' for b in seen.optimizers[0].bases)} until a loop does"
    )


def _of_moving(resolver: Resolver, optimizer: MovingOptimizer, seen: Follower) -> Rate:
    per_epoch = None if seen.by_epoch else _epoch(optimizer)
    by_epoch = seen.by_epoch or (seen.implied and per_epoch == 1)
    per_epoch = None if by_epoch else per_epoch
    schedule = next(_forms(optimizer, per_epoch), None)
    assumed = list(seen.assumed)
    if seen.by_epoch:
        assumed.append("how many batches an epoch has is not known and does not matter: one update stands for an epoch")
    return Rate(
        optimizer.optimizer.variable or optimizer.optimizer.name,
        optimizer.optimizer.line,
        _table(optimizer) if schedule is None else schedule,
        optimizer.bases,
        tuple(str(g) for g in range(len(optimizer.groups))),
        optimizer.updates,
        per_epoch,
        "epoch" if by_epoch else "update",
        True,
        (*resolver.assumed, *assumed),
    )


def _epoch(optimizer: MovingOptimizer) -> int | None:
    """Updates in an epoch, where all epochs have as many."""
    marks = [*dict.fromkeys(optimizer.marks), optimizer.updates]
    lengths = {b - a for a, b in pairwise(marks) if b > a}
    return lengths.pop() if len(lengths) == 1 else None


# ---- from what was followed to words ---------------------------------------------------------------------------------


def _forms(optimizer: MovingOptimizer, per_epoch: int | None) -> Iterator[Schedule | Plan]:
    """Schedules in words that give the rates that were followed, the simplest first."""
    for candidate in _candidates(optimizer, per_epoch):
        try:
            schedule = _rates_only(candidate())
            if _same(schedule, optimizer, per_epoch):
                yield schedule
        except CadenceError:
            continue


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


def _rates_only(told: Schedule | Plan) -> Schedule | Plan:
    """A plan without what it says of momenta."""
    if isinstance(told, Schedule):
        return told
    entries = {key: part for key, part in told.entries if key.rpartition("/")[2] == "lr"}
    return entries["lr"] if list(entries) == ["lr"] else plan(entries)


def _same(schedule: Schedule | Plan, optimizer: MovingOptimizer, per_epoch: int | None) -> bool:
    """Whether a schedule gives every rate that was followed."""
    curve = place(
        schedule, total=optimizer.updates, steps_per_epoch=per_epoch, base=list(optimizer.bases),
        groups=[str(g) for g in range(len(optimizer.groups))],
    )  # fmt: skip
    times, values = _sampled(optimizer)
    peak = float(values.max()) if values.size else 0.0
    for g in range(len(optimizer.groups)):
        if not np.allclose(curve.at(times, group=g, value="lr"), values[:, g], rtol=CLOSE, atol=CLOSE * 1e-3 * peak):
            return False
    return True


def _sampled(optimizer: MovingOptimizer) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float64]]:
    """Updates and what was in force then: all of a short run; of a long one a net, and both sides of every change."""
    lengths = np.array([n for n, _ in optimizer.rows], dtype=np.int64)
    table = np.array([row for _, row in optimizer.rows], dtype=float)
    ends = np.cumsum(lengths)
    total = int(ends[-1])
    if total <= MOST_CHECKED:
        times = np.arange(total)
    else:
        edges = np.concatenate([ends - lengths, ends - 1])[:MOST_CHECKED]
        times = np.unique(np.concatenate([np.linspace(0, total - 1, MOST_CHECKED).astype(np.int64), edges]))
    return times, table[np.searchsorted(ends, times, side="right")]


def _table(optimizer: MovingOptimizer) -> Schedule | Plan:
    """Every rate that was followed, as it was."""
    by_group: list[Schedule] = []
    for g in range(len(optimizer.groups)):
        points: list[tuple[SpanLike, Value]] = []
        begin = 0
        for n, row in optimizer.rows:
            value = absolute(row[g])
            if not points or points[-1][1] != value:
                points.append((Span(Fraction(begin), "steps"), value))
            begin += n
        by_group.append(piecewise(points))
    if all(each == by_group[0] for each in by_group):
        return by_group[0]
    return plan({f"{g}/lr": each for g, each in enumerate(by_group)})
