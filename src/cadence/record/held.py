"""A run folder in the hands of its one writer: locked, its files open, let go of in every case."""

from __future__ import annotations

import functools
import os
import shutil
import weakref
from pathlib import Path
from typing import final

from cadence._errors import RecordError
from cadence.record.files import make_folder, read_json, trouble
from cadence.record.lines import Lines
from cadence.record.lock import FolderLock
from cadence.record.names import (
    CHECKPOINTS,
    COMMANDS,
    ENDED,
    ENVIRONMENT,
    EVALUATIONS,
    JOURNAL,
    LOGGERS,
    RECIPE,
    RESULT,
    ROLLBACKS,
    RUN,
    UPDATES,
)


@final
class HeldFolder:
    """The three growing files of a run folder, behind its lock.

    Args:
        folder: of the run; made where it is missing.
        fresh: remove the record and the checkpoints that are there first.

    Raises:
        RecordError: the folder holds a run that has come to its end, is being written by another process, or cannot be
            written.
    """

    def __init__(self, folder: Path, *, fresh: bool) -> None:
        make_folder(folder)
        self._lock = FolderLock(folder)
        self._lines: list[Lines] = []
        try:
            if fresh:
                _clear(folder)
            _refuse_if_ended(folder)
            _sweep(folder)
            # What is flushed first stands first: an evaluation is never in its file without the updates before it.
            for name in (UPDATES, EVALUATIONS, JOURNAL):
                self._lines.append(Lines(folder / name))
            self.updates, self.evaluations, self.journal = self._lines
        except BaseException:
            self.let_go("it could not be opened")
            raise
        _forgotten_by_children().add(self)

    def flush(self, *, sync: bool = False) -> None:
        """Hand all lines to the operating system; with `sync`, wait until they are on the disk."""
        for lines in self._lines:
            lines.flush(sync=sync)

    def let_go(self, why: str) -> None:
        """Close all without writing what waits.

        Args:
            why: end of the sentence for whoever writes from now on.
        """
        for lines in self._lines:
            lines.drop(why)
        self._lock.release()

    def finish(self) -> None:
        """Write what waits, and close all: at the end of a program that has not said that it is done."""
        try:
            self.flush()
        finally:
            self.let_go("it is closed")

    def forget(self) -> None:
        """Close this process's handles alone: in a forked child, the folder is its parent's."""
        for lines in self._lines:
            lines.drop("it belongs to the process that this one was forked from")
        self._lock.drop()


@functools.cache
def _forgotten_by_children() -> weakref.WeakSet[HeldFolder]:
    """Folders that a forked child must neither write to nor keep locked (a data loader's worker outlives a kill)."""
    held: weakref.WeakSet[HeldFolder] = weakref.WeakSet()

    def forget_all() -> None:
        for folder in list(held):
            folder.forget()

    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=forget_all)
    return held


def _refuse_if_ended(folder: Path) -> None:
    path = folder / RESULT
    result = read_json(path) if path.exists() else None
    if isinstance(result, dict) and result.get("status") in ENDED:  # pyright: ignore[reportUnknownMemberType]
        raise RecordError(
            f"{folder} already holds a run that has ended ({result['status']}); choose another folder, or pass "
            "fresh=True to remove that run and start anew"
        )


def _clear(folder: Path) -> None:
    """Remove a record. The result first: if this is interrupted, what is left is no finished run."""
    try:
        (folder / RESULT).unlink(missing_ok=True)
        for name in (COMMANDS, CHECKPOINTS, ROLLBACKS, *LOGGERS):
            if (folder / name).exists():
                shutil.rmtree(folder / name)
        for name in (JOURNAL, EVALUATIONS, UPDATES, ENVIRONMENT, RECIPE, RUN):
            (folder / name).unlink(missing_ok=True)
    except OSError as error:
        raise trouble(error, folder, "written") from error


def _sweep(folder: Path) -> None:
    """Remove what a killed writer was about to move into place."""
    try:
        for name in (RUN, ENVIRONMENT, RECIPE, RESULT):
            for left in folder.glob(f".{name}.*.tmp"):
                left.unlink()
    except OSError as error:
        raise trouble(error, folder, "written") from error
