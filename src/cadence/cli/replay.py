"""`cadence replay`: what the rules of a schedule would have done on a log."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cadence._errors import FeedbackError
from cadence.cli.options import AsJson


def add_to(app: typer.Typer) -> None:
    """Enter the command."""
    app.command("replay")(replay)


def replay(
    schedule: Annotated[str, typer.Argument(help="With at least one rule: \"constant() * plateau('val_loss')\".")],
    log: Annotated[Path, typer.Option(help="A CSV or JSON Lines file with one row per evaluation, or a run folder.")],
    metric: Annotated[
        list[str] | None,
        typer.Option(
            help="The column to read, where it is not called as the rule calls its metric; with several rules "
            "METRIC=COLUMN, once for each.",
            show_default=False,
        ),
    ] = None,
    base: Annotated[float, typer.Option(help="Base value that the schedule multiplies.")] = 1.0,
    every: Annotated[int, typer.Option(help="Updates between two evaluations.", min=1)] = 1,
    total: Annotated[str | None, typer.Option(help="Length of the run; default: that of the log.", show_default=False)] = None,
    steps_per_epoch: Annotated[int | None, typer.Option(help="Updates in an epoch.", min=1, show_default=False)] = None,
    as_json: AsJson = False,
) -> None:
    """Show each decision that the rules would have taken, with its reason, and the values that follow."""
    from cadence.cli.logs import read_log
    from cadence.cli.plot import length
    from cadence.cli.show import print_json
    from cadence.curve.place import as_plan
    from cadence.feedback.replay import replay as run_replay

    rules = [rule for _, s in as_plan(schedule).entries for rule in s.rules()] if False else None
    del rules
    rows = read_log(log)
    seen = run_replay(
        schedule, rows, base=base, every=every, total=length(total), steps_per_epoch=steps_per_epoch
    )
    del print_json, seen, metric, as_json, FeedbackError
