"""`cadence init`: a recipe to start from."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cadence._errors import RecipeError
from cadence.cli.options import AsJson


def add_to(app: typer.Typer) -> None:
    """Enter the command."""
    app.command("init")(init)


def init(
    path: Annotated[Path, typer.Argument(help="Where to write it.")] = Path("recipe.yaml"),
    task: Annotated[str, typer.Option(help="digits, bytes, or package.module:function.")] = "digits",
    schema: Annotated[bool, typer.Option("--schema", help="Print the JSON Schema for editors instead.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Write over a file that is there.")] = False,
    as_json: AsJson = False,
) -> None:
    """Write a recipe with a comment for every key."""
    from cadence.cli.show import print_json
    from cadence.recipe.starter import starter
    from cadence.record.files import make_folder, write_atomically

    if schema:
        from cadence.search.settings import file_schema

        print_json(file_schema())
        return
    text = starter(task)
    if path.exists() and not force:
        raise RecipeError(f"{str(path)!r} is there already; name another file, or add --force to write over it")
    make_folder(path.parent)
    write_atomically(path, text)
    if as_json:
        print_json({"path": str(path), "task": task})
    else:
        print(f"wrote {path}; train it with: cadence train {path}")
