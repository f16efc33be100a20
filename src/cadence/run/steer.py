"""A run changed from outside: shown first, then asked for, then waited for."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from cadence._errors import CadenceError, RecordError, SpecError, UnknownNameError, neighbours
from cadence.curve.curve import Curve
from cadence.drivers.changes import CHANGES, change
from cadence.drivers.steering import OF_ITS_OWN, OF_THE_PROCESS
from cadence.record.commands import answer_to, send, withdraw
from cadence.record.lock import FolderLock, holder
from cadence.record.names import ENDED
from cadence.run.standing import Standing, at_rest, standing

TIMEOUT = 60.0
"""Seconds that an answer is waited for: an update and an evaluation may have to end first."""

WAIT_SECONDS = 0.05


@dataclass(frozen=True)
class Steered:
    """What became of a command.

    Attributes:
        status: ``"applied"``: done; ``"waiting"``: done when the run is taken up again, or when it comes to look;
            ``"preview"``: not asked for.
        t: the first update that it governs; of a run that goes on and has not answered, about.
        sentence: for people.
        before, after: the curve; None for what does not change it.
    """

    status: Literal["applied", "waiting", "preview"]
    t: int
    sentence: str
    before: Curve | None
    after: Curve | None


def steer(
    folder: str | os.PathLike[str],
    command: str,
    arguments: Mapping[str, Any] | None = None,
    *,
    dry_run: bool = False,
    timeout: float = TIMEOUT,
) -> Steered:
    """Change a run by recipe, while it goes on or after it was stopped.

    Args:
        folder: of the run.
        command: ``"set"``, ``"hold"``, ``"release"``, ``"rewarm"``, ``"cooldown"``, ``"extend"``, ``"shorten"``,
            ``"stretch"`` (as the methods of `Driver`); ``"pause"``, ``"resume"``, ``"stop"`` of a run that goes on.
        arguments: of the command, plain data: ``{"length": "10%"}``.
        dry_run: only show.
        timeout: seconds to wait for the answer of a run that goes on.

    Returns:
        What became of it, with the curve before and after.

    Raises:
        UnknownNameError: there is no such command.
        SpecError, DriverError, HorizonError: it cannot be followed; nothing is changed.
        RecordError: no run, or one that has come to its end and can only be extended; or nobody to pause or stop.
    """
    path, given = Path(folder), dict(arguments or {})
    known = [*CHANGES, *OF_THE_PROCESS]
    if command not in known:
        raise UnknownNameError(f"a run cannot be told to {command!r}; {neighbours(command, known)}")
    at = standing(path)
    shown = _shown(at, command, given)
    if dry_run:
        return shown
    if at.alive is not None:
        said = _ask(at, command, given, shown, timeout)
        if said is not None:
            return said
        # It has ended meanwhile, without an answer.
        if command in OF_THE_PROCESS:
            raise RecordError(f"the run in {path} has ended before it could {command}")
    return _leave(path, command, given)


def _shown(at: Standing, command: str, arguments: Mapping[str, Any]) -> Steered:
    """What a command would do."""
    if command in OF_THE_PROCESS:
        if at.own:
            raise RecordError(f"{at.folder}: {OF_ITS_OWN}")
        if at.alive is None:
            raise RecordError(f"nobody trains {at.folder} now ({at.status}), so there is nothing to {command}")
        return Steered("preview", at.t, f"The run would {command} at about update {at.t}.", None, None)
    if at.alive is None:
        _check_may_go_on(at, command)
    after = change(at.control, at.t, command, arguments)
    return Steered("preview", at.t, after.journal[-1]["sentence"], at.control.curve, after.curve)


def _check_may_go_on(at: Standing, command: str) -> None:
    status = at.record.status
    # Once it was extended its end is no end any more.
    if status not in ENDED or at.waiting or (command == "extend" and status != "diverged"):
        return
    how = "branch from a checkpoint before that" if status == "diverged" else "extend it first, or branch from it"
    raise RecordError(f"the run in {at.folder} is over: it {_ended_as(status)} after {at.t} updates; {how}")


def _ended_as(status: str) -> str:
    return {"stopped": "was stopped by its rule"}.get(status, status)


def _ask(at: Standing, command: str, arguments: Mapping[str, Any], shown: Steered, timeout: float) -> Steered | None:
    """Ask a run that goes on; None where it has ended without an answer, and the command was taken back."""
    path = at.folder
    ident = send(path, command, arguments)
    end = time.monotonic() + timeout
    while time.monotonic() < end:
        time.sleep(WAIT_SECONDS)
        said = answer_to(path, ident)
        if said is None and holder(path) is None and _taken_back(path, ident):
            return None
        said = said or answer_to(path, ident)
        if said is None:
            continue
        if said["status"] != "applied":
            raise SpecError(str(said["sentence"]))
        t = int(said["t"])
        # Drawn at the update at which it was done, which is a little later than when it was shown.
        after = None if shown.before is None else _curve_after(at, t, command, arguments)
        return Steered("applied", t, str(said["sentence"]), shown.before, after or shown.after)
    who = holder(path) or {}
    sentence = (
        f"Process {who.get('pid', '?')} on {who.get('host', '?')} has not answered for {timeout:g} s; the command "
        f"stays in {path / 'commands'} and is followed when the run comes to look."
    )
    return Steered("waiting", shown.t, sentence, shown.before, shown.after)


def _curve_after(at: Standing, t: int, command: str, arguments: Mapping[str, Any]) -> Curve | None:
    try:
        return change(at.control, t, command, arguments).curve
    except CadenceError:
        # A rule has acted meanwhile, and what was done cannot be shown from here.
        return None


def _taken_back(path: Path, ident: str) -> bool:
    """Take back a command that nobody has answered; False where somebody has, or is about to."""
    try:
        lock = FolderLock(path)
    except RecordError:
        return False
    try:
        if answer_to(path, ident) is not None:
            return False
        withdraw(path, ident)
        return True
    finally:
        lock.release()


def _leave(path: Path, command: str, arguments: Mapping[str, Any]) -> Steered:
    """Leave a command for when the run is taken up again; nobody can take it up meanwhile."""
    lock = FolderLock(path)
    try:
        shown = _shown(at_rest(path), command, arguments)
        send(path, command, arguments)
    finally:
        lock.release()
    return Steered("waiting", shown.t, shown.sentence, shown.before, shown.after)
