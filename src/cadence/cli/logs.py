"""Logs of evaluations: CSV, JSON Lines, run folders."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from cadence._errors import RecordError, neighbours


def read_log(path: Path) -> list[dict[str, Any]]:
    """The rows of a log.

    Args:
        path: a CSV file with a header, a JSON Lines file, or a run folder, whose evaluations are meant.

    Raises:
        RecordError: there is none, it has no rows, or it cannot be read.
    """
    if path.is_dir():
        path = path / "evaluations.jsonl"
    if not path.exists():
        raise RecordError(f"there is no log {str(path)!r}; name a CSV or JSON Lines file, or a run folder")
    rows = _json_lines(path) if path.suffix in {".jsonl", ".json", ".ndjson"} else _csv(path)
    if not rows:
        raise RecordError(f"{path} has no rows; a log has one row for each evaluation")
    return rows


def chosen(rows: Sequence[Mapping[str, Any]], columns: Mapping[str, str], path: Path) -> list[dict[str, float]]:
    """The columns that rules watch, under the rules' names; rows that have none of them are left out.

    Args:
        rows: of a log.
        columns: metric as the rule calls it -> column of the log.
        path: of the log, for messages.

    Raises:
        RecordError: a column that no row has, or a cell that is no number.
    """
    known = list(dict.fromkeys(key for row in rows for key in row))
    for metric, column in columns.items():
        if column not in known:
            raise RecordError(
                f"{path} has no column {column!r}; {neighbours(column, known)} (write --metric {metric}=COLUMN)"
            )
    found: list[dict[str, float]] = []
    for number, row in enumerate(rows, start=1):
        # Trainers write rows for training and validation into one file; a cell that is empty was not measured.
        cells = {metric: row.get(column) for metric, column in columns.items()}
        there = {m: _number(x, columns[m], number, path) for m, x in cells.items() if x is not None and x != ""}
        if there:
            found.append(there)
    return found


def columns_of(metrics: Iterable[str], given: Sequence[str]) -> dict[str, str]:
    """Which column each metric is read from.

    Args:
        metrics: as the rules call them.
        given: ``"COLUMN"``, where the rules watch one metric, or ``"METRIC=COLUMN"``.

    Raises:
        RecordError: a column without a metric, or a metric that no rule watches.
    """
    watched = list(dict.fromkeys(metrics))
    columns = {metric: metric for metric in watched}
    for text in given:
        metric, equals, column = text.partition("=")
        if not equals:
            if text not in watched and len(watched) != 1:
                raise RecordError(f"the rules watch {', '.join(watched)}; write --metric METRIC={text}")
            metric, column = (text if text in watched else watched[0]), text
        if metric not in columns:
            raise RecordError(f"no rule watches {metric!r}; {neighbours(metric, watched)}")
        columns[metric] = column
    return columns


def _csv(path: Path) -> list[dict[str, Any]]:
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = list(csv.DictReader(file))
    except (UnicodeDecodeError, csv.Error) as fault:
        raise RecordError(f"{path} cannot be read as CSV ({fault}); give a text file in UTF-8 with a header") from None
    # Cells beyond the header come under the key None.
    return [{key.strip(): (x or "").strip() for key, x in row.items() if key is not None} for row in rows]


def _json_lines(path: Path) -> list[dict[str, Any]]:
    from cadence.record.lines import blocks

    return [row for _, block in blocks(path) for row in block]


def _number(x: Any, column: str, row: int, path: Path) -> float:
    try:
        return float(x)
    except (TypeError, ValueError):
        raise RecordError(f"{path} has {x!r:.40} under {column!r} in row {row}; a metric is a number") from None
