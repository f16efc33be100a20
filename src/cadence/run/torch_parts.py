"""Several processes with a part of each weight, in torch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, final

import torch
import torch.distributed as dist
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import fully_shard
from torch.distributed.tensor import DTensor, distribute_tensor

from cadence.run.ranks import Ranks
from cadence.run.sums import Sums
from cadence.run.torch_copies import rescale, settle
from cadence.run.torch_parallel import Backward, Forward, Parallel, Told
from cadence.tasks import Batch


@final
class Parts(Parallel):
    """Every process holds a part of each weight, gradient and state of the optimizer.

    Source: Zhao et al. 2023, "PyTorch FSDP: experiences on scaling fully sharded data parallel", arXiv:2304.11277.

    Args:
        model: on its device, with the same weights in every process. Its parameters become parts of themselves, so
            optimizers are made afterwards.
        ranks: that train together.
    """

    def __init__(self, model: torch.nn.Module, ranks: Ranks) -> None:
        # Where the model lies; torch would take the accelerator of the machine in any case.
        mesh = init_device_mesh(next(model.parameters()).device.type, (ranks.world,))
        for weight in model.parameters():
            dist.broadcast(weight.detach(), src=0)
        # Blocks one by one: while one is computed, the weights of the next are on their way.
        for block in _blocks(model):
            fully_shard(block, mesh=mesh)
        self._model: Any = fully_shard(model, mesh=mesh)
        self._sums = Sums(ranks)

    @property
    def judge(self) -> torch.nn.Module:
        return self._model

    def gradients(self, batches: Sequence[Batch], forward: Forward, backward: Backward) -> Told:
        def step(batch: Batch, weight: float, /, *, last: bool) -> torch.Tensor:
            self._model.set_requires_gradient_sync(last)
            loss = forward(self._model, batch)
            backward(loss * weight)
            return loss.detach()

        return Told(*self._sums.over(batches, step, lambda factor: rescale(self._model, factor)))

    def whole(self, tensor: torch.Tensor) -> torch.Tensor:
        return tensor.full_tensor() if isinstance(tensor, DTensor) else tensor

    def divided(self, tensor: torch.Tensor, like: torch.Tensor) -> torch.Tensor:
        if not isinstance(like, DTensor) or tensor.shape != like.shape:
            return tensor
        # Every process has read the whole, so nothing needs to be sent.
        there = tensor.to(like.device)
        return distribute_tensor(there, like.device_mesh, like.placements, src_data_rank=None)

    def settle(self) -> None:
        settle(self._model)


def _blocks(module: torch.nn.Module) -> list[torch.nn.Module]:
    """The members of a model's outermost containers that have parameters."""
    if isinstance(module, (torch.nn.Sequential, torch.nn.ModuleList)):
        return [member for member in module if any(True for _ in member.parameters())]
    return [block for child in module.children() for block in _blocks(child)]
