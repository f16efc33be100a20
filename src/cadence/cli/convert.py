"""`cadence convert`: a scheduler of one framework written for another, with the proof that the two are equal."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Iterable
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import typer

from cadence.cli.options import AsJson, Length, StepsPerEpoch

if TYPE_CHECKING:
    from cadence.conversion.convert import Conversion, Source


class Item(NamedTuple):
    """One scheduler to convert, and what it is called in what is printed; empty where there is only one."""

    label: str
    source: Source


class Unread(NamedTuple):
    """A scheduler of a script that cannot be converted, and why."""

    label: str
    reason: str


def add_to(app: typer.Typer) -> None:
    """Enter the command."""
    app.command("convert")(convert)


def convert(
    scheduler: Annotated[
        list[str],
        typer.Argument(
            help='"CosineAnnealingLR(T_max=90)", "optax.linear_schedule(0.1, 0, 90)", a schedule, or a training script '
            "(.py, .ipynb, .md), each of whose schedulers is converted."
        ),
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
    status 1 where a framework has no equal; the adapter that follows the schedule is printed instead. A training
    script is read, not executed, and each scheduler that it makes is converted on its own run.
    """
    from cadence.cli.curves import is_script
    from cadence.cli.lengths import length
    from cadence.conversion.convert import read_source
    from cadence.conversion.framework import known

    choose_keras_backend()
    for name in to:
        known(name)
    items: list[Item] = []
    unread: list[Unread] = []
    for text in scheduler:
        if is_script(text):
            read, left = script_items(text, base=base or None, total=length(total), steps_per_epoch=steps_per_epoch)
            items += read
            unread += left
        else:
            source = read_source(text, base or None, length(total), per, steps_per_epoch, whose)
            items.append(Item(text if len(scheduler) > 1 else "", source))
    raise typer.Exit(show(items, to, unread, as_json=as_json))


def choose_keras_backend() -> None:
    """Let Keras run on what is installed, where nobody has said on what: schedules are the same on every backend."""
    installed = [name for name in ("tensorflow", "jax", "torch") if importlib.util.find_spec(name) is not None]
    if installed:
        os.environ.setdefault("KERAS_BACKEND", installed[0])


def script_items(
    path: str, *, base: list[float] | None, total: int | str | None, steps_per_epoch: int | None
) -> tuple[list[Item], list[Unread]]:
    """The schedulers that a training script makes, and those that cannot be converted. Nothing in it is executed.

    Args:
        path: of the script, notebook or page.
        base: base learning rates instead of the script's own.
        total: length of the run instead of that of the script's loops.
        steps_per_epoch: what ``len(loader)`` is.

    Raises:
        CadenceError: the script cannot be read, or makes no scheduler that can be seen.
    """
    from cadence._errors import CadenceError, ScriptError
    from cadence.conversion.convert import read_source
    from cadence.script.constructions import constructions
    from cadence.script.files import read_file

    items: list[Item] = []
    unread: list[Unread] = []
    for script in read_file(path, steps_per_epoch=steps_per_epoch):
        for problem in script.problems:
            if problem.kind in ("flattened", "syntax"):
                unread.append(Unread(f"{path}, {script.at(problem.line)}", problem.text))
        for each in constructions(script):
            label = f"{path}, {script.at(each.line)}: {each.text}"
            if each.native is None:
                unread.append(Unread(label, each.reason))
                continue
            length = total
            if length is None and each.ticks is not None:
                length = each.ticks if each.per == "step" else f"{each.ticks} epochs"
            bases = base if base is not None else each.bases
            try:
                items.append(Item(label, read_source(each.native, bases, length, each.per, steps_per_epoch)))
            except CadenceError as error:
                unread.append(Unread(label, str(error)))
    if not items and not unread:
        raise ScriptError(f"{path} makes no scheduler that can be seen; there is nothing to convert")
    return items, unread


def show(items: Iterable[Item], to: list[str], unread: Iterable[Unread] = (), *, as_json: bool) -> int:
    """Convert and print.

    Args:
        items: what is to be converted.
        to: the frameworks to write each for.
        unread: what could not be read.
        as_json: JSON instead of text.

    Returns:
        The exit status: 1 where something has no equal.
    """
    from cadence.cli.exits import FINDINGS
    from cadence.cli.show import print_json
    from cadence.conversion.convert import converted

    made = [(item.label, converted(item.source, name)) for item in items for name in to]
    left = list(unread)
    if as_json:
        data: dict[str, Any] = {"conversions": [{"label": label, **each.to_json()} for label, each in made]}
        if left:
            data["unread"] = [each._asdict() for each in left]
        print_json(data)
    else:
        headed = len(made) > 1 or bool(left)
        sections = [_section(label, each, headed=headed or bool(label)) for label, each in made]
        print("\n\n".join([*sections, *(f"# {each.label}\n# {each.reason}" for each in left)]))
    return FINDINGS if left or any(each.target is None for _, each in made) else 0


def _section(label: str, made: Conversion, *, headed: bool) -> str:
    head = f"# {label + ' ' if label else ''}for {made.to}\n" if headed else ""
    return f"{head}{made}"
