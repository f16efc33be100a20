"""The run of one of Ignite's engines: epochs, iterations, events."""

from __future__ import annotations

import ast
import math
from collections import ChainMap
from typing import TYPE_CHECKING, Any

from cadence._errors import ScriptError
from cadence.script.clients import NEED
from cadence.script.engine import Engine
from cadence.script.index import parameters
from cadence.script.loaders import is_loader
from cadence.script.log import Effects
from cadence.script.model import Function, Unknown, is_number
from cadence.script.sims import Improving, MovingOptimizer, MovingScheduler

if TYPE_CHECKING:
    from cadence.script.follow import Follower
    from cadence.script.instance import Names


class EngineRun:
    """Runs of engines in one script."""

    def __init__(self, run: Follower) -> None:
        self._run = run
        self._of = run.resolver

    def train(self, engine: Engine, given: dict[str, Any], node: ast.Call, env: Names) -> None:
        """`engine.run(data, max_epochs=...)`.

        Args:
            engine: runs.
            given: the values of the call's arguments.
            node: the call.
            env: names where it stands.

        Raises:
            ScriptError: how long it runs cannot be told, and the rate depends on it.
        """
        for name in ("max_epochs", "max_iters", "epoch_length"):
            if given.get(name) is not None and not is_number(given[name]):
                remedy = NEED if "len(" in str(given[name]) else "and it decides how long the run is; write the number"
                raise ScriptError(
                    f"{name} of the run in {self._run.at(node)} is {given[name]}, which cannot be told without running "
                    f"the script, {remedy}"
                )
        length = self._length(node, given, env)
        if length is None:
            self._need_no_length(engine, node)
        self._begin(engine, given, length or 1, node)
        state, most = engine.state, engine.state["max_iters"]
        self._fire(engine, "STARTED", 1, node)
        while state["epoch"] < state["max_epochs"]:
            for optimizer in self._run.optimizers:
                optimizer.marks.append(optimizer.updates)
            state["epoch"] += 1
            self._fire(engine, "EPOCH_STARTED", state["epoch"], node)
            whole = state["epoch_length"]
            many = whole if most is None else min(whole, most - state["iteration"])
            self._epoch(engine, many, node, env)
            if many == whole:
                self._fire(engine, "EPOCH_COMPLETED", state["epoch"], node)
        self._fire(engine, "COMPLETED", 1, node)

    def _begin(self, engine: Engine, given: dict[str, Any], length: int, node: ast.Call) -> None:
        """From the beginning; or from where the engine stopped, where it is told a later end than its own."""
        state, most, epochs = engine.state, given.get("max_iters"), given.get("max_epochs")
        before = state.get("max_epochs")
        if is_number(before) and is_number(epochs) and epochs < state["epoch"]:
            raise ScriptError(
                f"the run in {self._run.at(node)} is to end after {epochs} epochs, and its engine has done "
                f"{state['epoch']}, which Ignite refuses; write {self._of.source(node.func)[:-4]}.state.max_epochs = "
                f"None before it, or the number of all epochs"
            )
        if is_number(before) and is_number(epochs):
            state["max_epochs"] = before = int(epochs)
        if not is_number(before) or state["epoch"] >= before:
            end = math.ceil(most / length) if most is not None else int(epochs or 1)
            state.update(iteration=0, epoch=0, max_epochs=end, epoch_length=length)
        state["max_iters"] = None if most is None else int(most)

    def _length(self, node: ast.Call, given: dict[str, Any], env: Names) -> int | None:
        """Iterations in an epoch; None where they are not known."""
        if given.get("epoch_length") is not None:
            return max(int(given["epoch_length"]), 1)
        data = node.args[0] if node.args else next((k.value for k in node.keywords if k.arg == "data"), None)
        if data is None:
            return None
        held = self._run.compute(data, env)
        if isinstance(held, (list, tuple, range, dict)):
            return max(len(held), 1)  # pyright: ignore[reportUnknownArgumentType]
        known = self._run.steps_per_epoch
        return known if known is not None and is_loader(self._of, data, training=True) else None

    def _need_no_length(self, engine: Engine, node: ast.Call) -> None:
        """Refuse an epoch of unknown length whose iterations are not all alike."""
        at = [h.when.name for h in engine.handlers if h.when.name.startswith(("ITERATION", "GET_BATCH"))]
        if at or (isinstance(engine.process, Function) and _asks(engine.process)):
            what = f"what happens at {at[0]} of" if at else "the number of an iteration in"
            raise ScriptError(f"the rate depends on {what} the run in {self._run.at(node)}, {NEED}")
        self._run.by_epoch = True

    def _epoch(self, engine: Engine, many: int, node: ast.Call, env: Names) -> None:
        """The iterations of one epoch; those that do what the ones before did are not followed again."""
        alike = self._is_alike(engine)
        previous: Effects | None = None
        for i in range(many):
            before = self._run.turns.snapshot(env, set()) if alike and i < 3 else {}
            self._run.turned(node)
            with self._run.log.turn() as effects:
                self._iteration(engine, node)
            if self._run.by_epoch and not all(effect is not None and effect[0] == "update" for effect in effects):
                raise ScriptError(f"the rate moves in every iteration of the run in {self._run.at(node)}, {NEED}")
            unchanged = alike and i < 3 and before.items() <= self._run.turns.snapshot(env, set()).items()
            if unchanged and effects == previous and None not in effects:
                self._run.turns.replay(effects, many - i - 1, node)
                engine.state["iteration"] += many - i - 1
                return
            previous = effects if unchanged else None

    def _iteration(self, engine: Engine, node: ast.Call) -> None:
        count = engine.state["iteration"]
        self._fire(engine, "GET_BATCH_STARTED", count, node)
        self._fire(engine, "GET_BATCH_COMPLETED", count, node)
        engine.state["iteration"] = count = count + 1
        self._fire(engine, "ITERATION_STARTED", count, node)
        if isinstance(engine.process, MovingOptimizer):
            if count % engine.gather == 0 or self._run.by_epoch:
                self._run.update(engine.process, node)
        elif engine.process is not None:
            self.call(engine.process, [engine, Unknown("batch")], {})
        self._fire(engine, "ITERATION_COMPLETED", count, node)

    def _is_alike(self, engine: Engine) -> bool:
        """Whether an iteration asks neither for its number nor for that of its epoch."""
        functions = [engine.process] if isinstance(engine.process, Function) else []
        for handler in engine.handlers:
            if "EPOCH" not in handler.when.name and not handler.when.always:
                return False
            functions += [handler.what] if isinstance(handler.what, Function) else []
        return engine.gather == 1 and not any(_asks(function) for function in functions)

    def _fire(self, engine: Engine, name: str, count: int, node: ast.Call) -> None:
        for handler in engine.handlers:
            if handler.when.name != name or not handler.when.at(count, engine):
                continue
            if isinstance(handler.what, MovingScheduler):
                if isinstance(handler.what, Improving):
                    said = f"the metric of the {handler.what.scheduler.name} in line {handler.what.scheduler.line}"
                    self._run.assumed[f"{said} always improves"] = None
                self._run.step(handler.what, node)
            else:
                self.call(handler.what, [engine, *handler.more], {})

    def call(self, function: Function, values: list[Any], named: dict[str, Any]) -> Any:
        """What a function of the script does; Ignite leaves the engine out where a function does not take it."""
        names = list(parameters(function.node.args))
        given = [*function.first, *values]
        if len(given) > len(names) and function.node.args.vararg is None and values:
            given = [*function.first, *values[1:]]
        filled: dict[str, Any] = {name: value for (name, _), value in zip(names, given, strict=False)}
        filled |= {**function.by_name, **named}
        for name, default in names:
            if name not in filled:
                filled[name] = Unknown(name) if default is None else self._run.values.value(default)
        env = function.env if isinstance(function.env, ChainMap) else ChainMap(self._run.globals)
        if isinstance(function.node, ast.Lambda):
            return self._run.compute(function.node.body, ChainMap(filled, *env.maps))
        return self._run.inline(function.node, filled, env)


def _asks(function: Function) -> bool:
    """Whether a function looks at the state of its engine."""
    return any(isinstance(node, ast.Attribute) and node.attr == "state" for node in ast.walk(function.node))
