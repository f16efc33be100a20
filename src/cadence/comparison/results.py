"""What a comparison found, as data: rows, estimates, tests, and the two files that hold them."""

from __future__ import annotations

import csv
import io
import math
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeAlias

from cadence.comparison.settings import Metric, Words
from cadence.comparison.statistics import Estimate, PairedTest, RestrictedMean
from cadence.comparison.twins import Twin
from cadence.record.effective import GroupEffect

Verdict: TypeAlias = Literal[
    "baseline", "better", "worse", "no_difference", "not_significant_after_correction", "identical",
    "one_seed", "diverged", "failed", "unfinished", "baseline_incomplete",
]  # fmt: skip
"""What the seeds say about a recipe; from `one_seed` on there was no test."""

COLUMNS = (
    "task", "recipe", "seed", "status", "lr", "updates", "train_loss", "val_loss", "metric", "metric_name",
    "time_to_target", "censored", "seconds", "folder",
)  # fmt: skip
"""Of `results.csv`, in order."""

COMPLETE = frozenset({"finished", "stopped"})
"""Statuses of runs that came to an end of their own and have a result."""


@dataclass(frozen=True)
class RunRow:
    """One reported run; the fields are the columns of `results.csv`, None where a number does not exist.

    `planned` is the length that the run was to have, `sentence` what its result says.
    """

    task: str
    recipe: str
    seed: int
    status: str
    lr: float | None
    updates: int | None
    train_loss: float | None
    val_loss: float | None
    metric: float | None
    metric_name: str | None
    time_to_target: int | None
    censored: bool | None
    seconds: float | None
    folder: str
    planned: int | None = None
    sentence: str = ""

    @property
    def complete(self) -> bool:
        """Whether the run has a result that means are taken over."""
        return self.status in COMPLETE


@dataclass(frozen=True)
class TriedRate:
    """One tuning run: a base rate, how the run ended, and the loss that it was judged by."""

    rate: float
    status: str
    loss: float | None


@dataclass(frozen=True)
class BaselineTest:
    """A paired test and its p value after the correction for all comparisons of the task."""

    paired: PairedTest
    p_holm: float


@dataclass(frozen=True)
class RecipeSummary:
    """What the seeds of one recipe say; `docs/formats.md` describes each field."""

    name: str
    label: Words
    schedule: str
    planned_updates: int | None
    runs: tuple[RunRow, ...]
    lr: float | None
    tuning: tuple[TriedRate, ...]
    val_loss: Estimate | None
    metric: Estimate | None
    train_loss: Estimate | None
    seconds: Estimate | None
    time_to_target: RestrictedMean | None
    test: BaselineTest | None
    verdict: Verdict
    effects: tuple[GroupEffect, ...] = ()
    scaled: Mapping[str, Any] | None = None

    @property
    def statuses(self) -> dict[str, int]:
        """How many runs ended how."""
        return dict(Counter(run.status for run in self.runs))

    @property
    def at_edge(self) -> Literal["lowest", "highest"] | None:
        """Which end of the tried rates the chosen one is, if it is one."""
        rates = [tried.rate for tried in self.tuning]
        if self.lr is None or len(rates) < 2:
            return None
        if math.isclose(self.lr, min(rates), rel_tol=1e-5):
            return "lowest"
        return "highest" if math.isclose(self.lr, max(rates), rel_tol=1e-5) else None


@dataclass(frozen=True)
class TaskSummary:
    """One task: its recipes in the order of the settings, each tested against the baseline."""

    name: str
    label: Words
    baseline: str
    seeds: tuple[int, ...]
    metric: Metric | None
    evaluated_every: int | None
    tuning_seed: int | None
    recipes: tuple[RecipeSummary, ...]
    twins: tuple[Twin, ...] = ()

    @property
    def comparisons(self) -> int:
        """How many recipes are compared with the baseline; all of them count for the correction."""
        return len(self.recipes) - 1

    @property
    def tuned(self) -> list[RecipeSummary]:
        """The recipes that tuning is a matter of: in a further framework a recipe takes the rate of the first."""
        further = {twin.second for twin in self.twins}
        return [recipe for recipe in self.recipes if recipe.name not in further]

    @property
    def baseline_recipe(self) -> RecipeSummary:
        """The recipe that the others are compared with."""
        return next(recipe for recipe in self.recipes if recipe.name == self.baseline)


@dataclass(frozen=True)
class Summary:
    """Everything a report says in numbers.

    Attributes:
        folder: the comparison folder.
        title: heading, None for a plain one.
        command: what was typed.
        notes: what must be said that cannot be read from the runs.
        environment: of the first run.
        differences: parts of the environment in which other runs differ, e.g. ``"packages.torch"``.
        tasks: in the order of the settings.
    """

    folder: Path
    title: Words | None
    command: tuple[str, ...]
    notes: tuple[Words, ...]
    environment: Mapping[str, Any]
    differences: tuple[str, ...]
    tasks: tuple[TaskSummary, ...]

    @property
    def runs(self) -> Iterator[RunRow]:
        """All reported runs, in the order of the tables."""
        return (run for task in self.tasks for recipe in task.recipes for run in recipe.runs)

    def to_json(self) -> dict[str, Any]:
        """Plain data, as `docs/formats.md` fixes it for `summary.json`."""
        return {
            "version": 1,
            "title": self.title,
            "command": list(self.command),
            "folder": self.folder.name,
            "environment": dict(self.environment),
            "differences": list(self.differences),
            "notes": list(self.notes),
            "tasks": [_task_json(task) for task in self.tasks],
        }


def results_csv(summary: Summary) -> str:
    """The text of `results.csv`.

    Args:
        summary: of a comparison.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for run in summary.runs:
        cells = (getattr(run, column) for column in COLUMNS)
        writer.writerow([int(cell) if isinstance(cell, bool) else cell for cell in cells])
    return text.getvalue()


def _task_json(task: TaskSummary) -> dict[str, Any]:
    return {
        "name": task.name,
        "label": task.label,
        "baseline": task.baseline,
        "seeds": list(task.seeds),
        "metric": None if task.metric is None else dict(vars(task.metric)),
        "comparisons": task.comparisons,
        "evaluated_every": task.evaluated_every,
        "tuning_seed": task.tuning_seed,
        "recipes": [_recipe_json(recipe) for recipe in task.recipes],
        "twins": [twin.to_json() for twin in task.twins],
    }


def _recipe_json(recipe: RecipeSummary) -> dict[str, Any]:
    time, test = recipe.time_to_target, recipe.test
    return {
        "name": recipe.name,
        "label": recipe.label,
        "schedule": recipe.schedule,
        "planned_updates": recipe.planned_updates,
        "statuses": recipe.statuses,
        "lr": recipe.lr,
        "tuning": [dict(vars(tried)) for tried in recipe.tuning],
        **{name: _estimate_json(getattr(recipe, name)) for name in ("val_loss", "metric", "train_loss", "seconds")},
        "time_to_target": None
        if time is None
        else {
            "reached": time.reached,
            "of": time.of,
            "horizon": time.horizon,
            "updates": _estimate_json(time.updates),
        },
        "test": None
        if test is None
        else {
            "difference": _estimate_json(test.paired.difference),
            "t": test.paired.t,
            "p": test.paired.p,
            "p_holm": test.p_holm,
            "smallest_gap": test.paired.smallest_gap,
        },
        "verdict": recipe.verdict,
        "effective_rates": [effect.to_json() for effect in recipe.effects],
        "scale_lr": recipe.scaled,
    }


def _estimate_json(value: Estimate | None) -> dict[str, Any] | None:
    return None if value is None else dict(vars(value))
