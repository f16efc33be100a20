"""Where the time of a run goes, how fast it is, and what it needs of the machine: columns of its record."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any, ParamSpec, TypeVar, final

from cadence.record.time_spent import SPENT
from cadence.run.meter import Meter

P = ParamSpec("P")
R = TypeVar("R")

BESIDE = ("evaluation", "checkpoint")
"""What is no training."""

SAMPLE_SECONDS = 10.0
"""Memory and the use of a GPU are looked at no more often than this, and with every evaluation."""


def _none() -> dict[str, float]:
    return dict.fromkeys(SPENT, 0.0)


@final
class Stopwatch:
    """Seconds of a run, those of earlier parts of a resumed run included.

    Args:
        meter: looks at the machine.
        tokens_per_example: of data that count tokens; None where speed is told in samples.

    Attributes:
        spent: seconds by what they were spent on, one of `SPENT`.
    """

    def __init__(self, meter: Meter | None = None, tokens_per_example: int | None = None) -> None:
        self.spent = _none()
        self._meter = meter
        self._tokens = tokens_per_example
        self._begin = time.perf_counter()
        # Since the last row, and since the last evaluation.
        self._row = _none()
        self._trained, self._examples = 0.0, 0
        self._look = 0.0

    def go_on(self, seconds: float, spent: Mapping[str, float]) -> None:
        """Count from what an earlier part came to."""
        self.spent = {what: float(spent.get(what, 0.0)) for what in SPENT}
        self._begin = time.perf_counter() - seconds

    def leave_out(self, seconds: float) -> None:
        """Do not count the last so many seconds: nobody was training."""
        self._begin += seconds

    @property
    def seconds(self) -> float:
        """Since the start of training."""
        return time.perf_counter() - self._begin

    @property
    def beside(self) -> float:
        """Seconds that were no training: evaluations and checkpoints."""
        return sum(self.spent[what] for what in BESIDE)

    def timed(self, what: str, call: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """Call something, and count the seconds that it takes.

        Args:
            what: one of `SPENT`.
            call: with its arguments behind it.
        """
        begin = time.perf_counter()
        try:
            return call(*args, **kwargs)
        finally:
            seconds = time.perf_counter() - begin
            self.spent[what] += seconds
            self._row[what] += seconds

    def of_update(self, row: dict[str, Any]) -> dict[str, Any]:
        """The row of an update with the columns about time; see `docs/formats.md`."""
        row["seconds"] = self.seconds
        row["data_seconds"] = self._row["data"]
        row["update_seconds"] = self._row["update"]
        if self._row["checkpoint"]:
            row["checkpoint_seconds"] = self._row["checkpoint"]
        self._trained += self._row["data"] + self._row["update"]
        self._examples += row.get("samples", 0)
        self._row = _none()
        if row["seconds"] >= self._look:
            self._look = row["seconds"] + SAMPLE_SECONDS
            row.update(self._machine())
        return row

    def of_evaluation(self, row: dict[str, Any]) -> dict[str, Any]:
        """The row of an evaluation with the columns about time."""
        row["seconds"] = self.seconds
        row["evaluation_seconds"] = self._row["evaluation"]
        self._row["evaluation"] = 0.0
        if self._trained > 0 and self._examples:
            per_second = self._examples / self._trained
            if self._tokens is None:
                row["samples_per_second"] = per_second
            else:
                row["tokens_per_second"] = per_second * self._tokens
        self._trained, self._examples = 0.0, 0
        row.update(self._machine())
        return row

    def _machine(self) -> dict[str, float]:
        return {} if self._meter is None else self._meter.read()
