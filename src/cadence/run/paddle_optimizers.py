"""The optimizers of a recipe in paddle: made, checked, and stepped as one."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from typing import Any, final

import paddle

from cadence._errors import OptimizerError, RecipeError, neighbours
from cadence.optim.find import find
from cadence.optim.groups.groups import Groups
from cadence.optim.make import optimizer as make_optimizer
from cadence.optim.make_paddle import spelling_for
from cadence.recipe.parts import OptimizerRecipe
from cadence.recipe.recipe import Recipe


def paddle_optimizers(recipe: Recipe, groups: Groups) -> list[paddle.optimizer.Optimizer]:
    """The optimizers of a recipe, in its order.

    Args:
        recipe: says which.
        groups: of the model.

    Raises:
        OptimizerError: see `cadence.optimizer`; besides, a group with a value that its optimizer does not have.
        RecipeError: a method that computes the loss again and again within one update.
    """
    made: list[paddle.optimizer.Optimizer] = []
    for name, one in recipe.optimizers.items():
        _check_values(groups, name, one)
        made_of: Any = groups.entries(name)
        optimizer: Any = make_optimizer(one.name, made_of, lr=one.lr, **one.arguments)
        _check_steps_alone(optimizer, one.name)
        made.append(optimizer)
    return made


@final
class Together:
    """Optimizers that step as one.

    A loss scaler takes them for one: where a gradient of any is not finite, none of them steps.

    Attributes:
        members: the optimizers, at least one.
        parameters: of all.
    """

    def __init__(self, members: Sequence[paddle.optimizer.Optimizer]) -> None:
        self.members = list(members)
        self.parameters: list[Any] = [p for m in self.members for group in _groups(m) for p in group["params"]]

    @property
    def _param_groups(self) -> list[dict[str, Any]]:
        # Where paddle's loss scaler looks for gradients.
        return [{"params": self.parameters}]

    def zero_grad(self) -> None:
        """Forget the gradients of all."""
        for member in self.members:
            member.clear_grad(set_to_zero=False)

    def step(self) -> None:
        """Step all, in order."""
        for member in self.members:
            member.step()


def _groups(optimizer: Any) -> list[dict[str, Any]]:
    return optimizer._param_groups


def _check_steps_alone(optimizer: paddle.optimizer.Optimizer, name: str) -> None:
    """Refuse methods that need more for an update than one gradient of the loss."""
    closure = inspect.signature(type(optimizer).step).parameters.get("closure")
    if closure is not None and closure.default is inspect.Parameter.empty:
        raise RecipeError(f"the optimizer {name!r} needs a closure, which a recipe cannot give; choose another method")


def _check_values(groups: Groups, name: str, one: OptimizerRecipe) -> None:
    """Refuse a value that paddle would keep in the group without a word, and never read."""
    parts = [part for part in groups.parts if part.optimizer == name]
    given = {*one.arguments, *(value for part in parts for value in part.values)}
    known = [*spelling_for(find(one.name, "paddle", given)).known, "lr"]
    for part in parts:
        for value in part.values:
            if value not in known:
                raise OptimizerError(
                    f"groups: {part.group!r} has a value {value!r}, and the optimizer {one.name!r} has none; "
                    f"{neighbours(value, known)}"
                )
