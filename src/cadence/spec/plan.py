"""A plan: which schedule governs which value of which parameter group."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cached_property

from cadence._errors import SpecError
from cadence.spec.nodes import Operand, Schedule, as_schedule
from cadence.spec.shown import shown

MOMENTA = ("momentum", "beta1", "beta2")


@dataclass(frozen=True, repr=False)
class Plan:
    """Keys ``"value"`` or ``"group pattern/value"`` with their schedules. Made by `plan`.

    Patterns are globs over the names of parameter groups (a group without a name is called by its index), and over what
    stands before a colon: ``head`` means ``head:3`` too, a part of it. For one value of one group the last key that
    matches counts; a key with a pattern comes before one without.
    """

    entries: tuple[tuple[str, Schedule], ...]

    def __repr__(self) -> str:
        inside = ", ".join(f"{key!r}: {schedule!r}" for key, schedule in self.entries)
        return "plan({" + inside + "})"

    def values(self) -> list[str]:
        """Names of the values that are governed, in the order they first appear."""
        return list(self._values)

    @cached_property
    def _values(self) -> tuple[str, ...]:
        # A driver with a record asks at every update.
        return tuple(dict.fromkeys(split_key(key)[1] for key, _ in self.entries))

    def governing(self, group: str, value: str) -> int | None:
        """Index of the entry that governs `value` of `group`; None where nothing does."""
        found, narrow = None, False
        for i, (key, _) in enumerate(self.entries):
            pattern, name = split_key(key)
            if name != value or not (pattern is None or means(pattern, group)):
                continue
            if pattern is not None or not narrow:
                found, narrow = i, pattern is not None
        return found


def means(pattern: str, group: str) -> bool:
    """Whether a pattern means a group, or the one that it is a part of."""
    return fnmatchcase(group, pattern) or fnmatchcase(group.partition(":")[0], pattern)


def plan(schedules: Mapping[str, Operand]) -> Plan:
    """One schedule for each of several values and groups.

    Args:
        schedules: ``"lr"``, ``"weight_decay"``, ``"momentum"``, ``"beta1"``, ... or ``"head.*/lr"`` for the groups
            whose name matches -> a schedule, or a number or `absolute` for one that stays. Multiples are of the
            group's own base of that value.

    Raises:
        SpecError: empty, a key that is not text, or a value that is no schedule.

    Example:
        >>> from cadence import cosine
        >>> plan({"lr": cosine(), "head.*/lr": cosine() * 0.1, "weight_decay": 1})
        plan({'lr': cosine(), 'head.*/lr': cosine() * 0.1, 'weight_decay': constant()})
    """
    if not isinstance(schedules, Mapping) or not schedules:
        raise SpecError(
            "a plan maps values to schedules; write e.g. plan({'lr': cosine(), 'weight_decay': constant()})"
        )
    entries: list[tuple[str, Schedule]] = []
    for key, schedule in schedules.items():
        if not isinstance(key, str) or not all(part.strip() for part in key.split("/")):
            raise SpecError(f"a key of a plan is 'lr' or 'pattern/lr', not {shown(key)}")
        entries.append((key, as_schedule(schedule)))
    return Plan(tuple(entries))


def split_key(key: str) -> tuple[str | None, str]:
    """A plan's key as (group pattern or None, value).

    Example:
        >>> split_key("head.*/lr"), split_key("lr")
        (('head.*', 'lr'), (None, 'lr'))
    """
    pattern, slash, value = key.rpartition("/")
    return (pattern if slash else None), value
