"""Base rates that are stated for another batch, as they are in this run.

A recipe may have one optimizer, or several by name, each with a rate of its own and its own `scale_lr`. What a group
states as a rate belongs to the batch that its optimizer's rate belongs to.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeAlias

from cadence._errors import RecipeError
from cadence.curve.horizon import Horizon, units_of
from cadence.recipe.parts import OptimizerRecipe
from cadence.recipe.recipe import Recipe
from cadence.recipe.scaling import Scaling, scaling, with_warmup
from cadence.spec.plan import Plan

Scalings: TypeAlias = Mapping[str, Scaling]
"""By the name of the optimizer; one that is alone is called ``"optimizer"``."""


def scalings(recipe: Recipe, batch: int) -> Scalings:
    """What the rules of a recipe come to.

    Args:
        recipe: as it was written.
        batch: examples in one update.
    """
    return {
        name: scaling(one.scale_lr.rule, one.lr, one.scale_lr.reference_batch, batch)
        for name, one in recipe.optimizers.items()
        if one.scale_lr is not None
    }


def at_batch(recipe: Recipe, found: Scalings) -> Recipe:
    """The recipe with the rates that the run really has, for whoever builds optimizers.

    Args:
        recipe: as it was written.
        found: by `scalings`.
    """
    if not found:
        return recipe
    keys = recipe.model_dump()
    scaled = {name: _at_rate(one, found.get(name)) for name, one in recipe.optimizers.items()}
    groups: dict[str, dict[str, Any]] = keys["groups"]
    first = next(iter(scaled))
    for group in groups.values():
        # A multiple ("x10") is one of the scaled rate already.
        own = found.get(group.get("optimizer") or first)
        if own is not None and isinstance(group.get("lr"), (int, float)):
            group["lr"] *= own.factor
    alone = isinstance(recipe.optimizer, OptimizerRecipe)
    return recipe.changed(optimizer=scaled[first] if alone else scaled, groups=groups)


def climbing(plan: Plan, recipe: Recipe, found: Scalings) -> Plan:
    """The plan with the warmup that `scale_lr` asks for.

    Args:
        plan: of the run.
        recipe: as it was written.
        found: by `scalings`.

    Raises:
        RecipeError: several optimizers of which only some climb, or not alike.
    """
    wanted = [one.scale_lr for _, one in recipe.optimizers.items()]
    lengths = {None if one is None else one.warmup for one in wanted}
    factors = {each.factor for each in found.values()}
    if lengths == {None}:
        return plan
    if len(lengths) > 1 or len(factors) > 1:
        raise RecipeError(
            "scale_lr.warmup is one climb for the whole schedule, and the optimizers of this recipe are not scaled "
            "alike; write the warmup into the schedule of each group instead"
        )
    [length] = lengths
    assert length is not None
    return with_warmup(plan, next(iter(found.values())), length)


def rescaled(found: Scalings, driver: Mapping[str, Any]) -> dict[str, list[Any]]:
    """What is different where a run goes on with updates of another size than its rates are stated for; else nothing.

    Args:
        found: by `scalings`, from now on.
        driver: its state, where the run goes on.
    """
    was = units_of(Horizon(**driver["horizon"]), driver["journal"]).batch_size
    now = {each.batch for each in found.values()} - {was}
    return {"examples of an update": [was, now.pop()]} if now else {}


def to_json(found: Scalings) -> dict[str, Any]:
    """What ``run.json`` says of it; nothing where nothing was scaled."""
    return {"scale_lr": {name: each.to_json() for name, each in found.items()}} if found else {}


def _at_rate(one: OptimizerRecipe, own: Scaling | None) -> dict[str, Any]:
    keys = one.model_dump()
    return keys if own is None else {**keys, "lr": own.scaled, "scale_lr": None}
