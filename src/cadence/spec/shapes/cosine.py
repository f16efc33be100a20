"""Half a period of a cosine."""

from __future__ import annotations

from cadence._typing import Numbers, Progress
from cadence.spec.shape import shape

LEAD = 2.4674011002723395
"""pi ** 2 / 4, the first coefficient of sin(pi m / 2) ** 2 in powers of m ** 2."""

LEAD_REST = 1.5663238771849278e-16
"""pi ** 2 / 4 - `LEAD`."""

SERIES = (
    -2.0293560632083842, 0.6676313844272943, -0.11766531517941126, 0.012903445693875608, -0.0009647871369101201,
    5.231890046433558e-05, -2.150814802631549e-06, 6.761507126807494e-08,
)  # fmt: skip
"""The further ones: the best of this degree (Chebyshev) on [0, 1/4], 8e-19 off at most."""


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
    # of pi, of the product and of the sine: 6 ulp. A polynomial in v ** 2 has none of them, and as sums and products
    # alone it is the same to the bit on every machine. Beyond the middle it is the same curve seen from the other end.
    low = _sine_squared(xp.minimum(u, v))
    return xp.where(v <= u, low, 1.0 - low)


def _sine_squared(m: Progress) -> Progress:
    """sin(pi m / 2) ** 2 for m in [0, 1/2], within 2 ulp."""
    z = m * m
    # In place where that exists (arrays), which halves the time; a new number where it does not.
    rest = z * SERIES[-1]
    for coefficient in (*SERIES[-2::-1], LEAD_REST):
        rest += coefficient
        rest *= z
    rest += LEAD * z
    return rest
