"""What a run adds to its record: its name, its recipe, the time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, final

from cadence.drivers.recording import NoRecorder
from cadence.record.writer import RunWriter
from cadence.run.timing import Stopwatch


@final
class Recording:
    """A run's record as a driver writes to it, with what only the run knows.

    The folder is opened when the driver starts it: by then everything about the run has been checked, and bad input
    leaves nothing behind.

    Args:
        folder: of the run.
        watch: tells the time of each row.
        about: further keys of ``run.json``.
        recipe: text of ``recipe.yaml``.
        environment: content of ``environment.json``.
        fresh: remove what is in the folder first.
        goes_on: whether a part of an earlier record stays: `go_on` says which. Else nothing does.
        loggers: see `RunWriter`.
    """

    def __init__(
        self,
        folder: Path,
        watch: Stopwatch,
        *,
        about: Mapping[str, Any],
        recipe: str,
        environment: Mapping[str, Any],
        fresh: bool,
        goes_on: bool,
        loggers: Sequence[str] = (),
    ) -> None:
        self._folder = folder
        self._watch = watch
        self._about = about
        self._recipe = recipe
        self._environment = environment
        self._fresh = fresh
        self._goes_on = goes_on
        self._loggers = loggers
        self._writer: RunWriter | None = None

    def start(self, run: Mapping[str, Any]) -> None:
        """See `RunWriter.start`."""
        if self._writer is None:
            self._writer = RunWriter(self._folder, fresh=self._fresh, loggers=self._loggers)
            if not self._goes_on:
                self._writer.truncate(0, events=0)
        self._writer.start({**run, **self._about}, recipe=self._recipe, environment=self._environment)

    def update(self, row: dict[str, Any]) -> None:
        """See `RunWriter.update`."""
        self._open.update(self._watch.of_update(row))

    def evaluation(self, row: dict[str, Any]) -> None:
        """See `RunWriter.evaluation`."""
        self._open.evaluation(self._watch.of_evaluation(row))

    def event(self, row: Mapping[str, Any]) -> None:
        """See `RunWriter.event`."""
        self._open.event(row)

    def flush(self, *, sync: bool = False) -> None:
        """See `RunWriter.flush`."""
        self._open.flush(sync=sync)

    @property
    def events(self) -> int:
        """See `RunWriter.events`."""
        return self._open.events

    def go_on(self, t: int, events: int | None) -> None:
        """See `RunWriter.truncate`."""
        self._open.truncate(t, events=events)

    def roll_back(self, t: int, events: int, number: int) -> None:
        """See `RunWriter.roll_back`."""
        self._open.roll_back(t, events, number)

    def close(self, result: Mapping[str, Any] | None = None) -> None:
        """See `RunWriter.close`."""
        if self._writer is not None:
            self._writer.close(result)

    @property
    def _open(self) -> RunWriter:
        assert self._writer is not None, "the driver starts its record before it writes"
        return self._writer


class NoRecording(NoRecorder):
    """The record in a process that keeps none: rank 0 does."""

    def flush(self, *, sync: bool = False) -> None:
        pass

    def roll_back(self, t: int, events: int, number: int) -> None:
        """Nothing was written."""
