"""The text form, read by whitelist over Python's own syntax tree. Nothing is ever evaluated."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Mapping
from typing import Any

from cadence._errors import CadenceError, SpecError, UnknownNameError, neighbours
from cadence.spec.catalogue import constructor
from cadence.spec.constructors.shaped import named
from cadence.spec.formula import segment, syntax_tree
from cadence.spec.nodes import Schedule, as_schedule
from cadence.spec.plan import Plan, plan
from cadence.spec.shape import shape as shapes
from cadence.spec.shown import shown
from cadence.spec.value import Absolute, absolute

METHODS = ("clip", "repeat", "stretch", "past_end", "staircase", "cut")
DEEPEST = 150


def parse(text: str | Mapping[str, Any]) -> Schedule | Plan:
    """Read a schedule or a plan from its text form.

    Args:
        text: e.g. ``"warmup('5%') >> cosine(to=0.01)"`` or ``"plan({'lr': cosine()})"``; or, as YAML and JSON hold a
            plan, a mapping from key to text or number.

    Returns:
        What `repr` of it would print again: ``parse(repr(s)) == s``.

    Raises:
        SpecError: the text cannot be read, or what it says cannot be meant.

    Example:
        >>> parse("warmup('5%') >> cosine(to=1e-2)")
        warmup('5%') >> cosine(to=0.01)
        >>> parse({"lr": "cosine()", "weight_decay": 1})
        plan({'lr': cosine(), 'weight_decay': constant()})
    """
    if isinstance(text, Mapping):
        return plan({key: _operand(value) for key, value in text.items()})
    result = _operand(text)
    return result if isinstance(result, Plan) else as_schedule(result)


def _operand(text: object) -> Any:
    if isinstance(text, (int, float, Schedule, Absolute)) and not isinstance(text, bool):
        return text
    if not isinstance(text, str):
        raise SpecError(f"a schedule is written as text, e.g. \"warmup('5%') >> cosine(to=0.01)\", not {shown(text)}")
    if not text.strip():
        raise SpecError("the schedule is empty; write e.g. \"warmup('5%') >> cosine(to=0.01)\"")
    try:
        return _Reader(text).read(syntax_tree(text, "the schedule"), 0)
    except CadenceError:
        raise
    except (TypeError, ValueError, RecursionError, OverflowError) as fault:
        # A constructor's own checks come first; what is left is a call that python itself would refuse.
        raise SpecError(
            f"the schedule {_short(text)!r} cannot be read: {str(fault) or 'it is nested too deeply'}"
        ) from None


class _Reader:
    """Turns one text's syntax tree into nodes. Holds the text for its messages."""

    def __init__(self, text: str) -> None:
        self._text = text

    def read(self, node: ast.expr, depth: int) -> Any:
        if depth > DEEPEST:
            raise SpecError(f"the schedule {_short(self._text)!r} nests deeper than {DEEPEST}; write it flatter")
        if isinstance(node, ast.BinOp) and isinstance(node.op, (ast.RShift, ast.Mult, ast.Add)):
            return self._chain(node, depth)
        match node:
            case ast.Constant(value=None | bool() | int() | float() | str() as value):
                return value
            case ast.UnaryOp(op=ast.USub() | ast.UAdd() as sign, operand=ast.Constant(value=int() | float() as number)):
                return -number if isinstance(sign, ast.USub) else number
            case ast.List(elts=items) | ast.Tuple(elts=items):
                return [self.read(x, depth + 1) for x in items]
            case ast.Dict(keys=keys, values=values):
                return self._mapping(keys, values, depth)
            case ast.Call(func=ast.Name(id=name)):
                return self._constructed(name, node, depth)
            case ast.Call(func=ast.Attribute(value=inner, attr=method)):
                return self._modified(inner, method, node, depth)
            case ast.Name(id=name) if name == "plan" or name in constructor or name in shapes:
                raise SpecError(f"{name} is called with brackets: write {name}(...)")
            case _:
                raise SpecError(
                    f"the schedule {_short(self._text)!r} contains {_short(segment(self._text, node))!r}, which is not "
                    f"allowed; write constructors such as warmup(...), joined by >>, * and +"
                )

    def _chain(self, node: ast.BinOp, depth: int) -> Any:
        # `a >> b >> c` leans to the left in the tree; walked as a list, a long sequence is not a deep one.
        operation = type(node.op)
        parts: list[ast.expr] = []
        left: ast.expr = node
        while isinstance(left, ast.BinOp) and type(left.op) is operation:
            parts.append(left.right)
            left = left.left
        total = self.read(left, depth + 1)
        for part in reversed(parts):
            total = self._joined(operation, total, self.read(part, depth + 1))
        return total

    def _joined(self, operation: type[ast.operator], a: Any, b: Any) -> Any:
        for side in (a, b):
            if not isinstance(side, (Schedule, Absolute, int, float)) or isinstance(side, bool):
                sign = ">>" if operation is ast.RShift else "*" if operation is ast.Mult else "+"
                raise SpecError(f"{sign} joins schedules, not {shown(side)}, in {_short(self._text)!r}")
        if operation is ast.RShift:
            if isinstance(a, Schedule) and isinstance(b, Schedule):
                return a >> b
            raise SpecError(f">> joins schedules; write a number as constant(start=...) in {_short(self._text)!r}")
        a, b = as_schedule(a), as_schedule(b)
        return a * b if operation is ast.Mult else a + b

    def _mapping(self, keys: list[ast.expr | None], values: list[ast.expr], depth: int) -> dict[Any, Any]:
        result: dict[Any, Any] = {}
        for key, value in zip(keys, values, strict=True):
            name = None if key is None else self.read(key, depth + 1)
            if not isinstance(name, (str, int)):
                raise SpecError(
                    f"a key in {_short(self._text)!r} is neither text nor a number; write e.g. {{'lr': cosine()}}"
                )
            if name in result:
                raise SpecError(f"the key {name!r} stands twice in {_short(self._text)!r}; keep one")
            result[name] = self.read(value, depth + 1)
        return result

    def _constructed(self, name: str, node: ast.Call, depth: int) -> Any:
        if name == "absolute":
            return self._called(absolute, name, node, depth)
        if name == "plan":
            return self._called(plan, name, node, depth)
        return self._called(named(name).make, name, node, depth)

    def _modified(self, inner: ast.expr, method: str, node: ast.Call, depth: int) -> Any:
        if method not in METHODS:
            raise UnknownNameError(f"a schedule has no method {method!r}; {neighbours(method, METHODS)}")
        base = self.read(inner, depth + 1)
        if not isinstance(base, Schedule):
            raise SpecError(f".{method}() belongs to a schedule, not to {shown(base)}; put brackets round the schedule")
        return self._called(getattr(base, method), method, node, depth)

    def _called(self, make: Any, name: str, node: ast.Call, depth: int) -> Any:
        if any(isinstance(a, ast.Starred) for a in node.args) or any(k.arg is None for k in node.keywords):
            raise SpecError(f"{name}(*...) is not allowed; write the values one by one")
        first = [self.read(a, depth + 1) for a in node.args]
        by_name = {str(k.arg): self.read(k.value, depth + 1) for k in node.keywords}
        check_call(make, name, first, by_name)
        return make(*first, **by_name)


def check_call(make: Any, name: str, first: list[Any], by_name: dict[str, Any]) -> None:
    """Say in one sentence what is wrong with a call, before python does it in its own words.

    Raises:
        SpecError: too many values, a missing one, or one given twice.
        UnknownNameError: a keyword that does not exist.
    """
    parameters = inspect.signature(make).parameters
    positional = [p for p in parameters.values() if p.kind is p.POSITIONAL_OR_KEYWORD]
    if len(first) > len(positional):
        rest = ", ".join(p.name for p in parameters.values() if p.kind is p.KEYWORD_ONLY)
        raise SpecError(
            f"{name} takes {len(positional) or 'no'} values without a name, not {len(first)}; write the others by name"
            + (f" ({rest})" if rest else "")
        )
    open_ended = any(p.kind is p.VAR_KEYWORD for p in parameters.values())
    names = [p.name for p in parameters.values() if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)]
    for key in by_name:
        if key not in names and not open_ended:
            raise UnknownNameError(f"{name} has no argument {key!r}; {neighbours(key, names)}")
    taken = [p.name for p in positional[: len(first)]]
    for key in taken:
        if key in by_name:
            raise SpecError(f"{name} is given {key} twice; write it once")
    for p in parameters.values():
        if p.default is p.empty and p.name in names and p.name not in taken and p.name not in by_name:
            raise SpecError(f"{name} needs {p.name}; write {name}({p.name}=...)")


def _short(text: str) -> str:
    return text if len(text) <= 80 else text[:77] + "..."
