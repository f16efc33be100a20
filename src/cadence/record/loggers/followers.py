"""The loggers of one record: told whatever it takes, from wherever each of them stands."""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, cast, final

from cadence.record.lines import blocks
from cadence.record.loggers.logger import Logger, open_logger
from cadence.record.names import EVALUATIONS, JOURNAL, UPDATES
from cadence.record.spelling import read

Row = Mapping[str, Any]


@final
class Followers:
    """Loggers that follow a record as it is written.

    They are opened with the first row: by then it is known how many updates of an earlier part stay. What a logger
    lacks of them it is told from the record, which is the one truth.

    Args:
        folder: of the run.
        names: of the loggers.
        out: where their folders are; None: in the run folder.

    Raises:
        UnknownNameError: there is no such logger.
        MissingExtraError: what it needs is not installed.
    """

    def __init__(self, folder: Path, names: Sequence[str], *, out: Path | None = None) -> None:
        self._folder = folder
        self._loggers: list[Logger] = [open_logger(name, out or folder) for name in dict.fromkeys(names)]
        self._open = False
        self._run: Row = {}
        self._names: dict[tuple[str, int], list[str]] = {}
        self._last = 0

    @property
    def is_open(self) -> bool:
        """Whether the loggers have been opened, and the record was not cut back since."""
        return self._open

    def describe(self, run: Row) -> None:
        """Take what the run is; again where its groups have changed."""
        self._run, self._names = run, {}

    def open(self, t: int) -> None:
        """Open all loggers after `t` updates, and tell each what it lacks of what the record's files hold."""
        self._open, self._last = True, t
        for logger in self._loggers:
            first = logger.go_on(t)
            if first == 0:
                logger.describe(self._run)
                logger.numbers(0, self._flat(self._settings()))
            for kind, row in self._told(first):
                self._tell(logger, kind, row)
            logger.flush()

    def take_back(self) -> None:
        """The record was cut back: with the next row each logger goes on from there."""
        self._open = False

    def update(self, row: Row) -> None:
        """Tell the row of an update."""
        self._last = row["t"]
        numbers = self._flat(row)
        for logger in self._loggers:
            logger.numbers(row["t"], numbers)

    def evaluation(self, row: Row) -> None:
        """Tell the row of an evaluation."""
        self._last = row["t"]
        self._to_all("evaluation", row)

    def event(self, row: Row, made: int) -> None:
        """Tell an event that is written after `made` updates."""
        self._to_all("event", {**row, "made": made})

    def flush(self) -> None:
        """Hand what waits to the operating system."""
        for logger in self._loggers:
            if self._open:
                logger.flush()

    def close(self, status: str | None) -> None:
        """Write what waits, and where the run has ended also with what its optimizer did."""
        for logger in self._loggers:
            if self._open:
                if status is not None:
                    logger.numbers(self._last, self._flat(self._settings()))
                logger.close(status)
        self._loggers = []

    # ---- inside --------------------------------------------------------------------------------------------------

    def _to_all(self, kind: str, row: Row) -> None:
        for logger in self._loggers:
            self._tell(logger, kind, row)
            logger.flush()

    def _tell(self, logger: Logger, kind: str, row: Row) -> None:
        if kind == "event":
            logger.text(int(row.get("made", row["t"])), str(row["kind"]), str(row.get("sentence", "")))
        else:
            logger.numbers(row["t"], self._flat(row))

    def _told(self, first: int) -> Iterator[tuple[str, dict[str, Any]]]:
        """What the record holds from update `first` on, in the order in which it happened."""

        def rows(name: str, key: str, kind: str, rank: int) -> Iterator[tuple[int, int, int, str, dict[str, Any]]]:
            number = 0
            for _, block in blocks(self._folder / name):
                for row in block:
                    number += 1
                    at = row.get(key, row.get("t"))
                    if type(at) is int and at >= first:
                        yield at, rank, number, kind, read(row)

        # An evaluation or an event after t updates comes before update t.
        files = [
            rows(EVALUATIONS, "t", "evaluation", 0),
            rows(JOURNAL, "made", "event", 1),
            rows(UPDATES, "t", "update", 2),
        ]
        for *_, kind, row in heapq.merge(*files):
            yield kind, row

    def _settings(self) -> dict[str, Any]:
        """What the optimizer has of its own: values that nobody schedules."""
        held: Mapping[str, Any] = self._run.get("optimizer") or {}
        return {value: numbers for value, numbers in held.items() if value not in self._run.get("values", ())}

    def _flat(self, row: Row) -> dict[str, float]:
        """Numbers by name, one for each group of a value that has several."""
        flat: dict[str, float] = {}
        for name, value in row.items():
            if type(value) is float:
                flat[name] = value
            elif isinstance(value, list | tuple):
                numbers = cast("Sequence[Any]", value)
                for one, number in zip(self._of_groups(name, len(numbers)), numbers, strict=True):
                    if number is not None:
                        flat[one] = float(number)
            elif value is not None and name != "t":
                flat[name] = float(value)
        return flat

    def _of_groups(self, name: str, count: int) -> list[str]:
        found = self._names.get((name, count))
        if found is None:
            groups = [str(group) for group in self._run.get("groups", ())]
            several = [f"{name}/{groups[g] if g < len(groups) else g}" for g in range(count)]
            found = self._names[name, count] = [name] if count == 1 else several
        return found
