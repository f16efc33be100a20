"""Writes a run folder while the run goes on."""

from __future__ import annotations

import operator
import os
import weakref
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self, final

from cadence._errors import RecordError
from cadence.record.environment import environment as this_environment
from cadence.record.files import make_folder, read_json, sync_folder, trouble, write_atomically, write_json
from cadence.record.held import HeldFolder
from cadence.record.lines import Row
from cadence.record.loggers.followers import Followers
from cadence.record.names import ENVIRONMENT, LINEAGE, RECIPE, RESULT, ROLLBACKS, RUN, RUN_KEYS, STATUSES, VERSION
from cadence.record.spelling import RowSpeller, spell


@final
class RunWriter:
    """The one writer of a run folder.

    Rows of updates wait in memory for at most 255 others or one second, and are appended in whole lines; a process that
    is killed loses these at most. Evaluations and events are handed to the operating system at once, after the updates
    before them. Rows that still wait are written when the writer is closed, is no longer used, or the program ends.

    Args:
        folder: of the run; made where it is missing. A folder whose run was killed or has failed is continued.
        fresh: remove the record and the checkpoints that are there first.
        loggers: names of programs whose format is written beside the record, in folders of these names:
            ``"tensorboard"``, ``"visualdl"``, ``"mlflow"``.

    Raises:
        RecordError: the folder holds a run that has come to its end, is being written by another process, or cannot be
            written.
        UnknownNameError: there is no such logger.
        MissingExtraError: what a logger needs is not installed.

    Example:
        >>> import tempfile
        >>> horizon = {"total": 2, "steps_per_epoch": None, "batch_size": None, "tokens_per_step": None}
        >>> run = {"name": "mine", "spec": "constant()", "horizon": horizon}
        >>> run |= {"groups": ["all"], "values": ["lr"], "bases": {"lr": [0.1]}}
        >>> folder = tempfile.TemporaryDirectory()
        >>> with RunWriter(folder.name) as writer:
        ...     writer.start(run)
        ...     writer.update({"t": 0, "loss": 2.5, "lr": [0.1]})
        ...     writer.update({"t": 1, "loss": 1.5, "lr": [0.1]})
        ...     writer.evaluation({"t": 2, "val_loss": 1.25})
        ...     writer.close({"status": "finished", "updates": 2, "seconds": 0.5})
        >>> from cadence.record.reader import load_record
        >>> load_record(folder.name).updates["loss"].tolist()
        [2.5, 1.5]
        >>> folder.cleanup()
    """

    def __init__(self, folder: str | os.PathLike[str], *, fresh: bool = False, loggers: Sequence[str] = ()) -> None:
        self.folder = Path(folder)
        self._followers = Followers(self.folder, loggers) if loggers else None
        self._speller = RowSpeller()
        self._started = False
        self._here: dict[str, Any] = {}
        self._earlier: dict[str, Any] = {}
        self._held = HeldFolder(self.folder, fresh=fresh)
        try:
            # What a crash has left incomplete goes, so that the next line begins where a line begins.
            last = self._held.updates.cut(_any)
            self._t = 0 if last is None else _t_of(last, self._held.updates.path) + 1
            last = self._held.evaluations.cut(_any)
            self._evaluated = 0 if last is None else _t_of(last, self._held.evaluations.path)
            self._held.journal.cut(_any)
            self._events = self._held.journal.count()
        except BaseException:
            self._held.let_go("it could not be opened")
            raise
        # A loop of one's own may simply end.
        self._end = weakref.finalize(self, _finish, self._held, self._followers)

    @property
    def t(self) -> int:
        """Updates that the record has come to: the smallest number that the next one may have."""
        return self._t

    @property
    def events(self) -> int:
        """Entries that the journal has come to; a checkpoint keeps the number, and `truncate` goes by it."""
        return self._events

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
            run: content of ``run.json`` without its version: name (default: the folder's), spec, horizon, groups,
                values, bases, and whatever else should be known.
            recipe: text of ``recipe.yaml``, where the run has one.
            environment: what `cadence.environment` gives, which is the default. A run that resumes keeps the
                environment it began in, and this one is added to its list ``resumed``.

        Raises:
            RecordError: a key of `run` is missing, or a file cannot be written.
        """
        self._alive()
        missing = [key for key in RUN_KEYS if key not in run]
        if missing:
            raise RecordError(f"a run is described by {', '.join(RUN_KEYS)}; this one lacks {', '.join(missing)}")
        # The recipe first: a folder with a description and no recipe would be that of a loop of somebody's own.
        if recipe is not None:
            write_atomically(self.folder / RECIPE, recipe)
        described = {"version": VERSION, "name": self.folder.resolve().name, **self._lineage(), **run}
        write_json(self.folder / RUN, described)
        if self._followers is not None:
            self._followers.describe(described)
        if not self._started:
            self._here = this_environment() if environment is None else dict(environment)
            path = self.folder / ENVIRONMENT
            self._earlier = read_json(path) if path.exists() else {}
            self._write_environment()
            # A run that had failed goes on now.
            self._remove_result()
        self._started = True

    def update(self, row: Mapping[str, Any]) -> None:
        """Add the row of one update.

        Args:
            row: ``t`` (int, above that of the row before), and name -> number or list of one number per group. NaN and
                infinities are numbers; None is a number that does not exist.

        Raises:
            RecordError: ``t`` is missing or goes back, a value is no number, or the disk will not take it.
        """
        t = row.get("t")
        if type(t) is not int or t < self._t or not self._started:
            t = self._checked(t, self._t, "update")
        line = self._speller.later(row)
        if self._followers is not None:
            self._follow(self._followers).update(row)
        # Counted first: a line that the disk will not take waits, and must not be given a second time.
        self._t = t + 1
        self._held.updates.append(line)

    def evaluation(self, row: Mapping[str, Any]) -> None:
        """Add the row of one evaluation, and hand it to the operating system.

        Args:
            row: ``t`` (number of updates done), ``epoch``, ``seconds``, and metrics, with their split as prefix.

        Raises:
            RecordError: as for `update`.
        """
        t = self._checked(row.get("t"), self._evaluated, "evaluation")
        line = self._speller.line(row)
        if self._followers is not None:
            self._follow(self._followers).evaluation(row)
        self._evaluated = t
        self._held.evaluations.append(line)
        self._held.flush()

    def event(self, row: Mapping[str, Any]) -> None:
        """Add an entry to the journal, and hand it to the operating system.

        Args:
            row: ``t`` (first update that it governs), ``kind``, ``sentence``, and whatever plain data the kind needs.
                ``made``, the number of updates done by now, is added where it is missing: `truncate` goes by it.

        Raises:
            RecordError: ``t`` or ``kind`` is missing, a value is no plain data, or the disk will not take it.
        """
        self._checked(row.get("t"), 0, "event")
        kind = row.get("kind")
        if not isinstance(kind, str):
            raise RecordError(f"the kind of an event is text, as in {{'t': 120, 'kind': 'cut'}}, not {kind!r:.60}")
        made = row.get("made", self._t)
        if self._followers is not None:
            self._follow(self._followers).event(row, made)
        self._held.journal.append(spell({**row, "made": made}) + "\n")
        self._events += 1
        self._held.flush()

    def flush(self, *, sync: bool = False) -> None:
        """Hand all rows to the operating system, which keeps them if this process dies.

        Args:
            sync: also wait until they are on the disk. To be done before a checkpoint is written, so that a record is
                never behind its checkpoints, not even after a power failure.

        Raises:
            RecordError: the disk will not take them. They wait, and the next call goes on where this one stopped.
        """
        self._held.flush(sync=sync)
        if self._followers is not None:
            self._followers.flush()

    def truncate(self, t: int, *, events: int | None = None) -> None:
        """Take back all that came after the first `t` updates, so that the run can go on from there.

        Removed are updates from number `t` on, evaluations and events made after more than `t` updates, and a result.
        A second call with the same `t` removes nothing more.

        Args:
            t: number of updates done, at least 0.
            events: what `events` was then: entries of the journal behind so many go as well, because several moments
                have the same number of updates. None: none does for that reason.

        Raises:
            RecordError: `t` is no such number, or a file cannot be changed.
        """
        self._alive()
        if type(t) is not int or t < 0:
            raise RecordError(f"a record cannot be cut back to {t!r:.60} updates; write how many stay, e.g. 0")
        if events is not None and (type(events) is not int or events < 0):
            raise RecordError(f"a journal cannot be cut back to {events!r:.60} entries; write how many stay, e.g. 0")
        self._cut(t, events)
        if self._started:
            self._write_environment()
        self._remove_result()

    def roll_back(self, t: int, events: int, number: int) -> None:
        """Take back all that came after the first `t` updates of a run that goes on, and put it aside.

        Args:
            t: number of updates done, at least 0.
            events: what `events` was then.
            number: of the rollback, counted from 1: what is cut off goes into the folder ``rollbacks/<number>``.

        Raises:
            RecordError: a file cannot be written or changed; then the record is as it was.
        """
        self._alive()
        self._held.flush()
        aside = self.folder / ROLLBACKS / str(number)
        make_folder(aside)
        for lines, least in ((self._held.updates, t), (self._held.evaluations, t + 1)):
            write_atomically(aside / lines.path.name, lines.tail(lambda row, n=least: _number(row, "t") < n))
        write_atomically(aside / self._held.journal.path.name, self._held.journal.behind(events))
        self._cut(t, events)

    def close(self, result: Mapping[str, Any] | None = None) -> None:
        """Write all rows and the result, and let go of the folder; a second call does nothing.

        Args:
            result: content of ``result.json``, with ``status`` (finished, stopped, diverged, failed). Without it the
                folder is that of a run that was interrupted.

        Raises:
            RecordError: the result has no such status, or the disk will not take it; in the latter case the folder is
                let go nevertheless.
        """
        if not self._end.alive:
            return
        if result is not None and result.get("status") not in STATUSES:
            raise RecordError(f"a run ends as one of {', '.join(STATUSES)}, not as {result.get('status')!r:.60}")
        try:
            self._held.flush(sync=True)
            if self._followers is not None:
                self._followers.close(None if result is None else str(result["status"]))
            if result is not None:
                write_json(self.folder / RESULT, result)
        finally:
            self._end.detach()
            self._held.let_go("it is closed")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<RunWriter {self.folder}: {self._t} updates{'' if self._end.alive else ', closed'}>"

    def _cut(self, t: int, events: int | None) -> None:
        # A line of the journal that others wrote may not say when it was made.
        self._held.journal.cut(lambda row: _number(row, "made", row.get("t")) <= t)
        if events is not None:
            self._held.journal.leave(events)
        self._events = self._held.journal.count()
        last = self._held.evaluations.cut(lambda row: _number(row, "t") <= t)
        self._evaluated = 0 if last is None else last["t"]
        self._held.updates.cut(lambda row: _number(row, "t") < t)
        self._t = t
        if self._followers is not None:
            self._followers.take_back()

    def _follow(self, followers: Followers) -> Followers:
        """The loggers, opened where the record stands."""
        if not followers.is_open:
            self._held.flush()
            followers.open(self._t)
        return followers

    def _write_environment(self) -> None:
        """This environment, or, where updates of an earlier part stay, the one they began in and this."""
        content = self._here
        if self._earlier and self._t > 0:
            others = [other for other in self._earlier.get("resumed", []) if other["t"] < self._t]
            content = {**self._earlier, "resumed": [*others, {"t": self._t, **content}]}
        write_json(self.folder / ENVIRONMENT, content)

    def _lineage(self) -> dict[str, Any]:
        """What the folder says of runs that it came from or that came from it: it outlasts every new description."""
        path = self.folder / RUN
        told: dict[str, Any] = read_json(path) if path.exists() else {}
        return {key: told[key] for key in LINEAGE if key in told}

    def _remove_result(self) -> None:
        path = self.folder / RESULT
        try:
            path.unlink(missing_ok=True)
        except OSError as error:
            raise trouble(error, path, "written") from error
        sync_folder(self.folder)

    def _checked(self, t: Any, least: int, what: str) -> int:
        """The update number of a row, if the row may come now."""
        self._alive()
        if not self._started:
            raise RecordError(f"the record of {self.folder} takes no rows yet; call start(...) first")
        try:
            number = operator.index(t)
        except TypeError:
            raise RecordError(
                f"the t of an {what} is a whole number of updates, not {t!r:.60}; write {{'t': 0, ...}}"
            ) from None
        if number < least:
            raise RecordError(
                f"an {what} at t = {number} comes too late, the record in {self.folder} has come to t = {least}; go on "
                "from a state saved there, cut the record back with truncate(t), start anew with RunWriter(folder, "
                "fresh=True), or choose another folder"
            )
        return number

    def _alive(self) -> None:
        if not self._end.alive:
            raise RecordError(
                f"the record of {self.folder} is closed; open it again with RunWriter({str(self.folder)!r})"
            )


def _finish(held: HeldFolder, followers: Followers | None) -> None:
    """The end of a program that has not said that it is done."""
    try:
        held.finish()
    finally:
        if followers is not None:
            followers.close(None)


def _any(row: Row) -> bool:
    del row
    return True


def _number(row: Row, key: str, default: Any = None) -> float:
    """A number to compare with; a line without one belongs to nothing, and goes."""
    number = row.get(key, default)
    return number if type(number) is int else float("inf")


def _t_of(row: Row, path: Path) -> int:
    t = row.get("t")
    if type(t) is not int:
        raise RecordError(f"the last line of {path} has no number t; correct it, or pass fresh=True to start anew")
    return t
