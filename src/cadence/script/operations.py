"""Operators on values: what they give, as far as it can be told."""

from __future__ import annotations

import ast
from collections.abc import Sequence
from typing import Any, TypeGuard, cast

from cadence.script.model import Function, Made, Unknown, is_unknown
from cadence.script.whitelist import BINARY, COMPARE

LONGEST = 100_000
"""Items of a list, turns of a loop inside a function of the script."""

MOST_BITS = 4096


class NoValue(ValueError):
    """The value of an operation cannot be told.

    Attributes:
        why: half a sentence that says why, where there is more to say than that.
    """

    def __init__(self, why: str = "") -> None:
        super().__init__(why)
        self.why = why


def is_listed(x: object) -> TypeGuard[Sequence[Any]]:
    """Whether a value is a list, a tuple or a range."""
    return isinstance(x, (list, tuple, range))


def truth_of(value: Any) -> bool | None:
    """Whether a value counts as true; None where that cannot be told: what a function returns may be anything."""
    if isinstance(value, Unknown):
        return None
    if isinstance(value, Made):
        return True if value.path.rpartition(".")[2][:1].isupper() else None
    return bool(value)


def unary(op: ast.unaryop, x: Any) -> Any:
    """The value of ``-x``, ``+x`` or ``not x``.

    Raises:
        NoValue: it cannot be told.
    """
    if isinstance(x, (Unknown, Made, Function)) or isinstance(op, ast.Invert):
        raise NoValue
    if isinstance(op, ast.Not):
        return not x
    return -x if isinstance(op, ast.USub) else +x


def binary(op: ast.operator, a: Any, b: Any) -> Any:
    """The value of an operator between two values.

    Raises:
        NoValue: it cannot be told, or is larger than a rate has any use for.
        ArithmeticError: it has none.
    """
    if type(op) not in BINARY:
        raise NoValue
    if isinstance(op, ast.Add) and type(a) is type(b) and isinstance(a, (str, list, tuple)):
        joined = cast("Any", a) + b
        if len(joined) > LONGEST:
            raise NoValue
        return joined
    for many, times in ((a, b), (b, a)):
        if isinstance(op, ast.Mult) and isinstance(many, (list, tuple)) and isinstance(times, int):
            items = cast("list[Any]", many)
            if len(items) * times > LONGEST:
                raise NoValue
            return items * times
    if not (isinstance(a, (int, float)) and isinstance(b, (int, float))):
        raise NoValue
    if isinstance(a, int) and isinstance(b, int):
        bits = max(a.bit_length(), 1) * abs(b) if isinstance(op, ast.Pow) else a.bit_length() + b.bit_length()
        if bits > MOST_BITS:
            raise NoValue("the number is too large")
    result = BINARY[type(op)](a, b)
    if not isinstance(result, (int, float)):
        raise NoValue
    return result


def compared(ops: Sequence[ast.cmpop], sides: Sequence[Any]) -> bool:
    """The value of ``a < b <= c``.

    Raises:
        NoValue: it cannot be told.
    """
    if any(is_unknown(side) or isinstance(side, (Made, Function)) for side in sides):
        if all(isinstance(op, (ast.Is, ast.IsNot)) for op in ops) and len(sides) == 2 and None in sides:
            other = sides[0] if sides[1] is None else sides[1]
            if isinstance(other, (Made, Function)):
                return isinstance(ops[0], ast.IsNot)
        raise NoValue
    return all(COMPARE[type(op)](a, b) for op, a, b in zip(ops, sides, sides[1:], strict=False))


def item(owner: Any, key: Any) -> Any:
    """The value of ``owner[key]``.

    Raises:
        NoValue: it cannot be told.
    """
    if isinstance(owner, dict):
        inside = cast("dict[Any, Any]", owner)
        if isinstance(key, (str, int, float)) and key in inside:
            return inside[key]
    elif (is_listed(owner) or isinstance(owner, str)) and isinstance(key, int) and -len(owner) <= key < len(owner):
        return owner[key]
    raise NoValue


def sliced(owner: Any, bounds: Sequence[Any]) -> Any:
    """The value of ``owner[first:last:step]``.

    Raises:
        NoValue: it cannot be told.
    """
    if isinstance(owner, (list, tuple, str)) and all(b is None or isinstance(b, int) for b in bounds):
        return cast("Any", owner)[slice(*bounds)]
    raise NoValue


def taken(value: Any, path: tuple[int, ...], otherwise: Unknown) -> Any:
    """An item of a value that is taken apart."""
    for i in path:
        if not is_listed(value) or not 0 <= i < len(value):
            return otherwise
        value = value[i]
    return value
