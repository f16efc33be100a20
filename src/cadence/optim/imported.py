"""A user's own class, by its import path."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Callable
from typing import Any

from cadence._errors import OptimizerError, neighbours


def imported(path: str) -> Callable[..., Any]:
    """A class by its import path; the module is found as ``python -m`` finds it.

    Raises:
        OptimizerError: there is no such module or class, or it cannot be called.
    """
    name, _, attribute = path.partition(":")
    if not all(part.isidentifier() for part in name.split(".")) or not attribute.isidentifier():
        raise OptimizerError(f"{path!r} does not name an optimizer; write 'package.module:Class'")
    here = os.getcwd()
    if "" not in sys.path and here not in sys.path:
        sys.path.insert(0, here)  # where `python -m` has it
    try:
        module = importlib.import_module(name)
    except Exception as error:
        raise OptimizerError(
            f"importing {name} for the optimizer {path!r} failed with {type(error).__name__}: {error}; "
            f"run in the folder that holds it, or install it"
        ) from error
    found = getattr(module, attribute, None)
    if found is None:
        classes = [n for n, member in vars(module).items() if isinstance(member, type)]
        remedy = neighbours(attribute, classes) if classes else "it has no classes"
        raise OptimizerError(f"the module {name} has no class called {attribute!r}; {remedy}")
    if not callable(found):
        raise OptimizerError(f"{path!r} is {type(found).__name__}, which cannot be called; name a class")
    return found
