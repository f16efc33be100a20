"""`cadence compare`: recipes x seeds, trained, tested and reported."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cadence.cli.exits import RUN_FAILED, Interrupted
from cadence.cli.options import AsJson, Lang, Language

if TYPE_CHECKING:
    from cadence.comparison.compare import Standing
    from cadence.report.compare import Comparison


def add_to(app: typer.Typer) -> None:
    """Enter the command."""
    app.command("compare")(compare)


def compare(
    recipes: Annotated[
        list[str] | None,
        typer.Argument(help="Recipe files, the baseline first; none: four built-in recipes on two data sets."),
    ] = None,
    seeds: Annotated[
        int | None,
        typer.Option(help="Seeds that each recipe is trained with: 3; built-in: 3 and 5.", show_default=False),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(help="Folder: runs/compare-HASH, so that the same command continues.", show_default=False),
    ] = None,
    tasks: Annotated[
        str | None, typer.Option(help="Only these tasks, with commas between: digits,bytes.", show_default=False)
    ] = None,
    updates: Annotated[
        int | None, typer.Option(help="Length of every run, instead of the recipes' own.", show_default=False)
    ] = None,
    workers: Annotated[
        int | None, typer.Option(help="Processes that train side by side: one per core.", show_default=False)
    ] = None,
    on: Annotated[
        str | None,
        typer.Option("--on", help="Where: ray, or ray=ADDRESS; this machine.", show_default=False),
    ] = None,
    engine: Annotated[
        str | None,
        typer.Option(help="Framework instead of the recipes' own: torch, paddle, or torch,paddle.", show_default=False),
    ] = None,
    tune: Annotated[bool, typer.Option("--tune/--no-tune", help="Tune the rates of recipes that ask for it.")] = True,
    fresh: Annotated[
        bool, typer.Option("--fresh", help="Remove what an earlier start has left, and begin anew.")
    ] = False,
    lang: Lang = Language.en,
    as_json: AsJson = False,
) -> None:
    """Train recipes with several seeds and compare them.

    Says which are really better than the first, and by how much; leaves tables, a page, a picture and one folder per
    run. The same command continues where it was stopped.
    """
    from cadence.cli import live
    from cadence.cli.words import say
    from cadence.report.compare import compare as make

    last: Standing | None = None
    try:
        with live.comparison(lang.value) as show:

            def tell(now: Standing) -> None:
                nonlocal last
                last = now
                show(now)

            made = make(
                recipes or None,
                seeds=seeds,
                out=out,
                tasks=None if tasks is None else [name.strip() for name in tasks.split(",") if name.strip()],
                updates=updates,
                workers=workers,
                on=on,
                fresh=fresh,
                tune=tune,
                engines=engine,
                lang=lang.value,
                progress=tell,
            )
    except KeyboardInterrupt:
        if last is None:
            raise Interrupted(say(lang.value, "interrupted_early")) from None
        ended = sum(t.state not in ("waiting", "running") for t in last.trainings)
        raise Interrupted(say(lang.value, "interrupted", done=ended, of=len(last.trainings))) from None
    _show(made, lang.value, as_json)
    if made.incomplete:
        raise typer.Exit(RUN_FAILED)


def _show(made: Comparison, lang: str, as_json: bool) -> None:
    from cadence.cli.show import console, print_json
    from cadence.cli.words import say
    from cadence.report.table import print_summary

    if as_json:
        files = {what: str(path) for what, path in made.files.items()}
        print_json(made.summary.to_json() | {"folder": str(made.folder), "files": files})
        return
    print_summary(made.summary, lang=lang, console=console())
    print()
    if made.incomplete:
        print(say(lang, "bad_runs", n=len(made.incomplete), of=len(list(made.summary.runs))))
    print(say(lang, "files", folder=made.folder / "runs", **made.files))
