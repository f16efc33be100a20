"""Functions of a framework that is loaded only when they are called."""

from __future__ import annotations

import functools
import importlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from cadence._lazy import need

ENGINES = ("torch", "paddle")
"""Frameworks that the embedded tasks have models for."""


@dataclass(frozen=True)
class Later:
    """A function in a file that imports its framework at its top.

    Attributes:
        engine: the framework, which is also the extra of cadence that brings it: ``"torch"``.
        module: dotted name of the file.
        name: the function in it.

    Calling it calls the function.

    Raises:
        MissingExtraError: the framework is not installed; raised by the call.
    """

    engine: str
    module: str
    name: str

    def __call__(self, *arguments: Any) -> Any:
        return _found(self.engine, self.module, self.name)(*arguments)


@functools.cache
def _found(engine: str, module: str, name: str) -> Callable[..., Any]:
    need(engine, extra=engine)
    return getattr(importlib.import_module(module), name)
