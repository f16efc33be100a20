"""How a model is trained in torch: by one process, or by several that hold copies or parts of it."""

from __future__ import annotations

import abc
import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Literal, NamedTuple, TypeAlias, cast, final

import torch
import torch.distributed as dist
from torch.distributed.tensor import DTensor, distribute_tensor
from torch.nn.parallel import DistributedDataParallel

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


@final
class Replicated(Parallel):
    """Every process holds the whole model and averages gradients with the others while they are computed.

    Args:
        model: on its device, with the same weights in every process.
        ranks: that train together.
        resting: whether there are parameters that have no gradient for a while.
    """

    def __init__(self, model: torch.nn.Module, ranks: Ranks, *, resting: bool) -> None:
        self._model = model
        self._shared = DistributedDataParallel(model, find_unused_parameters=resting)
        self._sums = _Sums(ranks)

    @property
    def judge(self) -> torch.nn.Module:
        return self._model

    def gradients(self, batches: Sequence[Batch], forward: Forward, backward: Backward) -> Told:
        def step(batch: Batch, weight: float, *, last: bool) -> torch.Tensor:
            # Gradients are sent once, with the last of the update's micro-batches.
            with contextlib.nullcontext() if last else self._shared.no_sync():
                loss = forward(self._shared, batch)
                backward(loss * weight)
            return loss.detach()

        return self._sums.over(batches, step, self._model.parameters)

    def whole(self, tensor: torch.Tensor) -> torch.Tensor:
        return tensor

    def divided(self, tensor: torch.Tensor, like: torch.Tensor) -> torch.Tensor:
        del like
        return tensor

    def settle(self) -> None:
        _settle(self._model)


@final
class Sharded(Parallel):
    """Every process holds a part of each weight, gradient and state of the optimizer.

    Source: Zhao et al. 2023, "PyTorch FSDP: experiences on scaling fully sharded data parallel", arXiv:2304.11277.

    Args:
        model: on its device, with the same weights in every process. Its parameters become parts of themselves, so
            optimizers are made afterwards.
        ranks: that train together.
    """

    def __init__(self, model: torch.nn.Module, ranks: Ranks) -> None:
        from torch.distributed.fsdp import fully_shard

        for weight in model.parameters():
            dist.broadcast(weight.detach(), src=0)
        # Blocks one by one: while one is computed, the weights of the next are on their way.
        for block in _blocks(model):
            fully_shard(block)
        self._model: Any = fully_shard(model)
        self._sums = _Sums(ranks)

    @property
    def judge(self) -> torch.nn.Module:
        return self._model

    def gradients(self, batches: Sequence[Batch], forward: Forward, backward: Backward) -> Told:
        def step(batch: Batch, weight: float, *, last: bool) -> torch.Tensor:
            self._model.set_requires_gradient_sync(last)
            loss = forward(self._model, batch)
            backward(loss * weight)
            return loss.detach()

        return self._sums.over(batches, step, self._model.parameters)

    def whole(self, tensor: torch.Tensor) -> torch.Tensor:
        return tensor.full_tensor() if isinstance(tensor, DTensor) else tensor

    def divided(self, tensor: torch.Tensor, like: torch.Tensor) -> torch.Tensor:
        if not isinstance(like, DTensor) or tensor.shape != like.shape:
            return tensor
        # Every process has read the whole, so nothing needs to be sent.
        there = tensor.to(like.device)
        return distribute_tensor(there, like.device_mesh, like.placements, src_data_rank=None)

    def settle(self) -> None:
        _settle(self._model)


@final
class _Sums:
    """Sums over the micro-batches of all processes.

    How many targets an update has is known when all have told each other, which they do once, with the loss. Until then
    gradients are weighted as if it had as many as the update before; where it has not, they are corrected.
    """

    def __init__(self, ranks: Ranks) -> None:
        self._ranks = ranks
        self._expected = 1.0

    def over(
        self,
        batches: Sequence[Batch],
        step: Callable[..., torch.Tensor],
        parameters: Callable[[], Iterator[torch.nn.Parameter]],
    ) -> Told:
        # Frameworks take the mean over processes, and what is wanted is the sum.
        weight = self._ranks.world / self._expected
        losses = [step(batch, batch.tokens * weight, last=i == len(batches) - 1) for i, batch in enumerate(batches)]
        mine = sum(float(loss) * batch.tokens for loss, batch in zip(losses, batches, strict=True) if batch.tokens)
        rows = sum(batch.examples for batch in batches)
        loss, targets, examples = self._ranks.total([mine, sum(batch.tokens for batch in batches), rows])
        if targets != self._expected:
            for parameter in parameters():
                if parameter.grad is not None:
                    parameter.grad.mul_(self._expected / targets)
            self._expected = targets
        return Told(loss / targets, int(examples))


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
    if strategy == "fsdp":
        return Sharded(model, ranks)
    return Replicated(model, ranks, resting=resting)


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


def _blocks(module: torch.nn.Module) -> list[torch.nn.Module]:
    """The members of a model's outermost containers that have parameters."""
    if isinstance(module, (torch.nn.Sequential, torch.nn.ModuleList)):
        return [member for member in module if any(True for _ in member.parameters())]
    return [block for child in module.children() for block in _blocks(child)]


def _settle(model: torch.nn.Module) -> None:
    for buffer in model.buffers():
        dist.broadcast(buffer, src=0)
