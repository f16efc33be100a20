"""What ranks of a paddle process group tell each other."""

from __future__ import annotations

from typing import Any

import numpy as np
import paddle
import paddle.distributed as dist

from cadence.drivers.ranks import exchanged


def exchange(value: Any) -> list[Any]:
    """The plain data of every rank of the default group, in order; see `cadence.drivers.ranks.exchanged`."""
    return exchanged(value, _gather)


def _gather(content: bytes) -> list[bytes]:
    told: list[Any] = []
    dist.all_gather(told, paddle.to_tensor(np.frombuffer(content, dtype=np.uint8)))
    return [one.numpy().tobytes() for one in told]
