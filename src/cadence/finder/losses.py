"""Losses of a range test as one table: what a rate did to the loss, what stopped early, how noisy batches are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from cadence._errors import SpecError
from cadence.finder.smoothing import Numbers

FEWEST = 8
"""Rates that a test needs: fewer say nothing about a curve."""

BEGINNING = 5
"""One part in so many, of the rates from the lowest on, moves next to nothing."""

ODD = 4.0
"""Standard deviations from the middle of the first losses beyond which one is left out of their mean."""

NORMAL = 1.4826
"""Standard deviation of a normal variable over its median absolute one."""

RISE = 0.2
"""Of the fall so far: where the mean over the repeats has risen by more than this, and by more than noise would have
it, the edge is behind. A loss that is thrown about there may come down once more, even deeper; it will not stay."""

BY_CHANCE = 4.0
"""Standard errors that noise may rise by."""

CLIP = 3.0
"""A loss counts as at most the loss at the beginning and so many standard deviations of a batch more. What is beyond
has diverged: how far says nothing, and would bend the curve beside it."""


@dataclass(frozen=True)
class Losses:
    """What each rate did to the loss.

    Attributes:
        rates: ascending.
        repeats: one row for each repeat: the loss that was found after the update with that rate, clipped at `cap`.
        start: the loss before any update.
        noise: standard deviation of the loss from one batch to the next.
        cap: what a loss that has diverged counts as.
        reached: how many of the rates each repeat came to before it diverged.
        finite: whether any loss was a number at all.
        moved: whether any two losses differ.
        tested: the least and greatest rate of an update.
    """

    rates: Numbers
    repeats: Numbers
    start: float
    noise: float
    cap: float
    reached: tuple[int, ...]
    finite: bool
    moved: bool
    tested: tuple[float, float]


def table(rates: Sequence[float] | Numbers, losses: Sequence[Sequence[float]] | Numbers) -> Losses:
    """The table of the repeats of one test.

    The loss that a loop reports with an update was computed before the update: what rate k has done is seen in loss
    k + 1. So the first loss of a repeat is that of the beginning, and the last rate has none.

    Args:
        rates: of the updates, ascending, positive.
        losses: one row for each repeat, in the order of its updates, at most as long as `rates`. A row that is
            shorter, or has a number that is not finite, has diverged there.

    Raises:
        SpecError: they are too few, do not ascend, or do not belong together.
    """
    x = _checked(rates)
    rows = [np.asarray(row, dtype=np.float64).ravel() for row in losses]
    if not rows:
        raise SpecError("there are no losses; give one row of them for each repeat")
    longest = max(len(row) for row in rows)
    if longest > len(x):
        raise SpecError(f"a repeat has {longest} losses, and there are {len(x)} rates; give one rate for each update")
    full = np.full((len(rows), len(x)), np.inf)
    for row, place in zip(rows, full, strict=True):
        bad = np.flatnonzero(~np.isfinite(row))
        end = int(bad[0]) if len(bad) else len(row)
        place[:end] = row[:end]
    known, tested = full[np.isfinite(full)], (float(x[0]), float(x[-1]))
    if not len(known):
        none = (0,) * len(rows)
        return Losses(x[:-1], full[:, 1:], np.nan, 0.0, np.nan, none, finite=False, moved=False, tested=tested)
    noise = _noise(full)
    start = _start(full, noise)
    cap = start + CLIP * noise
    reached = tuple(max(0, int(np.isfinite(row).sum()) - 1) for row in full)
    moved = bool(np.ptp(known) > 0)
    clipped = _risen(np.minimum(full[:, 1:], cap), start, noise)
    return Losses(x[:-1], clipped, start, noise, cap, reached, finite=True, moved=moved, tested=tested)


def _checked(rates: Sequence[float] | Numbers) -> Numbers:
    x = np.asarray(rates, dtype=np.float64).ravel()
    if len(x) < FEWEST:
        raise SpecError(f"a range test of {len(x)} rates says nothing; give at least {FEWEST}")
    if not np.all(np.isfinite(x)) or x[0] <= 0 or np.any(np.diff(x) <= 0):
        raise SpecError(f"the rates of a range test must ascend from above 0, not {x[0]:g} ... {x[-1]:g}")
    return x


def _start(full: Numbers, noise: float) -> float:
    """The loss before any update; the lowest rates, which move next to nothing, help to average it."""
    first = full[:, : max(2, full.shape[1] // BEGINNING)]
    known = first[np.isfinite(first)]
    if not len(known):
        known = full[np.isfinite(full)][:1]
    middle = float(np.median(known))
    # One that is far off has been moved.
    near = known[np.abs(known - middle) <= ODD * noise]
    return float(near.mean()) if len(near) else middle


def _noise(full: Numbers) -> float:
    """From one batch to the next: half of the differences between neighbours lie within it, whatever the curve does."""
    with np.errstate(invalid="ignore"):
        steps = np.abs(np.diff(full, axis=1))
    known = steps[np.isfinite(steps)]
    return float(NORMAL * np.median(known) / np.sqrt(2.0)) if len(known) else 0.0


def _risen(repeats: Numbers, start: float, noise: float) -> Numbers:
    """After the first clear rise no loss counts as less than what it rose to."""
    mean = repeats.mean(axis=0)
    lowest = np.minimum.accumulate(mean)
    chance = BY_CHANCE * noise * np.sqrt(1.0 / len(repeats))
    beyond = np.flatnonzero(mean - lowest > np.maximum(RISE * np.maximum(start - lowest, 0.0), chance))
    if not len(beyond):
        return repeats
    first = int(beyond[0])
    return np.concatenate([repeats[:, :first], np.maximum(repeats[:, first:], mean[first])], axis=1)
