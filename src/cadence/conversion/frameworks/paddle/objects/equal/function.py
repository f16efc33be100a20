"""Formulas as python functions, which LambdaDecay takes, and the one formula that is a scheduler of its own."""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from cadence._xp import scalars
from cadence.conversion.frameworks.paddle.objects.equal.part import call
from cadence.conversion.native import Native
from cadence.curve.placed import PlacedFormula
from cadence.spec.formula import Expression, read_formula

CYCLING = re.compile(r"\(?1 - t / \((\d+) \* max\(-\(-t // \1\), 1\)\)(?:\) \*\* (\S+))?")
"""What is left in a PolynomialDecay with cycle=True, as `decays.cycling` writes it."""

OF_MATH = ("sqrt", "exp", "log", "sin", "cos")


@dataclass(frozen=True)
class Function:
    """A function of the epoch that shows its source.

    Attributes:
        formula: with the epoch called t.
        source: the same as a lambda.
    """

    formula: str
    source: str

    @property
    def __name__(self) -> str:
        return self.source

    @cached_property
    def _expression(self) -> Expression:
        return read_formula(self.formula)

    def __call__(self, epoch: int) -> float:
        """The value."""
        return float(self._expression({"t": float(epoch)}, scalars))


def function_of(node: PlacedFormula, begin: int) -> Function | str:
    """A placed formula as a function of the epochs since `begin`; the reason where it is none."""
    if node.scale != 1:
        return "its clock is stretched"
    if "u" in node.expression.names:
        return "it speaks of u, its share done; write it in t"
    tree = _OfTheEpoch(node, begin).visit(ast.parse(node.text.strip(), mode="eval").body)
    return Function(ast.unparse(tree), f"lambda epoch: {ast.unparse(_Python().visit(tree))}")


class _OfTheEpoch(ast.NodeTransformer):
    """The clock's names in terms of the updates since `begin`, and known numbers put in."""

    def __init__(self, node: PlacedFormula, begin: int) -> None:
        self._node, self._shift = node, begin - node.origin

    def visit_Name(self, node: ast.Name) -> ast.expr:
        t: ast.expr = ast.Name("t")
        if self._shift:
            t = ast.BinOp(t, ast.Add(), ast.Constant(self._shift))
        if node.id == "t":
            return t
        if node.id == "total":
            return ast.Constant(self._node.total)
        if node.id in ("epoch", "epoch_float"):
            per_epoch = self._node.steps_per_epoch
            if per_epoch == 1:
                return t
            return ast.BinOp(t, ast.FloorDiv() if node.id == "epoch" else ast.Div(), ast.Constant(per_epoch))
        return node


class _Python(ast.NodeTransformer):
    """A formula in python's words."""

    def visit_Name(self, node: ast.Name) -> ast.expr:
        if node.id == "t":
            return ast.Name("epoch")
        return ast.Attribute(ast.Name("math"), "pi") if node.id == "pi" else node

    def visit_Call(self, node: ast.Call) -> ast.expr:
        name, arguments = ast.unparse(node.func), [self.visit(x) for x in node.args]
        if name == "where":
            return ast.IfExp(*arguments)
        function = ast.Attribute(ast.Name("math"), name) if name in OF_MATH else ast.Name(name)
        return ast.Call(function, arguments, [])

    def visit_BoolOp(self, node: ast.BoolOp) -> ast.expr:
        # In a formula the result is 1 or 0, in python one of the operands.
        return ast.Call(ast.Name("bool"), [ast.BoolOp(node.op, [self.visit(x) for x in node.values])], [])


def cycling(node: Any, begin: int, high: float, low: float) -> Native | None:
    """PolynomialDecay with cycle=True, where a formula is its own; else None."""
    if not isinstance(node, PlacedFormula) or node.origin != begin or node.scale != 1:
        return None
    match = CYCLING.fullmatch(node.text)
    if match is None:
        return None
    power = 1.0 if match[2] is None else float(match[2])
    return call("PolynomialDecay", learning_rate=high, decay_steps=int(match[1]), end_lr=low, power=power, cycle=True)
