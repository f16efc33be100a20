"""A run folder on one machine, told to another in pieces: what stands there is always what a kill here would leave."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Literal, TypeAlias, final

from cadence.record.commands import ANSWER
from cadence.record.lock import NAME as LOCK
from cadence.record.names import CHECKPOINTS, COMMANDS, LOGGERS, RESULT

PIECE = 4 << 20
"""Bytes that are sent at once at most."""

REMEMBERED = 4096
"""Bytes before the end of what was sent of a growing file. Where they are others now, it was cut and has grown again:
its rows have times, so that the same rows written twice differ."""

Identity: TypeAlias = tuple[int, int, int]


@dataclass(frozen=True)
class Piece:
    """What has changed in a file.

    Attributes:
        path: of the file in the folder, with ``/`` between its parts.
        kind: ``"grown"``: `data` stands behind byte `at`, where the file had ended; ``"part"``: `data` is the next part
            of a file that takes the place of the old one; ``"last"``: likewise, and there are no more; ``"gone"``: it
            is no longer there.
        data: bytes.
        at: see `kind`.
    """

    path: str
    kind: Literal["grown", "part", "last", "gone"]
    data: bytes = b""
    at: int = 0


@dataclass
class _Lines:
    """What was sent of a file that grows by lines."""

    inode: int
    end: int
    tail: bytes


@final
class Outgoing:
    """The changes of a folder since the last time.

    Files of lines are told by what was added, all others whole. What a logger writes is the record once more: it is
    told with every checkpoint and at the end only.

    Args:
        folder: of the run. What stands in it now is known on the other side.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._files: dict[str, Identity] = {}
        self._lines: dict[str, _Lines] = {}
        for path in self._there():
            with contextlib.suppress(OSError), open(folder / path, "rb") as file:
                self._know(path, file)

    def pieces(self, *, ended: bool = False) -> Iterator[Piece]:
        """What has changed, in an order in which whatever has arrived there can be gone on from.

        Args:
            ended: nobody writes in the folder any more.
        """
        there = self._there()
        with contextlib.ExitStack() as files:
            # 1. What a checkpoint is, is settled before the rows: of these there are then as many as it needs.
            changed = self._changed(there, files, ended=ended)
            for path in there:
                if _grows(path):
                    yield from self._grown(path, ended=ended)
            # 2. Another checkpoint comes before the last one goes,
            for path, file in changed:
                if _of_checkpoint(path):
                    yield from self._whole(path, file)
            yield from self._gone(there)
            # 3. and another recipe after all that was of the one before.
            for path, file in changed:
                if not _of_checkpoint(path):
                    yield from self._whole(path, file)

    # ---- inside --------------------------------------------------------------------------------------------------

    def _there(self) -> list[str]:
        """Paths of all files, in the order of their last change, the result at the end."""
        found: list[tuple[bool, int, str]] = []
        for folder, _, names in os.walk(self._folder):
            for name in names:
                path = Path(folder, name)
                inside = path.relative_to(self._folder).as_posix()
                if is_mirrored(inside):
                    with contextlib.suppress(OSError):
                        found.append((inside == RESULT, path.stat().st_mtime_ns, inside))
        return [path for _, _, path in sorted(found)]

    def _know(self, path: str, file: BinaryIO) -> None:
        if _grows(path):
            end = file.seek(0, os.SEEK_END)
            self._lines[path] = _Lines(os.fstat(file.fileno()).st_ino, end, _before(file, end))
        else:
            self._files[path] = _identity(file)

    def _changed(self, there: list[str], files: contextlib.ExitStack, *, ended: bool) -> list[tuple[str, BinaryIO]]:
        """Files that are not lines and are others now, opened, so that what takes their place changes nothing."""
        found: list[tuple[str, BinaryIO]] = []
        for path in there:
            if _grows(path):
                continue
            try:
                file = open(self._folder / path, "rb")  # noqa: SIM115 - the stack closes it
            except OSError:
                continue  # gone since
            files.callback(file.close)
            if self._files.get(path) != _identity(file):
                found.append((path, file))
        if ended or any(_of_checkpoint(path) for path, _ in found):
            return found
        return [(path, file) for path, file in found if path.split("/")[0] not in LOGGERS]

    def _whole(self, path: str, file: BinaryIO) -> Iterator[Piece]:
        identity = _identity(file)
        data = file.read(PIECE)
        while True:
            following = file.read(PIECE)
            yield Piece(path, "part" if following else "last", data)
            if not following:
                break
            data = following
        self._files[path] = identity

    def _gone(self, there: list[str]) -> Iterator[Piece]:
        # A checkpoint's description goes before its tensors, as its writer takes care to.
        for path in sorted({*self._files, *self._lines} - set(there), key=lambda p: (not p.endswith(".json"), p)):
            self._files.pop(path, None)
            self._lines.pop(path, None)
            yield Piece(path, "gone")

    def _grown(self, path: str, *, ended: bool) -> Iterator[Piece]:
        try:
            file = open(self._folder / path, "rb")  # noqa: SIM115 - closed below
        except OSError:
            return
        with file:
            inode, size = os.fstat(file.fileno()).st_ino, file.seek(0, os.SEEK_END)
            known = self._lines.get(path)
            if known is None or known.inode != inode or known.end > size or _before(file, known.end) != known.tail:
                yield Piece(path, "last")
                known = self._lines[path] = _Lines(inode, 0, b"")
            file.seek(known.end)
            # A last line that is being written is told when it is whole.
            while data := _whole_lines(file.read(PIECE), file, ended=ended):
                yield Piece(path, "grown", data, known.end)
                known.end += len(data)
                known.tail = (known.tail + data)[-REMEMBERED:]
                file.seek(known.end)


def batches(pieces: Iterable[Piece]) -> Iterator[list[Piece]]:
    """Pieces in the same order, together as long as they are small.

    Example:
        >>> rows, weights = Piece("updates.jsonl", "grown", b"{}"), Piece("1.safetensors", "last", bytes(PIECE))
        >>> [len(batch) for batch in batches([rows, rows, weights, rows])]
        [3, 1]
    """
    together: list[Piece] = []
    size = 0
    for piece in pieces:
        together.append(piece)
        size += len(piece.data)
        if size >= PIECE:
            yield together
            together, size = [], 0
    if together:
        yield together


def is_mirrored(path: str) -> bool:
    """Whether a file of a run folder is told to the other side: not locks, not files that are being written, not
    commands, which come from there.

    Args:
        path: in the folder, with ``/`` between its parts.

    Example:
        >>> [is_mirrored(path) for path in ("run.json", ".lock", ".run.json.1f.tmp", "commands/7.json")]
        [True, False, False, False]
    """
    first, _, name = path.rpartition("/")
    if name == LOCK or name.endswith(".tmp"):
        return False
    return first != COMMANDS or name.endswith(ANSWER)


def _grows(path: str) -> bool:
    return path.endswith(".jsonl")


def _of_checkpoint(path: str) -> bool:
    return path.startswith(f"{CHECKPOINTS}/")


def _identity(file: BinaryIO) -> Identity:
    about = os.fstat(file.fileno())
    return about.st_ino, about.st_size, about.st_mtime_ns


def _before(file: BinaryIO, end: int) -> bytes:
    """The bytes before a place, which is where the file stands then."""
    begin = max(end - REMEMBERED, 0)
    file.seek(begin)
    return file.read(end - begin)


def _whole_lines(data: bytes, file: BinaryIO, *, ended: bool) -> bytes:
    if ended:
        return data
    cut = data.rfind(b"\n") + 1
    while not cut and len(data) >= PIECE and (more := file.read(PIECE)):  # a line that is longer than a piece
        data += more
        cut = data.rfind(b"\n") + 1
    return data[:cut]
