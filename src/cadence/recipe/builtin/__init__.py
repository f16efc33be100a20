"""The recipes of the default comparison, as YAML files beside this one: `<task>-<name>.yaml`.

They follow the table that articles on optimizers print (SGD with momentum and step decay, AdamW, AdamW with warmup and
cosine, LAMB with warmup and cosine), with the rates tuned: all four by one rule, `rates.md` says which.
"""

from __future__ import annotations

from importlib import resources

from cadence._errors import UnknownNameError, neighbours
from cadence.recipe.load import recipe_from_text
from cadence.recipe.recipe import Recipe

NAMES = ("sgd-step", "adamw-constant", "adamw-cosine", "lamb-cosine")
"""In the order of the table; the first is the baseline."""


def builtin_tasks() -> list[str]:
    """Tasks that have built-in recipes.

    Example:
        >>> builtin_tasks()
        ['bytes', 'digits']
    """
    suffix = f"-{NAMES[0]}.yaml"
    files = (entry.name for entry in resources.files(__name__).iterdir())
    return sorted(name.removesuffix(suffix) for name in files if name.endswith(suffix))


def builtin_recipes(task: str) -> list[Recipe]:
    """The recipes of the default comparison on one task, the baseline first.

    Args:
        task: one of `builtin_tasks()`.

    Raises:
        UnknownNameError: the task has none.

    Example:
        >>> [recipe.name for recipe in builtin_recipes("digits")]
        ['sgd-step', 'adamw-constant', 'adamw-cosine', 'lamb-cosine']
    """
    if task not in builtin_tasks():
        raise UnknownNameError(
            f"there are no built-in recipes for the task {task!r}; {neighbours(task, builtin_tasks())}"
        )
    folder = resources.files(__name__)
    files = [f"{task}-{name}.yaml" for name in NAMES]
    texts = [(folder / file).read_text(encoding="utf-8") for file in files]
    return [recipe_from_text(text, f, name=n) for text, f, n in zip(texts, files, NAMES, strict=True)]
