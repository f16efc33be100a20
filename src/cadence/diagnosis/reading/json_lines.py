"""JSON Lines: one object a line. Lines that are spelled alike are read many at once.

A program writes its lines with the same keys in the same order. Of such lines the commas tell where each number
stands, and all numbers of a column are read together, twenty times as fast; lines that are spelled otherwise are read
one by one.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, cast, final

import numpy as np

from cadence._errors import RecordError
from cadence.diagnosis.log import Floats, Kind, Note
from cadence.diagnosis.reading import noted
from cadence.diagnosis.reading.decimals import Text, numbers_at
from cadence.diagnosis.reading.numbers import MISSING, number_of
from cadence.diagnosis.reading.raw import RawLog
from cadence.diagnosis.reading.roles import role_of
from cadence.diagnosis.reading.rows import Chunk, Roles, Rows, read_rows

BLOCK = 1 << 20
"""Bytes that are read at once: what is computed of them on the way stays in a processor's cache."""

HEAD = 1 << 16

_COMMA, _NEWLINE, _QUOTE = b',\n"'

_TOKENS = re.compile(rb'"(?:[^"\\]|\\.)*"|-?(?:\d[\d.eE+-]*|NaN|Infinity)|null')
"""Texts and numbers of a line."""

_BEGINS = np.isin(np.arange(256), list(b"-0123456789nNI"))
"""Which characters a number begins with, or what stands for one."""


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
        template = _Template.of(block)
        table = None if template is None else template.read(block, self._wanted)
        return self._of_several_kinds(_plain(block)) if table is None else table

    def _of_several_kinds(self, block: bytes) -> Chunk:
        """Lines of which not all are spelled alike."""
        template = _Template.of(block, packed=True)
        alike, other = _apart(block, template) if template is not None else (block, b"")
        table = template.read(_packed(alike), self._wanted) if template is not None else None
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
    """How the lines of a block are spelled: what stands around each number.

    Args:
        names: of the numbers, in their order.
        heads: what stands before each, from the comma or the beginning of the line on.
        tails: what stands behind each, up to the next comma or the end of the line.
        quotes: quotation marks of a line.
    """

    def __init__(self, names: list[str], heads: list[bytes], tails: list[bytes], quotes: int) -> None:
        self._names, self._heads, self._tails = names, heads, tails
        self.quotes = quotes

    @classmethod
    def of(cls, block: bytes, *, packed: bool = False) -> _Template | None:
        """That of most lines, as a line in the middle has it; None where they hold more than numbers.

        Args:
            block: whole lines.
            packed: of lines without blanks.
        """
        middle = block.rfind(b"\n", 0, len(block) // 2) + 1
        for start in (middle, 0):
            line = block[start : block.find(b"\n", start)]
            row = _object(line)
            names = None if row is None else _numbered(row)
            if names is None:
                continue
            line = _packed(line) if packed else line
            found = [m.span() for m in _TOKENS.finditer(line) if line[m.start()] != _QUOTE]
            ends, starts = [0, *(end for _, end in found)], [*(start for start, _ in found), len(line)]
            # Between two numbers stands one comma, which is the mark that they are found by.
            around = [line[end:start].partition(b",") for end, start in zip(ends, starts, strict=True)]
            between = [*around[1:-1], (around[-1][0], b"", b"")] if around[-1][1] == b"" else []
            heads = [line[: starts[0]], *(head for _, _, head in between[:-1])]
            if len(found) == len(names) and len(between) == len(names) and not any(b"," in head for head in heads):
                return cls(names, heads, [tail for tail, _, _ in between], line.count(b'"'))
        return None

    def read(self, block: bytes, wanted: Callable[[str], bool]) -> Chunk | None:
        """The numbers of lines; None where a line is spelled otherwise."""
        text = Text(b"\n", block)
        marks = np.flatnonzero((text.characters == _COMMA) | (text.characters == _NEWLINE))
        count, rest = divmod(len(marks) - 1, len(self._names))
        if rest:
            return None
        columns: dict[str, Floats] = {}
        for i, (name, head, tail) in enumerate(zip(self._names, self._heads, self._tails, strict=True)):
            before, after = marks[i : -1 : len(self._names)], marks[i + 1 :: len(self._names)]
            starts, ends = before + (1 + len(head)), after - len(tail)
            mark = _COMMA if i else _NEWLINE
            alike = (text.characters[before] == mark).all() and (ends > starts).all()
            if not (alike and text.alike(before + 1, head) and text.alike(ends, tail)):
                return None
            # Of what nobody looks at it is enough that it begins as a number.
            if not wanted(name):
                if not _BEGINS[text.characters[starts]].all():
                    return None
            elif (numbers := numbers_at(text, starts, ends)) is not None:
                columns[name] = numbers
            else:
                return None
        return Chunk(count, columns)


def _plain(text: bytes) -> bytes:
    """Without the quotation marks of what is no number."""
    if b'"NaN"' in text or b'Infinity"' in text:
        for word in (b"NaN", b"Infinity", b"-Infinity"):
            text = text.replace(b'"' + word + b'"', word)
    return text


def _packed(text: bytes) -> bytes:
    return text.translate(None, b" \r\t")


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
