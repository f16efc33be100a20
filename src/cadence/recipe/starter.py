"""The commented recipe that `cadence init` writes, and the JSON Schema for editors. Both come from the model itself."""

from __future__ import annotations

import json
import textwrap
from typing import Any

from pydantic import BaseModel

from cadence.recipe.builtin import builtin_recipes, builtin_tasks
from cadence.recipe.recipe import Recipe
from cadence.recipe.writing import to_yaml

WIDTH = 100

_HEAD = """\
A recipe: one training as data. Run it with `cadence train`; compare it with others with `cadence compare a.yaml
b.yaml`. Lines that begin with # show what holds where they are left out. An editor that knows YAML schemas checks while
you type: `cadence init --schema` prints the schema.
"""


def starter(task: str = "digits") -> str:
    """A recipe to start from, with a comment for every key.

    Args:
        task: ``"digits"``, ``"bytes"``, or ``"package.module:function"``.

    Returns:
        YAML that `load_recipe` reads: AdamW with warmup and cosine, the embedded tasks at the rate of the built-in
        comparison.

    Raises:
        RecipeError: text that can name no task.

    Example:
        >>> print(starter("bytes").splitlines()[5])
        task: bytes
    """
    recipe = _example(task)
    defaults = {key: field.get_default() for key, field in Recipe.model_fields.items() if not field.is_required()}
    values, parts = recipe.model_dump(), [_comment(_HEAD.replace("\n", " "))]
    for key, field in Recipe.model_fields.items():
        if key == "name":
            continue  # the file's own name says it
        default = defaults.get(key)
        default = default.model_dump() if isinstance(default, BaseModel) else default
        lines = to_yaml({key: values[key]})
        if key in defaults and values[key] == default:
            lines = textwrap.indent(lines, "# ")
        parts.append(_comment(f"{key}: {field.description}") + lines)
    return "\n".join(parts)


def recipe_schema() -> dict[str, Any]:
    """JSON Schema (draft 2020-12) of a recipe file, for editors."""
    schema = Recipe.model_json_schema()
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **json.loads(json.dumps(schema))}


def _example(task: str) -> Recipe:
    if task in builtin_tasks():
        return next(r for r in builtin_recipes(task) if r.name == "adamw-cosine")
    return Recipe(
        task=task,
        optimizer={"name": "adamw", "lr": 0.001, "weight_decay": 0.01},
        schedule="warmup('5%') >> cosine(to=0.01)",
        total="10 epochs",
    )


def _comment(text: str) -> str:
    return "".join(f"# {line}\n" for line in textwrap.wrap(text, WIDTH - 2, break_on_hyphens=False))
