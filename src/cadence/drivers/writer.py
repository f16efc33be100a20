"""What a driver needs of a framework."""

from __future__ import annotations

import abc
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

from cadence._errors import DriverError
from cadence.drivers.effective import Gauge

Row: TypeAlias = Sequence[float]
"""One absolute value for each (group, value) pair, groups outermost."""

Ratios: TypeAlias = Mapping[str, Sequence[float]]
"""For each value whose numbers stand in one ratio in every row: that ratio, with a number for each of its pairs."""

Write: TypeAlias = Callable[[Row], None]
"""Puts one row of absolute values into an optimizer, in force for the next update."""

Regroup: TypeAlias = Callable[[Sequence[int | None]], None]
"""Is told, for each parameter group as they are now, which one it was before; None for one that was added."""


class Clock:
    """How many updates have been done, shared by a driver and the optimizer's own hooks.

    Attributes:
        done: updates done.
        seen: whether a hook has ever fired; as long as it has not, nobody may be training at all.
        graded: whether a gradient has ever been computed.
        begun: whether an update has begun and has not been counted: a step that calls the step of its parent class
            fires the hooks twice.
        free: whether the driver's own calls are what counts, because nobody is training; the first gradient or update
            ends that. Also once an update was captured.
        captured: whether an update was captured into a CUDA graph, whose replays no hook sees.
    """

    __slots__ = ("begun", "captured", "done", "free", "graded", "seen")

    def __init__(self) -> None:
        self.done = 0
        self.seen = False
        self.graded = False
        self.begun = False
        self.free = False
        self.captured = False


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
    def aim(self, pairs: Sequence[tuple[int, str]], ratios: Ratios) -> Write:
        """Say which (group, value) the numbers of a row belong to; returns the fastest way to write such rows.

        Args:
            pairs: (index of the group, value), groups outermost.
            ratios: what is known of all rows to come.
        """

    @abc.abstractmethod
    def write(self, values: Row) -> None:
        """Put one row of absolute values, one per (group, value) pair, in force for the next update."""

    @abc.abstractmethod
    def read(self) -> list[float | None]:
        """What is in the groups now, for each pair; None where there is no such group or value any more."""

    @abc.abstractmethod
    def settings(self) -> dict[str, list[float | None]]:
        """All numbers that the optimizer works with now, governed or not: value -> one for each group, None where the
        group does not have it.
        """

    @abc.abstractmethod
    def frozen(self) -> list[Any]:
        """For how long each group says that it is not trained; None where it says nothing."""

    @abc.abstractmethod
    def freeze(self, groups: Sequence[bool]) -> None:
        """Take groups out of training, or put them back: one answer for each, used only where it says something.

        A parameter that is not trained gets no gradient, and has none: optimizers leave it and its state alone.
        """

    @abc.abstractmethod
    def training(self) -> bool:
        """Whether anyone computes gradients: tells a skipped update from a loop that only steps the driver."""

    @abc.abstractmethod
    def fault(self) -> str | None:
        """What is wrong with metrics that are reported now, as a sentence; None where nothing is.

        Some optimizers must be switched to other weights before these are judged.
        """

    @abc.abstractmethod
    def attach(self, regroup: Regroup) -> None:
        """Count updates from now on, and call this when groups were added or replaced, before the next update is done.

        Nobody is kept alive by it: `regroup` is a method, whose object may go at any time.
        """

    def gauge(self) -> Gauge | None:
        """What measures the updates of the optimizer; None where cadence has no such thing for its framework."""
        return None


def no_optimizer(x: object) -> DriverError:
    """The error that says that something is no optimizer."""
    told = "None" if x is None else f"a {type(x).__name__}"
    if isinstance(x, type):
        told = f"the class {x.__name__}; make one: {x.__name__}(model.parameters(), lr=0.1)"
    return DriverError(f"drive takes a torch or paddle optimizer (or a list of them), not {told}")
