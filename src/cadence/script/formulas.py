"""A function of a script as a formula in the text form, where it is one."""

from __future__ import annotations

import ast
import math
from collections.abc import Sequence

from cadence._errors import ConversionError
from cadence.script.evaluate import Evaluator
from cadence.script.index import parameters
from cadence.script.model import Function, is_number

LONGEST = 400
"""Characters of a formula that still says more than a table."""

_CALLS = frozenset({"min", "max", "sqrt", "exp", "log", "sin", "cos"})


def formula_of(function: Function, clock: str) -> str | None:
    """The formula that a function of one number means; None where it means none that could be written in few words.

    Args:
        function: of the script.
        clock: the formula's name for its argument: ``"t"`` or ``"epoch"``.
    """
    names = [name for name, _ in parameters(function.node.args)]
    free = names[len(function.first) :]
    if not free or free[0] in function.by_name:
        return None
    try:
        made = _Written(function, free[0], clock).whole()
    except (_NoFormula, ConversionError, RecursionError):
        return None
    text = ast.unparse(ast.fix_missing_locations(made))
    return text if len(text) <= LONGEST else None


class _NoFormula(Exception):
    """Something that no formula can say."""


class _Written:
    """Writes one function."""

    def __init__(self, function: Function, argument: str, clock: str) -> None:
        self._node = function.node
        self._evaluator: Evaluator = function.evaluator
        self._argument = argument
        self._clock = clock
        self._env = dict(function.env or {})
        names = list(parameters(function.node.args))
        self._env |= {name: value for (name, _), value in zip(names, function.first, strict=False)}
        self._env |= function.by_name
        for name, default in names:
            if name != argument and name not in self._env and default is not None:
                self._env[name] = self._evaluator.value(default)
        self._local: dict[str, ast.expr] = {}

    def whole(self) -> ast.expr:
        if isinstance(self._node, ast.Lambda):
            return self._expression(self._node.body)
        return self._body(self._node.body)

    def _body(self, body: Sequence[ast.stmt]) -> ast.expr:
        for i, statement in enumerate(body):
            match statement:
                case ast.Return(value=ast.expr() as value):
                    return self._expression(value)
                case ast.Assign(targets=[ast.Name(id=name)], value=value):
                    self._local[name] = self._expression(value)
                case ast.If(test=test, body=inner, orelse=orelse):
                    chosen, kept = self._expression(test), dict(self._local)
                    first = self._body([*inner, *body[i + 1 :]])
                    self._local = kept
                    return ast.IfExp(chosen, first, self._body([*orelse, *body[i + 1 :]]))
                case ast.Expr(value=ast.Constant()) | ast.Assert() | ast.Pass():
                    continue
                case _:
                    raise _NoFormula
        raise _NoFormula

    def _expression(self, node: ast.expr) -> ast.expr:
        if not self._moves(node):
            value = self._evaluator.compute(node, self._env)
            if not is_number(value) or not math.isfinite(value):
                raise _NoFormula
            return ast.Name("pi", ast.Load()) if value == math.pi else ast.Constant(value)
        match node:
            case ast.Name(id=name):
                return self._local[name] if name in self._local else ast.Name(self._clock, ast.Load())
            case ast.UnaryOp(op=ast.USub() | ast.UAdd() | ast.Not() as op, operand=operand):
                return ast.UnaryOp(op, self._expression(operand))
            case ast.BinOp(left=left, op=op, right=right) if not isinstance(op, _BITS):
                return ast.BinOp(self._expression(left), op, self._expression(right))
            case ast.BoolOp(op=op, values=parts):
                return ast.BoolOp(op, [self._expression(part) for part in parts])
            case ast.Compare(left=left, ops=ops, comparators=others) if all(isinstance(op, _ORDERS) for op in ops):
                return ast.Compare(self._expression(left), ops, [self._expression(other) for other in others])
            case ast.IfExp(test=test, body=body, orelse=orelse):
                return ast.IfExp(self._expression(test), self._expression(body), self._expression(orelse))
            case ast.Call(func=func, args=args, keywords=[]):
                name = ast.unparse(func).rpartition(".")[2]
                parts = [self._expression(each) for each in args]
                if name == "float" and len(parts) == 1:
                    return parts[0]
                if name not in _CALLS or not parts:
                    raise _NoFormula
                return ast.Call(ast.Name(name, ast.Load()), parts, [])
            case _:
                raise _NoFormula

    def _moves(self, node: ast.expr) -> bool:
        """Whether an expression depends on the argument."""
        names = {part.id for part in ast.walk(node) if isinstance(part, ast.Name)}
        return self._argument in names or bool(names & set(self._local))


_BITS = (ast.LShift, ast.RShift, ast.BitAnd, ast.BitOr, ast.BitXor, ast.MatMult)
_ORDERS = (ast.Lt, ast.LtE, ast.Gt, ast.GtE, ast.Eq, ast.NotEq)
