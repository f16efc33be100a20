"""Half a period of a cosine."""

from __future__ import annotations

from cadence._typing import Numbers, Progress
from cadence.spec.shape import shape


@shape(
    source="Loshchilov & Hutter 2017, arXiv:1608.03983, eq. 5",
    formula="sin(pi v / 2) ** 2  =  (1 + cos(pi u)) / 2",
    when="The usual decay where the length of the run is known: image classification, pre-training, fine-tuning.",
    avoid="When the run may stop early or go on: a cosine that is cut off never reaches its low rates.",
)
def cosine(u: Progress, v: Progress, xp: Numbers) -> Progress:
    """Half a period of a cosine, flat at both ends.

    Args:
        u: share of the phase that is done, in [0, 1]; any shape.
        v: share that is left, computed from integers, so that it is exact near the end.
        xp: the number namespace to compute in.

    Returns:
        Weight of the starting value, in [0, 1]; same shape as `u`.
    """
    # (1 + cos(pi u)) / 2 loses every digit near u = 1; the half angle of what is left does not.
    return xp.sin(0.5 * xp.pi * v) ** 2
