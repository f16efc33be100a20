"""The numbers of a traced formula: what is given, and what follows from it."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import final

from cadence.optim.kernels.symbols import Operand, Symbol


@final
class Values:
    """Numbers by their symbols, computed once each.

    Args:
        given: by name.

    Example:
        >>> from cadence.optim.kernels.symbols import given
        >>> Values({"beta": 0.5, "t": 3.0})[1 - given("beta", elementwise=False) ** given("t", elementwise=False)]
        0.875
    """

    def __init__(self, given: Mapping[str, float]) -> None:
        self._given = given
        self._known: dict[int, float] = {}

    def __getitem__(self, x: Operand) -> float:
        if not isinstance(x, Symbol):
            return float(x)
        if x.operation == "given":
            return float(self._given[x.name])
        known = self._known.get(id(x))
        if known is None:
            known = self._known[id(x)] = float(_OPERATIONS[x.operation](*(self[o] for o in x.operands)))
        return known

    def then(self, given: Mapping[str, float]) -> Values:
        """The same with more that is given; what is known already is not computed again."""
        more = Values({**self._given, **given})
        more._known = dict(self._known)
        return more

    def knows(self, x: Operand) -> bool:
        """Whether this follows from what is given; if so, it is known from now on."""
        try:
            self[x]
        except KeyError:
            return False
        return True


def _divide(a: float, b: float) -> float:
    """As the processor divides: by 0 without an exception."""
    if b != 0:
        return a / b
    return math.nan if a == 0 or math.isnan(a) else math.copysign(math.inf, a) * math.copysign(1.0, b)


def _negate(a: float) -> float:
    return -a


def _where(condition: float, a: float, b: float) -> float:
    return a if condition else b


def _or(a: float, b: float) -> float:
    return float(bool(a) or bool(b))


def _minimum(a: float, b: float) -> float:
    return b if a > b else a


def _maximum(a: float, b: float) -> float:
    return b if a < b else a


_OPERATIONS: dict[str, Callable[..., float]] = {
    "add": float.__add__,
    "subtract": float.__sub__,
    "multiply": float.__mul__,
    "divide": _divide,
    "power": math.pow,
    "negate": _negate,
    "less": float.__lt__,
    "equal": float.__eq__,
    "or": _or,
    "where": _where,
    "minimum": _minimum,
    "maximum": _maximum,
}
