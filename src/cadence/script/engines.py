"""Ignite's engines: a training loop that stands in the framework, with what the script hangs into it."""

from __future__ import annotations

import ast
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from cadence._errors import ScriptError
from cadence.script.engine import Engine, Handler
from cadence.script.engine_run import EngineRun
from cadence.script.events import NEVER, When, whens
from cadence.script.model import Function, is_number
from cadence.script.sims import MovingOptimizer, MovingScheduler

if TYPE_CHECKING:
    from cadence.script.follow import Follower
    from cadence.script.instance import Names

MAKERS = frozenset({"ignite.engine.Engine", "ignite.engine.engine.Engine", "ignite.engine.create_supervised_trainer"})
"""What makes an engine that may train."""

SETUPS = frozenset({"setup_common_training_handlers", "setup_common_distributed_training_handlers"})
"""Functions of Ignite's that hang a scheduler into an engine, among much else."""

ATTACH = "ITERATION_STARTED"
"""The event that a scheduler is attached to where none is given."""


def is_engine_call(path: str, paths: Sequence[str], attr: str) -> bool:
    """Whether a call makes an engine, hangs something into one, or runs one.

    Args:
        path: what is called.
        paths: what may have made the object whose method it is.
        attr: the method; empty where it is none.
    """
    if path in MAKERS or path.rpartition(".")[2] in SETUPS:
        return True
    if attr in ("add_event_handler", "run"):
        return any(made in MAKERS or _launches(made) for made in paths)
    return attr == "attach" and any(made.startswith("ignite.handlers.") and "LRFinder" not in made for made in paths)


def _launches(path: str) -> bool:
    return path.startswith("ignite.distributed.") and path.endswith(".Parallel")


class Engines:
    """The engines of one script."""

    def __init__(self, run: Follower) -> None:
        self._run = run
        self._of = run.resolver
        self._running = EngineRun(run)

    def make(self, node: ast.Call, env: Names) -> Engine:
        """What a call of `MAKERS` gives."""
        if self._of.path(node.func).endswith("Engine"):
            given = self._given(node, ("process_function",), env)
            return Engine(self._effective(given.get("process_function")))
        given = self._given(node, ("model", "optimizer"), env)
        optimizer, gather = given.get("optimizer"), given.get("gradient_accumulation_steps", 1)
        if not is_number(gather):
            raise ScriptError(
                f"gradient_accumulation_steps of {self._run.at(node)} cannot be told without running the script; "
                f"write the number"
            )
        return Engine(optimizer if isinstance(optimizer, MovingOptimizer) else None, max(int(gather), 1))

    def method(self, engine: Engine, attr: str, node: ast.Call, env: Names) -> Any:
        """A method of an engine."""
        if attr == "add_event_handler" and len(node.args) + len(node.keywords) >= 2:
            named = {k.arg: k.value for k in node.keywords}
            event = node.args[0] if node.args else named["event_name"]
            handler = node.args[1] if len(node.args) > 1 else named.get("handler")
            if handler is not None:
                more = tuple(self._run.compute(a, env) for a in node.args[2:])
                self._hang(engine, event, self._run.compute(handler, env), more, env)
        elif attr == "run" and (engine.process is not None or engine.handlers):
            given = self._given(node, ("", "max_epochs", "max_iters", "epoch_length"), env)
            self._running.train(engine, given, node, env)
        return self._of.unknown(node)

    def decorated(self, node: ast.FunctionDef, function: Function, env: Names) -> None:
        """A function of the script under `@engine.on(...)`."""
        for decorator in node.decorator_list:
            if isinstance(decorator, ast.Call) and isinstance(decorator.func, ast.Attribute) and decorator.args:
                engine = self._run.compute(decorator.func.value, env) if decorator.func.attr == "on" else None
                if isinstance(engine, Engine):
                    more = tuple(self._run.compute(a, env) for a in decorator.args[1:])
                    self._hang(engine, decorator.args[0], function, more, env)

    def attach(self, scheduler: MovingScheduler, node: ast.Call, env: Names) -> None:
        """`scheduler.attach(engine, event)`."""
        named = {k.arg: k.value for k in node.keywords}
        first = node.args[0] if node.args else named.get("engine")
        engine = None if first is None else self._run.compute(first, env)
        event = node.args[1] if len(node.args) > 1 else named.get("event", named.get("event_name"))
        if not isinstance(engine, Engine):
            return
        if event is None:
            engine.handlers.append(Handler(When(ATTACH), scheduler))
        else:
            self._hang(engine, event, scheduler, (), env)

    def set_up(self, node: ast.Call, env: Names) -> None:
        """`setup_common_training_handlers(trainer, lr_scheduler=...)`."""
        given = self._given(node, ("trainer",), env)
        engine, scheduler = given.get("trainer"), given.get("lr_scheduler")
        if isinstance(engine, Engine) and isinstance(scheduler, MovingScheduler):
            ignite = scheduler.scheduler.framework == "ignite"
            engine.handlers.append(Handler(When("ITERATION_STARTED" if ignite else "ITERATION_COMPLETED"), scheduler))

    def launch(self, node: ast.Call, env: Names) -> Any:
        """`Parallel().run(function, ...)`, which calls it once in each process, with its number."""
        function = self._run.compute(node.args[0], env) if node.args else None
        if not isinstance(function, Function):
            return self._of.unknown(node)
        self._run.assumed["there is one process"] = None
        given = {k.arg: self._run.compute(k.value, env) for k in node.keywords if k.arg is not None}
        return self._running.call(function, [0, *(self._run.compute(a, env) for a in node.args[1:])], given)

    def _given(self, node: ast.Call, names: Sequence[str], env: Names) -> dict[str, Any]:
        found = {name: self._run.compute(a, env) for name, a in zip(names, node.args, strict=False)}
        return found | {k.arg: self._run.compute(k.value, env) for k in node.keywords if k.arg is not None}

    def _effective(self, what: Any) -> Function | None:
        """A function of the script, where a rate depends on what it does."""
        if not isinstance(what, Function):
            return None
        part = self._run.slice
        return what if what.node in part.live or what.node in part.within else None

    def _hang(self, engine: Engine, event: ast.expr, what: Any, more: tuple[Any, ...], env: Names) -> None:
        handler = what if isinstance(what, MovingScheduler) else self._effective(what)
        if handler is None:
            return
        found = whens(self._run, event, env)
        if found is None:
            raise ScriptError(
                f"the event {self._of.source(event)} of {self._run.at(event)} is none of Ignite's own, and when it "
                f"comes cannot be told; write e.g. Events.ITERATION_STARTED"
            )
        engine.handlers += [Handler(when, handler, more) for when in found if when.name not in NEVER]
