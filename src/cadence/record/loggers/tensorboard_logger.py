"""TensorBoard's event files, by its own messages and without torch.

All numbers of an update are one event: one record of the file, one checksum. Steps rise through a file, so that one
mark (`SessionLog.START`) takes back all that a resumed run will tell again.
"""

from __future__ import annotations

import os
import socket
import struct
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, final

from cadence._lazy import need
from cadence.record.files import make_folder
from cadence.record.loggers.appended import Appended
from cadence.record.loggers.logger import Logger, told


def open_here(folder: Path) -> Logger:
    """TensorBoard's logger of a run."""
    return TensorBoardLogger(folder)


@final
class TensorBoardLogger(Logger):
    """Appends to an event file of its own; a resumed run begins another one in the same folder.

    Args:
        folder: for the event files; made where it is missing.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._events: Any = need("tensorboard.compat.proto.event_pb2", extra="tensorboard")
        self._summaries: Any = need("tensorboard.compat.proto.summary_pb2", extra="tensorboard")
        self._tensors: Any = need("tensorboard.compat.proto.tensor_pb2", extra="tensorboard")
        self._types: Any = need("tensorboard.compat.proto.types_pb2", extra="tensorboard")
        self._crc: Callable[[bytes], int] = need(
            "tensorboard.compat.tensorflow_stub.pywrap_tensorflow", extra="tensorboard"
        ).masked_crc32c
        self._file: Appended | None = None
        self._header: dict[int, bytes] = {}

    def go_on(self, t: int) -> int:
        earlier = self._folder.is_dir() and any(self._folder.glob("events.out.tfevents.*"))
        if self._file is None:
            self._file = self._begun()
            self._write(self._events.Event(wall_time=time.time(), file_version="brain.Event:2"))
        first = t if earlier else 0
        # The first mark of all means nothing to TensorBoard; a later one takes back what lies at its step or beyond.
        start = self._events.SessionLog(status=self._events.SessionLog.START)
        self._write(self._events.Event(wall_time=time.time(), step=first, session_log=start))
        return first

    def describe(self, run: Mapping[str, Any]) -> None:
        self.text(0, "run", told(run))

    def numbers(self, t: int, numbers: Mapping[str, float]) -> None:
        value = self._summaries.Summary.Value
        values = [value(tag=name, simple_value=number) for name, number in numbers.items()]
        summary = self._summaries.Summary(value=values)
        self._write(self._events.Event(wall_time=time.time(), step=t, summary=summary))

    def text(self, t: int, kind: str, sentence: str) -> None:
        metadata = self._summaries.SummaryMetadata(
            plugin_data=self._summaries.SummaryMetadata.PluginData(plugin_name="text")
        )
        tensor = self._tensors.TensorProto(dtype=self._types.DT_STRING, string_val=[sentence.encode()])
        tensor.tensor_shape.dim.add(size=1)
        value = self._summaries.Summary.Value(tag=f"journal/{kind}", metadata=metadata, tensor=tensor)
        self._write(self._events.Event(wall_time=time.time(), step=t, summary=self._summaries.Summary(value=[value])))

    def flush(self) -> None:
        if self._file is not None:
            self._file.flush()

    def close(self, status: str | None) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None

    def _begun(self) -> Appended:
        make_folder(self._folder)
        # Readers take the files of a folder in the order of their names.
        now, number = int(time.time()), len(list(self._folder.glob("events.out.tfevents.*")))
        name = f"events.out.tfevents.{now:010d}.{number:04d}.{socket.gethostname()}.{os.getpid()}"
        return Appended(self._folder / name)

    def _write(self, event: Any) -> None:
        """One record: length, its checksum, content, its checksum."""
        assert self._file is not None, "a logger is opened by go_on"
        data: bytes = event.SerializeToString()
        head = self._header.get(len(data))
        if head is None:
            length = struct.pack("<Q", len(data))
            head = self._header[len(data)] = length + struct.pack("<I", self._crc(length))
        self._file.append(head + data + struct.pack("<I", self._crc(data)))
