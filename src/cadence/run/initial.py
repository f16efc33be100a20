"""Weights that a model begins with, drawn by another engine than its own: so that two frameworks begin alike."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypeAlias

from cadence._errors import RecipeError, neighbours
from cadence.recipe.recipe import Recipe
from cadence.run.engine import engine_module
from cadence.tasks import Task

if TYPE_CHECKING:
    from numpy.typing import NDArray

Weights: TypeAlias = "Mapping[str, NDArray[Any]]"
"""Parameters and running statistics under torch's names and in torch's layout: of a linear layer (outputs, inputs)."""


def others_weights(recipe: Recipe, task: Task) -> Weights | None:
    """What a recipe's `initial_weights` asks for; None where its own engine's are meant.

    Raises:
        RecipeError: the engine that is to draw them is not there, has no model of the task, or the recipe has a model
            of its own.
        MissingExtraError: that engine's framework is not installed.
    """
    source = recipe.initial_weights
    if source is None or source == recipe.engine:
        return None
    if recipe.model is not None:
        raise RecipeError(
            f"initial_weights is {source!r}, and the model {recipe.model!r} exists for {recipe.engine} only; leave one "
            f"of the two out"
        )
    module = engine_module(source)
    if source not in task.engines:
        raise RecipeError(
            f"initial_weights is {source!r}, and the task {task.name!r} has no model for it; "
            f"{neighbours(source, task.engines)}"
        )
    return module.initial_weights(recipe, task)


def check_same(wanted: Mapping[str, tuple[int, ...]], given: Mapping[str, tuple[int, ...]], task: str) -> None:
    """Check that the models of two engines have the same parameters.

    Args:
        wanted: name -> shape in the model that is to begin with the weights.
        given: name -> shape of the weights.
        task: its name.

    Raises:
        RecipeError: a name or a shape that only one of them has.
    """
    for name in sorted(wanted.keys() ^ given.keys()):
        where = "has" if name in wanted else "lacks"
        raise RecipeError(
            f"the task {task!r} has different models for two engines: the one to train {where} {name!r}, the one that "
            f"its initial_weights are of does not agree; leave initial_weights out"
        )
    for name, shape in wanted.items():
        if shape != given[name]:
            raise RecipeError(
                f"the task {task!r} has different models for two engines: {name!r} has the shape {shape} in the one to "
                f"train, and {given[name]} in the one that its initial_weights are of; leave initial_weights out"
            )
