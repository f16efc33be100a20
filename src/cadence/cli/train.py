"""`cadence train`: one training from a recipe."""

from __future__ import annotations

import sys
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cadence._errors import CadenceError
from cadence.cli.exits import FINDINGS, RUN_FAILED, Interrupted
from cadence.cli.options import AsJson, Lang, Language

if TYPE_CHECKING:
    from cadence.findings.finding import Finding
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

            def start(course: Course) -> None:
                print("\n".join(_course(course, lang.value)), file=sys.stderr, flush=True)

            record = run.train(recipe, out=out, seed=seed, updates=updates, fresh=fresh, progress=tell, start=start)
    except KeyboardInterrupt:
        raise Interrupted(say(lang.value, "train_interrupted", t=t)) from None
    except CadenceError:
        raise
    except Exception as fault:
        _foreign(fault, t)
        raise typer.Exit(RUN_FAILED) from None
    found = _check(record)
    _show(record, found, lang.value, as_json, trained=told)
    if record.status in ("diverged", "failed"):
        raise typer.Exit(RUN_FAILED)
    if any(finding.severity == "error" for finding in found):
        raise typer.Exit(FINDINGS)


def _course(course: Course, lang: str) -> list[str]:
    """The run in numbers, before anything is trained."""
    from cadence.cli.words import say

    epoch, rest = course.epoch, ""
    if epoch.left_out:
        rest = say(lang, "course_left_out", left=epoch.left_out)
    elif epoch.last != epoch.samples:
        rest = say(lang, "course_last", last=epoch.last)
    parts = {"course_accumulate": epoch.accumulate, "course_world": epoch.world}
    factors = "".join(say(lang, key, n=n) for key, n in parts.items() if n > 1)
    sizes = say(lang, "course_sizes", sizes=say(lang, "course_batch", n=epoch.batch_size) + factors) if factors else ""
    told = {"total": course.total, "per_epoch": epoch.updates, "rows": epoch.rows, "samples": epoch.samples}
    lines = [say(lang, "course", **told, sizes=sizes, rest=rest)]
    if course.resized is not None:
        lines.append(say(lang, "course_resized", resized=course.resized))
    return lines


def _check(record: Record) -> list[Finding]:
    from cadence.findings.of_record import check_record

    return check_record(record)


def _foreign(fault: Exception, t: int) -> None:
    """A fault in the code that the recipe names: where it is, for whoever wrote it."""
    frames = traceback.extract_tb(fault.__traceback__)
    where = f" ({frames[-1].filename}, line {frames[-1].lineno})" if frames else ""
    print(f"failed after {t} updates: {type(fault).__name__}: {fault}{where}", file=sys.stderr)


def _show(record: Record, found: list[Finding], lang: str, as_json: bool, *, trained: bool) -> None:
    from cadence.cli.show import print_json
    from cadence.cli.words import say

    result: dict[str, Any] = dict(record.result or {})
    if as_json:
        print_json({"folder": str(record.folder), "result": result, "findings": [f.to_json() for f in found]})
        return
    final: dict[str, float] = result.get("final") or {}
    metrics = ", ".join(f"{name} {value:.4g}" for name, value in final.items()) or result.get("sentence", "")
    seconds = result.get("seconds")
    took = "?" if seconds is None else f"{seconds:.1f}"
    status = say(lang, record.status)
    print(say(lang, "ended", status=status, t=result.get("updates"), seconds=took, metrics=metrics))
    print(say(lang, "record", folder=record.folder) + ("" if trained else f" {say(lang, 'already')}"))
    if found:
        from cadence.findings.text import shown

        for finding in found:
            print(shown(finding, (), lang))
