"""Curves of what is typed: the text of a schedule, or a recipe file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from cadence._errors import RecipeError

if TYPE_CHECKING:
    from cadence.curve.curve import Curve
    from cadence.recipe.recipe import Recipe


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
    from cadence.recipe.load import load_recipe

    recipe = load_recipe(Path(text))
    if total is not None:
        recipe = recipe.changed(total=total)
    if base is not None:
        recipe = recipe.at_rate(base)
    known = {key: value for key, value in units._asdict().items() if value is not None}
    groups = [*recipe.groups, "rest"]
    run = (_units(recipe) if units.steps_per_epoch is None else units)._replace(**known)
    return place(recipe.spec, total=recipe.total, base=_bases(recipe, groups), groups=groups, **run._asdict())


def _units(recipe: Recipe) -> Units:
    """The units of an embedded task. Code of one's own is imported by a training, not by a picture."""
    from cadence.tasks import embedded_tasks, task

    if recipe.task not in embedded_tasks():
        return Units(None, None, None)
    from cadence.run.course import settle

    run = settle(recipe, task(recipe.task), "val").horizon
    return Units(run.steps_per_epoch, run.batch_size, run.tokens_per_step)


def _bases(recipe: Recipe, groups: list[str]) -> dict[str, list[Any]]:
    """What the recipe itself says of each value that its plan governs."""
    from cadence.curve.place import as_plan

    own: dict[str, Any] = recipe.optimizer.arguments | {"lr": recipe.optimizer.lr}
    for name, index in (("beta1", 0), ("beta2", 1)):
        if "betas" in own:
            own[name] = own["betas"][index]
    bases: dict[str, list[Any]] = {}
    for value in as_plan(recipe.spec).values():
        numbers = [
            recipe.groups[group].values.get(value, own.get(value)) if group in recipe.groups else own.get(value)
            for group in groups
        ]
        if None in numbers:
            raise RecipeError(
                f"{recipe.name}: the schedule governs {value!r}, and the optimizer names no {value} that it could be a "
                f"multiple of; write {value}: under optimizer"
            )
        bases[value] = numbers
    return bases
