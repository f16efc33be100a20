"""What comes to a run from outside while it goes on: changes of its curve, and pause, resume, stop."""

from __future__ import annotations

import os
import sys
import time
import weakref
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Literal, NamedTuple, TypeAlias, final

from cadence._errors import CadenceError
from cadence.drivers.changes import CHANGES
from cadence.drivers.driver import Driver
from cadence.record.commands import Command, answer, commands
from cadence.record.names import COMMANDS

LOOK_SECONDS = 0.25
"""The folder is looked at no more often than this."""

SETTLED_NS = 2_000_000_000
"""A folder that was changed less long ago may change again within the grain of its time stamp."""

OF_THE_PROCESS = ("pause", "resume", "stop")
"""Commands to the process that trains, not to the run: they end with it."""

OF_ITS_OWN = "a loop of somebody's own follows changes of its curve alone; pause or stop it where it runs"
"""Why a loop that a driver knows nothing of refuses those."""

Asked: TypeAlias = Literal["", "changed", "stop"]


class Heard(NamedTuple):
    """What a look has come to, plain enough to be sent to other processes that train together.

    Attributes:
        asked: ``"changed"`` where the curve is another one now; ``"stop"`` where the run is to leave.
        paused: whether the run is to wait.
        due: the next update at which it must be looked, because something was promised for it.
        changes: that were made: id, name and arguments of each.
    """

    asked: Asked
    paused: bool
    due: int
    changes: tuple[tuple[str, str, Mapping[str, Any]], ...] = ()


@final
class Steering:
    """The commands in a run's folder, followed between two updates, in order, each exactly once.

    A command is answered before it is followed, with the update that it governs. A run that goes on from an earlier
    state follows it there again, because `Driver.followed` is part of the state and does not have it.

    Args:
        folder: of the run.
        driver: of the run; not kept alive.
        unheard: why commands to the process are refused; empty where somebody asks `paused`, and what `look` says.

    Attributes:
        paused: whether the run waits.
        due: the next update at which a change was promised, before the run went on from an earlier state.
    """

    def __init__(self, folder: Path, driver: Driver, *, unheard: str = "") -> None:
        self._folder = folder
        # A driver that nobody uses any more is to end its record at once, and this one is held by it.
        self._driver: Driver = weakref.proxy(driver)
        self._unheard = unheard
        # The update of the last look: one behind it is of a run that was taken back.
        self._at = -1
        self._looked = -LOOK_SECONDS
        self._seen = -1
        self.due = sys.maxsize
        self._over: set[str] = set()
        self._first = True
        self.paused = False

    def look(self, *, ending: bool) -> Heard:
        """Follow what has come, if it is time to look.

        Args:
            ending: the run is about to end: what has come up to now may change that.
        """
        now, t, before = time.perf_counter(), self._driver.t, self._at
        self._at = t
        due = ending or t >= self.due or t < before
        if now - self._looked < LOOK_SECONDS and not due:
            return Heard("", self.paused, self.due)
        self._looked = now
        # The first look tells what was left to a process that has ended.
        if not self._news() and not (due or self._first):
            return Heard("", self.paused, self.due)
        followed = self._driver.followed
        known = len(followed)
        given = commands(self._folder)
        asked = self._follow(given)
        made = {command.id: command for command in given}
        changes = tuple((i, made[i].name, made[i].arguments) for i in followed[known:])
        return Heard(asked, self.paused, self.due, changes)

    def repeat(self, heard: Heard) -> None:
        """Do what the process that looks has done."""
        for command, name, arguments in heard.changes:
            self._driver.change(name, arguments, command=command)
        self.paused, self.due = heard.paused, heard.due

    # ---- inside --------------------------------------------------------------------------------------------------

    def _news(self) -> bool:
        """Whether the folder may have changed since the last look."""
        try:
            changed = os.stat(self._folder / COMMANDS).st_mtime_ns
        except OSError:
            return False
        if changed == self._seen and time.time_ns() - changed > SETTLED_NS:
            return False
        self._seen = changed
        return True

    def _follow(self, given: Iterable[Command]) -> Asked:
        first, self._first = self._first, False
        self.due = sys.maxsize
        asked: Asked = ""
        for command in given:
            if command.id in self._over or command.id in self._driver.followed:
                continue
            if command.name in OF_THE_PROCESS:
                self._over.add(command.id)
                if command.answer is None:
                    self._obey(command, too_late=first)
                    if command.name == "stop" and not (first or self._unheard):
                        return "stop"
                continue
            promised = None if command.answer is None else command.answer.get("t")
            if command.answer is not None and command.answer.get("status") != "applied":
                self._over.add(command.id)
            elif isinstance(promised, int) and promised > self._driver.t:
                # What was asked for later is done later.
                self.due = promised
                break
            elif self._change(command):
                asked = "changed"
        return asked

    def _change(self, command: Command) -> bool:
        """Change the curve; the promise comes first."""
        driver, t = self._driver, self._driver.t
        try:
            if command.name not in CHANGES:
                self._refuse(command, f"there is no command {command.name!r} that a run follows")
                return False
            curve = driver.preview(command.name, **command.arguments)
        except (CadenceError, TypeError, ValueError) as fault:
            self._refuse(command, str(fault))
            return False
        if command.answer is None:
            sentence = curve.journal[-1]["sentence"]
            told = {"status": "applied", "t": t, "total": curve.total, "sentence": sentence}
            answer(self._folder, command.id, told)
        driver.change(command.name, command.arguments, command=command.id)
        return True

    def _obey(self, command: Command, *, too_late: bool) -> None:
        t = self._driver.t
        if self._unheard:
            self._refuse(command, self._unheard)
        elif too_late:
            self._refuse(command, f"the process that was to {command.name} has ended")
        elif command.name == "resume" and not self.paused:
            self._refuse(command, "the run is not paused, so there is nothing to resume")
        elif command.name == "pause" and self.paused:
            self._refuse(command, "the run is paused already")
        else:
            if command.name != "stop":
                self.paused = command.name == "pause"
            told = {"pause": "Pauses", "resume": "Goes on", "stop": "Stops"}[command.name]
            sentence = (
                f"{told} at update {t}, at a checkpoint." if command.name != "resume" else f"{told} at update {t}."
            )
            answer(self._folder, command.id, {"status": "applied", "t": t, "sentence": sentence})

    def _refuse(self, command: Command, why: str) -> None:
        self._over.add(command.id)
        answer(self._folder, command.id, {"status": "refused", "t": self._driver.t, "sentence": why})


def changes_waiting(folder: Path) -> list[Command]:
    """Changes that a run was asked for and has not answered."""
    return [c for c in commands(folder) if c.answer is None and c.name in CHANGES]
