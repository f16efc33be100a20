"""The space of a search: which fields of a recipe are tried with which values, and the recipe of each trial."""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeAlias, cast, final

from cadence._errors import CadenceError, SearchError, neighbours
from cadence.recipe.faults import shown
from cadence.recipe.recipe import Recipe, make_recipe
from cadence.search.paths import Path, changed, path_of, value_at
from cadence.search.ranges import FORMS, Choices, Floats, Range, Value, Wholes, read_range

Params: TypeAlias = Mapping[str, Value]
"""Name of each range -> the value that a trial has for it."""

PLACE = re.compile(r"\{([A-Za-z_]\w*)\}")
"""A place in a text that a range fills in."""

MOST_POINTS = 100_000
"""Of a grid; nobody trains as many."""


@final
@dataclass(frozen=True)
class Space:
    """Ranges by name, and where their values go.

    Attributes:
        recipe: that is searched; what no range names is as it says.
        ranges: name -> range: names of fields, and those that stand in braces in texts.
        texts: field -> text with places that ranges fill in.
        paths: field -> where it lies in the recipe.
    """

    recipe: Recipe
    ranges: Mapping[str, Range]
    texts: Mapping[str, str]
    paths: Mapping[str, Path]

    @property
    def said(self) -> dict[str, str]:
        """The space as it was asked for, in one form: name -> text."""
        return {name: found.text for name, found in self.ranges.items()} | dict(self.texts)

    def recipe_at(self, params: Params) -> Recipe:
        """The recipe of one trial.

        Args:
            params: a value for every range.

        Raises:
            RecipeError: the values together are no recipe.
        """
        changes: list[tuple[Path, Value]] = []
        factor = 1.0
        for field, path in self.paths.items():
            value = _filled(params[field] if field in self.ranges else self.texts[field], params)
            if field == "lr":
                factor = float(value) / self.recipe.main.lr
            changes.append((path, value))
        content = changed(self.recipe.model_dump(), changes)
        others = list(self.recipe.optimizers)[1:]
        for name in others:
            # `lr` alone means all: further optimizers keep their ratio to the first, unless they are searched too.
            if factor != 1.0 and ("optimizer", name, "lr") not in self.paths.values():
                content["optimizer"][name]["lr"] *= factor
        return make_recipe(content)

    def filled(self, params: Params) -> dict[str, Value]:
        """Values as the recipe has them: with every place in a text filled in; fields of one text only, too."""
        fields = {name: params.get(name, self.texts.get(name)) for name in self.said}
        return {name: _filled(value, params) for name, value in fields.items()}

    @cached_property
    def own(self) -> dict[str, Value] | None:
        """The values that the recipe itself has; None where it lies outside the space, or fills in texts."""
        content, found = self.recipe.model_dump(), dict[str, Value]()
        for name, one in self.ranges.items():
            if name not in self.paths or self.texts:
                return None
            try:
                value = value_at(content, self.paths[name])
            except (KeyError, IndexError):
                return None
            value = list(cast("tuple[Any, ...]", value)) if isinstance(value, tuple) else value
            if not one.holds(value):
                return None
            found[name] = value
        return found

    @cached_property
    def size(self) -> int:
        """Points of its grid.

        Raises:
            SearchError: a range that has no points.
        """
        return math.prod(len(points) for points in self._axes.values())

    def point(self, number: int) -> dict[str, Value]:
        """One point of the grid; the last range changes fastest."""
        found: dict[str, Value] = {}
        for name, points in reversed(self._axes.items()):
            number, i = divmod(number, len(points))
            found[name] = points[i]
        return {name: found[name] for name in self.ranges}

    @cached_property
    def _axes(self) -> dict[str, Sequence[Value]]:
        axes: dict[str, Sequence[Value]] = {}
        for name, one in self.ranges.items():
            points = one.grid
            if points is None:
                raise SearchError(
                    f"a grid does not know which values of {name}: {one.text} to try; write {_with_points(one)}"
                )
            axes[name] = points
        if math.prod(map(len, axes.values())) > MOST_POINTS:
            raise SearchError(
                f"the grid has {math.prod(map(len, axes.values()))} points; write fewer values, or search with tpe"
            )
        return axes

    def examples(self) -> Iterator[tuple[str, dict[str, Value]]]:
        """Values that the space must be able to take, one after the other: what is tried, and a whole set of them."""
        first = self.own or {name: one.examples[0] for name, one in self.ranges.items()}
        yield "", first
        for name, one in self.ranges.items():
            for value in one.examples:
                if value != first[name]:
                    yield f"{name} = {shown(value)}", {**first, name: value}


def make_space(recipe: Recipe, given: Mapping[str, Value]) -> Space:
    """Read and check a space.

    Args:
        recipe: that is searched.
        given: field -> range, list of choices, or text with places in braces; name of such a place -> range.

    Raises:
        SearchError: a field that is none, a range that is none, or values that are no recipe.

    Example:
        >>> recipe = Recipe(task="digits", optimizer={"name": "adamw", "lr": 0.003}, total=90)
        >>> space = make_space(recipe, {"lr": "log(1e-4, 1e-1)", "schedule": "warmup({n}) >> cosine()", "n": [3, 9]})
        >>> space.recipe_at({"lr": 0.01, "n": 9}).schedule
        'warmup(9) >> cosine()'
    """
    if not given:
        raise SearchError(f"nothing is searched; name a field and its range, e.g. lr: {FORMS}")
    places = _places(given)
    ranges: dict[str, Range] = {}
    texts: dict[str, str] = {}
    paths: dict[str, Path] = {}
    for name, value in given.items():
        found = read_range(name, value)
        if found is None and not PLACE.search(value):
            raise SearchError(_no_range(name, value))
        if found is None:
            texts[name] = value
        else:
            ranges[name] = found
        if name not in places:
            paths[name] = path_of(name, recipe)
        elif found is None:
            raise SearchError(f"{name} is filled into a text, and has places itself; give it a range: {FORMS}")
        else:
            _fills_in(name, found)
    for place, where in places.items():
        if place not in ranges:
            raise SearchError(
                f"{where} has the place {{{place}}}, which nothing fills in; write a range for it too, e.g. "
                f"{place}: int(1, 10), or correct it: {neighbours(place, given)}"
            )
    _check_apart(paths)
    space = Space(recipe, ranges, texts, paths)
    _check_values(space)
    return space


def _places(given: Mapping[str, Value]) -> dict[str, str]:
    """Names that stand in braces -> the field whose text has them."""
    found: dict[str, str] = {}
    for field, value in given.items():
        for text in _texts(value):
            for place in PLACE.findall(text):
                found.setdefault(place, field)
    return found


def _texts(value: Value) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        yield from itertools.chain(*map(_texts, cast("Mapping[Any, Any]", value).values()))
    elif isinstance(value, list | tuple):
        yield from itertools.chain(*map(_texts, cast("Sequence[Any]", value)))


def _filled(value: Value, params: Params) -> Value:
    """A value with every place in its texts filled in."""
    if isinstance(value, str):
        return PLACE.sub(lambda place: _written(params[place[1]]), value)
    if isinstance(value, Mapping):
        return {key: _filled(each, params) for key, each in cast("Mapping[Any, Any]", value).items()}
    if isinstance(value, list | tuple):
        return [_filled(each, params) for each in cast("Sequence[Any]", value)]
    return value


def _written(value: Value) -> str:
    """A value as a text has it. Six digits are more than a search finds out, and can be read."""
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def _no_range(name: str, value: str) -> str:
    called = re.match(r"\s*([A-Za-z_]\w*)\s*\(", value)
    if called and name not in ("schedule", "stop") and not name.startswith("schedule."):
        known = ("log", "uniform", "int")
        return f"{name}: {value!r:.60} is no range; {neighbours(called[1], known)}, or write a list of choices"
    return (
        f"{name} is {value!r:.60}, which leaves nothing to search; write it into the recipe itself, give a list of "
        f"choices, or put a name in braces where a number is searched: warmup('{{w}}%') with w: int(1, 10)"
    )


def _fills_in(name: str, found: Range) -> None:
    if isinstance(found, Choices) and any(isinstance(v, list | dict | bool) or v is None for v in found.values):
        raise SearchError(f"{name} is filled into a text, so its choices are numbers or texts, not {found.text:.60}")


def _check_apart(paths: Mapping[str, Path]) -> None:
    seen: dict[Path, str] = {}
    for field, path in paths.items():
        other = seen.setdefault(path, field)
        if other != field:
            raise SearchError(f"{other} and {field} are the same field of the recipe; keep one of them")


def _check_values(space: Space) -> None:
    for what, params in space.examples():
        try:
            space.recipe_at(params)
        except CadenceError as fault:
            raise SearchError(
                f"{f'with {what} ' if what else ''}the recipe cannot be used: {fault}{_hint(space, str(fault))}"
            ) from None
        except (KeyError, IndexError, TypeError) as fault:
            raise SearchError(
                f"{f'with {what} ' if what else ''}a field that is searched is no longer in the recipe ({fault}); "
                f"search over the whole of the key above it, or not over that key"
            ) from None


def _hint(space: Space, fault: str) -> str:
    real = any(isinstance(one, Floats) for one in space.ranges.values())
    return " (log and uniform give real numbers; for whole ones write int(low, high))" * (real and "whole" in fault)


def _with_points(one: Range) -> str:
    if isinstance(one, Wholes):
        return "a list of numbers"
    return f"{one.text.removesuffix(')')}, points=5), or a list of numbers"
