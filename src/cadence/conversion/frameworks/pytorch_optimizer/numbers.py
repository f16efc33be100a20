"""Checks and sequences that several of pytorch_optimizer's schedulers share."""

from __future__ import annotations

from collections.abc import Sequence

from cadence._errors import ConversionError
from cadence.conversion.setting import Setting
from cadence.spec.constructors.phases import constant, formula
from cadence.spec.nodes import Schedule
from cadence.spec.shown import shown
from cadence.spec.value import number_of

Part = tuple[int | None, Schedule]
"""(ticks, schedule of that length); None: what is left."""


def whole(x: float, what: str) -> int:
    """A number of steps, whole and at least 0."""
    number = number_of(x, what)
    if number != int(number):
        raise ConversionError(f"{what} is {shown(x)}; steps are counted whole, so write a whole number")
    return int(number)


def rate(x: float, what: str) -> float:
    """A learning rate, at least 0."""
    number = number_of(x, what, least=float("-inf"))
    if number < 0:
        raise ConversionError(f"{what} is {number:g}; pytorch_optimizer and every schedule want 0 or more")
    return number


def from_the_start(last_epoch: int) -> None:
    """Check that a scheduler begins at its beginning."""
    if last_epoch != -1:
        raise ConversionError(f"last_epoch is {last_epoch}; leave it out, and give the scheduler's state instead")


def sequence(on: Setting, parts: Sequence[Part]) -> Schedule:
    """One after the other; what begins after the run's end is left out, or cut off where that is not known."""
    made: Schedule | None = None
    begin, ticks = 0, on.ticks
    for n, part in parts:
        if n == 0:
            continue
        if made is not None and ticks is not None and not on.local and begin >= ticks:
            break
        made = part if made is None else made >> part
        begin += n or 0
    assert made is not None
    single = len([n for n, _ in parts if n != 0]) == 1
    return made if single or (ticks is not None and not on.local) else made.cut()


def first(on: Setting, schedule: Schedule, start: float, before: float) -> Schedule:
    """A schedule that would start at `start`, and has `before` for its first step instead."""
    if start == before:
        return schedule
    if start:
        return schedule * formula(f"{_text(before / start)} if {on.clock} < 1 else 1", local=on.local)
    return schedule + constant(start=on.value(before)) * formula(f"1 if {on.clock} < 1 else 0", local=on.local)


def _text(x: float) -> str:
    return str(int(x)) if x == int(x) else repr(x)
