"""`cadence sweep`: a search over the keys of a recipe."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cadence.cli.exits import RUN_FAILED, Interrupted
from cadence.cli.options import AsJson, Lang, Language

if TYPE_CHECKING:
    from cadence.report.sweep import Sweep
    from cadence.search.work import Standing


def add_to(app: typer.Typer) -> None:
    """Enter the command."""
    app.command("sweep")(sweep)


def sweep(
    recipe: Annotated[
        Path, typer.Argument(help="Recipe file, with or without a section `search`.", show_default=False)
    ],
    search: Annotated[
        list[str] | None,
        typer.Option(
            "--search",
            help="FIELD=RANGE: 'lr=log(1e-4, 1e-1)', 'w=int(1, 9)', 'batch_size=[32, 64]'; several times.",
            show_default=False,
        ),
    ] = None,
    trials: Annotated[int | None, typer.Option(help="How many: 20; of a grid all.", show_default=False)] = None,
    budget: Annotated[int | None, typer.Option(help="Updates of all trials together.", show_default=False)] = None,
    seeds: Annotated[int | None, typer.Option(help="Seeds of each trial: 1.", show_default=False)] = None,
    sampler: Annotated[str | None, typer.Option(help="tpe, random or grid: tpe.", show_default=False)] = None,
    objective: Annotated[
        str | None, typer.Option(help="'final val_loss', 'best val_accuracy': final val_loss.", show_default=False)
    ] = None,
    prune: Annotated[
        bool | None, typer.Option("--prune/--no-prune", help="Give hopeless trials up.", show_default=False)
    ] = None,
    confirm: Annotated[
        int | None, typer.Option(help="New seeds for the best and the given recipe: 3.", show_default=False)
    ] = None,
    updates: Annotated[
        int | None, typer.Option(help="Length of every run, instead of the recipe's.", show_default=False)
    ] = None,
    db: Annotated[
        str | None, typer.Option("--db", help="URL of a database that machines share: a file.", show_default=False)
    ] = None,
    study: Annotated[str | None, typer.Option(help="Its name in the database: NAME-HASH.", show_default=False)] = None,
    out: Annotated[
        Path | None,
        typer.Option(help="Folder: runs/sweep-HASH, so that the same command continues.", show_default=False),
    ] = None,
    workers: Annotated[
        int | None, typer.Option(help="Processes that train side by side: one per core.", show_default=False)
    ] = None,
    on: Annotated[
        str | None, typer.Option("--on", help="Where: ray, or ray=ADDRESS; this machine.", show_default=False)
    ] = None,
    fresh: Annotated[bool, typer.Option("--fresh", help="Remove the study and its runs, and begin anew.")] = False,
    lang: Lang = Language.en,
    as_json: AsJson = False,
) -> None:
    """Search over a recipe's keys for the values that train best.

    Gives hopeless trials up, trains the best with new seeds in the end, and says how sure it is. The same command
    continues where it was stopped; several processes with one database share the work.
    """
    from cadence._lazy import load
    from cadence.cli import sweep_live
    from cadence.cli.words import say

    last: Standing | None = None
    try:
        space = load("cadence.search.settings").read_space(search or [])
        make = load("cadence.report.sweep").sweep
        with sweep_live.search(lang.value) as show:

            def tell(now: Standing) -> None:
                nonlocal last
                last = now
                show(now)

            made = make(
                recipe, space, trials=trials, budget=budget, seeds=seeds, sampler=sampler, objective=objective,
                prune=prune, confirm=confirm, updates=updates, db=db, study=study, out=out, workers=workers, on=on,
                fresh=fresh, lang=lang.value, progress=tell,
            )  # fmt: skip
    except KeyboardInterrupt:
        if last is None:
            raise Interrupted(say(lang.value, "interrupted_early")) from None
        ended = sum(trial.ended for trial in last.trials)
        raise Interrupted(say(lang.value, "sweep_interrupted", done=ended)) from None
    _show(made, lang.value, as_json)
    if made.failed:
        raise typer.Exit(RUN_FAILED)


def _show(made: Sweep, lang: str, as_json: bool) -> None:
    from cadence.cli.show import ascii_only, console, print_json
    from cadence.report.sweep_table import print_sweep
    from cadence.report.sweep_words import SweepPhrases

    if as_json:
        files = {what: str(path) for what, path in made.files.items()}
        print_json(made.results.to_json() | {"files": files})
        return
    print_sweep(made.results, lang=lang, console=console(), ascii_only=ascii_only())
    files = {what: str(path) for what, path in made.files.items()}
    print()
    print(SweepPhrases(lang)("files", **{"recipe": "-", **files}, runs=made.folder / "trials"))
