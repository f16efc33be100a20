"""How smooth the course of a loss is beside the way it goes: weights that hardly move leave no trace of their noise."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from cadence.diagnosis.log import Floats, Series
from cadence.diagnosis.view import View

STARTS = (0.3, 0.45)
"""Shares of the run that are left out: the first descent bends too much. Where it is long, the second says more."""

UP = 0.05
"""Share of its peak above which a rate moves the weights."""

BACK = 0.1
"""Share of a step that a loss may rise by where the rate has nearly come down."""

SHAKEN = 0.3
"""Roughness in steps from which on the weights are shaken."""

OFTEN = 0.15
"""Share of the steps that may be such."""

FEWEST = 7
"""Evaluations that a course must have."""


class Crawl(NamedTuple):
    """A loss that fell at every evaluation, or nearly, while the rate was up.

    Attributes:
        first, last: updates of the first and the last of these evaluations.
        n: how many they are.
        step: what it fell by from one to the next on the average, as a share of itself.
        rough: standard deviation about a smooth course, in such steps.
        pace: what it fell by towards the end of them, as a share of itself over a tenth of the run at the peak rate.
        bonus: what the fall of the rate brought beyond what its rates add up to, in multiples of that; None where the
            rate did not fall.
    """

    first: int
    last: int
    n: int
    step: float
    rough: float
    pace: float
    bonus: float | None


def crawl(view: View, series: Series) -> Crawl | None:
    """How a loss falls, where it falls at every evaluation; None where it does not, or there are too few.

    Args:
        view: of the log.
        series: losses on the same examples each time.
    """
    found = [one for share in STARTS if (one := _from(view, series, share)) is not None]
    return min(found, key=lambda one: one.rough, default=None)


def _from(view: View, series: Series, share: float) -> Crawl | None:
    start = float(series.t[0]) + share * (view.end - float(series.t[0]))
    part = series.between(start, float("inf"))
    part = part.take(view.rate_at(part.t.astype(float)) >= UP)
    if len(part) < FEWEST or float(part.values.min()) <= 0:
        return None
    logs = np.log(part.values)
    steps = np.diff(logs)
    step = float(logs[0] - logs[-1]) / (len(logs) - 1)
    if float(steps.max()) >= BACK * step or float((steps >= 0).mean()) > OFTEN:
        return None
    ridden = view.ridden(part.t.astype(float))
    third = len(logs) // 3
    pace = float(logs[-1 - third] - logs[-1]) / float(ridden[-1] - ridden[-1 - third]) * 0.1 * view.end
    return Crawl(
        int(part.t[0]), int(part.t[-1]), len(logs), step, roughness(ridden, logs) / step, pace, bonus(view, series)
    )


def shaken(view: View, series: Series) -> bool:
    """Whether a loss goes up and down beside its way while the rate is up: the weights move more than they need."""
    start = float(series.t[0]) + STARTS[0] * (view.end - float(series.t[0]))
    part = series.between(start, float("inf"))
    part = part.take(view.rate_at(part.t.astype(float)) >= 0.3)
    if len(part) < 5 or float(part.values.min()) <= 0:
        return False
    logs = np.log(part.values)
    step = float(logs[0] - logs[-1]) / (len(logs) - 1)
    return bool(np.diff(logs).max() > 0) and roughness(view.ridden(part.t.astype(float)), logs) > SHAKEN * step


def roughness(t: Floats, y: Floats) -> float:
    """Standard deviation of what is independent from one number to the next, at any distances.

    Four neighbours lie on a cubic but for their noise; the larger of two estimates of it, one of which is blind to
    outliers and the other one exact where numbers are few.
    """
    rows = np.arange(len(y) - 3)[:, None] + np.arange(4)
    at, values = t[rows], y[rows]
    apart: Floats = at[:, :, None] - at[:, None, :] + np.eye(4)
    weights: Floats = 1 / apart.prod(axis=2)
    left: Floats = (weights * values).sum(axis=1) / np.sqrt((weights**2).sum(axis=1))
    return max(float(np.sqrt(np.mean(left**2))), 1.4826 * float(np.median(np.abs(left))))


def bonus(view: View, series: Series) -> float | None:
    """What a loss gained while the rate came down, beyond what the rates then ridden bring by the slope before.

    A loss that follows the rates added up alone gains at most as much; one that a high rate held up gains more.

    Returns:
        The surplus as a multiple of what they bring; None where the rate does not come down, or there is too little.
    """
    t = series.t.astype(float)
    rate, ridden = view.rate_at(t), view.ridden(t)
    up = np.flatnonzero(rate >= 0.5)
    if not len(up) or rate[-1] > 0.5:
        return None
    last = int(up[-1])
    window = np.flatnonzero((ridden >= ridden[0] + 0.6 * (ridden[last] - ridden[0])) & (np.arange(len(t)) <= last))
    few = max(1, len(t) // 12)
    if len(window) < 3 or last > len(t) - 1 - few:
        return None
    x = ridden[window] - ridden[window].mean()
    here = float(series.values[window].mean())
    slope = float(x @ (series.values[window] - here)) / float(x @ x)
    brings = slope * float(ridden[-few:].mean() - ridden[window].mean())
    if not brings < 0:
        return None
    return (here + brings - float(np.median(series.values[-few:]))) / -brings
