"""`cadence train`: one training from a recipe."""

from __future__ import annotations

import contextlib
import signal
import sys
import threading
import traceback
from collections.abc import Generator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cadence._errors import CadenceError, RanksError
from cadence.cli.exits import FINDINGS, RUN_FAILED, Interrupted
from cadence.cli.options import AsJson, Lang, Language

if TYPE_CHECKING:
    from cadence.findings.finding import Finding
    from cadence.record.reader import Record
    from cadence.run.course import Course
    from cadence.run.loop import Progress
    from cadence.run.outline import Outline


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
    force: Annotated[
        bool, typer.Option("--force", help="Go on from the checkpoints of another recipe, where they fit this one.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show what would be trained, parameter groups included, and stop.")
    ] = False,
    lang: Lang = Language.en,
    as_json: AsJson = False,
) -> None:
    """Train one recipe, or continue its training.

    The record lies in the run's folder, readable while the training goes on.
    """
    from cadence._lazy import load
    from cadence.cli import live
    from cadence.cli.show import tell_table
    from cadence.cli.words import say

    if dry_run:
        _show_outline(load("cadence.run.outline").outline(recipe, seed=seed, updates=updates), lang.value, as_json)
        return
    run: Any = load("cadence.run.train")
    t = 0
    told = False
    try:
        with live.training(lang.value) as show, _terminated_as_interrupted():

            def tell(now: Progress) -> None:
                nonlocal t, told
                t, told = now.t, True
                show(now)

            def before(outline: Outline) -> None:
                print("\n".join(_course(outline.course, lang.value)), file=sys.stderr, flush=True)
                _tell_scaled(outline, lang.value)
                if outline.divided:
                    tell_table(*_groups(outline, lang.value))

            record = run.train(
                recipe, out=out, seed=seed, updates=updates, fresh=fresh, force=force, before=before, progress=tell
            )
    except KeyboardInterrupt:
        raise Interrupted(say(lang.value, "train_interrupted", t=t)) from None
    except RanksError as fault:
        print(fault, file=sys.stderr)
        raise typer.Exit(RUN_FAILED) from None
    except CadenceError:
        raise
    except Exception as fault:
        _foreign(fault, t)
        raise typer.Exit(RUN_FAILED) from None
    found = _check(record)
    # Of several processes one talks.
    if load("cadence.run.ranks").leads():
        _show(record, found, lang.value, as_json, trained=told)
    if record.status == "interrupted":
        raise Interrupted(say(lang.value, "train_stopped", t=record.t))
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


def _tell_scaled(outline: Outline, lang: str) -> None:
    """What the run's batch makes of rates that are stated for another one."""
    import sys

    for line in _scaled(outline, lang):
        print(line, file=sys.stderr)


def _scaled(outline: Outline, lang: str) -> list[str]:
    from cadence.cli.words import say

    lines: list[str] = []
    for one in outline.scalings.values():
        numbers = {"lr": f"{one.lr:.6g}", "factor": f"{one.factor:.4g}", "scaled": f"{one.scaled:.6g}"}
        examples = {"reference": one.reference, "batch": one.batch}
        lines.append(say(lang, "scaled", rule=say(lang, f"rule_{one.rule}"), **numbers, **examples))
    return lines


def _show_outline(outline: Outline, lang: str, as_json: bool) -> None:
    from cadence.cli.show import print_json, print_table
    from cadence.cli.words import say

    if as_json:
        print_json(outline.to_json())
        return
    epochs = f"{outline.total / outline.steps_per_epoch:.4g}"
    told = say(lang, "outline", epochs=epochs, device=outline.device["type"])
    print(f"{outline.name}: {told}\n{outline.curve.spec}")
    print("\n".join([*_course(outline.course, lang), *_scaled(outline, lang), ""]))
    print_table(*_groups(outline, lang))


def _groups(outline: Outline, lang: str) -> tuple[list[str], list[list[str]]]:
    """Head and rows of the table of groups."""
    from cadence.cli.words import WORDS
    from cadence.optim.groups.groups import table_cells

    head, rows = table_cells(outline.groups.rows())
    return [WORDS[f"groups_{name}"][lang] if f"groups_{name}" in WORDS else name for name in head], rows


@contextlib.contextmanager
def _terminated_as_interrupted() -> Generator[None]:
    """SIGTERM ends the training as Ctrl-C does, with the same sentence and status."""
    number = getattr(signal, "SIGTERM", None)
    if number is None or threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(number, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(number, before)


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
        effects = [effect.to_json() for effect in record.effective_rates]
        findings = [finding.to_json() for finding in found]
        print_json({"folder": str(record.folder), "result": result, "effective_rates": effects, "findings": findings})
        return
    final: dict[str, float] = result.get("final") or {}
    metrics = ", ".join(f"{name} {value:.4g}" for name, value in final.items()) or result.get("sentence", "")
    seconds = result.get("seconds")
    took = "?" if seconds is None else f"{seconds:.1f}"
    if record.status == "interrupted":
        return
    status = say(lang, record.status)
    print(say(lang, "ended", status=status, t=result.get("updates"), seconds=took, metrics=metrics))
    if record.effective_rates:
        from cadence.report.effects import effect_sentences

        for line in effect_sentences(record.effective_rates, lang):
            print(line)
    print(say(lang, "record", folder=record.folder) + ("" if trained else f" {say(lang, 'already')}"))
    if found:
        from cadence.findings.text import shown

        for finding in found:
            print(shown(finding, (), lang))
