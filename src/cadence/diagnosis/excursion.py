"""Where a loss rose far above what it had been at, and when it was back."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from cadence.diagnosis.estimate import roughness
from cadence.diagnosis.log import Floats, Series
from cadence.diagnosis.view import View

SIGMAS = 6.0
"""Noise that a rise has to stand above; the lowest of many noisy numbers is low by 2 to 3 by itself."""


HUGE = 0.5
"""Logarithm of a rise that is one even where a single number shows it."""

FEW = 60
"""Of fewer numbers the noise about a rise says too little; that of their later half is taken, which knows no rise."""


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


def surge(view: View, until: float, *, least: float = SIGMAS) -> Excursion | None:
    """The highest rise of a log's loss before an update, seen with its evaluations where its losses are few.

    Args:
        view: of the log.
        until, least: as of `excursion`.
    """
    if view.course is view.loss:
        return excursion(view.loss, until, least=least) if view.loss is not None else None
    assert view.course is not None
    # Of the course, t counts halves of updates.
    found = excursion(view.course, 2 * until, least=least)
    if found is None:
        return None
    back = None if found.back is None else found.back // 2
    return replace(found, begin=found.begin // 2, peak=found.peak // 2, back=back)


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
    if left == 1.0 and not _held(y, before, top, sigmas):
        return None
    later = np.flatnonzero(y[top:] <= low + 0.1 * (high - low))
    back = int(smooth.t[top + int(later[0])]) if len(later) else None
    return Excursion(int(smooth.t[before]), int(smooth.t[top]), back, low, high, sigmas)


def broken(view: View, series: Series, t: float, before: float) -> bool:
    """Whether a loss stands behind a rise, above where it was: what a resume has lost is learnt again, in time.

    What a rate too high has broken is not: units that died get no gradient.

    Args:
        view: of the log.
        series: the losses.
        t: update of the rise.
        before: the loss before it.
    """
    rate = view.rate_at(series.t.astype(float))
    here = float(view.rate_at(np.array([t]))[0])
    # Where the rate has come down nothing is learnt in either case.
    up = series.t[(series.t >= t) & (rate >= 0.3 * here)]
    if not len(up) or float(up[-1]) - t < 0.2 * view.end:
        return False
    rest = float(up[-1]) - t
    early = series.between(t + 0.4 * rest, t + 0.7 * rest).values
    late = series.between(t + 0.7 * rest, t + rest + 1).values
    if len(early) < 2 or len(late) < 2:
        return False
    stands, ends = float(np.median(early)), float(np.median(late))
    return ends > before - 0.05 * abs(before) and stands - ends < 0.02 * abs(ends)


def _held(y: Floats, before: int, top: int, sigmas: float) -> bool:
    """Whether a neighbour of the peak is up as well: of few numbers a single one is none, unless it is huge."""
    values = np.log(y) if float(y.min()) > 0 else y
    near = [values[i] for i in (top - 1, top + 1) if before < i < len(y)]
    held = bool(near) and max(near) > values[before] + 0.4 * (values[top] - values[before])
    return held or (sigmas > 2 * SIGMAS and float(y.min()) > 0 and float(values[top] - values[before]) > HUGE)


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
    """Noise before a rise and behind its peak; of the later half where there is too little."""
    sides = [y[max(0, before - 40) : before + 1], y[top + 3 : top + 43]]
    # The noise of few numbers is uncertain itself.
    found = [roughness(side) * (1 + 6 / len(side)) for side in sides if len(side) >= 10]
    if found and len(y) >= FEW:
        return max(found)
    late = y[max(len(y) // 2, min(top + 2, len(y) - 6)) :]
    if len(late) < 4:
        return float("inf")
    square = float(np.sqrt(np.mean((late[2:] - 2 * late[1:-1] + late[:-2]) ** 2) / 6))
    return max([square * (1 + 4 / len(late)), *found])
