"""JSON Lines: one object a line. Lines that are spelled alike are read many at once.

A program writes its lines with the same keys in the same order. Where the keys are taken out of such lines, what is
left is a table of numbers, which is read ten times as fast; lines that are spelled otherwise are read one by one.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, cast, final

import numpy as np

from cadence._errors import RecordError
from cadence.diagnosis.log import Floats, Kind, Note
from cadence.diagnosis.reading import noted
from cadence.diagnosis.reading.numbers import MISSING, MISSING_TEXT, number_of, table_of
from cadence.diagnosis.reading.raw import RawLog
from cadence.diagnosis.reading.roles import role_of
from cadence.diagnosis.reading.rows import Chunk, Roles, Rows, read_rows

BLOCK = 1 << 23
HEAD = 1 << 16

_COMMA, _NEWLINE = b",\n"

_TOKENS = re.compile(rb'"(?:[^"\\]|\\.)*"|-?(?:\d[\d.eE+-]*|NaN|Infinity)')
"""Texts and numbers of a line."""


def read_json_lines(path: Path, roles: Roles) -> RawLog:
    """The log in a file of JSON Lines.

    Args:
        path: of the file.
        roles: what a user says of its columns.

    Raises:
        RecordError: no line is an object.
    """
    rows = JsonRows(path, roles)
    kind: Kind = "wandb" if "_step" in rows.names else "jsonl"
    return read_rows(rows, kind, roles)


@final
class JsonRows(Rows):
    """The rows of a file of JSON Lines.

    Args:
        path: of the file.
        roles: what a user says of its columns.

    Raises:
        RecordError: none of its first lines is an object.
    """

    def __init__(self, path: Path, roles: Roles) -> None:
        self._path = path
        self._roles = roles
        with open(path, "rb") as file:
            head = file.read(HEAD)
        lines = head.split(b"\n")
        whole = lines if len(head) < HEAD else lines[:-1]
        objects = [row for row in map(_object, whole) if row is not None]
        if not objects:
            raise RecordError(f"{path} holds no object in its first lines; give JSON Lines with one object a row")
        self._names = list(dict.fromkeys(name for row in objects for name in flat(row)))
        self._expected = path.stat().st_size / (sum(map(len, whole)) / len(whole) + 1)
        self._lost = 0

    @property
    def path(self) -> Path:
        return self._path

    @property
    def expected(self) -> float:
        return self._expected

    @property
    def names(self) -> list[str]:
        return self._names

    @property
    def notes(self) -> list[Note]:
        if not self._lost:
            return []
        return [noted.unreadable(self._lost, "line that is no object", "lines that are no objects", "非对象行")]

    def chunks(self) -> Iterator[Chunk]:
        with open(self._path, "rb") as file:
            rest = b""
            while block := file.read(BLOCK):
                block = rest + block
                end = block.rfind(b"\n") + 1
                rest = block[end:]
                if end:
                    yield self._chunk(block[:end])
            if rest.strip():
                yield self._chunk(rest + b"\n")

    def _chunk(self, block: bytes) -> Chunk:
        block = _plain(block)
        template = _Template.of(block)
        alike, other = _apart(block, template) if template is not None else (block, b"")
        table = template.read(alike, self._wanted) if template is not None else None
        if template is None or table is None:
            return self._decoded(block)[0]
        if not other:
            return table
        counts = np.array([line.count(b'"') == template.quotes for line in block.split(b"\n")[:-1]])
        rest, sound = self._decoded(other)
        whole = np.ones(len(counts), dtype=np.bool_)
        whole[np.flatnonzero(~counts)[~np.array(sound, dtype=np.bool_)]] = False
        return _merged(table, rest, counts[whole])

    def _wanted(self, name: str) -> bool:
        return name in self._roles.values() or bool(role_of(name).name)

    def _decoded(self, block: bytes) -> tuple[Chunk, list[bool]]:
        """Line by line; of each line whether it is a row."""
        rows: list[Mapping[str, Any]] = []
        sound: list[bool] = []
        for line in block.split(b"\n")[:-1]:
            row = _object(line)
            sound.append(row is not None)
            if row is not None:
                rows.append(flat(row))
            elif line.strip():
                self._lost += 1
        names = [name for name in dict.fromkeys(n for row in rows for n in row) if self._wanted(name)]
        return Chunk(len(rows), {name: _column([row.get(name) for row in rows]) for name in names}), sound


@final
class _Template:
    """How the lines of a block are spelled: what stands before each number.

    Args:
        names: of the numbers, in their order.
        pieces: the bytes before each.
        quotes: quotation marks of a line.
    """

    def __init__(self, names: list[str], pieces: list[bytes], quotes: int) -> None:
        self._names = names
        self._pieces = pieces
        self.quotes = quotes

    @classmethod
    def of(cls, block: bytes) -> _Template | None:
        """That of most lines, as a line in the middle has it; None where they hold more than numbers."""
        middle = block.rfind(b"\n", 0, len(block) // 2) + 1
        for start in (middle, 0):
            line = block[start : block.find(b"\n", start)]
            row = _object(line)
            if row is not None and (names := _numbered(row)) is not None:
                found = [m.span() for m in _TOKENS.finditer(line) if line[m.start()] != 34]
                ends = [0, *(end for _, end in found)]
                pieces = [_packed(line[end:start]) for end, (start, _) in zip(ends, found, strict=False)]
                if len(pieces) == len(names):
                    return cls(names, pieces, line.count(b'"'))
        return None

    def read(self, block: bytes, wanted: Any) -> Chunk | None:
        """The numbers of lines; None where a line is spelled otherwise."""
        columns = [i for i, name in enumerate(self._names) if wanted(name)]
        text = self._without_keys(np.frombuffer(b"\n" + _packed(block), dtype=np.uint8)) if columns else None
        table = None if text is None else table_of(text, ",", columns)
        if table is None or len(table) != block.count(b"\n"):
            return None
        return Chunk(len(table), {self._names[i]: np.ascontiguousarray(table[:, k]) for k, i in enumerate(columns)})

    def _without_keys(self, text: Any) -> bytes | None:
        """Lines of numbers and commas, from packed lines behind a newline; None where a key is another."""
        marks = np.flatnonzero((text == _COMMA) | (text == _NEWLINE))
        if (len(marks) - 1) % len(self._names) or text[-1] != _NEWLINE:
            return None
        before = marks[:-1].reshape(-1, len(self._names))
        kept = np.ones(len(text), dtype=np.bool_)
        kept[0] = False
        for i, piece in enumerate(self._pieces):
            key = piece if i == 0 else piece[1:]
            if (text[before[:, i]] != (_NEWLINE if i == 0 else _COMMA)).any():
                return None
            if len(before) and int(before[-1, i]) + len(key) >= len(text):
                return None
            for k, letter in enumerate(key, start=1):
                place = before[:, i] + k
                if (text[place] != letter).any():
                    return None
                kept[place] = False
        return text[kept].tobytes()


def _plain(text: bytes) -> bytes:
    """JSON's words for what is no number, as a reader of numbers has them."""
    if b"null" in text:
        text = text.replace(b"null", MISSING_TEXT)
    if b'"NaN"' in text or b'Infinity"' in text:
        for word in (b"NaN", b"Infinity", b"-Infinity"):
            text = text.replace(b'"' + word + b'"', word)
    return text


def _packed(text: bytes) -> bytes:
    return text.translate(None, b' {}[]"\r\t')


def _apart(block: bytes, template: _Template) -> tuple[bytes, bytes]:
    """The lines that have as many quotation marks as the template, and the others."""
    bytes_ = np.frombuffer(block, dtype=np.uint8)
    ends = np.flatnonzero(bytes_ == 10)
    quotes = np.flatnonzero(bytes_ == 34)
    counts = np.diff(np.searchsorted(quotes, np.concatenate([[-1], ends])))
    if (counts == template.quotes).all():
        return block, b""
    lines = block.split(b"\n")[:-1]
    alike = (counts == template.quotes).tolist()
    return (
        b"\n".join(line for line, same in zip(lines, alike, strict=True) if same) + b"\n",
        b"\n".join(line for line, same in zip(lines, alike, strict=True) if not same) + b"\n",
    )


def _merged(table: Chunk, other: Chunk, alike: Any) -> Chunk:
    """Two parts of one block as one chunk; `alike` says of each row whether it is of the first."""
    columns: dict[str, Floats] = {}
    for part, where in ((table, alike), (other, ~alike)):
        for name, values in part.columns.items():
            columns.setdefault(name, np.full(len(alike), MISSING))[where] = values
    return Chunk(len(alike), columns)


def _numbered(row: Mapping[str, Any]) -> list[str] | None:
    """Names of the numbers of a row, in order; None where it holds text or is nested."""
    names: list[str] = []
    for key, value in row.items():
        values = _elements(value)
        if not all(x is None or type(x) in (int, float) or x in ("NaN", "Infinity", "-Infinity") for x in values):
            return None
        if not values:
            return None
        names += [f"{key}/{i}" for i in range(len(values))] if type(value) is list else [key]
    return names


def _elements(value: Any) -> list[Any]:
    return cast("list[Any]", value) if type(value) is list else [value]


def flat(row: Mapping[str, Any], before: str = "") -> dict[str, Any]:
    """One object with its lists and objects laid open: ``{"lr": [0.1, 0.2]}`` has lr/0 and lr/1."""
    found: dict[str, Any] = {}
    for key, value in row.items():
        name = f"{before}{key}"
        if isinstance(value, Mapping):
            found |= flat(value, f"{name}/")  # pyright: ignore[reportUnknownArgumentType]
        elif isinstance(value, list):
            found |= {f"{name}/{i}": x for i, x in enumerate(value)}  # pyright: ignore[reportUnknownArgumentType, reportUnknownVariableType]
        else:
            found[name] = value
    return found


def _object(line: bytes) -> dict[str, Any] | None:
    try:
        row: Any = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return row if type(row) is dict else None  # pyright: ignore[reportUnknownVariableType]


def _column(values: list[Any]) -> Floats:
    try:
        return np.array([MISSING if x is None else x for x in values], dtype=np.float64)
    except (ValueError, TypeError, OverflowError):
        return np.array([_number(x) for x in values], dtype=np.float64)


def _number(x: Any) -> float:
    if isinstance(x, str):
        found = number_of(x)
        return MISSING if found is None else found
    try:
        return MISSING if x is None else float(x)
    except (ValueError, TypeError, OverflowError):
        return MISSING


def column_of_json(values: list[Any]) -> Floats:
    """Values of one key as numbers, `MISSING` where there is none."""
    return _column(values)
