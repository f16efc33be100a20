"""A schedule as a torch scheduler, for programs that want one: Lightning, Hugging Face, Accelerate, Ignite.

Without feedback it is an `LRScheduler` whose values are a closed form of `last_epoch`; with feedback a
`ReduceLROnPlateau`, because those programs decide by isinstance when to step and with what.
"""

from __future__ import annotations

import math
import warnings
import weakref
from collections.abc import Mapping
from typing import Any

from torch import Tensor
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler, ReduceLROnPlateau

from cadence._errors import DriverError, StateError
from cadence.curve.curve import Curve, named_groups
from cadence.curve.horizon import Horizon, horizon
from cadence.curve.place import Bases, as_plan, lay_out
from cadence.drivers.doors import bases_of, drive, has_feedback
from cadence.drivers.driver import Driver, Reduce
from cadence.drivers.shells import BLOCK, check_use, closed_state, curve_of, named, no_metric
from cadence.drivers.torch_hooks import after_loading, after_updates
from cadence.drivers.torch_writer import TorchWriter, check_optimizers, plain
from cadence.spec.nodes import Plateau, Schedule
from cadence.spec.plan import Plan
from cadence.spec.span import Span, SpanLike
from cadence.spec.value import Absolute

STEPS_WITHOUT_NUMBER = hasattr(LRScheduler, "_update_lr")
"""Whether torch's SequentialLR begins a part anew with this method; before torch 2.10 it called ``step(0)``."""


def torch_scheduler(
    optimizer: Optimizer,
    schedule: Schedule | Plan | str | Mapping[str, Any],
    *,
    total: SpanLike | None = None,
    steps_per_epoch: int | None = None,
    batch_size: int | None = None,
    tokens_per_step: int | None = None,
    base: Bases | None = None,
    last_epoch: int = -1,
    steps_per_update: int = 1,
    reduce: Reduce | None = None,
) -> CadenceLR | CadenceOnPlateau:
    """A real torch scheduler that follows a schedule.

    Args:
        optimizer: a torch optimizer.
        schedule: a schedule, a plan, or the text form of either. Without feedback each `step()` is one update (or one
            epoch, if that is what lengths are written in: a bare number is one call). With feedback the optimizer's own
            updates are counted, and `step(metric)` is an observation.
        total, steps_per_epoch, batch_size, tokens_per_step, base: as for `drive`.
        last_epoch: as torch's own: the last update that was done, -1 for none.
        steps_per_update: how often a tool calls `step()` for one update, or `step(metric)` for one evaluation;
            Accelerate does it once for each process.
        reduce: with feedback, as for `drive`.

    Returns:
        A `torch.optim.lr_scheduler.LRScheduler`; a `ReduceLROnPlateau` where the schedule has feedback.

    Raises:
        DriverError: no torch optimizer, or an argument that the kind of schedule has no use for.
        HorizonError, SpecError: as for `drive`.

    Example:
        >>> import torch
        >>> optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.1)
        >>> scheduler = torch_scheduler(optimizer, "warmup(2) >> cosine()", total=10)
        >>> for _ in range(2):
        ...     optimizer.step()
        ...     scheduler.step()
        >>> scheduler.get_last_lr()
        [0.1]
    """
    plan = as_plan(schedule)
    check_optimizers([optimizer], plan.values())
    run = horizon(total, steps_per_epoch, batch_size, tokens_per_step)
    check_use(plan, schedule, last_epoch=last_epoch, reduce=reduce)
    if not has_feedback(plan):
        _check_unfrozen(optimizer)
        return CadenceLR(optimizer, plan, run, base=base, last_epoch=last_epoch, steps_per_update=steps_per_update)
    calls = _calls(steps_per_update)
    driver = drive(
        optimizer, plan, total=total, steps_per_epoch=steps_per_epoch, batch_size=batch_size,
        tokens_per_step=tokens_per_step, base=base, reduce=reduce,
    )  # fmt: skip
    return CadenceOnPlateau(optimizer, driver, calls)


def _check_unfrozen(optimizer: Optimizer) -> None:
    """Refuse groups that ask not to be trained for a while: a scheduler writes rates, and touches no parameter."""
    for group in optimizer.param_groups:
        if group.get("frozen"):
            raise DriverError(
                f"the group {group.get('name', '?')!r} says frozen: {group['frozen']!r}, which a torch scheduler does "
                f"not keep; use cadence.drive, or make the groups without frozen"
            )


class CadenceLR(LRScheduler):
    """A schedule without feedback as torch's `LRScheduler`. Made by `torch_scheduler`.

    `last_epoch` is its only counter and all values are closed in it, so any order of loading states is right, inside
    `SequentialLR` and `ChainedScheduler` it behaves as `LambdaLR` does, and parameter groups may be added at any time.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        plan: Plan,
        run: Horizon,
        *,
        base: Bases | None,
        last_epoch: int,
        steps_per_update: int,
    ) -> None:
        """See `torch_scheduler`."""
        self.steps_per_update = _calls(steps_per_update)
        self._writer = TorchWriter([optimizer])
        names = named_groups(self._writer.groups())
        self._curve = lay_out(plan, run, names, bases_of(self._writer, plan, names, base))
        self._first, self._rows = 0, list[tuple[float, ...]]()
        self._write = self._writer.aim(self._curve.pairs, self._curve.ratios)
        self._leave_bases()
        # The base rates that the curve was laid out for; torch's constructor fills `base_lrs`.
        self._known: list[float | Tensor] = []
        # Whether a state was loaded into the optimizer since this scheduler wrote last.
        self._replaced = False
        here = weakref.ref(self)

        def loaded() -> None:
            scheduler = here()
            if scheduler is not None:
                scheduler._replaced = True

        after_loading(plain(optimizer), loaded)
        super().__init__(optimizer, last_epoch)

    @property
    def curve(self) -> Curve:
        """The curve that is followed."""
        return self._curve

    def step(self, *unexpected: object, epoch: int | None = None) -> None:  # type: ignore[override]
        """Go on to the next update; with `epoch`, to that one.

        Raises:
            DriverError: a positional argument, which torch would take for an epoch number; an epoch that is no whole
                number from 0.
        """
        if unexpected == (0,) and not STEPS_WITHOUT_NUMBER:
            epoch = 0
        elif unexpected:
            raise no_metric(unexpected[0], self._curve)
        elif epoch is None and self._step_count == 1 and _not_called(self.optimizer):
            # It begins as torch's own does, for programs that filter that one.
            warnings.warn(
                "Detected call of `lr_scheduler.step()` before `optimizer.step()`, so the first value of the schedule "
                "was not used; call optimizer.step() first",
                UserWarning,
                stacklevel=2,
            )
        if epoch is not None and (type(epoch) is not int or epoch < 0):
            raise DriverError(f"epoch={epoch!r:.60} is no update number; give a whole one from 0")
        self._step_count += 1
        self._update_lr(epoch)

    def get_lr(self) -> list[Any]:
        """The learning rate of each group at `last_epoch`, closed form."""
        # A program that says it is in a step without calling `step`, as Ignite, moves `last_epoch` itself and writes
        # what it gets here, rates only: the rest of a plan, and tensors that are filled in place, are written here.
        if getattr(self, "_get_lr_called_within_step", False):
            self._update_lr(self.last_epoch)
            return [group["lr"] for group in self.optimizer.param_groups]
        table = dict(zip(self._curve.pairs, self._row(), strict=True))
        return [table.get((g, "lr"), group["lr"]) for g, group in enumerate(self.optimizer.param_groups)]

    def _update_lr(self, epoch: int | None = None) -> None:
        # Torch's own SequentialLR calls this, too, to begin a part anew. Nothing else of torch's class is relied on.
        self.last_epoch = self.last_epoch + 1 if epoch is None else epoch
        self._match_groups()
        if self._writer.stale():
            self._write = self._writer.aim(self._curve.pairs, self._curve.ratios)
        self._write(self._row())
        self._replaced = False
        lrs = [group["lr"] for group in self.optimizer.param_groups]
        self._last_lr = [lr.clone() if isinstance(lr, Tensor) else lr for lr in lrs]

    def state_dict(self) -> dict[str, Any]:
        """Plain JSON data, enough by itself."""
        state = closed_state(self._curve, self.last_epoch // self.steps_per_update)
        return {
            **state,
            "last_epoch": self.last_epoch,
            "_step_count": self._step_count,
            "_last_lr": [float(x) for x in self._last_lr],
        }

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Go on from a saved state, before or after the optimizer's own is loaded.

        The values are written at once, unless somebody has written others since this scheduler did: an optimizer whose
        state was loaded has the right ones, and inside `SequentialLR` they may be those of another part.

        Raises:
            StateError: not such a state, or one of another schedule or length.
        """
        if "last_epoch" not in state_dict:
            raise StateError(
                "this is no state of a cadence scheduler (last_epoch missing); load what its state_dict() returned"
            )
        now = [float(group["lr"]) for group in self.optimizer.param_groups]
        untouched = not self._replaced and now == [float(x) for x in self._last_lr]
        self._match_groups()
        self._curve, self._rows = curve_of(state_dict, self._curve), []
        self.base_lrs, self._known = self._bases(), self._bases()
        self.last_epoch = int(state_dict["last_epoch"])
        self._step_count = int(state_dict.get("_step_count", self.last_epoch + 1))
        self._leave_bases()
        if untouched and self.last_epoch >= 0:
            self._update_lr(self.last_epoch)

    # ---- inside --------------------------------------------------------------------------------------------------

    def _row(self) -> tuple[float, ...]:
        """The values at `last_epoch`, out of a block computed ahead."""
        # A scheduler that torch's SequentialLR has "undone" stands at -1 and is asked for nothing.
        t = max(self.last_epoch, 0) // self.steps_per_update
        if not 0 <= t - self._first < len(self._rows):
            self._first, self._rows = t, list(zip(*self._curve.columns(t, t + BLOCK), strict=True))
        return self._rows[t - self._first]

    def _match_groups(self) -> None:
        """Take over groups that were added, and base rates that somebody wrote into `base_lrs`."""
        groups = self.optimizer.param_groups
        for group in groups[len(self.base_lrs) :]:
            group.setdefault("initial_lr", float(group["lr"]))
            self.base_lrs.append(float(group["initial_lr"]))
        if len(groups) == len(self._curve.groups) and self.base_lrs == self._known:
            return
        plan, names = self._curve.plan, named_groups(self._writer.groups())
        bases = dict(self._curve.bases)
        for value in plan.values():
            added = range(len(self._curve.groups), len(groups))
            bases[value] = (*bases[value], *(self._writer.base(g, value) for g in added))
        if "lr" in bases:
            bases["lr"] = tuple(float(x) for x in self.base_lrs)
        self._curve, self._rows = lay_out(plan, self._curve.horizon, names, bases), []
        self._write = self._writer.aim(self._curve.pairs, self._curve.ratios)
        self._known = self._bases()

    def _bases(self) -> list[float | Tensor]:
        """The base rates of the curve; where it governs no rate, those that torch found."""
        known = self._curve.bases.get("lr")
        return list(self.base_lrs) if known is None else [float(x or 0.0) for x in known]

    def _leave_bases(self) -> None:
        for g, value in self._curve.pairs:
            self._writer.remember(g, value, self._curve.bases[value][g] or 0.0)


class CadenceOnPlateau(ReduceLROnPlateau):
    """A schedule with feedback as torch's `ReduceLROnPlateau`. Made by `torch_scheduler`.

    The programs that know this class step it after an evaluation only; so updates are counted by the optimizer itself,
    and `step(metric)` is an observation.
    """

    def __init__(self, optimizer: Optimizer, driver: Driver, steps_per_update: int) -> None:
        """Hook the driver to the optimizer's updates."""
        # Not torch's constructor: what it would set (best, num_bad_epochs, ...) lives in the driver's rules.
        self.optimizer = optimizer
        self.steps_per_update = steps_per_update
        self._driver = driver
        self._calls = 0
        # Accelerate counts here while it accumulates; nobody reads it.
        self._step_count = 0
        here = weakref.ref(driver)

        def follow() -> None:
            known = here()
            if known is not None:
                known.step()

        after_updates(plain(optimizer), follow)

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
        """Updates done."""
        return self._driver.t

    @property
    def _last_lr(self) -> list[float]:  # pyright: ignore[reportIncompatibleVariableOverride]
        return [float(group["lr"]) for group in self.optimizer.param_groups]

    def get_last_lr(self) -> list[Any]:
        """The rate of each group now."""
        return self._last_lr

    def step(self, metrics: Any = None, epoch: None = None) -> None:  # type: ignore[override]
        """Report an evaluation.

        Args:
            metrics: a number (where the rules watch one metric), or a mapping from name to number. Without it nothing
                happens: updates are counted by the optimizer.
            epoch: has no meaning here.

        Raises:
            DriverError: one number where several metrics are watched, or an `epoch`.
            FeedbackError: as for `Driver.observe`.
        """
        if epoch is not None:
            raise DriverError("step(metric, epoch=...) cannot move a schedule with feedback; leave epoch out")
        if metrics is None:
            return
        self._calls += 1
        if (self._calls - 1) % self.steps_per_update:
            return
        self._driver.observe(named(metrics, self.curve))

    def state_dict(self) -> dict[str, Any]:
        """Plain JSON data, enough by itself."""
        return self._driver.state_dict()

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Go on from a saved state; see `Driver.load_state_dict`."""
        self._driver.load_state_dict(state_dict)

    # ---- what programs look at that were written for torch's own ---------------------------------------------------

    @property
    def best(self) -> float:  # pyright: ignore[reportIncompatibleVariableOverride]
        """The best observation so far; infinite before the first."""
        best = self._remembered["best"]
        return self.mode_worse if best is None else float(best)

    @property
    def num_bad_epochs(self) -> int:  # pyright: ignore[reportIncompatibleVariableOverride]
        """Observations without improvement since the best, or since the last cut."""
        return self._remembered["count"]

    @property
    def cooldown_counter(self) -> int:  # pyright: ignore[reportIncompatibleVariableOverride]
        """Observations of cooldown that are left."""
        return self._remembered["rest"]

    @property
    def factor(self) -> float:  # pyright: ignore[reportIncompatibleVariableOverride]
        """Of a cut."""
        return self._plateau.factor

    @property
    def patience(self) -> int:  # pyright: ignore[reportIncompatibleVariableOverride]
        """Observations without improvement that are borne."""
        return _evaluations(self._plateau.patience, "patience")

    @property
    def cooldown(self) -> int:  # pyright: ignore[reportIncompatibleVariableOverride]
        """Observations after a cut that do not count."""
        return _evaluations(self._plateau.cooldown, "cooldown")

    @property
    def mode(self) -> Any:  # pyright: ignore[reportIncompatibleVariableOverride]
        """``"min"`` or ``"max"``."""
        return self._plateau.mode

    @property
    def mode_worse(self) -> float:  # pyright: ignore[reportIncompatibleVariableOverride]
        """The worst observation there is."""
        return math.inf if self.mode == "min" else -math.inf

    @property
    def threshold(self) -> float:  # pyright: ignore[reportIncompatibleVariableOverride]
        """Smallest change that counts as an improvement."""
        return self._plateau.threshold

    @property
    def threshold_mode(self) -> Any:  # pyright: ignore[reportIncompatibleVariableOverride]
        """``"rel"`` or ``"abs"``."""
        # "signed" is what torch itself calls relative.
        return "abs" if self._plateau.threshold_mode == "abs" else "rel"

    @property
    def eps(self) -> float:  # pyright: ignore[reportIncompatibleVariableOverride]
        """A cut that changes a rate by no more than this is not made."""
        return self._plateau.least_change

    @property
    def min_lrs(self) -> list[float]:  # pyright: ignore[reportIncompatibleVariableOverride]
        """Of each group, below which it is not cut."""
        minimum = self._plateau.minimum
        bases = self.curve.bases.get("lr", (0.0,) * len(self.curve.groups))
        return [minimum.number if isinstance(minimum, Absolute) else minimum * (base or 0.0) for base in bases]

    @property
    def _plateau(self) -> Plateau:
        """The first plateau of the schedule, which is what torch's own has."""
        return self.curve.rules[self._index()].rule

    @property
    def _remembered(self) -> Mapping[str, Any]:
        return self._driver.memories[self._index()]

    def _index(self) -> int:
        for i, placed in enumerate(self.curve.rules):
            if isinstance(placed.rule, Plateau):
                return i
        raise AttributeError(f"{self.curve.spec} has no plateau, and nothing that belongs to one")


def _not_called(optimizer: Optimizer) -> bool:
    """Whether torch's own bookkeeping knows of no `optimizer.step()` yet."""
    return hasattr(optimizer.step, "_wrapped_by_lr_sched") and not getattr(optimizer, "_opt_called", False)


def _calls(x: object) -> int:
    if isinstance(x, bool) or not isinstance(x, int) or x < 1:
        raise DriverError(f"steps_per_update is {x!r:.60}; it is how often step() is called for one update, at least 1")
    return x


def _evaluations(length: Span, name: str) -> int:
    if length.unit != "evaluations":
        raise AttributeError(f"the {name} is {length}, and no number of observations")
    return int(length.amount)
