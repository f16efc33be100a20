"""What a task of the cluster does: one job, in a folder of its own, whose changes are sent home while it goes on."""

from __future__ import annotations

import contextlib
import os
import queue
import shutil
import socket
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias, final

from cadence._errors import ClusterError
from cadence.comparison.cluster.mailbox import Letter
from cadence.comparison.cluster.mirror import Outgoing, Piece, batches
from cadence.comparison.worker import answer
from cadence.record.files import make_folder, write_atomically
from cadence.record.lock import NAME as LOCK
from cadence.record.lock import FolderLock, holder

SEND_SECONDS = 0.25
"""Between two looks at what has changed in the folder and what has come."""

PREFIX = "cadence-run-"

OLD_SECONDS = 60.0
"""A folder that nobody holds and that is older was left behind by a task that was killed."""

Files: TypeAlias = Sequence[tuple[str, Any]]
"""Paths of a run folder, and what gives the bytes; of a large file several times, in order."""

Post: TypeAlias = Callable[[list[Letter]], list[Piece]]
"""Sends letters, waits until they have arrived, and brings the commands that lie there."""


@dataclass(frozen=True)
class Errand:
    """What a task is to do.

    Attributes:
        task: its name; each try of a job has another one.
        call, arguments: of `cadence.comparison.worker.JOBS`.
        folder: name of the run's folder; None: there is none.
        version: of the cadence that sends it.
        path, argv, cwd: of the program that sends it; as far as there is something of the kind here, they are taken on.
    """

    task: str
    call: str
    arguments: Mapping[str, Any]
    folder: str | None
    version: str
    path: Sequence[str]
    argv: Sequence[str]
    cwd: str


def run(errand: Errand, post: Post, files: Files, fetch: Callable[[Any], bytes], where: str) -> dict[str, Any]:
    """Do it.

    Args:
        errand: what.
        post: to the mailbox.
        files: that the run goes on from.
        fetch: makes bytes of what stands in `files`.
        where: this machine, for people.

    Returns:
        As `cadence.comparison.worker.answer`.
    """
    if errand.version != own_version():
        sentence = f"{where} has cadence {own_version()}, and here is {errand.version}; install the same on both"
        return {"kind": "failed", "error": ClusterError.__name__, "sentence": sentence}
    _settle_in(errand)
    commands = post([Letter(errand.task, "begins", where)])
    if errand.folder is None:
        with _Sender(errand.task, post, None) as sender:
            return answer(errand.call, errand.arguments, sender.tell)
    _sweep()
    with tempfile.TemporaryDirectory(prefix=PREFIX, ignore_cleanup_errors=True) as place:
        lock = FolderLock(Path(place))
        try:
            folder = Path(place, errand.folder)
            _unpack(files, fetch, folder)
            _deliver(commands, folder)
            with _Sender(errand.task, post, folder) as sender:
                return answer(errand.call, {**errand.arguments, "out": str(folder)}, sender.tell)
        finally:
            lock.release()


def perform(errand: Errand, mailbox: Any, files: Files) -> dict[str, Any]:
    """The task as Ray calls it.

    Args:
        errand: what is to be done.
        mailbox: handle of the actor.
        files: with references to objects.
    """
    import ray.util

    here: Any = ray.util

    def post(letters: list[Letter]) -> list[Piece]:
        return ray.get(mailbox.put.remote(errand.task, letters))

    return run(errand, post, files, ray.get, f"{socket.gethostname()} ({here.get_node_ip_address()})")


def own_version() -> str:
    """Of the cadence that runs here."""
    return str(sys.modules["cadence"].__version__)


@final
class _Sender:
    """Sends news and changes from a thread of its own; all of them are home when the block ends."""

    def __init__(self, task: str, post: Post, folder: Path | None) -> None:
        self._task = task
        self._post = post
        self._folder = folder
        self._outgoing = None if folder is None else Outgoing(folder)
        self._news: queue.SimpleQueue[Mapping[str, Any] | None] = queue.SimpleQueue()
        self._fault: BaseException | None = None
        self._thread = threading.Thread(target=self._work, daemon=True)

    def __enter__(self) -> _Sender:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._news.put(None)
        self._thread.join()
        if self._fault is not None:
            raise self._fault

    def tell(self, news: Mapping[str, Any]) -> None:
        """Send news of the job."""
        if self._fault is not None:
            raise self._fault  # nobody hears of this run any more
        self._news.put(news)

    def _work(self) -> None:
        try:
            ended = False
            while not ended:
                news, ended = self._waiting()
                self._send([Letter(self._task, "news", one) for one in news])
                if self._outgoing is not None:
                    # What is small goes together: it arrives together or not at all.
                    for pieces in batches(self._outgoing.pieces(ended=ended)):
                        self._send([Letter(self._task, "piece", piece) for piece in pieces])
        except BaseException as fault:
            self._fault = fault

    def _waiting(self) -> tuple[list[Mapping[str, Any]], bool]:
        """News of the next moment, and whether they are the last."""
        found: list[Mapping[str, Any]] = []
        until = time.monotonic() + SEND_SECONDS
        while (left := until - time.monotonic()) > 0 or not self._news.empty():
            try:
                one = self._news.get(timeout=max(left, 0.0))
            except queue.Empty:
                break
            if one is None:
                return found, True
            found.append(one)
        return found, False

    def _send(self, letters: list[Letter]) -> None:
        commands = self._post(letters)
        if self._folder is not None:
            _deliver(commands, self._folder)


def _settle_in(errand: Errand) -> None:
    """Look for modules where the sender does, and say what was typed there."""
    known = set(sys.path)
    sys.path.extend(path for path in errand.path if path not in known and os.path.isdir(path or "."))
    sys.argv[:] = errand.argv
    with contextlib.suppress(OSError):
        os.chdir(errand.cwd)


def _unpack(files: Files, fetch: Callable[[Any], bytes], folder: Path) -> None:
    for inside, content in files:
        path = folder.joinpath(*inside.split("/"))
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(path, "ab") as file:
            file.write(fetch(content))


def _deliver(commands: Sequence[Piece], folder: Path) -> None:
    """Leave commands where a run looks for them."""
    for command in commands:
        path = folder / command.path
        make_folder(path.parent)
        write_atomically(path, command.data)


def _sweep() -> None:
    """Remove what tasks have left behind that were killed on this machine."""
    for place in Path(tempfile.gettempdir()).glob(f"{PREFIX}*"):
        with contextlib.suppress(OSError):
            if time.time() - (place / LOCK).stat().st_mtime > OLD_SECONDS and holder(place) is None:
                shutil.rmtree(place, ignore_errors=True)
