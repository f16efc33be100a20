"""How else the same test might have come out: curves drawn around the one that was measured."""

from __future__ import annotations

import numpy as np

from cadence.finder.smoothing import WIDTHS, Numbers, Smoother, kernel

DRAWS = 400

REACH = 0.5
"""Decades over which errors hang together: a path that strays stays astray for a while."""


def spread(x: Numbers, repeats: Numbers, at_x: Smoother) -> Numbers:
    """Standard deviation of a single repeat at each place, averaged over its neighbours: few repeats tell little of it.

    Args:
        x: decades.
        repeats: one row for each, finite.
        at_x: smoother of the mean at `x`.
    """
    count, points = repeats.shape
    mean = repeats.mean(axis=0)
    if count > 1:
        # From the mean of all, not from the smooth curve: how far that is bent is no chance.
        squares = repeats.var(axis=0, ddof=1)
    else:
        # What the curve has taken from the errors by following them is given back.
        lost = points / max(points - float(np.trace(at_x.values)), 1.0)
        squares = (mean - at_x.values @ mean) ** 2 * lost
    weights = kernel(x, x, WIDTHS[-1])
    return np.sqrt((weights @ squares) / weights.sum(axis=1))


def drawn(x: Numbers, mean: Numbers, error: Numbers, seed: int) -> Numbers:
    """Means over repeats as they might have been, one column for each.

    Errors are normal, of the size that they have where they stand, and hang together with those of their neighbours.

    Args:
        x: decades.
        mean: over the repeats.
        error: its standard error at each place.
        seed: of the drawing.
    """
    together = np.exp(-0.5 * ((x[:, None] - x[None, :]) / REACH) ** 2)
    # What makes a matrix of rounded numbers positive is below every error that matters.
    root = np.linalg.cholesky(together + 1e-9 * np.eye(len(x)))
    shocks = root @ np.random.default_rng(seed).standard_normal((len(x), DRAWS))
    return mean[:, None] + error[:, None] * shocks
