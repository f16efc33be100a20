"""One minus the square root of what is done: the cooldown of warmup-stable-decay."""

from __future__ import annotations

from cadence._typing import Numbers, Progress
from cadence.spec.shape import shape


def _rise(u: Progress, v: Progress, xp: Numbers) -> Progress:
    return xp.sqrt(u)


@shape(
    name="1-sqrt",
    source="Haegele et al. 2024, arXiv:2405.18392, eq. 1",
    formula="1 - sqrt(u)",
    when="The cooldown after a constant rate: falls fast at first, then lingers at low rates.",
    avoid="As the decay of a whole run: it leaves the peak at once.",
    rise=_rise,
)
def one_minus_sqrt(u: Progress, v: Progress, xp: Numbers) -> Progress:
    """One minus the square root of what is done.

    Args:
        u: share of the phase that is done, in [0, 1]; any shape.
        v: share that is left, computed from integers.
        xp: the number namespace to compute in.

    Returns:
        Weight of the starting value, in [0, 1]; same shape as `u`.
    """
    # Near the beginning nothing cancels. From there on
    #     w = 1 - sqrt(u) = v / (1 + sqrt(u)) = v / 2 + v / 2 * w / (1 + sqrt(u))
    # and w / (1 + sqrt(u)) = v / (1 + sqrt(u)) ** 2: what is rounded most often is the smaller part of the sum.
    root, half = xp.sqrt(u), 0.5 * v
    more = 1.0 + root
    return xp.where(u < 0.25, 1.0 - root, half + half * (v / (more * more)))
