"""CSV of any columns: commas, semicolons, tabs or blanks, with numbers as programs and people write them."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, final

import numpy as np

from cadence._errors import RecordError
from cadence.diagnosis.log import Floats, Kind, Note
from cadence.diagnosis.reading import noted
from cadence.diagnosis.reading.numbers import column_of, number_of, table_of
from cadence.diagnosis.reading.raw import RawLog
from cadence.diagnosis.reading.roles import role_of
from cadence.diagnosis.reading.rows import Chunk, Roles, Rows, read_rows

BLOCK = 1 << 23
HEAD = 1 << 16

_ENCODINGS = ("utf-8-sig", "gb18030", "latin-1")


def read_csv(path: Path, roles: Roles) -> RawLog:
    """The log in a CSV file.

    Args:
        path: of the file.
        roles: what a user says of its columns.

    Raises:
        RecordError: it is no table.
    """
    rows = CsvRows(path, roles)
    return read_rows(rows, rows.kind, roles)


@final
class CsvRows(Rows):
    """The rows of a CSV file.

    Args:
        path: of the file.
        roles: what a user says of its columns.

    Raises:
        RecordError: it is empty, or no text.
    """

    def __init__(self, path: Path, roles: Roles) -> None:
        self._path = path
        head = _head(path)
        self._encoding = _encoding(head, path)
        # Lines that some programs put before the table, and what ends it, are no part of it.
        lines = [x for x in head.decode(self._encoding, errors="replace").splitlines() if x.strip()]
        skipped = 0
        while skipped < len(lines) and lines[skipped].lstrip().startswith("#") and "," not in lines[skipped]:
            skipped += 1
        lines = lines[skipped:]
        if not lines:
            raise RecordError(f"{path} is empty; give a log with a header and rows")
        self._delimiter = _delimiter(lines)
        first = self._split(lines[0].lstrip("# "))
        self._named = not all(number_of(cell) is not None or not cell.strip() for cell in first)
        self._header = [c.strip() for c in first] if self._named else [f"column {i + 1}" for i in range(len(first))]
        self._skipped = skipped + self._named
        self._comma = self._delimiter == ";" and any(re.search(r"\d,\d", line) for line in lines[1:20])
        size = np.mean([len(line.encode()) + 1 for line in lines[1:] or lines])
        self._expected = path.stat().st_size / float(size)
        self._notes: list[Note] = []
        self._unreadable = 0
        self.kind: Kind = "csv"
        self._called = self._names_in_use(roles)

    @property
    def path(self) -> Path:
        return self._path

    @property
    def expected(self) -> float:
        return self._expected

    @property
    def names(self) -> list[str]:
        return list(self._called.values())

    @property
    def notes(self) -> list[Note]:
        more = (
            [noted.unreadable(self._unreadable, "cell that is no number", "cells that are no numbers", "非数字单元格")]
            if self._unreadable
            else []
        )
        return [*self._notes, *more]

    def chunks(self) -> Iterator[Chunk]:
        wanted = [i for i, name in self._called.items() if self._looked_at(name)]
        for block in _blocks(self._path, self._skipped):
            yield self._chunk(block, wanted)

    def _looked_at(self, name: str) -> bool:
        return name in self._roles.values() or bool(role_of(name).name)

    def _names_in_use(self, roles: Roles) -> dict[int, str]:
        """Position -> name of the columns that belong to the run that is read."""
        self._roles = roles
        called = {i: name for i, name in enumerate(self._header) if name}
        if set(self._header) == {"Wall time", "Step", "Value"}:
            # What TensorBoard's page hands out: the tag stands in the name of the file.
            tag = self._path.stem.partition("-tag-")[2] or self._path.stem
            self.kind = "tensorboard"
            return {i: tag if name == "Value" else name for i, name in called.items()}
        if "_step" in self._header:
            self.kind = "wandb"
        runs = {i: name.partition(" - ") for i, name in called.items() if " - " in name}
        if runs and all(i in runs or role_of(name).name in {"step", "epoch", "seconds"} for i, name in called.items()):
            self.kind = "wandb"
            names = list(dict.fromkeys(run for run, _, _ in runs.values()))
            if len(names) > 1:
                self._notes.append(noted.several_runs(names[0], len(names) - 1))
            called = {
                i: runs[i][2] if i in runs else n for i, n in called.items() if i not in runs or runs[i][0] == names[0]
            }
        called = {i: n for i, n in called.items() if not n.endswith(("__MIN", "__MAX"))}
        if not any(self._looked_at(name) for name in called.values()):
            called = self._guessed(called)
        return called

    def _guessed(self, called: dict[int, str]) -> dict[int, str]:
        """Names that say nothing: what the numbers look like decides."""
        from cadence.diagnosis.reading.guess import guess

        block = next(_blocks(self._path, self._skipped), b"")
        sample = self._cells(block, list(called))
        roles, notes = guess(dict(zip(called.values(), sample, strict=True)))
        self._notes += notes
        self._roles = {**roles, **self._roles}
        return {i: next((role for role, column in roles.items() if column == n), n) for i, n in called.items()}

    def _chunk(self, block: bytes, wanted: list[int]) -> Chunk:
        columns = self._cells(block, wanted)
        count = len(columns[0]) if columns else block.count(b"\n")
        return Chunk(count, dict(zip((self._called[i] for i in wanted), columns, strict=True)))

    def _cells(self, block: bytes, wanted: list[int]) -> list[Floats]:
        if self._delimiter in ",\t|" or (self._delimiter == ";" and not self._comma):
            table = table_of(block.replace(b"\r", b""), self._delimiter, wanted) if wanted else None
            if table is not None:
                return [np.ascontiguousarray(column) for column in table.T]
        text = block.decode(self._encoding.removesuffix("-sig"), errors="replace")
        lines = [line for line in text.splitlines() if line.strip()]
        rows = [self._split(line) for line in lines] if self._delimiter == " " else _parsed(lines, self._delimiter)
        found: list[Floats] = []
        for i in wanted:
            column, lost = column_of([row[i].strip() if i < len(row) else "" for row in rows], comma=self._comma)
            self._unreadable += lost
            found.append(column)
        return found

    def _split(self, line: str) -> list[str]:
        if self._delimiter == " ":
            return line.split()
        rows = _parsed([line], self._delimiter)
        return rows[0] if rows else []


def _parsed(lines: list[str], delimiter: str) -> list[list[str]]:
    try:
        return list(csv.reader(io.StringIO("\n".join(lines)), delimiter=delimiter, skipinitialspace=True))
    except csv.Error:
        return [line.split(delimiter) for line in lines]


def _head(path: Path) -> bytes:
    with open(path, "rb") as file:
        head = file.read(HEAD)
    if b"\0" in head:
        raise RecordError(
            f"{path} is no text; give CSV, JSON Lines, a trainer_state.json, a TensorBoard or VisualDL folder, or a "
            "run folder"
        )
    # The last line may be cut in the middle.
    return head if len(head) < HEAD else head[: head.rfind(b"\n") + 1] or head


def _encoding(head: bytes, path: Path) -> str:
    for encoding in _ENCODINGS:
        try:
            head.decode(encoding)
        except UnicodeDecodeError:
            continue
        return encoding
    raise RecordError(f"{path} is no text; save it as UTF-8")


def _delimiter(lines: list[str]) -> str:
    """What separates cells: the sign that most lines have equally often."""
    some = lines[:20]
    best, most = " ", (0.0, 0.0)
    for mark in (",", "\t", ";", "|"):
        counts = [line.count(mark) for line in some]
        usual = max(set(counts), key=counts.count)
        if usual and (counts.count(usual) / len(counts), mark != ",") > most:
            best, most = mark, (counts.count(usual) / len(counts), mark != ",")
    return best


def _blocks(path: Path, skipped: int) -> Iterator[bytes]:
    """Whole lines, after the first that are no rows; the last has its newline, whether the file has it or not."""
    with open(path, "rb") as file:
        _skip(file, skipped)
        rest = b""
        while block := file.read(BLOCK):
            block = rest + block
            end = block.rfind(b"\n") + 1
            rest = block[end:]
            if end:
                yield block[:end]
        if rest.strip():
            yield rest + b"\n"


def _skip(file: BinaryIO, lines: int) -> None:
    while lines > 0 and (line := file.readline()):
        lines -= bool(line.strip())
