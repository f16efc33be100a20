"""`cadence find-lr`: a learning rate for a recipe, by a range test."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Generator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cadence._errors import MissingExtraError
from cadence.cli.exits import FINDINGS, RUN_FAILED
from cadence.cli.options import AsJson, Lang, Language

if TYPE_CHECKING:
    from cadence.finder.found import Found
    from cadence.finder.of_recipe import Progress


def add_to(app: typer.Typer) -> None:
    """Enter the command."""
    app.command("find-lr")(find_lr)


def find_lr(
    recipe: Annotated[Path, typer.Argument(help="Recipe file; `cadence init` writes one.", show_default=False)],
    updates: Annotated[
        str, typer.Option(help="Budget of the whole test, repeats included: 100, '5%' of the run.")
    ] = "100",
    start: Annotated[float | None, typer.Option(help="Lowest rate: looked for.", show_default=False)] = None,
    end: Annotated[float | None, typer.Option(help="Highest rate: looked for.", show_default=False)] = None,
    repeats: Annotated[int | None, typer.Option(help="Repeats: as many as fit the budget.", show_default=False)] = None,
    seed: Annotated[int | None, typer.Option(help="Instead of the recipe's.", show_default=False)] = None,
    out: Annotated[
        Path | None, typer.Option(help="Picture, .png or .pdf: runs/find-lr-NAME.png.", show_default=False)
    ] = None,
    lang: Lang = Language.en,
    as_json: AsJson = False,
) -> None:
    """Find a learning rate for a recipe by a range test.

    From small to large on a few updates, repeated from the same state on other batches. Says which rate is recommended,
    how that follows, and how sure it is. Exit status 1: the test does not tell; 3: the loss diverges at every rate, or
    is no number.
    """
    from cadence._lazy import load
    from cadence.cli.lengths import length

    door: Any = load("cadence.finder.door")
    if out is not None:
        load("cadence.report.plot").found_writer(out)
    with _progress() as tell:
        found: Found = door.find_lr(
            recipe, updates=length(updates), start=start, end=end, repeats=repeats, seed=seed, progress=tell
        )
    # Of several processes one talks.
    if load("cadence.run.ranks").leads():
        _show(found, _picture(found, out, lang.value), lang.value, as_json)
    reason = found.suggestions.reason
    if reason in ("diverges", "nan"):
        raise typer.Exit(RUN_FAILED)
    if reason != "clear":
        raise typer.Exit(FINDINGS)


def _show(found: Found, picture: Path | None, lang: str, as_json: bool) -> None:
    from cadence.cli.show import ascii_only, print_json

    if as_json:
        print_json({**found.to_json(), "picture": None if picture is None else str(picture)})
        return
    from cadence.report.find_text import find_text
    from cadence.report.find_words import say

    print(find_text(found, lang, ascii_only=ascii_only()))
    if picture is not None:
        print(say(lang, "picture", path=picture))


def _picture(found: Found, out: Path | None, lang: str) -> Path | None:
    """The picture's file; None where there is nothing to be seen, or nothing that draws."""
    from cadence.report.plot import plot

    if found.suggestions.smooth is None:
        return None
    path = Path("runs", f"find-lr-{found.about['name']}.png") if out is None else out
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        return plot(found, path, lang=lang)
    except MissingExtraError as missing:
        # Not asked for: the text says all of it.
        if out is not None:
            raise
        print(missing, file=sys.stderr)
        return None


@contextlib.contextmanager
def _progress() -> Generator[Callable[[Progress], None] | None]:
    """What to call after every update, where somebody sees it."""
    if not sys.stderr.isatty():
        yield None
        return
    from rich.progress import BarColumn, TextColumn
    from rich.progress import Progress as Bars

    from cadence.cli.show import console

    with Bars(
        BarColumn(bar_width=24), TextColumn("{task.fields[note]}", markup=False), console=console(to_stderr=True),
        transient=True,
    ) as bars:  # fmt: skip
        task = bars.add_task("", note="")

        def tell(now: Progress) -> None:
            note = f"{now.done} / {now.budget}  lr {now.rate:.2g}  loss {now.loss:.4g}"
            bars.update(task, total=now.budget, completed=now.done, note=note)

        yield tell
