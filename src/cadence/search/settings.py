"""What a search is asked to do: the `search:` section of a file, the options of a command, and both together."""

from __future__ import annotations

import hashlib
import json
import math
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, TypeAlias, cast

from pydantic import BaseModel, Field, ValidationError

from cadence._errors import RecipeError, SearchError
from cadence.recipe.checks import Text
from cadence.recipe.faults import Wanted, sentence, shown
from cadence.recipe.parts import STRICT
from cadence.recipe.reading import read_file, read_mapping
from cadence.recipe.recipe import Recipe, folder_safe, make_recipe
from cadence.recipe.starter import recipe_schema
from cadence.search.ranges import FORMS
from cadence.search.space import Space, make_space

RecipeLike: TypeAlias = str | os.PathLike[str] | Recipe | Mapping[str, Any]
Sampler: TypeAlias = Literal["tpe", "random", "grid"]

TRIALS = 20
"""Where neither trials nor a budget is asked for, and the space is no grid."""

CONFIRM_SEED = 1000
"""The first of the seeds that the winner is trained with anew."""

NOT_ASKED = frozenset({"name", "seed", "loggers", "tags", "notes", "tune", "effective_rates", "threads", "parallel"})
"""Keys of a recipe in which two searches may differ and still be the same."""


class PruneSection(BaseModel):
    """When a trial is given up."""

    model_config = STRICT

    first: Annotated[
        float,
        Field(description="share of a run after which trials are first compared", gt=0, lt=1),
        Wanted("a share above 0 and below 1", "0.25"),
    ] = 0.25
    factor: Annotated[
        int,
        Field(description="of that many trials one goes on; the next comparison is at factor times the share", ge=2),
        Wanted("a whole number of at least 2", "3"),
    ] = 3
    spare: Annotated[
        int,
        Field(description="so many first trials are trained to their end, whatever they look like", ge=0),
        Wanted("a whole number of at least 0", "5"),
    ] = 5


class SearchSection(BaseModel):
    """The keys under `search`."""

    model_config = STRICT

    space: Annotated[
        dict[Text, Any],
        Field(description="field of the recipe -> range, list of choices, or text with places in braces"),
        Wanted("a mapping from fields to ranges", '{lr: "log(1e-4, 1e-1)"}'),
    ] = {}
    sampler: Annotated[
        Sampler,
        Field(description="tpe: learns from the trials; random; grid: every combination"),
        Wanted("tpe, random or grid", "tpe"),
    ] = "tpe"
    trials: Annotated[
        int | None,
        Field(description="how many; null: 20, of a grid all, or as many as the budget pays", ge=1, le=100_000),
        Wanted("a whole number of at least 1, or null", "40"),
    ] = None
    budget: Annotated[
        int | None,
        Field(description="updates of all trials together; null: trials alone count", ge=1),
        Wanted("a number of updates, or null", "50000"),
    ] = None
    seeds: Annotated[
        int | list[int],
        Field(description="how many seeds each trial is trained with, or which"),
        Wanted("a whole number of at least 1, or a list of seeds", "1"),
    ] = 1
    objective: Annotated[
        Text,
        Field(description="final or best, and a metric of the evaluations"),
        Wanted("final or best and a metric", "final val_loss"),
    ] = "final val_loss"
    prune: Annotated[
        PruneSection | None,
        Field(description="successive halving; false: every trial is trained to its end"),
        Wanted("true, false, or a mapping with first, factor and spare", "{first: 0.25, factor: 3, spare: 5}"),
    ] = PruneSection()
    confirm: Annotated[
        int,
        Field(description="new seeds that the best recipe and the given one are trained with in the end", ge=0, le=100),
        Wanted("a whole number from 0 to 100", "3"),
    ] = 3


class _File(BaseModel):
    """So that messages name the section."""

    search: SearchSection


@dataclass(frozen=True)
class Objective:
    """What is searched for.

    Attributes:
        when: ``"final"``: at the last evaluation; ``"best"``: at the best one.
        metric: column of the evaluations.
    """

    when: Literal["final", "best"]
    metric: str

    def __str__(self) -> str:
        return f"{self.when} {self.metric}"


@dataclass(frozen=True)
class Settings:
    """A whole search as it was asked for.

    Attributes:
        space: ranges, and the recipe they are of.
        sampler: that proposes.
        trials: at most so many; None: no limit of this kind.
        budget: updates at most; None: no limit of this kind.
        seeds: of each trial.
        objective: what is searched for.
        prune: when trials are given up; None: never.
        confirm: seeds that the winner is trained with in the end.
    """

    space: Space
    sampler: Sampler
    trials: int | None
    budget: int | None
    seeds: tuple[int, ...]
    objective: Objective
    prune: PruneSection | None
    confirm: tuple[int, ...]

    @property
    def recipe(self) -> Recipe:
        """The recipe that is searched."""
        return self.space.recipe

    @property
    def content(self) -> dict[str, Any]:
        """All that shapes the trials, as plain data; how many there are does not, so that a search can be extended."""
        recipe = self.recipe.model_dump(exclude=set(NOT_ASKED), exclude_defaults=True)
        return {
            "recipe": recipe,
            "space": self.space.said,
            "sampler": self.sampler,
            "seeds": list(self.seeds),
            "objective": str(self.objective),
            "prune": None if self.prune is None else self.prune.model_dump(),
        }

    @property
    def fingerprint(self) -> str:
        """64 hexadecimal digits over that."""
        # With the order of the space: it is that of the grid.
        content = [self.content, list(self.space.said)]
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()

    @property
    def study_name(self) -> str:
        """Name of the study where none is given: the same search finds it in the same database."""
        return f"{folder_safe(self.recipe.name)}-{self.fingerprint[:8]}"


def read_settings(
    recipe: RecipeLike, space: Mapping[str, Any] | None, updates: int | None, options: Mapping[str, Any]
) -> Settings:
    """Read and check what is to be searched.

    Args:
        recipe: file, recipe or mapping; with or without a section `search`.
        space: further fields with their ranges, which win over those of the section.
        updates: length of every run, instead of the recipe's.
        options: other keys of the section, which win over it; None: as it says.

    Raises:
        RecipeError: the recipe or the section cannot be used.
        SearchError: the space cannot be.
    """
    keys, called = _keys(recipe)
    section = keys.pop("search", None)
    if section is not None and not isinstance(section, Mapping):
        raise RecipeError(f"{called}search is {shown(section)}; write keys below it, e.g. space: {{lr: ...}}")
    given = dict(cast("Mapping[str, Any]", section or {}))
    given.update({key: value for key, value in options.items() if value is not None})
    if space and isinstance(given.get("space", {}), Mapping):
        given["space"] = {**given.get("space", {}), **space}
    if isinstance(given.get("prune"), bool):
        given["prune"] = {} if given["prune"] else None
    try:
        read = _File.model_validate({"search": given}).search
    except ValidationError as fault:
        raise RecipeError(f"{called}{sentence(fault, _File)}") from None
    try:
        base = make_recipe(keys)
        if updates is not None:
            base = base.changed(total=_updates(updates))
    except RecipeError as fault:
        raise RecipeError(f"{called}{fault}") from None
    if not read.space:
        raise SearchError(
            f'{called}nothing is searched; write a section `search: {{space: {{lr: "log(1e-4, 1e-1)"}}}}` into the '
            f"file, or --search 'lr=log(1e-4, 1e-1)'; ranges are {FORMS}"
        )
    seeds = _seeds(read.seeds)
    made = make_space(base, read.space)
    return Settings(
        made,
        read.sampler,
        _trials(read, made),
        read.budget,
        seeds,
        _objective(read.objective),
        read.prune,
        tuple(seed for seed in range(CONFIRM_SEED, CONFIRM_SEED + 1000) if seed not in seeds)[: read.confirm],
    )


def file_schema() -> dict[str, Any]:
    """JSON Schema (draft 2020-12) of a recipe file as `cadence sweep` reads it: the recipe and its section `search`.

    Example:
        >>> schema = file_schema()
        >>> schema["properties"]["search"]["$ref"], "search" in schema["required"]
        ('#/$defs/SearchSection', False)
    """
    schema, section = recipe_schema(), SearchSection.model_json_schema(ref_template="#/$defs/{model}")
    inner: dict[str, Any] = section.pop("$defs")
    # The model itself has None in the place of false, which `read_settings` puts there.
    section["properties"]["prune"]["anyOf"].append({"type": "boolean"})
    section["properties"]["prune"]["default"] = True
    told = "what `cadence sweep` searches: fields of this recipe with their ranges; no other command reads it"
    schema["$defs"] = {**schema["$defs"], **inner, "SearchSection": section}
    schema["properties"]["search"] = {"$ref": "#/$defs/SearchSection", "description": told}
    return schema


def read_space(lines: Sequence[str]) -> dict[str, Any]:
    """Fields with their ranges from ``field=range`` texts, as the command line has them.

    Raises:
        SearchError: a text without ``=``, or a field that is named twice.

    Example:
        >>> read_space(["lr=log(1e-4, 1e-1)", "optimizer.name=[adamw, lion]"])
        {'lr': 'log(1e-4, 1e-1)', 'optimizer.name': ['adamw', 'lion']}
    """
    found: dict[str, Any] = {}
    for line in lines:
        name, equals, text = line.partition("=")
        name = name.strip()
        if not equals or not name or not text.strip():
            raise SearchError(
                f"--search {line!r:.80} is no field with a range; write e.g. --search 'lr=log(1e-4, 1e-1)'"
            )
        if name in found:
            raise SearchError(f"--search names {name} twice; keep one of them")
        # A list is YAML's; everything else is the text itself, whatever signs it has.
        listed = text.strip().startswith(("[", "{"))
        found[name] = read_mapping(f"value: {text}", f"--search {name}")["value"] if listed else text.strip()
    return found


def _keys(recipe: RecipeLike) -> tuple[dict[str, Any], str]:
    """Keys of the recipe with the section, and what messages put in front."""
    if isinstance(recipe, Recipe):
        return recipe.model_dump(), ""
    if isinstance(recipe, Mapping):
        return dict(recipe), ""
    file = Path(recipe)
    return {"name": file.stem, **read_mapping(read_file(file), file.name)}, f"{file.name}: "


def _updates(updates: Any) -> int:
    if not isinstance(updates, int) or isinstance(updates, bool) or updates < 1:
        raise RecipeError(f"updates={updates!r} is no length of a run; write a whole number of at least 1")
    return updates


def _seeds(given: int | list[int]) -> tuple[int, ...]:
    seeds = tuple(range(given)) if isinstance(given, int) else tuple(given)
    if not seeds or len(set(seeds)) < len(seeds) or any(not 0 <= seed < 2**32 for seed in seeds):
        raise SearchError(
            f"seeds is {shown(given)}: none, one twice, or no seed; write e.g. seeds: 3, or seeds: [0, 1]"
        )
    return seeds


def _objective(text: str) -> Objective:
    found = re.fullmatch(r"\s*(final|best)\s+(\w+)\s*", text)
    if found is None:
        raise SearchError(f"objective is {text!r:.60}; write final or best and a metric, e.g. final val_loss")
    return Objective(cast("Literal['final', 'best']", found[1]), found[2])


def _trials(section: SearchSection, space: Space) -> int | None:
    if section.sampler == "grid":
        return min(space.size, section.trials or math.inf)  # pyright: ignore[reportReturnType] - a size is finite
    if section.trials is None and section.budget is None:
        return TRIALS
    return section.trials
