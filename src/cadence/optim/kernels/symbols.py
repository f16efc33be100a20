"""Symbols that stand for tensors and numbers: a rule that is executed with them writes itself down."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias, final

Operand: TypeAlias = "Symbol | float"


@final
@dataclass(frozen=True, eq=False)
class Symbol:
    """One value of a formula: an operation on others, or something that is given.

    Attributes:
        operation: ``"given"``, or what is done with the operands.
        operands: symbols, or finite numbers.
        elementwise: whether it has a value for every element of the tensor, rather than one for all.
        name: of what is given.
    """

    operation: str
    operands: tuple[Operand, ...] = ()
    elementwise: bool = False
    name: str = ""

    def __add__(self, other: Operand) -> Symbol:
        return _made("add", self, other)

    def __radd__(self, other: Operand) -> Symbol:
        return _made("add", other, self)

    def __sub__(self, other: Operand) -> Symbol:
        return _made("subtract", self, other)

    def __rsub__(self, other: Operand) -> Symbol:
        return _made("subtract", other, self)

    def __mul__(self, other: Operand) -> Symbol:
        return _made("multiply", self, other)

    def __rmul__(self, other: Operand) -> Symbol:
        return _made("multiply", other, self)

    def __truediv__(self, other: Operand) -> Symbol:
        return _made("divide", self, other)

    def __rtruediv__(self, other: Operand) -> Symbol:
        return _made("divide", other, self)

    def __pow__(self, other: Operand) -> Symbol:
        return _made("power", self, other)

    def __neg__(self) -> Symbol:
        return _made("negate", self)

    def __lt__(self, other: Operand) -> Symbol:
        return _made("less", self, other)

    def __gt__(self, other: Operand) -> Symbol:
        return _made("less", other, self)

    def __eq__(self, other: object) -> Symbol:  # type: ignore[override]
        assert isinstance(other, (Symbol, int, float))
        return _made("equal", self, other)

    def __or__(self, other: Operand) -> Symbol:
        return _made("or", self, other)

    __hash__ = object.__hash__

    def __bool__(self) -> bool:
        raise TypeError("a rule may not decide by a value that is only known when it runs; write xp.where")


def given(name: str, *, elementwise: bool) -> Symbol:
    """A tensor or number from outside."""
    return Symbol("given", (), elementwise, name)


@final
class SymbolicNumbers:
    """`cadence.optim.rules.rule.Numbers` for symbols."""

    def sqrt(self, x: Symbol) -> Symbol:
        return _made("sqrt", x)

    def mix(self, a: Operand, b: Operand, share: Operand) -> Symbol:
        return _made("add", a, _made("multiply", share, _made("subtract", b, a)))

    def clip(self, x: Operand, low: Operand, high: Operand) -> Symbol:
        return self.minimum(self.maximum(x, low), high)

    def minimum(self, x: Operand, y: Operand) -> Symbol:
        return _made("minimum", x, y)

    def maximum(self, x: Operand, y: Operand) -> Symbol:
        return _made("maximum", x, y)

    def where(self, condition: Symbol, x: Operand, y: Operand) -> Symbol:
        return _made("where", condition, x, y)


def _made(operation: str, *operands: Operand) -> Symbol:
    return Symbol(operation, operands, any(isinstance(o, Symbol) and o.elementwise for o in operands))
