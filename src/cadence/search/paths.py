"""Where a field of a search lies in a recipe: `lr`, `optimizer.weight_decay`, `optimizer.betas.0`, `average.decay`."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias, cast

from cadence._errors import SearchError, neighbours
from cadence.recipe.recipe import NOT_CONTENT, Recipe

Path: TypeAlias = tuple[str | int, ...]

OPEN = frozenset({"optimizer", "groups", "model_args", "schedule"})
"""Keys under which a recipe may have names that nobody knows beforehand; a wrong one is refused where it is used."""

NOT_SEARCHED = {
    "seed": "write seeds: 3 (--seeds 3), and every trial is trained with each",
    "task": "losses of different tasks cannot be compared; search each by itself",
    "task_args": "losses on different data cannot be compared; search each by itself",
    "device": "where it is computed decides no result",
    "threads": "how it is computed decides no result",
    "checkpoint": "when a run is saved decides no result",
    "evaluate": "when a run is judged is the same for all trials",
} | dict.fromkeys(NOT_CONTENT, "it changes nothing about the training")
"""Keys of a recipe that are no question to a search -> why, and what to do instead."""


def path_of(field: str, recipe: Recipe) -> Path:
    """Keys from the top of a recipe to what a field names.

    Args:
        field: a key of the recipe, keys joined by dots, an argument of the optimizer that the recipe has, or ``"lr"``:
            the rate of the only or the first optimizer.
        recipe: that is searched.

    Raises:
        SearchError: it names nothing, or what is no question to a search.

    Example:
        >>> recipe = Recipe(task="digits", optimizer={"name": "adamw", "lr": 0.003, "betas": [0.9, 0.99]}, total=9)
        >>> path_of("lr", recipe), path_of("betas", recipe), path_of("optimizer.betas.1", recipe)
        (('optimizer', 'lr'), ('optimizer', 'betas'), ('optimizer', 'betas', 1))
    """
    content = recipe.model_dump()
    first, *rest = field.split(".")
    if first in NOT_SEARCHED:
        raise SearchError(f"{first} is no field to search over: {NOT_SEARCHED[first]}")
    main: Path = ("optimizer",) if "optimizer" in recipe.optimizers else ("optimizer", next(iter(recipe.optimizers)))
    if first in content:
        return _below(content, (first,), rest, field)
    known = {"lr": recipe.main.lr, **recipe.main.arguments}
    if first in known:
        return _below(content, (*main, first), rest, field)
    names = [*known, *(key for key in content if key not in NOT_SEARCHED)]
    raise SearchError(
        f"{field!r} names nothing in the recipe; {neighbours(first, names)} (an argument that its optimizer does not "
        f"have yet is written optimizer.{first}, and a number inside a text stands there in braces: {{{first}}})"
    )


def value_at(content: Any, path: Path) -> Any:
    """What stands there; a KeyError where nothing does."""
    for key in path:
        if isinstance(content, Mapping):
            content = cast("Mapping[Any, Any]", content)[key]
        elif isinstance(content, Sequence) and not isinstance(content, str) and isinstance(key, int):
            content = cast("Sequence[Any]", content)[key]
        else:
            raise KeyError(key)
    return content


def changed(content: Mapping[str, Any], changes: Sequence[tuple[Path, Any]]) -> dict[str, Any]:
    """A copy with other values at some places; those nearer to the top first, so that none hides another."""
    made: dict[str, Any] = copy.deepcopy(dict(content))
    for path, value in sorted(changes, key=lambda change: len(change[0])):
        *above, last = path
        holder: Any = value_at(made, tuple(above))
        if isinstance(holder, tuple):
            holder = cast("Any", list(cast("tuple[Any, ...]", holder)))
            value_at(made, tuple(above[:-1]))[above[-1]] = holder
        holder[last] = copy.deepcopy(value)
    return made


def _below(content: Mapping[str, Any], path: Path, rest: list[str], field: str) -> Path:
    """Go on from what is found, key by key. A key may have dots itself: the longest that there is counts."""
    while rest:
        try:
            here = value_at(content, path)
        except KeyError:
            here = None
        key, rest = _next(here, rest, path, field)
        path = (*path, key)
    return path


def _next(here: Any, rest: list[str], path: Path, field: str) -> tuple[str | int, list[str]]:
    if isinstance(here, Mapping):
        keys = [str(key) for key in cast("Mapping[Any, Any]", here)]
        for n in range(len(rest), 0, -1):
            if ".".join(rest[:n]) in keys:
                return ".".join(rest[:n]), rest[n:]
        if path[0] in OPEN and len(rest) == 1:
            return rest[0], []
        raise SearchError(
            f"{field!r} names nothing in the recipe: there is no {rest[0]!r} under {_dotted(path)!r}; "
            f"{neighbours(rest[0], keys)}"
        )
    if isinstance(here, list | tuple):
        size = len(cast("Sequence[Any]", here))
        if rest[0].isdecimal() and int(rest[0]) < size:
            return int(rest[0]), rest[1:]
        raise SearchError(f"{field!r} names nothing: {_dotted(path)} is a list, whose places are 0 to {size - 1}")
    held = "null" if here is None else repr(here)
    raise SearchError(
        f"{field!r} names nothing in the recipe: {_dotted(path)} is {held:.60}, which has no {rest[0]!r}; write it "
        f"there first, with a value to start from"
    )


def _dotted(path: Path) -> str:
    return ".".join(map(str, path))
