"""Symbols as lines of C or CUDA: numbers once, before a loop; elements within it."""

from __future__ import annotations

import abc
from typing import Literal, final

from cadence.optim.kernels.symbols import Operand, Symbol

Truth = Literal["int", "bool"]
"""Type of what is true or not."""

_BINARY = {
    "add": "+",
    "subtract": "-",
    "multiply": "*",
    "divide": "/",
    "less": "<",
    "equal": "==",
    "or": "||",
}

_TRUE_OR_NOT = frozenset({"less", "equal", "or"})


class Given(abc.ABC):
    """Numbers that code is given, as far as it does not compute them itself."""

    @abc.abstractmethod
    def text(self, x: Operand, before: list[str]) -> str | None:
        """What stands for a number, in double precision; None: it is computed from its operands.

        Args:
            x: that is no element.
            before: lines before the loop, for a declaration.
        """


@final
class Writer:
    """Writes symbols: numbers once, in double precision, before the loops; elements in the loops, in TYPE.

    Args:
        given: numbers that are not computed.
        truth: type of what is true or not.

    Attributes:
        before: lines before the loops.
        lines: within them.
        loaded: names of the tensors that they read.
    """

    def __init__(self, given: Given, truth: Truth) -> None:
        self._given = given
        self._truth = truth
        self.before: list[str] = []
        self.lines: list[str] = []
        self.loaded: list[str] = []
        self._numbers: dict[object, str] = {}
        self._casts: dict[str, str] = {}
        self._elements: dict[object, str] = {}

    def element(self, x: Operand) -> str:
        """Name of the variable, within the loop, that holds this value of one element."""
        if not isinstance(x, Symbol) or not x.elementwise:
            return self._cast(self.number(x))
        if x.operation == "given":
            if x.name not in self.loaded:
                self.loaded.append(x.name)
            return f"e_{x.name}"
        operands = tuple(self.element(o) for o in x.operands)
        key = (x.operation, *operands)
        if key not in self._elements:
            name = self._elements[key] = f"e{len(self._elements)}"
            kind = self._truth if x.operation in _TRUE_OR_NOT else "TYPE"
            self.lines.append(f"const {kind} {name} = {operation(x.operation, operands, 'ROOT')};")
        return self._elements[key]

    def number(self, x: Operand) -> str:
        """What stands, before the loop, for this number in double precision."""
        told = self._given.text(x, self.before)
        if told is not None:
            return told
        assert isinstance(x, Symbol)
        operands = tuple(self.number(o) for o in x.operands)
        key = (x.operation, *operands)
        if key not in self._numbers:
            name = self._numbers[key] = f"n{len(self._numbers)}"
            kind = self._truth if x.operation in _TRUE_OR_NOT else "double"
            self.before.append(f"const {kind} {name} = {operation(x.operation, operands, 'sqrt')};")
        return self._numbers[key]

    def _cast(self, number: str) -> str:
        if number not in self._casts:
            name = self._casts[number] = f"c{len(self._casts)}"
            self.before.append(f"const TYPE {name} = (TYPE){number};")
        return self._casts[number]


def operation(name: str, operands: tuple[str, ...], root: str) -> str:
    """An operation as C.

    Args:
        name: of the operation, as a `Symbol` has it.
        operands: names of variables, or numbers.
        root: name of the function that takes square roots.
    """
    match name:
        case "negate":
            return f"-{operands[0]}"
        case "sqrt":
            return f"{root}({operands[0]})"
        case "power":
            return f"pow({operands[0]}, {operands[1]})"
        # What is not a number is smaller than nothing, and so stays.
        case "minimum":
            return f"{operands[0]} > {operands[1]} ? {operands[1]} : {operands[0]}"
        case "maximum":
            return f"{operands[0]} < {operands[1]} ? {operands[1]} : {operands[0]}"
        case "where":
            return f"{operands[0]} ? {operands[1]} : {operands[2]}"
        case _:
            return f"{operands[0]} {_BINARY[name]} {operands[1]}"
