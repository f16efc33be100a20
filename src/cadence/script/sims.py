"""Optimizers and schedulers as they move while a script is followed: what they do to the rates, and nothing else."""

from __future__ import annotations

import abc
import math
from collections.abc import Callable, Mapping
from typing import Any, cast

from cadence._errors import CadenceError, ScriptError
from cadence.conversion.doors import read, setting
from cadence.conversion.frameworks.torch.groups import of_group
from cadence.conversion.frameworks.torch.rates import CLOSED, NEXT
from cadence.conversion.frameworks.torch.recursion import InSequence, Single
from cadence.conversion.native import Native
from cadence.curve.curve import Curve
from cadence.script.model import Function, Optimizer, Scheduler, Unknown, is_number, is_unknown
from cadence.script.names import default_rate

PULLED = frozenset({"paddle", "optax", "keras"})
"""Frameworks whose optimizers ask a scheduler."""

PLATEAUS = frozenset({"ReduceLROnPlateau", "ReduceOnPlateau", "PlateauLRScheduler", "ReduceLROnPlateauScheduler"})
"""Schedulers that a metric drives; they are followed as if it always improved."""

MOST_TICKS = 10_000
"""Values of a function in a scheduler that are sampled ahead."""


class MovingOptimizer:
    """An optimizer whose updates are counted, with the rates that were in force during them.

    Attributes:
        optimizer: what made it.
        groups: its parameter groups, each with its ``"lr"``; the script may write into them.
        scheduler: what the optimizer asks for its rate, and the script steps (paddle's); None: its groups hold it.
        rule: its rate as a function of the update number, where it counts itself (optax, Keras); `function` or `asked`
            is where that comes from.
        rows: (number of updates, rates of the groups during them), in order.
        turn: the turn of a loop in which it was last stepped.
        written: line of the last write into a rate by hand; None where there was none.
        stepped: the schedulers that were stepped, with the update after which they were, in order.
        marks: updates done when an epoch began.
    """

    def __init__(self, optimizer: Optimizer, groups: list[dict[str, Any]]) -> None:
        self.optimizer = optimizer
        self.groups = groups
        self.scheduler: MovingScheduler | None = None
        self.rule: Callable[[int], float] | None = None
        self.function: Function | None = None
        self.asked: MovingScheduler | None = None
        self.rows: list[tuple[int, tuple[float, ...]]] = []
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
            if self.rows and self.rows[-1][1] == rates:
                self.rows[-1] = (self.rows[-1][0] + many, rates)
            else:
                self.rows.append((many, rates))
            self.updates += many
            n -= many

    def where(self) -> str:
        """The optimizer as a message names it."""
        return f"the {self.optimizer.name} of line {self.optimizer.line}"


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
        self.values = Values(curve_of(native, bases, ticks))
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
        self.values = Values(curve_of(native, (1.0,), ticks))
        self.clock: float = 0

    def at(self, group: int) -> float:
        return self.values.at(self.clock)

    def step(self, epoch: float | None = None) -> None:
        self.steps += 1
        self.clock = self.clock + 1 if epoch is None else epoch


def made_optimizer(optimizer: Optimizer, rate: Any) -> MovingOptimizer:
    """An optimizer as it begins.

    Args:
        optimizer: what makes it.
        rate: its learning rate: a number, None (the framework's default), a `Pulled`, or a `Function` of the update.

    Raises:
        ScriptError: the rate cannot be told.
    """
    scheduled = not is_number(rate) and rate is not None
    base = default_rate(optimizer.path) if rate is None else float(rate) if is_number(rate) else 0.0
    if isinstance(rate, Unknown):
        raise ScriptError(
            f"the learning rate of {optimizer.name} in line {optimizer.line}, {rate.text}, cannot be told without "
            f"running the script; give it: --base 0.1"
        )
    groups: list[dict[str, Any]] = []
    for written in optimizer.groups or ({},):
        group: dict[str, Any] = {"lr": base}
        for key in ("lr", "learning_rate", "lr_scale", "lr_mult"):
            own = written.get(key)
            if own is None:
                continue
            if not is_number(own):
                raise ScriptError(
                    f"a group of {optimizer.name} in line {optimizer.line} has a rate that cannot be told without "
                    f"running the script: {own}; write the number there"
                )
            if key == "lr_scale":
                group["lr_scale"] = float(own)
            elif optimizer.framework == "paddle":
                # A group's own rate multiplies the optimizer's there.
                group["multiplier"], group["lr"] = float(own), base * float(own)
            else:
                group["lr"] = float(own)
        groups.append(group)
    made = MovingOptimizer(optimizer, groups)
    if scheduled and isinstance(rate, Pulled):
        made.scheduler = rate
        rate.optimizer = made
        made.made.append(rate)
        made.bases = made.rates(0)
    return made


def made_scheduler(
    scheduler: Scheduler,
    native: Native,
    optimizer: MovingOptimizer | None,
    parts: list[MovingScheduler],
    ticks: int | None,
) -> MovingScheduler:
    """A scheduler as it begins.

    Args:
        scheduler: what makes it.
        native: its arguments, as they are then.
        optimizer: whose rates it moves.
        parts: schedulers inside it that were made before.
        ticks: over how many ticks a function in it is sampled.

    Raises:
        ScriptError: it cannot be followed; the sentence says why.
    """
    where = f"the {scheduler.name} of line {scheduler.line}"
    for name, value in native.arguments.items():
        if is_unknown(value):
            raise ScriptError(
                f"{name} of {where} cannot be told without running the script: {_unknown_in(value)}{_remedy(value)}"
            )
    try:
        if scheduler.framework in PULLED:
            return Pulled(scheduler, native, ticks)
        if optimizer is None:
            raise ScriptError(
                f"which optimizer {where} belongs to cannot be seen ({scheduler.optimizer_text or 'none is given'}); "
                f"make both in the same script"
            )
        if scheduler.name in PLATEAUS or native.arguments.get("name") == "reduce_lr_on_plateau":
            return Improving(scheduler, native, optimizer)
        if scheduler.framework == "torch":
            if scheduler.name == "ChainedScheduler":
                return Chain(scheduler, native, optimizer, parts)
            return Recursive(scheduler, native, optimizer)
        return Closed(scheduler, native, optimizer, ticks)
    except ScriptError:
        raise
    except CadenceError as error:
        raise ScriptError(f"{where} cannot be followed: {error}") from None
    except (ArithmeticError, ValueError, TypeError, AttributeError, LookupError) as fault:
        raise ScriptError(f"{where} would fail: {type(fault).__name__}: {fault}; change its arguments") from None


def curve_of(native: Native, bases: tuple[float, ...], ticks: int | None) -> Curve:
    """The curve of a scheduler over its own clock."""
    on = setting(bases, "step", ticks, None)
    return on.placed(read(native, on))


BLOCK = 1024
"""Values of a curve that are computed at once."""


class Values:
    """A curve asked for one value after the other."""

    def __init__(self, curve: Curve) -> None:
        self._curve = curve
        self._begin = -1
        self._block: list[list[float]] = []

    def at(self, clock: float, group: int = 0) -> float:
        """The value at a tick; a fractional one takes that before it."""
        t = max(math.floor(clock), 0)
        begin = t - t % BLOCK
        if begin != self._begin:
            self._begin = begin
            self._block = [
                self._curve.values(begin, begin + BLOCK, group=g, value="lr").tolist()
                for g in range(len(self._curve.groups))
            ]
        return self._block[min(group, len(self._block) - 1)][t - begin]


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


def _unknown_in(value: Any) -> str:
    if isinstance(value, (list, tuple)):
        return next((_unknown_in(v) for v in value if _unknown_in(v)), "")  # pyright: ignore[reportUnknownVariableType]
    if isinstance(value, Unknown):
        return value.text
    if isinstance(value, Mapping):
        return _unknown_in(list(cast("Mapping[Any, Any]", value).values()))
    if isinstance(value, Function):
        return next((_unknown_in(v) for v in value.by_name.values() if _unknown_in(v)), "")
    return ""


def _remedy(value: Any) -> str:
    text = _unknown_in(value)
    if "len(" in text:
        return "; say how many batches an epoch has: --steps-per-epoch 500"
    return "; write the number there"
