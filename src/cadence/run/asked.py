"""The recipe that a call asks for."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from cadence.recipe.load import load_recipe
from cadence.recipe.recipe import Recipe, make_recipe


def asked_for(
    recipe: str | os.PathLike[str] | Recipe | Mapping[str, Any], seed: int | None, updates: int | None
) -> Recipe:
    """A recipe from a file, a mapping or itself, with another seed or length where one is given.

    Raises:
        RecipeError: it cannot be read.
    """
    if isinstance(recipe, Recipe):
        read = recipe
    elif isinstance(recipe, Mapping):
        read = make_recipe(recipe)
    else:
        read = load_recipe(recipe)
    changes: dict[str, Any] = {}
    if seed is not None:
        changes["seed"] = seed
    if updates is not None:
        changes["total"] = updates
    return read.changed(**changes) if changes else read
