"""The whitelist: operators, functions and constants that a script's expressions may be computed with."""

from __future__ import annotations

import ast
import math
import operator
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

BINARY: Mapping[type[ast.AST], Callable[[Any, Any], Any]] = {
    ast.Add: lambda a, b: a + b,
    ast.Sub: lambda a, b: a - b,
    ast.Mult: lambda a, b: a * b,
    ast.Div: lambda a, b: a / b,
    ast.FloorDiv: lambda a, b: a // b,
    ast.Mod: lambda a, b: a % b,
    ast.Pow: lambda a, b: a**b,
}
COMPARE: Mapping[type[ast.AST], Callable[[Any, Any], Any]] = {
    ast.Lt: operator.lt, ast.LtE: operator.le, ast.Gt: operator.gt, ast.GtE: operator.ge, ast.Eq: operator.eq,
    ast.NotEq: operator.ne, ast.In: lambda a, b: a in b, ast.NotIn: lambda a, b: a not in b,
    ast.Is: operator.eq, ast.IsNot: operator.ne,
}  # fmt: skip


def _clip(x: float, lo: float, hi: float) -> float:
    return min(max(x, lo), hi)


def _where(condition: bool, a: float, b: float) -> float:
    return a if condition else b


def _interp(x: float, xp: Sequence[float], fp: Sequence[float]) -> float:
    if x <= xp[0]:
        return fp[0]
    for a, b, fa, fb in zip(xp, xp[1:], fp, fp[1:], strict=False):
        if x <= b:
            return fa + (fb - fa) * (x - a) / (b - a)
    return fp[-1]


def power(a: float, b: float) -> float:
    """``pow(a, b)``; the tables name it so that its size can be looked at before it is computed."""
    return math.pow(a, b)


def _floor(x: float) -> float:
    return float(math.floor(x))


def _ceil(x: float) -> float:
    return float(math.ceil(x))


def _list(items: Iterable[Any] = ()) -> list[Any]:
    return list(items)


def _tuple(items: Iterable[Any] = ()) -> tuple[Any, ...]:
    return tuple(items)


def _dict(*pairs: Any, **named: Any) -> dict[Any, Any]:
    return dict(*pairs, **named)


def _enumerated(items: Iterable[Any], start: int = 0) -> list[tuple[int, Any]]:
    return list(enumerate(items, start))


def _zipped(*items: Iterable[Any]) -> list[tuple[Any, ...]]:
    return list(zip(*items, strict=False))


def _reversed(items: Sequence[Any]) -> list[Any]:
    return list(reversed(items))


MATH: Mapping[str, Callable[..., Any]] = {
    name: getattr(math, name)
    for name in ("sqrt", "exp", "log", "log2", "log10", "log1p", "expm1", "sin", "cos", "tan", "tanh", "floor", "ceil",
                 "pow", "atan", "fabs", "fmod", "isclose", "isnan", "isinf", "trunc")
}  # fmt: skip
NUMPY: Mapping[str, Callable[..., Any]] = {
    **{k: v for k, v in MATH.items() if k in ("sqrt", "exp", "log", "log2", "log10", "sin", "cos", "tan", "tanh")},
    "floor": _floor, "ceil": _ceil, "abs": abs, "minimum": min, "maximum": max, "clip": _clip, "power": power,
    "interp": _interp, "float64": float, "round": round, "int64": int, "min": min, "max": max, "where": _where,
}  # fmt: skip
ARRAYS = frozenset({"numpy", "jax.numpy", "keras.ops"})
"""Modules that have the functions of `NUMPY`."""
AS_IT_IS = frozenset({"asarray", "array", "float32", "convert_to_tensor"})
"""Functions of those that give back a number which they are given, as an array or in fewer digits."""
BUILTIN: Mapping[str, Callable[..., Any]] = {
    "int": int, "float": float, "bool": bool, "abs": abs, "min": min, "max": max, "round": round, "sum": sum,
    "len": len, "pow": power, "divmod": divmod, "list": _list, "tuple": _tuple, "sorted": sorted, "any": any,
    "all": all, "enumerate": _enumerated, "zip": _zipped, "reversed": _reversed, "dict": _dict,
}  # fmt: skip
CONSTANTS = {
    "math.pi": math.pi, "math.e": math.e, "math.inf": math.inf, "math.nan": math.nan, "numpy.pi": math.pi,
    "numpy.e": math.e, "numpy.inf": math.inf, "torch.pi": math.pi, "torch.inf": math.inf, "jax.numpy.pi": math.pi,
}  # fmt: skip
NAMESPACES = ("SimpleNamespace", "Namespace", "EasyDict", "AttrDict", "DictConfig", "ConfigDict", "edict", "Munch")
