"""How else the same test might have come out: curves drawn around the one that was measured."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cadence.finder.smoothing import WIDTHS, Numbers, Smoother, kernel

DRAWS = 400

REACH = 0.5
"""Decades over which errors hang together: a path that strays stays astray for a while."""


@dataclass(frozen=True)
class Errors:
    """How far a single repeat strays at each place.

    Attributes:
        alone: standard deviation of what each batch has for itself.
        together: of what hangs together with its neighbours.
    """

    alone: Numbers
    together: Numbers


def errors(x: Numbers, repeats: Numbers, at_x: Smoother) -> Errors:
    """The errors of repeats, averaged over neighbours: few repeats tell little of a single place.

    Args:
        x: decades.
        repeats: one row for each, finite.
        at_x: smoother of the mean at `x`.
    """
    count, points = repeats.shape
    mean = repeats.mean(axis=0)
    weights = kernel(x, x, WIDTHS[-1])
    weights /= weights.sum(axis=1, keepdims=True)
    if count == 1:
        # What the curve has taken from the errors by following them is given back. How they hang together one repeat
        # does not tell; the worse is taken for granted.
        lost = points / max(points - float(np.trace(at_x.values)), 1.0)
        return Errors(np.zeros_like(mean), np.sqrt(weights @ ((mean - at_x.values @ mean) ** 2 * lost)))
    # From the mean of all, not from the smooth curve: how far that is bent is no chance.
    whole = weights @ repeats.var(axis=0, ddof=1)
    # What neighbours have in common is not in their second differences.
    apart = np.diff(repeats - mean, n=2, axis=1) ** 2 * count / (count - 1) / 6.0
    alone = weights @ np.pad(apart.mean(axis=0), 1, mode="edge")
    alone = np.minimum(alone, whole)
    return Errors(np.sqrt(alone), np.sqrt(whole - alone))


def drawn(x: Numbers, mean: Numbers, error: Errors, count: int, seed: int) -> Numbers:
    """Means over repeats as they might have been, one column for each, with normal errors of the size they have there.

    Args:
        x: decades.
        mean: over the repeats.
        error: of a single one.
        count: of them.
        seed: of the drawing.
    """
    rng = np.random.default_rng(seed)
    alike = np.exp(-0.5 * ((x[:, None] - x[None, :]) / REACH) ** 2)
    # What makes a matrix of rounded numbers positive is below every error that matters.
    root = np.linalg.cholesky(alike + 1e-9 * np.eye(len(x)))
    together = root @ rng.standard_normal((len(x), DRAWS))
    alone = rng.standard_normal((len(x), DRAWS))
    shocks = error.together[:, None] * together + error.alone[:, None] * alone
    return mean[:, None] + shocks / np.sqrt(count)
