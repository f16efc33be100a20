"""Metrics that are the same on every rank of a paddle process group."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import paddle
import paddle.distributed as dist

from cadence._errors import FeedbackError


def mean_over_ranks(metrics: dict[str, float], /) -> Mapping[str, float]:
    """The mean of each metric over all ranks; rank 0's result goes to everyone, so that all decide on the same bits.

    Raises:
        FeedbackError: ranks report different metrics.
    """
    names = sorted(metrics)
    # Every rank first says what it has: a reduction over different names would mix up numbers without a word.
    told: list[Any] = []
    dist.all_gather_object(told, names)
    if any(other != names for other in told):
        raise FeedbackError(f"ranks report different metrics: {told}; report the same names on each")
    numbers = paddle.to_tensor([metrics[n] for n in names], dtype="float64")
    dist.all_reduce(numbers)
    numbers = numbers / dist.get_world_size()
    dist.broadcast(numbers, src=0)
    return {name: float(numbers[i]) for i, name in enumerate(names)}
