"""Where a loss or a metric changes its level at once."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from cadence.diagnosis.estimate import line, roughness, tamed
from cadence.diagnosis.log import Floats, Series

SIGMAS = 6.0
"""Noise that a shift must stand above. There are as many places to look at as numbers in the log."""


class Shift(NamedTuple):
    """A sudden change of level.

    Attributes:
        t: the first update with the new level, as far as the log shows.
        since: the last one with the old level.
        before, after: levels on both sides, each extrapolated from its own side.
        sigmas: how far it stands above the noise.
    """

    t: int
    since: int
    before: float
    after: float
    sigmas: float


def shifts(series: Series, *, least: float = 0.0) -> list[Shift]:
    """The sudden changes of level, largest first, none near a larger one.

    Args:
        series: a loss or a metric.
        least: size below which they do not matter.
    """
    part = series.finite()
    y = part.values
    n = len(y)
    if n < 8:
        return []
    widths = [w for w in (3, 5, 10, 20, 40) if 2 * w + 2 <= n]
    score, before, after = np.zeros(n), np.zeros(n), np.zeros(n)
    noise = roughness(y)
    for w in widths:
        for i, (z, b, a) in _at_width(part.t.astype(float), y, w, noise).items():
            if z > score[i]:
                score[i], before[i], after[i] = z, b, a
    found: list[Shift] = []
    taken = np.zeros(n, dtype=bool)
    for i in np.argsort(-score).tolist():
        if score[i] < SIGMAS:
            break
        if taken[i] or abs(after[i] - before[i]) < least:
            continue
        found.append(Shift(int(part.t[i]), int(part.t[i - 1]), float(before[i]), float(after[i]), float(score[i])))
        taken[max(0, i - 20) : i + 20] = True
    return found


def _at_width(t: Floats, y: Floats, w: int, noise: float) -> dict[int, tuple[float, float, float]]:
    """For each place, how far the lines through its `w` neighbours on both sides are apart."""
    found: dict[int, tuple[float, float, float]] = {}
    for i in _candidates(y, w):
        sides = [(t[i - w : i], y[i - w : i]), (t[i : i + w], y[i : i + w])]
        ends: list[float] = []
        variance = 0.0
        for ts, ys in sides:
            slope, centre, r = line(ts, ys)
            at = (t[i - 1] + t[i]) / 2 - ts.mean()
            power = float(((ts - ts.mean()) ** 2).sum())
            ends.append(centre + slope * at)
            r = tamed(r)
            sd2 = max(float(r @ r) / max(1, w - 2), (0.5 * noise) ** 2)
            variance += sd2 * (1 / w + (at**2 / power if power > 0 else 0.0))
        apart, means = ends[1] - ends[0], float(sides[1][1].mean() - sides[0][1].mean())
        # On a steep slope a bend looks like a step between two lines; a step moves the means as well.
        real = means * apart > 0 and abs(means) >= 0.5 * abs(apart)
        z = abs(apart) / np.sqrt(variance) if variance > 0 and real else 0.0
        # Of a few numbers a standard deviation is uncertain, and large ratios come by chance.
        found[i] = (float(z) * (1 - 1.5 / w), ends[0], ends[1])
    return found


def _candidates(y: Floats, w: int) -> list[int]:
    """Places where the means on both sides differ most, so that lines are fitted to some only."""
    n = len(y)
    sums = np.concatenate([[0.0], np.cumsum(y)])
    places = np.arange(w, n - w + 1)
    places = places[places < n]
    apart = np.abs((sums[np.minimum(places + w, n)] - sums[places]) - (sums[places] - sums[places - w]))
    best = places[np.argsort(-apart)[:60]]
    return sorted(int(i) for i in best)
