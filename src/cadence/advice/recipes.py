"""Advice as a recipe that `cadence train` runs, with its reasons as comments."""

from __future__ import annotations

import inspect
import sys
import textwrap
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, cast

from cadence._errors import AdviceError
from cadence.advice.choice import Choice
from cadence.advice.rules.layout import CHANNELS_LAST
from cadence.advice.setting import setting_of
from cadence.recipe.recipe import Recipe, make_recipe
from cadence.recipe.writing import to_yaml

if TYPE_CHECKING:
    from cadence.advice.advice import Advice

WIDTH = 100

_KEYS: dict[str, tuple[str, ...]] = {
    "model_args": ("layout",),
    "optimizer": ("optimizer", "learning_rate", "batch_scaling", "weight_decay"),
    "groups": ("groups",),
    "no_decay": (),
    "layer_decay": (),
    "schedule": ("warmup", "schedule"),
    "precision": ("precision",),
    "clip_norm": ("clip_norm",),
    "label_smoothing": ("label_smoothing",),
    "average": ("averaging",),
    "stop": ("stopping",),
}
"""Key of a recipe -> fields whose reasons stand above it."""


def recipe_keys(advice: Advice, *, task: str | None, model: str | None) -> dict[str, Any]:
    """The keys of the recipe, without those that are at their defaults.

    Raises:
        AdviceError: no rate is known, or nobody has said which task.
    """
    own, origin = advice.profile, dict(advice.origin or {})
    task = task or origin.get("task")
    if task is None:
        raise AdviceError(
            f"a recipe needs the task by name, and the advice knows only that it is {own.task}; write "
            f"advice.recipe(task='digits') (--train-task digits), or 'package.module:function' that returns a "
            f"cadence.tasks.Task"
        )
    setting = setting_of({choice.field: choice for choice in advice.choices})
    decay = {} if setting.weight_decay is None else {"weight_decay": setting.weight_decay}
    made: dict[str, Any] = {**origin, "task": task}
    if model is not None:
        made["model"] = model
    if advice["layout"].value == CHANNELS_LAST and takes(made.get("model"), CHANNELS_LAST):
        made["model_args"] = {CHANNELS_LAST: True, **(made.get("model_args") or {})}
    made["optimizer"] = {"name": setting.name, "lr": setting.lr, **decay, **listed(setting.arguments)}
    made["schedule"] = advice.schedule
    made.setdefault("total", own.updates)
    if "batch_size" not in made and "update_size" not in made:
        made["batch_size"] = own.batch_per_rank
    wanted: dict[str, Any] = {
        "groups": {name: dict(keys) for name, keys in setting.groups.items()},
        "no_decay": setting.no_decay, "layer_decay": setting.layer_decay, "precision": advice["precision"].value,
        "clip_norm": advice["clip_norm"].value, "label_smoothing": advice["label_smoothing"].value,
        "average": advice["averaging"].value, "stop": advice["stopping"].value,
    }  # fmt: skip
    for key, value in wanted.items():
        if value is not None and value != Recipe.model_fields[key].get_default():
            made.setdefault(key, value)
    if "stop" not in made and own.passes is not None and own.passes > 1 and "checkpoint" not in made:
        made["checkpoint"] = {"best": "val_loss"}
    return made


def takes(path: Any, argument: str) -> bool:
    """Whether a function that makes models has an argument; what is not imported yet is not imported for that.

    Args:
        path: ``"package.module:function"``, or None.
        argument: its name.

    Example:
        >>> import cadence.advice.recipes
        >>> takes("cadence.advice.recipes:takes", "argument"), takes("not.there:f", "argument"), takes(None, "x")
        (True, False, False)
    """
    module, _, name = str(path or "").partition(":")
    function = getattr(sys.modules.get(module), name, None) if name else None
    return callable(function) and argument in inspect.signature(function).parameters


def listed(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Arguments of a method as YAML has them: lists in the place of pairs."""
    return {key: list(cast("tuple[Any, ...]", x)) if isinstance(x, tuple) else x for key, x in arguments.items()}


def recipe_text(advice: Advice, *, task: str | None, model: str | None, comments: bool) -> str:
    """The recipe as YAML; see `Advice.recipe`."""
    keys = recipe_keys(advice, task=task, model=model)
    make_recipe(keys)  # what would be refused later is refused now
    parts = [_comment(_head(advice))] if comments else []
    for key, value in keys.items():
        lines = to_yaml({key: value})
        told = [_reason(advice[field]) for field in _KEYS.get(key, ())] if comments else []
        parts.append("".join(_comment(line) for line in told) + lines)
    if comments:
        parts += [_comment(line) for line in _left(advice, keys)]
    return ("\n" if comments else "").join(parts)


def _head(advice: Advice) -> str:
    level = "by rules alone" if advice.piloted is None else f"by rules and a pilot of {advice.piloted.used} updates"
    return f"Recommended {level} for {advice.practice.about.en}. Run it with `cadence train`."


def _reason(choice: Choice) -> str:
    return f"{choice.field.replace('_', ' ')}: {choice.reason.en} [{choice.source}; {choice.confidence}]"


def _left(advice: Advice, keys: dict[str, Any]) -> list[str]:
    """What the recipe cannot say."""
    left: list[str] = []
    if advice["layout"].value == CHANNELS_LAST and CHANNELS_LAST not in (keys.get("model_args") or {}):
        left.append(
            "memory layout: channels last is recommended, and the function that makes this model has no argument "
            "channels_last; let it return model.to(memory_format=torch.channels_last), or take "
            "cadence.tasks.images.resnet_torch:resnet50"
        )
    return left


def _comment(text: str) -> str:
    return "".join(f"# {line}\n" for line in textwrap.wrap(text, WIDTH - 2, break_on_hyphens=False))
