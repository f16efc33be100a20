"""Processes that torchrun has started."""

from __future__ import annotations

import contextlib
import datetime
import os
from collections.abc import Generator, Sequence
from typing import Any, final

import torch
import torch.distributed as dist

from cadence._errors import RanksError, RecipeError
from cadence.drivers import torch_ranks
from cadence.run.ranks import Ranks

TIMEOUT = datetime.timedelta(minutes=10)
"""A process that does not answer for so long is taken for dead: longer than any evaluation or checkpoint should take
that the others wait for."""

NEEDED = ("RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")

LOST = (
    "closed by peer", "reset by peer", "connection refused", "connection closed", "timed out", "timeout",
    "broken pipe", "gloo", "nccl",
)  # fmt: skip
"""What torch's messages about another process that is gone have in them; a class of their own they do not have."""


@contextlib.contextmanager
def open_ranks(device: str, timeout: datetime.timedelta = TIMEOUT) -> Generator[Ranks, None, None]:
    """Join the processes that torchrun has started; see `cadence.run.ranks.OpenRanks`.

    Args:
        device: of the recipe; gradients are sent by NCCL between GPUs, by Gloo between processors.
        timeout: after which a process that does not answer is taken for dead.

    Raises:
        RecipeError: the environment is not torchrun's, or there are fewer GPUs than processes.
        RanksError: the processes do not find each other.
    """
    if dist.is_initialized():
        yield TorchRanks()
        return
    missing = [name for name in NEEDED if not os.environ.get(name)]
    if missing:
        raise RecipeError(
            f"this run was started as one of {os.environ.get('WORLD_SIZE')} processes, and {missing[0]} is not set; "
            f"start it with torchrun, or unset WORLD_SIZE"
        )
    backend = "gloo"
    if torch.cuda.is_available() and device.partition(":")[0] in ("auto", "cuda"):
        torch.cuda.set_device(local_gpu(device))
        # Numbers for decisions lie on the processor, gradients on the GPU.
        backend = "cpu:gloo,cuda:nccl"
    try:
        dist.init_process_group(backend, timeout=timeout)
    except (RuntimeError, ValueError) as fault:
        raise RanksError(
            f"{os.environ['WORLD_SIZE']} processes were to train together, and did not find each other "
            f"({_first_line(fault)}); start all of them, with the same torchrun command on every machine"
        ) from fault
    try:
        yield TorchRanks()
    finally:
        # The others may be gone.
        with contextlib.suppress(RuntimeError):
            dist.destroy_process_group()


def local_gpu(device: str) -> int:
    """The GPU of this process, of those of its machine.

    Raises:
        RecipeError: there are fewer than processes, or the recipe names one for all of them.
    """
    if ":" in device:
        raise RecipeError(
            f"device is {device!r}, and {os.environ.get('WORLD_SIZE')} processes cannot train on one GPU; write "
            f"device: cuda, and each takes one of its own"
        )
    index, there = int(os.environ.get("LOCAL_RANK", "0")), torch.cuda.device_count()
    if index >= there:
        raise RecipeError(
            f"process {index} of this machine has no GPU of its own, there are {there}; start at most {there} "
            f"processes here (--nproc-per-node {there}), or write device: cpu"
        )
    return index


@final
class TorchRanks(Ranks):
    """The processes of torch's default group, which is initialised."""

    @property
    def rank(self) -> int:
        return dist.get_rank()

    @property
    def world(self) -> int:
        return dist.get_world_size()

    def total(self, numbers: Sequence[float]) -> list[float]:
        mine = torch.tensor(numbers, dtype=torch.float64, device=torch_ranks.device())
        told = [torch.empty_like(mine) for _ in range(self.world)]
        # Not a reduction: its order of adding is the library's matter, and decisions hang on the last bit.
        dist.all_gather(told, mine)
        return [sum(column) for column in zip(*(one.tolist() for one in told), strict=True)]

    def exchange(self, value: Any) -> list[Any]:
        return torch_ranks.exchange(value)

    def explained(self, fault: Exception) -> RanksError | None:
        said = str(fault).lower()
        if not isinstance(fault, RuntimeError) or not any(word in said for word in LOST):
            return None
        return RanksError(
            f"rank {self.rank} of {self.world} waited for another process, which is gone or does not answer "
            f"({_first_line(fault)}); look at what the others say, and start the same command again: it goes on from "
            f"the last checkpoint"
        )


def _first_line(fault: Exception) -> str:
    return (str(fault).splitlines() or [type(fault).__name__])[0].rstrip(". ")[:200]
