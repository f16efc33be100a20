"""Curves of what is typed: the text of a schedule, or a recipe file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from cadence._errors import RecipeError, ScriptError

if TYPE_CHECKING:
    from cadence.curve.curve import Curve
    from cadence.recipe.recipe import Recipe
    from cadence.spec.nodes import Schedule
    from cadence.spec.plan import Plan


class Units(NamedTuple):
    """How long an epoch, a batch and a step are, as for `place`; None: not known."""

    steps_per_epoch: int | None
    batch_size: int | None
    tokens_per_step: int | None


def curve_of(text: str, *, total: int | str | None, base: float | None, units: Units) -> Curve:
    """The curve of a schedule's text, or of a recipe file.

    Args:
        text: a schedule, or the path of a recipe file (`.yaml`, `.yml`).
        total: length of the run; of a recipe: instead of its own.
        base: base value of the learning rate; of a recipe: instead of its own.
        units: of the run; those of a recipe with an embedded task are known.

    Raises:
        CadenceError: the schedule, the recipe or a length cannot be meant.
    """
    from cadence.curve.place import place

    if not text.endswith((".yaml", ".yml")):
        return place(text, total=total, base=1.0 if base is None else base, **units._asdict())
    from cadence.recipe.bases import group_names
    from cadence.recipe.load import load_recipe

    recipe = load_recipe(Path(text))
    if total is not None:
        recipe = recipe.changed(total=total)
    if base is not None:
        recipe = recipe.at_rate(base)
    known = {key: value for key, value in units._asdict().items() if value is not None}
    groups = group_names(recipe)
    run = (_units(recipe) if units.steps_per_epoch is None else units)._replace(**known)
    recipe, spec = _scaled(recipe, run.batch_size)
    return place(spec, total=recipe.total, base=_bases(recipe, groups), groups=groups, **run._asdict())


class Drawn(NamedTuple):
    """A curve to draw.

    Attributes:
        curve: the curve.
        label: what it is called; None: its schedule.
        assumed: sentences on what was taken for granted.
        data: what `--json` says of it besides.
    """

    curve: Curve
    label: str | None
    assumed: tuple[str, ...]
    data: dict[str, Any]


def is_script(text: str) -> bool:
    """Whether an argument is the path of a training script, a notebook or a page."""
    return text.endswith((".py", ".ipynb", ".md"))


def script_curves(path: str, *, total: int | str | None, base: float | None, units: Units) -> list[Drawn]:
    """The rate that a training script will really run: one curve for each optimizer, or each group of it.

    Args:
        path: of the script, notebook or page.
        total: updates to look at, instead of all.
        base: learning rate instead of the script's own.
        units: what an epoch, a batch and a step are; of a script ``len(loader)`` is the first.

    Raises:
        CadenceError: the script cannot be read, or its rate depends on what only a run would show.
    """
    from cadence.curve.horizon import horizon
    from cadence.script.files import read_file
    from cadence.script.rates import rates

    run = horizon(total, *units)
    found: list[Drawn] = []
    faults: list[ScriptError] = []
    for script in read_file(path, steps_per_epoch=units.steps_per_epoch):
        try:
            told = rates(script, total=run.total, base=base)
        except ScriptError as fault:
            faults.append(fault)
            continue
        for rate in told:
            for label, curve in rate.by_group():
                where = f"{label} ({path}, {script.at(rate.line)})"
                data = {"label": where, "line": rate.line, "per": rate.per, "assumed": list(rate.assumed)}
                found.append(Drawn(curve, where, rate.assumed, data))
    if not found:
        raise faults[0] if faults else ScriptError(f"there is no Python in {path}; give a page with a block of it")
    return found


def _units(recipe: Recipe) -> Units:
    """The units of an embedded task. Code of one's own is imported by a training, not by a picture."""
    from cadence.tasks import embedded_tasks, task

    if recipe.task not in embedded_tasks():
        return Units(None, None, None)
    from cadence.run.course import settle

    run = settle(recipe, task(recipe.task), "val").horizon
    return Units(run.steps_per_epoch, run.batch_size, run.tokens_per_step)


def _scaled(recipe: Recipe, batch: int | None) -> tuple[Recipe, Schedule | Plan]:
    """A recipe with the rates that its batch makes of the stated ones, and the schedule with the warmup that goes with
    them."""
    from cadence.curve.place import as_plan
    from cadence.run.scaling import at_batch, climbing, scalings

    if all(one.scale_lr is None for one in recipe.optimizers.values()):
        return recipe, recipe.spec
    if batch is None and recipe.batch_size is not None:
        batch = recipe.batch_size * recipe.accumulate
    if batch is None:
        raise RecipeError(
            f"{recipe.name}: scale_lr needs the batch of the run, which a task of one's own does not tell before it is "
            f"run; write batch_size into the recipe, or give --batch-size"
        )
    found = scalings(recipe, batch)
    return at_batch(recipe, found), climbing(as_plan(recipe.spec), recipe, found)


def _bases(recipe: Recipe, groups: list[str]) -> dict[str, list[float]]:
    """What the recipe itself says of each value that its plan governs."""
    from cadence.curve.place import as_plan
    from cadence.recipe.bases import base_of

    plan = as_plan(recipe.spec)
    bases: dict[str, list[float]] = {}
    for value in plan.values():
        bases[value] = []
        for group in groups:
            # A group that the plan does not govern needs none.
            base = 1.0 if plan.governing(group, value) is None else base_of(recipe, group, value)
            if base is None:
                raise RecipeError(
                    f"{recipe.name}: the schedule governs {value!r}, and the optimizer names no {value} that it could "
                    f"be a multiple of; write {value}: under optimizer"
                )
            bases[value].append(base)
    return bases
