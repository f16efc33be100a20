"""Operations of paddle for symbols: of tensors, and of numbers of which some are tensors."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable
from typing import Any

import paddle


def exactly(number: float, dtype: Any) -> Any:
    """A number as an operand with all its digits: in static programs plain numbers are kept in single precision."""
    return number if paddle.in_dynamic_mode() else paddle.full([], number, dtype)


def _divide(a: Any, b: Any) -> Any:
    """As the processor divides: by 0 without an exception."""
    try:
        return a / b
    except ZeroDivisionError:
        return math.nan if a == 0 or math.isnan(a) else math.copysign(math.inf, a) * math.copysign(1.0, b)


def _root(a: Any) -> Any:
    return a**0.5 if isinstance(a, float) else paddle.sqrt(a)


def _minimum(a: Any, b: Any) -> Any:
    if isinstance(a, float):
        return _minimum(b, a) if not isinstance(b, float) else min(a, b)
    return paddle.clip(a, max=b) if isinstance(b, float) else paddle.minimum(a, b)


def _maximum(a: Any, b: Any) -> Any:
    if isinstance(a, float):
        return _maximum(b, a) if not isinstance(b, float) else max(a, b)
    return paddle.clip(a, min=b) if isinstance(b, float) else paddle.maximum(a, b)


def _where(condition: Any, a: Any, b: Any) -> Any:
    if isinstance(condition, bool):
        return a if condition else b
    like = b if isinstance(a, float) else a
    a, b = (paddle.full_like(like, x) if isinstance(x, float) else x for x in (a, b))
    return paddle.where(condition, a, b)


OPERATIONS: dict[str, Callable[..., Any]] = {
    "add": operator.add,
    "subtract": operator.sub,
    "multiply": operator.mul,
    "divide": _divide,
    "power": operator.pow,
    "negate": operator.neg,
    "less": operator.lt,
    "equal": operator.eq,
    "or": operator.or_,
    "sqrt": _root,
    "minimum": _minimum,
    "maximum": _maximum,
    "where": _where,
}
"""By the name that symbols have for them. Operands may be floats, but not all of those of a tensor's operation."""


def _add_to(a: Any, b: Any) -> Any:
    return a.add_(b)


def _subtract_from(a: Any, b: Any) -> Any:
    return a.subtract_(b)


IN_PLACE: dict[str, Callable[..., Any]] = {"add": _add_to, "subtract": _subtract_from}
"""Those that can change their first operand instead of making another tensor; the second is a tensor, too."""
