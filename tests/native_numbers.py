"""A scheduler's own numbers beside those of the schedule that it is read as."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from cadence.conversion.doors import read, setting
from cadence.conversion.framework import framework
from cadence.conversion.native import Native
from cadence.conversion.setting import Setting
from cadence.curve.curve import Curve
from cadence.spec.nodes import Schedule
from cadence.spec.plan import Plan

TOLERANCE = 1e-9
"""Of the value, or of a thousandth of the peak."""


def on_run(bases: Sequence[float], total: int | None, per: str = "step", steps_per_epoch: int | None = None) -> Setting:
    """A setting, as the doors make it."""
    return setting(tuple(bases), per, total, steps_per_epoch)


def gap(theirs: npt.NDArray[np.float64], ours: npt.NDArray[np.float64]) -> float:
    """Largest difference, relative to the value or to a thousandth of the peak; a value that is no number counts."""
    scale = np.maximum(np.abs(theirs), 1e-3 * np.abs(theirs).max())
    difference = np.abs(theirs - ours)
    relative = np.where(difference == 0, 0.0, difference / np.where(scale == 0, 1.0, scale))
    return float(np.where(np.isnan(relative), np.inf, relative).max())


def assert_equal(theirs: Any, ours: Any, what: object) -> None:
    """What equality with a peer means, for one value at every step; `what` begins the sentence where it fails."""
    allowed = TOLERANCE * np.maximum(np.abs(theirs), 1e-3 * np.abs(theirs).max())
    off = np.flatnonzero(~(np.abs(ours - theirs) <= allowed))
    assert not off.size, f"{what}: at {off[:5]} the peer has {theirs[off[:5]]}, cadence {ours[off[:5]]}"


def widest_gap(curve: Curve, native: Native, on: Setting, steps: int) -> float:
    """Largest difference between a placed curve and what the framework computes, over steps 0 to `steps`."""
    theirs = framework(native.framework).run(native, on, steps)
    widest = 0.0
    for group, value in curve.pairs:
        rows = theirs[value]
        ours = curve.at(np.arange(steps + 1), group=group, value=value)
        widest = max(widest, gap(np.asarray(rows[group if len(rows) > 1 else 0]), ours))
    return widest


def reading_of(native: Native, on: Setting) -> tuple[Schedule | Plan, Curve]:
    """What a scheduler means, and its curve."""
    schedule = read(native, on)
    return schedule, on.placed(schedule)
