"""`cadence convert`: a scheduler of one framework written for another, with the proof that the two are equal."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Annotated, NamedTuple

import typer

from cadence.cli.options import AsJson, Length, StepsPerEpoch

if TYPE_CHECKING:
    from cadence.conversion.convert import Conversion, Source


class Item(NamedTuple):
    """One scheduler to convert, and what it is called in what is printed; empty where there is only one."""

    label: str
    source: Source


def add_to(app: typer.Typer) -> None:
    """Enter the command."""
    app.command("convert")(convert)


def convert(
    scheduler: Annotated[
        list[str],
        typer.Argument(help='"CosineAnnealingLR(T_max=90)", "optax.linear_schedule(0.1, 0, 90)", or a schedule.'),
    ],
    to: Annotated[list[str], typer.Option("--to", help="Framework to write it for; may be given several times.")],
    whose: Annotated[
        str | None,
        typer.Option(
            "--from",
            help="Framework it is written in, or cadence; found out where it can be.",
            show_default=False,
        ),
    ] = None,
    base: Annotated[
        list[float] | None,
        typer.Option(help="Base learning rate: 1; once for each parameter group.", show_default=False),
    ] = None,
    total: Length = None,
    per: Annotated[str, typer.Option(help="What one step() belongs to: step (an update) or epoch.")] = "step",
    steps_per_epoch: StepsPerEpoch = None,
    as_json: AsJson = False,
) -> None:
    """Write a scheduler of one framework for another.

    Prints the source, and the largest difference between the two over all steps, computed by running both. Exit
    status 1 where a framework has no equal; the adapter that follows the schedule is printed instead.
    """
    from cadence.cli.lengths import length
    from cadence.conversion.convert import read_source
    from cadence.conversion.framework import known

    for name in to:
        known(name)
    items = [
        Item(
            text if len(scheduler) > 1 else "",
            read_source(text, base or None, length(total), per, steps_per_epoch, whose),
        )
        for text in scheduler
    ]
    raise typer.Exit(show(items, to, as_json=as_json))


def show(items: Iterable[Item], to: list[str], *, as_json: bool) -> int:
    """Convert and print.

    Args:
        items: what is to be converted.
        to: the frameworks to write each for.
        as_json: JSON instead of text.

    Returns:
        The exit status: 1 where something has no equal.
    """
    from cadence.cli.exits import FINDINGS
    from cadence.cli.show import print_json
    from cadence.conversion.convert import converted

    made = [(item.label, converted(item.source, name)) for item in items for name in to]
    if as_json:
        print_json({"conversions": [{"label": label, **each.to_json()} for label, each in made]})
    else:
        print("\n\n".join(_section(label, each, headed=len(made) > 1) for label, each in made))
    return FINDINGS if any(each.target is None for _, each in made) else 0


def _section(label: str, made: Conversion, *, headed: bool) -> str:
    head = f"# {label + ' ' if label else ''}for {made.to}\n" if headed else ""
    return f"{head}{made}"
