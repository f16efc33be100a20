"""The parameters of a recipe's model, divided as the recipe says."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cadence.optim.find import find
from cadence.optim.groups.divide import divide
from cadence.optim.groups.groups import Groups
from cadence.optim.groups.tree import Tree
from cadence.optim.trained import Framework
from cadence.recipe.parts import OptimizerRecipe
from cadence.recipe.recipe import Recipe


def divided(tree: Tree, recipe: Recipe) -> Groups:
    """Groups for the optimizers of a recipe.

    Raises:
        OptimizerError: see `cadence.parameter_groups`.
    """
    return divide(tree, recipe.division, {name: _own(one, tree.framework) for name, one in recipe.optimizers.items()})


def _own(one: OptimizerRecipe, framework: Framework) -> Mapping[str, Any]:
    """The values of an optimizer that a group may have a multiple of: what the recipe says, else the method's own."""
    parameters = find(one.name, framework, one.arguments).parameters.values()
    defaults = {p.name: p.default for p in parameters if isinstance(p.default, (int, float))}
    numbers = {name: x for name, x in defaults.items() if not isinstance(x, bool)}
    return {**numbers, **one.arguments, "lr": one.lr}
