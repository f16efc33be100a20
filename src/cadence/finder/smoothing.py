"""Smoothing of a noisy curve over its neighbours on both sides, so that nothing is late."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Numbers: TypeAlias = NDArray[np.float64]

WIDTHS = (0.3, 0.4, 0.55, 0.8)
"""Half widths that are tried, in decades. Wider ones would draw the rise after the bottom into the fall before it."""

NEAREST = 4
"""Points under a kernel at least: a line through fewer of them would not smooth."""

ALIKE = 0.25
"""Of two widths whose errors differ by less than this share of their standard error, the wider one is taken."""


@dataclass(frozen=True)
class Smoother:
    """Weights that make a smooth curve of the measured one.

    Attributes:
        values: one row for each place; times the measurements it gives the curve there.
        slopes: likewise, the curve's slope.
    """

    values: Numbers
    slopes: Numbers


def smoother(x: Numbers, at: Numbers, width: float) -> Smoother:
    """Local lines: at each place the least-squares line through the points near it, the nearest counting most.

    A line, not a mean, so that the two ends and a steady fall come out unbent; on both sides, so that a curve is not
    moved along its axis, as an exponential average moves it.

    Args:
        x: where it was measured, ascending, at least 2 places.
        at: where the smooth curve is wanted.
        width: half width of the kernel, in units of `x`; where it would hold fewer than four points it is widened.

    Source:
        Cleveland 1979, J. Am. Stat. Assoc. 74, 829 (local lines with the tricube kernel, without his reweighting).

    Example:
        >>> x = np.arange(5.0)
        >>> line = smoother(x, np.array([0.5, 4.0]), 2.0)
        >>> (line.values @ (2.0 * x + 1.0)).round(12).tolist(), (line.slopes @ (2.0 * x + 1.0)).round(12).tolist()
        ([2.0, 9.0], [2.0, 2.0])
    """
    offset = x[None, :] - at[:, None]
    weight = kernel(x, at, width)
    s0, s1, s2 = (np.sum(weight * offset**k, axis=1, keepdims=True) for k in range(3))
    scale = s0 * s2 - s1 * s1
    return Smoother(weight * (s2 - s1 * offset) / scale, weight * (s0 * offset - s1) / scale)


def kernel(x: Numbers, at: Numbers, width: float) -> Numbers:
    """How much each measurement counts at each place; see `smoother`."""
    distance = np.abs(x[None, :] - at[:, None])
    near = np.sort(distance, axis=1)[:, min(NEAREST, len(x)) - 1]
    # A little more than the distance itself, at which the kernel is 0.
    half = np.maximum(width, 1.05 * near)[:, None]
    return np.clip(1.0 - (distance / half) ** 3, 0.0, None) ** 3


def choose_width(x: Numbers, repeats: Numbers) -> float:
    """The width that foretells a point best from all others: narrow for a clear curve, wide for a noisy one.

    Args:
        x: where it was measured, evenly spaced.
        repeats: one row for each repeat, finite.

    Returns:
        One of `WIDTHS`.
    """
    mean = repeats.mean(axis=0)
    tried: list[tuple[float, float, float]] = []
    for width in WIDTHS:
        weights = smoother(x, x, width).values
        # What is left of a point when the curve is fitted without it.
        left = (mean - weights @ mean) / (1.0 - np.diag(weights))
        errors = np.mean((repeats - mean + left) ** 2, axis=0)
        tried.append((float(errors.mean()), float(errors.std() / np.sqrt(len(x))), width))
    least, spread, _ = min(tried)
    return max(width for error, _, width in tried if error <= least + ALIKE * spread)
