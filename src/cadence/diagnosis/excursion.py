"""Where a loss rose far above what it had been at, and when it was back."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cadence.diagnosis.estimate import roughness
from cadence.diagnosis.log import Floats, Series

SIGMAS = 6.0
"""Noise that a rise has to stand above; the lowest of many noisy numbers is low by 2 to 3 by itself."""


@dataclass(frozen=True)
class Excursion:
    """A rise of the loss that noise does not explain.

    Attributes:
        begin, peak: updates at which it began and was highest.
        back: update from which on it was back where it had been; None: never.
        low, high: the loss before it, and at its peak.
        sigmas: its height in standard deviations of the noise.
    """

    begin: int
    peak: int
    back: int | None
    low: float
    high: float
    sigmas: float

    @property
    def height(self) -> float:
        """How far the loss rose."""
        return self.high - self.low


def smoothed(series: Series) -> tuple[Series, float]:
    """Running medians, without lag, and the share of the noise that is left in them."""
    y = series.values
    width = 5 if len(y) >= 100 else 3 if len(y) >= 24 else 1
    if width == 1:
        return series, 1.0
    half = width // 2
    padded = np.concatenate([np.repeat(y[:1], half), y, np.repeat(y[-1:], half)])
    medians = np.median(np.lib.stride_tricks.sliding_window_view(padded, width), axis=1)
    # The standard error of a median of normal numbers is sqrt(pi / 2) times that of their mean.
    return Series(series.t, medians), float(np.sqrt(np.pi / 2 / width))


def excursion(series: Series, until: float, *, least: float = SIGMAS) -> Excursion | None:
    """The highest rise before an update; None where there is none.

    Args:
        series: the losses.
        until: update before which its peak must be.
        least: standard deviations of the noise that it must stand above.
    """
    smooth, left = smoothed(series)
    y = smooth.values
    n = int(np.searchsorted(smooth.t, until))
    if n < 2:
        return None
    rises = y[:n] - np.minimum.accumulate(y)[:n]
    top = int(np.argmax(rises))
    before = int(np.argmin(y[: top + 1]))
    low, high = float(y[before]), float(y[top])
    sigmas = _sigmas(y, series.values, before, top, left)
    if not sigmas > least:
        return None
    if left == 1.0 and not _held(y, before, top):
        return None
    later = np.flatnonzero(y[top:] <= low + 0.1 * (high - low))
    back = int(smooth.t[top + int(later[0])]) if len(later) else None
    return Excursion(int(smooth.t[before]), int(smooth.t[top]), back, low, high, sigmas)


def _held(y: Floats, before: int, top: int) -> bool:
    """Whether a neighbour of the peak is up as well: of few numbers a single one is no rise."""
    values = np.log(y) if float(y.min()) > 0 else y
    near = [values[i] for i in (top - 1, top + 1) if before < i < len(y)]
    return bool(near) and max(near) > values[before] + 0.4 * (values[top] - values[before])


def _sigmas(smooth: Floats, y: Floats, before: int, top: int, left: float) -> float:
    """The height of a rise in the noise about it; by differences and by ratios, whichever says less.

    A loss near 0 is noisy in proportion to itself, one far from it is not.
    """
    low, high = float(smooth[before]), float(smooth[top])
    if not high > low:
        return 0.0
    noise = left * _about(y, before, top)
    found = (high - low) / max(noise, 1e-9 * abs(high), 1e-300)
    if float(y.min()) > 0:
        ratios = left * _about(np.log(y), before, top)
        found = min(found, float(np.log(high / low)) / max(ratios, 1e-9))
    return found


def _about(y: Floats, before: int, top: int) -> float:
    """Noise before a rise and behind its peak; of the whole where there is too little."""
    sides = [y[max(0, before - 40) : before + 1], y[top + 3 : top + 43]]
    # The noise of few numbers is uncertain itself.
    found = [roughness(side) * (1 + 6 / len(side)) for side in sides if len(side) >= 10]
    if found:
        return max(found)
    # Of very few numbers the median says little; the mean square has the rise itself in it, so half of it.
    late = y[len(y) // 5 :]
    spread = (
        float(np.sqrt(np.mean((late[2:] - 2 * late[1:-1] + late[:-2]) ** 2) / 6)) if len(late) > 2 else float("inf")
    )
    return max(roughness(y) * (1 + 6 / len(y)), 0.5 * spread if len(y) < 30 else 0.0)
