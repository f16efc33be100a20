"""Milestones proposed from a log: where the loss, at the rate it had, stopped paying for the updates.

A rate that is held brings the loss down quickly at first, and then only to where its own noise holds it. From there on
a lower rate brings more. Where that is, the slope of the loss tells, with an interval.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import final

import numpy as np

from cadence.diagnosis.log import Floats, Log, Series
from cadence.findings.finding import Both

PAYS = 0.02
"""A stretch pays where the loss falls by this share of itself over a tenth of the run."""

SURE = 2.0
"""At the best end of its interval, the fall may be so many times that share: a noisy loss cannot tell more."""

SHARE = 0.1
"""Of the run: the length over which the gain is reckoned, and that a stretch must go on for behind a milestone."""

BLOCKS = 60
"""A stretch is divided into so many blocks at most; the median of each stands for it."""

FEWEST = 12
"""A stretch of fewer numbers tells no slope."""

HELD = 0.02
"""A rate that changes by no more than this share is held."""

_T95 = {2: 4.30, 3: 3.18, 4: 2.78, 5: 2.57, 6: 2.45, 7: 2.36, 8: 2.31, 9: 2.26, 10: 2.23}
"""Student's t for 95 %, by degrees of freedom."""


@final
@dataclass(frozen=True)
class Milestone:
    """Where a lower rate would have been due.

    Attributes:
        t: the update.
        metric: the series that tells it: ``"loss"``, or the name of the validation loss.
        slope: change of the loss an update, from `t` to the end of the stretch; `low` and `high` bound it with 95 %.
        gain: what the loss would fall over the next tenth of the run at that slope, as a share of itself; at the best
            end of the interval.
        until: end of the stretch under this rate.
        reason: in English and Chinese.
    """

    t: int
    metric: str
    slope: float
    low: float
    high: float
    gain: float
    until: int
    reason: Both


def milestones(log: Log) -> list[Milestone]:
    """Updates at which the rate could have been lowered, one for each stretch that was held beyond its use.

    Args:
        log: with a loss; where it has no rate, it is taken for one stretch.

    Returns:
        By update; empty where every stretch paid to its end, or is too short to tell.
    """
    total = max(log.facts.total or 0, log.updates)
    found: list[Milestone] = []
    for first, end in _stretches(log, total):
        for name, series in _judges(log):
            part = series.between(first, end).finite()
            if len(part) >= FEWEST:
                milestone = _milestone(name, part, end, total)
                if milestone is not None:
                    found.append(milestone)
                break
    return found


def _judges(log: Log) -> Iterator[tuple[str, Series]]:
    """What tells whether a stretch paid: the validation loss where there is enough of it, else that of training."""
    if log.val_loss is not None and log.val_loss in log.metrics:
        yield log.val_loss, log.metrics[log.val_loss]
    if log.loss is not None:
        yield "loss", log.loss


def _stretches(log: Log, total: int) -> Iterator[tuple[int, int]]:
    """Stretches of a tenth of the run at least under one rate."""
    rate = log.rate
    if rate is None:
        yield 0, total
        return
    rate = rate.finite()
    if not len(rate):
        return
    begin = 0
    for i in range(1, len(rate) + 1):
        if i < len(rate) and abs(rate.values[i] - rate.values[begin]) <= HELD * rate.values[begin]:
            continue
        first, end = int(rate.t[begin]), int(rate.t[i]) if i < len(rate) else total
        if end - first >= 2 * SHARE * total:
            yield first, end
        begin = i


def _milestone(name: str, series: Series, end: int, total: int) -> Milestone | None:
    t, values = _blocks(series)
    ahead = SHARE * total
    for i in range(len(t) - FEWEST // 2):
        if end - t[i] < ahead:
            return None
        level = abs(float(np.median(values[i:]))) or 1.0
        slope, low, high = _slope(t[i:], values[i:])
        if -slope * ahead > PAYS * level or -low * ahead > SURE * PAYS * level:
            continue
        at, gain = int(t[i]), max(-low * ahead / level, 0.0)
        return Milestone(at, name, slope, low, high, gain, end, _reason(name, at, end, slope, low, high, gain))
    return None


def _blocks(series: Series) -> tuple[Floats, Floats]:
    """Middles and medians of blocks of as many numbers each."""
    parts = np.array_split(np.arange(len(series)), min(BLOCKS, len(series)))
    return (
        np.array([series.t[part].mean() for part in parts]),
        np.array([np.median(series.values[part]) for part in parts]),
    )


def _slope(t: Floats, values: Floats) -> tuple[float, float, float]:
    """Least squares, and its interval of 95 %."""
    x = t - t.mean()
    spread = float((x**2).sum())
    slope = float((x * values).sum() / spread)
    rest = values - values.mean() - slope * x
    free = len(t) - 2
    error = math.sqrt(float((rest**2).sum()) / free / spread)
    reach = _T95.get(free, 2.0 + 2.5 / free) * error
    return slope, slope - reach, slope + reach


def _reason(name: str, at: int, end: int, slope: float, low: float, high: float, gain: float) -> Both:
    per = f"{1000 * slope:+.3g} ({1000 * low:+.3g} to {1000 * high:+.3g})"
    return Both(
        f"From update {at:,} on {name} changes by {per} per 1,000 updates: the next tenth of the run brings "
        f"{100 * gain:.2g} % at best, and the rate is held until update {end:,}. A lower rate is due here.",
        f"从第 {at:,} 次更新起，{name} 每 1,000 次更新变化 {per}：接下来十分之一的训练最多降低 {100 * gain:.2g} %，"
        f"而学习率保持到第 {end:,} 次更新。此处应降低学习率。",
    )  # fmt: skip
