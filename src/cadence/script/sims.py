"""Optimizers and schedulers as they move while a script is followed: what they do to the rates, and nothing else."""

from __future__ import annotations

import abc
import math
from collections.abc import Callable
from typing import Any, TypeVar

from cadence._errors import CadenceError, ScriptError
from cadence.conversion.doors import read, setting
from cadence.conversion.frameworks.torch.groups import of_group
from cadence.conversion.frameworks.torch.rates import CLOSED, NEXT
from cadence.conversion.frameworks.torch.recursion import InSequence, Single
from cadence.conversion.native import Native
from cadence.curve.curve import Curve
from cadence.script.model import Function, Optimizer, Scheduler

PULLED = frozenset({"paddle", "optax", "keras"})
"""Frameworks whose optimizers ask a scheduler."""

PLATEAUS = frozenset({"ReduceLROnPlateau", "ReduceOnPlateau", "PlateauLRScheduler", "ReduceLROnPlateauScheduler"})
"""Schedulers that a metric drives; they are followed as if it always improved."""

MOST_TICKS = 10_000
"""Values of a function in a scheduler that are sampled ahead."""


Row = TypeVar("Row", bound=tuple[float | None, ...])


class MovingOptimizer:
    """An optimizer whose updates are counted, with the rates that were in force during them.

    Attributes:
        optimizer: what made it.
        groups: its parameter groups, each with its ``"lr"``; the script may write into them.
        scheduler: what the optimizer asks for its rate, and the script steps (paddle's); None: its groups hold it.
        rule: its rate as a function of the update number, where it counts itself (optax, Keras); `function` or `asked`
            is where that comes from.
        rows: (number of updates, rates of the groups during them), in order.
        momenta: the same of their momenta (or the first of their betas); None where it cannot be told.
        momentum: what that is called: ``"momentum"`` or ``"beta1"``.
        turn: the turn of a loop in which it was last stepped.
        written: line of the last write into a rate by hand; None where there was none.
        stepped: the schedulers that were stepped, with the update after which they were, in order.
        marks: updates done when an epoch began.
    """

    def __init__(self, optimizer: Optimizer, groups: list[dict[str, Any]], momentum: str = "momentum") -> None:
        self.optimizer = optimizer
        self.momentum = momentum
        self.groups = groups
        self.scheduler: MovingScheduler | None = None
        self.rule: Callable[[int], float] | None = None
        self.function: Function | None = None
        self.asked: MovingScheduler | None = None
        self.rows: list[tuple[int, tuple[float, ...]]] = []
        self.momenta: list[tuple[int, tuple[float | None, ...]]] = []
        self.updates = 0
        self.turn = -1
        self.written: int | None = None
        self.stepped: list[tuple[MovingScheduler, int]] = []
        self.made: list[MovingScheduler] = []
        self.marks: list[int] = []
        self.bases = tuple(float(g["lr"]) for g in groups)

    def rates(self, update: int) -> tuple[float, ...]:
        """Rates of the groups, as they are now."""
        if self.scheduler is not None:
            return tuple(
                self.scheduler.at(g) * float(group.get("multiplier", 1.0)) for g, group in enumerate(self.groups)
            )
        if self.rule is not None:
            return (self.rule(update),) * len(self.groups)
        return tuple(float(group["lr"]) for group in self.groups)

    def update(self, n: int, turn: int) -> None:
        """`n` updates with the rates of now."""
        self.turn = turn
        while n > 0:
            # A rule of the update number gives every update its own.
            many = 1 if self.rule is not None else n
            rates = self.rates(self.updates)
            for rate in rates:
                if not math.isfinite(rate):
                    raise ScriptError(f"{self.where()} runs with a rate of {rate} at update {self.updates}; repair it")
            _append(self.rows, many, rates)
            _append(self.momenta, many, tuple(group.get("momentum") for group in self.groups))
            self.updates += many
            n -= many

    def where(self) -> str:
        """The optimizer as a message names it."""
        return f"the {self.optimizer.name} of line {self.optimizer.line}"


def _append(rows: list[tuple[int, Row]], many: int, row: Row) -> None:
    if rows and rows[-1][1] == row:
        rows[-1] = (rows[-1][0] + many, row)
    else:
        rows.append((many, row))


class MovingScheduler(abc.ABC):
    """A scheduler that is stepped. One class for each way of moving is below.

    Attributes:
        scheduler: what made it.
        optimizer: whose rates it moves; None: of whichever asks it.
        native: its arguments, as they were when it was made.
        steps: how often it was stepped.
    """

    def __init__(self, scheduler: Scheduler, native: Native, optimizer: MovingOptimizer | None) -> None:
        self.scheduler = scheduler
        self.native = native
        self.optimizer = optimizer
        self.steps = 0
        if optimizer is not None:
            optimizer.made.append(self)

    def at(self, group: int) -> float:
        """The rate that it says a group has now."""
        assert self.optimizer is not None
        return float(self.optimizer.groups[group]["lr"])

    @abc.abstractmethod
    def step(self, epoch: float | None = None) -> None:
        """What its `step()` does."""


class Recursive(MovingScheduler):
    """One of torch's, which changes the rate that a group has now."""

    def __init__(self, scheduler: Scheduler, native: Native, optimizer: MovingOptimizer) -> None:
        super().__init__(scheduler, native, optimizer)
        count = len(optimizer.groups)
        made = InSequence if native.name == "SequentialLR" else Single
        self.parts = [made(of_group(native, g, count), group) for g, group in enumerate(optimizer.groups)]

    def step(self, epoch: float | None = None) -> None:
        self.steps += 1
        for part in self.parts:
            if epoch is None:
                part.step()
            elif isinstance(part, Single):
                _jump(part, epoch)
            else:
                raise ScriptError(f"{self.scheduler.name}.step() takes no epoch; write step()")


class Chain(MovingScheduler):
    """Torch's ChainedScheduler: steps schedulers that were made before."""

    def __init__(
        self, scheduler: Scheduler, native: Native, optimizer: MovingOptimizer, parts: list[MovingScheduler]
    ) -> None:
        super().__init__(scheduler, native, optimizer)
        self.parts = parts

    def step(self, epoch: float | None = None) -> None:
        self.steps += 1
        for part in self.parts:
            part.step()


class Improving(MovingScheduler):
    """One that a metric drives, as long as the metric improves: it does nothing."""

    def step(self, epoch: float | None = None) -> None:
        self.steps += 1


class Closed(MovingScheduler):
    """One whose rate is a function of its own clock: it writes that into the groups."""

    def __init__(self, scheduler: Scheduler, native: Native, optimizer: MovingOptimizer, ticks: int | None) -> None:
        super().__init__(scheduler, native, optimizer)
        for group in optimizer.groups:
            group.setdefault("initial_lr", group["lr"])
        bases = tuple(float(group["initial_lr"]) for group in optimizer.groups)
        self.values = Values(native, bases, ticks)
        self.clock: float = 0
        self._write()

    def _write(self) -> None:
        assert self.optimizer is not None
        for g, group in enumerate(self.optimizer.groups):
            group["lr"] = self.values.at(self.clock, g) * float(group.get("lr_scale", 1.0))

    def step(self, epoch: float | None = None) -> None:
        self.steps += 1
        self.clock = self.clock + 1 if epoch is None else epoch
        self._write()


class Pulled(MovingScheduler):
    """One that an optimizer asks: paddle's, which the optimizer was given as its learning rate."""

    def __init__(self, scheduler: Scheduler, native: Native, ticks: int | None) -> None:
        super().__init__(scheduler, native, None)
        self.values = Values(native, (1.0,), ticks)
        self.clock: float = 0

    def at(self, group: int) -> float:
        return self.values.at(self.clock)

    def step(self, epoch: float | None = None) -> None:
        self.steps += 1
        self.clock = self.clock + 1 if epoch is None else epoch


BLOCK = 1024
"""Values of a curve that are computed at once."""


class Values:
    """The values of a scheduler over its own clock, asked for one after the other.

    Attributes:
        pairs: (group, value) that it governs.
    """

    def __init__(self, native: Native, bases: tuple[float, ...], ticks: int | None) -> None:
        """The values of a scheduler.

        Args:
            native: the scheduler.
            bases: base learning rate of each group.
            ticks: where it has a function in it, or another thing that is written out: over how many ticks at first.
        """
        self._native, self._bases = native, bases
        self._until = math.inf
        try:
            self._curve = curve_of(native, bases, None)
        except CadenceError:
            self._curve = curve_of(native, bases, ticks)
            self._until = math.inf if ticks is None else float(ticks)
        self.pairs = self._curve.pairs
        self._begin: int = -1
        self._block: dict[tuple[int, str], list[float]] = {}

    def at(self, clock: float, group: int = 0, value: str = "lr") -> float:
        """A value at a tick; a fractional one takes that before it."""
        t = max(math.floor(clock), 0)
        begin = t - t % BLOCK
        if begin != self._begin:
            if begin + BLOCK > self._until:
                self._go_on(2 * (begin + BLOCK))
            self._begin = begin
            self._block = {
                (g, name): self._curve.values(begin, begin + BLOCK, group=g, value=name).tolist()
                for g, name in self.pairs
            }
        # What is made for one group holds for all of them.
        return self._block[(group, value) if (group, value) in self._block else self.pairs[-1]][t - begin]

    def _go_on(self, ticks: int) -> None:
        """Write more of it out; one that is over by then has its last value from there on."""
        try:
            self._curve, self._until = curve_of(self._native, self._bases, ticks), float(ticks)
        except CadenceError:
            self._until = math.inf


def curve_of(native: Native, bases: tuple[float, ...], ticks: int | None) -> Curve:
    """The curve of a scheduler over its own clock."""
    on = setting(bases, "step", ticks, None)
    return on.placed(read(native, on))


def _jump(part: Single, epoch: float) -> None:
    """Torch's `step(epoch)`: the clock is set, and the closed form holds if there is one."""
    part.calls += 1
    if part.name == "CosineAnnealingWarmRestarts":
        a, s = part.a, part
        if epoch < 0:
            raise ValueError(f"Expected non-negative epoch, but got {epoch}")
        if epoch >= a.T_0:
            n = 0 if a.T_mult == 1 else int(math.log(epoch / a.T_0 * (a.T_mult - 1) + 1, a.T_mult))
            length = a.T_0 * a.T_mult**n
            before = epoch // a.T_0 * a.T_0 if a.T_mult == 1 else a.T_0 * (a.T_mult**n - 1) / (a.T_mult - 1)
            now = epoch % a.T_0 if a.T_mult == 1 else epoch - before
        else:
            length, now = a.T_0, epoch
        s.now, s.length, s.last = now, length, math.floor(epoch)  # type: ignore[attr-defined]
        part.group["lr"] = NEXT[part.name](part)
        return
    part.last = epoch  # type: ignore[assignment]
    part.group["lr"] = CLOSED.get(part.name, NEXT[part.name])(part)
