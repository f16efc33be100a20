"""Where a loss or a metric changes its level at once."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from cadence.diagnosis.estimate import roughness
from cadence.diagnosis.log import Floats, Ints, Series

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
    places = _candidates(y, w)
    if not len(places):
        return {}
    middle = (t[places - 1] + t[places]) / 2
    before, before_mean, before_variance = _lines(t, y, places[:, None] + np.arange(-w, 0), middle, noise)
    after, after_mean, after_variance = _lines(t, y, places[:, None] + np.arange(w), middle, noise)
    apart, means = after - before, after_mean - before_mean
    # On a steep slope a bend looks like a step between two lines; a step moves the means as well.
    real = (means * apart > 0) & (np.abs(means) >= 0.5 * np.abs(apart))
    # Of a few numbers a standard deviation is uncertain, and large ratios come by chance.
    with np.errstate(divide="ignore", invalid="ignore"):
        z = np.where(real, np.abs(apart) / np.sqrt(before_variance + after_variance), 0.0) * (1 - 1.5 / w)
    z = np.nan_to_num(z, nan=0.0, posinf=0.0)
    rows = zip(places.tolist(), z.tolist(), before.tolist(), after.tolist(), strict=True)
    return {i: (score, b, a) for i, score, b, a in rows}


def _lines(t: Floats, y: Floats, rows: Ints, at: Floats, noise: float) -> tuple[Floats, Floats, Floats]:
    """A line through each row of places: its value at a point, the row's mean, and the variance of that value."""
    w = rows.shape[1]
    ts, ys = t[rows], y[rows]
    centred = ts - ts.mean(axis=1, keepdims=True)
    power = np.maximum((centred**2).sum(axis=1), 1e-300)
    drawn = ys
    centre = slope = residuals = np.zeros(0)
    for _ in range(3):
        centre = drawn.mean(axis=1)
        slope = (centred * drawn).sum(axis=1) / power
        fitted = centre[:, None] + slope[:, None] * centred
        size = 5 * 1.4826 * np.median(np.abs(ys - fitted), axis=1, keepdims=True)
        residuals = np.clip(ys - fitted, -size, size)
        drawn = fitted + residuals
    distance = at - ts.mean(axis=1)
    spread = np.maximum((residuals**2).sum(axis=1) / max(1, w - 2), (0.5 * noise) ** 2)
    return centre + slope * distance, ys.mean(axis=1), spread * (1 / w + distance**2 / power)


def _candidates(y: Floats, w: int) -> Ints:
    """Places where the means on both sides differ most, so that lines are fitted to some only."""
    n = len(y)
    sums = np.concatenate([[0.0], np.cumsum(y)])
    places = np.arange(w, n - w + 1)
    places = places[places < n]
    apart = np.abs((sums[np.minimum(places + w, n)] - sums[places]) - (sums[places] - sums[places - w]))
    return np.sort(places[np.argsort(-apart)[:60]])
