"""A straight line."""

from __future__ import annotations

from cadence._typing import Numbers, Progress
from cadence.spec.shape import shape


@shape(
    source="Goyal et al. 2017, arXiv:1706.02677, section 2.2 (warmup); Defazio et al. 2023, arXiv:2310.07831 (decay)",
    formula="v",
    when="Warmup; decay to zero of a run whose length is known: close to the best for SGD and AdamW.",
    avoid="As the decay of a run that may be extended: use warmup, constant and a short cooldown.",
)
def linear(u: Progress, v: Progress, xp: Numbers) -> Progress:
    """A straight line from start to end.

    Args:
        u: share of the phase that is done, in [0, 1]; any shape.
        v: share that is left, computed from integers, so that it is exact near the end.
        xp: the number namespace to compute in.

    Returns:
        Weight of the starting value, in [0, 1]; same shape as `u`.
    """
    return v
