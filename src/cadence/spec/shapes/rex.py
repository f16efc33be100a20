"""REX: reflected exponential, a ratio of what is left."""

from __future__ import annotations

from cadence._typing import Numbers, Progress
from cadence.spec.shape import shape


def _rise(u: Progress, v: Progress, xp: Numbers) -> Progress:
    return u / (1.0 + v)


@shape(
    source="Chen et al. 2021, arXiv:2107.04197, section 3",
    formula="v / (1/2 + v/2)",
    when="Small training budgets: stays high for long and falls steeply at the end.",
    avoid="Where late averaging of weights or a long tail of low rates is wanted.",
    rise=_rise,
)
def rex(u: Progress, v: Progress, xp: Numbers) -> Progress:
    """What is left, bent upwards.

    Args:
        u: share of the phase that is done, in [0, 1]; any shape.
        v: share that is left.
        xp: the number namespace to compute in.

    Returns:
        Weight of the starting value, in [0, 1]; same shape as `u`.
    """
    return v / (0.5 + 0.5 * v)
