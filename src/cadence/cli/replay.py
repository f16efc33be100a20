"""`cadence replay`: what the rules of a schedule would have done on a log."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cadence.cli.options import AsJson, Length, StepsPerEpoch

if TYPE_CHECKING:
    from cadence.feedback.replay import Replay


def add_to(app: typer.Typer) -> None:
    """Enter the command."""
    app.command("replay")(replay)


def replay(
    schedule: Annotated[str, typer.Argument(help="With at least one rule: \"constant() * plateau('val_loss')\".")],
    log: Annotated[Path, typer.Option(help="CSV or JSON Lines with one row for each evaluation, or a run folder.")],
    metric: Annotated[
        list[str] | None,
        typer.Option(
            help="Column to read where it is not called as the rule calls its metric; METRIC=COLUMN where there are "
            "several.",
            show_default=False,
        ),
    ] = None,
    base: Annotated[float, typer.Option(help="Base value, which the schedule multiplies.")] = 1.0,
    every: Annotated[int, typer.Option(help="Updates between two evaluations.", min=1)] = 1,
    total: Length = None,
    steps_per_epoch: StepsPerEpoch = None,
    as_json: AsJson = False,
) -> None:
    """Show what rules would have decided on a log.

    Each decision with its reason, and the values that would have followed.
    """
    from cadence.cli.lengths import length
    from cadence.cli.logs import chosen, columns_of, read_log
    from cadence.cli.show import print_json
    from cadence.curve.place import as_plan
    from cadence.feedback import replay as feedback
    from cadence.spec.nodes import EarlyStop, Plateau, walk

    plan = as_plan(schedule)
    rules = [node for _, part in plan.entries for node in walk(part) if isinstance(node, (Plateau, EarlyStop))]
    rows = read_log(log)
    if rules:
        rows = chosen(rows, columns_of((rule.metric for rule in rules), metric or []), log)
    seen = feedback.replay(plan, rows, base=base, every=every, total=length(total), steps_per_epoch=steps_per_epoch)
    if as_json:
        print_json(
            {
                "schedule": schedule,
                "every": every,
                "values": seen.values.tolist(),
                "decisions": [decision.to_json() for decision in seen.decisions],
                "cuts": len(seen.cuts),
                "stopped": seen.stopped,
            }
        )
    else:
        _print(seen, len(rows))


def _print(seen: Replay, evaluations: int) -> None:
    from cadence.cli.show import print_table

    print_table(
        ("update", "", ""),
        [(str(d.t), "" if d.kind == "keep" else d.kind.upper(), d.sentence) for d in seen.decisions],
    )
    stop = "" if seen.stopped is None else f"; the run would have stopped after evaluation {seen.stopped}"
    if seen.stopped is None and any(d.kind == "cooldown" for d in seen.decisions):
        stop = f"; the run would be cooling down, and end at update {seen.curve.total}"
    print(
        f"\n{evaluations} evaluations, {len(seen.cuts)} cut{'' if len(seen.cuts) == 1 else 's'}: "
        f"{seen.values[0]:.6g} at the beginning, {seen.values[-1]:.6g} after the last{stop}."
    )
