"""One writer for one folder: a lock that the operating system drops when the process dies."""

from __future__ import annotations

import contextlib
import datetime
import json
import os
import socket
import time
from pathlib import Path
from typing import Any, cast, final

from cadence._errors import RecordError
from cadence.record.files import sync_folder, trouble
from cadence.record.names import RESULT

try:
    import fcntl
except ModuleNotFoundError:  # Windows: two writers are not told apart there
    fcntl = None

LOOKING_SECONDS = 0.02
"""For so long somebody may hold a lock who only looks whether it is held."""

STARTING_SECONDS = 5.0
"""For so long a child of a dead process may hold its lock, until it has become the program that it was made for."""

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


def holder(folder: Path) -> dict[str, Any] | None:
    """Who writes a folder: ``{"pid", "host", "since"}``, as far as it is known; None where nobody does.

    Where the system or the disk has no locks, what the writer has said of itself must do: on another machine it may
    have died since.
    """
    try:
        fd = os.open(folder / NAME, os.O_RDONLY)
    except OSError:
        return None
    try:
        free = None if fcntl is None else _free(fd)
        content = os.pread(fd, 4096, 0)
    except OSError:
        return None
    finally:
        os.close(fd)
    if free or (free is None and fcntl is not None and _gone(content)):
        return None
    try:
        who: Any = json.loads(content)
    except ValueError:
        return None if free is None else {}
    return cast("dict[str, Any]", who) if isinstance(who, dict) else {}


def reopen(folder: Path) -> None:
    """Let a run that has ended go on: remove what says that it has.

    Raises:
        RecordError: another process writes the folder, or it cannot be written.
    """
    lock = FolderLock(folder)
    try:
        (folder / RESULT).unlink(missing_ok=True)
        sync_folder(folder)
    except OSError as fault:
        raise trouble(fault, folder, "written") from fault
    finally:
        lock.release()


def _free(fd: int) -> bool | None:
    """Whether nobody holds the lock; None where there are none. A shared one for a moment disturbs no other look."""
    assert fcntl is not None
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
        fcntl.flock(fd, fcntl.LOCK_UN)
    except BlockingIOError:
        return False
    except OSError:
        return None  # as `_locked` has it
    return True


def _locked(fd: int) -> bool:
    if fcntl is None:
        return True
    begin = time.monotonic()
    while True:
        try:
            # Not lockf: its locks fall as soon as anything in this process closes the file, as a copying backup does.
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            # Perhaps somebody just looks whether it is held. Or the writer was killed while it started a program: the
            # child shares the lock until it has become that program.
            patience = STARTING_SECONDS if _gone(os.pread(fd, 4096, 0)) else LOOKING_SECONDS
            if time.monotonic() - begin > patience:
                return False
            time.sleep(LOOKING_SECONDS / 4)
        except OSError:
            return True  # some network file systems have no locks; a record is worth more than its lock
        else:
            return True


def _gone(content: bytes) -> bool:
    """Whether the process that holds a lock, by its own word, was one of this machine and is dead."""
    try:
        who: Any = json.loads(content)
        if who["host"] != socket.gethostname():
            return False
        os.kill(int(who["pid"]), 0)
    except ProcessLookupError:
        return True
    except (ValueError, KeyError, TypeError, OSError):
        pass
    return False


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
