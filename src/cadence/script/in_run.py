"""What names, attributes and calls of a script stand for at the moment of its run that is followed."""

from __future__ import annotations

import ast
from collections import ChainMap
from typing import TYPE_CHECKING, Any, cast

from cadence._errors import ScriptError
from cadence.script.clients import LIGHTNING, fit_lightning, fit_model, is_client, train_transformers
from cadence.script.engine import Engine
from cadence.script.engines import MAKERS, SETUPS
from cadence.script.find import STEPS
from cadence.script.index import plain
from cadence.script.instance import Instance
from cadence.script.lookup import ByText, Lookup
from cadence.script.methods import Methods
from cadence.script.model import Made, Optimizer, Scheduler, Unknown
from cadence.script.resolve import PASS_THROUGH
from cadence.script.sims import MovingOptimizer, MovingScheduler

if TYPE_CHECKING:
    from cadence.script.evaluate import Env, Evaluator
    from cadence.script.follow import Follower
    from cadence.script.instance import Names

SCALE = 65536.0
"""The scale of a loss scaler that has met no overflow: torch's first."""

UNSKIPPED = frozenset({"step_was_skipped", "optimizer_step_was_skipped"})
"""What Accelerate's objects say of an update that their loss scaler left out."""

ONE_PROCESS = {"num_processes": 1, "is_main_process": True, "is_local_main_process": True, "process_index": 0}
"""What Accelerate's and other launchers' objects say where there is one process."""


class InRun(Lookup):
    """By what the script has done so far; where that says nothing, by its text."""

    def __init__(self, run: Follower, values: Evaluator) -> None:
        self._run = run
        self._of = run.resolver
        self._values = values
        self._text = ByText(values)
        self._methods = Methods(run)

    def name(self, node: ast.Name, env: Env | None) -> Any:
        if env is not None and node.id in env:
            return env[node.id]
        if node.id in self._run.slice.needed:
            bound = self._of.bindings(node.id, node)
            if bound and all(b.kind in ("for", "augmented", "with") or b.place.loops for b in bound):
                return self._of.unknown(node)
        return self._text.name(node, None)

    def attribute(self, node: ast.Attribute, env: Env | None) -> Any:
        whole = plain(node)
        if env is not None and whole and whole in env:
            return env[whole]
        first = whole.partition(".")[0]
        held = None
        if env is not None and (first in env or not whole):
            held = self._run.compute(node.value, env)
        match held:
            case Instance():
                if node.attr in held.fields:
                    return held.fields[node.attr]
                method = self._of.method(held.owner, node.attr)
                return (
                    self._text.attribute(node, None)
                    if method is None
                    else self._values.variables.as_method(method, held)
                )
            case MovingOptimizer():
                if node.attr == "param_groups":
                    return held.groups
                if node.attr in ("lr", "learning_rate"):
                    return held.rates(held.updates)[0]
                if node.attr in UNSKIPPED:
                    return self._nothing_skipped(False)
                return self._of.unknown(node)
            case MovingScheduler():
                if node.attr == "last_epoch":
                    return held.steps
                return (
                    held.optimizer
                    if node.attr == "optimizer" and held.optimizer is not None
                    else self._of.unknown(node)
                )
            case Engine() if node.attr == "state":
                return held.state
            case dict() if node.attr in held:
                return cast("dict[str, Any]", held)[node.attr]
            case Made() if node.attr in UNSKIPPED:
                return self._nothing_skipped(False)
            case Made() if node.attr in ONE_PROCESS:
                self._run.assumed["there is one process"] = None
                return ONE_PROCESS[node.attr]
            case Made():
                return self._values.fields.of_made(held, node)
            case _:
                return self._text.attribute(node, env)

    def call(self, node: ast.Call, env: Env | None) -> Any:
        if env is None:
            return self._text.call(node, None)
        return self._in_run(node, env if isinstance(env, ChainMap) else ChainMap(env))

    def _in_run(self, node: ast.Call, env: Names) -> Any:
        if node in self._run.slice.hidden:
            for optimizer in self._run.optimizers:
                self._run.update(optimizer, node)
            return self._of.unknown(node)
        record = self._run.movers.records.get(node)
        if isinstance(record, Optimizer):
            return self._run.movers.make_optimizer(record, env)
        if isinstance(record, Scheduler):
            return self._run.movers.make_scheduler(record, env)
        if self._of.path(node.func) in MAKERS:
            return self._run.engines.make(node, env)
        if self._of.path(node.func).rpartition(".")[2] in SETUPS:
            self._run.engines.set_up(node, env)
            return self._of.unknown(node)
        if self._of.path(node.func).startswith("ignite.distributed.auto_") and node.args:
            return self._run.compute(node.args[0], env)
        if self._of.path(node.func) in ("torch.distributed.get_world_size", "torch.distributed.get_rank"):
            self._run.assumed["there is one process"] = None
            return int(self._of.path(node.func).endswith("world_size"))
        if isinstance(node.func, ast.Attribute):
            return self._called_method(node, node.func, env)
        owner = self._of.made_class(node)
        if owner is not None and owner in self._run.slice.live:
            made = Instance(owner)
            initial = self._of.method(owner, "__init__")
            if initial is not None:
                filled = self._run.given(initial, node, env, made)
                made.given = {k: v for k, v in filled.items() if v is not made}
                self._run.inline(initial, filled, env)
            return made
        called = self._of.callee(node)
        if called is not None and called in self._run.slice.live and owner is None:
            return self._run.inline(called, self._run.given(called, node, env, None), env)
        return self._plain_call(node, env)

    def _nothing_skipped(self, said: Any) -> Any:
        self._run.assumed["the loss scaler skips no update"] = None
        return said

    def _plain_call(self, node: ast.Call, env: Names) -> Any:
        """A call of something that is not followed, though something in its arguments may be."""
        for part in (*node.args, *(k.value for k in node.keywords)):
            if part in self._run.slice.within:
                self._run.compute(part, env)
        return self._text.call(node, env)

    def _called_method(self, node: ast.Call, func: ast.Attribute, env: Names) -> Any:
        held = self._run.compute(func.value, env)
        attr = func.attr
        args = (
            [self._values.part(a, env) for a in node.args if not isinstance(a, ast.Starred)]
            if self._takes(held, attr)
            else []
        )
        if isinstance(held, Unknown) and attr in STEPS and node in self._run.movers.stepping:
            held = self._run.movers.last.get(self._run.movers.stepping[node], held)
        match held:
            case MovingOptimizer():
                return self._methods.of_optimizer(held, attr, node, args, env)
            case MovingScheduler() if attr == "attach":
                return self._run.engines.attach(held, node, env)
            case MovingScheduler():
                return self._methods.of_scheduler(held, attr, node, args, env)
            case Engine():
                return self._run.engines.method(held, attr, node, env)
            case Made() if attr == "run" and held.path.endswith(".Parallel"):
                return self._run.engines.launch(node, env)
            case Instance():
                definition = self._of.method(held.owner, attr)
                if attr == "save_hyperparameters" and definition is None:
                    held.fields["hparams"] = held.given
                    return None
                if definition is None:
                    return self._of.unknown(node)
                if definition in self._run.slice.live:
                    return self._run.inline(definition, self._run.given(definition, node, env, held), env)
                return self._text.call(node, env)
            case _:
                pass
        if attr == "get_scale" and isinstance(held, (Made, Unknown)):
            return self._nothing_skipped(SCALE)
        if isinstance(held, Made) and is_client(held.path, attr):
            self._train(held, node, env)
            return self._of.unknown(node)
        if attr == "fit" and any(o.optimizer.framework in ("keras", "paddle") for o in self._run.optimizers):
            fit_model(self._run, node, env)
            return self._of.unknown(node)
        if attr in STEPS and args and isinstance(args[0], (MovingOptimizer, MovingScheduler)):
            if isinstance(args[0], MovingOptimizer):
                self._run.update(args[0], node)
            return self._of.unknown(node)
        if attr in PASS_THROUGH and args and any(isinstance(a, (MovingOptimizer, MovingScheduler)) for a in args):
            return tuple(args) if len(args) > 1 else args[0]
        if attr in ("append", "extend") and isinstance(held, list) and len(args) == 1:
            cast("list[Any]", held).append(args[0])
            return None
        chained = isinstance(held, Unknown) or (isinstance(held, Made) and held.path.startswith("optax."))
        if attr == "update" and chained and node in self._run.slice.within and len(node.args) >= 2:
            return self._methods.optax_update(node)
        if attr == "apply_gradients":
            return self._methods.optax_update(node)
        return self._plain_call(node, env)

    def _train(self, held: Made, node: ast.Call, env: Names) -> None:
        """A framework's own loop."""
        if held.path.rpartition(".")[2] == "Trainer" and held.path.startswith(LIGHTNING):
            given = [*node.args, *(k.value for k in node.keywords if k.arg == "model")]
            module = self._run.compute(given[0], env) if given else None
            if not isinstance(module, Instance):
                raise ScriptError(
                    f"the module that {self._run.at(node)} fits is not made in the script; its rate cannot be seen"
                )
            fit_lightning(self._run, held, module, node, env)
        else:
            train_transformers(self._run, held, node, env)

    def _takes(self, held: Any, attr: str) -> bool:
        return isinstance(held, (MovingOptimizer, MovingScheduler, list)) or attr in STEPS or attr in PASS_THROUGH
