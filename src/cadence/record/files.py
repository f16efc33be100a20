"""Files that are whole or not there: written beside their place, made durable, then moved into it in one step."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import secrets
from collections.abc import Generator
from pathlib import Path
from typing import Any, BinaryIO

from cadence._errors import RecordError
from cadence.record.spelling import read, spell

_NO_SPACE = {errno.ENOSPC, errno.EFBIG, getattr(errno, "EDQUOT", errno.ENOSPC)}
_NOT_ALLOWED = {errno.EACCES, errno.EPERM, errno.EROFS}


def trouble(error: OSError, path: Path, doing: str) -> RecordError:
    """What the operating system refused, as a sentence with its remedy.

    Args:
        error: what it said.
        path: the file or folder that was wanted.
        doing: ``"written"`` or ``"read"``.

    Returns:
        The error to raise.

    Example:
        >>> print(trouble(OSError(errno.ENOSPC, "No space left on device"), Path("runs/x/updates.jsonl"), "written"))
        runs/x/updates.jsonl cannot be written, there is no space left (No space left on device); what was written
        before is kept: free some space and continue
    """
    said = f"({error.strerror or error})"
    if error.errno in _NO_SPACE:
        return RecordError(
            f"{path} cannot be {doing}, there is no space left {said}; what was written before is kept: free some "
            "space and continue"
        )
    if error.errno in _NOT_ALLOWED:
        where = "choose a folder that you may write to" if doing == "written" else "ask its owner for the right to read"
        return RecordError(f"{path} may not be {doing} {said}; {where}")
    if error.errno == errno.ENOENT and doing == "written":
        return RecordError(
            f"{path} cannot be written, because its folder does not exist; make it, or, if it was moved or its disk "
            f"taken away, put it back"
        )
    if error.errno == errno.ENOENT:
        return RecordError(f"{path} does not exist; check the spelling of the path")
    if error.errno in {errno.ENOTDIR, errno.EEXIST}:
        return RecordError(f"{path} cannot be {doing}, because a file stands where a folder is needed; choose another")
    if error.errno == errno.EISDIR:
        return RecordError(f"{path} cannot be {doing}, because a folder stands where a file is needed; choose another")
    return RecordError(f"{path} cannot be {doing} {said}; check the disk and the path")


def make_folder(folder: Path) -> None:
    """The folder and those above it, where they are missing.

    Raises:
        RecordError: it cannot be made, or a file has its name.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise trouble(error, folder, "written") from error


@contextlib.contextmanager
def replacing(path: Path) -> Generator[BinaryIO, None, None]:
    """A file to write to, which takes the place of `path` when the block ends, and vanishes if the block fails.

    Whoever opens `path` meanwhile, or after a crash, sees the whole old file or the whole new one.

    Raises:
        RecordError: the file cannot be written; the old one is untouched.
    """
    # Not tempfile: its files are for their owner alone, and a record is for everyone whom the umask lets read.
    beside = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")
    try:
        try:
            with open(beside, "xb") as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
            os.replace(beside, path)
        except BaseException:
            with contextlib.suppress(OSError):
                beside.unlink()
            raise
    except OSError as error:
        raise trouble(error, path, "written") from error
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Make names in a folder durable: those of new files, and of files that were moved or removed."""
    # Some file systems and Windows cannot do this for folders, and have their own ways to keep names.
    with contextlib.suppress(OSError):
        fd = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)


def write_atomically(path: str | os.PathLike[str], content: bytes | str) -> None:
    """Write a whole file so that it is never seen half, whatever happens meanwhile.

    Args:
        path: of the file; its folder exists.
        content: text is written as UTF-8, line ends as they are.

    Raises:
        RecordError: the file cannot be written; the old one, if there was one, is untouched.
    """
    with replacing(Path(path)) as file:
        file.write(content.encode() if isinstance(content, str) else content)


def write_json(path: str | os.PathLike[str], value: object) -> None:
    """Write one value as strict, indented JSON, atomically.

    Args:
        path: of the file; its folder exists.
        value: plain data, see `cadence.record.spelling.spell`.

    Raises:
        RecordError: the value is no plain data, or the file cannot be written.
    """
    write_atomically(path, spell(value, indent=2) + "\n")


def read_json(path: str | os.PathLike[str]) -> Any:
    """Read what `write_json` wrote, the same float64 for every float.

    Args:
        path: of the file. JSON from elsewhere is read too, with NaN and Infinity as bare words if need be.

    Returns:
        The value.

    Raises:
        RecordError: the file is missing, cannot be read, or is no JSON; the message has the line.
    """
    path = Path(path)
    try:
        return read(json.loads(path.read_bytes().decode()))
    except OSError as error:
        raise trouble(error, path, "read") from error
    except (ValueError, RecursionError) as error:
        where = f" in line {error.lineno}" if isinstance(error, json.JSONDecodeError) else ""
        said = error.msg if isinstance(error, json.JSONDecodeError) else str(error)
        raise RecordError(f"{path} is no JSON{where}: {said}; correct it, or put the file back as it was") from error
