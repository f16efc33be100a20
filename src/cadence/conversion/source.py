"""Calls as readable source."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

WIDTH = 100
"""Characters of a line; longer calls take one line for each argument."""


def call_source(target: str, called: str, first: list[str], arguments: Mapping[str, Any]) -> str:
    """An assignment of a call.

    Args:
        target: the name that is assigned to.
        called: what is called.
        first: positional arguments, as text.
        arguments: by name.

    Example:
        >>> print(call_source("scheduler", "StepLR", ["optimizer"], {"step_size": 30, "gamma": 0.1}))
        scheduler = StepLR(optimizer, step_size=30, gamma=0.1)
    """
    texts = [*first, *(f"{key}={literal(value)}" for key, value in arguments.items())]
    line = f"{target} = {called}({', '.join(texts)})"
    if len(line) <= WIDTH:
        return line
    return f"{target} = {called}(\n" + "".join(f"    {text},\n" for text in texts) + ")"


def literal(value: Any) -> str:
    """A value as source; whole floats of more than 15 digits keep their point."""
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(map(literal, cast("list[Any]", value))) + "]"
    if isinstance(value, (bool, str)) or value is None:
        return repr(value)
    if callable(value):
        return str(getattr(value, "__name__", "function"))
    if hasattr(value, "__index__"):
        return str(int(value))
    return repr(float(value)) if hasattr(value, "__float__") else repr(value)
