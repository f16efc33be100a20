"""JSON Lines: appended in whole lines, cut back from the end, read in blocks."""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, BinaryIO, TypeAlias, final

from cadence._errors import RecordError
from cadence.record.files import trouble

Row: TypeAlias = dict[str, Any]
"""One line of a file, as `json.loads` reads it."""

MOST_LINES = 256
MOST_SECONDS = 1.0
"""A line waits in memory for at most this many others, and for the first line that comes after this time."""

_BLOCK = 1 << 15
_BLOCK_FROM_END = 1 << 14
_decode = json.JSONDecoder().raw_decode


@final
class Lines:
    """A file that grows by whole lines. Opening it cuts off a last line that a crash has left incomplete.

    Args:
        path: of the file; it is made where it is missing, its folder exists.

    Raises:
        RecordError: the file cannot be opened for writing.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._waiting: list[object] = []
        self._begin: int | None = None
        self._due = 0.0
        self._writing = False
        self._closed = ""
        # Events may come from other threads, and from signal handlers, which a plain lock would block for ever.
        self._lock = threading.RLock()
        try:
            self._fd: int | None = os.open(
                path, os.O_RDWR | os.O_APPEND | os.O_CREAT | getattr(os, "O_BINARY", 0), 0o666
            )
        except OSError as error:
            raise trouble(error, path, "written") from error

    def append(self, line: object) -> None:
        """Add a line. It is in the file after `flush`, or when enough of them wait.

        Args:
            line: something whose text it is, with its newline; asked for when it is written, the same each time.

        Raises:
            RecordError: the file is closed; or writing was due and failed: then the line waits, and the next call tries
                again.
        """
        with self._lock:
            if self._closed:
                raise RecordError(f"{self.path} takes no more lines: {self._closed}")
            self._waiting.append(line)
            if len(self._waiting) >= MOST_LINES or time.monotonic() >= self._due:
                self.flush()

    def flush(self, *, sync: bool = False) -> None:
        """Hand all that waits to the operating system, which keeps it if this process dies.

        Args:
            sync: also wait until it is on the disk, and so survives a power failure.

        Raises:
            RecordError: the disk is full, or will not be written to. What could not be written waits for the next
                call, which goes on at the very byte.
        """
        if self._fd is None:
            return
        with self._lock:
            if self._fd is None or self._writing:
                return
            try:
                self._writing = True
                if self._waiting:
                    self._write(self._fd)
                if sync:
                    os.fsync(self._fd)
            except OSError as error:
                raise trouble(error, self.path, "written") from error
            finally:
                self._writing = False

    def _write(self, fd: int) -> None:
        count = len(self._waiting)
        data = "".join(map(str, self._waiting)).encode()
        # A full disk, or Ctrl-C, may have ended the last attempt anywhere between its first byte and its bookkeeping.
        # How much of it there is, only the file knows.
        size = os.fstat(fd).st_size
        done = 0 if self._begin is None else size - self._begin
        self._begin = size - done
        while done < len(data):
            done += os.write(fd, data[done:])
        self._waiting, self._begin = self._waiting[count:], None
        self._due = time.monotonic() + MOST_SECONDS

    def cut(self, keep: Callable[[Row], bool]) -> Row | None:
        """Remove lines from the end, up to the last one that is to be kept, and broken lines on the way to it.

        The file is made shorter in one step: whatever happens meanwhile, it is the old one or the new one.

        Args:
            keep: says of a line whether it stays, and all before it.

        Returns:
            The last line that is left; None where none is.

        Raises:
            RecordError: the file cannot be changed.
        """
        with self._lock:
            self.flush()
            if self._fd is None:
                raise RecordError(f"{self.path} cannot be cut: {self._closed}")
            try:
                with open(self.path, "rb") as file:
                    end, row, ended = _last(file, keep)
                if end < os.fstat(self._fd).st_size:
                    os.ftruncate(self._fd, end)
                    os.fsync(self._fd)
                if not ended:
                    os.write(self._fd, b"\n")
            except OSError as error:
                raise trouble(error, self.path, "written") from error
        return row

    def tail(self, before: Callable[[Row], bool]) -> bytes:
        """What `cut` would remove: all behind the last line of which `before` is true.

        Raises:
            RecordError: the file cannot be read.
        """
        try:
            with open(self.path, "rb") as file:
                end = _last(file, before)[0]
                file.seek(end)
                return file.read()
        except OSError as error:
            raise trouble(error, self.path, "read") from error

    def count(self) -> int:
        """Lines in the file, and those that wait.

        Raises:
            RecordError: the file cannot be read.
        """
        with self._lock:
            self.flush()
            try:
                with open(self.path, "rb") as file:
                    return sum(chunk.count(b"\n") for chunk in iter(lambda: file.read(_BLOCK), b""))
            except OSError as error:
                raise trouble(error, self.path, "read") from error

    def behind(self, n: int) -> bytes:
        """All behind the first `n` lines.

        Raises:
            RecordError: the file cannot be read.
        """
        with self._lock:
            self.flush()
            try:
                with open(self.path, "rb") as file:
                    for _ in range(n):
                        file.readline()
                    return file.read()
            except OSError as error:
                raise trouble(error, self.path, "read") from error

    def leave(self, n: int) -> None:
        """Remove all behind the first `n` lines, in one step as `cut` does.

        Raises:
            RecordError: the file cannot be changed.
        """
        with self._lock:
            rest = len(self.behind(n))
            if self._fd is None:
                raise RecordError(f"{self.path} cannot be cut: {self._closed}")
            try:
                if rest:
                    os.ftruncate(self._fd, os.fstat(self._fd).st_size - rest)
                    os.fsync(self._fd)
            except OSError as error:
                raise trouble(error, self.path, "written") from error

    def drop(self, why: str) -> None:
        """Close this process's handle and forget what waits; a second call does nothing.

        Args:
            why: end of the sentence for whoever appends from now on.
        """
        # Without the lock: after a fork, a thread that is not in this process may hold it for ever.
        fd, self._fd = self._fd, None
        self._closed = self._closed or why
        self._waiting = []
        if fd is not None:
            os.close(fd)


def _last(file: BinaryIO, keep: Callable[[Row], bool]) -> tuple[int, Row | None, bool]:
    """End of the last line to keep, what it says, and whether it ends with a newline."""
    for end, line in _from_end(file):
        row = _row(line)
        if row is not None and keep(row):
            return end, row, line.endswith(b"\n")
    return 0, None, True


def _from_end(file: BinaryIO) -> Iterator[tuple[int, bytes]]:
    """Where a line ends, and the line, from the last to the first."""
    # No memory map: a reader would be killed if the file were cut meanwhile.
    position = end = file.seek(0, os.SEEK_END)
    held = b""  # the bytes from `position` to `end`
    while end > 0:
        cut = held.rfind(b"\n", 0, len(held) - 1)
        while cut < 0 and position > 0:
            step = min(_BLOCK_FROM_END, position)
            position = file.seek(position - step)
            held = file.read(step) + held
            cut = held.rfind(b"\n", 0, len(held) - 1)
        yield end, held[cut + 1 :]
        held = held[: cut + 1]
        end = position + cut + 1


def last_row(path: Path) -> Row | None:
    """The last whole line of a file, read from its end, however long the file is; None where there is none.

    Raises:
        RecordError: the file cannot be read.
    """
    try:
        with open(path, "rb") as file:
            return _last(file, lambda row: True)[1]
    except FileNotFoundError:
        return None
    except OSError as error:
        raise trouble(error, path, "read") from error


def _row(line: bytes | bytearray) -> Row | None:
    """What a line says; None where it is broken."""
    try:
        row: Any = json.loads(line.decode())
    except (ValueError, RecursionError):
        return None
    return row if type(row) is dict else None  # pyright: ignore[reportUnknownVariableType]


def blocks(path: Path) -> Iterator[tuple[int, list[Row]]]:
    """The lines of a file in blocks of some thousand, so that memory does not grow with the file.

    Args:
        path: of the file; a missing one has no lines. A last line that is not complete is passed over: whoever writes
            it is not done, or was killed.

    Yields:
        Number of the first line, counted from 1, and the rows from there on.

    Raises:
        RecordError: a line is broken, or the file cannot be read; the message has file and line.
    """
    rest = bytearray()
    number = 1
    try:
        with open(path, "rb") as file:
            while chunk := file.read(_BLOCK):
                whole = chunk.rfind(b"\n") + 1
                rest += chunk[:whole]
                if whole:
                    rows = _rows(rest, path, number)
                    rest = bytearray()
                    yield number, rows
                    number += len(rows)
                rest += chunk[whole:]
    except FileNotFoundError:
        return
    except OSError as error:
        raise trouble(error, path, "read") from error
    row = _row(rest)
    if row is not None:
        yield number, [row]


def _rows(block: bytearray, path: Path, number: int) -> list[Row]:
    """The rows of whole lines, the first of which has this number in its file."""
    try:
        lines = block.decode().split("\n")[:-1]
    except UnicodeDecodeError as error:
        raise _broken(path, number + block.count(b"\n", 0, error.start), "it is no UTF-8") from error
    try:
        # Several times as fast as one `json.loads` for each line.
        decoded = list(map(_decode, lines))
        rows = [row for row, _ in decoded]
        if set(map(type, rows)) == {dict} and [end for _, end in decoded] == list(map(len, lines)):
            return rows
    except (ValueError, RecursionError):
        pass
    return [_careful(line, path, number + i) for i, line in enumerate(lines)]


def _careful(line: str, path: Path, number: int) -> Row:
    """A line that is more or less than one object: blanks around it are harmless, all else is named."""
    try:
        row = json.loads(line)
    except json.JSONDecodeError as error:
        raise _broken(path, number, f"{error.msg} at character {error.colno}") from error
    except (ValueError, RecursionError) as error:
        raise _broken(path, number, str(error)) from error
    if type(row) is not dict:
        raise _broken(path, number, "it is no object in braces")
    return row  # pyright: ignore[reportUnknownVariableType]


def _broken(path: Path, line: int, why: str) -> RecordError:
    return RecordError(f"{path} is broken in line {line}: {why}; correct that line, or remove it and those after it")
