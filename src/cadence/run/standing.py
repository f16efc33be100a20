"""Where a run stands, as its folder tells it: while it goes on from the record, else from its newest checkpoint."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from cadence._errors import CadenceError, RecordError
from cadence.curve.curve import Curve
from cadence.curve.horizon import horizon
from cadence.curve.place import as_plan, lay_out
from cadence.drivers.changes import CHANGES, change
from cadence.drivers.planned import ways
from cadence.drivers.state import own_control
from cadence.feedback.control import Control
from cadence.record.commands import Command, commands
from cadence.record.lock import holder
from cadence.record.names import LISTENS, RECIPE
from cadence.record.reader import Record, load_record
from cadence.run.checkpoint import Checkpoints
from cadence.spec.parse import parse


@dataclass(frozen=True)
class Standing:
    """A run between two updates.

    Attributes:
        folder: of the run.
        record: of the run.
        alive: who trains it now: process, host, since when; None: nobody.
        t: updates done; of a run that goes on as far as its record has come.
        control: its curve, with all that has been changed and is going to be when it is taken up again.
        waiting: changes that it was asked for and has not answered.
        paused: whether it waits.
        own: whether it is a loop of somebody's own, which follows changes of its curve and nothing else.
    """

    folder: Path
    record: Record
    alive: Mapping[str, Any] | None
    t: int
    control: Control
    waiting: tuple[Command, ...]
    paused: bool
    own: bool = False

    @property
    def status(self) -> str:
        """``"running"``, ``"paused"``, ``"killed"``, or as `Record.status`."""
        if self.alive is not None:
            return "paused" if self.paused else "running"
        return "killed" if self.record.result is None else self.record.status


def standing(folder: Path) -> Standing:
    """Where a run stands.

    Raises:
        RecordError: it is no run folder, or the record of a loop of somebody's own that does not go on or listen.
        StateError: its newest checkpoint cannot be read.
    """
    record, alive = load_record(folder), holder(folder)
    if alive is None:
        return at_rest(folder)
    own = not (folder / RECIPE).exists()
    if own and not record.run.get(LISTENS):
        raise RecordError(
            f"{folder} is the record of a loop of somebody's own in several processes, or by a driver that was given "
            f"its recorder, and does not listen; call driver.cooldown(...) and its like there"
        )
    told = next((e["kind"] for e in reversed(record.journal) if e["kind"] in ("pause", "unpause", "resume")), "")
    waiting = _waiting(commands(folder))
    return Standing(folder, record, alive, record.t, _of_record(record), waiting, told == "pause", own)


def at_rest(folder: Path) -> Standing:
    """Where a run by recipe stands that nobody trains, whoever holds its folder.

    Raises:
        RecordError, StateError: see `standing`.
    """
    return _resting(folder, by_recipe(folder))


def _resting(folder: Path, record: Record) -> Standing:
    given = commands(folder)
    t, control, followed = _at_rest(folder, record)
    t, control = _with(control, t, given, followed)
    return Standing(folder, record, None, t, control, _waiting(given), False)


def _waiting(given: Sequence[Command]) -> tuple[Command, ...]:
    return tuple(c for c in given if c.answer is None and c.name in CHANGES)


def by_recipe(folder: Path) -> Record:
    """The record of a run by recipe.

    Raises:
        RecordError: it is no run folder, or the record of a loop of somebody's own.
    """
    record = load_record(folder)
    if not (folder / RECIPE).exists():
        raise RecordError(
            f"{folder} is the record of a loop of somebody's own, which listens while it goes on; start it again, or "
            f"call driver.cooldown(...) and its like there"
        )
    return record


def _of_record(record: Record) -> Control:
    """What the record tells: the newest schedule and length, and the journal."""
    return Control.over(curve_of(record.run, record.journal))


def curve_of(run: Mapping[str, Any], journal: Sequence[Mapping[str, Any]]) -> Curve:
    """The curve of a record, with all that its journal says of it.

    Args:
        run: content of ``run.json``.
        journal: entries of ``journal.jsonl``.
    """
    told = run["horizon"]
    units = horizon(None, told["steps_per_epoch"], told["batch_size"], told["tokens_per_step"])
    bases = {value: tuple(numbers) for value, numbers in run["bases"].items()}
    moving = tuple(e for e in ways(run, journal)[-1].journal if e["kind"] != "keep")
    return lay_out(
        as_plan(parse(run["spec"])), replace(units, total=told["total"]), tuple(run["groups"]), bases, moving
    )


def _at_rest(folder: Path, record: Record) -> tuple[int, Control, Sequence[str]]:
    """Where the run will be taken up: update, control, and the commands followed by then."""
    found = Checkpoints(folder, keep=1, best=None).newest()
    if found is None:
        # It will begin again, as it began: what was changed meanwhile is promised for later.
        curve = _of_record(record).curve
        while curve.former is not None:
            curve = curve.former[1]
        return 0, Control.over(replace(curve, journal=())), ()
    t, content = found
    control, _ = own_control(content["state"]["driver"])
    return t, control, content["state"]["driver"].get("commands", ())


def _with(control: Control, t: int, given: Sequence[Command], followed: Sequence[str]) -> tuple[int, Control]:
    """After what is going to be followed before a new command."""
    for command in given:
        refused = command.answer is not None and command.answer.get("status") != "applied"
        if command.name not in CHANGES or command.id in followed or refused:
            continue
        if command.answer is not None:
            t = max(t, int(command.answer["t"]))
        try:
            control = change(control, t, command.name, command.arguments)
        except (CadenceError, TypeError, ValueError):
            continue
    return t, control
