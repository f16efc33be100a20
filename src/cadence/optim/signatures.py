"""What a class of an optimizer takes."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any


def keywords(make: Callable[..., Any]) -> dict[str, inspect.Parameter]:
    """Arguments of a class by name, without the parameters to train."""
    try:
        parameters = list(inspect.signature(make).parameters.values())
    except (TypeError, ValueError):  # a class without a readable signature takes what it takes
        return {"kwargs": inspect.Parameter("kwargs", inspect.Parameter.VAR_KEYWORD)}
    first = holder(make)
    return {p.name: p for p in parameters if p.name != first and p.kind is not p.VAR_POSITIONAL}


def holder(make: Callable[..., Any]) -> str:
    """Name of the argument that takes the parameters to train: torch has it first, paddle somewhere."""
    try:
        names = list(inspect.signature(make).parameters)
    except (TypeError, ValueError):
        return "params"
    return next((name for name in names if name in ("params", "parameters", "parameter_list")), names[0])
