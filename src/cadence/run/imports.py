"""Functions that a recipe names by import path. Imported only when the recipe is run."""

from __future__ import annotations

import importlib
import inspect
import os
import sys
from collections.abc import Mapping
from typing import Any

from cadence._errors import CadenceError, RecipeError, neighbours


def called(path: str, what: str, arguments: Mapping[str, Any]) -> Any:
    """What the function at `path` returns.

    Args:
        path: ``"package.module:function"``; the module is found as ``python -m`` finds it.
        what: key of the recipe, for messages: ``"model"``.
        arguments: of the function, by name.

    Raises:
        RecipeError: there is no such module or function, or it does not take these arguments, or it fails.
    """
    function = _imported(path, what)
    _check_arguments(function, path, what, arguments)
    try:
        return function(**arguments)
    except CadenceError:
        raise
    except Exception as fault:
        said = f"{type(fault).__name__}: {fault}"
        raise RecipeError(f"{what} {path!r} failed with {said}; correct it there, or {what}_args") from fault


def _imported(path: str, what: str) -> Any:
    name, _, attribute = path.partition(":")
    here = os.getcwd()
    if "" not in sys.path and here not in sys.path:
        sys.path.insert(0, here)  # a console script has its own folder there instead
    try:
        found: Any = importlib.import_module(name)
    except CadenceError:
        raise
    except ModuleNotFoundError as missing:
        if missing.name is not None and f"{name}.".startswith(f"{missing.name}."):
            where = f"run in the folder that holds it (this is {here}), or install it"
            raise RecipeError(f"there is no module {missing.name!r} for {what} {path!r}; {where}") from None
        raise RecipeError(f"{name} for {what} {path!r} needs {missing.name!r}; install it") from missing
    except Exception as fault:
        said = f"{type(fault).__name__}: {fault}"
        raise RecipeError(f"importing {name} for {what} {path!r} failed with {said}; correct it there") from fault
    for part in attribute.split("."):
        if not hasattr(found, part):
            known = [n for n, member in vars(found).items() if callable(member) and not n.startswith("_")]
            remedy = neighbours(part, known) if known else "it has nothing to call"
            raise RecipeError(f"{name} has no {part!r} for {what} {path!r}; {remedy}")
        found = getattr(found, part)
    if not callable(found):
        raise RecipeError(f"{what} {path!r} is {type(found).__name__}, which cannot be called; name a function")
    return found


def _check_arguments(function: Any, path: str, what: str, arguments: Mapping[str, Any]) -> None:
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):  # some built-in callables have none; the call itself will tell
        return
    try:
        signature.bind(**arguments)
    except TypeError as fault:
        kinds = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
        known = [p.name for p in signature.parameters.values() if p.kind in kinds]
        unknown = next((name for name in arguments if name not in known), None)
        if unknown is not None:
            remedy = neighbours(unknown, known) if known else "it takes none"
            raise RecipeError(f"{what} {path!r} has no argument {unknown!r}; {remedy}") from None
        raise RecipeError(f"{what} {path!r} cannot be called: {fault}; write it under {what}_args") from None
