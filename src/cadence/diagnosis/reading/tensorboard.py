"""TensorBoard's event files, by their format and without TensorBoard."""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import final

import numpy as np

from cadence._errors import RecordError
from cadence.diagnosis.log import Event, Note
from cadence.diagnosis.reading import noted
from cadence.diagnosis.reading.raw import Raw, RawLog, raw
from cadence.diagnosis.reading.roles import JUDGING, TRAINING, words_of
from cadence.diagnosis.reading.wire import double, fields, framed, masked_sums, signed, single

_CHECKED = 4096
"""Records whose check sums are computed together."""

_KINDS = {1: "<f4", 2: "<f8", 3: "<i4", 9: "<i8"}
"""Types of a tensor's numbers."""


def read_tensorboard(folder: Path) -> RawLog | None:
    """The log in a folder of event files; None where there are none in it or below.

    Raises:
        RecordError: it holds several runs.
    """
    here = sorted(folder.glob("*tfevents*"))
    below: dict[Path, list[Path]] = {}
    for path in sorted(folder.glob("**/*tfevents*")):
        if path.parent != folder and path.is_file():
            below.setdefault(path.parent, []).append(path)
    if here:
        # What add_scalars writes: one folder below for each line of a picture.
        return read_files(folder, here, below)
    if not below:
        return None
    if len(below) == 1:
        return read_files(folder, next(iter(below.values())))
    names = {path: set(words_of(path.name)) for path in below}
    if all(words & (JUDGING | TRAINING) for words in names.values()):
        return read_files(folder, [], below)
    some = ", ".join(str(path) for path in list(below)[:3]) + (f" and {len(below) - 3} more" if len(below) > 3 else "")
    raise RecordError(f"{folder} holds {len(below)} runs: {some}; give one of them, or each")


def read_files(source: Path, files: Sequence[Path], below: dict[Path, list[Path]] | None = None) -> RawLog:
    """The log in event files of one run, in the order of their names, which is that of time.

    Args:
        source: what the user gave.
        files: of the run itself.
        below: folder -> files whose tags get the folder's name in front.
    """
    held = _Held()
    for path in files:
        held.take(path, "")
    for folder, more in (below or {}).items():
        for path in more:
            held.take(path, f"{folder.name}/")
    if not held.columns:
        raise RecordError(f"{source} holds no scalars; give a folder whose writer called add_scalar")
    return held.log(source)


@final
class _Held:
    """Scalars of all files so far."""

    def __init__(self) -> None:
        self.columns: dict[str, tuple[list[int], list[float]]] = {}
        self._wall: tuple[list[int], list[float]] = ([], [])
        self._texts: list[Event] = []
        self._notes: list[Note] = []
        self._broken = 0

    def take(self, path: Path, before: str) -> None:
        """Read one file; tags get `before` in front."""
        with open(path, "rb") as file:
            for record in _sound(framed(file, sums=True), self):
                try:
                    self._event(record, before)
                except (ValueError, struct.error, IndexError, UnicodeDecodeError):
                    self._broken += 1
            left = len(file.read())
        if left:
            self._notes.append(
                noted.broken(path.name, f"breaks off {left:,} bytes before its end", f"在末尾前 {left:,} 字节处中断")
            )

    def refuse(self) -> None:
        """One record has a wrong check sum."""
        self._broken += 1

    def log(self, source: Path) -> RawLog:
        """All of it."""
        columns = [raw(name, t, values) for name, (t, values) in self.columns.items()]
        if self._wall[0] and "seconds" not in self.columns:
            columns.append(_seconds(*self._wall))
        notes = list(self._notes)
        if self._broken:
            notes.append(
                noted.unreadable(
                    self._broken,
                    "record with a wrong check sum or content",
                    "records with a wrong check sum or content",
                    "校验和或内容有误的记录",
                )
            )
        return RawLog(str(source), "tensorboard", columns, events=tuple(self._texts), notes=tuple(notes))

    def _event(self, record: bytes, before: str) -> None:
        wall, step = 0.0, 0
        summaries: list[bytes] = []
        for number, content in fields(record):
            if number == 1:
                wall = double(content)
            elif number == 2 and isinstance(content, int):
                step = signed(content)
            elif number == 5 and isinstance(content, bytes):
                summaries.append(content)
            elif number == 7 and isinstance(content, bytes) and (1, 1) in list(fields(content)):
                self._begin_again(step)
        for summary in summaries:
            for number, value in fields(summary):
                if number == 1 and isinstance(value, bytes):
                    self._value(value, step, wall, before)

    def _begin_again(self, step: int) -> None:
        """A session starts at `step`: what was written from there on is told again."""
        if step <= 0:
            return
        for t, values in self.columns.values():
            kept = [i for i, x in enumerate(t) if x < step]
            t[:], values[:] = [t[i] for i in kept], [values[i] for i in kept]
        self._texts.append(Event(step, "resume", "", {"from": "session start"}))

    def _value(self, value: bytes, step: int, wall: float, before: str) -> None:
        tag, number = "", None
        for field, content in fields(value):
            if field == 1 and isinstance(content, bytes):
                tag = content.decode()
            elif field == 2:
                number = single(content)
            elif field == 8 and isinstance(content, bytes):
                number = _tensor(content)
        if number is None or not tag:
            return
        t, values = self.columns.setdefault(before + tag, ([], []))
        t.append(step)
        values.append(number)
        if not self._wall[0] or step > self._wall[0][-1]:
            self._wall[0].append(step)
            self._wall[1].append(wall)


def _sound(records: Iterator[tuple[bytes, int]], held: _Held) -> Iterator[bytes]:
    """The records whose check sums are right."""
    waiting: list[tuple[bytes, int]] = []
    for record in records:
        waiting.append(record)
        if len(waiting) == _CHECKED:
            yield from _checked(waiting, held)
            waiting = []
    yield from _checked(waiting, held)


def _checked(records: list[tuple[bytes, int]], held: _Held) -> Iterator[bytes]:
    # A histogram or an image is long, and is not looked at.
    small = [(data, sum_) for data, sum_ in records if len(data) < 4096]
    for (data, said), computed in zip(small, masked_sums([data for data, _ in small]), strict=True):
        if said == computed:
            yield data
        else:
            held.refuse()


def _tensor(content: bytes) -> float | None:
    """The one number of a tensor; None where it holds several, or text."""
    kind, packed = 0, b""
    for number, value in fields(content):
        if number == 1 and isinstance(value, int):
            kind = value
        elif number in (4, 5, 6) and isinstance(value, bytes):
            packed = value
    if kind not in _KINDS:
        return None
    numbers = np.frombuffer(packed, dtype=_KINDS[kind])
    if len(numbers) != 1:
        return None
    return float(str(numbers[0])) if kind == 1 else float(numbers[0])


def _seconds(t: list[int], wall: list[float]) -> Raw:
    return raw("seconds", t, [x - wall[0] for x in wall])
