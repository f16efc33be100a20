"""Makes long columns short: bins of neighbours for what scatters, the rows that matter for what a schedule wrote.

A median per bin, with the extremes beside it, keeps level, noise and spikes. A rate does not scatter: of it the rows
around every bend and every jump are kept as they are, so that its events stay exact.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, final

import numpy as np

from cadence.diagnosis.log import Floats, Ints
from cadence.diagnosis.reading.raw import Raw

WHOLE = 200_000
"""Columns of up to so many numbers are kept as they are."""

BINS = 100_000
"""Bins that a longer one is made into, about."""

JUMP = 1e-3
"""A rate that changes by more than this share from one row to the next is kept at both, unless it always does."""


class Shorter(ABC):
    """Takes a column piece by piece."""

    @abstractmethod
    def add(self, t: Ints, values: Floats) -> None:
        """The next numbers, in the order of the file."""

    @abstractmethod
    def flush(self) -> None:
        """What comes next has nothing to do with what was there: the log goes back, or ends."""

    @abstractmethod
    def whole(self, name: str) -> Raw:
        """All that was added."""


@final
class Kept(Shorter):
    """Keeps every number."""

    def __init__(self) -> None:
        self._parts: list[tuple[Ints, Floats]] = []

    def add(self, t: Ints, values: Floats) -> None:
        self._parts.append((t, values))

    def flush(self) -> None:
        pass

    def whole(self, name: str) -> Raw:
        if not self._parts:
            return Raw(name, np.empty(0, dtype=np.int64), np.empty(0))
        t, values = (np.concatenate(part) for part in zip(*self._parts, strict=True))
        return Raw(name, t, values)


@dataclass(frozen=True, eq=False)
class _Bins:
    t: Ints
    values: Floats
    low: Floats
    high: Floats
    rows: Ints
    bad: Ints


@final
class Binned(Shorter):
    """Bins of `size` neighbouring numbers.

    Args:
        size: numbers in a bin; the last one before a `flush` may have fewer.
    """

    def __init__(self, size: int) -> None:
        self._size = size
        self._t: list[Ints] = []
        self._values: list[Floats] = []
        self._waiting = 0
        self._done: list[_Bins] = []

    def add(self, t: Ints, values: Floats) -> None:
        self._t.append(t)
        self._values.append(values)
        self._waiting += len(t)
        if self._waiting >= self._size:
            t, values = np.concatenate(self._t), np.concatenate(self._values)
            end = len(t) - len(t) % self._size
            self._done.append(_binned(t[:end], values[:end].reshape(-1, self._size), self._size))
            self._t, self._values, self._waiting = [t[end:].copy()], [values[end:].copy()], len(t) - end

    def flush(self) -> None:
        if self._waiting:
            t, values = np.concatenate(self._t), np.concatenate(self._values)
            self._done.append(_binned(t, values[None, :], len(t)))
        self._t, self._values, self._waiting = [], [], 0

    def whole(self, name: str) -> Raw:
        self.flush()
        if not self._done:
            return Kept().whole(name)
        t, values, low, high, rows, bad = (
            np.concatenate([getattr(bins, f) for bins in self._done])
            for f in ("t", "values", "low", "high", "rows", "bad")
        )
        return Raw(name, t, values, low, high, rows, bad)


def _binned(t: Ints, values: Floats, size: int) -> _Bins:
    """Bins of rows of `size` numbers each."""
    finite = np.isfinite(values)
    bad = size - finite.sum(axis=1)
    if not bad.any():
        middle, low, high = np.median(values, axis=1), values.min(axis=1), values.max(axis=1)
    else:
        # NaN goes to the end of a sorted row, so what is finite stands before it.
        ordered = np.sort(np.where(finite, values, np.nan), axis=1)
        count = size - bad
        rows = np.arange(len(values))
        upper, lower = np.clip(count // 2, 0, size - 1), np.clip((count - 1) // 2, 0, size - 1)
        middle = (ordered[rows, lower] + ordered[rows, upper]) / 2
        low, high = ordered[:, 0], ordered[rows, np.clip(count - 1, 0, size - 1)]
    return _Bins(t[::size].copy(), middle, low, high, np.full(len(values), size), bad)


@final
class Thinned(Shorter):
    """Of every `size` neighbours the first, those around the sharpest bend, and both sides of each jump.

    Args:
        size: numbers of which a handful is kept.
    """

    def __init__(self, size: int) -> None:
        self._size = size
        self._t: Ints = np.empty(0, dtype=np.int64)
        self._values: Floats = np.empty(0)
        self._done: list[tuple[Ints, Floats]] = []

    def add(self, t: Ints, values: Floats) -> None:
        t, values = np.concatenate([self._t, t]), np.concatenate([self._values, values])
        if len(t) > 2 * self._size:
            kept = _bends(t, values, self._size)
            # The end is looked at again with what follows, so that a bend on the border has both its sides.
            end = len(t) - self._size
            kept = kept[kept < end]
            self._done.append((t[kept], values[kept]))
            t, values = t[end:].copy(), values[end:].copy()
        self._t, self._values = t, values

    def flush(self) -> None:
        if len(self._t):
            kept = np.union1d(_bends(self._t, self._values, self._size), [len(self._t) - 1])
            self._done.append((self._t[kept], self._values[kept]))
        self._t, self._values = self._t[:0], self._values[:0]

    def whole(self, name: str) -> Raw:
        self.flush()
        kept = Kept()
        for t, values in self._done:
            kept.add(t, values)
        return kept.whole(name)


def _bends(t: Ints, values: Floats, size: int) -> Ints:
    """Which rows to keep."""
    count = len(values)
    kept = [np.arange(0, count, size)]
    if count > 2:
        slopes = np.diff(values) / np.maximum(np.diff(t), 1)
        bend = np.abs(np.diff(slopes))
        bend[~np.isfinite(bend)] = np.inf
        whole = len(bend) - len(bend) % size
        sharpest: Any = np.arange(0, whole, size) + bend[:whole].reshape(-1, size).argmax(axis=1) + 1 if whole else []
        rest = [whole + int(bend[whole:].argmax()) + 1] if whole < len(bend) else []
        middle = np.concatenate([np.asarray(sharpest, dtype=np.int64), np.asarray(rest, dtype=np.int64)])
        kept += [middle - 1, middle, middle + 1]
        with np.errstate(all="ignore"):
            jumps = np.flatnonzero(~(np.abs(np.diff(values)) <= JUMP * np.abs(values[:-1])))
        if len(jumps) <= count // 10:
            kept += [jumps - 1, jumps, jumps + 1, jumps + 2]
    index = np.unique(np.concatenate(kept))
    return index[(index >= 0) & (index < count)].astype(np.int64)


def shorter_for(expected: float, *, rate: bool) -> Shorter:
    """What takes a column of about so many numbers."""
    size = math.ceil(expected / BINS)
    if expected <= WHOLE:
        return Kept()
    return Thinned(4 * size) if rate else Binned(size)
