"""A hyperbolic tangent between two of its arguments."""

from __future__ import annotations

from cadence._typing import Numbers, Progress
from cadence.spec.shape import shape


def _between(a: Progress, b: Progress, d: Progress, xp: Numbers) -> Progress:
    # tanh(a) - tanh(b) with d = a - b >= 0 given, so that nothing cancels:
    # sinh(d) / (cosh(a) cosh(b)) = tanh(d) cosh(d) / (cosh(a) cosh(b)), each cosh(x) as exp(|x|) (1 + exp(-2 |x|)) / 2.
    size_a, size_b = (a * a) ** 0.5, (b * b) ** 0.5
    ends = (1.0 + xp.exp(-2.0 * size_a)) * (1.0 + xp.exp(-2.0 * size_b))
    return xp.tanh(d) * 2.0 * xp.exp(d - size_a - size_b) * (1.0 + xp.exp(-2.0 * d)) / ends


def _rise(u: Progress, v: Progress, xp: Numbers, *, low: float = -7.0, high: float = 3.0) -> Progress:
    d = high - low
    return _between(low + d * u, low, d * u, xp) / _between(high, low, d, xp)


@shape(
    source="Hsueh et al. 2019, arXiv:1806.01593, eq. 4; scaled here so that it begins at 1 and ends at 0",
    formula="(tanh(high) - tanh(low + (high - low) u)) / (tanh(high) - tanh(low))",
    when="A long plateau with a smooth decay near the end, where the place of the decay (low, high) was tuned.",
    avoid="Without tuning: warmup, constant and cooldown say the same with lengths people can read.",
    rise=_rise,
)
def tanh(u: Progress, v: Progress, xp: Numbers, *, low: float = -7.0, high: float = 3.0) -> Progress:
    """A hyperbolic tangent from its argument `low` to `high`.

    Args:
        u: share of the phase that is done, in [0, 1]; any shape.
        v: share that is left.
        xp: the number namespace to compute in.
        low: argument at the beginning; below `high`.
        high: argument at the end.

    Returns:
        Weight of the starting value, in [0, 1]; same shape as `u`.
    """
    d = high - low
    return _between(high, high - d * v, d * v, xp) / _between(high, low, d, xp)
