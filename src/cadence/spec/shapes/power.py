"""A power of what is left: polynomial decay."""

from __future__ import annotations

from cadence._typing import Numbers, Progress
from cadence.spec.shape import shape


def _rise(u: Progress, v: Progress, xp: Numbers, *, exponent: float = 2.0) -> Progress:
    # 1 - v**p without cancellation near u = 0.
    return -xp.expm1(exponent * xp.log1p(-u))


@shape(
    source="Liu et al. 2015, arXiv:1506.04579 ('poly' policy of semantic segmentation)",
    formula="v ** exponent",
    when="Segmentation (exponent 0.9), BERT-style decay (1); above 1 it spends more of the run at low rates.",
    avoid="With an exponent far from 1 unless it was tuned: linear and cosine are as good and have nothing to tune.",
    rise=_rise,
)
def power(u: Progress, v: Progress, xp: Numbers, *, exponent: float = 2.0) -> Progress:
    """A power of what is left.

    Args:
        u: share of the phase that is done, in [0, 1]; any shape.
        v: share that is left.
        xp: the number namespace to compute in.
        exponent: above 0; 1 is a straight line.

    Returns:
        Weight of the starting value, in [0, 1]; same shape as `u`.
    """
    return v**exponent
