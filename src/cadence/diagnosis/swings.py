"""Ups and downs of a series at several scales: what noise of batches leaves, and what comes on top of it."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from cadence.diagnosis.estimate import tamed
from cadence.diagnosis.log import Floats


class Swing(NamedTuple):
    """How much the means of neighbouring blocks differ.

    Attributes:
        width: numbers in a block.
        amplitude: standard deviation of the means beyond what independent noise explains.
        ratio: variance of the means over what independent noise explains; 1 where there is nothing else.
        limit: ratio that independent noise exceeds once in a thousand series.
        blocks: how many there are.
    """

    width: int
    amplitude: float
    ratio: float
    limit: float
    blocks: int


def rough(y: Floats) -> float:
    """Variance of independent noise, from second differences, outliers drawn in."""
    d = y[2:] - 2 * y[1:-1] + y[:-2]
    return float(np.mean(tamed(d) ** 2)) / 6 if len(d) else 0.0


def swings(y: Floats) -> list[Swing]:
    """Swings at the scales that a series has room for.

    Args:
        y: numbers at equal distances.
    """
    single = rough(y)
    found: list[Swing] = []
    for width in (2, 4, 8, 16, 32, 64, 128):
        k = len(y) // width
        if k < 10 or single <= 0:
            break
        means = y[len(y) - k * width :].reshape(k, width).mean(axis=1)
        variance, noise = rough(means), single / width
        # Second differences overlap: k of them tell as much as 6 k / 19.45 * 2 independent squares.
        degrees = max(2.0, (k - 2) * 0.514)
        found.append(Swing(width, float(np.sqrt(max(0.0, variance - noise))), variance / noise, chi_limit(degrees), k))
    return found


def chi_limit(degrees: float) -> float:
    """Mean of `degrees` squares of normal numbers that is exceeded once in a thousand times.

    Source:
        Wilson & Hilferty 1931, doi:10.1073/pnas.17.12.684.
    """
    part = 2 / (9 * degrees)
    return float((1 - part + 3.0902 * np.sqrt(part)) ** 3)
