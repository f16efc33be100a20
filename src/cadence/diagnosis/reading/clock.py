"""What the rows of a table count: updates, epochs, or nothing but themselves."""

from __future__ import annotations

import numpy as np

from cadence.diagnosis.log import Facts, Floats, Ints, Mask, Note
from cadence.diagnosis.reading import noted
from cadence.diagnosis.reading.numbers import MISSING
from cadence.diagnosis.reading.raw import Raw


def clocked(steps: Floats | None, epochs: Floats | None, count: int) -> tuple[Ints, Facts, list[Note]]:
    """An update number for each row.

    Args:
        steps: what the column of steps says, `MISSING` where it says nothing; None: there is no such column.
        epochs: likewise of epochs.
        count: of rows.

    Returns:
        int64, -1 for a row that has none; what is known of the clock; what had to be assumed.
    """
    if steps is not None and (there := _there(steps)).any() and _whole(steps[there]):
        t = np.where(there, np.where(there, steps, 0), -1).astype(np.int64)
        t[t < 0] = -1
        again = _within_epochs(t, epochs)
        if again is not None:
            t, length = again
            return t, Facts(steps_per_epoch=length), [noted.within_epochs(length)]
        known = epochs is not None and _there(epochs).any()
        length = epoch_length(Raw("", t, epochs)) if known and epochs is not None else None
        return t, Facts(steps_per_epoch=length), []
    if epochs is not None and (there := _there(epochs)).any() and _whole(epochs[there]):
        numbers = epochs[there]
        if len(np.unique(numbers)) > 0.5 * len(numbers) or (steps is None and _one_each(epochs)):
            t = np.where(there, np.where(there, epochs, 0), -1).astype(np.int64)
            t[t < 0] = -1
            return t, Facts(clock="epochs", steps_per_epoch=1), []
    t = np.arange(count)
    length = epoch_length(Raw("", t, epochs)) if epochs is not None else None
    return t, Facts(clock="rows", steps_per_epoch=length), []


def epoch_length(epochs: Raw | None) -> float | None:
    """Updates of an epoch, from how the epoch grows with the update; None where that cannot be told.

    Whole epochs change at certain updates, whose median distance it is. Fractions are updates over the length, rounded.
    """
    if epochs is None or len(epochs.t) < 2:
        return None
    there = _there(epochs.values) & (epochs.t >= 0)
    t, values = epochs.t[there], epochs.values[there]
    if len(t) < 2 or values.max() <= values.min():
        return None
    if _whole(values):
        changes = t[1:][np.diff(values) > 0]
        if len(changes) < 2:
            return None
        lengths = np.diff(changes)
        lengths = lengths[lengths > 0]
        return float(np.median(lengths)) if len(lengths) else None
    last = int(np.argmax(values))
    length = t[last] / values[last]
    return float(round(length)) if abs(length - round(length)) < max(0.02 * length, 0.5) and length >= 1 else None


def _there(column: Floats) -> Mask:
    return (column != MISSING) & np.isfinite(column)


def _whole(values: Floats) -> bool:
    return bool((np.abs(values - np.round(values)) < 1e-9).all() and (np.abs(values) < 2.0**53).all())


def _one_each(epochs: Floats) -> bool:
    """Whether an epoch has one row, or one for training and one for validation."""
    _, counts = np.unique(epochs[_there(epochs)], return_counts=True)
    return float(np.median(counts)) <= 2


def _within_epochs(t: Ints, epochs: Floats | None) -> tuple[Ints, float] | None:
    """Steps that begin anew with each epoch, counted through; None where they do not."""
    usable = t >= 0
    times = t[usable]
    falls = np.flatnonzero(np.diff(times) < 0) + 1
    if len(falls) < 2:
        return None
    starts = times[falls]
    if (starts > times[0] + max(1, np.ptp(times) * 0.02)).any():
        return None
    if epochs is not None:
        numbers = np.where(epochs == MISSING, np.nan, epochs)[usable]
        if not (numbers[falls] > numbers[falls - 1]).all():
            return None
        which = np.floor(numbers - numbers[0])
    else:
        lengths = np.diff(np.concatenate([[0], falls]))
        if len(falls) < 3 or (lengths != np.median(lengths)).mean() > 0.1:
            return None
        which = np.searchsorted(falls, np.arange(len(times)), side="right")
    steps = np.diff(times)
    every = int(np.median(steps[steps > 0])) if (steps > 0).any() else 1
    length = int(times.max() - times.min()) + every
    counted = np.full(len(t), -1, dtype=np.int64)
    counted[usable] = which.astype(np.int64) * length + times - times.min()
    return counted, float(length)
