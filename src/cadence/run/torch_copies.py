"""Several processes with a copy of the model each, in torch."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from typing import final

import torch
import torch.distributed as dist
from torch.nn.parallel import DistributedDataParallel

from cadence.run.ranks import Ranks
from cadence.run.sums import Sums
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
        def step(batch: Batch, weight: float, /, *, last: bool) -> torch.Tensor:
            # Gradients are sent once, with the last of the update's micro-batches.
            with contextlib.nullcontext() if last else self._shared.no_sync():
                loss = forward(self._shared, batch)
                backward(loss * weight)
            return loss.detach()

        return Told(*self._sums.over(batches, step, lambda factor: rescale(self._model, factor)))

    def whole(self, tensor: torch.Tensor) -> torch.Tensor:
        return tensor

    def divided(self, tensor: torch.Tensor, like: torch.Tensor) -> torch.Tensor:
        del like
        return tensor

    def settle(self) -> None:
        settle(self._model)


def settle(model: torch.nn.Module) -> None:
    """Give every process the buffers of rank 0."""
    for buffer in model.buffers():
        dist.broadcast(buffer, src=0)


def rescale(model: torch.nn.Module, factor: float) -> None:
    """Multiply all gradients."""
    for weight in model.parameters():
        if weight.grad is not None:
            weight.grad.mul_(factor)
