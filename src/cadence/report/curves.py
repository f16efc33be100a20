"""The curves of a comparison, read from its records and made small enough to draw."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from cadence._errors import RecordError
from cadence.comparison.results import COMPLETE, RecipeSummary, Summary, TaskSummary
from cadence.record.reader import Record, load_record

Floats = npt.NDArray[np.float64]

MOST_POINTS = 400
"""Of a curve of one run in a page or picture."""

TRAIN_POINTS = 60
"""Of a training loss, which is a mean over so many stretches: single updates are noise."""


MOST_GROUPS = 12
"""Parameter groups drawn of one task: more lines cannot be told apart."""


@dataclass(frozen=True)
class Line:
    """One drawn curve.

    Attributes:
        recipe: index of the recipe in its task.
        seed: of the run; None: all seeds have this very curve, or it is their mean.
        t: update numbers, rising.
        y: values; nan where there is none.
        mean: whether it is the mean over seeds.
    """

    recipe: int
    seed: int | None
    t: tuple[int, ...]
    y: tuple[float, ...]
    mean: bool = False


@dataclass(frozen=True)
class TaskCurves:
    """What is drawn of one task. `train_stretch` is how many updates a point of the training loss is the mean of.

    `ratios` has for each recipe how far updates moved the weights of each group, where that was measured: there
    `recipe` of a line is the index of its group in `groups`.
    """

    lr: tuple[Line, ...]
    val: tuple[Line, ...]
    train: tuple[Line, ...]
    total: int
    train_stretch: int
    groups: tuple[str, ...] = ()
    ratios: tuple[tuple[Line, ...], ...] = ()


def read_curves(summary: Summary) -> tuple[TaskCurves, ...]:
    """The curves of every run, one entry per task.

    Args:
        summary: of a comparison; its folder is read again.
    """
    return tuple(_task_curves(summary.folder, task) for task in summary.tasks)


def envelope(t: npt.ArrayLike, y: npt.ArrayLike, most: int = MOST_POINTS) -> tuple[Floats, Floats]:
    """A long curve by few points, without losing a spike: of each stretch its least and its greatest value.

    Args:
        t: rising positions, shape [n].
        y: values, shape [n]; nan is passed over.
        most: about how many points are left, at least 4.

    Returns:
        Positions and values, float64, shape [at most `most` + 4]; the curve itself where it is short enough.

    Example:
        >>> spike = np.zeros(10_000)
        >>> spike[7_777] = 1.0
        >>> t, y = envelope(np.arange(10_000), spike, most=100)
        >>> len(t) <= 104, float(y.max()), int(t[y.argmax()])
        (True, 1.0, 7777)
    """
    times, values = np.asarray(t, dtype=np.float64), np.asarray(y, dtype=np.float64)
    n = len(times)
    if n <= most:
        return times, values
    columns = max(1, most // 2)
    edges = np.linspace(0, n, columns + 1).astype(np.int64)
    known = np.isfinite(values)
    starts = edges[:-1]
    low = np.minimum.reduceat(np.where(known, values, np.inf), starts)
    high = np.maximum.reduceat(np.where(known, values, -np.inf), starts)
    column = np.repeat(np.arange(columns), np.diff(edges))
    # First index of each extreme within its stretch: where the value equals it, keep the first hit of each column.
    at_low = _first_hit(values == low[column], column, columns, starts)
    at_high = _first_hit(values == high[column], column, columns, starts)
    kept = np.unique(np.concatenate([[0, n - 1], at_low, at_high]))
    return times[kept], values[kept]


def _first_hit(
    hit: npt.NDArray[np.bool_], column: npt.NDArray[np.int64], columns: int, starts: npt.NDArray[np.int64]
) -> npt.NDArray[np.int64]:
    found = starts.copy()
    where = np.flatnonzero(hit)[::-1]
    # Written back to front, so that the first hit of a column is the one that stays.
    found[column[where]] = where
    return found[:columns]


def limits(lines: Iterable[Line], fallback: Iterable[Line] = ()) -> tuple[float, float] | None:
    """Least and greatest finite value of the lines, or of the fallback where they have none.

    Args:
        lines: usually those of runs that came to their end, so that a diverged one does not flatten the rest.
        fallback: all lines.
    """
    for chosen in (lines, fallback):
        values = [y for line in chosen for y in line.y if math.isfinite(y)]
        if values:
            return min(values), max(values)
    return None


def complete_only(lines: Iterable[Line], task: TaskSummary) -> list[Line]:
    """Lines of runs that came to their end, and means.

    Args:
        lines: of one task.
        task: the task.
    """
    bad = {(i, run.seed) for i, r in enumerate(task.recipes) for run in r.runs if run.status not in COMPLETE}
    every = {i for i, r in enumerate(task.recipes) if all(run.status not in COMPLETE for run in r.runs)}
    return [line for line in lines if (line.recipe, line.seed) not in bad and line.recipe not in every]


# ---- reading ---------------------------------------------------------------------------------------------------------


def _task_curves(root: Path, task: TaskSummary) -> TaskCurves:
    lr: list[Line] = []
    val: list[Line] = []
    train: list[Line] = []
    groups = drawn_groups(task)
    ratios: list[tuple[Line, ...]] = []
    total = max((r.planned_updates or 0 for r in task.recipes), default=0)
    stretch = max(1, math.ceil(total / TRAIN_POINTS))
    for index, recipe in enumerate(task.recipes):
        runs = _runs(root, recipe)
        lr += _merged(index, [(seed, *_rates(record)) for seed, record in runs])
        evaluated = [(seed, *_evaluations(record)) for seed, record in runs]
        val += _with_mean(index, recipe, evaluated)
        train += _with_mean(index, recipe, [(seed, *_binned(record, stretch)) for seed, record in runs])
        ratios.append(
            tuple(
                line
                for g, name in enumerate(groups)
                for line in _with_mean(g, recipe, [(seed, *_ratio(record, name)) for seed, record in runs])
            )
        )
    longest = max((line.t[-1] for line in (*lr, *val) if line.t), default=1)
    return TaskCurves(
        tuple(lr), tuple(val), tuple(train), max(total, longest, 1), stretch, groups, tuple(ratios)
    )  # fmt: skip


def drawn_groups(task: TaskSummary) -> tuple[str, ...]:
    """Names of the parameter groups that were measured in any recipe; of very many an even selection.

    Args:
        task: the task.
    """
    names = list(dict.fromkeys(e.group for recipe in task.recipes for e in recipe.effects if e.update_ratio))
    if len(names) <= MOST_GROUPS:
        return tuple(names)
    return tuple(names[round(i * (len(names) - 1) / (MOST_GROUPS - 1))] for i in range(MOST_GROUPS))


def _ratio(record: Record, group: str) -> tuple[Floats, Floats]:
    """How far the measured updates moved the weights of a group, as a share of their norm."""
    names = [str(name) for name in record.run.get("groups") or ()]
    table = record.updates
    if "update_ratio" not in table or group not in names or names.index(group) >= table["update_ratio"].shape[1]:
        return np.empty(0), np.empty(0)
    ratio = np.asarray(table["update_ratio"][:, names.index(group)], dtype=np.float64)
    measured = np.isfinite(ratio)
    return envelope(np.asarray(table["t"], dtype=np.float64)[measured], ratio[measured])


def _runs(root: Path, recipe: RecipeSummary) -> list[tuple[int, Record]]:
    records: list[tuple[int, Record]] = []
    for run in recipe.runs:
        if run.status == "missing":
            continue
        try:
            record = load_record(root / run.folder)
            # Read now: what cannot be read is said in the tables, and not drawn.
            _ = record.updates, record.evaluations
            records.append((run.seed, record))
        except RecordError:
            continue
    return records


def _rates(record: Record) -> tuple[Floats, Floats]:
    """The largest rate of any group at every update."""
    table = record.updates
    if "lr" not in table or not len(table["t"]):
        return np.empty(0), np.empty(0)
    rates = np.asarray(table["lr"], dtype=np.float64)
    if rates.ndim == 2:
        rates = np.max(np.where(np.isnan(rates), -np.inf, rates), axis=1)
        rates = np.where(np.isinf(rates), np.nan, rates)
    return np.asarray(table["t"], dtype=np.float64), rates


def _evaluations(record: Record) -> tuple[Floats, Floats]:
    table = record.evaluations
    if "val_loss" not in table:
        return np.empty(0), np.empty(0)
    return envelope(table["t"], np.asarray(table["val_loss"], dtype=np.float64))


def _binned(record: Record, stretch: int) -> tuple[Floats, Floats]:
    """The training loss as means over stretches of updates, each at its middle."""
    table = record.updates
    if "loss" not in table or not len(table["t"]):
        return np.empty(0), np.empty(0)
    t, loss = np.asarray(table["t"], dtype=np.int64), np.asarray(table["loss"], dtype=np.float64)
    bins = t // stretch
    first = np.flatnonzero(np.diff(bins, prepend=-1))
    counts = np.diff(np.append(first, len(t)))
    middle = np.add.reduceat(t.astype(np.float64), first) / counts
    # A stretch with a value that is no number has no mean, and its overflow is no news.
    with np.errstate(all="ignore"):
        return np.floor(middle), np.add.reduceat(loss, first) / counts


def _merged(index: int, runs: Sequence[tuple[int, Floats, Floats]]) -> list[Line]:
    """One line per run, or a single one where all runs followed the same curve, as they do without feedback."""
    kept = [(seed, t, y) for seed, t, y in runs if len(t)]
    # A run that was cut short has followed the curve as far as it went.
    _, t, y = max(kept, key=lambda run: len(run[1]), default=(0, np.empty(0), np.empty(0)))
    if len(kept) > 1 and all(
        np.array_equal(other, t[: len(other)]) and np.array_equal(values, y[: len(other)], equal_nan=True)
        for _, other, values in kept
    ):
        return [_line(index, None, *envelope(t, y), mean=True)]
    return [_line(index, seed, *envelope(t, y)) for seed, t, y in kept]


def _with_mean(index: int, recipe: RecipeSummary, runs: Sequence[tuple[int, Floats, Floats]]) -> list[Line]:
    """One line per run, and the mean of those that came to their end at the updates that all of these share."""
    kept = [(seed, t, y) for seed, t, y in runs if len(t)]
    lines = [_line(index, seed, t, y) for seed, t, y in kept]
    complete = {run.seed for run in recipe.runs if run.complete}
    good = [dict(zip(t.tolist(), y.tolist(), strict=True)) for seed, t, y in kept if seed in complete]
    if len(good) > 1:
        shared = sorted(set[float](good[0]).intersection(*good[1:]))
        means = [math.fsum(run[t] for run in good) / len(good) for t in shared]
        lines.append(_line(index, None, np.array(shared), np.array(means), mean=True))
    return lines


def _line(index: int, seed: int | None, t: Floats, y: Floats, *, mean: bool = False) -> Line:
    return Line(index, seed, tuple(int(x) for x in t), tuple(float(x) for x in y), mean)
