"""Functions of a script, followed from their arguments to what they return."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, cast

from cadence._errors import CadenceError
from cadence.script.containers import bind
from cadence.script.index import Definition, parameters
from cadence.script.leaving import Leave
from cadence.script.model import Function, Made, Unknown
from cadence.script.operations import LONGEST, is_listed, truth_of

if TYPE_CHECKING:
    from cadence.script.evaluate import Env, Evaluator

DEEPEST = 60
"""Calls inside calls."""

_KEEPING = (ast.Global, ast.Nonlocal, ast.Yield, ast.YieldFrom)


class Bodies:
    """Functions of one tree."""

    def __init__(self, values: Evaluator) -> None:
        self._values = values
        self._of = values.resolver
        self._keeping: dict[ast.AST, bool] = {}
        self._parameters_of: dict[ast.AST, list[tuple[str, ast.expr | None]]] = {}

    def call(self, function: Function, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
        """What a function returns for given arguments; Unknown where that cannot be told."""
        node = function.node
        if self._values.depth > DEEPEST:
            return Unknown(function.text, "it calls itself too deeply")
        given = self._given(function, [*function.first, *args], {**function.by_name, **kwargs})
        if isinstance(given, Unknown):
            return given
        env: Env = {**(function.env or {}), **given}
        self._values.depth += 1
        try:
            if isinstance(node, ast.Lambda):
                return self._values.compute(node.body, env)
            return self._body(node, env)
        finally:
            self._values.depth -= 1

    def _given(self, function: Function, args: list[Any], kwargs: dict[str, Any]) -> dict[str, Any] | Unknown:
        """The value of each parameter."""
        node = function.node
        if node not in self._parameters_of:
            self._parameters_of[node] = list(parameters(node.args))
        names = self._parameters_of[node]
        if node.args.vararg is not None or len(args) > len(names):
            return Unknown(function.text)
        given: dict[str, Any] = {name: value for (name, _), value in zip(names, args, strict=False)} | kwargs
        for name, default in names:
            if name not in given:
                if default is None:
                    return Unknown(name, f"{function.text} is not given it")
                given[name] = self._values.value(default)
        return Unknown(function.text) if set(given) - {name for name, _ in names} else given

    def _body(self, node: Definition, env: Env) -> Any:
        # What a function keeps between its calls makes it no function of its arguments.
        if node not in self._keeping:
            self._keeping[node] = any(isinstance(part, _KEEPING) for part in ast.walk(node))
        if self._keeping[node]:
            return Unknown(node.name, f"{node.name} keeps something between its calls")
        try:
            stopped = self._statements(node.body, env)
        except Leave as leave:
            return leave.value if leave.kind is ast.Return else Unknown(node.name)
        except CadenceError:
            raise
        except (ArithmeticError, ValueError, TypeError, LookupError, AttributeError):
            return Unknown(node.name)
        return stopped

    def _statements(self, body: Iterable[ast.stmt], env: Env) -> Unknown | None:
        """Follow statements; an Unknown where they cannot be."""
        for statement in body:
            stopped = self._statement(statement, env)
            if stopped is not None:
                return stopped
        return None

    def _statement(self, node: ast.stmt, env: Env) -> Unknown | None:
        self._values.spend()
        match node:
            case ast.Return(value=value):
                raise Leave(ast.Return, None if value is None else self._values.compute(value, env))
            case ast.Assign(targets=targets, value=value):
                computed = self._values.compute(value, env)
                for target in targets:
                    if not bind(target, computed, env):
                        return self._of.unknown(node)
            case ast.AnnAssign(target=target, value=value):
                if value is not None and not bind(target, self._values.compute(value, env), env):
                    return self._of.unknown(node)
            case ast.AugAssign(target=ast.Name(id=name) as target, op=op, value=value):
                before = ast.copy_location(ast.Name(name, ast.Load()), target)
                env[name] = self._values.binary(
                    target, op, self._values.compute(before, env), self._values.compute(value, env)
                )
            case ast.If(test=test, body=body, orelse=orelse):
                truth = truth_of(self._values.compute(test, env))
                if truth is None:
                    return self._of.unknown(test)
                return self._statements(body if truth else orelse, env)
            case ast.For(target=target, iter=over, body=body, orelse=orelse):
                return self._for(target, over, body, orelse, env)
            case ast.While(test=test, body=body):
                return self._while(test, body, env)
            case ast.FunctionDef(name=name):
                env[name] = Function(name, node, self._values, env)
            case ast.Break() | ast.Continue():
                raise Leave(type(node))
            case ast.Expr(value=ast.Constant()) | ast.Pass() | ast.Assert() | ast.Import() | ast.ImportFrom():
                return None
            case ast.Expr(value=ast.Call(func=ast.Name(id="print"))):
                return None
            case ast.Expr(value=ast.Call(func=ast.Attribute(value=owner, attr=attr), args=args)):
                held = self._values.compute(owner, env)
                if isinstance(held, list) and attr == "append" and len(args) == 1:
                    cast("list[Any]", held).append(self._values.compute(args[0], env))
                    return None
                # What is told to an object that is not followed (a parser, a logger) is no value.
                return None if isinstance(held, Made) else self._of.unknown(node)
            case _:
                return self._of.unknown(node)
        return None

    def _for(
        self, target: ast.expr, over: ast.expr, body: list[ast.stmt], orelse: list[ast.stmt], env: Env
    ) -> Unknown | None:
        items = self._values.compute(over, env)
        if not is_listed(items) or len(items) > LONGEST:
            return self._of.unknown(over)
        for item in items:
            if not bind(target, item, env):
                return self._of.unknown(target)
            stays, stopped = self._turn(body, env)
            if stopped is not None or not stays:
                return stopped
        return self._statements(orelse, env)

    def _while(self, test: ast.expr, body: list[ast.stmt], env: Env) -> Unknown | None:
        while True:
            truth = truth_of(self._values.compute(test, env))
            if truth is None:
                return self._of.unknown(test)
            if not truth:
                return None
            stays, stopped = self._turn(body, env)
            if stopped is not None or not stays:
                return stopped

    def _turn(self, body: list[ast.stmt], env: Env) -> tuple[bool, Unknown | None]:
        """One turn of a loop: whether the loop goes on, and what could not be followed."""
        try:
            return True, self._statements(body, env)
        except Leave as leave:
            if leave.kind is ast.Return:
                raise
            return leave.kind is ast.Continue, None
