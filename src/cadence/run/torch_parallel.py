"""How the work on a model is divided in torch: between one process, or several with copies or parts of it."""

from __future__ import annotations

import abc
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, NamedTuple, TypeAlias, cast, final

import torch

from cadence.run.ranks import Ranks
from cadence.tasks import Batch

Strategy: TypeAlias = Literal["ddp", "fsdp"]

Forward: TypeAlias = Callable[[torch.nn.Module, Batch], torch.Tensor]
"""The mean loss over the targets of a batch, by a model."""

Backward: TypeAlias = Callable[[torch.Tensor], None]
"""Adds the gradients of a loss to those that are there."""


class Told(NamedTuple):
    """What the gradients of an update were computed from, over all processes.

    Attributes:
        loss: mean over the targets.
        examples: rows.
    """

    loss: float | torch.Tensor
    examples: int


class Parallel(abc.ABC):
    """How the work on one model is divided."""

    @property
    @abc.abstractmethod
    def judge(self) -> torch.nn.Module:
        """The model as it is called in an evaluation."""

    @abc.abstractmethod
    def gradients(self, batches: Sequence[Batch], forward: Forward, backward: Backward) -> Told:
        """Compute the gradients of the mean over all targets of an update, whatever the size of its micro-batches."""

    @abc.abstractmethod
    def whole(self, tensor: torch.Tensor) -> torch.Tensor:
        """A tensor with all its elements. Collective."""

    @abc.abstractmethod
    def divided(self, tensor: torch.Tensor, like: torch.Tensor) -> torch.Tensor:
        """A whole tensor as this process holds it, where it belongs to, or in the place of, another one."""

    @abc.abstractmethod
    def settle(self) -> None:
        """Make what is no parameter (running statistics) the same in every process. Collective."""


@final
class One(Parallel):
    """One process, which holds all."""

    def __init__(self, model: torch.nn.Module) -> None:
        self._model = model

    @property
    def judge(self) -> torch.nn.Module:
        return self._model

    def gradients(self, batches: Sequence[Batch], forward: Forward, backward: Backward) -> Told:
        if len(batches) == 1:
            loss = forward(self._model, batches[0])
            backward(loss)
            return Told(loss.detach(), batches[0].examples)
        # From means over the targets of each micro-batch.
        targets = sum(batch.tokens for batch in batches)
        shares: list[torch.Tensor] = []
        for batch in batches:
            part = forward(self._model, batch) * (batch.tokens / targets)
            backward(part)
            shares.append(part.detach())
        return Told(torch.stack(shares).sum(), sum(batch.examples for batch in batches))

    def whole(self, tensor: torch.Tensor) -> torch.Tensor:
        return tensor

    def divided(self, tensor: torch.Tensor, like: torch.Tensor) -> torch.Tensor:
        del like
        return tensor

    def settle(self) -> None:
        pass


def parallel(model: torch.nn.Module, strategy: Strategy | None, ranks: Ranks, *, resting: bool) -> Parallel:
    """How a model is trained.

    Args:
        model: on its device; changed in place where its weights are divided.
        strategy: of the recipe; None: copies.
        ranks: that train together.
        resting: whether there are parameters that have no gradient for a while.
    """
    if ranks.world == 1:
        return One(model)
    # Loaded where they are used: what parts stand on takes torch most of a second.
    if strategy == "fsdp":
        from cadence.run.torch_parts import Parts

        return Parts(model, ranks)
    from cadence.run.torch_copies import Copies

    return Copies(model, ranks, resting=resting)


def gathered(state: Any, how: Parallel) -> Any:
    """A nested state with whole tensors. Collective, in the order of the state."""
    return _mapped(state, how.whole)


def spread(state: Any, like: Any, how: Parallel) -> Any:
    """A nested state with tensors as this process holds them, where `like` says how."""
    match state:
        case torch.Tensor():
            return how.divided(state, like) if isinstance(like, torch.Tensor) else state
        case Mapping() if isinstance(like, Mapping):
            there = cast("Mapping[Any, Any]", like)
            return {key: spread(value, there.get(key), how) for key, value in state.items()}
        case _:
            return state


def spread_optimizer(state: Mapping[str, Any], optimizer: torch.optim.Optimizer, how: Parallel) -> dict[str, Any]:
    """The state of an optimizer with what has the shape of a parameter divided as that is."""
    weights = [weight for group in optimizer.param_groups for weight in group["params"]]
    own = {
        key: {name: spread(x, weights[int(key)], how) for name, x in of_one.items()}
        for key, of_one in state["state"].items()
    }
    return {**state, "state": own}


def _mapped(state: Any, change: Callable[[torch.Tensor], torch.Tensor]) -> Any:
    match state:
        case torch.Tensor():
            return change(state)
        case Mapping():
            return {key: _mapped(value, change) for key, value in state.items()}
        case tuple() | list():
            items = [_mapped(value, change) for value in state]
            return tuple(items) if isinstance(state, tuple) else items
        case _:
            return state
