"""One sentence for what pydantic would say in many lines."""

from __future__ import annotations

import types
import typing
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import cast

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo

from cadence._errors import CadenceError, RecipeError, neighbours

ONE, SEVERAL = "(one)", "(several)"
"""What a key is told to hold that takes one thing or a mapping from names to several."""


@dataclass(frozen=True)
class Wanted:
    """What a key takes, for messages. Stands in the key's annotation.

    Attributes:
        what: e.g. ``"a whole number of at least 1"``.
        example: the line to write, without its key: ``"4"``.
    """

    what: str
    example: str


def sentence(fault: ValidationError, model: type[BaseModel]) -> str:
    """What is wrong with a recipe, with the key, the value and the remedy.

    Args:
        fault: what pydantic found.
        model: of the whole recipe.

    Returns:
        One sentence about the first fault. An unknown key comes first: it is often the misspelling of a missing one.
    """
    errors = fault.errors(include_url=False)
    error = next((e for e in errors if e["type"] == "extra_forbidden"), errors[0])
    path, holder = _path(error["loc"], model)
    key = ".".join(path)
    if path == ["search"]:
        return "the section 'search' is read by `cadence sweep` alone; put it into a file of its own to use this recipe"
    if error["type"] == "extra_forbidden":
        where = f" under {'.'.join(path[:-1])!r}" if path[:-1] else " in a recipe"
        return f"there is no key {path[-1]!r}{where}; {neighbours(path[-1], holder.model_fields)}"
    wanted = _wanted(holder, path[-1]) if path else None
    if error["type"] == "missing":
        remedy = f"; write e.g. {path[-1]}: {wanted.example}" if wanted else ""
        return f"the key {key!r} is missing{remedy}"
    cause = error.get("ctx", {}).get("error")
    if isinstance(cause, CadenceError):
        return str(cause) if not key or str(cause).startswith(path[-1]) else f"{key}: {cause}"
    given = shown(error["input"])
    if wanted is None:
        return f"{key} is {given}, which cannot be used here ({error['msg']})"
    return f"{key} is {given}; it must be {wanted.what}, e.g. {path[-1]}: {wanted.example}"


def shown(x: object) -> str:
    """A value as a message quotes it: short, and in the words of YAML.

    Example:
        >>> shown(None), shown(True), shown("four"), shown([1, 2])
        ('null', 'true', "'four'", '[1, 2]')
    """
    if x is None or isinstance(x, bool):
        return {None: "null", True: "true", False: "false"}[x]
    text = repr(x)
    return text if len(text) <= 60 else text[:57] + "..."


def _path(loc: tuple[int | str, ...], model: type[BaseModel]) -> tuple[list[str], type[BaseModel]]:
    """Keys from the top to the fault, without pydantic's names of types in between, and the last key's model."""
    path: list[str] = []
    several = SEVERAL in loc
    parts = [str(part) for part in loc if part not in (ONE, SEVERAL)]
    while parts:
        path.append(parts.pop(0))
        field = model.model_fields.get(path[-1])
        inner = _model_of(field) if field else None
        if inner is not None and parts and (several or typing.get_origin(field and field.annotation) is dict):
            path.append(parts.pop(0))
        if inner is None or not parts:
            break
        model = inner
    return path, model


def _model_of(field: FieldInfo) -> type[BaseModel] | None:
    kinds = [field.annotation]
    if typing.get_origin(field.annotation) in (typing.Union, types.UnionType, dict):
        kinds = list(typing.get_args(field.annotation))
    bare = [typing.get_args(kind)[0] if typing.get_origin(kind) is typing.Annotated else kind for kind in kinds]
    return next((k for k in bare if isinstance(k, type) and issubclass(k, BaseModel)), None)


def _wanted(model: type[BaseModel], key: str) -> Wanted | None:
    field = model.model_fields.get(key)
    return next((m for m in field.metadata if isinstance(m, Wanted)), None) if field else None


def plain(x: object, key: str, depth: int = 0) -> None:
    """Check that a free value is what JSON can hold.

    Raises:
        RecipeError: a number that is not finite, a key that is not text, or another kind of object.
    """
    if depth > 20:
        raise RecipeError(f"{key} nests deeper than 20; write it flatter")
    if isinstance(x, Mapping):
        for name, value in cast("Mapping[object, object]", x).items():
            if not isinstance(name, str):
                raise RecipeError(f"{key} has the key {shown(name)}, which is not text; put it in quotes")
            plain(name, key, depth)
            plain(value, f"{key}.{name}", depth + 1)
    elif isinstance(x, (list, tuple)):
        for value in cast("Sequence[object]", x):
            plain(value, key, depth + 1)
    elif isinstance(x, float):
        if x != x or x in (float("inf"), float("-inf")):
            raise RecipeError(f"{key} is {x}; write a finite number")
    elif isinstance(x, str):
        if any("\ud800" <= letter <= "\udfff" for letter in x):
            raise RecipeError(f"{key} holds half a character (a lone surrogate); write the text again")
    elif not (x is None or isinstance(x, (bool, int))):
        raise RecipeError(f"{key} is {shown(x)}; write a number, text, true, false, null, or a list or mapping of them")
