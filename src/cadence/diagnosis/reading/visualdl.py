"""VisualDL's record files, by their format and without VisualDL."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from pathlib import Path

from cadence._errors import RecordError
from cadence.diagnosis.log import Note
from cadence.diagnosis.reading import noted
from cadence.diagnosis.reading.raw import RawLog, raw
from cadence.diagnosis.reading.wire import fields, framed, signed, single


def read_visualdl(folder: Path) -> RawLog | None:
    """The log in a folder of VisualDL files; None where there are none in it or below.

    Raises:
        RecordError: it holds several runs.
    """
    below: dict[Path, list[Path]] = {}
    for path in sorted(folder.glob("**/*vdlrecords*")):
        if path.is_file():
            below.setdefault(path.parent, []).append(path)
    if not below:
        return None
    if folder in below or len(below) == 1:
        return read_records(folder, below.get(folder) or next(iter(below.values())))
    some = ", ".join(str(path) for path in list(below)[:3]) + (f" and {len(below) - 3} more" if len(below) > 3 else "")
    raise RecordError(f"{folder} holds {len(below)} runs: {some}; give one of them, or each")


def read_records(source: Path, files: Sequence[Path]) -> RawLog:
    """The log in record files of one run, in the order of their names, which is that of time.

    Args:
        source: what the user gave.
        files: of the run.
    """
    columns: dict[str, tuple[list[int], list[float]]] = {}
    times: tuple[list[int], list[float]] = ([], [])
    notes: list[Note] = []
    broken = 0
    for path in files:
        with open(path, "rb") as file:
            for record, _ in framed(file, sums=False):
                try:
                    values = [content for number, content in fields(record) if number == 1]
                    for value in values:
                        if isinstance(value, bytes):
                            _take(value, columns, times)
                except (ValueError, struct.error, IndexError, UnicodeDecodeError):
                    broken += 1
            left = len(file.read())
        if left:
            notes.append(
                noted.broken(path.name, f"breaks off {left:,} bytes before its end", f"在末尾前 {left:,} 字节处中断")
            )
    if broken:
        notes.append(
            noted.unreadable(
                broken,
                "record that is no message of VisualDL",
                "records that are no messages of VisualDL",
                "非 VisualDL 记录",
            )
        )
    if not columns:
        raise RecordError(f"{source} holds no scalars; give a folder whose writer called add_scalar")
    found = [raw(name, t, values) for name, (t, values) in columns.items()]
    if times[0] and "seconds" not in columns:
        found.append(raw("seconds", times[0], [(x - times[1][0]) / 1000 for x in times[1]]))
    return RawLog(str(source), "visualdl", found, notes=tuple(notes))


def _take(
    value: bytes, columns: dict[str, tuple[list[int], list[float]]], times: tuple[list[int], list[float]]
) -> None:
    step, tag, when, number = 0, "", 0, None
    for field, content in fields(value):
        if field == 1 and isinstance(content, int):
            step = signed(content)
        elif field == 2 and isinstance(content, bytes):
            tag = content.decode()
        elif field == 3 and isinstance(content, int):
            when = signed(content)
        elif field == 4:
            number = single(content)
        elif field == 14 and isinstance(content, bytes):
            # One line of several in a picture: its own tag, and its number.
            parts = dict(fields(content))
            inner = parts.get(1)
            tag = f"{tag}/{inner.decode()}" if isinstance(inner, bytes) else tag
            number = single(parts[2]) if 2 in parts else 0.0
    if number is None or not tag or tag == "meta_data_tag":
        return
    t, values = columns.setdefault(tag, ([], []))
    t.append(step)
    values.append(number)
    if when and (not times[0] or step > times[0][-1]):
        times[0].append(step)
        times[1].append(when)
