"""`cadence env`: versions, machine, device, state of the code."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import typer

from cadence.cli.options import AsJson


def add_to(app: typer.Typer) -> None:
    """Enter the command."""
    app.command("env")(env)


def env(as_json: AsJson = False) -> None:
    """Show versions, machine and devices.

    What a run here would record about this place.
    """
    from cadence.cli.show import print_json, print_table
    from cadence.record.environment import environment

    here = environment()
    if as_json:
        print_json(here)
    else:
        print_table(("", ""), [(key, _words(value)) for key, value in here.items() if key != "data"])


def _words(value: Any) -> str:
    if value is None or value == []:
        return "-"
    if isinstance(value, Mapping):
        return "\n".join(f"{k} {_words(v)}" for k, v in value.items())  # pyright: ignore[reportUnknownVariableType]
    if isinstance(value, list):
        return " ".join(_words(v) for v in value)  # pyright: ignore[reportUnknownVariableType]
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value)
