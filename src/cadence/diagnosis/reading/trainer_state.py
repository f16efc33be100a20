"""Hugging Face's trainer_state.json: the list `log_history`, with the length of the run beside it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, cast, final

import numpy as np

from cadence._errors import RecordError
from cadence.diagnosis.log import Facts, Floats, Note
from cadence.diagnosis.reading.json_lines import column_of_json, flat
from cadence.diagnosis.reading.raw import RawLog
from cadence.diagnosis.reading.rows import Chunk, Roles, Rows, read_rows

MOST_BYTES = 1 << 29
"""A state is one JSON document, which is read as a whole."""


def load_json(path: Path) -> Any:
    """A JSON document.

    Raises:
        RecordError: it is none, or too large.
    """
    if path.stat().st_size > MOST_BYTES:
        raise RecordError(f"{path} is one JSON document of more than 512 MiB; write it as JSON Lines, one row a line")
    try:
        return json.loads(path.read_bytes())
    except (ValueError, RecursionError) as error:
        raise RecordError(f"{path} is no JSON: {error}; give the file as its program wrote it") from error


def as_mapping(x: Any) -> dict[str, Any]:
    """An object of JSON; empty where it is something else."""
    return cast("dict[str, Any]", x) if isinstance(x, dict) else {}


def read_trainer_state(path: Path, roles: Roles) -> RawLog:
    """The log in a trainer_state.json.

    Args:
        path: of the file.
        roles: what a user says of its columns.

    Raises:
        RecordError: it is no JSON, or has no history.
    """
    state = as_mapping(load_json(path))
    history: Any = state.get("log_history")
    if not isinstance(history, list):
        raise RecordError(f"{path} has no log_history; give the trainer_state.json of a checkpoint")
    # The last row of a finished run sums it up (train_loss, train_runtime): it is no row of the training.
    every: list[dict[str, Any]] = [as_mapping(row) for row in cast("list[Any]", history)]
    rows = [row for row in every if row and "train_runtime" not in row]
    read = read_rows(MemoryRows(path, rows), "trainer_state", roles, done=True)
    return replace(read, facts=_facts(state, read), rates_after=_after(state, rows))


def _facts(state: Mapping[str, Any], read: RawLog) -> Facts:
    total, epochs, every = (state.get(key) for key in ("max_steps", "num_train_epochs", "logging_steps"))
    facts = read.facts
    length = facts.steps_per_epoch
    if isinstance(total, int) and isinstance(epochs, int) and epochs > 0 and total > 0 and total % epochs == 0:
        length = total / epochs
    return replace(
        facts,
        total=total if isinstance(total, int) and total > 0 else None,
        steps_per_epoch=length,
        batch_size=state.get("train_batch_size"),
        averaged=int(every) if isinstance(every, (int, float)) and every >= 1 else 1,
    )


def _after(state: Mapping[str, Any], rows: Sequence[Mapping[str, Any]]) -> bool:
    """Whether a row has the rate of the next update, as Trainer did before transformers 5.

    A schedule that ends at 0 does so one update after its last: a last row of exactly 0 is the rate of an update that
    never was.
    """
    rates = [row for row in rows if isinstance(row.get("learning_rate"), (int, float))]
    if len(rates) < 2 or rates[-1].get("step") != state.get("max_steps"):
        return False
    return rates[-1]["learning_rate"] == 0.0


@final
class MemoryRows(Rows):
    """Rows that are in memory.

    Args:
        path: of the file that they are from.
        rows: mappings from name to value; what is no number is passed over.
    """

    def __init__(self, path: Path, rows: Sequence[Any]) -> None:
        self._path = path
        self._rows = [flat(row) for row in rows]
        if not self._rows:
            raise RecordError(f"{path} has no rows; a log has one for each update or evaluation")

    @property
    def path(self) -> Path:
        return self._path

    @property
    def expected(self) -> float:
        # They are in memory already: nothing is gained by binning them on the way.
        return 0.0

    @property
    def names(self) -> list[str]:
        return list(dict.fromkeys(name for row in self._rows for name in row))

    @property
    def notes(self) -> list[Note]:
        return []

    def chunks(self) -> Iterator[Chunk]:
        columns: dict[str, Floats] = {
            name: column_of_json([row.get(name) for row in self._rows]) for name in self.names
        }
        yield Chunk(len(self._rows), {name: np.asarray(values) for name, values in columns.items()})
