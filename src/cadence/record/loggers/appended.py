"""A file of records that grows at its end."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import BinaryIO, final

from cadence.record.files import trouble

MOST_SECONDS = 1.0
"""Records wait in memory for the first one that comes after this time, as the lines of a run folder do."""


@final
class Appended:
    """Collects records, and appends them to a file.

    Args:
        path: of the file; made where it is missing, its folder exists.

    Raises:
        RecordError: the file cannot be written.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._waiting: list[bytes] = []
        self._due = 0.0
        # A forked child must not write what its parent has not written yet.
        self._process = os.getpid()
        try:
            # Without a buffer of python's, which a child would write when it ends.
            self._file: BinaryIO = open(path, "ab", buffering=0)  # noqa: SIM115
        except OSError as error:
            raise trouble(error, path, "written") from error

    def append(self, record: bytes) -> None:
        """Add a record, and write all that wait if it is time.

        Raises:
            RecordError: the disk will not take them; they wait for the next call.
        """
        self._waiting.append(record)
        if time.monotonic() >= self._due:
            self.flush()

    def flush(self) -> None:
        """Hand all that waits to the operating system.

        Raises:
            RecordError: the disk will not take it; what is not written waits for the next call.
        """
        if os.getpid() != self._process:
            return
        rest = b"".join(self._waiting)
        try:
            while rest:
                rest = rest[self._file.write(rest) :]
        except OSError as error:
            raise trouble(error, self._path, "written") from error
        finally:
            self._waiting = [rest] if rest else []
        self._due = time.monotonic() + MOST_SECONDS

    def close(self) -> None:
        """Write what waits, and close the file.

        Raises:
            RecordError: see `flush`; the file is closed nevertheless.
        """
        try:
            self.flush()
        finally:
            self._file.close()
