"""Metrics that are the same on every rank of a torch process group."""

from __future__ import annotations

from collections.abc import Mapping

import torch
import torch.distributed as dist

from cadence._errors import FeedbackError


def mean_over_ranks(metrics: dict[str, float], /) -> Mapping[str, float]:
    """The mean of each metric over all ranks; rank 0's result goes to everyone, so that all decide on the same bits.

    Raises:
        FeedbackError: ranks report different metrics.
    """
    names = sorted(metrics)
    device = torch.device("cuda", torch.cuda.current_device()) if dist.get_backend() == "nccl" else torch.device("cpu")
    # Every rank first says what it has: a reduction over different names would mix up numbers without a word.
    told: list[list[str] | None] = [None] * dist.get_world_size()
    dist.all_gather_object(told, names)
    if any(other != names for other in told):
        raise FeedbackError(f"ranks report different metrics: {told}; report the same names on each")
    numbers = torch.tensor([metrics[n] for n in names], dtype=torch.float64, device=device)
    dist.all_reduce(numbers)
    numbers /= dist.get_world_size()
    dist.broadcast(numbers, src=0)
    return dict(zip(names, numbers.tolist(), strict=True))
