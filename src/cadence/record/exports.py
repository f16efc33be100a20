"""A record in other formats, made from its files: CSV, Parquet, and those of the loggers."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from cadence._errors import UnknownNameError, neighbours
from cadence._lazy import need
from cadence.record.files import make_folder, replacing, write_atomically
from cadence.record.loggers.followers import Followers
from cadence.record.names import LOGGERS
from cadence.record.reader import Record
from cadence.record.table import Table

FORMATS = ("csv", "parquet", *LOGGERS)
"""What a record can be exported to."""

EVENT: tuple[str, ...] = ("t", "made", "kind", "sentence")
"""Columns of an exported journal; all else that an event holds stands in one more, as JSON."""


def export(record: Record, form: str, folder: Path) -> list[Path]:
    """Write a record in another format. It stays as it is, and the export can be made again at any time.

    Args:
        record: of a run that has ended or goes on.
        form: ``"csv"`` or ``"parquet"``: updates, evaluations and journal, a file each; or a logger: what it would have
            written while the run went on.
        folder: to write to; made where it is missing.

    Returns:
        The files, or the folder of a logger.

    Raises:
        UnknownNameError: there is no such format.
        MissingExtraError: what it needs is not installed.
        RecordError: the record cannot be read, or the folder cannot be written.
    """
    if form not in FORMATS:
        raise UnknownNameError(f"a record cannot be exported to {form!r:.60}; {neighbours(form, FORMATS)}")
    if form == "csv":
        return [*record.to_csv(folder), _journal_csv(record, folder)]
    if form == "parquet":
        return _parquet(record, folder)
    followers = Followers(record.folder, [form], out=folder)
    followers.describe(record.run)
    followers.open(record.t)
    followers.close(None if record.result is None else record.status)
    return [folder / form]


def events(record: Record) -> Iterator[dict[str, Any]]:
    """The journal as rows with the columns `EVENT` and ``details``."""
    for entry in record.journal:
        rest = {key: value for key, value in entry.items() if key not in EVENT}
        row = {key: entry.get(key) for key in EVENT}
        yield {**row, "details": json.dumps(rest, ensure_ascii=False) if rest else None}


def _journal_csv(record: Record, folder: Path) -> Path:
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, (*EVENT, "details"), lineterminator="\n")
    writer.writeheader()
    writer.writerows(events(record))
    write_atomically(folder / "journal.csv", text.getvalue())
    return folder / "journal.csv"


def _parquet(record: Record, folder: Path) -> list[Path]:
    arrow: Any = need("pyarrow", extra="parquet")
    writer: Any = need("pyarrow.parquet", extra="parquet")
    groups = [str(name) for name in record.run.get("groups", ())]
    rows = list(events(record))
    kinds: Mapping[str, Any] = {"t": arrow.int64(), "made": arrow.int64()}
    journal = arrow.table(
        {
            name: arrow.array([row[name] for row in rows], type=kinds.get(name, arrow.string()))
            for name in (*EVENT, "details")
        }
    )
    tables = {
        "updates": _columns(arrow, record.updates, groups),
        "evaluations": _columns(arrow, record.evaluations, groups),
        "journal": journal,
    }
    make_folder(folder)
    for name, table in tables.items():
        with replacing(folder / f"{name}.parquet") as file:
            writer.write_table(table, file)
    return [folder / f"{name}.parquet" for name in tables]


def _columns(arrow: Any, table: Table, groups: Sequence[str]) -> Any:
    """A table of arrow's: null is a number that does not exist, NaN one that was computed."""
    return arrow.table({name: arrow.array(values, mask=~there) for name, values, there in table.flat(groups)})
