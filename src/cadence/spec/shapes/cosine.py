"""Half a period of a cosine."""

from __future__ import annotations

from cadence._typing import Numbers, Progress
from cadence.spec.shape import shape

LEAD = 2.4674011002723395
"""pi ** 2 / 4, the first coefficient of sin(pi m / 2) ** 2 in powers of m ** 2."""

HEAD = 2.467401087284088
"""Its first 26 bits, so that a product with another 26 bits is exact."""

TAIL = 1.2988251519942998e-08
"""pi ** 2 / 4 - `HEAD`."""

SERIES = (
    -2.0293560632083842, 0.6676313844272947, -0.1176653151794466, 0.01290344569500703, -0.0009647871547019616,
    5.231905246242285e-05, -2.1515347935164736e-06, 6.939476231106886e-08, -1.8023653987312506e-09,
    3.850353565300677e-11,
)  # fmt: skip
"""The further ones, (-1) ** (k + 1) pi ** (2 k) / (2 (2 k)!) for k = 2, 3, ..."""


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
    # (1 + cos(pi u)) / 2 loses every digit near u = 1. sin(pi v / 2) ** 2 does not, but the square doubles the errors
    # of pi, of the product and of the sine: 6 ulp. Its series in v ** 2 has none of them, and as sums and products
    # alone it is the same to the bit on every machine. Beyond the middle it is the same curve seen from the other end.
    low = _sine_squared(xp.minimum(u, v))
    return xp.where(v <= u, low, 1.0 - low)


def _sine_squared(m: Progress) -> Progress:
    """sin(pi m / 2) ** 2 for m in [0, 1/2], within 1 ulp."""
    z = m * m
    rest = SERIES[-1]
    for coefficient in SERIES[-2::-1]:
        rest = rest * z + coefficient
    # The first term rules the sum, so its product is taken apart: m = a + b, a with 13 bits, makes HEAD a a exact.
    shifted = m * (2.0**40 + 1.0)
    a = shifted - (shifted - m)
    head = HEAD * (a * a)
    return head + (LEAD * ((m - a) * (m + a)) + TAIL * (a * a) + z * (z * rest))
