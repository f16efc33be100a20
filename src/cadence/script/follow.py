"""A script followed from its first line to its last, as far as rates go: by whitelist over its syntax tree.

Statements that no rate depends on are passed over; an optimizer or scheduler is a model of ours; a value that only a
run would show is unknown, and where a rate depends on one, that is said instead of a guess.
"""

from __future__ import annotations

import ast
from collections import ChainMap
from collections.abc import Sequence
from functools import partial
from typing import Any, cast

from cadence._errors import ConversionError, ScriptError
from cadence.script.assignments import Assignments
from cadence.script.branches import Branches
from cadence.script.engines import Engines
from cadence.script.evaluate import Env, Evaluator
from cadence.script.in_run import InRun
from cadence.script.index import Definition, parameters
from cadence.script.instance import Instance, Names
from cadence.script.leaving import Enough, Leave, TooMuch
from cadence.script.log import Log
from cadence.script.model import Function, Optimizer, Script, Unknown
from cadence.script.movers import Movers
from cadence.script.resolve import Resolver
from cadence.script.sims import MovingOptimizer, MovingScheduler
from cadence.script.slice import Slice
from cadence.script.turns import Turns

MOST_TURNS = 100_000
"""Turns of loops that are followed one by one."""

MOST_STATEMENTS = 500_000

DEEPEST = 30
"""Calls inside calls of the script's own functions."""


class Follower:
    """Follows one script.

    Attributes:
        script: what was read.
        resolver: of its tree.
        total: updates after which to stop; None: at the end.
        base: the learning rate instead of the script's own.
        implied: whether updates that the script does not show are taken for granted.
        by_epoch: whether one update stands for an epoch, because the length of one is not known and does not matter.
        assumed: sentences on what was taken for granted.
        globals: names at the top of the script, with what they hold.
        slice: the statements that a rate depends on.
        log: what turns of loops did.
        values: of expressions, as they are now.
        movers: optimizers and schedulers.
        assignments: what a target is given.
        branches: which arm is taken.
        turns: of loops.
        engines: of Ignite's.
    """

    def __init__(
        self, script: Script, resolver: Resolver, *, total: int | None, base: float | None, implied: bool
    ) -> None:
        self.script = script
        self.resolver = resolver
        self.total = total
        self.base = base
        self.implied = implied
        self.by_epoch = False
        self.assumed: dict[str, None] = {}
        self.globals: dict[str, Any] = {"__name__": "__main__"}
        self.slice = Slice(script, resolver, implied=implied)
        self.log = Log()
        self.values = Evaluator(resolver, partial(InRun, self))
        self.movers = Movers(self)
        self.assignments = Assignments(self)
        self.branches = Branches(self)
        self.turns = Turns(self)
        self.engines = Engines(self)
        self._statements_done = 0
        self._calls = 0

    # ---- the way through -----------------------------------------------------------------------------------------

    def follow(self) -> None:
        """From the first line to the last.

        Raises:
            ScriptError: a rate depends on something that cannot be told; the sentence names the line.
        """
        env: Names = ChainMap(self.globals)
        try:
            self.block(self.script.tree.body, env)
            if not any(o.updates or o.stepped for o in self.optimizers):
                self._uncalled(env)
        except (Enough, Leave):
            pass
        except TooMuch:
            raise ScriptError(f"{self.script.name} takes too long to follow; write shorter functions") from None
        except RecursionError:
            raise ScriptError(f"{self.script.name} nests too deeply to be followed; write it flatter") from None

    def _uncalled(self, env: Names) -> None:
        """A file of functions: those that nothing in it calls, in the order of the text."""
        for name, definition in self.resolver.index.functions.items():
            if definition in self.slice.live and not self.resolver.sites(definition) and "." not in name:
                filled: dict[str, Any] = {}
                for parameter, default in parameters(definition.args):
                    filled[parameter] = Unknown(parameter) if default is None else self.values.value(default)
                self.assumed[f"{name}() is called once, by whoever uses this file"] = None
                self.inline(definition, filled, env)

    def block(self, body: Sequence[ast.stmt], env: Names) -> None:
        """Statements in a row, as far as a rate depends on them."""
        for statement in body:
            if self.slice.holds(statement) or isinstance(statement, (ast.Break, ast.Continue, ast.Return)):
                self._follow_statement(statement, env)

    def _follow_statement(self, node: ast.stmt, env: Names) -> None:
        self._statements_done += 1
        if self._statements_done > MOST_STATEMENTS:
            raise self.too_long(node)
        self.values.afresh()
        match node:
            case ast.Expr(value=value):
                self.compute(value, env)
            case ast.Assign(targets=targets, value=value):
                computed = self.compute(value, env)
                for target in targets:
                    self.assignments.assign(target, computed, env, node)
            case ast.AnnAssign(target=target, value=value):
                if value is not None:
                    self.assignments.assign(target, self.compute(value, env), env, node)
            case ast.AugAssign(target=target, op=op, value=value):
                before = self.compute(target, env)
                self.assignments.assign(
                    target, self.values.binary(node.value, op, before, self.compute(value, env)), env, node
                )
            case ast.If():
                self.branches.follow(node, env)
            case ast.For() | ast.AsyncFor() | ast.While():
                self.turns.loop(node, env)
            case ast.With() | ast.AsyncWith():
                for item in node.items:
                    entered = self.compute(item.context_expr, env)
                    if item.optional_vars is not None:
                        self.assignments.assign(item.optional_vars, entered, env, node)
                self.block(node.body, env)
            case ast.Try() | ast.TryStar():
                self.block(node.body, env)
                self.block(node.orelse, env)
                self.block(node.finalbody, env)
            case ast.FunctionDef():
                function = Function(node.name, node, self.values, cast("dict[str, Any]", env))
                if len(env.maps) > 1:
                    env[node.name] = function
                self.engines.decorated(node, function, env)
            case ast.Return(value=value):
                raise Leave(ast.Return, None if value is None else self.compute(value, env))
            case ast.Break() | ast.Continue():
                raise Leave(type(node))
            case ast.Match():
                raise ScriptError(
                    f"{self.at(node)} chooses by match what becomes of a rate, which is not followed; write if"
                )
            case _:
                pass

    # ---- functions of the script ---------------------------------------------------------------------------------

    def given(self, definition: Definition, call: ast.Call, env: Names, owner: Instance | None) -> dict[str, Any]:
        """What a call gives the parameters of a function."""
        names = list(parameters(definition.args))
        filled: dict[str, Any] = {}
        if owner is not None and names:
            filled[names.pop(0)[0]] = owner
        values = self.values.containers.items(call.args, env)
        filled |= {name: value for (name, _), value in zip(names, values, strict=False)}
        filled |= {k.arg: self.compute(k.value, env) for k in call.keywords if k.arg is not None}
        for name, default in names:
            if name not in filled:
                filled[name] = Unknown(name) if default is None else self.values.value(default)
        return filled

    def inline(self, definition: Definition, filled: dict[str, Any], env: Names) -> Any:
        """What a function of the script does and returns, with the values of its parameters."""
        if self._calls >= DEEPEST:
            raise ScriptError(f"{definition.name}() in {self.at(definition)} calls itself too deeply to be followed")
        self._calls += 1
        nested = isinstance(self.resolver.parent(definition), (ast.FunctionDef, ast.AsyncFunctionDef))
        outer = env.maps if nested else [self.globals]
        try:
            self.block(definition.body, ChainMap(filled, *outer))
        except Leave as leave:
            return leave.value
        finally:
            self._calls -= 1
        return None

    def call_method(self, owner: Instance, name: str, node: ast.Call, env: Names) -> Any:
        """What a method of an object of the script returns, without arguments."""
        definition = self.resolver.method(owner.owner, name)
        if definition is None:
            raise ScriptError(
                f"{owner.owner.name} in {self.at(owner.owner)} has no {name}; there is no optimizer to see"
            )
        filled: dict[str, Any] = {parameters_of[0]: owner for parameters_of in list(parameters(definition.args))[:1]}
        return self.inline(definition, filled, env)

    # ---- what the parts share ------------------------------------------------------------------------------------

    @property
    def optimizers(self) -> list[MovingOptimizer]:
        """As they were made."""
        return self.movers.optimizers

    @property
    def steps_per_epoch(self) -> int | None:
        """Batches in an epoch, where the caller said so."""
        return self.script.steps_per_epoch

    def compute(self, node: ast.expr, env: Env) -> Any:
        """The value of an expression now."""
        return self.values.compute(node, env)

    def add(self, record: Optimizer) -> MovingOptimizer:
        """An optimizer that is there from now on."""
        return self.movers.add(record)

    def update(self, optimizer: MovingOptimizer, node: ast.AST, many: int = 1) -> None:
        """Updates with the rates of now."""
        self.movers.update(optimizer, node, many)

    def step(self, scheduler: MovingScheduler, node: ast.AST, epoch: float | None = None) -> None:
        """One step of a scheduler."""
        self.movers.step(scheduler, node, epoch)

    def turned(self, node: ast.AST) -> None:
        """One turn of a loop."""
        self.log.turns += 1
        if self.log.turns > MOST_TURNS:
            raise self.too_long(node)

    def too_long(self, node: ast.AST) -> ScriptError:
        """The sentence for a script that does too much to be followed."""
        return ScriptError(
            f"the loop of {self.at(node)} takes more than {MOST_TURNS} turns, too many to follow one by one; follow "
            f"the beginning: --total 10000"
        )

    def at(self, node: ast.AST) -> str:
        """Where a node stands, as a message says it."""
        return self.script.at(getattr(node, "lineno", 0))


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
