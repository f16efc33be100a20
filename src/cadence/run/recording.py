"""What a run adds to its record: its name, its recipe, the time."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any, final

from cadence.record.writer import RunWriter


@final
class Stopwatch:
    """Seconds of training, those of earlier parts of a resumed run included.

    Attributes:
        beside: seconds of them that were spent on evaluations and checkpoints.
    """

    def __init__(self) -> None:
        self.beside = 0.0
        self._begin = time.perf_counter()

    def go_on(self, seconds: float, beside: float) -> None:
        """Count from what an earlier part came to."""
        self.beside = beside
        self._begin = time.perf_counter() - seconds

    @property
    def seconds(self) -> float:
        """Since the start of training."""
        return time.perf_counter() - self._begin


@final
class Recording:
    """A `RunWriter` as a driver writes to it, with what only the run knows.

    Args:
        writer: of the run folder.
        watch: tells the time of each row.
        about: further keys of ``run.json``.
        recipe: text of ``recipe.yaml``.
        environment: content of ``environment.json``.
    """

    def __init__(
        self,
        writer: RunWriter,
        watch: Stopwatch,
        about: Mapping[str, Any],
        recipe: str,
        environment: Mapping[str, Any],
    ) -> None:
        self._writer = writer
        self._watch = watch
        self._about = about
        self._recipe = recipe
        self._environment = environment

    def start(self, run: Mapping[str, Any]) -> None:
        """See `RunWriter.start`."""
        self._writer.start({**run, **self._about}, recipe=self._recipe, environment=self._environment)

    def update(self, row: dict[str, Any]) -> None:
        """See `RunWriter.update`."""
        row["seconds"] = self._watch.seconds
        self._writer.update(row)

    def evaluation(self, row: dict[str, Any]) -> None:
        """See `RunWriter.evaluation`."""
        self._writer.evaluation({**row, "seconds": self._watch.seconds})

    def event(self, row: Mapping[str, Any]) -> None:
        """See `RunWriter.event`."""
        self._writer.event(row)

    def flush(self, *, sync: bool = False) -> None:
        """See `RunWriter.flush`."""
        self._writer.flush(sync=sync)

    def close(self, result: Mapping[str, Any] | None = None) -> None:
        """See `RunWriter.close`."""
        self._writer.close(result)
