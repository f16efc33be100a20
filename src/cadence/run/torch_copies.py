"""Several processes with a copy of the model each, in torch."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from typing import final

import torch
import torch.distributed as dist
from torch.nn.parallel import DistributedDataParallel

from cadence.run.ranks import Ranks
from cadence.run.torch_parallel import Backward, Forward, Parallel, Told
from cadence.tasks import Batch


@final
class Copies(Parallel):
    """Every process holds the whole model and averages gradients with the others while they are computed.

    Args:
        model: on its device, with the same weights in every process.
        ranks: that train together.
        resting: whether there are parameters that have no gradient for a while.
    """

    def __init__(self, model: torch.nn.Module, ranks: Ranks, *, resting: bool) -> None:
        self._model = model
        self._shared = DistributedDataParallel(model, find_unused_parameters=resting)
        self._sums = Sums(ranks)

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
        settle(self._model)


@final
class Sums:
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


def settle(model: torch.nn.Module) -> None:
    """Give every process the buffers of rank 0."""
    for buffer in model.buffers():
        dist.broadcast(buffer, src=0)
