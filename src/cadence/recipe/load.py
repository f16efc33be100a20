"""Recipes from files."""

from __future__ import annotations

import os
from pathlib import Path

from cadence._errors import RecipeError
from cadence.recipe.reading import read_file, read_mapping
from cadence.recipe.recipe import Recipe, make_recipe


def load_recipe(path: str | os.PathLike[str]) -> Recipe:
    """Read and check a recipe file. Nothing is imported or run.

    Args:
        path: of a YAML file, at most 64 KiB.

    Returns:
        The recipe; where the file gives no `name`, the file's own.

    Raises:
        RecipeError: the file is not there or not YAML, or a key or value is wrong: one sentence with the file's name.
    """
    file = Path(path)
    return recipe_from_text(read_file(file), file.name, name=file.stem)


def recipe_from_text(text: str, called: str, *, name: str) -> Recipe:
    """Read and check a recipe.

    Args:
        text: YAML.
        called: how messages call the text: the file's name.
        name: of the recipe where the text gives none.

    Raises:
        RecipeError: see `load_recipe`.
    """
    keys = read_mapping(text, called)
    try:
        return make_recipe({"name": name, **keys})
    except RecipeError as fault:
        raise RecipeError(f"{called}: {fault}") from None
