"""What a recipe says of its groups' values without its model."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cadence._errors import RecipeError, neighbours
from cadence.spec.groups import REST, Multiple, Wanted
from cadence.spec.plan import Plan, split_key

if TYPE_CHECKING:
    from cadence.recipe.recipe import Recipe


def group_names(recipe: Recipe) -> list[str]:
    """Names of the groups that a plan can be placed on: the recipe's, the rest, and the parts that its plan names.

    Which parts there are, only the model can tell.
    """
    spec = recipe.spec
    keys = [key for key, _ in spec.entries] if isinstance(spec, Plan) else []
    parts = [pattern for key in keys if (pattern := split_key(key)[0]) is not None and ":" in pattern]
    return list(dict.fromkeys([*recipe.groups, REST, *parts]))


def groups_of(recipe: Recipe, optimizer: str) -> list[str]:
    """Those of these groups that an optimizer trains."""
    wanted = dict(recipe.division.groups)
    main = next(iter(recipe.optimizers))
    chosen = {name: wanted.get(name.partition(":")[0], Wanted()).optimizer or main for name in group_names(recipe)}
    return [name for name, one in chosen.items() if one == optimizer]


def base_of(recipe: Recipe, group: str, value: str) -> float | None:
    """The base of a value of a group, as far as the recipe names it; a decay by depth is not in it.

    Raises:
        RecipeError: the group chooses an optimizer that there is not.
    """
    wanted = dict(recipe.division.groups).get(group.partition(":")[0], Wanted())
    own = _own(recipe, wanted.optimizer)
    base = dict(wanted.values).get(value, own.get(value))
    if isinstance(base, Multiple):
        whole = own.get(value)
        return None if whole is None else whole * base.factor
    return base


def _own(recipe: Recipe, optimizer: str | None) -> dict[str, Any]:
    """What an optimizer of the recipe says of its values."""
    one = recipe.main if optimizer is None else recipe.optimizers.get(optimizer)
    if one is None:
        raise RecipeError(
            f"a group of {recipe.name} chooses the optimizer {optimizer!r}; "
            f"{neighbours(str(optimizer), recipe.optimizers)}"
        )
    own: dict[str, Any] = one.arguments | {"lr": one.lr}
    for name, index in (("beta1", 0), ("beta2", 1)):
        if "betas" in own:
            own[name] = own["betas"][index]
    return own
