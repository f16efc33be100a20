"""Functions of one name that were given as text: read as formulas, never run."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from cadence._errors import ConversionError, SpecError
from cadence.spec.formula import Expression, read_formula

MODULES = ("math", "np", "numpy", "torch", "jnp", "jax.numpy", "paddle", "ops", "keras.ops")
"""Modules whose functions of these names mean the same."""

SAME = {
    "sqrt": "sqrt", "exp": "exp", "log": "log", "sin": "sin", "cos": "cos", "where": "where", "min": "min",
    "max": "max", "minimum": "min", "maximum": "max",
}  # fmt: skip
"""Function -> the formula's name for it."""


@dataclass(frozen=True)
class Written:
    """A function of the number of steps, as it was written and as a formula.

    Attributes:
        source: as written: ``"lambda epoch: 0.95 ** epoch"``.
        parameter: the name it is a function of.
        body: what stands behind the colon, in the words of `cadence.formula` but for the parameter.
    """

    source: str
    parameter: str
    body: str

    @property
    def __name__(self) -> str:
        """What stands for it where a call is printed."""
        return self.source

    def formula(self, clock: str) -> str:
        """The formula, the parameter called `clock`."""
        tree = ast.parse(self.body, mode="eval")
        for node in ast.walk(tree):
            if isinstance(node, ast.Name) and node.id == self.parameter:
                node.id = clock
        return ast.unparse(tree)

    @cached_property
    def _expression(self) -> Expression:
        return read_formula(self.formula("t"))

    def __call__(self, k: int) -> float:
        """The value at step `k`."""
        with np.errstate(all="ignore"):
            return float(self._expression({"t": np.float64(k)}, np))


def written(source: str, node: ast.Lambda) -> Written:
    """A lambda's syntax tree as a formula.

    Args:
        source: its text.
        node: the tree.

    Raises:
        ConversionError: not a function of one name, or something in it that a formula cannot say.

    Example:
        >>> text = "lambda e: 0.5 * (1 + math.cos(math.pi * e / 90))"
        >>> written(text, ast.parse(text, mode="eval").body).formula("t")
        '0.5 * (1 + cos(pi * t / 90))'
    """
    a = node.args
    if len(a.args) != 1 or a.posonlyargs or a.kwonlyargs or a.vararg or a.kwarg or a.defaults:
        raise ConversionError(f"{source!r:.80} is not a function of one name; write e.g. lambda epoch: 0.95 ** epoch")
    parameter = a.args[0].arg
    body = _Translation(source, parameter).visit(node.body)
    made = Written(source, parameter, ast.unparse(ast.fix_missing_locations(body)))
    try:
        read_formula(made.formula("t"))
    except SpecError as fault:
        raise ConversionError(f"{source!r:.80} cannot be read as a formula: {fault}") from None
    return made


class _Translation(ast.NodeTransformer):
    """Python's words into the formula's; what has none is left for the formula's own check to refuse."""

    def __init__(self, source: str, parameter: str) -> None:
        self._source = source
        self._parameter = parameter
        self._asked = False

    def visit_Name(self, node: ast.Name) -> ast.expr:
        if node.id not in (self._parameter, "pi"):
            raise ConversionError(
                f"{self._source!r:.80} uses {node.id!r}, whose value the text does not say; write the number"
            )
        return node

    def visit_Attribute(self, node: ast.Attribute) -> ast.expr:
        if node.attr == "pi" and ast.unparse(node.value) in MODULES:
            return ast.Name("pi", ast.Load())
        raise ConversionError(f"{self._source!r:.80} uses {ast.unparse(node)!r:.60}, which no formula has")

    def visit_BoolOp(self, node: ast.BoolOp) -> ast.expr:
        self._needs_question(node)
        node.values = [self.visit(v) for v in node.values]
        return node

    def visit_UnaryOp(self, node: ast.UnaryOp) -> ast.expr:
        if isinstance(node.op, ast.Not):
            self._needs_question(node)
        node.operand = self.visit(node.operand)
        return node

    def visit_IfExp(self, node: ast.IfExp) -> ast.expr:
        before, self._asked = self._asked, True
        test = self.visit(node.test)
        self._asked = before
        return ast.IfExp(test, self.visit(node.body), self.visit(node.orelse))

    def visit_Call(self, node: ast.Call) -> ast.expr:
        name = self._function(node.func)
        arguments = [self.visit(a) for a in node.args]
        if node.keywords:
            raise ConversionError(f"{self._source!r:.80} calls {name} with names; write the values alone")
        if name in SAME:
            return ast.Call(ast.Name(SAME[name], ast.Load()), arguments, [])
        if name == "pow" and len(arguments) == 2:
            return ast.BinOp(arguments[0], ast.Pow(), arguments[1])
        if len(arguments) == 1:
            x = arguments[0]
            match name:
                case "float":
                    return x
                case "abs" | "fabs":
                    return ast.Call(ast.Name("max", ast.Load()), [x, ast.UnaryOp(ast.USub(), x)], [])
                case "floor":
                    return _floor(x)
                case "ceil":
                    return ast.UnaryOp(ast.USub(), _floor(ast.UnaryOp(ast.USub(), x)))
                case "int":
                    # Towards zero, which is downwards for what is never negative.
                    toward = ast.UnaryOp(ast.USub(), _floor(ast.UnaryOp(ast.USub(), x)))
                    test = ast.Compare(x, [ast.GtE()], [ast.Constant(0)])
                    return _floor(x) if _never_negative(x) else ast.IfExp(test, _floor(x), toward)
                case _:
                    pass
        raise ConversionError(f"{self._source!r:.80} calls {name}, which no formula has; give total= and an object")

    def _function(self, node: ast.expr) -> str:
        match node:
            case ast.Name(id=name):
                return name
            case ast.Attribute(value=module, attr=name) if ast.unparse(module) in MODULES:
                return name
            case _:
                raise ConversionError(f"{self._source!r:.80} calls {ast.unparse(node)!r:.60}, which no formula has")

    def _needs_question(self, node: ast.expr) -> None:
        # `x or 1` is x in Python and 1 in a formula: only as a question do the two mean the same.
        if not self._asked:
            raise ConversionError(
                f"{self._source!r:.80} takes {ast.unparse(node)!r:.60} for a number; write `a if question else b`"
            )


def _floor(x: ast.expr) -> ast.expr:
    return ast.BinOp(x, ast.FloorDiv(), ast.Constant(1))


def _never_negative(x: ast.expr) -> bool:
    match x:
        case ast.Constant() | ast.Name():
            return True
        case ast.BinOp(left=left, op=ast.Add() | ast.Mult() | ast.Div() | ast.FloorDiv(), right=right):
            return _never_negative(left) and _never_negative(right)
        case _:
            return False
