"""Optimizers and schedulers of a script that is followed: made, updated and stepped as the script does it."""

from __future__ import annotations

import ast
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, cast

from cadence._errors import CadenceError, ScriptError
from cadence.conversion.native import Native
from cadence.script.instance import Instance
from cadence.script.leaving import Enough
from cadence.script.making import made_optimizer, made_scheduler
from cadence.script.model import Function, Made, Optimizer, Scheduler, Unknown, is_number, is_unknown
from cadence.script.sims import MOST_TICKS, MovingOptimizer, MovingScheduler, Pulled

if TYPE_CHECKING:
    from cadence.script.follow import Follower
    from cadence.script.instance import Names


class Movers:
    """What moves in one script.

    Attributes:
        optimizers: as they were made.
        records: what is known by the text of each call that makes an optimizer or a scheduler.
        stepping: for each call that steps one, the call that makes it.
        last: what such a call made last.
    """

    def __init__(self, run: Follower) -> None:
        self._run = run
        self.optimizers: list[MovingOptimizer] = []
        self.records: dict[ast.Call, Optimizer | Scheduler] = {o.node: o for o in run.script.optimizers}
        # A callback is asked by the loop that it is given to.
        self.records |= {s.node: s for s in run.script.schedulers if not s.path.startswith("keras.callbacks.")}
        self.stepping: dict[ast.Call, ast.Call] = {}
        for each in (*run.script.optimizers, *run.script.schedulers):
            self.stepping |= {step.node: each.node for step in each.steps}
        self.last: dict[ast.Call, MovingOptimizer | MovingScheduler] = {}

    def make_optimizer(self, record: Optimizer, env: Names) -> MovingOptimizer:
        """What a call that makes an optimizer gives."""
        rate: Any = record.lr
        node = _argument(record.node, ("lr", "learning_rate"), 1 if record.framework == "torch" else 0)
        if isinstance(rate, (Unknown, Scheduler)) and node is not None:
            now = self._run.compute(node, env)
            rate = now if isinstance(now, MovingScheduler) or is_number(now) else rate
        if isinstance(rate, Scheduler):
            rate = self.make_scheduler(rate, env)
        if self._run.base is not None and (rate is None or is_number(rate) or isinstance(rate, Unknown)):
            rate = self._run.base
        function = rate if isinstance(rate, Function) else None
        made = made_optimizer(record, 0.0 if function is not None else rate)
        if function is not None:
            made.rule, made.function = partial(self._asked, made, function), function
        elif isinstance(rate, Pulled) and record.framework in ("optax", "keras"):
            made.scheduler, made.rule, made.asked = None, rate.values.at, rate
            made.bases = made.rates(0)
        return self.add(record, made)

    def _asked(self, optimizer: MovingOptimizer, function: Function, update: int) -> float:
        """What a function of the script says is the rate of an update."""
        value = function(update)
        if not is_number(value):
            raise ScriptError(
                f"what {function.text} in {self._run.at(function.node)}, the rate of {optimizer.where()}, returns for "
                f"update {update} cannot be told without running the script; write it as a formula of the update"
            )
        return float(value)

    def add(self, record: Optimizer, made: MovingOptimizer | None = None) -> MovingOptimizer:
        """An optimizer that is there from now on."""
        made = made_optimizer(record, record.lr) if made is None else made
        self.optimizers.append(made)
        self._run.log.note(None)
        self.last[record.node] = made
        return made

    def make_scheduler(self, record: Scheduler, env: Names) -> MovingScheduler:
        """What a call that makes a scheduler gives."""
        held: MovingOptimizer | None = None
        if record.optimizer is not None:
            found = self.last.get(record.optimizer.node)
            held = found if isinstance(found, MovingOptimizer) else None
        if record.optimizer_text and record.node.args:
            now = self._run.compute(record.node.args[0], env) if held is None else held
            held = now if isinstance(now, MovingOptimizer) else held
        if held is None and len(self.optimizers) == 1 and record.framework not in ("paddle", "optax", "keras"):
            held = self.optimizers[0]
        parts = [self.last.get(inner.node) for inner in record.inner]
        made = made_scheduler(
            record, self._native(record, env), held, [p for p in parts if isinstance(p, MovingScheduler)], MOST_TICKS
        )
        self.last[record.node] = made
        self._run.log.note(None)
        return made

    def _native(self, record: Scheduler, env: Names) -> Native:
        """What a scheduler is made with, with the values that names have now."""
        if record.native is None:
            raise ScriptError(f"the {record.name} of {self._run.at(record.node)} cannot be followed: {record.reason}")
        arguments = dict(record.native.arguments)
        for name, node in record.expressions.items():
            if _moving(arguments.get(name)):
                arguments[name] = self._as_argument(self._run.compute(node, env), arguments[name])
        return Native(record.native.framework, record.native.name, arguments)

    def _as_argument(self, value: Any, otherwise: Any) -> Any:
        match value:
            case MovingScheduler():
                return value.native
            case list() | tuple():
                held = cast("Sequence[Any]", value)
                others = list(cast("Sequence[Any]", otherwise)) if isinstance(otherwise, (list, tuple)) else [otherwise]
                others += [otherwise] * (len(held) - len(others))
                items = [self._as_argument(v, o) for v, o in zip(held, others, strict=False)]
                return tuple(items) if isinstance(value, tuple) else items
            case Made() | Unknown() | Instance():
                return Unknown(value.text) if isinstance(value, Made) else otherwise
            case _:
                return value

    def update(self, optimizer: MovingOptimizer, node: ast.AST, many: int = 1) -> None:
        """Updates with the rates of now."""
        self._run.log.note(("update", optimizer) if many == 1 else None)
        if self._run.total is not None:
            many = min(many, self._run.total - optimizer.updates)
        optimizer.update(many, self._run.log.turns)
        if self._run.total is not None and all(o.updates >= self._run.total or not o.updates for o in self.optimizers):
            raise Enough

    def step(self, held: MovingScheduler, node: ast.AST, epoch: float | None = None) -> None:
        """One step of a scheduler."""
        self._run.log.note(("step", held) if epoch is None else None)
        optimizer = held.optimizer
        if optimizer is not None:
            if self._run.implied and not self._run.slice.hidden and optimizer.turn != self._run.log.turns:
                self.update(optimizer, node)
            optimizer.stepped.append((held, optimizer.updates))
        try:
            held.step(epoch)
        except CadenceError as error:
            raise ScriptError(f"{self._run.at(node)}: {error}") from None
        except (ArithmeticError, ValueError, TypeError, KeyError, NotImplementedError) as fault:
            raise ScriptError(
                f"{self._run.at(node)}: step {held.steps} of the {held.scheduler.name} fails: {fault}; see to its "
                f"length"
            ) from None


def _moving(value: Any) -> bool:
    """Whether a value may be another one when its script runs: unknown, a function, or a scheduler with such in it."""
    if isinstance(value, (list, tuple)):
        return any(map(_moving, cast("Sequence[Any]", value)))
    if isinstance(value, Native):
        return True
    return isinstance(value, Function) or is_unknown(value)


def _argument(call: ast.Call, names: tuple[str, ...], at: int) -> ast.expr | None:
    for keyword in call.keywords:
        if keyword.arg in names:
            return keyword.value
    return call.args[at] if len(call.args) > at else None
