"""Columns that change once an epoch: the length of it, and the column with one row for each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import numpy as np

from cadence.diagnosis.log import Floats, Ints
from cadence.diagnosis.reversing.pieces import SAME

OFTEN = 0.5
"""A rate that is stepped once an epoch changes at so many of the epochs at least, or the length must be known."""


@final
@dataclass(frozen=True, eq=False)
class Held:
    """A column whose values are held for a number of updates each.

    Attributes:
        length: updates of an epoch.
        epochs: numbers of the epochs, float64.
        values: one for each.
    """

    length: int
    epochs: Floats
    values: Floats


def held(t: Ints, values: Floats, steps_per_epoch: float | None) -> Held | None:
    """The column per epoch; None where it changes at other times too, or hardly ever.

    Args:
        t: rising.
        values: as many.
        steps_per_epoch: where it is known.
    """
    changes = np.flatnonzero(np.abs(np.diff(values)) > SAME * np.abs(values[1:])) + 1
    if len(changes) < 2 or len(t) < 2 * (len(changes) + 1):
        return None
    length = _length(t, changes, steps_per_epoch)
    if length is None or length < 2:
        return None
    epochs = t // length
    last = np.append(np.diff(epochs) > 0, True)
    return Held(length, epochs[last].astype(np.float64), values[last])


def _length(t: Ints, changes: Ints, steps_per_epoch: float | None) -> int | None:
    after, before = t[changes], t[changes - 1]
    if steps_per_epoch is not None and steps_per_epoch >= 2 and _at_multiples(after, before, round(steps_per_epoch)):
        return round(steps_per_epoch)
    distances = np.diff(np.append(0, after))
    every = int(np.median(after - before))
    if every <= 1:
        length = int(np.gcd.reduce(after))
    else:
        # A change shows up to a row late, so that only the whole stretch tells the length.
        guess = float(np.median(distances[distances < 1.5 * distances.min()]))
        count = max(round(float(after[-1]) / guess), 1)
        spread = range(max(2, int((before[-1] + 1) / count)), int(after[-1] / count) + 1)
        length = next((n for n in sorted(spread, key=_roundness) if _at_multiples(after, before, n)), 0)
    if length < 2 or not _at_multiples(after, before, length):
        return None
    return length if len(changes) >= OFTEN * (int(t[-1]) // length) else None


def _at_multiples(after: Ints, before: Ints, length: int) -> bool:
    """Whether a multiple of the length lies in each (before, after]."""
    return bool((after // length * length > before).all())


def _roundness(n: int) -> tuple[int, int]:
    """The rounder a number, the earlier it is tried."""
    zeros = len(str(n)) - len(str(n).rstrip("0"))
    return (-zeros, n)
