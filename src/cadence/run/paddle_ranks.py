"""Processes that paddle.distributed.launch has started."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Generator, Sequence
from typing import Any, final

import paddle
import paddle.distributed as dist
from paddle.device import set_device

from cadence._errors import RanksError, RecipeError
from cadence.drivers import paddle_ranks
from cadence.run.ranks import Ranks

NEEDED = ("PADDLE_TRAINER_ID", "PADDLE_TRAINERS_NUM", "PADDLE_TRAINER_ENDPOINTS", "PADDLE_CURRENT_ENDPOINT")

LOST = ("closed by peer", "reset by peer", "connection", "timed out", "timeout", "broken pipe", "gloo", "nccl")
"""What paddle's messages about another process that is gone have in them; a class of their own they do not have."""


@contextlib.contextmanager
def open_ranks(device: str) -> Generator[Ranks, None, None]:
    """Join the processes that the launcher has started; see `cadence.run.ranks.OpenRanks`.

    Paddle keeps its group until the process ends.

    Raises:
        RecipeError: the environment is not the launcher's.
        RanksError: the processes do not find each other.
    """
    if not dist.is_initialized():
        missing = [name for name in NEEDED if not os.environ.get(name)]
        if missing:
            raise RecipeError(
                f"this run was started as one of {os.environ.get('PADDLE_TRAINERS_NUM')} processes, and {missing[0]} "
                f"is not set; start it with python -m paddle.distributed.launch, or unset PADDLE_TRAINERS_NUM"
            )
        if device == "cpu":
            set_device("cpu")
            os.environ.setdefault("PADDLE_DISTRI_BACKEND", "gloo")
        try:
            dist.init_parallel_env()
        except (RuntimeError, ValueError, OSError) as fault:
            raise RanksError(
                f"{os.environ['PADDLE_TRAINERS_NUM']} processes were to train together, and did not find each other "
                f"({_first_line(fault)}); start all of them, with the same command on every machine"
            ) from fault
    yield PaddleRanks()


@final
class PaddleRanks(Ranks):
    """The processes of paddle's default group, which is initialised."""

    @property
    def rank(self) -> int:
        return dist.get_rank()

    @property
    def world(self) -> int:
        return dist.get_world_size()

    def total(self, numbers: Sequence[float]) -> list[float]:
        told: list[Any] = []
        # Not a reduction: its order of adding is the library's matter, and decisions hang on the last bit.
        dist.all_gather(told, paddle.to_tensor(list(numbers), dtype="float64"))
        return [sum(column) for column in zip(*(one.numpy().tolist() for one in told), strict=True)]

    def exchange(self, value: Any) -> list[Any]:
        return paddle_ranks.exchange(value)

    def explained(self, fault: Exception) -> RanksError | None:
        said = str(fault).lower()
        if not isinstance(fault, (RuntimeError, ValueError, OSError)) or not any(word in said for word in LOST):
            return None
        return RanksError(
            f"rank {self.rank} of {self.world} waited for another process, which is gone or does not answer "
            f"({_first_line(fault)}); look at what the others say, and start the same command again: it goes on from "
            f"the last checkpoint"
        )


def _first_line(fault: Exception) -> str:
    lines = [line.strip() for line in str(fault).splitlines() if line.strip(" -")]
    return (lines or [type(fault).__name__])[-1].rstrip(". ")[:200]
