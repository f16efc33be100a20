"""A comparison folder as numbers: one row per run, one estimate per recipe, one test per recipe and baseline."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeAlias

from cadence._errors import RecordError
from cadence.comparison.results import (
    COMPLETE,
    BaselineTest,
    RecipeSummary,
    RunRow,
    Summary,
    TaskSummary,
    Verdict,
    results_csv,
)
from cadence.comparison.settings import (
    Contender,
    Contest,
    Settings,
    read_settings,
    run_folder,
    tuning_folder,
)
from cadence.comparison.statistics import (
    LEVEL,
    Estimate,
    estimate,
    first_reach,
    holm,
    paired_test,
    restricted_mean,
)
from cadence.comparison.told import (
    base_rate,
    effects_of,
    final_loss,
    mapping,
    number,
    record_of,
    spacing,
    status_of,
    train_loss,
    tried,
)
from cadence.comparison.twins import Twin, twin
from cadence.record.files import write_atomically, write_json
from cadence.record.reader import Record


def summarise(folder: str | os.PathLike[str]) -> Summary:
    """Read a comparison folder, and write its `results.csv` and `summary.json`.

    It may be called while runs are still going on: those count as unfinished, and no test is made of their recipe.

    Args:
        folder: the comparison folder.

    Returns:
        What both files say.

    Raises:
        RecordError: the folder is no comparison folder, or its settings cannot be read.
    """
    summary = read_summary(folder)
    write_atomically(summary.folder / "results.csv", results_csv(summary))
    write_json(summary.folder / "summary.json", summary.to_json())
    return summary


def read_summary(folder: str | os.PathLike[str]) -> Summary:
    """As `summarise`, without writing anything.

    Args:
        folder: the comparison folder.

    Raises:
        RecordError: the folder is no comparison folder, or its settings cannot be read.
    """
    root = Path(folder)
    settings = read_settings(root)
    records = {
        (task.name, recipe.name, seed): record_of(root / run_folder(task, recipe, seed))
        for task in settings.tasks
        for recipe in task.recipes
        for seed in task.seeds
    }
    environments = [environment for record in records.values() if (environment := _environment(record))]
    return Summary(
        root,
        settings.title,
        settings.command,
        settings.notes,
        _common(environments),
        _differences(environments),
        tuple(_task_summary(root, settings, task, records) for task in settings.tasks),
    )


# ---- one task --------------------------------------------------------------------------------------------------------

Records: TypeAlias = Mapping[tuple[str, str, int], "Record | None"]


def _task_summary(root: Path, settings: Settings, task: Contest, records: Records) -> TaskSummary:
    targets = {seed: final_loss(records[task.name, task.baseline, seed]) for seed in task.seeds}
    recipes = [_recipe_summary(root, task, recipe, records, targets) for recipe in task.recipes]
    baseline = next(recipe for recipe in recipes if recipe.name == task.baseline)
    first = next((record for key, record in records.items() if key[0] == task.name and record is not None), None)
    return TaskSummary(
        task.name,
        task.label,
        task.baseline,
        task.seeds,
        task.metric,
        None if first is None else spacing(first),
        task.tuning_seed,
        _judged(recipes, baseline),
        tuple(_twins(task, records)),
    )


def _twins(task: Contest, records: Records) -> Iterator[Twin]:
    """Each recipe that was trained in a further framework, beside itself in the first."""
    for recipe in task.recipes:
        if recipe.twin is None:
            continue
        both = [(s, records[task.name, recipe.twin, s], records[task.name, recipe.name, s]) for s in task.seeds]
        pairs = [(s, one, other) for s, one, other in both if one is not None and other is not None]
        found = twin(recipe.twin, recipe.name, pairs)
        if found is not None:
            yield found


def _recipe_summary(
    root: Path, task: Contest, recipe: Contender, records: Records, targets: Mapping[int, float | None]
) -> RecipeSummary:
    runs = tuple(_row(task, recipe, seed, records[task.name, recipe.name, seed], targets[seed]) for seed in task.seeds)
    complete = [run for run in runs if run.complete]
    timed = [run for run in runs if run.time_to_target is not None]
    rates = {run.lr for run in runs if run.lr is not None}
    record = next((r for seed in task.seeds if (r := records[task.name, recipe.name, seed]) is not None), None)
    return RecipeSummary(
        recipe.name,
        recipe.label,
        "" if record is None else str(record.run.get("spec", "")),
        next((run.planned for run in runs if run.planned is not None), None),
        runs,
        rates.pop() if len(rates) == 1 else None,
        tuple(tried(root / tuning_folder(task, recipe, rate), rate) for rate in recipe.rates),
        _mean(run.val_loss for run in complete),
        _mean(run.metric for run in complete),
        _mean(run.train_loss for run in complete),
        _mean(run.seconds for run in complete),
        restricted_mean([run.time_to_target or 0 for run in timed], [bool(run.censored) for run in timed])
        if timed
        else None,
        None,
        "baseline" if recipe.name == task.baseline else _untested(runs),
        effects_of([r for seed in task.seeds if (r := records[task.name, recipe.name, seed]) is not None]),
        None if record is None else next(iter(mapping(record.run.get("scale_lr")).values()), None),
    )


def _mean(values: Iterable[float | None]) -> Estimate | None:
    known = [value for value in values if value is not None]
    return estimate(known) if known else None


def _row(task: Contest, recipe: Contender, seed: int, record: Record | None, target: float | None) -> RunRow:
    folder = run_folder(task, recipe, seed).as_posix()
    name = None if task.metric is None else task.metric.name
    empty = RunRow(
        task.name, recipe.name, seed, "missing", None, None, None, None, None, name, None, None, None, folder
    )  # fmt: skip
    if record is None:
        return empty
    try:
        return _read_row(task, empty, record, target)
    except RecordError as error:
        # One damaged file must not hide all the other runs.
        return replace(empty, status="failed", sentence=str(error))


def _read_row(task: Contest, empty: RunRow, record: Record, target: float | None) -> RunRow:
    result, final = mapping(record.result), mapping(mapping(record.result).get("final"))
    loss, status = final_loss(record), status_of(record)
    planned, updates = mapping(record.run.get("horizon")).get("total"), result.get("updates")
    time, censored = _time_to_target(record, target, status, planned if status == "diverged" else updates)
    return replace(
        empty,
        status=status,
        lr=base_rate(record),
        updates=updates,
        train_loss=train_loss(record) if status in COMPLETE else None,
        val_loss=loss,
        metric=None if task.metric is None or status not in COMPLETE else number(final.get(task.metric.key)),
        time_to_target=time,
        censored=censored,
        seconds=number(result.get("seconds")),
        planned=planned,
        sentence=str(result.get("sentence") or ""),
    )


def _time_to_target(
    record: Record, target: float | None, status: str, length: int | None
) -> tuple[int | None, bool | None]:
    """Updates until the target, or the length of the run and True; (None, None) where nothing is known.

    A diverged run can never reach the target, so its planned length counts; what a failed or unfinished one would have
    done, nobody knows.
    """
    if target is None or status not in COMPLETE | {"diverged"}:
        return None, None
    evaluations = record.evaluations
    reached = None
    if "val_loss" in evaluations:
        reached = first_reach(evaluations["t"].tolist(), evaluations["val_loss"].tolist(), target)
    if reached is not None:
        return reached, False
    return (None, None) if length is None else (int(length), True)


def _untested(runs: Sequence[RunRow]) -> Verdict:
    """Why there can be no test of these runs; "no_difference" if there can."""
    statuses = {run.status for run in runs}
    for status in ("diverged", "failed"):
        if status in statuses:
            return status
    if not statuses <= COMPLETE:
        return "unfinished"
    return "one_seed" if len(runs) < 2 else "no_difference"


def _judged(recipes: Sequence[RecipeSummary], baseline: RecipeSummary) -> tuple[RecipeSummary, ...]:
    """The same recipes with tests and verdicts; all comparisons of a task are corrected together."""
    comparisons = len(recipes) - 1
    losses = [run.val_loss for run in baseline.runs if run.complete and run.val_loss is not None]
    if len(losses) < len(baseline.runs):
        return tuple(replace(r, verdict="baseline_incomplete") if _open(r) else r for r in recipes)
    tested = [recipe for recipe in recipes if _open(recipe)]
    tests = [
        paired_test([run.val_loss or 0.0 for run in recipe.runs], losses, comparisons=comparisons) for recipe in tested
    ]
    corrected = holm([test.p for test in tests], comparisons=comparisons)
    made = {recipe.name: BaselineTest(test, p) for recipe, test, p in zip(tested, tests, corrected, strict=True)}
    return tuple(
        replace(recipe, test=made[recipe.name], verdict=_verdict(made[recipe.name])) if recipe.name in made else recipe
        for recipe in recipes
    )


def _open(recipe: RecipeSummary) -> bool:
    """Whether nothing of its own stands against a test."""
    return recipe.verdict == "no_difference"


def _verdict(test: BaselineTest) -> Verdict:
    difference = test.paired.difference
    if difference.mean == 0.0 and difference.sd == 0.0:
        return "identical"
    if test.p_holm < LEVEL:
        return "better" if difference.mean < 0 else "worse"
    return "not_significant_after_correction" if test.paired.p < LEVEL else "no_difference"


# ---- where they ran ------------------------------------------------------------------------------------------------


def _environment(record: Record | None) -> Mapping[str, Any]:
    try:
        return {} if record is None else record.environment
    except RecordError:
        return {}


def _differences(environments: Sequence[Mapping[str, Any]]) -> tuple[str, ...]:
    """Dotted names of what is not the same everywhere, time and command apart."""
    flat = [dict(_flat(environment)) for environment in environments]
    names = {name: None for one in flat for name in one}

    def differs(name: str) -> bool:
        # A run names the data of its own task only: what it does not name is no difference.
        found = [one.get(name) for one in flat if name in one or not name.startswith("data.")]
        return any(value != found[0] for value in found)

    return tuple(filter(differs, names))


def _common(environments: Sequence[Mapping[str, Any]]) -> Mapping[str, Any]:
    """The environment of the first run, with the data of all tasks."""
    if not environments:
        return {}
    data: dict[str, Any] = {}
    for environment in environments:
        data = {**mapping(environment.get("data")), **data}
    return {**environments[0], "data": data} if data else environments[0]


def _flat(environment: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in environment.items():
        if not prefix and key in {"started", "command"}:
            continue
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{key}.")  # pyright: ignore[reportUnknownArgumentType]
        else:
            yield f"{prefix}{key}", value
