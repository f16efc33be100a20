"""The record of a loop of one's own."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol, final

from cadence._errors import RecordError
from cadence.record.lines import last_row
from cadence.record.names import EVALUATIONS, LISTENS, UPDATES
from cadence.record.writer import RunWriter


class Recorder(Protocol):
    """What a driver writes its record to."""

    def start(self, run: Mapping[str, Any], /) -> None:
        """Take what the run is: spec, horizon, groups, values, bases, optimizer. Called again when they change."""
        ...

    def update(self, row: dict[str, Any], /) -> None:
        """Take the row of an update: ``t``, values in force, logged columns."""
        ...

    def evaluation(self, row: dict[str, Any], /) -> None:
        """Take the row of an evaluation: ``t``, metrics."""
        ...

    def event(self, row: Mapping[str, Any], /) -> None:
        """Take an entry of the journal."""
        ...

    @property
    def events(self) -> int | None:
        """How many entries it has by now; None where none are kept."""
        ...

    def go_on(self, t: int, events: int | None, /) -> None:
        """Take back what came after a state that is gone on from: `t` updates done, with so many entries."""
        ...

    def close(self, result: Mapping[str, Any] | None = None, /) -> None:
        """Write what waits, and how the run ended."""
        ...


@final
class FolderRecorder:
    """Writes a run folder for a driver that nobody else keeps the record of.

    Args:
        folder: of the run; its name is the run's.
        loggers: see `RunWriter`.
        listens: whether the driver follows commands that are left in the folder.

    Raises:
        RecordError: see `RunWriter`.
    """

    def __init__(self, folder: Path, loggers: Sequence[str] = (), *, listens: bool = False) -> None:
        self._folder = folder
        self._about = {LISTENS: True} if listens else {}
        self._writer = RunWriter(folder, loggers=loggers)
        self._begin = time.perf_counter()
        self._final: dict[str, Any] = {}
        self._best: dict[str, Any] = {}

    def start(self, run: Mapping[str, Any], /) -> None:
        self._writer.start({"name": self._folder.resolve().name, **run, **self._about})

    def update(self, row: dict[str, Any], /) -> None:
        self._check(row["t"])
        self._writer.update({**row, "seconds": self._seconds()})

    def evaluation(self, row: dict[str, Any], /) -> None:
        self._check(row["t"])
        self._writer.evaluation({**row, "seconds": self._seconds()})
        self._final = {name: x for name, x in row.items() if name not in ("t", "epoch")}
        if "val_loss" in row and not row["val_loss"] >= self._best.get("val_loss", float("inf")):
            self._best = {**self._final, "t": row["t"]}

    def event(self, row: Mapping[str, Any], /) -> None:
        self._writer.event(row)

    @property
    def events(self) -> int:
        return self._writer.events

    def go_on(self, t: int, events: int | None, /) -> None:
        self._writer.truncate(t, events=events)
        # Seconds go on from what the earlier part had come to.
        rows = [last_row(self._folder / name) or {} for name in (UPDATES, EVALUATIONS)]
        self._begin = time.perf_counter() - max(float(found.get("seconds", 0.0)) for found in rows)

    def close(self, result: Mapping[str, Any] | None = None, /) -> None:
        ended = None
        if result is not None:
            ended = {"seconds": self._seconds(), "final": self._final, "best": self._best, **result}
        self._writer.close(ended)

    def _seconds(self) -> float:
        return time.perf_counter() - self._begin

    def _check(self, t: int) -> None:
        if t < self._writer.t:
            raise RecordError(
                f"{self._folder} holds the record of {self._writer.t} updates, and this driver is at update {t}; load "
                f"its state to go on (driver.load_state_dict), or give record= another folder"
            )


class NoRecorder:
    """The record on a rank that keeps none: of a run there is one, and rank 0 writes it."""

    def start(self, run: Mapping[str, Any], /) -> None:
        pass

    def update(self, row: dict[str, Any], /) -> None:
        pass

    def evaluation(self, row: dict[str, Any], /) -> None:
        pass

    def event(self, row: Mapping[str, Any], /) -> None:
        pass

    @property
    def events(self) -> None:
        return None

    def go_on(self, t: int, events: int | None, /) -> None:
        pass

    def close(self, result: Mapping[str, Any] | None = None, /) -> None:
        pass
