"""Changes made to a curve while it runs, as entries of its journal, applied one after the other.

An entry is plain JSON data with `t`, the first update it governs. Those that move values:

- ``cut``: a rule lowers its product (`rule`: index).
- ``set``: from `t` on all values are multiplied by `factors[value][group]`.
- ``hold``: from `t` to before `until` (None: until a `release`) each value stays at `values[value][group]`;
  afterwards the curve goes on from there, multiplied so that it does not jump.
- ``release``: ends a hold that had no `until`.
- ``change``: another spec or another horizon from `t` on; `factors` as for ``set`` keep the values from jumping, `was`
  holds the spec and the horizon before, and entries of the kinds in `ends` mean nothing from `t` on.
- ``stretch``: from `t` on the rest of the curve, up to `was` updates, takes until update `total`.
- ``resize``: from `t` on an update takes another number of samples, and the rest of the curve, up to `was` updates,
  takes until update `total`, which is as much data; `steps_per_epoch`, `batch_size` and `tokens_per_step` hold from
  then on.
- ``rewarm``: from `t` on, over `updates`, all values are multiplied by a line from `start` to 1.
- ``rollback``: from `t` on all values are multiplied by `factor`, and, over `updates` or up to the next rollback, by a
  line from `start` to 1.
- ``cooldown``: from `t` on, over `updates`, the `values` go from where they stand to `to`, a multiple of the base,
  along `shape`; the run ends at update `total`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias, cast

import numpy as np

from cadence._typing import Numbers
from cadence.curve.journal import SLOWING, Entry
from cadence.spec.shape import shape

Plain: TypeAlias = Callable[[Any], Any]
"""Update numbers (int64 array, rising) -> values before the edit."""

MOVING = ("set", "change", *SLOWING, "hold", "rewarm", "rollback", "cooldown")


ROUNDING = 1e-13
"""By how much held values may lie off the ratio of their bases, as a share: they were computed in a few steps."""


def cuts_of(journal: Sequence[Entry]) -> dict[int, tuple[float, ...]]:
    """Rule -> times from which its cuts are in force, rising, on the clock that the schedule was placed on."""
    cuts: dict[int, list[float]] = {}
    for i, entry in enumerate(journal):
        if entry["kind"] == "cut":
            cuts.setdefault(int(entry["rule"]), []).append(unstretched(int(entry["t"]), journal[:i]))
    return {rule: tuple(sorted(times)) for rule, times in cuts.items()}


def unstretched(t: float, journal: Sequence[Entry]) -> float:
    """The time on the clock before the journal's stretches and resizes that is update `t` after them."""
    for entry in reversed(journal):
        if entry["kind"] in SLOWING:
            t = float(_slower(np.array([t]), entry)[0])
    return t


@dataclass(frozen=True)
class Aim:
    """What is computed.

    Attributes:
        value: ``"lr"``, ...
        group: index of the parameter group.
        base: of the value in the group.
    """

    value: str
    group: int
    base: float


def edited(plain: Plain, journal: Sequence[Entry], aim: Aim) -> Plain:
    """The curve of one value of one group with the journal's changes."""
    for i, entry in enumerate(journal):
        if entry["kind"] in MOVING:
            plain = _EDITS[entry["kind"]](plain, entry, journal[i + 1 :], aim)
    return plain


def alike(journal: Sequence[Entry], value: str, bases: Mapping[int, float]) -> bool:
    """Whether the journal's changes leave groups in the ratio of their bases, at every update.

    Args:
        journal: with the changes.
        value: of the groups.
        bases: group -> base.
    """
    return all(_alike(entry, value, bases) for entry in journal if entry["kind"] in MOVING)


def _alike(entry: Entry, value: str, bases: Mapping[int, float]) -> bool:
    held = entry["kind"] == "hold"
    if not held and entry["kind"] not in ("set", "change"):
        return True
    numbers = {group: _number_for(entry["values" if held else "factors"], value, group) for group in bases}
    known = [number for number in numbers.values() if number is not None]
    if len(known) < len(numbers):
        return not known
    if not held:
        return len(set(known)) == 1
    factors = [number / bases[group] for group, number in zip(bases, known, strict=True) if bases[group] != 0]
    return not factors or max(factors) - min(factors) <= ROUNDING * max(factors)


def _set(plain: Plain, entry: Entry, later: Sequence[Entry], aim: Aim) -> Plain:
    del later
    begin, factor = int(entry["t"]), _number_for(entry["factors"], aim.value, aim.group)
    if factor is None:
        return plain

    def values(t: Any) -> Any:
        before = plain(t)
        return np.where(t >= begin, before * factor, before)

    return values


def _hold(plain: Plain, entry: Entry, later: Sequence[Entry], aim: Aim) -> Plain:
    begin, held = int(entry["t"]), _number_for(entry["values"], aim.value, aim.group)
    if held is None:
        return plain
    until = entry["until"]
    if until is None:
        released = next((k for k, e in enumerate(later) if e["kind"] == "release"), None)
        if released is None:
            return lambda t: np.where(t >= begin, held, plain(t))
        until = unstretched(int(later[released]["t"]), later[:released])
    end = until
    there = float(plain(np.array([end]))[0])
    # Where the plan has arrived at 0 there is no ratio to keep, and the plan's 0 is meant.
    factor = held / there if there else 1.0

    def values(t: Any) -> Any:
        before = plain(t)
        return np.where(t < begin, before, np.where(t < end, held, before * factor))

    return values


def _rewarm(plain: Plain, entry: Entry, later: Sequence[Entry], aim: Aim) -> Plain:
    del later
    if aim.value not in entry["values"]:
        return plain
    begin, n, start = int(entry["t"]), int(entry["updates"]), float(entry["start"])

    def values(t: Any) -> Any:
        done = np.clip(t - begin, 0, n)
        return np.where(t < begin, 1.0, start + (1.0 - start) * (done / n)) * plain(t)

    return values


def _rollback(plain: Plain, entry: Entry, later: Sequence[Entry], aim: Aim) -> Plain:
    if aim.value not in entry["values"]:
        return plain
    begin, n, start, factor = int(entry["t"]), int(entry["updates"]), float(entry["start"]), float(entry["factor"])
    # Two warmups at once would be lower than either.
    end = next((int(e["t"]) for e in later if e["kind"] == "rollback"), begin + n)

    def values(t: Any) -> Any:
        line = start + (1.0 - start) * (np.clip(t - begin, 0, n) / max(n, 1))
        return np.where(t < begin, 1.0, factor * np.where(t < min(end, begin + n), line, 1.0)) * plain(t)

    return values


def _stretch(plain: Plain, entry: Entry, later: Sequence[Entry], aim: Aim) -> Plain:
    del later, aim
    # Between two updates of the old clock lies a time like any other: the formulas take it as it is.
    return lambda t: plain(_slower(t, entry))


def _slower(t: Any, entry: Entry) -> Any:
    """Updates after a stretch as times on the clock before it."""
    begin, was, total = int(entry["t"]), int(entry["was"]), int(entry["total"])
    return np.where(t < begin, t, begin + (t - begin) * ((was - begin) / (total - begin)))


def _cooldown(plain: Plain, entry: Entry, later: Sequence[Entry], aim: Aim) -> Plain:
    del later
    if aim.value not in entry["values"]:
        return plain
    begin, n, end = int(entry["t"]), int(entry["updates"]), float(entry["to"]) * aim.base
    along, xp = shape[entry["shape"]], cast("Numbers", np)
    start = float(plain(np.array([begin]))[0])

    def values(t: Any) -> Any:
        done = np.clip(t - begin, 0, n)
        u, v = done / n, (n - done) / n
        cooled = start * along.fall(u, v, xp, {}) + end * along.climb(u, v, xp, {})
        return np.where(t < begin, plain(t), cooled)

    return values


_EDITS: Mapping[str, Callable[[Plain, Entry, Sequence[Entry], Aim], Plain]] = {
    "set": _set,
    "change": _set,
    "stretch": _stretch,
    "resize": _stretch,
    "hold": _hold,
    "rewarm": _rewarm,
    "rollback": _rollback,
    "cooldown": _cooldown,
}


def _number_for(table: Mapping[str, Sequence[float | None]], value: str, group: int) -> float | None:
    numbers = table.get(value)
    if numbers is None:
        return None
    # A group that was added after the change was made is not touched by it.
    return numbers[group] if group < len(numbers) else None
