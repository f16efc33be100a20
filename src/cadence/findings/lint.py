"""The door: `lint`."""

from __future__ import annotations

import ast
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

from cadence._errors import CadenceError, ScriptError
from cadence.conversion.doors import inspect
from cadence.curve.place import as_plan, place
from cadence.findings.config import is_config, read_config
from cadence.findings.course import Course, course_of, course_of_native
from cadence.findings.expect import waypoints
from cadence.findings.finding import SEVERITIES, Finding
from cadence.findings.ignoring import chosen, ignored
from cadence.findings.recipes import RecipeView
from cadence.findings.rule import findings_of
from cadence.findings.view import View
from cadence.script.files import SUFFIXES, read_file
from cadence.script.model import Script
from cadence.script.read import read_script
from cadence.spec.nodes import Schedule
from cadence.spec.parse import parse
from cadence.spec.plan import Plan
from cadence.spec.span import SpanLike

YAML = frozenset({".yaml", ".yml"})
SKIPPED = frozenset({"__pycache__", "node_modules", "site-packages", "build", "dist", ".git"})
"""Folders that hold no scripts of one's own."""


def lint(
    thing: Any,
    *,
    total: SpanLike | None = None,
    steps_per_epoch: int | None = None,
    base: float | None = None,
    expect: str | None = None,
    select: Sequence[str] = (),
    ignore: Sequence[str] = (),
) -> list[Finding]:
    """Look for the known mistakes. Nothing is executed.

    Args:
        thing: the path of a script (``.py``), a notebook, a page with code (``.md``), a recipe, a YAML configuration of
            a Paddle suite, or a folder of these; the text of a script or of a schedule; a schedule or plan; a live
            scheduler.
        total: length of the run in updates, or text with a unit, where it cannot be seen.
        steps_per_epoch: updates in one epoch, where that cannot be seen.
        base: base learning rate, where it cannot be seen.
        expect: waypoints that the rate should pass: ``"0:0.1, 50:0.1, 100:0.01"``, in the scheduler's own steps.
        select: codes, or beginnings of codes, that are wanted; all where it is empty.
        ignore: codes, or beginnings of codes, that are not.

    Returns:
        Findings, by file and line.

    Raises:
        ScriptError: what cannot be read, in one sentence.
        CadenceError: a schedule that cannot be placed, a recipe that is wrong, an unknown code.

    Example:
        >>> lint("warmup('5%') >> cosine(to=0.01)", total=1000)
        []
        >>> [str(f) for f in lint("cosine(90)", total=100)]
        ['warning CD111: the rate is 0 in updates 90 to 99']
    """
    told = _Told(total, steps_per_epoch, base, waypoints(expect) if expect else ())
    found = chosen(_looked(thing, told), select, ignore)
    return sorted(found, key=lambda f: (f.path, f.cell or 0, f.line, f.column, SEVERITIES.index(f.severity), f.code))


class _Told:
    """What the caller knows about the run."""

    def __init__(self, total: Any, steps_per_epoch: int | None, base: float | None, expected: tuple[Any, ...]) -> None:
        self.total, self.steps_per_epoch, self.base, self.expected = total, steps_per_epoch, base, expected

    @property
    def updates(self) -> int | None:
        """Length of the run in updates, where it was said so."""
        if self.total is None:
            return None
        from cadence.curve.horizon import horizon

        return horizon(self.total, self.steps_per_epoch).total


def _looked(thing: Any, told: _Told) -> Iterator[Finding]:
    if isinstance(thing, (Schedule, Plan)):
        yield from _schedule(thing, told)
    elif isinstance(thing, os.PathLike):
        yield from _path(Path(cast("os.PathLike[str]", thing)), told)
    elif isinstance(thing, str):
        yield from _text(thing, told)
    else:
        yield from _live(thing, told)


def _text(text: str, told: _Told) -> Iterator[Finding]:
    """A path, a schedule, or a script."""
    if "\n" not in text and len(text) < 1000 and (Path(text).exists() or Path(text).suffix in (*SUFFIXES, *YAML)):
        yield from _path(Path(text), told)
        return
    try:
        schedule = parse(text)
    except CadenceError:
        if _is_expression(text):
            raise
        yield from _scripts([read_script(text, "<text>", steps_per_epoch=told.steps_per_epoch)], told)
    else:
        yield from _schedule(schedule, told)


def _is_expression(text: str) -> bool:
    """Whether a text is one expression, as every schedule is and no training."""
    try:
        ast.parse(text.strip(), mode="eval")
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    return True


def _path(path: Path, told: _Told) -> Iterator[Finding]:
    if path.is_dir():
        yield from _folder(path, told)
    elif path.suffix in YAML:
        yield from _yaml(path, told)
    else:
        yield from _scripts(read_file(path, steps_per_epoch=told.steps_per_epoch), told, str(path))


def _folder(folder: Path, told: _Told) -> Iterator[Finding]:
    """Everything in a folder that can be read; a YAML file of another kind is passed over."""
    for file in sorted(folder.rglob("*")):
        inside = file.relative_to(folder).parts
        if any(part in SKIPPED or part.startswith(".") or part.startswith("venv") for part in inside):
            continue
        if file.suffix in SUFFIXES and file.is_file():
            yield from _path(file, told)
        elif file.suffix in YAML and file.is_file():
            try:
                yield from _yaml(file, told)
            except ScriptError:
                continue


def _yaml(path: Path, told: _Told) -> Iterator[Finding]:
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise ScriptError(f"{path} is no text; lint reads scripts, notebooks, pages, recipes and schedules") from None
    lines = text.splitlines()
    config = read_config(text, path.name)
    if "task" in config.keys and "optimizer" in config.keys:
        yield from _recipe(path, text, told)
    elif is_config(config):
        yield from _placed(findings_of("config", config), str(path), lines)
    else:
        raise ScriptError(
            f"{path} is neither a recipe (task, optimizer, schedule) nor has it a LearningRate: or Optimizer: lr: block"
        )


def _recipe(path: Path, text: str, told: _Told) -> Iterator[Finding]:
    from cadence.recipe.bases import base_of, group_names
    from cadence.recipe.load import recipe_from_text
    from cadence.spec.groups import REST
    from cadence.spec.span import span

    recipe = recipe_from_text(text, path.name, name=path.stem)
    view = RecipeView(recipe, tuple(text.splitlines()))
    yield from _placed(findings_of("recipe", view), str(path), view.lines)
    # Whatever the length of an epoch, a schedule keeps its shape: a hundred updates stand for one that is not known.
    each = told.steps_per_epoch or 100
    length = told.total if told.total is not None else recipe.total
    if span(length).unit in ("samples", "tokens"):
        return
    if told.base is not None:
        recipe = recipe.at_rate(told.base)
    # The rest first: its course is looked at.
    groups = sorted(group_names(recipe), key=lambda group: group != REST)
    base = {v: [base_of(recipe, group, v) or 1.0 for group in groups] for v in as_plan(recipe.spec).values()}
    curve = place(recipe.spec, total=length, steps_per_epoch=each, base=base, groups=groups)
    course = replace(course_of(curve), expected=told.expected, at=view.spot("schedule"))
    yield from _placed(findings_of("course", course), str(path), view.lines)


def _scripts(scripts: Iterable[Script], told: _Told, path: str = "") -> Iterator[Finding]:
    for script in scripts:
        view = View(script, told.updates, told.expected, told.base)
        found = [*findings_of("script", view)]
        for scheduler in view.outermost:
            course = view.course(scheduler)
            if course is not None:
                found += findings_of("course", course)
        yield from _placed(found, path or script.name, script.text.splitlines(), script.cells)


def _placed(
    findings: Iterable[Finding], path: str, lines: Sequence[str], cells: Sequence[tuple[int, int]] = ()
) -> Iterator[Finding]:
    """Findings with their path, those that a comment silences left out; in a notebook with cell and line in it."""
    for finding in findings:
        if ignored(finding, lines):
            continue
        if cells and finding.spot is not None and finding.spot.line <= len(cells):
            cell, line = cells[finding.spot.line - 1]
            down = line - finding.spot.line
            spot = finding.spot._replace(line=line, end_line=finding.spot.end_line + down)
            # A patch of a notebook's source would have to go through its JSON.
            yield replace(finding, path=path, cell=cell, spot=spot, edits=())
        else:
            yield replace(finding, path=path)


def _schedule(schedule: Schedule | Plan, told: _Told) -> Iterator[Finding]:
    curve = place(
        schedule, total=told.total, steps_per_epoch=told.steps_per_epoch, base=1.0 if told.base is None else told.base
    )
    if curve.end is not None:
        course = replace(course_of(curve, base_known=told.base is not None), expected=told.expected)
        yield from findings_of("course", course)


def _live(scheduler: Any, told: _Told) -> Iterator[Finding]:
    """A scheduler object: the course that it has, as far as the length of the run is known."""
    live = inspect(scheduler)
    course: Course | None = course_of_native(
        live.native, ticks=told.updates, unit="update", base=live.bases[0], bases=live.bases
    )
    if course is not None:
        yield from findings_of("course", replace(course, expected=told.expected))
