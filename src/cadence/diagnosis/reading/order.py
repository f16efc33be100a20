"""Puts the rows of a log in order: what came again, stood twice, or stands at the wrong place."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import numpy as np

from cadence.diagnosis.log import Ints

SCRAMBLED = 0.02
"""Where more than this share of the rows goes back, it is no resume: the rows are in no order."""


@final
@dataclass(frozen=True, eq=False)
class Order:
    """Which rows of a column count, in which order.

    Attributes:
        index: of the rows that count, by rising `t`.
        resets: (update before, update after) of each place where the log goes back and tells on from there.
        restarts: of those, the ones that go back to the beginning or before it: another run.
        duplicates: rows that were left out because a later one has their `t`, outside of resets.
        unsorted: rows that stood at the wrong place.
    """

    index: Ints
    resets: tuple[tuple[int, int], ...] = ()
    restarts: tuple[tuple[int, int], ...] = ()
    duplicates: int = 0
    unsorted: int = 0


def order_of(t: Ints) -> Order:
    """The order of rows with these numbers. Of several with one number the last counts.

    A row that lies behind its neighbours is put where it belongs. Where the log goes back and tells on from there, a
    training was taken up again: what it told before from there on is left out, as if it had not been.

    Args:
        t: int64, in the order of the file.

    Example:
        >>> order_of(np.array([0, 1, 2, 3, 2, 3, 4])).index.tolist()
        [0, 1, 4, 5, 6]
    """
    steps = np.diff(t)
    if not len(steps) or (steps > 0).all():
        return Order(np.arange(len(t)))
    falls = np.flatnonzero(steps < 0) + 1
    if not len(falls):
        index = np.flatnonzero(np.append(steps != 0, True))
        return Order(index, duplicates=len(t) - len(index))
    after = np.append(t[1:], np.iinfo(np.int64).max)[falls]
    strays = falls[after > t[falls - 1]]
    if len(falls) > max(3, SCRAMBLED * len(t)) and not _rises_again(t, falls):
        return _sorted(t, np.arange(len(t)), unsorted=len(falls))
    calm = np.setdiff1d(np.arange(len(t)), strays)
    path = t[calm]
    drops = np.flatnonzero(np.diff(path) < 0) + 1
    jumps = tuple((int(path[i - 1]), int(path[i])) for i in drops)
    # What a later row goes back behind was told again.
    least = np.append(np.minimum.accumulate(path[::-1])[::-1][1:], np.iinfo(np.int64).max)
    twice = np.append(path[:-1] == path[1:], False)
    kept = (path < least) | (twice & (path <= least))
    order = _sorted(t, np.sort(np.concatenate([calm[kept], strays])), unsorted=len(strays))
    first = int(t[0])
    resets = tuple(jump for jump in jumps if jump[1] > first)
    restarts = tuple(jump for jump in jumps if jump[1] <= first)
    return Order(order.index, resets, restarts, order.duplicates, len(strays))


def _rises_again(t: Ints, falls: Ints) -> bool:
    """Whether there are real stretches between the falls: several rows each."""
    return len(t) / (len(falls) + 1) >= 8


def _sorted(t: Ints, index: Ints, *, unsorted: int) -> Order:
    """These rows by rising `t`; of equal ones the last."""
    index = index[np.argsort(t[index], kind="stable")]
    times = t[index]
    last = np.append(np.diff(times) > 0, True)
    return Order(index[last], duplicates=int((~last).sum()), unsorted=unsorted)


@final
@dataclass(frozen=True)
class Gaps:
    """Places where a log leaves out what it tells elsewhere.

    Attributes:
        count: how many.
        first, end: the widest: the last row before it and the first behind.
        every: distance of two rows elsewhere.
    """

    count: int
    first: int
    end: int
    every: float


LEFT_OUT = 5.0
"""A gap is so many times as wide as the distances on both sides of it."""

_NEAR = 15


def gaps_in(t: Ints) -> Gaps | None:
    """Gaps in rising update numbers; None where there are none.

    A log that begins dense and goes on thin has no gap: a distance is compared with those before and behind it.
    """
    steps = np.diff(t)
    if len(steps) < 8:
        return None
    usual = float(np.median(steps))
    wide = np.flatnonzero(steps > LEFT_OUT * usual)
    found: list[int] = []
    for i in wide[np.argsort(-steps[wide], kind="stable")][:200].tolist():
        before, behind = steps[max(0, i - _NEAR) : i], steps[i + 1 : i + 1 + _NEAR]
        if min(len(before), len(behind)) and steps[i] > LEFT_OUT * max(np.median(before), np.median(behind)):
            found.append(i)
    if not found:
        return None
    return Gaps(len(found), int(t[found[0]]), int(t[found[0] + 1]), usual)
