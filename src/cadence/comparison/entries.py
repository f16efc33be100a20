"""Which recipes are compared on which task, with which seeds and rates: settled before anything is trained."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from cadence._errors import RecipeError, TaskError, neighbours
from cadence.comparison.article import LABELS, NOTES, SEEDS, TASK_LABELS, TITLE
from cadence.comparison.engines import chosen_engines, in_engine, label_in, note
from cadence.comparison.settings import Words, folder_name
from cadence.recipe.builtin import builtin_recipes, builtin_tasks
from cadence.recipe.load import load_recipe
from cadence.recipe.recipe import Recipe, make_recipe

RecipeLike: TypeAlias = str | os.PathLike[str] | Recipe | Mapping[str, Any]

OWN_SEEDS = 3
"""Seeds of recipes of one's own, where none are asked for: the fewest that give an interval worth reading."""

TUNING_SEED = 1000

NOT_ASKED = {"seed", "loggers", "tags", "notes", "tune", "effective_rates"}
"""Keys of a recipe that are not what is compared; seeds and rates are a comparison's own matter."""


@dataclass(frozen=True)
class Entry:
    """One recipe of a comparison.

    Attributes:
        recipe: as it is run, the seed and the tuned rate apart.
        label: what the report calls it.
        folder: as its folders are called.
        rates: base rates that tuning tries; empty: its own is used.
        twin: number of the entry that is the same training in another framework, whose tuned rate it takes.
    """

    recipe: Recipe
    label: Words
    folder: str
    rates: tuple[float, ...]
    twin: int | None = None


@dataclass(frozen=True)
class Group:
    """The recipes that are compared with each other: those of one task. The first is the baseline.

    Attributes:
        name: of the task, with its arguments where the task occurs with several.
        label: what the report calls it.
        folder: as its folders are called.
        entries: the recipes.
        seeds: of the reported runs.
        tuning_seed: of the tuning runs, and none of the others; None: nothing is tuned.
    """

    name: str
    label: Words
    folder: str
    entries: tuple[Entry, ...]
    seeds: tuple[int, ...]
    tuning_seed: int | None


@dataclass(frozen=True)
class Intent:
    """A whole comparison as it was asked for.

    Attributes:
        groups: one per task.
        title: heading of the report; None: a plain one.
        notes: what the report must say that cannot be read from the runs.
    """

    groups: tuple[Group, ...]
    title: Words | None
    notes: tuple[Words, ...]

    @property
    def fingerprint(self) -> str:
        """64 hexadecimal digits over all that shapes the results; the same question has the same ones."""
        return hashlib.sha256(json.dumps([_content(g) for g in self.groups], sort_keys=True).encode()).hexdigest()

    @property
    def folder_name(self) -> str:
        """Name of the comparison's folder where none is given."""
        return f"compare-{self.fingerprint[:8]}"

    @property
    def threads(self) -> int:
        """Threads that one training wants at most."""
        return max(entry.recipe.threads for group in self.groups for entry in group.entries)

    @property
    def devices(self) -> frozenset[str]:
        """What the recipes ask to be trained on."""
        return frozenset(entry.recipe.device for group in self.groups for entry in group.entries)


def intent(
    recipes: Sequence[RecipeLike] | None,
    *,
    seeds: int | Sequence[int] | None,
    tasks: Sequence[str] | None,
    updates: int | None,
    tune: bool,
    engines: str | Sequence[str] | None = None,
) -> Intent:
    """Read and check what is to be compared.

    Args:
        recipes: files, recipes or mappings; None or empty: the built-in ones.
        seeds: how many, or which; None: what suits the recipes.
        tasks: only these; None: all.
        updates: length of every run instead of the recipes' own.
        tune: whether the rates of a recipe's `tune` are tried.
        engines: frameworks that each recipe is trained in, the first of which is tuned; None: its own.

    Raises:
        RecipeError: a recipe that cannot be used, two of one name, or an impossible number.
        TaskError: a task that no recipe has.
    """
    chosen, frameworks = _seeds(seeds), chosen_engines(engines)
    if updates is not None and (not isinstance(updates, int) or isinstance(updates, bool) or updates < 1):
        raise RecipeError(f"updates={updates!r} is no length of a run; write a whole number of at least 1")
    own = list(recipes) if recipes is not None else []
    read = [_read(recipe) for recipe in own] if own else _builtin(tasks)
    groups: dict[str, list[Recipe]] = {}
    for recipe in read:
        groups.setdefault(_key(recipe), []).append(recipe if updates is None else recipe.changed(total=updates))
    names = _names(groups)
    if own and tasks is not None:
        keep = {name for task in tasks for name in _named(task, groups, names)}
        groups = {key: members for key, members in groups.items() if key in keep}
    taken: list[str] = []
    made: list[Group] = []
    for key, members in groups.items():
        _check_names(members, names[key])
        folder = folder_name(names[key], taken)
        taken.append(folder)
        made.append(_group(names[key], folder, members, chosen, frameworks, tune=tune, builtin=not own))
    notes = (*(NOTES if not own else ()), *note(frameworks))
    return Intent(tuple(made), None if own else TITLE, notes)


def _group(
    name: str,
    folder: str,
    recipes: list[Recipe],
    seeds: tuple[int, ...] | None,
    engines: tuple[str, ...],
    *,
    tune: bool,
    builtin: bool,
) -> Group:
    taken: list[str] = []
    entries: list[Entry] = []
    for recipe in recipes:
        rates = _rates(recipe) if tune else ()
        # One rate is no choice: it needs no run.
        settled = recipe.at_rate(rates[0]) if len(rates) == 1 else recipe
        label = LABELS.get(recipe.name, recipe.name) if builtin else recipe.name
        tried = rates if len(rates) > 1 else ()
        first = len(entries)
        for number, engine in enumerate(engines or (recipe.engine,)):
            member = in_engine(settled, engine, engines) if engines else settled
            shown = label_in(label, engine) if len(engines) > 1 else label
            own_folder = folder_name(member.name, taken)
            taken.append(own_folder)
            entries.append(Entry(member, shown, own_folder, () if number else tried, first if number else None))
    if seeds is None:
        seeds = tuple(range(SEEDS.get(name, OWN_SEEDS) if builtin else OWN_SEEDS))
    tuning = None
    if any(entry.rates for entry in entries):
        tuning = next(seed for seed in range(TUNING_SEED, TUNING_SEED + len(seeds) + 1) if seed not in seeds)
    label = TASK_LABELS.get(name, name) if builtin else name
    return Group(name, label, folder, tuple(entries), seeds, tuning)


def _read(recipe: RecipeLike) -> Recipe:
    if isinstance(recipe, Recipe):
        return recipe
    return make_recipe(recipe) if isinstance(recipe, Mapping) else load_recipe(recipe)


def _builtin(tasks: Sequence[str] | None) -> list[Recipe]:
    known = builtin_tasks()
    # In the order of the report: what takes least explaining first.
    wanted = list(dict.fromkeys(tasks)) if tasks is not None else sorted(known, key=lambda t: (t != "digits", t))
    for task in wanted:
        if task not in known:
            raise TaskError(f"there are no built-in recipes for the task {task!r}; {neighbours(task, known)}")
    if not wanted:
        raise TaskError(f"no task is named; write one or more of {', '.join(known)}, or leave the option out")
    return [recipe for task in wanted for recipe in builtin_recipes(task)]


def _seeds(seeds: int | Sequence[int] | None) -> tuple[int, ...] | None:
    if seeds is None:
        return None
    if isinstance(seeds, int) and not isinstance(seeds, bool):
        if seeds < 1:
            raise RecipeError(
                f"seeds={seeds} leaves nothing to train; write how many seeds each recipe gets, at least 1"
            )
        return tuple(range(seeds))
    # Callers without a type checker pass anything.
    given: tuple[Any, ...] = tuple(seeds) if isinstance(seeds, list | tuple | range) else (seeds,)
    for seed in given:
        if not isinstance(seed, int) or isinstance(seed, bool) or not 0 <= seed < 2**32:
            raise RecipeError(
                f"{seed!r:.60} is no seed; write whole numbers from 0 to 4294967295, or how many there are"
            )
    if not given or len(set(given)) < len(given):
        raise RecipeError(f"seeds={list(given)!r:.80} names none, or one twice; each recipe is trained once with each")
    return given


def _rates(recipe: Recipe) -> tuple[float, ...]:
    rates = tuple(recipe.rates)
    shown = [f"{rate:.6g}" for rate in rates]
    for text in shown:
        if shown.count(text) > 1:
            raise RecipeError(f"{recipe.name}: tune tries the rate {text} twice; keep one of them")
    return rates


def _key(recipe: Recipe) -> str:
    """What must be equal for losses to be comparable."""
    return json.dumps([recipe.task, recipe.task_args], sort_keys=True)


def _names(groups: Mapping[str, list[Recipe]]) -> dict[str, str]:
    """What each group is called: its task, with its arguments where the task alone would not tell."""
    tasks = [members[0].task for members in groups.values()]
    return {
        key: members[0].task
        if tasks.count(members[0].task) == 1
        else f"{members[0].task} {json.dumps(members[0].task_args, sort_keys=True, ensure_ascii=False)}"
        for key, members in groups.items()
    }


def _named(task: str, groups: Mapping[str, list[Recipe]], names: Mapping[str, str]) -> list[str]:
    found = [key for key, members in groups.items() if task in (members[0].task, names[key])]
    if not found:
        raise TaskError(f"no recipe has the task {task!r}; {neighbours(task, names.values())}")
    return found


def _check_names(recipes: list[Recipe], task: str) -> None:
    seen: dict[str, Recipe] = {}
    for recipe in recipes:
        other = seen.setdefault(recipe.name, recipe)
        if other is not recipe:
            if other == recipe:
                raise RecipeError(f"the recipe {recipe.name!r} is given twice; name it once, more seeds are --seeds")
            raise RecipeError(
                f"two different recipes for {task} are called {recipe.name!r}; give one of them a `name` of its own"
            )


def _content(group: Group) -> list[Any]:
    # Without defaults, as in the hash of a recipe: a key that a later version adds makes no other comparison of it.
    recipes = [e.recipe.model_dump(exclude=NOT_ASKED, exclude_defaults=True) for e in group.entries]
    return [group.name, recipes, [list(e.rates) for e in group.entries], list(group.seeds), group.tuning_seed]
