"""Tasks by name or by import path."""

from __future__ import annotations

import importlib
import inspect
import os
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

from cadence._errors import CadenceError, TaskError, UnknownNameError, neighbours
from cadence._registry import Registry
from cadence.tasks.base import Task

_EMBEDDED: Registry[Callable[[], Task]] = Registry("task", package="cadence.tasks.embedded")


def embedded(name: str) -> Callable[[Callable[[], Task]], Callable[[], Task]]:
    """Register the decorated function as the task of this name.

    A file in `cadence/tasks/embedded` with one such function is all a new embedded task needs.
    """

    def register(make: Callable[[], Task]) -> Callable[[], Task]:
        _EMBEDDED.add(name, make)
        return make

    return register


def embedded_tasks() -> list[str]:
    """Names of the embedded tasks, sorted.

    Example:
        >>> embedded_tasks()
        ['bytes', 'digits']
    """
    return _EMBEDDED.names()


def task(name: str) -> Task:
    """An embedded task.

    Args:
        name: one of `embedded_tasks()`.

    Raises:
        TaskError: there is none of that name, or its data are not on this machine.
        MissingExtraError: the library that brings its data is not installed.

    Example:
        >>> task("byte")
        Traceback (most recent call last):
        cadence._errors.TaskError: there is no task called 'byte'; did you mean 'bytes'?
    """
    try:
        make = _EMBEDDED[name]
    except UnknownNameError as unknown:
        raise TaskError(str(unknown)) from None
    return make()


def resolve_task(name_or_path: str, /, **task_args: Any) -> Task:
    """An embedded task by its name, or the task that an importable function returns.

    The function's module is found as ``python -m`` finds it: in the current folder first, then among what is installed.
    Importing it runs its code.

    Args:
        name_or_path: ``"digits"``, or ``"package.module:function"``.
        task_args: keyword arguments of the function. Embedded tasks take none.

    Raises:
        TaskError: there is no such task, module or function; the arguments do not fit; the function fails, misses a
            file, or returns something else. One sentence each.
        MissingExtraError: a library that an embedded task needs is not installed.
    """
    if not isinstance(name_or_path, str):
        raise TaskError(f"a task is named by text, not {name_or_path!r}; write 'digits' or 'package.module:function'")
    if ":" in name_or_path:
        return _called(name_or_path, _function(name_or_path), task_args)
    if name_or_path not in _EMBEDDED and "." in name_or_path:
        module, _, function = name_or_path.rpartition(".")
        raise TaskError(
            f"there is no task called {name_or_path!r}; a function is named with a colon: '{module}:{function}'"
        )
    found = task(name_or_path)
    if task_args:
        raise TaskError(
            f"the task {name_or_path!r} takes no arguments, and was given {', '.join(sorted(task_args))}; leave it out"
        )
    return found


def _function(path: str) -> Callable[..., Any]:
    """What the path names, imported."""
    name, _, attribute = path.partition(":")
    if not all(part.isidentifier() for part in name.split(".")) or not attribute.isidentifier():
        raise TaskError(f"{path!r} does not name a function; write 'package.module:function'")
    _see_current_folder()
    try:
        module = importlib.import_module(name)
    except CadenceError:
        raise
    except ModuleNotFoundError as missing:
        if missing.name is not None and f"{name}.".startswith(f"{missing.name}."):
            raise TaskError(
                f"there is no module called {missing.name!r} for the task {path!r}; run in the folder that holds it "
                f"(this is {Path.cwd()}), or install it"
            ) from None
        raise TaskError(
            f"{name} for the task {path!r} needs {missing.name!r}, which is not installed; install it"
        ) from missing
    except Exception as error:
        raise TaskError(f"importing {name} for the task {path!r} failed: {_said(error)}; correct it there") from error
    if not hasattr(module, attribute):
        functions = [n for n, member in vars(module).items() if callable(member) and not n.startswith("_")]
        remedy = neighbours(attribute, functions) if functions else "it has no functions"
        raise TaskError(f"the module {name} has no function called {attribute!r}; {remedy}")
    found = getattr(module, attribute)
    if not callable(found):
        raise TaskError(
            f"{path!r} is {_a(found)}, which cannot be called; write a function that returns a cadence.tasks.Task"
        )
    return found


def _called(path: str, function: Callable[..., Any], task_args: dict[str, Any]) -> Task:
    """What the function returns, which must be a task."""
    _check_arguments(path, function, task_args)
    try:
        found = function(**task_args)
    except CadenceError:
        raise
    except FileNotFoundError as missing:
        where = f": {missing.filename}" if missing.filename else ""
        raise TaskError(
            f"the task {path!r} misses a file or folder{where} ({_place(missing)}); put it there, or give the right "
            f"path in task_args"
        ) from missing
    except Exception as error:
        raise TaskError(f"the task {path!r} failed: {_said(error)}; correct it there, or its arguments") from error
    if not isinstance(found, Task):
        raise TaskError(f"{path!r} returned {_a(found)}; it must return a cadence.tasks.Task")
    return found


def _check_arguments(path: str, function: Callable[..., Any], task_args: dict[str, Any]) -> None:
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):  # some built-in callables have none; the call itself will tell
        return
    try:
        signature.bind(**task_args)
    except TypeError as error:
        by_name = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
        accepted = [p.name for p in signature.parameters.values() if p.kind in by_name]
        unknown = [name for name in task_args if name not in accepted]
        takes_more = any(p.kind is p.VAR_KEYWORD for p in signature.parameters.values())
        if unknown and not takes_more:
            remedy = neighbours(unknown[0], accepted) if accepted else "it takes none"
            raise TaskError(f"the task {path!r} has no argument {unknown[0]!r}; {remedy}") from None
        raise TaskError(f"the task {path!r} cannot be called so: {error}; write it under task_args") from None


def _see_current_folder() -> None:
    """Put the current folder where ``python -m`` has it; a console script has its own folder there instead."""
    here = os.getcwd()
    if "" not in sys.path and here not in sys.path:
        sys.path.insert(0, here)


def _said(error: Exception) -> str:
    return f"{type(error).__name__}: {error} ({_place(error)})"


def _place(error: BaseException) -> str:
    """File and line that an error comes from: the last frame, which is the nearest to the cause."""
    frames = traceback.extract_tb(error.__traceback__)
    if isinstance(error, SyntaxError) and error.filename:
        return f"{Path(error.filename).name}, line {error.lineno}"
    return f"{Path(frames[-1].filename).name}, line {frames[-1].lineno}" if frames else "no place known"


def _a(thing: object) -> str:
    name = type(thing).__name__
    return "None" if thing is None else f"{'an' if name[:1].lower() in 'aeiou' else 'a'} {name}"
