"""`cadence diagnose`: what went wrong in a training, from its log."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cadence._errors import CadenceError, RecordError
from cadence.cli.exits import BAD_INPUT, FINDINGS
from cadence.cli.options import AsJson, Lang, Language

if TYPE_CHECKING:
    from cadence.diagnosis.story import Story


def add_to(app: typer.Typer) -> None:
    """Enter the command."""
    app.command("diagnose")(diagnose)


def diagnose(
    paths: Annotated[
        list[Path],
        typer.Argument(
            metavar="PATH...",
            help="Run folders, TensorBoard or VisualDL folders, CSV, JSON Lines, trainer_state.json.",
            show_default=False,
        ),
    ],
    column: Annotated[
        list[str] | None,
        typer.Option(help="ROLE=NAME where names do not say it: loss, lr, step, epoch, val_loss.", show_default=False),
    ] = None,
    html: Annotated[Path | None, typer.Option(help="Write a page with pictures.", show_default=False)] = None,
    lang: Lang = Language.en,
    as_json: AsJson = False,
) -> None:
    """Say what went wrong in a training, from its log.

    Faults with evidence and one change to try, what each change of the rate did, the schedule behind the rate, where
    a lower rate was due. Exit status: 0 nothing found, 1 findings, 2 bad input.
    """
    from cadence.cli.show import print_json

    columns = _columns(column or [])
    stories, faults = _stories(list(dict.fromkeys(paths)), columns)
    if html is not None and stories:
        _write(html, stories, lang.value)
    if as_json:
        print_json({"logs": [story.to_json() for story in stories], "errors": faults})
    else:
        _print(stories, lang.value)
    for fault in faults:
        typer.echo(" ".join(fault.split()), err=True)
    if faults:
        raise typer.Exit(BAD_INPUT)
    if any(f.finding.severity != "information" for story in stories for f in story.diagnosis.findings):
        raise typer.Exit(FINDINGS)


def _stories(paths: list[Path], columns: dict[str, str]) -> tuple[list[Story], list[str]]:
    """What each log tells, and what is wrong with those that cannot be read."""
    from cadence.diagnosis.diagnose import diagnose as look
    from cadence.diagnosis.story import story_of

    stories: list[Story] = []
    faults: list[str] = []
    for path in paths:
        try:
            stories.append(story_of(look(path, columns=columns)))
        except CadenceError as error:
            # One log that cannot be read keeps nobody from hearing about the others.
            faults.append(str(error))
    return stories, faults


def _columns(given: list[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for text in given:
        role, equals, name = text.partition("=")
        if not equals or not name:
            raise RecordError(f"--column is ROLE=NAME, e.g. --column loss='my loss', not {text!r:.60}")
        found[role.strip()] = name.strip()
    return found


def _write(path: Path, stories: list[Story], lang: str) -> None:
    import sys

    from cadence.record.files import make_folder, write_atomically
    from cadence.report.diagnosis_page import diagnosis_page

    text = diagnosis_page(stories, lang=lang, version=sys.modules["cadence"].__version__)
    make_folder(path.parent)
    write_atomically(path, text)


def _print(stories: list[Story], lang: str) -> None:
    from cadence.cli.show import console
    from cadence.report.diagnosis_text import diagnosis_text

    width = max(40, min(console().width, 110))
    print("\n\n".join(diagnosis_text(story, lang=lang, width=width).rstrip() for story in stories))
