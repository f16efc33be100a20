"""A run folder on this machine whose run is trained on another one."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, final

from cadence._errors import RecordError
from cadence.comparison.cluster.mirror import Piece, is_mirrored
from cadence.record.commands import ANSWER
from cadence.record.files import make_folder, replacing, sync_folder, trouble
from cadence.record.lock import FolderLock
from cadence.record.names import COMMANDS

PACKED = 32 << 20
"""Bytes of a file that are given away at once."""


class _Abandoned(Exception):
    """Ends a file that is not going to be whole."""


@final
class Arrivals:
    """Takes what comes from the machine that trains; the folder's one writer until it is closed.

    Args:
        folder: of the run; made where it is missing.

    Raises:
        RecordError: another process writes the folder, or it cannot be written.
    """

    def __init__(self, folder: Path) -> None:
        make_folder(folder)
        self._folder = folder
        self._lock = FolderLock(folder)
        self._coming: tuple[str, contextlib.ExitStack, BinaryIO] | None = None
        self._given: set[str] = set()

    def packed(self) -> Iterator[tuple[str, bytes]]:
        """What stands here now, for whoever goes on with the run: path and bytes, of large files several times."""
        self.abandon()
        self._given = set(self._commands())
        for folder, _, names in os.walk(self._folder):
            for name in sorted(names):
                path = Path(folder, name)
                inside = path.relative_to(self._folder).as_posix()
                if is_mirrored(inside) or inside in self._given:
                    yield from _read(path, inside)

    def commands(self) -> list[Piece]:
        """Commands that have been left in the folder and have not been passed on."""
        new = [path for path in self._commands() if path not in self._given]
        self._given.update(new)
        return [Piece(path, "last", data) for each in new for path, data in _read(self._folder / each, each)]

    def take(self, piece: Piece) -> None:
        """Do to a file what was done to it there.

        Raises:
            RecordError: the disk will not have it, or the piece does not fit what is here.
        """
        path = self._inside(piece.path)
        if piece.kind in ("part", "last"):
            self._next_part(piece, path)
            return
        try:
            if piece.kind == "gone":
                path.unlink(missing_ok=True)
                return
            with open(path, "r+b") as file:
                if file.seek(0, os.SEEK_END) != piece.at:
                    raise RecordError(f"{path} was changed by somebody else while its run went on; train it anew")
                file.write(piece.data)
        except OSError as error:
            raise trouble(error, path, "written") from error

    def abandon(self) -> None:
        """Forget the parts of a file that is not going to be whole."""
        if self._coming is not None:
            _, stack, _ = self._coming
            self._coming = None
            with contextlib.suppress(_Abandoned), stack:
                raise _Abandoned

    def close(self) -> None:
        """Let others write in the folder."""
        self.abandon()
        sync_folder(self._folder)
        self._lock.release()

    # ---- inside --------------------------------------------------------------------------------------------------

    def _commands(self) -> list[str]:
        try:
            names = sorted(os.listdir(self._folder / COMMANDS))
        except OSError:
            return []
        return [f"{COMMANDS}/{n}" for n in names if n.endswith(".json") and not n.endswith(ANSWER) and n[0] != "."]

    def _inside(self, path: str) -> Path:
        parts = path.split("/")
        if not is_mirrored(path) or any(part in ("", ".", "..") or os.sep in part for part in parts):
            raise RecordError(f"a worker sent a file called {path!r}, which does not belong into a run folder")
        return self._folder.joinpath(*parts)

    def _next_part(self, piece: Piece, path: Path) -> None:
        if self._coming is not None and self._coming[0] != piece.path:
            self.abandon()
        if self._coming is None:
            make_folder(path.parent)
            stack = contextlib.ExitStack()
            self._coming = piece.path, stack, stack.enter_context(replacing(path))
        _, stack, file = self._coming
        try:
            file.write(piece.data)
        except OSError as error:
            self.abandon()
            raise trouble(error, path, "written") from error
        if piece.kind == "last":
            self._coming = None
            stack.close()


def _read(path: Path, inside: str) -> Iterator[tuple[str, bytes]]:
    try:
        with open(path, "rb") as file:
            data = file.read(PACKED)
            yield inside, data
            while len(data) == PACKED and (data := file.read(PACKED)):
                yield inside, data
    except FileNotFoundError:
        return
    except OSError as error:
        raise trouble(error, path, "read") from error
