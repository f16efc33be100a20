"""Python floats as a number namespace, so that one formula serves scalars, arrays and traced code."""

from __future__ import annotations

import math
from typing import Any


class _Scalars:
    """`math` with numpy's conventions: log(0) is -inf, exp(1000) is inf, and `where` chooses."""

    pi = math.pi
    sin = staticmethod(math.sin)
    cos = staticmethod(math.cos)
    tanh = staticmethod(math.tanh)

    @staticmethod
    def sqrt(x: float) -> float:
        return math.sqrt(x) if x >= 0 else math.nan

    @staticmethod
    def exp(x: float) -> float:
        return math.exp(x) if x < 709.0 else math.inf

    @staticmethod
    def expm1(x: float) -> float:
        return math.expm1(x) if x < 709.0 else math.inf

    @staticmethod
    def log(x: float) -> float:
        return math.log(x) if x > 0 else (-math.inf if x == 0 else math.nan)

    @staticmethod
    def log1p(x: float) -> float:
        return math.log1p(x) if x > -1 else (-math.inf if x == -1 else math.nan)

    @staticmethod
    def where(condition: bool, yes: Any, no: Any) -> Any:
        return yes if condition else no

    @staticmethod
    def minimum(a: float, b: float) -> float:
        return min(a, b)

    @staticmethod
    def maximum(a: float, b: float) -> float:
        return max(a, b)

    @staticmethod
    def floor(x: float) -> float:
        return float(math.floor(x))


scalars = _Scalars()
"""The namespace itself; immutable, so one serves everybody."""
