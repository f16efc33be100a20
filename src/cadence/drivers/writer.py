"""What a driver needs of a framework."""

from __future__ import annotations

import abc
from collections.abc import Sequence
from typing import TypeAlias

Row: TypeAlias = Sequence[float]
"""One absolute value for each (group, value) pair, groups outermost."""


class Clock:
    """How many updates have been done, shared by a driver and the optimizer's own hook.

    Attributes:
        done: updates done.
        seen: whether the hook has ever fired; as long as it has not, nobody may be training at all.
        hooked: whether there is a hook.
    """

    __slots__ = ("done", "hooked", "seen")

    def __init__(self, *, hooked: bool) -> None:
        self.done = 0
        self.seen = False
        self.hooked = hooked


class Writer(abc.ABC):
    """Puts values into an optimizer. One per framework."""

    @property
    @abc.abstractmethod
    def clock(self) -> Clock:
        """Counts the updates that the optimizer really did, where it can tell."""

    @abc.abstractmethod
    def groups(self) -> list[str | None]:
        """Names of the parameter groups as they are now, None where a group has none."""

    @abc.abstractmethod
    def base(self, group: int, value: str) -> float | None:
        """The base of a value: what the group remembers as its initial one, else what it is now.

        None where the optimizer's groups do not have such a value.
        """

    @abc.abstractmethod
    def remember(self, group: int, value: str, base: float) -> None:
        """Leave the base in the group (`initial_lr`), where the framework's own tools look for it."""

    @abc.abstractmethod
    def aim(self, pairs: Sequence[tuple[int, str]]) -> None:
        """Say which (group, value) the numbers of a row belong to."""

    @abc.abstractmethod
    def write(self, values: Row) -> None:
        """Put one row of absolute values, one per (group, value) pair, in force for the next update."""

    @abc.abstractmethod
    def training(self) -> bool:
        """Whether anyone computes gradients: tells a skipped update from a loop that only steps the driver."""
