"""A schedule as a paddle scheduler, for programs that want one: `learning_rate=`, `paddle.Model`, static programs.

Paddle's optimizers and executors ask a scheduler for the rate whenever they need it; so the scheduler counts, and the
rate stands in it.
"""

from __future__ import annotations

import operator
from collections.abc import Mapping, Sequence
from typing import Any, final

from paddle.optimizer.lr import LRScheduler, ReduceOnPlateau

from cadence._errors import DriverError, StateError
from cadence.curve.curve import Curve
from cadence.curve.horizon import horizon
from cadence.curve.place import as_plan, lay_out
from cadence.drivers.doors import has_feedback, same_on_every_rank
from cadence.drivers.driver import Driver, Reduce
from cadence.drivers.shells import BLOCK, check_use, closed_state, curve_of, named, no_metric
from cadence.drivers.writer import Clock, Ratios, Regroup, Row, Write, Writer
from cadence.spec.nodes import Schedule
from cadence.spec.plan import Plan
from cadence.spec.span import SpanLike
from cadence.spec.value import number_of


def paddle_scheduler(
    schedule: Schedule | Plan | str | Mapping[str, Any],
    *,
    base: float,
    total: SpanLike | None = None,
    steps_per_epoch: int | None = None,
    batch_size: int | None = None,
    tokens_per_step: int | None = None,
    last_epoch: int = -1,
    steps_per_update: int = 1,
    reduce: Reduce | None = None,
) -> CadenceDecay | CadenceOnPlateau:
    """A real paddle scheduler that follows a schedule; give it to an optimizer as its `learning_rate`.

    Args:
        schedule: a schedule, or its text form; it governs the learning rate alone. Each `step()` is one update (or one
            epoch, if that is what lengths are written in: a bare number is one call). With feedback, `step(metric)` is
            an observation, and moves nothing on.
        base: what relative values are multiples of: the rate that an optimizer without a scheduler would have.
        total, steps_per_epoch, batch_size, tokens_per_step: as for `drive`.
        last_epoch: as paddle's own: the last update that was done, -1 for none.
        steps_per_update: how often a tool calls `step()` for one update; `paddle.Model.fit` with
            ``accumulate_grad_batches=4`` does it four times.
        reduce: with feedback, as for `drive`.

    Returns:
        A `paddle.optimizer.lr.LRScheduler`; a `ReduceOnPlateau` where the schedule has feedback. Its state is in the
        optimizer's.

    Raises:
        DriverError: a plan that governs more than the rate, or an argument that the kind of schedule has no use for.
        HorizonError, SpecError: as for `drive`.

    Example:
        >>> scheduler = paddle_scheduler("warmup(2) >> cosine()", base=0.1, total=10)
        >>> scheduler()
        0.001
        >>> for _ in range(2):
        ...     scheduler.step()
        >>> scheduler(), scheduler.last_epoch
        (0.1, 2)
    """
    plan = as_plan(schedule)
    if [key for key, _ in plan.entries] != ["lr"]:
        raise DriverError(
            f"a paddle scheduler gives an optimizer its learning rate alone, and the plan governs "
            f"{', '.join(key for key, _ in plan.entries)}; use cadence.drive(optimizer, ...) instead"
        )
    run = horizon(total, steps_per_epoch, batch_size, tokens_per_step)
    curve = lay_out(plan, run, ("0",), {"lr": (number_of(base, "base"),)})
    calls = _whole(steps_per_update, "steps_per_update", 1)
    check_use(plan, schedule, last_epoch=last_epoch, reduce=reduce)
    if not has_feedback(plan):
        return CadenceDecay(curve, last_epoch=_whole(last_epoch, "last_epoch", -1), steps_per_update=calls)
    return CadenceOnPlateau(curve, reduce=reduce, steps_per_update=calls)


class CadenceDecay(LRScheduler):
    """A schedule without feedback as paddle's `LRScheduler`. Made by `paddle_scheduler`.

    `last_epoch` is its only counter and the rate is closed in it, so it may stand inside `LinearWarmup`, and a state is
    right whatever it is loaded into.
    """

    def __init__(self, curve: Curve, *, last_epoch: int, steps_per_update: int) -> None:
        """See `paddle_scheduler`."""
        self.steps_per_update = steps_per_update
        self._curve = curve
        self._first, self._rates = 0, list[float]()
        super().__init__(_base(curve), last_epoch)

    @property
    def curve(self) -> Curve:
        """The curve that is followed."""
        return self._curve

    def step(self, epoch: int | None = None) -> None:
        """Go on to the next update; with `epoch`, to that one.

        Raises:
            DriverError: an epoch that is no whole number from 0, as a metric would be.
        """
        self.last_epoch = self.last_epoch + 1 if epoch is None else self._checked(epoch)
        self.last_lr = self.get_lr()

    def get_lr(self) -> float:
        """The learning rate at `last_epoch`, closed form."""
        t = self.last_epoch // self.steps_per_update
        ahead, rates = t - self._first, self._rates
        if 0 <= ahead < len(rates):
            return rates[ahead]
        # Before the first update it is asked for nothing else than the first.
        self._first = t = max(t, 0)
        self._rates = list(self._curve.columns(t, t + BLOCK)[0])
        return self._rates[0]

    def state_keys(self) -> None:
        """Names the entries of a state, for paddle's own tools."""
        self.keys = list(self.state_dict())

    def state_dict(self) -> dict[str, Any]:  # pyright: ignore[reportIncompatibleMethodOverride]
        """Plain JSON data, enough by itself; the optimizer's own state has it as ``"LR_Scheduler"``."""
        state = closed_state(self._curve, self.last_epoch // self.steps_per_update)
        return {**state, "last_epoch": self.last_epoch, "last_lr": self.last_lr}

    def set_state_dict(self, state_dict: Mapping[str, Any]) -> None:  # pyright: ignore[reportIncompatibleMethodOverride]
        """Go on from a saved state.

        Raises:
            StateError: not such a state, or one of another schedule or length.
        """
        _check_state(state_dict)
        self._curve, self._rates = curve_of(state_dict, self._curve), []
        self.base_lr = _base(self._curve)
        self.last_epoch = _whole(state_dict["last_epoch"], "last_epoch", -1)
        self.last_lr = self.get_lr()

    set_dict = set_state_dict

    def _checked(self, epoch: Any) -> int:
        try:
            number = operator.index(epoch)
        except TypeError:
            raise no_metric(epoch, self._curve) from None
        if number < 0:
            raise DriverError(f"step({number}) is no update number; give a whole one from 0")
        return number


class CadenceOnPlateau(ReduceOnPlateau):
    """A schedule with feedback as paddle's `ReduceOnPlateau`. Made by `paddle_scheduler`.

    `step()` is an update, `step(metric)` an observation.
    """

    def __init__(self, curve: Curve, *, reduce: Reduce | None, steps_per_update: int) -> None:
        """See `paddle_scheduler`."""
        # Not paddle's constructor: what it would set (best, num_bad_epochs, ...) lives in the driver's rules.
        self.steps_per_update = steps_per_update
        self.verbose = False
        self.base_lr = self.last_lr = _base(curve)
        # The name of the rate in a static program; the optimizer sets it.
        self._var_name = None
        self._calls = 0
        self._observed = False
        self._driver = Driver(curve, Holder(self), reduce=reduce or same_on_every_rank, record=None, strict=False)

    @property
    def curve(self) -> Curve:
        """The curve with all decisions so far."""
        return self._driver.curve

    @property
    def driver(self) -> Driver:
        """The driver inside: for `set`, `hold`, `rewarm`, the journal."""
        return self._driver

    @property
    def last_epoch(self) -> int:  # pyright: ignore[reportIncompatibleVariableOverride]
        """Calls of `step` without a metric."""
        return self._calls

    def step(self, metrics: Any = None, epoch: int | None = None) -> None:
        """Go on to the next update, or report an evaluation.

        Args:
            metrics: a number, a tensor or an array of one number (where the rules watch one metric), or a mapping from
                name to number. Without it, an update was done.
            epoch: has no meaning here.

        Raises:
            DriverError: one number where several metrics are watched, an `epoch`, or a second observation before any
                update where the rate depends on the update.
            FeedbackError: as for `Driver.observe`.
        """
        if epoch is not None:
            raise DriverError("step(metric, epoch=...) cannot move a schedule with feedback; leave epoch out")
        if metrics is None:
            self._calls += 1
            if self._calls % self.steps_per_update == 0:
                self._driver.step()
            return
        if self._observed and not self._calls and not self._stands_still():
            raise DriverError(
                f"step(metric) was called twice and step() never, so {self.curve.spec} stays at its beginning; call "
                f"step() after each optimizer.step() and step(metric) after each evaluation"
            )
        self._observed = True
        self._driver.observe(named(_single(metrics), self.curve))

    def get_lr(self) -> float:
        """The learning rate now."""
        return self.last_lr

    def state_keys(self) -> None:
        """Names the entries of a state, for paddle's own tools."""
        self.keys = list(self.state_dict())

    def state_dict(self) -> dict[str, Any]:  # pyright: ignore[reportIncompatibleMethodOverride]
        """Plain JSON data, enough by itself; the optimizer's own state has it as ``"LR_Scheduler"``."""
        return {**self._driver.state_dict(), "last_epoch": self.last_epoch, "last_lr": self.last_lr}

    def set_state_dict(self, state_dict: Mapping[str, Any]) -> None:  # pyright: ignore[reportIncompatibleMethodOverride]
        """Go on from a saved state; see `Driver.load_state_dict`."""
        _check_state(state_dict)
        self._driver.load_state_dict(state_dict)
        self._calls = _whole(state_dict["last_epoch"], "last_epoch", 0)

    set_dict = set_state_dict

    def _stands_still(self) -> bool:
        """Whether the rate depends on observations only."""
        return len(set(self.curve.columns(0, self.curve.total or BLOCK)[0])) == 1


@final
class Holder(Writer):
    """Puts the one rate into a scheduler, where paddle looks for it. The driver's own calls are the clock."""

    def __init__(self, scheduler: CadenceOnPlateau) -> None:
        """Write into this one."""
        self._scheduler = scheduler
        self._clock = Clock()
        self._clock.free = True

    @property
    def clock(self) -> Clock:
        return self._clock

    def attach(self, regroup: Regroup) -> None:
        pass

    def groups(self) -> list[str | None]:
        return [None]

    def base(self, group: int, value: str) -> float | None:
        return self._scheduler.base_lr

    def remember(self, group: int, value: str, base: float) -> None:
        self._scheduler.base_lr = base

    def aim(self, pairs: Sequence[tuple[int, str]], ratios: Ratios) -> Write:
        return self.write

    def write(self, values: Row) -> None:
        self._scheduler.last_lr = values[0]

    def read(self) -> list[float | None]:
        return [self._scheduler.last_lr]

    def settings(self) -> dict[str, list[float | None]]:
        return {"lr": self.read()}

    def frozen(self) -> list[Any]:
        # A scheduler is made before the optimizer whose groups could say something.
        return [None]

    def freeze(self, groups: Sequence[bool]) -> None:
        pass

    def training(self) -> bool:
        return False

    def fault(self) -> str | None:
        return None


def _base(curve: Curve) -> float:
    return curve.bases["lr"][0] or 0.0


def _whole(x: Any, name: str, least: int) -> int:
    if isinstance(x, bool) or not isinstance(x, int) or x < least:
        raise DriverError(f"{name} is {x!r:.60}; give a whole number from {least}")
    return x


def _single(metric: Any) -> Any:
    """A metric out of the array or tensor of one number that executors and losses give."""
    return metric.item() if getattr(metric, "size", None) == 1 else metric


def _check_state(state: Mapping[str, Any]) -> None:
    if not isinstance(state, Mapping) or "last_epoch" not in state or "spec" not in state:
        raise StateError(
            "this is no state of a cadence scheduler (spec or last_epoch missing); load what its state_dict() "
            "returned, or set_state_dict of an optimizer that had it"
        )
