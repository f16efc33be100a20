"""`cadence train`: one training from a recipe."""

from __future__ import annotations

import typer


def add_to(app: typer.Typer) -> None:
    """Enter the command."""
    app.command("train")(train)


def train() -> None:
    """Train."""
