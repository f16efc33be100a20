"""Where the time of a run went, from its record, and what that says."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from cadence.record.reader import Record
    from cadence.record.table import Table

WAITS, WAITS_SECONDS = 0.2, 1.0
"""Share of the training time, and seconds, from which on waiting for data is worth a word."""

SPENT: tuple[str, ...] = ("data", "update", "evaluation", "checkpoint")
"""What time is spent on: waiting for the next batch; forward, backward and the optimizer; evaluations; checkpoints."""

_COLUMNS = {"data": "data_seconds", "update": "update_seconds", "checkpoint": "checkpoint_seconds"}
_WORDS = {
    "data": "waiting for data",
    "update": "updates",
    "evaluation": "evaluations",
    "checkpoint": "checkpoints",
    "rest": "everything else",
}


@dataclass(frozen=True)
class TimeSpent:
    """Seconds by what they were spent on, and how fast the run was.

    Attributes:
        seconds: ``data`` (waiting for the next batch), ``update`` (forward, backward, optimizer), ``evaluation``,
            ``checkpoint``.
        whole: all of the run.
        speed: samples or tokens per second of training, as a mean; None where it is not known.
        unit: ``"samples"`` or ``"tokens"``.
        use: share of the time in which the GPU computed, where it was looked at; None where there is none.
    """

    seconds: dict[str, float]
    whole: float
    speed: float | None
    unit: str
    use: float | None

    @property
    def waited(self) -> float:
        """Share of the training time, evaluations and checkpoints left out, that was waiting for data; in [0, 1]."""
        trained = self.seconds["data"] + self.seconds["update"]
        return self.seconds["data"] / trained if trained > 0 else 0.0

    @property
    def waits(self) -> bool:
        """Whether so much of it was waiting for data that something should be done about it."""
        return self.waited >= WAITS and self.seconds["data"] >= WAITS_SECONDS

    @property
    def sentence(self) -> str:
        """Where the time went, largest first, and whether the data hold the training up."""
        rest = max(0.0, self.whole - sum(self.seconds.values()))
        shares = sorted({**self.seconds, "rest": rest}.items(), key=lambda item: -item[1])
        listed = ", ".join(f"{x / self.whole:.0%} {_WORDS[what]}" for what, x in shares if x / self.whole >= 0.005)
        speed = "" if self.speed is None else f"; {self.speed:.4g} {self.unit} per second of training"
        use = "" if self.use is None else f", the GPU in use for {self.use:.0%} of it"
        remedy = ""
        if self.waits:
            remedy = (
                f" {self.waited:.0%} of the training time was waiting for data: a faster device would not help, faster "
                f"reading and augmentation would."
            )
        return f"Of {self.whole:.4g} s: {listed}{speed}{use}.{remedy}"


def time_spent(record: Record) -> TimeSpent | None:
    """Where the time of a run went; None for a record without columns about it.

    Args:
        record: of a run that has ended or goes on.
    """
    updates, evaluations = record.updates, record.evaluations
    if "data_seconds" not in updates or not len(updates):
        return None
    result: Mapping[str, Any] = record.result or {}
    seconds = {what: _sum(updates, column) for what, column in _COLUMNS.items()}
    seconds["evaluation"] = _sum(evaluations, "evaluation_seconds")
    # The last checkpoint comes after the last row.
    told: Mapping[str, Any] = result.get("spent") or {}
    seconds = {what: _number(told.get(what), x) for what, x in seconds.items()}
    whole = max(float(updates["seconds"][-1]), _number(result.get("seconds"), 0.0), sum(seconds.values()))
    unit = "tokens" if "tokens_per_second" in evaluations else "samples"
    trained = seconds["data"] + seconds["update"]
    speed = _sum(updates, "samples") / trained if trained > 0 and "samples" in updates else None
    if unit == "tokens":
        speed = _mean(evaluations, "tokens_per_second")
    uses = [_mean(table, "gpu_use") for table in (updates, evaluations) if "gpu_use" in table]
    return TimeSpent(seconds, whole, speed, unit, next((use for use in uses if use is not None), None))


def _number(x: Any, default: float) -> float:
    """A number of a result; a run that was killed has none."""
    return float(x) if isinstance(x, int | float) else default


def _sum(table: Table, column: str) -> float:
    return float(np.nansum(table[column])) if column in table else 0.0


def _mean(table: Table, column: str) -> float | None:
    values = table[column][table.present(column)] if column in table else np.empty(0)
    return float(np.mean(values)) if len(values) else None
