"""One phase after the other, as far as the run reaches."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

from cadence.conversion.setting import Setting
from cadence.spec.nodes import Schedule


@dataclass(frozen=True)
class Part:
    """A phase of known length.

    Attributes:
        length: ticks; None for the last, where it goes on.
        schedule: of that length.
        jumps: whether its first value is not the one that the phase before ends at.
    """

    length: int | None
    schedule: Schedule
    jumps: bool = False


def room(on: Setting) -> Fraction | None:
    """Length of the run in ticks, exact; None where it is not known."""
    if on.horizon.total is None or on.per == "step":
        return None if on.horizon.total is None else Fraction(on.horizon.total)
    per_epoch = on.horizon.steps_per_epoch
    return None if per_epoch is None else Fraction(on.horizon.total, per_epoch)


def last_tick(on: Setting) -> int | None:
    """The last tick whose value the run has, as its end value; None where its length is not known."""
    end = room(on)
    return None if end is None else math.floor(end)


def reached(on: Setting, tick: float) -> bool:
    """Whether the run has this tick, its end included."""
    end = room(on)
    return end is None or tick <= end


def joined(on: Setting, parts: Sequence[Part]) -> Schedule:
    """The parts in order; those that begin after the run are left out, which no sequence may hold.

    Where the last one left out jumps, and the run ends just there, its first value is the run's end value. Where the
    run's length is not known, the sequence may outlast it.
    """
    end, begin = room(on), 0
    kept: list[Schedule] = []
    for part in parts:
        if part.length == 0:
            continue
        if end is not None and begin >= end:
            if part.jumps and begin == end:
                return _chain([*kept, part.schedule.cut(1)]).cut()
            break
        kept.append(part.schedule)
        begin += part.length or 0
    chain = _chain(kept)
    return chain.cut() if end is None and len(kept) > 1 and not on.local else chain


def _chain(parts: Sequence[Schedule]) -> Schedule:
    chain = parts[0]
    for part in parts[1:]:
        chain = chain >> part
    return chain
