"""Writes a run folder while the run goes on."""

from __future__ import annotations

import contextlib
import functools
import operator
import os
import shutil
import weakref
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self, final

from cadence._errors import RecordError, neighbours
from cadence.record.environment import environment as this_environment
from cadence.record.files import make_folder, read_json, sync_folder, trouble, write_atomically, write_json
from cadence.record.lines import Lines
from cadence.record.lock import FolderLock
from cadence.record.names import (
    CHECKPOINTS,
    ENDED,
    ENVIRONMENT,
    EVALUATIONS,
    JOURNAL,
    RECIPE,
    RESULT,
    RUN,
    RUN_KEYS,
    STATUSES,
    UPDATES,
    VERSION,
)
from cadence.record.spelling import RowSpeller, spell


@final
class RunWriter:
    """The one writer of a run folder.

    Rows of updates wait in memory for at most 256 others or one second, and are appended in whole lines; a process that
    is killed loses these at most. Evaluations and events are handed to the operating system at once, with the updates
    before them. Rows that still wait are written when the writer is closed, is no longer used, or the program ends.

    Args:
        folder: of the run; made where it is missing. A folder whose run was killed or has failed is continued.
        fresh: remove the record and the checkpoints that are there first.

    Raises:
        RecordError: the folder holds a run that has come to its end, is being written by another process, or cannot be
            written.

    Example:
        >>> import tempfile
        >>> folder = tempfile.TemporaryDirectory()
        >>> horizon = {"total": 2, "steps_per_epoch": None, "batch_size": None, "tokens_per_step": None}
        >>> with RunWriter(folder.name) as writer:
        ...     writer.start({"name": "mine", "spec": "constant()", "horizon": horizon, "groups": ["all"],
        ...                   "values": ["lr"], "bases": {"lr": [0.1]}})
        ...     writer.update({"t": 0, "loss": 2.5, "lr": [0.1]})
        ...     writer.update({"t": 1, "loss": 1.5, "lr": [0.1]})
        ...     writer.evaluation({"t": 2, "val_loss": 1.25})
        ...     writer.close({"status": "finished", "updates": 2, "seconds": 0.5})
        >>> from cadence.record.reader import load_record
        >>> load_record(folder.name).updates["loss"]
        array([2.5, 1.5])
        >>> folder.cleanup()
    """

    def __init__(self, folder: str | os.PathLike[str], *, fresh: bool = False) -> None:
        self.folder = Path(folder)
        make_folder(self.folder)
        self._closed = "start(...) has not been called"
        self._started = False
        self._speller = RowSpeller()
        self._lock = FolderLock(self.folder)
        self._lines: list[Lines] = []
        try:
            if fresh:
                _clear(self.folder)
            _refuse_if_ended(self.folder)
            for name in (UPDATES, EVALUATIONS, JOURNAL):
                self._lines.append(Lines(self.folder / name))
            self._updates, self._evaluations, self._journal = self._lines
            # What a crash has left incomplete goes, so that the next line begins where a line begins.
            update, evaluation, _ = (lines.cut(lambda row: True) for lines in self._lines)
            self._t = 0 if update is None else _t_of(update, self._updates.path) + 1
            self._evaluated = 0 if evaluation is None else _t_of(evaluation, self._evaluations.path)
        except BaseException:
            _let_go(self._lines, self._lock)
            raise
        # A loop of one's own may simply end: what waits is written then.
        self._end = weakref.finalize(self, _finish, self._lines, self._lock)
        _forgotten_by_children().add(self)

    @property
    def t(self) -> int:
        """Updates that the record holds: the number of the next one."""
        return self._t

    def start(
        self,
        run: Mapping[str, Any],
        *,
        recipe: str | None = None,
        environment: Mapping[str, Any] | None = None,
    ) -> None:
        """Write what the run is and where it runs; rows can be written from here on.

        Called again (a parameter group was added), it writes `run` anew.

        Args:
            run: content of ``run.json`` without its version: name, spec, horizon, groups, values, bases.
            recipe: text of ``recipe.yaml``, where the run has one.
            environment: what `cadence.environment` gives, which is the default. A run that resumes keeps the
                environment it began in, and this one is added to its list of ``resumed``.

        Raises:
            RecordError: a key of `run` is missing, or a file cannot be written.
        """
        if not self._started and self._closed != "start(...) has not been called":
            raise self._refusal()
        missing = [key for key in RUN_KEYS if key not in run]
        if missing:
            raise RecordError(f"a run is described by {', '.join(RUN_KEYS)}; this one lacks {', '.join(missing)}")
        write_json(self.folder / RUN, {"version": VERSION, **run})
        if recipe is not None:
            write_atomically(self.folder / RECIPE, recipe)
        if not self._started:
            here = dict(this_environment() if environment is None else environment)
            write_json(self.folder / ENVIRONMENT, self._environment(here))
            # A run that had failed goes on now.
            (self.folder / RESULT).unlink(missing_ok=True)
            sync_folder(self.folder)
        self._started, self._closed = True, ""

    def _environment(self, here: dict[str, Any]) -> dict[str, Any]:
        path = self.folder / ENVIRONMENT
        if self._t == 0 or not path.exists():
            return here
        first: dict[str, Any] = read_json(path)
        return {**first, "resumed": [*first.get("resumed", []), {"t": self._t, **here}]}

    def update(self, row: Mapping[str, Any]) -> None:
        """Add the row of one update.

        Args:
            row: ``t`` (int, above that of the row before), and name -> number or list of one number per group. NaN and
                infinities are numbers; None is a number that does not exist.

        Raises:
            RecordError: ``t`` is missing or goes back, a value is no number, or the disk will not take it.
        """
        try:
            t = row["t"]
        except KeyError:
            raise RecordError("the row of an update needs its number: {'t': 0, 'loss': 2.3}") from None
        if self._closed or type(t) is not int or t < self._t:
            t = self._checked(t, self._t, "update")
        line = self._speller.line(row)
        self._t = t + 1
        self._updates.append(line)

    def evaluation(self, row: Mapping[str, Any]) -> None:
        """Add the row of one evaluation, and hand it to the operating system.

        Args:
            row: ``t`` (number of updates done), ``epoch``, ``seconds``, and metrics by name, with their split as prefix.

        Raises:
            RecordError: as for `update`.
        """
        t = self._checked(row.get("t"), self._evaluated, "evaluation")
        line = self._speller.line(row)
        self._evaluated = t
        self._evaluations.append(line)
        self.flush()

    def event(self, row: Mapping[str, Any]) -> None:
        """Add an entry to the journal, and hand it to the operating system.

        Args:
            row: ``t`` (first update that it governs), ``kind``, ``sentence``, and whatever plain data the kind needs.
                ``made``, the number of updates done by now, is added where it is missing: a later `truncate` goes by it.

        Raises:
            RecordError: ``t`` or ``kind`` is missing, a value is no plain data, or the disk will not take it.
        """
        self._checked(row.get("t"), 0, "event")
        if not isinstance(row.get("kind"), str):
            raise RecordError(f"an event needs a kind, as in {{'t': 120, 'kind': 'cut'}}; this one has {row.get('kind')!r:.60}")
        self._journal.append(spell({**row, "made": row.get("made", self._t)}) + "\n")
        self.flush()

    def flush(self, *, sync: bool = False) -> None:
        """Hand all rows to the operating system, which keeps them if this process dies.

        Args:
            sync: also wait until they are on the disk. To be done before a checkpoint is written, so that a record is
                never behind its checkpoints, not even after a power failure.

        Raises:
            RecordError: the disk will not take them. They wait, and the next call goes on where this one stopped.
        """
        for lines in self._lines:
            lines.flush(sync=sync)

    def truncate(self, t: int) -> None:
        """Take back everything after the first `t` updates, so that the run can go on from there.

        Removed are updates from number `t` on, evaluations made after more than `t` updates, events made after more
        than `t` updates, and a result. A second call with the same `t` removes nothing more.

        Args:
            t: number of updates done, at least 0.

        Raises:
            RecordError: `t` is no such number, or a file cannot be changed.
        """
        if self._closed and self._started:
            raise self._refusal()
        if type(t) is not int or t < 0:
            raise RecordError(f"a record cannot be cut back to {t!r:.60}; write the number of updates that stay, e.g. 0")
        # From the last to the first, so that a crash in between leaves no decision without the updates before it.
        self._journal.cut(lambda row: row.get("made", row.get("t", 0)) <= t)
        last = self._evaluations.cut(lambda row: row["t"] <= t)
        self._evaluated = 0 if last is None else last["t"]
        self._updates.cut(lambda row: row["t"] < t)
        self._t = min(self._t, t)
        (self.folder / RESULT).unlink(missing_ok=True)

    def close(self, result: Mapping[str, Any] | None = None) -> None:
        """Write all rows and the result, and let go of the folder; a second call does nothing.

        Args:
            result: content of ``result.json``, with ``status`` (finished, stopped, diverged, failed). Without it the
                folder is that of a run that was interrupted.

        Raises:
            RecordError: the result has no such status, or the disk will not take it; the folder is let go nevertheless.
        """
        if not self._end.alive:
            return
        if result is not None and result.get("status") not in STATUSES:
            raise RecordError(f"a run ends as one of {', '.join(STATUSES)}, not as {result.get('status')!r:.60}")
        self._closed = "it is closed"
        try:
            self.flush(sync=True)
            if result is not None:
                write_json(self.folder / RESULT, result)
        finally:
            self._end()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<RunWriter {self.folder}: {self._t} updates{f', {self._closed}' if self._closed else ''}>"

    def forget(self) -> None:
        """Give up the folder without writing anything: in a forked child, it belongs to the parent."""
        self._end.detach()
        self._closed = "it belongs to the process that this one was forked from"
        self._started = True
        _let_go(self._lines, self._lock)

    def _checked(self, t: Any, least: int, what: str) -> int:
        """The update number of a row that is no plain int, or comes at the wrong time."""
        if self._closed:
            raise self._refusal()
        try:
            number = operator.index(t)
        except TypeError:
            raise RecordError(f"the t of an {what} is a whole number of updates, not {t!r:.60}; write {{'t': 0, ...}}") from None
        if number < least:
            raise RecordError(
                f"the {what} of t = {number} comes too late: the record of {self.folder} has come to t = {least}; "
                f"call truncate({max(number, 0)}) first, or write into another folder"
            )
        return number

    def _refusal(self) -> RecordError:
        return RecordError(f"the record of {self.folder} takes no rows: {self._closed}")
