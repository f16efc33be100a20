"""`cadence lint`: the known mistakes in scripts, schedules, recipes and configurations."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cadence._errors import ScriptError
from cadence.cli.exits import FINDINGS
from cadence.cli.options import Lang, Language, Length, StepsPerEpoch

if TYPE_CHECKING:
    from cadence.findings.finding import Finding


def add_to(app: typer.Typer) -> None:
    """Enter the command."""
    app.command("lint")(lint)


def lint(
    thing: Annotated[
        list[str] | None,
        typer.Argument(
            help="Scripts, notebooks, pages, recipes, Paddle configurations, folders; a schedule; - for stdin.",
            show_default=False,
        ),
    ] = None,
    total: Length = None,
    steps_per_epoch: StepsPerEpoch = None,
    base: Annotated[
        float | None, typer.Option(help="Base learning rate, where it cannot be seen.", show_default=False)
    ] = None,
    expect: Annotated[
        str | None, typer.Option(help="Waypoints of the rate: '0:0.1, 50:0.1, 100:0.01'.", show_default=False)
    ] = None,
    select: Annotated[
        str | None, typer.Option(help="Only these codes, or beginnings of codes: CD1,CD402.", show_default=False)
    ] = None,
    ignore: Annotated[
        str | None, typer.Option(help="Not these codes, or beginnings of codes.", show_default=False)
    ] = None,
    explain: Annotated[
        str | None, typer.Option(help="Say what a code means (all: every one, as a page), and end.", show_default=False)
    ] = None,
    fix: Annotated[bool, typer.Option("--fix", help="Write the patches, and show them.")] = False,
    diff: Annotated[bool, typer.Option("--diff", help="Show the patches, and write nothing.")] = False,
    form: Annotated[str, typer.Option("--format", help="text, json or sarif.")] = "text",
    lang: Lang = Language.en,
    as_json: Annotated[bool, typer.Option("--json", help="The same as --format json.")] = False,
) -> None:
    """Look for known mistakes in trainings.

    In a script, a notebook, a page with code, a recipe, a Paddle configuration or a schedule; nothing is executed.
    Exit status: 0 nothing but information, 1 errors or warnings, 2 bad input.
    """
    if explain is not None:
        _explain(explain, lang.value, as_json)
        return
    if not thing:
        raise ScriptError("there is nothing to look at; give a script: cadence lint train.py")
    if form not in ("text", "json", "sarif"):
        raise ScriptError(f"--format is text, json or sarif, not {form!r:.40}")
    import gc

    from cadence.cli.lengths import length
    from cadence.findings.lint import lint as look

    # A syntax tree is thousands of objects that live until the end: looking for garbage among them takes a fifth of the
    # time, and finds none.
    gc.disable()

    told: dict[str, Any] = {
        "total": length(total), "steps_per_epoch": steps_per_epoch, "base": base, "expect": expect,
        "select": _codes(select), "ignore": _codes(ignore),
    }  # fmt: skip
    piped = sys.stdin.read() if "-" in thing else ""
    found: list[Finding] = []
    for each in dict.fromkeys(thing):
        found += look(piped + "\n" if each == "-" else each, **told)
    if fix or diff:
        left = _patch(found, write=fix)
        found = found if diff else left
    _show(found, "json" if as_json else form, lang.value, piped)
    if any(f.severity != "information" for f in found):
        raise typer.Exit(FINDINGS)


def _codes(text: str | None) -> list[str]:
    return [part.strip() for part in text.split(",")] if text else []


def _explain(code: str, lang: str, as_json: bool) -> None:
    from cadence.findings.rule import RULES
    from cadence.findings.text import explained

    if code == "all":
        from cadence.findings.page import page

        sys.stdout.write(page(lang))
        return
    found = RULES[code.upper()]
    if as_json:
        from cadence.cli.show import print_json

        names = ("code", "title", "severity", "about", "why", "fix", "source", "example")
        print_json({name: getattr(found, name) for name in names})
    else:
        print(explained(found, lang))


def _patch(found: list[Finding], *, write: bool) -> list[Finding]:
    """Show the patches as a diff, write them where that is wanted, and return what is left to be done by hand."""
    from cadence.findings.fixing import diff, patched

    left: list[Finding] = []
    for path in dict.fromkeys(f.path for f in found):
        mine = [f for f in found if f.path == path]
        file = Path(path)
        if not path or not file.is_file() or not any(f.edits for f in mine):
            left += mine
            continue
        before = file.read_bytes().decode("utf-8")
        after, done = patched(before, mine)
        sys.stdout.write(diff(before, after, path))
        if write and after != before:
            file.write_bytes(after.encode("utf-8"))
        left += [f for f in mine if f not in done]
    return left


def _show(found: list[Finding], form: str, lang: str, piped: str) -> None:
    if form == "text":
        from cadence.findings.text import counted, shown

        sources: dict[str, list[str]] = {"": [], "<text>": piped.splitlines()}
        for finding in found:
            if finding.path not in sources:
                file = Path(finding.path)
                readable = file.is_file() and finding.cell is None
                sources[finding.path] = file.read_text(encoding="utf-8").splitlines() if readable else []
            print(shown(finding, sources[finding.path], lang), end="\n\n")
        print(counted(found, lang))
        return
    from cadence.cli.show import print_json

    if form == "json":
        print_json([finding.to_json() for finding in found])
        return
    from cadence.findings.sarif import sarif

    print_json(sarif(found, sys.modules["cadence"].__version__))
