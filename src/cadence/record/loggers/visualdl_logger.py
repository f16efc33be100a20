"""VisualDL's record files, by its own messages and without paddle.

VisualDL shows one file of each folder, and has no mark that takes anything back: a resumed run takes out of that file
what it will tell again, and appends to it. VisualDL's own writer would begin the file anew.
"""

from __future__ import annotations

import struct
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO, final

from cadence._lazy import need
from cadence.record.files import make_folder, replacing, trouble
from cadence.record.loggers.appended import Appended
from cadence.record.loggers.logger import Logger, told

META = "meta_data_tag"
"""Tag of what a file says of itself; VisualDL looks for it in the first record."""


def open_here(folder: Path) -> Logger:
    """VisualDL's logger of a run."""
    return VisualDLLogger(folder)


@final
class VisualDLLogger(Logger):
    """Appends to the one file of a folder.

    Args:
        folder: for the file; made where it is missing.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._record: Any = need("visualdl.proto.record_pb2", extra="visualdl").Record
        self._file: Appended | None = None

    def go_on(self, t: int) -> int:
        make_folder(self._folder)
        there = sorted(self._folder.glob("vdlrecords.*"))
        path = there[-1] if there else self._folder / f"vdlrecords.{int(time.time()):010d}.log"
        if there:
            self.close(None)
            self._take_back(path, t)
        if self._file is None:
            self._file = Appended(path)
        if there:
            return t
        name = self._record.MetaData(display_name=self._folder.resolve().parent.name)
        self._write(0, META, meta_data=name)
        return 0

    def describe(self, run: Mapping[str, Any]) -> None:
        self.text(0, "run", told(run))

    def numbers(self, t: int, numbers: Mapping[str, float]) -> None:
        for name, number in numbers.items():
            # VisualDL's own tags may hold no percent sign: it stands for a slash in the addresses of its pages.
            self._write(t, name.replace("%", "_"), value=number)

    def text(self, t: int, kind: str, sentence: str) -> None:
        self._write(t, f"journal/{kind}", text=self._record.Text(encoded_text_string=sentence))

    def flush(self) -> None:
        if self._file is not None:
            self._file.flush()

    def close(self, status: str | None) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None

    def _write(self, t: int, tag: str, **content: Any) -> None:
        assert self._file is not None, "a logger is opened by go_on"
        value = self._record.Value(id=t, tag=tag, timestamp=round(time.time() * 1000), **content)
        data: bytes = self._record(values=[value]).SerializeToString()
        self._file.append(_spelled(data))

    def _take_back(self, path: Path, t: int) -> None:
        """Leave out what belongs to update `t` or later ones, and a record that is not complete."""
        try:
            with open(path, "rb") as file:
                if all(self._stays(data, t) for data in _records(file)) and not file.read(1):
                    return
            with open(path, "rb") as file, replacing(path) as kept:
                for data in _records(file):
                    if self._stays(data, t):
                        kept.write(_spelled(data))
        except OSError as error:
            raise trouble(error, path, "written") from error

    def _stays(self, data: bytes, t: int) -> bool:
        value = self._record.FromString(data).values[0]
        return value.id < t or value.tag == META


def _spelled(data: bytes) -> bytes:
    return struct.pack("<Q", len(data)) + data


def _records(file: BinaryIO) -> Iterator[bytes]:
    """The complete records of a file, which is left at the end of the last one."""
    begin = 0
    while len(head := file.read(8)) == 8:
        (length,) = struct.unpack("<Q", head)
        data = file.read(length)
        if len(data) < length:
            break
        yield data
        begin += 8 + length
    file.seek(begin)
