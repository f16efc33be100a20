"""Is a short, noisy series still improving?"""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence

EXACT_UP_TO = 30


def improving(values: Sequence[float], mode: str) -> float:
    """Probability that a series without trend would seem to improve as much: one-sided Mann-Kendall test.

    Every pair of observations votes whether the later one is better. Nothing is assumed about the noise but that it is
    alike for all of them.

    Args:
        values: observations in order, finite.
        mode: ``"min"`` where less is better, ``"max"`` where more is.

    Returns:
        The p-value in (0, 1]; exact up to 30 observations without ties, by the normal approximation otherwise. 1 for
        fewer than 2 observations.

    Source:
        Mann 1945, Econometrica 13; Kendall 1955, Rank Correlation Methods, section 4 (ties).

    Example:
        >>> round(improving([4.0, 3.0, 2.0, 1.0], "min"), 4)  # 1 of the 24 orders
        0.0417
        >>> improving([1.0, 2.0], "min")
        1.0
    """
    n = len(values)
    sign = -1.0 if mode == "min" else 1.0
    votes = sum(_sign(sign * (values[j] - values[i])) for i in range(n) for j in range(i + 1, n))
    sizes = [list(values).count(x) for x in set(values)]
    if n <= EXACT_UP_TO and max(sizes, default=0) <= 1:
        return _exact(n, votes)
    variance = n * (n - 1) * (2 * n + 5) - sum(k * (k - 1) * (2 * k + 5) for k in sizes)
    if variance <= 0:
        return 1.0
    # One vote less: the correction for a statistic that moves in steps of two.
    return 0.5 * math.erfc((votes - 1) / math.sqrt(variance / 18) / math.sqrt(2))


def _exact(n: int, votes: int) -> float:
    """Share of all orders of n values with at least so many more pairs that rise than that fall."""
    pairs = n * (n - 1) // 2
    most_inversions = (pairs - votes) // 2
    counts = _inversions(n)
    return sum(counts[: most_inversions + 1]) / math.factorial(n)


@functools.cache
def _inversions(n: int) -> list[int]:
    """How many orders of n values have 0, 1, 2, ... inversions."""
    counts = [1]
    for size in range(2, n + 1):
        longer = [0] * (len(counts) + size - 1)
        for extra in range(size):
            for k, ways in enumerate(counts):
                longer[k + extra] += ways
        counts = longer
    return counts


def _sign(x: float) -> int:
    return (x > 0) - (x < 0)
