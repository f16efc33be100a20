"""`cadence train`: one training from a recipe."""

from __future__ import annotations

import traceback
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cadence._errors import CadenceError
from cadence.cli.exits import RUN_FAILED, Interrupted
from cadence.cli.options import AsJson, Lang, Language

if TYPE_CHECKING:
    from cadence.record.reader import Record
    from cadence.run.course import Course
    from cadence.run.loop import Progress


def add_to(app: typer.Typer) -> None:
    """Enter the command."""
    app.command("train")(train)


def train(
    recipe: Annotated[Path, typer.Argument(help="Recipe file; `cadence init` writes one.", show_default=False)],
    out: Annotated[
        Path | None,
        typer.Option(help="Folder: runs/NAME-HASH, so that the same command continues.", show_default=False),
    ] = None,
    seed: Annotated[int | None, typer.Option(help="Instead of the recipe's.", show_default=False)] = None,
    updates: Annotated[
        int | None, typer.Option(help="Length of the run, instead of the recipe's.", show_default=False)
    ] = None,
    fresh: Annotated[bool, typer.Option("--fresh", help="Remove what is in the folder, and train anew.")] = False,
    lang: Lang = Language.en,
    as_json: AsJson = False,
) -> None:
    """Train one recipe, or continue its training.

    The record lies in the run's folder, readable while the training goes on.
    """
    from cadence._lazy import load
    from cadence.cli import live
    from cadence.cli.words import say

    run: Any = load("cadence.run.train")
    t = 0
    told = False
    try:
        with live.training(lang.value) as show:

            def tell(now: Progress) -> None:
                nonlocal t, told
                t, told = now.t, True
                show(now)

            def first(course: Course) -> None:
                _settled(course, lang.value)

            record = run.train(recipe, out=out, seed=seed, updates=updates, fresh=fresh, progress=tell, settled=first)
    except KeyboardInterrupt:
        raise Interrupted(say(lang.value, "train_interrupted", t=t)) from None
    except CadenceError:
        raise
    except Exception as fault:
        _foreign(fault, t)
        raise typer.Exit(RUN_FAILED) from None
    _show(record, lang.value, as_json, trained=told)
    if record.status in ("diverged", "failed"):
        raise typer.Exit(RUN_FAILED)


def _settled(course: Course, lang: str) -> None:
    """What the recipe leaves to the run, said before it begins."""
    import sys

    from cadence.cli.words import say

    for one in course.scalings.values():
        rule = say(lang, f"rule_{one.rule}")
        values = {"lr": f"{one.lr:.6g}", "reference": one.reference, "batch": one.batch, "rule": rule}
        print(say(lang, "scaled", **values, factor=f"{one.factor:.4g}", scaled=f"{one.scaled:.6g}"), file=sys.stderr)


def _foreign(fault: Exception, t: int) -> None:
    """A fault in the code that the recipe names: where it is, for whoever wrote it."""
    import sys

    frames = traceback.extract_tb(fault.__traceback__)
    where = f" ({frames[-1].filename}, line {frames[-1].lineno})" if frames else ""
    print(f"failed after {t} updates: {type(fault).__name__}: {fault}{where}", file=sys.stderr)


def _show(record: Record, lang: str, as_json: bool, *, trained: bool) -> None:
    from cadence.cli.show import print_json
    from cadence.cli.words import say

    result: dict[str, Any] = dict(record.result or {})
    if as_json:
        effects = [effect.to_json() for effect in record.effective_rates]
        print_json({"folder": str(record.folder), "result": result, "effective_rates": effects})
        return
    final: dict[str, float] = result.get("final") or {}
    metrics = ", ".join(f"{name} {value:.4g}" for name, value in final.items()) or result.get("sentence", "")
    seconds = result.get("seconds")
    took = "?" if seconds is None else f"{seconds:.1f}"
    status = say(lang, record.status)
    print(say(lang, "ended", status=status, t=result.get("updates"), seconds=took, metrics=metrics))
    if record.effective_rates:
        from cadence.report.effects import effect_sentences

        for line in effect_sentences(record.effective_rates, lang):
            print(line)
    print(say(lang, "record", folder=record.folder) + ("" if trained else f" {say(lang, 'already')}"))
