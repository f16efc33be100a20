"""Places on the smoothed curve of a range test, found on many curves at once."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cadence.finder.smoothing import Numbers

HALF = 0.5
"""Of the fall: what lies behind at the middle."""

DEEP = 0.75
"""Of the fall: what lies behind in the valley, clear of its bottom."""

RISEN = 0.2
"""Of the fall: what is lost again at the edge."""


@dataclass(frozen=True)
class Landmarks:
    """Places on curves, in decades; one number for each curve.

    Attributes:
        steepest: where it falls fastest.
        middle: where half of the fall lies behind.
        valley: where three quarters of it do.
        edge: the last place after the bottom before a fifth of the fall is lost again; NaN where that never happens.
        fall: from the beginning to the bottom, in units of the loss.
    """

    steepest: Numbers
    middle: Numbers
    valley: Numbers
    edge: Numbers
    fall: Numbers


def landmarks(x: Numbers, curves: Numbers, slopes: Numbers, start: float) -> Landmarks:
    """The landmarks of curves.

    Where a part of the fall lies behind is asked of how much of the way to the bottom lies below that level: on a curve
    that falls once it is the crossing, on one that rises in between it lies among the crossings, and noise moves it
    little. It is far steadier than the place of the greatest slope: the middle of a hill is known better than its
    steepest stone.

    Args:
        x: decades, ascending.
        curves: one column for each curve.
        slopes: of them.
        start: the loss before any update.
    """
    place = np.arange(len(x))[:, None]
    bottom = np.argmin(curves, axis=0)
    least = curves[bottom, np.arange(curves.shape[1])]
    fall = start - least
    before = place <= bottom
    steepest = x[np.argmin(np.where(before, slopes, np.inf), axis=0)]

    def behind(share: float) -> Numbers:
        below = np.sum(before & (curves <= start - share * fall), axis=0)
        return x[np.clip(bottom + 1 - below, 0, bottom)]

    risen = np.where((place > bottom) & (curves > least + RISEN * fall), place, len(x)).min(axis=0)
    edge = np.where(risen < len(x), x[risen - 1], np.nan)
    return Landmarks(steepest, behind(HALF), behind(DEEP), edge, fall)
