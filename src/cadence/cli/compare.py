"""`cadence compare`: one compareing from a recipe."""
from __future__ import annotations
import typer
def add_to(app: typer.Typer) -> None:
    """Enter the command."""
    app.command("compare")(compare)
def compare() -> None:
    """Train."""
