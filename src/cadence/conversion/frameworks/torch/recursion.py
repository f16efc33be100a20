"""Torch's schedulers as the recursions that they are, for one parameter group.

Most of them change the rate that the group has now, and forget how it came about. Alone that comes to a closed form;
inside one another, or begun in the middle, it often does not, and the values are then computed one after the other.
"""

from __future__ import annotations

from bisect import bisect_right
from types import SimpleNamespace
from typing import Protocol

from cadence._errors import ConversionError
from cadence.conversion.definition import definitions
from cadence.conversion.frameworks.torch.groups import COMPOSERS, parts_of
from cadence.conversion.frameworks.torch.rates import CLOSED, MADE, NEXT, tick
from cadence.conversion.native import Native

Group = dict[str, float]
"""What an optimizer keeps of one group: ``lr``, ``initial_lr``, ``momentum``, and what schedulers leave there."""


class Scheduler(Protocol):
    """What torch's composers call on their parts."""

    def step(self) -> None: ...
    def restart(self) -> None: ...
    def begin(self) -> None: ...
    def undo(self) -> None: ...


class Single:
    """One scheduler that is not made of others."""

    def __init__(self, native: Native, group: Group) -> None:
        self.a = SimpleNamespace(**definitions("torch")[native.name].full(native))
        self.name, self.group = native.name, group
        self.last: int = getattr(self.a, "last_epoch", -1)
        if native.name in MADE:
            MADE[native.name](self)
        if self.last == -1:
            group.setdefault("initial_lr", group["lr"])
        self.base = group["initial_lr"]
        self.begin()
        if native.name == "CyclicLR":
            # Torch's own are put in their place only after the first step.
            self.base = self.a.base_lr

    def begin(self) -> None:
        self.calls, self.first = 0, True
        self.step()
        self.first = False

    def step(self) -> None:
        self.calls += 1
        if self.name == "CosineAnnealingWarmRestarts":
            tick(self)
        else:
            self.last += 1
        self.group["lr"] = NEXT[self.name](self)

    def restart(self) -> None:
        """What a composer does to a part whose turn begins: its clock shows 0, and the closed form holds if any."""
        self.last = 0
        self.group["lr"] = CLOSED.get(self.name, NEXT[self.name])(self)

    def undo(self) -> None:
        self.last -= 1


class InSequence:
    """SequentialLR."""

    def __init__(self, native: Native, group: Group) -> None:
        self.parts = [_made(part, group) for part in parts_of(native)]
        self.milestones: list[float] = list(native.arguments["milestones"])
        self.last: int = native.arguments.get("last_epoch", -1) + 1
        group["lr"] = group["initial_lr"]
        self.undo()
        self.parts[bisect_right(self.milestones, 0)].begin()

    def begin(self) -> None:
        # Torch runs its base class's first step here, which counts on.
        self.step()

    def step(self) -> None:
        self.last += 1
        i = bisect_right(self.milestones, self.last)
        if i > 0 and self.milestones[i - 1] == self.last:
            self.parts[i].restart()
        else:
            self.parts[i].step()

    def restart(self) -> None:
        raise NotImplementedError("torch cannot restart a SequentialLR at a milestone of another one")

    def undo(self) -> None:
        for part in self.parts:
            part.undo()


class Chained:
    """ChainedScheduler."""

    def __init__(self, native: Native, group: Group) -> None:
        self.parts = [_made(part, group) for part in parts_of(native)]

    def begin(self) -> None:
        self.step()

    def step(self) -> None:
        for part in self.parts:
            part.step()

    def restart(self) -> None:
        raise NotImplementedError("torch cannot restart a ChainedScheduler at a milestone of a SequentialLR")

    def undo(self) -> None:
        for part in self.parts:
            part.undo()


def _made(native: Native, group: Group) -> Scheduler:
    if native.name in COMPOSERS:
        return InSequence(native, group) if native.name == "SequentialLR" else Chained(native, group)
    return Single(native, group)


def recursed(native: Native, base: float, ticks: int) -> tuple[list[float], list[float]]:
    """Rate and momentum of one group after 0, 1, ..., `ticks` calls of `step()`.

    Args:
        native: as this group sees it, see `of_group`.
        base: what the group's rate is when the scheduler is made; where ``last_epoch`` is given, its
            ``initial_lr`` too.
        ticks: how far.

    Raises:
        ConversionError: torch fails on the way.
    """
    group: Group = {"lr": base, "momentum": 0.9}
    if _resumed(native):
        group["initial_lr"] = base
    rates: list[float] = []
    momenta: list[float] = []
    try:
        scheduler = _made(native, group)
        while True:
            rates.append(float(group["lr"]))
            momenta.append(float(group["momentum"]))
            if len(rates) > ticks:
                return rates, momenta
            scheduler.step()
    except (ArithmeticError, ValueError, TypeError, NotImplementedError, KeyError) as fault:
        raise ConversionError(
            f"torch's {native} fails at step {len(rates)}: {type(fault).__name__}: {fault}; change its arguments"
        ) from fault


def _resumed(native: Native) -> bool:
    if native.name in COMPOSERS:
        return any(_resumed(part) for part in parts_of(native))
    return native.arguments.get("last_epoch", -1) != -1
