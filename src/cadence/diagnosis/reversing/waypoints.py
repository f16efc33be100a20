"""A column as straight lines between a few of its rows."""

from __future__ import annotations

import heapq

import numpy as np

from cadence.diagnosis.log import Floats, Ints

MOST = 64
"""Waypoints at most."""

NEAR = 1e-3
"""Lines that miss no row by more than this share of it say enough."""


def waypoints(t: Ints, values: Floats, tolerance: Floats) -> list[tuple[int, float]]:
    """Rows that straight lines through them explain the others by, the worst missed first added.

    Args:
        t: rising.
        values: as many.
        tolerance: how exact each is.

    Returns:
        Update and value of each, by update.

    Source: Ramer 1972, doi:10.1016/S0146-664X(72)80017-0; Douglas & Peucker 1973.
    """
    largest = float(np.abs(values).max()) or 1.0
    size = np.maximum(np.abs(values), NEAR * largest)
    kept = {0, len(t) - 1}
    waiting = [_worst(t, values, size, 0, len(t) - 1)]
    while waiting and len(kept) < MOST:
        miss, first, row, last = heapq.heappop(waiting)
        if -miss <= NEAR:
            break
        kept.add(row)
        for a, b in ((first, row), (row, last)):
            if b - a > 1:
                heapq.heappush(waiting, _worst(t, values, size, a, b))
    return [(int(t[i]), float(values[i])) for i in sorted(kept)]


def _worst(t: Ints, values: Floats, size: Floats, first: int, last: int) -> tuple[float, int, int, int]:
    """How much the line from one row to another misses at worst (negative, for the heap), and where."""
    if last - first < 2:
        return (0.0, first, first, last)
    inside = slice(first + 1, last)
    line = np.interp(t[inside], [t[first], t[last]], [values[first], values[last]])
    miss = np.abs(line - values[inside]) / size[inside]
    worst = int(np.argmax(miss))
    return (-float(miss[worst]), first, first + 1 + worst, last)
