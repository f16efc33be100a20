"""From runs to what a level costs against the oracle."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from benchmarks.advice.results import Row

NEAR = 1.02
"""The oracle's loss times this is what a run has to reach."""

DRAWS = 4000
"""Of the bootstrap."""

Key = tuple[str, int]
"""Task and seed."""


@dataclass(frozen=True)
class Compared:
    """One run beside the oracle of its task and seed.

    Attributes:
        loss: at its end; where it diverged, that of the best answer that does not look at its input.
        regret: logarithm of its ratio to the oracle's.
        reached: updates until it was within `NEAR` of the oracle, pilot included, as a share of the run; infinity where
            it never was.
        diverged: whether it did.
        pilot: updates taken before, as a share of the run.
    """

    loss: float
    regret: float
    reached: float
    diverged: bool
    pilot: float


@dataclass(frozen=True)
class Oracle:
    """The best of the oracle's trainings, by their loss on the held-out rows.

    Attributes:
        loss: at its end.
        level: which one.
        others: trainings that it was the best of.
    """

    loss: float
    level: str
    others: int


def oracles(rows: Iterable[Row]) -> dict[Key, Oracle]:
    """Task and seed -> oracle."""
    found: dict[Key, list[Row]] = {}
    for row in rows:
        if row.level.startswith("oracle "):
            found.setdefault((row.task, row.seed), []).append(row)
    made: dict[Key, Oracle] = {}
    for key, trained in found.items():
        best = min((row for row in trained if row.losses), key=lambda row: row.losses[-1])
        made[key] = Oracle(best.losses[-1], best.level.removeprefix("oracle "), len(trained))
    return made


def compare(row: Row, oracle: Oracle, *, updates: int, blind: float, looks: int) -> Compared:
    """A run beside its oracle.

    Args:
        row: of a level.
        oracle: of its task and seed.
        updates: of the run.
        blind: loss of the best answer that does not look at its input.
        looks: evaluations of a whole run.
    """
    diverged = len(row.losses) < looks
    loss = blind if diverged else row.losses[-1]
    near = [i for i, seen in enumerate(row.losses) if seen <= NEAR * oracle.loss]
    share = row.pilot / updates
    reached = share + (near[0] + 1) / looks if near else math.inf
    return Compared(loss, math.log(loss / oracle.loss), reached, diverged, share)


@dataclass(frozen=True)
class Summary:
    """A level over tasks.

    Attributes:
        mean: geometric mean of the loss over the oracle's, minus 1; over the seeds of a task first.
        low, high: 95 % interval, by drawing tasks, and seeds within them, again.
        worst: of a task, the mean over its seeds.
        worst_task: which one.
        reached: share of runs that reach the oracle's loss times `NEAR`.
        time: median of the updates until then, pilot included, as a share of the run; infinity where fewer than half
            do.
        diverged: runs.
        runs: in all.
        pilot: mean share of the run.
    """

    mean: float
    low: float
    high: float
    worst: float
    worst_task: str
    reached: float
    time: float
    diverged: int
    runs: int
    pilot: float


def summary(by_task: Mapping[str, Sequence[Compared]]) -> Summary:
    """A level's runs, task by task."""
    regrets = {task: [run.regret for run in runs] for task, runs in by_task.items()}
    means = {task: statistics.fmean(values) for task, values in regrets.items()}
    worst = max(means, key=lambda task: means[task])
    low, high = interval(list(regrets.values()))
    runs = [run for each in by_task.values() for run in each]
    return Summary(
        math.expm1(statistics.fmean(means.values())),
        low,
        high,
        math.expm1(means[worst]),
        worst,
        statistics.fmean(math.isfinite(run.reached) for run in runs),
        statistics.median(run.reached for run in runs),
        sum(run.diverged for run in runs),
        len(runs),
        statistics.fmean(run.pilot for run in runs),
    )


def interval(regrets: Sequence[Sequence[float]]) -> tuple[float, float]:
    """95 % interval of the geometric mean minus 1: tasks are drawn again, and in each of them seeds.

    Args:
        regrets: logarithms, one row for each task.
    """
    random = np.random.default_rng(0)
    # (task, draw): the mean over seeds that are drawn again.
    again = np.array([random.choice(row, (DRAWS, len(row))).mean(axis=1) for row in regrets])
    tasks = random.integers(len(regrets), size=(DRAWS, len(regrets)))
    means = again[tasks, np.arange(DRAWS)[:, None]].mean(axis=1)
    low, high = np.quantile(means, [0.025, 0.975])
    return math.expm1(low), math.expm1(high)
