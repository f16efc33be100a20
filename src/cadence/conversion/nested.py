"""Calls inside calls as source: on one line where they fit, else one argument a line."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, cast

from cadence.conversion.native import Native
from cadence.conversion.source import WIDTH, literal


def source(x: Any, path: Callable[[Native], str], depth: int = 0) -> str:
    """A value of a call as source.

    Args:
        x: a number, text, a list, a mapping, or a `Native`.
        path: dotted name of a call.
        depth: how far the line it stands on is indented, in steps of four.

    Example:
        >>> from cadence.conversion.native import Native
        >>> source(Native("optax", "constant_schedule", {"value": 0.1}), lambda n: f"optax.{n.name}")
        'optax.constant_schedule(value=0.1)'
    """
    if isinstance(x, Native):
        items = [f"{key}={source(value, path, depth + 1)}" for key, value in x.arguments.items()]
        return _bracketed(f"{path(x)}(", items, ")", depth)
    if isinstance(x, Mapping):
        entries = cast("Mapping[Any, Any]", x).items()
        return _bracketed("{", [f"{key!r}: {source(value, path, depth + 1)}" for key, value in entries], "}", depth)
    if isinstance(x, (list, tuple)):
        return _bracketed("[", [source(item, path, depth + 1) for item in cast("Sequence[Any]", x)], "]", depth)
    return literal(x)


def _bracketed(opens: str, items: list[str], closes: str, depth: int) -> str:
    line = opens + ", ".join(items) + closes
    if len(line) + 4 * depth <= WIDTH and "\n" not in line:
        return line
    inner, outer = "    " * (depth + 1), "    " * depth
    return opens + "\n" + "".join(f"{inner}{item},\n" for item in items) + outer + closes
