"""A recipe with keys left open: its profile from its own task and model, and advice that fills it in."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

from cadence._errors import AdviceError, RecipeError
from cadence.advice.advice import Advice
from cadence.advice.describe import describe
from cadence.advice.profile import Profile
from cadence.advice.recommend import advise
from cadence.advice.rules.layout import CHANNELS_LAST
from cadence.advice.task_kinds import TASKS
from cadence.curve.horizon import horizon
from cadence.findings.finding import Both
from cadence.recipe.reading import read_file, read_mapping
from cadence.recipe.recipe import Recipe, make_recipe
from cadence.record.environment import environment
from cadence.run.units import epoch_of
from cadence.tasks import Task, resolve_task

OPEN_OPTIMIZER = {"name": "adamw", "lr": 1.0}
"""Stands in a recipe without an optimizer until one is chosen, so that its other keys can be checked."""


@dataclass(frozen=True)
class Partial:
    """A recipe that may leave keys open.

    Attributes:
        keys: as they were written.
        recipe: the same with a stand-in for what is missing, checked.
        task: that it names.
        profile: of the training.
    """

    keys: Mapping[str, Any]
    recipe: Recipe
    task: Task
    profile: Profile


def recommend_recipe(
    recipe: str | os.PathLike[str] | Mapping[str, Any],
    *,
    kind: str | None = None,
    pilot: bool = False,
    pilot_budget: int | None = None,
    **said: Any,
) -> Advice:
    """Fill in a recipe: `task` and `total` are enough, whatever else stands in it is kept.

    Args:
        recipe: a file, or a mapping with its keys.
        kind: of task, as for `cadence.recommend`; None: as far as the task's loss and data tell.
        pilot: whether to race a few rates with the recipe's own engine, on its own data.
        pilot_budget: as for `cadence.recommend`.
        said: what else is known of the training, as for `cadence.recommend`.

    Returns:
        The advice, whose `recipe()` is the recipe filled in.

    Raises:
        AdviceError: see `cadence.recommend`; besides, a recipe without `total`.
        RecipeError: the recipe, or something in it, cannot be used.
        TaskError: see `cadence.tasks.resolve_task`.
    """
    partial = read_partial(recipe, kind=kind, **said)
    if not pilot:
        return advise(partial.profile, pilot_budget=pilot_budget, origin=partial.keys)
    from cadence.advice.engine_pilot import EnginePilot

    first = advise(partial.profile, origin=partial.keys)
    run = EnginePilot(partial, first)
    return advise(partial.profile, pilot=run, pilot_budget=pilot_budget, origin=partial.keys)


def read_partial(recipe: str | os.PathLike[str] | Mapping[str, Any], *, kind: str | None, **said: Any) -> Partial:
    """Read a recipe that may leave keys open, and describe its training.

    Args: see `recommend_recipe`.
    """
    keys = _keys(recipe)
    checked = _checked(keys)
    task = resolve_task(checked.task, **checked.task_args)
    assumed: list[Both] = []
    ranks = int(said.get("ranks") or said.get("gpus") or 1)
    batch = checked.batch_size or task.data.default_batch_size
    accumulate = checked.accumulate
    if checked.update_size is not None:
        accumulate = max(1, checked.update_size // (batch * ranks))
    epoch = epoch_of(task.data, batch, accumulate, ranks, drop_last=checked.drop_last)
    tokens = task.data.tokens_per_example
    per_step = None if tokens is None else epoch.samples * tokens
    told: dict[str, Any] = {
        "model": _model(checked, task),
        "task": kind or _kind(task, assumed),
        "updates": horizon(checked.total, epoch.updates, epoch.samples, per_step).total,
        "batch_size": epoch.samples,
        "dataset_size": task.data.train_examples,
        "tokens_per_example": tokens,
        "precision": keys.get("precision"),
        "clip_norm": keys.get("clip_norm"),
        "given": _given(keys, checked),
    }
    said = {key: x for key, x in said.items() if x is not None}
    for key in said:
        if key in told:
            raise AdviceError(f"{key} is said, and the recipe says it itself; write it there, or leave it out")
    profile = describe(**told, **said)
    if not profile.hardware:
        profile = replace(profile, hardware=_hardware(checked, assumed))
    return Partial(keys, checked, task, replace(profile, assumed=(*assumed, *profile.assumed)))


def _keys(recipe: str | os.PathLike[str] | Mapping[str, Any]) -> dict[str, Any]:
    if isinstance(recipe, Mapping):
        return dict(recipe)
    path = Path(recipe)
    keys = read_mapping(read_file(path), path.name)
    return {"name": path.stem, **keys}


def _checked(keys: Mapping[str, Any]) -> Recipe:
    """The recipe with stand-ins for an optimizer and a rate that are left open."""
    if "total" not in keys:
        raise AdviceError(
            "the recipe does not say how long the run is; write total: 20 epochs, or a number of updates: rate and "
            "schedule depend on it"
        )
    optimizer: Any = keys.get("optimizer", OPEN_OPTIMIZER)
    if isinstance(optimizer, str):
        optimizer = {"name": optimizer}
    if isinstance(optimizer, Mapping):
        table = cast("Mapping[str, Any]", optimizer)
        if table and all(isinstance(x, Mapping) for x in table.values()):
            raise RecipeError(
                "the recipe has several optimizers, which are yours to choose; leave out optimizer, or write one"
            )
        optimizer = {**OPEN_OPTIMIZER, **table}
    return make_recipe({**keys, "optimizer": optimizer})


def _kind(task: Task, assumed: list[Both]) -> str:
    """The kind of task, as far as its data and its metric tell."""
    because = Both(f"it reports {task.metric_name}", f"它报告 {task.metric_name}")
    if task.data.tokens_per_example is not None:
        kind, because = "lm", Both("its rows are tokens", "它的每一行是 token 序列")
    elif task.metric_name in ("accuracy", "error", "top1", "f1"):
        kind = "classification"
    elif task.metric_name in ("miou", "dice", "iou"):
        kind = "segmentation"
    else:
        kind = "regression"
    assumed.append(
        Both(
            f"the task {task.name} is {TASKS[kind].en}, because {because.en}",
            f"任务 {task.name} 为{TASKS[kind].zh}，因为{because.zh}",
        )
    )
    return kind


def _hardware(recipe: Recipe, assumed: list[Both]) -> str:
    """What this machine would compute the recipe with."""
    gpus: list[dict[str, Any]] = [] if recipe.device == "cpu" else environment(())["device"]["gpus"]
    named = str(gpus[0]["name"]) if gpus else "cpu"
    if recipe.device == "auto":
        assumed.append(
            Both(
                f"it is trained on this machine, with {named} (hardware says otherwise)",
                f"在本机用 {named} 训练（可用 hardware 说明并非如此）",
            )
        )
    return named


def _model(recipe: Recipe, task: Task) -> Any:
    if recipe.model is not None:
        from cadence.run.imports import called

        return called(recipe.model, "model", recipe.model_args)
    return task.model(recipe.engine)()


def _given(keys: Mapping[str, Any], recipe: Recipe) -> dict[str, Any]:
    """Fields that the recipe decides."""
    given: dict[str, Any] = {}
    optimizer: Any = keys.get("optimizer")
    if isinstance(optimizer, str):
        given["optimizer"] = optimizer
    elif isinstance(optimizer, Mapping):
        table = dict(cast("Mapping[str, Any]", optimizer))
        rate, decay = table.pop("lr", None), table.pop("weight_decay", None)
        if table.pop("scale_lr", None) is not None:
            raise RecipeError("optimizer.scale_lr scales a rate that is stated; leave it out, or keep your own recipe")
        if "name" in table:
            given["optimizer"] = table["name"] if len(table) == 1 else table
        if rate is not None:
            given["learning_rate"] = rate
        if decay is not None:
            given["weight_decay"] = decay
    simple = {
        "schedule": "schedule", "clip_norm": "clip_norm", "label_smoothing": "label_smoothing",
        "average": "averaging", "stop": "stopping",
    }  # fmt: skip
    for key, field in simple.items():
        if key in keys:
            given[field] = recipe.schedule if key == "schedule" else keys[key]
    if CHANNELS_LAST in recipe.model_args:
        given["layout"] = CHANNELS_LAST if recipe.model_args[CHANNELS_LAST] else None
    if "no_decay" in keys or "layer_decay" in keys:
        given["groups"] = {"no_decay": recipe.no_decay, "layer_decay": recipe.layer_decay}
    return given
