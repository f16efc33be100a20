"""Formulas in time, read by whitelist over Python's own syntax tree and computed node by node, never run as code."""

from __future__ import annotations

import ast
import functools
import math
import warnings
from collections.abc import Callable, Mapping
from typing import Any

from cadence._errors import SpecError, UnknownNameError, neighbours
from cadence.spec.shown import shown

LONGEST_TEXT = 20_000
DEEPEST = 60

NAMES = ("t", "epoch", "epoch_float", "u", "total", "pi")
FUNCTIONS = {
    "min": (2, 9),
    "max": (2, 9),
    "sqrt": (1, 1),
    "exp": (1, 1),
    "log": (1, 1),
    "sin": (1, 1),
    "cos": (1, 1),
    "where": (3, 3),
}

_BINARY: Mapping[type[ast.AST], Callable[[Any, Any], Any]] = {
    ast.Add: lambda a, b: a + b,
    ast.Sub: lambda a, b: a - b,
    ast.Mult: lambda a, b: a * b,
    ast.Div: lambda a, b: a / b,
    ast.FloorDiv: lambda a, b: a // b,
    ast.Mod: lambda a, b: a % b,
    ast.Pow: lambda a, b: a**b,
}
_COMPARE: Mapping[type[ast.AST], Callable[[Any, Any], Any]] = {
    ast.Lt: lambda a, b: a < b,
    ast.LtE: lambda a, b: a <= b,
    ast.Gt: lambda a, b: a > b,
    ast.GtE: lambda a, b: a >= b,
    ast.Eq: lambda a, b: a == b,
    ast.NotEq: lambda a, b: a != b,
}


class Expression:
    """A formula that has been read: the names it uses, and its value in any number namespace."""

    def __init__(self, tree: ast.expr, names: frozenset[str]) -> None:
        self._tree = tree
        self.names = names

    def __call__(self, values: Mapping[str, Any], xp: Any) -> Any:
        """The value where every name of `names` has its value; arrays in, array out (or a scalar if it is constant)."""
        return _compute(self._tree, values, xp)


def read_formula(text: str) -> Expression:
    """Read a formula.

    Raises:
        SpecError: not an expression of the names, functions and operators listed in `cadence.formula`.

    Example:
        >>> from cadence._xp import scalars
        >>> read_formula("max(0.1, 1 - t / 10)")({"t": 4}, scalars)
        0.6
    """
    if not isinstance(text, str):
        raise SpecError(f"a formula is text, e.g. formula('1 / (1 + t)'), not {shown(text)}")
    return _read(text)


@functools.lru_cache(maxsize=256)
def _read(text: str) -> Expression:
    tree = syntax_tree(text, "the formula")
    used: set[str] = set()
    _check(tree, text, used, 0)
    return Expression(tree, frozenset(used))


def syntax_tree(text: str, what: str) -> ast.expr:
    """Python's own syntax tree of an expression, in bounded time and memory.

    Raises:
        SpecError: too long, too deep, or no expression.
    """
    if len(text) > LONGEST_TEXT:
        raise SpecError(f"{what} is {len(text)} characters long; the most is {LONGEST_TEXT}")
    try:
        with warnings.catch_warnings():
            # What python only frowns at ('\\d', 1if) is a slip of the pen here.
            warnings.simplefilter("error")
            return ast.parse(text.strip(), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError) as fault:
        place = f" near column {fault.offset}" if isinstance(fault, SyntaxError) and fault.offset else ""
        raise SpecError(f"{what} {_short(text)!r} cannot be read{place}: {_reason(fault)}") from None


def segment(text: str, node: ast.expr) -> str:
    """The part of a text that `syntax_tree` read as this node, however deeply it nests."""
    return ast.get_source_segment(text.strip(), node) or text


def _reason(fault: BaseException) -> str:
    if isinstance(fault, SyntaxError):
        return str(fault.msg)
    return "it is nested too deeply" if isinstance(fault, (RecursionError, MemoryError)) else str(fault)


def _check(node: ast.expr, text: str, used: set[str], depth: int) -> None:
    if depth > DEEPEST:
        raise SpecError(f"the formula {_short(text)!r} nests deeper than {DEEPEST}; write it flatter")
    inside: list[ast.expr] = []
    match node:
        case ast.Constant(value=bool() | int() | float() as number):
            _finite(number, text)
        case ast.Name(id=name):
            if name not in NAMES:
                known = [*NAMES, *FUNCTIONS]
                raise UnknownNameError(f"the formula {_short(text)!r} uses {name!r}; {neighbours(name, known)}")
            used.add(name)
        case ast.UnaryOp(op=ast.UAdd() | ast.USub() | ast.Not(), operand=operand):
            inside = [operand]
        case ast.BinOp(left=left, op=op, right=right) if type(op) in _BINARY:
            inside = [left, right]
        case ast.BoolOp(values=values):
            inside = values
        case ast.Compare(left=left, ops=ops, comparators=others) if all(type(o) in _COMPARE for o in ops):
            inside = [left, *others]
        case ast.IfExp(test=test, body=body, orelse=orelse):
            inside = [test, body, orelse]
        case ast.Call(func=ast.Name(id=name), args=args, keywords=[]):
            if name not in FUNCTIONS:
                raise UnknownNameError(f"the formula {_short(text)!r} calls {name!r}; {neighbours(name, FUNCTIONS)}")
            least, most = FUNCTIONS[name]
            if not least <= len(args) <= most:
                wanted = (
                    f"{least} value"
                    if most == 1
                    else f"{least} to {most} values"
                    if least < most
                    else f"{least} values"
                )
                raise SpecError(f"{name} takes {wanted}, not {len(args)}, in the formula {_short(text)!r}")
            inside = args
        case _:
            raise SpecError(
                f"the formula {_short(text)!r} contains {_short(segment(text, node))!r}, which is not allowed; write "
                f"numbers, {', '.join(NAMES)}, arithmetic, comparisons and {', '.join(FUNCTIONS)}"
            )
    for child in inside:
        _check(child, text, used, depth + 1)


def _finite(number: complex, text: str) -> None:
    try:
        finite = math.isfinite(float(number))  # type: ignore[arg-type]
    except OverflowError:
        finite = False
    if not finite:
        raise SpecError(f"the formula {_short(text)!r} contains a number that is too large; write less than 1e308")


def _short(text: str) -> str:
    return text if len(text) <= 80 else text[:77] + "..."


def _compute(node: ast.expr, values: Mapping[str, Any], xp: Any) -> Any:
    def go(child: ast.expr) -> Any:
        return _compute(child, values, xp)

    match node:
        case ast.Constant(value=number):
            # As a float: integers of any size would make `10 ** 10 ** 10` a matter of memory.
            return _number(float(number), xp)  # type: ignore[arg-type]
        case ast.Name(id="pi"):
            return _number(math.pi, xp)
        case ast.Name(id=name):
            return values[name]
        case ast.UnaryOp(op=ast.Not(), operand=operand):
            return (go(operand) == 0) * 1.0
        case ast.UnaryOp(op=op, operand=operand):
            return -go(operand) if isinstance(op, ast.USub) else +go(operand)
        case ast.BinOp(left=left, op=op, right=right):
            return _BINARY[type(op)](go(left), go(right))
        case ast.BoolOp(op=op, values=parts):
            truths = [go(p) != 0 for p in parts]
            return _joined(truths, every=isinstance(op, ast.And))
        case ast.Compare(left=left, ops=ops, comparators=others):
            sides = [go(left), *map(go, others)]
            tests = [_COMPARE[type(o)](a, b) for o, a, b in zip(ops, sides, sides[1:], strict=False)]
            return _joined(tests, every=True)
        case ast.IfExp(test=test, body=body, orelse=orelse):
            return xp.where(go(test) != 0, go(body), go(orelse))
        case ast.Call(func=ast.Name(id=name), args=args):
            return _call(name, [go(a) for a in args], xp)
        case _:
            raise AssertionError(ast.dump(node))


def _joined(truths: list[Any], *, every: bool) -> Any:
    """1.0 where all of the truths hold (or any of them), else 0.0."""
    result = truths[0]
    for truth in truths[1:]:
        result = (result & truth) if every else (result | truth)
    return result * 1.0


def _number(x: float, xp: Any) -> Any:
    # numpy's float64 overflows to inf where python's float raises; other namespaces take python floats as they are.
    return xp.float64(x) if getattr(xp, "__name__", "") == "numpy" else x


def _call(name: str, args: list[Any], xp: Any) -> Any:
    if name in ("min", "max"):
        return functools.reduce(xp.minimum if name == "min" else xp.maximum, args)
    if name == "where":
        return xp.where(args[0] != 0, args[1], args[2])
    return getattr(xp, name)(args[0])
