"""A constant ratio from one update to the next."""

from __future__ import annotations

from cadence._typing import Numbers, Progress
from cadence.spec.shape import shape


@shape(
    source="Li & Arora 2020, arXiv:1910.07454 (why an exponential is natural with normalisation and weight decay)",
    formula="start ** v * to ** u",
    when="When the ratio between the first and the last rate is what is known: range tests, generative models.",
    avoid="Down to 0, which a constant ratio never reaches.",
    mixes="geometric",
)
def exponential(u: Progress, v: Progress, xp: Numbers) -> Progress:
    """Straight in the logarithm of the value.

    Args:
        u: share of the phase that is done, in [0, 1]; any shape.
        v: share that is left.
        xp: the number namespace to compute in.

    Returns:
        Weight of the logarithm of the starting value, in [0, 1]; same shape as `u`.
    """
    return v
