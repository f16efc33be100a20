"""The parameters of a recipe's model, divided as the recipe says."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

from cadence.optim.groups.divide import divide
from cadence.optim.groups.groups import Groups
from cadence.optim.groups.tree import Tree
from cadence.optim.make import optimizer_class
from cadence.recipe.parts import OptimizerRecipe
from cadence.recipe.recipe import Recipe


def divided(tree: Tree, recipe: Recipe) -> Groups:
    """Groups for the optimizers of a recipe.

    Raises:
        OptimizerError: see `cadence.parameter_groups`.
    """
    return divide(tree, recipe.division, {name: _own(one) for name, one in recipe.optimizers.items()})


def _own(one: OptimizerRecipe) -> Mapping[str, Any]:
    """The values of an optimizer that a group may have a multiple of: what the recipe says, else the method's own."""
    return {**_defaults(one.name), **one.arguments, "lr": one.lr}


def _defaults(name: str) -> dict[str, float]:
    try:
        parameters = inspect.signature(optimizer_class(name)).parameters.values()
    except (TypeError, ValueError):  # a class without a readable signature
        return {}
    found = {p.name: p.default for p in parameters}
    return {name: x for name, x in found.items() if isinstance(x, (int, float)) and not isinstance(x, bool)}
