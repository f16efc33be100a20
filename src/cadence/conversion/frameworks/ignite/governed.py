"""What ignite's schedulers have in common: they set one value, of all groups or of one, in absolute numbers."""

from __future__ import annotations

from collections.abc import Sequence as Items

from cadence._errors import ConversionError
from cadence.conversion.definition import integer
from cadence.conversion.setting import Setting
from cadence.spec.constructors.phases import constant
from cadence.spec.nodes import Cut, Schedule, Sequence
from cadence.spec.plan import Plan, plan, split_key
from cadence.spec.shown import shown
from cadence.spec.value import Value, absolute, number_of

HELD = 1e-15
"""Relative error that a number may have as a multiple, to be readable."""


def governed(on: Setting, param_name: str, param_group_index: int | None, schedule: Schedule) -> Schedule | Plan:
    """A schedule as what it governs: a schedule where that is the rate of every group, else a plan."""
    if not isinstance(param_name, str) or not param_name or "/" in param_name:
        raise ConversionError(f"param_name is {shown(param_name)}; cadence's plan wants a name such as 'lr'")
    if param_group_index is None:
        return schedule if param_name == "lr" else plan({param_name: schedule})
    index = integer(param_group_index, "param_group_index")
    if index < 0:
        index += len(on.bases)
    if not 0 <= index < len(on.bases):
        raise ConversionError(
            f"param_group_index is {param_group_index} and there are {len(on.bases)} base rates; give base= one for "
            f"each group"
        )
    if param_name != "lr":
        return plan({f"{index}/{param_name}": schedule})
    if len(on.bases) == 1:
        return schedule
    # The other groups keep the rates they have.
    return plan({"lr": constant(), f"{index}/lr": schedule})


def values(on: Setting, param_name: str, *numbers: float) -> tuple[Value, ...]:
    """Numbers in the optimizer's own unit: multiples where the first is the base of every group, else absolute."""
    for number in numbers:
        if number_of(number, "a value", least=float("-inf")) < 0:
            raise ConversionError(f"a value of this scheduler is {number:g}; a schedule's values are at least 0")
    first = numbers[0]
    if param_name != "lr" or not first or any(base != first for base in on.bases):
        return tuple(on.value(number) for number in numbers)
    return tuple(_multiple(number, first) for number in numbers)


def _multiple(number: float, base: float) -> Value:
    multiple = float(f"{number / base:.12g}")
    return multiple if abs(multiple * base - number) <= HELD * abs(number) else absolute(number)


def in_turn(on: Setting, parts: Items[tuple[Schedule | Plan, int | None]]) -> Schedule | Plan:
    """Schedules one after the other, each for a number of ticks (None: what is left), what each governs kept apart.

    A value that one of them does not govern keeps its base meanwhile.
    """
    keys = [key for part, _ in parts for key in (_keys(part))]
    keys = list(dict.fromkeys(keys))
    if keys == ["lr"]:
        return _sequence(on, [(_of(part, "lr"), n) for part, n in parts])
    made: dict[str, Schedule] = {}
    for key in keys:
        made[key] = _sequence(on, [(_of(part, key), n) for part, n in parts])
    return plan(made)


def _keys(part: Schedule | Plan) -> list[str]:
    return [key for key, _ in part.entries] if isinstance(part, Plan) else ["lr"]


def _of(part: Schedule | Plan, key: str) -> Schedule:
    """What a part does with one key of a plan: its own, or that of all groups."""
    if not isinstance(part, Plan):
        return part
    entries = dict(part.entries)
    value = split_key(key)[1]
    return entries.get(key, entries.get(value, constant()))


def _sequence(on: Setting, parts: Items[tuple[Schedule, int | None]]) -> Schedule:
    """Parts that begin after the run's end are left out; where it is not known, what comes after it is cut off."""
    made: Schedule | None = None
    begin, ticks = 0, on.ticks
    for part, n in parts:
        if made is not None and ticks is not None and not on.local and begin >= ticks:
            break
        if n is not None:
            part = _shortened(on, part, n)
            begin += n
        elif (
            made is not None
            and isinstance(part, Sequence)
            and not _fits(part, None if ticks is None else ticks - begin)
        ):
            part = part.cut()
        made = part if made is None else made >> part
    assert made is not None
    whole = ticks is not None and not on.local
    return made if whole else made.cut()


def _fits(part: Sequence, room: int | None) -> bool:
    """Whether the phases of a sequence all begin within so many ticks."""
    lengths = [getattr(phase, "length", None) for phase in part.parts[:-1]]
    return room is not None and None not in lengths and sum(length.amount for length in lengths if length) < room


def _shortened(on: Setting, part: Schedule, n: int) -> Schedule:
    """The first n ticks of a part."""
    length = on.span(n)
    if getattr(part, "length", None) == length and not isinstance(part, Cut):
        return part
    if isinstance(part, Cut) and part.length is None:
        return part.inner.cut(length)
    return part.cut(length)
