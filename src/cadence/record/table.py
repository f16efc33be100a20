"""Rows of JSON Lines as columns of numbers.

They are read in blocks, so that a long run needs little more memory than its numbers.
"""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import Any, TypeAlias, final

import numpy as np
import numpy.typing as npt

from cadence._errors import RecordError, neighbours
from cadence.record.files import replacing
from cadence.record.lines import Row, blocks
from cadence.record.spelling import NON_FINITE

Floats: TypeAlias = npt.NDArray[np.float64]
Ints: TypeAlias = npt.NDArray[np.int64]
Mask: TypeAlias = npt.NDArray[np.bool_]

_NUMBERS = frozenset({float, int, bool})
_CSV_ROWS = 4096


@final
class Table:
    """Columns of numbers by name. ``table["t"]`` is int64, all others are float64, NaN where there is no number.

    A column of lists (one number per parameter group) has the shape (rows, groups). `len` counts rows, iteration gives
    names.

    Args:
        path: of the file it was read from, for messages.
        columns: name -> array with one entry per row, ``"t"`` first.
        absent: name -> True where the row has no such number; without the columns that are complete.
    """

    def __init__(self, path: Path, columns: Mapping[str, Any], absent: Mapping[str, Mask]) -> None:
        self._path = path
        self._columns = dict(columns)
        self._absent = dict(absent)

    @property
    def columns(self) -> tuple[str, ...]:
        """Names, in the order in which the file first has them; ``"t"`` is always there, and first."""
        return tuple(self._columns)

    def __getitem__(self, name: str) -> Any:
        try:
            return self._columns[name]
        except KeyError:
            raise RecordError(f"{self._path} has no column {name!r}; {neighbours(name, self.columns)}") from None

    def present(self, name: str) -> Mask:
        """True where the row has the number; a NaN there is one that was computed.

        Args:
            name: of a column.

        Returns:
            Booleans, one per row.

        Raises:
            RecordError: there is no such column; the message has its neighbours.
        """
        self[name]
        absent = self._absent.get(name)
        return np.ones(len(self), dtype=np.bool_) if absent is None else ~absent

    def to_csv(self, path: str | os.PathLike[str], *, groups: Sequence[str] = ()) -> None:
        """Write the table as CSV: UTF-8, one header line, numbers that read back to the same float64.

        Numbers that do not exist are empty. A column of lists becomes one column per group, named ``group/value``
        where there are several.

        Args:
            path: of the file; an old one is replaced.
            groups: names of the parameter groups; their index stands for a name that is missing.

        Raises:
            RecordError: the file cannot be written.
        """
        headers = list(chain.from_iterable(self._headers(name, groups) for name in self.columns))
        with replacing(Path(path)) as file:
            text = io.TextIOWrapper(file, encoding="utf-8", newline="")
            writer = csv.writer(text, lineterminator="\n")
            writer.writerow(headers)
            for first in range(0, len(self), _CSV_ROWS):
                part = slice(first, first + _CSV_ROWS)
                cells = chain.from_iterable(self._cells(name, part) for name in self.columns)
                writer.writerows(zip(*cells, strict=True))
            text.detach()

    def flat(self, groups: Sequence[str] = ()) -> Iterator[tuple[str, Any, Mask]]:
        """Each column of numbers by the name that it has in CSV, one for each group, with where it has a number.

        Args:
            groups: names of the parameter groups; their index stands for a name that is missing.

        Yields:
            Name, values (int64 or float64, one per row), and True where the row has the number.
        """
        for name in self.columns:
            column, present = self[name], self.present(name)
            for header, values in zip(
                self._headers(name, groups), [column] if column.ndim == 1 else column.T, strict=True
            ):
                yield header, values, present

    def _headers(self, name: str, groups: Sequence[str]) -> list[str]:
        column = self[name]
        if column.ndim == 1 or column.shape[1] == 1:
            return [name]
        return [f"{groups[g] if g < len(groups) else g}/{name}" for g in range(column.shape[1])]

    def _cells(self, name: str, part: slice) -> Iterator[list[Any]]:
        column = self[name][part]
        present = self.present(name)[part]
        for numbers in [column] if column.ndim == 1 else column.T:
            cells: list[Any] = numbers.tolist()
            if not (np.isfinite(numbers).all() and present.all()):
                cells = [_cell(x) if there else None for x, there in zip(cells, present, strict=True)]
            yield cells

    def __len__(self) -> int:
        return len(self._columns["t"])

    def __iter__(self) -> Iterator[str]:
        return iter(self._columns)

    def __contains__(self, name: object) -> bool:
        return name in self._columns

    def __repr__(self) -> str:
        return f"<Table {self._path}: {len(self)} rows of {', '.join(self.columns)}>"


def read_table(path: Path, *, step: int) -> Table:
    """The table of a file of rows of numbers.

    Args:
        path: of the file; a missing one gives a table without rows.
        step: by how much ``t`` grows at least from row to row: 1 for updates, 0 for evaluations.

    Raises:
        RecordError: a line is broken, a value is no number, or ``t`` is missing or goes back; the message has the line.
    """
    columns: dict[str, _Column] = {}
    times: list[Ints] = []
    rows = 0
    least = 0
    for number, block in blocks(path):
        t = _times(block, path, number, least, step)
        times.append(t)
        for name in dict.fromkeys(chain.from_iterable(block)):
            if name != "t":
                column = columns.setdefault(name, _Column(name, path))
                column.add([row.get(name) for row in block], rows, number)
        rows += len(block)
        least = int(t[-1]) + step
    finished: dict[str, Any] = {"t": np.concatenate(times) if times else np.empty(0, dtype=np.int64)}
    absent: dict[str, Mask] = {}
    for name in list(columns):
        # One at a time, and the parts forgotten at once: at the worst a single column is there twice.
        finished[name], missing = columns.pop(name).whole(rows)
        if missing is not None:
            absent[name] = missing
    return Table(path, finished, absent)


def _times(block: list[Row], path: Path, number: int, least: int, step: int) -> Ints:
    """The update numbers of a block that begins in this line, none below `least`."""
    values = [row.get("t") for row in block]
    for i, t in enumerate(values) if set(map(type, values)) != {int} else ():
        if type(t) is not int:
            raise RecordError(f"{path} is broken in line {number + i}: t is {t!r:.60}, and must be a whole number")
    try:
        times = np.array(values, dtype=np.int64)
    except OverflowError:
        raise RecordError(f"{path} is broken from line {number} on: a t is larger than 2^63") from None
    before = np.concatenate([[least - step], times[:-1]])
    wrong = np.flatnonzero(times - before < step)
    if len(wrong):
        i = int(wrong[0])
        raise RecordError(
            f"{path} is broken in line {number + i}: t = {times[i]} comes after t = {before[i]}; lines stand in "
            "order of t, so two runs may have been written into one folder: remove the lines of one of them"
        )
    return times


@final
class _Column:
    """The numbers of one name, block by block."""

    def __init__(self, name: str, path: Path) -> None:
        self._name = name
        self._path = path
        self._lists: bool | None = None
        self._parts: list[tuple[int, Floats, Mask | None]] = []

    def add(self, values: list[Any], row: int, number: int) -> None:
        """Values of successive rows, None where there is none; the first row is `row`, in line `number`."""
        kinds = set(map(type, values))
        if kinds == {type(None)}:
            return
        if self._lists is None:
            self._lists = type(next(value for value in values if value is not None)) is list
        absent: Mask | None = None
        if kinds <= _NUMBERS and not self._lists:
            part = self._numbers(values, number)
        else:
            absent = np.array([value is None for value in values], dtype=np.bool_)
            part = self._from_lists(values, number) if self._lists else self._careful(values, number)
        self._parts.append((row, part, absent if absent is not None and absent.any() else None))

    def whole(self, rows: int) -> tuple[Floats, Mask | None]:
        """All numbers, and where there are none; None if they are all there."""
        shape = (rows, max(part.shape[1] for _, part, _ in self._parts)) if self._lists else (rows,)
        numbers = np.full(shape, np.nan)
        absent = np.ones(rows, dtype=np.bool_)
        for row, part, missing in self._parts:
            here = slice(row, row + len(part))
            if self._lists:
                numbers[here, : part.shape[1]] = part
            else:
                numbers[here] = part
            absent[here] = False if missing is None else missing
        return numbers, absent if absent.any() else None

    def _numbers(self, values: list[Any], number: int) -> Floats:
        try:
            return np.array(values, dtype=np.float64)
        except OverflowError:
            return self._careful(values, number)

    def _careful(self, values: Sequence[Any], number: int) -> Floats:
        return np.array([self._one(value, number + i) for i, value in enumerate(values)], dtype=np.float64)

    def _from_lists(self, values: list[Any], number: int) -> Floats:
        for i, value in enumerate(values):
            if value is not None and type(value) is not list:
                raise self._broken(value, number + i, "where other lines have a list")
        width = max(len(value) for value in values if value is not None)
        flat = list(chain.from_iterable(value for value in values if value is not None))
        if len(flat) == width * len(values) and set(map(type, flat)) <= _NUMBERS:
            return self._numbers(flat, number).reshape(len(values), width)
        numbers = np.full((len(values), width), np.nan)
        for i, value in enumerate(values):
            for g, item in enumerate(value or ()):
                numbers[i, g] = self._one(item, number + i)
        return numbers

    def _one(self, value: Any, number: int) -> float:
        """One value as a float, whatever is a number."""
        if value is None:
            return np.nan
        if isinstance(value, str) and value in NON_FINITE:
            return NON_FINITE[value]
        if type(value) not in _NUMBERS:
            raise self._broken(value, number, "which is no number")
        try:
            return float(value)
        except OverflowError:
            raise self._broken(value, number, "which is too large for a float") from None

    def _broken(self, value: Any, number: int, why: str) -> RecordError:
        return RecordError(f"{self._path} is broken in line {number}: {self._name} is {value!r:.60}, {why}")


def _cell(x: float) -> float | str:
    return x if np.isfinite(x) else "NaN" if np.isnan(x) else "Infinity" if x > 0 else "-Infinity"
