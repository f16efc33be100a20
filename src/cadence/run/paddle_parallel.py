"""How the work on a model is divided in paddle: between one process, or several with a copy each."""

from __future__ import annotations

import abc
import contextlib
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, TypeAlias, final

import paddle
import paddle.distributed as dist

from cadence._errors import RecipeError
from cadence.run.ranks import Ranks
from cadence.run.sums import Sums
from cadence.tasks import Batch

Forward: TypeAlias = Callable[[Any, Batch], paddle.Tensor]
"""The mean loss over the targets of a batch, by a model."""

Backward: TypeAlias = Callable[[paddle.Tensor], None]
"""Adds the gradients of a loss to those that are there."""


class Told(NamedTuple):
    """What the gradients of an update were computed from, over all processes.

    Attributes:
        loss: mean over the targets.
        examples: rows.
    """

    loss: float | paddle.Tensor
    examples: int


class Parallel(abc.ABC):
    """How the work on one model is divided."""

    @abc.abstractmethod
    def gradients(self, batches: Sequence[Batch], forward: Forward, backward: Backward) -> Told:
        """Compute the gradients of the mean over all targets of an update, whatever the size of its micro-batches."""

    @abc.abstractmethod
    def settle(self) -> None:
        """Make what is no parameter (running statistics) the same in every process. Collective."""


@final
class One(Parallel):
    """One process, which does all.

    Args:
        model: to train.
    """

    def __init__(self, model: paddle.nn.Layer) -> None:
        self._model = model

    def gradients(self, batches: Sequence[Batch], forward: Forward, backward: Backward) -> Told:
        if len(batches) == 1:
            loss = forward(self._model, batches[0])
            backward(loss)
            return Told(loss, batches[0].examples)
        # From means over the targets of each micro-batch.
        targets = sum(batch.tokens for batch in batches)
        shares: list[paddle.Tensor] = []
        for batch in batches:
            part = forward(self._model, batch) * (batch.tokens / targets)
            backward(part)
            shares.append(part.detach())
        return Told(paddle.stack(shares).sum(), sum(batch.examples for batch in batches))

    def settle(self) -> None:
        pass


@final
class Copies(Parallel):
    """Every process holds the whole model and averages gradients with the others while they are computed.

    Args:
        model: with the same weights in every process.
        ranks: that train together.
        resting: whether there are parameters that have no gradient for a while.
    """

    def __init__(self, model: paddle.nn.Layer, ranks: Ranks, *, resting: bool) -> None:
        self._model = model
        self._shared = paddle.DataParallel(model, find_unused_parameters=resting)
        self._sums = Sums(ranks)

    def gradients(self, batches: Sequence[Batch], forward: Forward, backward: Backward) -> Told:
        def step(batch: Batch, weight: float, /, *, last: bool) -> paddle.Tensor:
            # Gradients are sent once, with the last of the update's micro-batches.
            with contextlib.nullcontext() if last else self._shared.no_sync():
                loss = forward(self._shared, batch)
                backward(loss * weight)
            return loss.detach()

        return Told(*self._sums.over(batches, step, self._rescale))

    def settle(self) -> None:
        # Running statistics are parameters here, which nothing trains.
        still = [weight for weight in self._model.parameters() if weight.stop_gradient]
        for tensor in [*self._model.buffers(), *still]:
            dist.broadcast(tensor, src=0)

    def _rescale(self, factor: float) -> None:
        with paddle.no_grad():
            for weight in self._model.parameters():
                gradient: Any = weight.grad
                if gradient is not None:
                    gradient.scale_(factor)


def parallel(model: paddle.nn.Layer, strategy: str | None, ranks: Ranks, *, resting: bool) -> Parallel:
    """How a model is trained.

    Args:
        model: on the device that is set.
        strategy: of the recipe.
        ranks: that train together.
        resting: whether there are parameters that have no gradient for a while.

    Raises:
        RecipeError: a strategy that this engine does not have.
    """
    if ranks.world == 1:
        return One(model)
    if strategy == "fsdp":
        raise RecipeError("parallel is 'fsdp', and engine: paddle trains copies only; write parallel: ddp")
    return Copies(model, ranks, resting=resting)
