"""A script followed from its first line to its last, as far as rates go: by whitelist over its syntax tree.

Statements that no rate depends on are passed over; an optimizer or scheduler is a model of ours; a value that only a
run would show is unknown, and where a rate depends on one, that is said instead of a guess.
"""

from __future__ import annotations

import ast
from collections import ChainMap
from collections.abc import Sequence
from typing import Any, cast

from cadence._errors import CadenceError, ConversionError, ScriptError
from cadence.conversion.native import Native
from cadence.script.clients import LIGHTNING, fit_lightning, fit_model, is_client, train_transformers
from cadence.script.evaluate import Evaluator, TooMuch, truth_of
from cadence.script.find import STEPS
from cadence.script.index import Definition, LoopNode, parameters, plain
from cadence.script.loops import VALIDATION, is_training_data, unwrapped
from cadence.script.model import Function, Made, Optimizer, Scheduler, Script, Unknown, is_number, is_unknown
from cadence.script.resolve import PASS_THROUGH, Resolver
from cadence.script.sims import (
    MOST_TICKS,
    Improving,
    MovingOptimizer,
    MovingScheduler,
    Pulled,
    made_optimizer,
    made_scheduler,
)
from cadence.script.slice import RATES, Slice

MOST_TURNS = 100_000
"""Turns of loops that are followed one by one."""

MOST_STATEMENTS = 500_000

ENDLESS = 1_000
"""Turns of a `while` after which it is asked whether anything in it still changes."""

DEEPEST = 30
"""Calls inside calls of the script's own functions."""

ONE_PROCESS = {"num_processes": 1, "is_main_process": True, "is_local_main_process": True, "process_index": 0}
"""What Accelerate's and other launchers' objects say where there is one process."""

MOST_REPLAYED = 3_000_000
"""Effects of turns that all do the same."""

Names = ChainMap[str, Any]

Effect = tuple[str, object] | None
"""``("update", optimizer)`` or ``("step", scheduler)``; None: something else that changes a rate."""

Log = list[Effect]

LEFT: Log = [None]
"""What stands for the log of a turn in which the loop was left."""


class Instance:
    """An object of a class of the script."""

    def __init__(self, owner: ast.ClassDef) -> None:
        self.owner = owner
        self.fields: dict[str, Any] = {}
        self.given: dict[str, Any] = {}


class Enough(Exception):
    """The run is as long as was asked for."""


class _Leave(Exception):
    """A break, a continue or a return."""

    def __init__(self, kind: type[ast.stmt], value: Any = None) -> None:
        super().__init__()
        self.kind = kind
        self.value = value


class Follower(Evaluator):
    """Follows one script.

    Attributes:
        optimizers: as they were made.
        assumed: sentences on what was taken for granted.
        base: the learning rate instead of the script's own.
        implied: whether updates that the script does not show are taken for granted.
        by_epoch: whether one update stands for an epoch, because the length of one is not known and does not matter.
    """

    def __init__(
        self, script: Script, resolver: Resolver, *, total: int | None, base: float | None, implied: bool
    ) -> None:
        super().__init__(resolver)
        self._script = script
        self._slice = Slice(script, resolver, implied=implied)
        self._total = total
        self.base = base
        self.implied = implied
        self._records: dict[ast.Call, Optimizer | Scheduler] = {o.node: o for o in script.optimizers}
        # A callback is asked by the loop that it is given to.
        self._records |= {s.node: s for s in script.schedulers if not s.path.startswith("keras.callbacks.")}
        self._owner: dict[ast.Call, ast.Call] = {}
        for each in (*script.optimizers, *script.schedulers):
            self._owner |= {step.node: each.node for step in each.steps}
        self._kinds = {loop.node: loop for loop in script.loops}
        self._last: dict[ast.Call, MovingOptimizer | MovingScheduler] = {}
        self._globals: dict[str, Any] = {"__name__": "__main__"}
        self._turns = 0
        self._statements_done = 0
        self._logs: list[Log] = [[]]
        self._unsized = 0
        self._calls = 0
        self.optimizers: list[MovingOptimizer] = []
        self.assumed: dict[str, None] = {}
        self.by_epoch = False

    # ---- the way through -----------------------------------------------------------------------------------------

    def follow(self) -> None:
        """From the first line to the last.

        Raises:
            ScriptError: a rate depends on something that cannot be told; the sentence names the line.
        """
        env: Names = ChainMap(self._globals)
        try:
            self._block(self._script.tree.body, env)
            if not any(o.updates or o.stepped for o in self.optimizers):
                self._uncalled(env)
        except Enough:
            pass
        except _Leave:
            pass
        except TooMuch:
            raise ScriptError(f"{self._script.name} takes too long to follow; write shorter functions") from None
        except RecursionError:
            raise ScriptError(f"{self._script.name} nests too deeply to be followed; write it flatter") from None

    def _uncalled(self, env: Names) -> None:
        """A file of functions: those that nothing in it calls, in the order of the text."""
        for name, definition in self._of.index.functions.items():
            if definition in self._slice.live and not self._of.sites(definition) and "." not in name:
                filled: dict[str, Any] = {}
                for parameter, default in parameters(definition.args):
                    filled[parameter] = Unknown(parameter) if default is None else self.value(default)
                self.assumed[f"{name}() is called once, by whoever uses this file"] = None
                self._inline(definition, filled, env)

    def _block(self, body: Sequence[ast.stmt], env: Names) -> None:
        for statement in body:
            if self._slice.holds(statement) or isinstance(statement, (ast.Break, ast.Continue, ast.Return)):
                self._follow_statement(statement, env)

    def _follow_statement(self, node: ast.stmt, env: Names) -> None:
        self._statements_done += 1
        if self._statements_done > MOST_STATEMENTS:
            raise self._too_long(node)
        self._work = 0
        match node:
            case ast.Expr(value=value):
                self.compute(value, env)
            case ast.Assign(targets=targets, value=value):
                computed = self.compute(value, env)
                for target in targets:
                    self._assign(target, computed, env, node)
            case ast.AnnAssign(target=target, value=value):
                if value is not None:
                    self._assign(target, self.compute(value, env), env, node)
            case ast.AugAssign(target=target, op=op, value=value):
                before = self.compute(target, env)
                self._assign(target, self._binary(node.value, op, before, self.compute(value, env)), env, node)
            case ast.If(test=test, body=body, orelse=orelse):
                self._branch(node, truth_of(self.compute(test, env)), body, orelse, env)
            case ast.For() | ast.AsyncFor() | ast.While():
                self._loop(node, env)
            case ast.With() | ast.AsyncWith():
                for item in node.items:
                    entered = self.compute(item.context_expr, env)
                    if item.optional_vars is not None:
                        self._assign(item.optional_vars, entered, env, node)
                self._block(node.body, env)
            case ast.Try() | ast.TryStar():
                self._block(node.body, env)
                self._block(node.orelse, env)
                self._block(node.finalbody, env)
            case ast.FunctionDef() if len(env.maps) > 1:
                env[node.name] = Function(node.name, node, self, cast("dict[str, Any]", env))
            case ast.Return(value=value):
                raise _Leave(ast.Return, None if value is None else self.compute(value, env))
            case ast.Break() | ast.Continue():
                raise _Leave(type(node))
            case ast.Match():
                raise ScriptError(
                    f"{self.at(node)} chooses by match what becomes of a rate, which is not followed; write if"
                )
            case _:
                pass

    # ---- branches ------------------------------------------------------------------------------------------------

    def _branch(
        self, node: ast.If, truth: bool | None, body: list[ast.stmt], orelse: list[ast.stmt], env: Names
    ) -> None:
        if truth is not None:
            self._block(body if truth else orelse, env)
            return
        first, second = self._effects(body), self._effects(orelse)
        if first == second:
            # Whichever it is, it comes to the same: `scaler.step(optimizer)` or `optimizer.step()`.
            self._block(body if first else orelse, env)
            self._forget(body if not first else orelse, env)
            return
        test = self._of.source(node.test)
        if all(kind == "end" for kind, _ in first) and not second:
            self.assumed[f"`{test}` in {self.at(node)} never holds"] = None
            return
        if all(kind == "end" for kind, _ in second) and not first:
            self.assumed[f"`{test}` in {self.at(node)} always holds"] = None
            return
        if self._unsized and self._asks_for_length(node.test, env):
            raise ScriptError(
                f"whether `{test}` in {self.at(node)} holds depends on how many batches there are, and so does the "
                f"rate; say it: --steps-per-epoch 500"
            )
        raise ScriptError(
            f"whether `{test}` in {self.at(node)} holds cannot be told without running the script, and the rate "
            f"depends on it; write what decides it into the script, or give a total that ends before"
        )

    def _asks_for_length(self, test: ast.expr, env: Names) -> bool:
        """Whether an expression depends on how many batches there are."""
        for node in ast.walk(test):
            value = self.compute(node, env) if isinstance(node, (ast.Name, ast.Call)) else None
            if isinstance(value, Unknown) and "len(" in value.text:
                return True
        return False

    def _effects(self, body: list[ast.stmt]) -> list[tuple[str, Any]]:
        """What a branch does to rates, in order: (kind, what)."""
        found: list[tuple[str, Any]] = []
        for statement in body:
            for node in ast.walk(statement):
                match node:
                    case ast.Break() | ast.Continue() | ast.Return():
                        found.append(("end", None))
                    case ast.Call() if node in self._owner:
                        found.append(("step", self._owner[node]))
                    case ast.Call() if node in self._records:
                        found.append(("made", node))
                    case ast.Call(func=ast.Attribute(attr=attr)) if attr in STEPS:
                        found.append(("step", self._of.source(node)))
                    case ast.Call():
                        called = self._of.callee(node)
                        if called is not None and called in self._slice.live:
                            found.append(("call", called))
                    case ast.Assign() | ast.AugAssign() if node in self._slice.live:
                        found.append(("write", self._of.source(node)))
                    case _:
                        pass
        return found

    def _forget(self, body: list[ast.stmt], env: Names) -> None:
        """Names that a branch which was not followed may have bound."""
        for statement in body:
            for node in ast.walk(statement):
                if isinstance(node, (ast.Assign, ast.AugAssign, ast.AnnAssign)):
                    for name in self._slice.bound(node):
                        if name in env and not isinstance(env[name], (MovingOptimizer, MovingScheduler)):
                            env[name] = Unknown(name)

    # ---- loops ---------------------------------------------------------------------------------------------------

    def _loop(self, node: LoopNode, env: Names) -> None:
        if isinstance(node, ast.While):
            self._while(node, env)
            return
        over = unwrapped(self._of, node.iter)
        items = self._runs_over(node, over, env)
        kind = self._kinds[node].kind if node in self._kinds else "other"
        counted = self._counts(node.iter)
        if items is None:
            self._data_loop(node, over, kind, counted, env)
            return
        targets = {part.id for part in ast.walk(node.target) if isinstance(part, ast.Name)}
        alike = kind != "epoch" and not targets & self._slice.needed
        logs: list[Log | None] = []
        for i, item in enumerate(items):
            if kind == "epoch":
                self._mark()
            before = self._snapshot(env, targets) if i < 3 else {}
            target = (i + counted, item) if counted is not None else item
            log = self._logged_turn(node, target, env)
            if log is LEFT:
                return
            if i < 3 and alike and log and before.items() <= self._snapshot(env, targets).items():
                logs.append(log)
                if len(logs) > 1 and logs[-2] == log:
                    self._replay(log, len(items) - i - 1, node)
                    break
        self._block(node.orelse, env)

    def _runs_over(self, node: ast.For | ast.AsyncFor, over: ast.expr, env: Names) -> Sequence[Any] | None:
        """The items of a loop; None where it runs over data."""
        value = self.compute(over, env)
        if isinstance(value, (list, tuple, range)):
            return cast("Sequence[Any]", value)
        if isinstance(value, dict):
            return list(cast("dict[Any, Any]", value))
        if is_training_data(self._of, node.iter):
            return None
        loop = self._kinds.get(node)
        if loop is not None and is_number(loop.count):
            start = loop.start if is_number(loop.start) else 0
            return range(int(start), int(start) + int(loop.count))
        if self._total is not None and loop is not None and loop.kind != "other":
            return range(MOST_REPLAYED)
        if isinstance(node.iter, ast.Call) and self._of.path(
            over.func if isinstance(over, ast.Call) else over
        ).endswith("range"):
            raise ScriptError(
                f"how often the loop of {self.at(node)} turns, {self._of.source(node.iter)}, cannot be told without "
                f"running the script; say how long the run is: --total 10000"
            )
        return None

    def _counts(self, node: ast.expr) -> int | None:
        """Where `enumerate` begins; None where the loop is not counted by it."""
        while isinstance(node, ast.Call) and node.args:
            if self._of.path(node.func).rpartition(".")[2] == "enumerate":
                start = list(node.args[1:]) + [k.value for k in node.keywords if k.arg == "start"]
                value = self.value(start[0]) if start else 0
                return int(value) if is_number(value) else 0
            node = node.args[0]
        return None

    def _data_loop(
        self, node: ast.For | ast.AsyncFor, over: ast.expr, kind: str, counted: int | None, env: Names
    ) -> None:
        count = self._script.steps_per_epoch
        if any(word in plain(over).lower() for word in VALIDATION):
            count = 1 if count is None else count
        targets = {plain(part) for part in ast.walk(node.target) if isinstance(part, ast.Name)}
        alike = not (counted is not None and targets & self._slice.needed)
        previous: Log | None = None
        self._unsized += count is None
        for i in range(1 if count is None else count):
            before = self._snapshot(env, targets) if i < 3 else {}
            batch = Unknown(self._of.source(node.target))
            log = self._logged_turn(node, (i + counted, batch) if counted is not None else batch, env)
            if log is LEFT:
                break
            unchanged = i < 3 and alike and before.items() <= self._snapshot(env, targets).items()
            if unchanged and all(entry is not None and entry[0] == "update" for entry in log):
                # Nothing but updates: every turn is as the first.
                self._repeat(log, count, node)
                break
            if count is None:
                raise ScriptError(
                    f"the rate depends on what happens inside the loop over {self._of.source(over)} in "
                    f"{self.at(node)}, and how many batches that has is not known; say it: --steps-per-epoch 500"
                )
            if unchanged and log == previous and None not in log:
                self._replay(log, count - i - 1, node)
                break
            previous = log if unchanged else None
        else:
            self._block(node.orelse, env)
        self._unsized -= count is None

    def _logged_turn(self, node: ast.For | ast.AsyncFor, target: Any, env: Names) -> Log:
        """One turn of a loop, and what it did; `LEFT` where the loop was left."""
        self.turned(node)
        self._logs.append([])
        try:
            self._assign(node.target, target, env, node)
            stays = self._body_leaves(node.body, env)
        finally:
            log = self._logs.pop()
            if log:
                # For the loop around this one it is no simple effect.
                self._note(None)
        return log if stays else LEFT

    def _note(self, effect: Effect) -> None:
        self._logs[-1].append(effect)

    def _repeat(self, log: Log, count: int | None, node: ast.AST) -> None:
        """The rest of a loop whose turns are all alike, and step optimizers only."""
        for effect in log:
            assert effect is not None
            optimizer = cast("MovingOptimizer", effect[1])
            if count is not None:
                self.update(optimizer, node, count - 1)
            elif optimizer.rule is not None:
                raise ScriptError(
                    f"the rate of {optimizer.where()} changes with every update, and how many batches the loop of "
                    f"{self.at(node)} has is not known; say it: --steps-per-epoch 500"
                )
            else:
                self.by_epoch = True

    def _replay(self, log: Log, times: int, node: ast.AST) -> None:
        """Turns that do what the one before did, without following them again."""
        if times * len(log) > MOST_REPLAYED:
            if self._total is None:
                raise self._too_long(node)
            times = MOST_REPLAYED
        for _ in range(times):
            for effect in log:
                assert effect is not None
                kind, what = effect
                if kind == "update":
                    self.update(cast("MovingOptimizer", what), node)
                else:
                    self.step(cast("MovingScheduler", what), node)

    def _snapshot(self, env: Names, without: set[str]) -> dict[str, Any]:
        """The numbers and texts that names hold."""
        plain_kinds = (int, float, str, bool, type(None))
        held = {name: value for name, value in env.items() if isinstance(value, plain_kinds) and name not in without}
        for name, value in env.items():
            if isinstance(value, Instance):
                held |= {f"{name}.{k}": v for k, v in value.fields.items() if isinstance(v, plain_kinds)}
        return held

    def _while(self, node: ast.While, env: Names) -> None:
        kind = self._kinds[node].kind if node in self._kinds else "other"
        turns, before = 0, None
        while True:
            turns += 1
            if turns in (ENDLESS, ENDLESS + 1) and self._total is None:
                now = self._snapshot(env, set())
                if now == before:
                    raise ScriptError(
                        f"`while {self._of.source(node.test)}` in {self.at(node)} never ends by what can be seen; say "
                        f"how long the run is: --total 10000"
                    )
                before = now
            truth = truth_of(self.compute(node.test, env))
            if truth is None:
                if self._total is None:
                    raise ScriptError(
                        f"how long `while {self._of.source(node.test)}` in {self.at(node)} goes on cannot be told "
                        f"without running the script; say how long the run is: --total 10000"
                    )
                truth = True
            if not truth:
                break
            self.turned(node)
            if kind == "epoch":
                self._mark()
            if not self._body_leaves(node.body, env):
                return
        self._block(node.orelse, env)

    def _body_leaves(self, body: list[ast.stmt], env: Names) -> bool:
        """One turn; False where the loop was left."""
        try:
            self._block(body, env)
        except _Leave as leave:
            if leave.kind is ast.Break:
                return False
            if leave.kind is ast.Return:
                raise
        return True

    @property
    def steps_per_epoch(self) -> int | None:
        """Batches in an epoch, where the caller said so."""
        return self._script.steps_per_epoch

    def call_method(self, owner: Instance, name: str, node: ast.Call, env: Names) -> Any:
        """What a method of an object of the script returns, without arguments."""
        definition = self._of.method(owner.owner, name)
        if definition is None:
            raise ScriptError(
                f"{owner.owner.name} in {self.at(owner.owner)} has no {name}; there is no optimizer to see"
            )
        filled: dict[str, Any] = {parameters_of[0]: owner for parameters_of in list(parameters(definition.args))[:1]}
        return self._inline(definition, filled, env)

    def turned(self, node: ast.AST) -> None:
        """One turn of a loop."""
        self._turns += 1
        if self._turns > MOST_TURNS:
            raise self._too_long(node)

    def _mark(self) -> None:
        for optimizer in self.optimizers:
            optimizer.marks.append(optimizer.updates)

    def _too_long(self, node: ast.AST) -> ScriptError:
        return ScriptError(
            f"the loop of {self.at(node)} takes more than {MOST_TURNS} turns, too many to follow one by one; follow "
            f"the beginning: --total 10000"
        )

    # ---- assignment ----------------------------------------------------------------------------------------------

    def _assign(self, target: ast.expr, value: Any, env: Names, node: ast.AST) -> None:
        match target:
            case ast.Name(id=name):
                scope = self._of.index.scope(target)
                (self._globals if name in scope.shared else env)[name] = value
            case ast.Tuple(elts=parts) | ast.List(elts=parts):
                known = isinstance(value, (list, tuple)) and len(cast("Any", value)) == len(parts)
                for i, part in enumerate(parts):
                    inner = part.value if isinstance(part, ast.Starred) else part
                    self._assign(inner, cast("Any", value)[i] if known else Unknown(self._of.source(part)), env, node)
            case ast.Attribute(value=owner, attr=attr):
                held = self.compute(owner, env)
                if isinstance(held, Instance):
                    held.fields[attr] = value
                elif isinstance(held, MovingOptimizer) and attr in ("learning_rate", "lr"):
                    self._write(held.groups[0], "lr", value, node)
                elif plain(target):
                    env[plain(target)] = value
            case ast.Subscript(value=owner, slice=index):
                held, key = self.compute(owner, env), self.compute(index, env)
                if isinstance(held, dict):
                    self._write(cast("dict[Any, Any]", held), key, value, node)
                elif (
                    isinstance(held, list)
                    and isinstance(key, int)
                    and -len(cast("Any", held)) <= key < len(cast("Any", held))
                ):
                    held[key] = value
                elif isinstance(index, ast.Constant) and index.value in RATES and isinstance(held, Unknown):
                    self._write_by_name(target, value, node)
            case _:
                pass

    def _write_by_name(self, target: ast.Subscript, value: Any, node: ast.AST) -> None:
        """A write into the rate of a group whose optimizer cannot be seen: the only one there is."""
        if "group" in self._of.source(target.value) and len(self.optimizers) == 1:
            for group in self.optimizers[0].groups:
                self._write(group, "lr", value, node)

    def _write(self, group: dict[Any, Any], key: Any, value: Any, node: ast.AST) -> None:
        owner = next((o for o in self.optimizers if any(g is group for g in o.groups)), None)
        if owner is not None and key in ("lr", "initial_lr"):
            if not is_number(value):
                raise ScriptError(
                    f"{self.at(node)} writes a rate that cannot be told without running the script: "
                    f"{self._of.source(getattr(node, 'value', node))}; write it as a formula of the epoch or the step"
                )
            owner.written = getattr(node, "lineno", 0)
            self._note(None)
        if isinstance(key, (str, int)):
            group[key] = value

    # ---- expressions ---------------------------------------------------------------------------------------------

    def _name(self, node: ast.Name, env: Any) -> Any:
        if env is not None and node.id in env:
            return env[node.id]
        if node.id in self._slice.needed:
            bound = self._of.bindings(node.id, node)
            if bound and all(b.kind in ("for", "augmented", "with") or b.place.loops for b in bound):
                return self._of.unknown(node)
        return super()._name(node, None)

    def _attribute(self, node: ast.Attribute, env: Any) -> Any:
        whole = plain(node)
        if env is not None and whole and whole in env:
            return env[whole]
        first = whole.partition(".")[0]
        held = None
        if env is not None and (first in env or not whole):
            held = self.compute(node.value, env)
        match held:
            case Instance():
                if node.attr in held.fields:
                    return held.fields[node.attr]
                method = self._of.method(held.owner, node.attr)
                return super()._attribute(node, None) if method is None else self._as_method(method, held)
            case MovingOptimizer():
                if node.attr == "param_groups":
                    return held.groups
                if node.attr in ("lr", "learning_rate"):
                    return held.rates(held.updates)[0]
                return self._of.unknown(node)
            case MovingScheduler():
                if node.attr == "last_epoch":
                    return held.steps
                return (
                    held.optimizer
                    if node.attr == "optimizer" and held.optimizer is not None
                    else self._of.unknown(node)
                )
            case dict() if node.attr in held:
                return cast("dict[str, Any]", held)[node.attr]
            case Made() if node.attr in ONE_PROCESS:
                self.assumed["there is one process"] = None
                return ONE_PROCESS[node.attr]
            case Made():
                return self._made_field(held, node)
            case _:
                return super()._attribute(node, env)

    def _called(self, node: ast.Call, env: Any, go: Any) -> Any:
        if env is None:
            return super()._called(node, env, go)
        if node in self._slice.hidden:
            for optimizer in self.optimizers:
                self.update(optimizer, node)
            return self._of.unknown(node)
        record = self._records.get(node)
        if isinstance(record, Optimizer):
            return self._make_optimizer(record, env)
        if isinstance(record, Scheduler):
            return self._make_scheduler(record, env)
        if self._of.path(node.func) in ("torch.distributed.get_world_size", "torch.distributed.get_rank"):
            self.assumed["there is one process"] = None
            return int(self._of.path(node.func).endswith("world_size"))
        if isinstance(node.func, ast.Attribute):
            return self._called_method(node, node.func, env, go)
        owner = self._of.made_class(node)
        if owner is not None and owner in self._slice.live:
            made = Instance(owner)
            initial = self._of.method(owner, "__init__")
            if initial is not None:
                filled = self._given(initial, node, env, made)
                made.given = {k: v for k, v in filled.items() if v is not made}
                self._inline(initial, filled, env)
            return made
        called = self._of.callee(node)
        if called is not None and called in self._slice.live and owner is None:
            return self._inline(called, self._given(called, node, env, None), env)
        return self._plain_call(node, env, go)

    def _plain_call(self, node: ast.Call, env: Any, go: Any) -> Any:
        """A call of something that is not followed, though something in its arguments may be."""
        for part in (*node.args, *(k.value for k in node.keywords)):
            if part in self._slice.within:
                self.compute(part, env)
        return super()._called(node, env, go)

    def _called_method(self, node: ast.Call, func: ast.Attribute, env: Names, go: Any) -> Any:
        held = self.compute(func.value, env)
        attr = func.attr
        args = [go(a) for a in node.args if not isinstance(a, ast.Starred)] if self._takes(held, attr) else []
        if isinstance(held, Unknown) and attr in STEPS and node in self._owner:
            held = self._last.get(self._owner[node], held)
        match held:
            case MovingOptimizer():
                return self._optimizer_method(held, attr, node, args, env)
            case MovingScheduler():
                return self._scheduler_method(held, attr, node, args, env)
            case Instance():
                definition = self._of.method(held.owner, attr)
                if attr == "save_hyperparameters" and definition is None:
                    held.fields["hparams"] = held.given
                    return None
                if definition is None:
                    return self._of.unknown(node)
                if definition in self._slice.live:
                    return self._inline(definition, self._given(definition, node, env, held), env)
                return super()._called(node, env, go)
            case _:
                pass
        if isinstance(held, Made) and is_client(held.path, attr):
            self._train(held, node, env)
            return self._of.unknown(node)
        if attr == "fit" and any(o.optimizer.framework in ("keras", "paddle") for o in self.optimizers):
            fit_model(self, node, env)
            return self._of.unknown(node)
        if attr in STEPS and args and isinstance(args[0], (MovingOptimizer, MovingScheduler)):
            if isinstance(args[0], MovingOptimizer):
                self.update(args[0], node)
            return self._of.unknown(node)
        if attr in PASS_THROUGH and args and any(isinstance(a, (MovingOptimizer, MovingScheduler)) for a in args):
            return tuple(args) if len(args) > 1 else args[0]
        if attr in ("append", "extend") and isinstance(held, list) and len(args) == 1:
            cast("list[Any]", held).append(args[0])
            return None
        chained = isinstance(held, Unknown) or (isinstance(held, Made) and held.path.startswith("optax."))
        if attr == "update" and chained and node in self._slice.within and len(node.args) >= 2:
            return self._optax_update(node)
        if attr == "apply_gradients":
            return self._optax_update(node)
        return self._plain_call(node, env, go)

    def _train(self, held: Made, node: ast.Call, env: Names) -> None:
        """A framework's own loop."""
        if held.path.rpartition(".")[2] == "Trainer" and held.path.startswith(LIGHTNING):
            given = [*node.args, *(k.value for k in node.keywords if k.arg == "model")]
            module = self.compute(given[0], env) if given else None
            if not isinstance(module, Instance):
                raise ScriptError(
                    f"the module that {self.at(node)} fits is not made in the script; its rate cannot be seen"
                )
            fit_lightning(self, held, module, node, env)
        else:
            train_transformers(self, held, node, env)

    def _takes(self, held: Any, attr: str) -> bool:
        return isinstance(held, (MovingOptimizer, MovingScheduler, list)) or attr in STEPS or attr in PASS_THROUGH

    def _optax_update(self, node: ast.Call) -> Any:
        own = [o for o in self.optimizers if o.optimizer.framework == "optax"]
        if own:
            self.update(own[-1], node)
        return self._of.unknown(node)

    # ---- optimizers and schedulers -------------------------------------------------------------------------------

    def _make_optimizer(self, record: Optimizer, env: Names) -> MovingOptimizer:
        rate: Any = record.lr
        node = _argument(record.node, ("lr", "learning_rate"), 1 if record.framework == "torch" else 0)
        if isinstance(rate, (Unknown, Scheduler)) and node is not None:
            now = self.compute(node, env)
            rate = now if isinstance(now, MovingScheduler) or is_number(now) else rate
        if isinstance(rate, Scheduler):
            rate = self._make_scheduler(rate, env)
        if self.base is not None and (rate is None or is_number(rate) or isinstance(rate, Unknown)):
            rate = self.base
        function = rate if isinstance(rate, Function) else None
        made = made_optimizer(record, 0.0 if function is not None else rate)
        if function is not None:
            made.rule, made.function = lambda t: float(function(t)), function
        elif isinstance(rate, Pulled) and record.framework in ("optax", "keras"):
            made.scheduler, made.rule, made.asked = None, rate.values.at, rate
            made.bases = made.rates(0)
        return self.add(record, made)

    def add(self, record: Optimizer, made: MovingOptimizer | None = None) -> MovingOptimizer:
        """An optimizer that is there from now on."""
        made = made_optimizer(record, record.lr) if made is None else made
        self.optimizers.append(made)
        self._note(None)
        self._last[record.node] = made
        return made

    def _make_scheduler(self, record: Scheduler, env: Names) -> MovingScheduler:
        held: MovingOptimizer | None = None
        if record.optimizer is not None:
            found = self._last.get(record.optimizer.node)
            held = found if isinstance(found, MovingOptimizer) else None
        if record.optimizer_text and record.node.args:
            now = self.compute(record.node.args[0], env) if held is None else held
            held = now if isinstance(now, MovingOptimizer) else held
        if held is None and len(self.optimizers) == 1 and record.framework not in ("paddle", "optax", "keras"):
            held = self.optimizers[0]
        parts = [self._last.get(inner.node) for inner in record.inner]
        made = made_scheduler(
            record, self._native(record, env), held, [p for p in parts if isinstance(p, MovingScheduler)], MOST_TICKS
        )
        self._last[record.node] = made
        self._note(None)
        return made

    def _native(self, record: Scheduler, env: Names) -> Native:
        """What a scheduler is made with, with the values that names have now."""
        if record.native is None:
            raise ScriptError(f"the {record.name} of {self.at(record.node)} cannot be followed: {record.reason}")
        arguments = dict(record.native.arguments)
        for name, node in record.expressions.items():
            if _moving(arguments.get(name)):
                arguments[name] = self._as_argument(self.compute(node, env), arguments[name])
        return Native(record.native.framework, record.native.name, arguments)

    def _as_argument(self, value: Any, otherwise: Any) -> Any:
        match value:
            case MovingScheduler():
                return value.native
            case list() | tuple():
                held = cast("Sequence[Any]", value)
                others = list(cast("Sequence[Any]", otherwise)) if isinstance(otherwise, (list, tuple)) else [otherwise]
                others += [otherwise] * (len(held) - len(others))
                return [self._as_argument(v, o) for v, o in zip(held, others, strict=False)]
            case Made() | Unknown() | Instance():
                return Unknown(value.text) if isinstance(value, Made) else otherwise
            case _:
                return value

    def update(self, optimizer: MovingOptimizer, node: ast.AST, many: int = 1) -> None:
        """Updates with the rates of now."""
        self._note(("update", optimizer) if many == 1 else None)
        if self._total is not None:
            many = min(many, self._total - optimizer.updates)
        optimizer.update(many, self._turns)
        if self._total is not None and all(o.updates >= self._total or not o.updates for o in self.optimizers):
            raise Enough

    def _optimizer_method(self, held: MovingOptimizer, attr: str, node: ast.Call, args: list[Any], env: Names) -> Any:
        if attr in STEPS and attr != "second_step":
            self.update(held, node)
        elif attr == "set_lr" and args:
            self._write(held.groups[0], "lr", args[0], node)
        elif attr == "get_lr":
            return held.rates(held.updates)[0]
        elif attr == "add_param_group":
            raise ScriptError(
                f"{self.at(node)} adds a parameter group in mid-run, which is not followed; give all groups at once"
            )
        elif attr == "update":
            return self._optax_update(node)
        return self._of.unknown(node)

    def _scheduler_method(self, held: MovingScheduler, attr: str, node: ast.Call, args: list[Any], env: Names) -> Any:
        if attr in ("get_last_lr", "get_lr"):
            count = 1 if held.optimizer is None else len(held.optimizer.groups)
            now = [held.at(g) for g in range(count)]
            return now[0] if isinstance(held, Pulled) else now
        if attr not in STEPS:
            return self._of.unknown(node)
        keywords = {k.arg: self.compute(k.value, env) for k in node.keywords}
        epoch: Any = args[0] if args else keywords.get("epoch", keywords.get("num_updates"))
        if isinstance(held, Improving):
            self.assumed[f"the metric of the {held.scheduler.name} in line {held.scheduler.line} always improves"] = (
                None
            )
            epoch = None
        elif epoch is not None and not is_number(epoch):
            text = ", ".join(self._of.source(a) for a in (*node.args, *(k.value for k in node.keywords)))
            raise ScriptError(
                f"{self.at(node)} gives {text} to the step of a {held.scheduler.name}, which takes it for an epoch, "
                f"and its value cannot be told; write step()"
            )
        self.step(held, node, epoch)
        return None

    def step(self, held: MovingScheduler, node: ast.AST, epoch: float | None = None) -> None:
        """One step of a scheduler."""
        self._note(("step", held) if epoch is None else None)
        optimizer = held.optimizer
        if optimizer is not None:
            if self.implied and not self._slice.hidden and optimizer.turn != self._turns:
                self.update(optimizer, node)
            optimizer.stepped.append((held, optimizer.updates))
        try:
            held.step(epoch)
        except CadenceError as error:
            raise ScriptError(f"{self.at(node)}: {error}") from None
        except (ArithmeticError, ValueError, TypeError, KeyError, NotImplementedError) as fault:
            raise ScriptError(
                f"{self.at(node)}: step {held.steps} of the {held.scheduler.name} fails: {fault}; see to its length"
            ) from None

    # ---- functions of the script ---------------------------------------------------------------------------------

    def _given(self, definition: Definition, call: ast.Call, env: Names, owner: Instance | None) -> dict[str, Any]:
        """What a call gives the parameters of a function."""
        names = list(parameters(definition.args))
        filled: dict[str, Any] = {}
        if owner is not None and names:
            filled[names.pop(0)[0]] = owner
        values = self._items(call.args, lambda a: self.compute(a, env))
        filled |= {name: value for (name, _), value in zip(names, values, strict=False)}
        filled |= {k.arg: self.compute(k.value, env) for k in call.keywords if k.arg is not None}
        for name, default in names:
            if name not in filled:
                filled[name] = Unknown(name) if default is None else self.value(default)
        return filled

    def _inline(self, definition: Definition, filled: dict[str, Any], env: Names) -> Any:
        if self._calls >= DEEPEST:
            raise ScriptError(f"{definition.name}() in {self.at(definition)} calls itself too deeply to be followed")
        self._calls += 1
        nested = isinstance(self._of.parent(definition), (ast.FunctionDef, ast.AsyncFunctionDef))
        outer = env.maps if nested else [self._globals]
        try:
            self._block(definition.body, ChainMap(filled, *outer))
        except _Leave as leave:
            return leave.value
        finally:
            self._calls -= 1
        return None

    def at(self, node: ast.AST) -> str:
        """Where a node stands, as a message says it."""
        return self._script.at(getattr(node, "lineno", 0))


def followed(
    script: Script, resolver: Resolver, *, total: int | None, base: float | None, implied: bool = False
) -> Follower:
    """A script, followed.

    Args:
        script: what was read.
        resolver: of its tree.
        total: updates after which to stop; None: to the end.
        base: the learning rate instead of the script's own.
        implied: whether updates that the script does not show are taken for granted: in what trains by its name, or
            before each step of a scheduler.

    Raises:
        ScriptError: a rate depends on something that cannot be told.
    """
    follower = Follower(script, resolver, total=total, base=base, implied=implied)
    try:
        follower.follow()
    except ConversionError as error:
        raise ScriptError(str(error)) from None
    return follower


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
