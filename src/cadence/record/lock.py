"""One writer for one folder: a lock that the operating system drops when the process dies."""

from __future__ import annotations

import contextlib
import datetime
import json
import os
import socket
from pathlib import Path
from typing import Any, final

from cadence._errors import RecordError
from cadence.record.files import trouble

try:
    import fcntl
except ModuleNotFoundError:  # Windows: two writers are not told apart there
    fcntl = None

NAME = ".lock"
"""File in a run folder that its writer keeps locked, and that says who it is."""


@final
class FolderLock:
    """Held from construction until `release`, or until the process ends in whatever way.

    Args:
        folder: that exists.

    Raises:
        RecordError: another writer holds it; the message says which process.
    """

    def __init__(self, folder: Path) -> None:
        path = folder / NAME
        try:
            self._fd: int | None = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        except OSError as error:
            raise trouble(error, path, "written") from error
        try:
            if not _locked(self._fd):
                raise RecordError(_refusal(folder, os.pread(self._fd, 4096, 0)))
            os.ftruncate(self._fd, 0)
            os.write(self._fd, _who().encode())
        except OSError as error:
            self.drop()
            raise trouble(error, path, "written") from error
        except BaseException:
            self.drop()
            raise

    def release(self) -> None:
        """Let the next writer in; a second call does nothing."""
        if self._fd is not None:
            # The file stays: if it were removed, one process could hold the old file and another a new one.
            with contextlib.suppress(OSError):
                os.ftruncate(self._fd, 0)
        self.drop()

    def drop(self) -> None:
        """Close this process's handle alone; a lock that is shared with the parent process stays with the parent."""
        fd, self._fd = self._fd, None
        if fd is not None:
            os.close(fd)


def _locked(fd: int) -> bool:
    if fcntl is None:
        return True
    try:
        # Not lockf: its locks fall as soon as anything in this process closes the file, a copying backup for example.
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return True  # some network file systems have no locks; a record is worth more than its lock
    return True


def _who() -> str:
    since = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    return json.dumps({"pid": os.getpid(), "host": socket.gethostname(), "since": since})


def _refusal(folder: Path, content: bytes) -> str:
    holder = "another process"
    # The other writer may be about to write its name, or of another version.
    with contextlib.suppress(ValueError, KeyError, TypeError):
        who: Any = json.loads(content)
        holder = f"process {who['pid']} on {who['host']} since {who['since']}"
        if who["pid"] == os.getpid() and who["host"] == socket.gethostname():
            return f"{folder} is being written by this very process; close its first writer, or choose another folder"
    return f"{folder} is being written by {holder}; wait for it to end, stop it, or choose another folder"
