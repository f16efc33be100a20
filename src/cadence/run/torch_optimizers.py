"""The optimizers of a recipe in torch: made, checked, and stepped as one."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from typing import Any, final

import torch

from cadence._errors import OptimizerError, RecipeError, neighbours
from cadence.optim.groups.groups import Groups
from cadence.optim.habits import OWN_LOOP
from cadence.optim.make import optimizer as make_optimizer
from cadence.recipe.recipe import Recipe


def torch_optimizers(recipe: Recipe, groups: Groups) -> list[torch.optim.Optimizer]:
    """The optimizers of a recipe, in its order.

    Args:
        recipe: says which.
        groups: of the model.

    Raises:
        OptimizerError: see `cadence.optimizer`; besides, a group with a value that its optimizer does not have.
        RecipeError: a method that computes the loss again and again within one update.
    """
    made: list[torch.optim.Optimizer] = []
    for name, one in recipe.optimizers.items():
        optimizer = make_optimizer(one.name, groups.of(name), lr=one.lr, **one.arguments)
        _check_steps_alone(optimizer, one.name)
        _check_values(groups, name, one.name, optimizer)
        made.append(optimizer)
    return made


@final
class Together:
    """Optimizers that step as one.

    A loss scaler takes them for one: where a gradient of any is not finite, none of them steps.

    Attributes:
        members: the optimizers, at least one.
    """

    def __init__(self, members: Sequence[torch.optim.Optimizer]) -> None:
        self.members = list(members)

    @property
    def param_groups(self) -> list[dict[str, Any]]:
        """The groups of all."""
        return [group for member in self.members for group in member.param_groups]

    def zero_grad(self) -> None:
        """Forget the gradients of all."""
        for member in self.members:
            if type(member).zero_grad is not torch.optim.Optimizer.zero_grad:
                member.zero_grad()
                continue
            # As torch's own does, which spends half of its time on telling its profiler.
            for group in member.param_groups:
                for parameter in group["params"]:
                    parameter.grad = None

    def step(self) -> None:
        """Step all, in order."""
        for member in self.members:
            member.step()


def _check_steps_alone(optimizer: torch.optim.Optimizer, name: str) -> None:
    """Refuse methods that need more for an update than one gradient of the loss."""
    reason = OWN_LOOP.get(type(optimizer).__name__)
    if reason is not None:
        raise RecipeError(f"the optimizer {name!r} {reason}, which a recipe cannot give; choose another method")
    closure = inspect.signature(type(optimizer).step).parameters.get("closure")
    if closure is not None and closure.default is inspect.Parameter.empty:
        raise RecipeError(f"the optimizer {name!r} needs a closure, which a recipe cannot give; choose another method")


def _check_values(groups: Groups, name: str, method: str, optimizer: torch.optim.Optimizer) -> None:
    """Refuse a value that torch would keep in the group without a word, and never read."""
    for part in groups.parts:
        for value in part.values if part.optimizer == name else ():
            if value not in optimizer.defaults:
                raise OptimizerError(
                    f"groups: {part.group!r} has a value {value!r}, and the optimizer {method!r} has none; "
                    f"{neighbours(value, optimizer.defaults)}"
                )
