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
    # 1 - sqrt(u) = (1 - u) / (1 + sqrt(u)): nothing cancels, the last update included. Where the root is small nothing
    # cancels in the plain form either, and it is rounded less often.
    root = xp.sqrt(u)
    return xp.where(u < 0.25, 1.0 - root, v / (1.0 + root))
