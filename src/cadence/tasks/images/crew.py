"""Processes that decode images, and the memory that they share with the one that trains."""

from __future__ import annotations

import contextlib
import ctypes
import json
import mmap
import os
import selectors
import subprocess
import sys
import tempfile
import weakref
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, field
from typing import Any, final

import numpy as np

from cadence._errors import TaskError
from cadence.tasks.base import Pin
from cadence.tasks.images.preparing import Preparation

_MOST = 16
"""Images of one job: small enough that all processes work on one batch, large enough that telling costs nothing."""

_EXTRA = 4
"""Places for batches beside those that are decoded ahead: the one in use, the one before it, and an evaluation's."""


@dataclass
class Ordered:
    """A batch that is being decoded.

    Attributes:
        place: where it will lie.
        rows: how many images.
        left: numbers of the jobs that are not done.
        faults: number of a job -> what went wrong.
        wanted: whether anybody waits for it.
    """

    place: int
    rows: int
    left: set[int] = field(default_factory=set[int])
    faults: dict[int, str] = field(default_factory=dict[int, str])
    wanted: bool = True


@final
class Crew:
    """Worker processes around one piece of shared memory.

    The memory is divided into places of one batch each. Whoever orders a batch takes a place; it is free again when the
    last array over it is gone.

    Args:
        workers: processes, at least 1.
        preparation: of the images.
        rows: images that fit into a place.
        ahead: batches that one reader may have in the making.
        pin: is told of the memory; see `Data.lend`.

    Raises:
        TaskError: this system cannot share memory so, or has too little of it.
    """

    def __init__(self, workers: int, preparation: Preparation, rows: int, ahead: int, pin: Pin | None = None) -> None:
        if os.name != "posix":
            raise TaskError(
                "images are decoded in processes of their own on Linux and macOS; write task_args: {workers: 0}"
            )
        self.rows = rows
        self._preparation = preparation
        self._bytes = _whole_pages(rows * preparation.row_bytes)
        places = ahead + _EXTRA
        self._free = list(range(places))
        self._orders: dict[int, Ordered] = {}
        self._job = 0
        self._waiting: dict[int, bytes] = {}
        self._selector = selectors.DefaultSelector()
        with _anonymous_memory(places * self._bytes) as descriptor:
            self._memory = mmap.mmap(descriptor, places * self._bytes)
            self._processes = [_worker(descriptor, preparation) for _ in range(workers)]
        for i, process in enumerate(self._processes):
            assert process.stdout is not None
            self._selector.register(process.stdout, selectors.EVENT_READ, i)
            self._waiting[i] = b""
        unpin = None if pin is None else pin(self._memory)
        self._end = weakref.finalize(self, _dismiss, self._processes, self._selector, unpin)

    @property
    def alive(self) -> bool:
        """Whether all processes are there."""
        return self._end.alive and all(process.poll() is None for process in self._processes)

    def place(self) -> int | None:
        """A place for a batch, or None where all are taken."""
        if not self._free:
            self._hear(0)
        return self._free.pop() if self._free else None

    def order(self, place: int, paths: Sequence[str], about: dict[str, Any], images: Sequence[int] | None) -> Ordered:
        """Have a batch decoded.

        Args:
            place: from `place`.
            paths: of the files.
            about: what every job is told: seed and epoch.
            images: number of each image, for training.
        """
        ordered = Ordered(place, len(paths))
        size = min(_MOST, -(-len(paths) // len(self._processes)))
        for begin in range(0, len(paths), size):
            part = slice(begin, begin + size)
            at = place * self._bytes + begin * self._preparation.row_bytes
            job = {**about, "job": self._job, "at": at, "paths": list(paths[part])}
            if images is not None:
                job["images"] = list(images[part])
            ordered.left.add(self._job)
            self._orders[self._job] = ordered
            self._tell(self._job % len(self._processes), job)
            self._job += 1
        return ordered

    def finished(self, ordered: Ordered) -> np.ndarray[Any, Any]:
        """Wait for a batch.

        Returns:
            Shape (rows, 3, size, size). It lies in the shared memory where enough places are left, else in its own.

        Raises:
            TaskError: an image cannot be read, or a process has ended.
        """
        while ordered.left:
            self._hear(None)
        if ordered.faults:
            raise TaskError(ordered.faults[min(ordered.faults)])
        array = self._array(ordered)
        # One place must be left, or nothing could be decoded while the arrays that lie there are in use.
        return array if self._free else array.copy()

    def forget(self, ordered: Ordered) -> None:
        """Nobody waits for a batch any more: its place is free when its jobs are done."""
        ordered.wanted = False
        if not ordered.left:
            self._free.append(ordered.place)

    # ---- inside --------------------------------------------------------------------------------------------------

    def _array(self, ordered: Ordered) -> np.ndarray[Any, Any]:
        """The place of a batch as an array that gives it back when the last view of it is gone."""
        preparation, begin = self._preparation, ordered.place * self._bytes
        # Every view keeps this object, while numpy lets views of views forget the arrays in between.
        owner = (ctypes.c_char * (ordered.rows * preparation.row_bytes)).from_buffer(self._memory, begin)
        weakref.finalize(owner, self._free.append, ordered.place).atexit = False
        side = preparation.size
        return np.frombuffer(memoryview(owner), preparation.pixels).reshape(ordered.rows, 3, side, side)

    def _tell(self, worker: int, job: dict[str, Any]) -> None:
        stdin = self._processes[worker].stdin
        assert stdin is not None
        try:
            stdin.write(json.dumps(job).encode() + b"\n")
            stdin.flush()
        except (BrokenPipeError, ValueError):
            raise self._gone(worker) from None

    def _hear(self, seconds: float | None) -> None:
        """Take in what the processes have answered; with None wait until one has."""
        for key, _ in self._selector.select(seconds):
            told = os.read(key.fd, 65536)
            if not told:
                raise self._gone(key.data)
            *lines, self._waiting[key.data] = (self._waiting[key.data] + told).split(b"\n")
            for line in lines:
                self._note(json.loads(line))

    def _note(self, answer: dict[str, Any]) -> None:
        ordered = self._orders.pop(answer["job"])
        ordered.left.discard(answer["job"])
        if "fault" in answer:
            ordered.faults[answer["job"]] = answer["fault"]
        if not ordered.wanted and not ordered.left:
            self._free.append(ordered.place)

    def _gone(self, worker: int) -> TaskError:
        """One process has ended, and with it the crew."""
        try:
            status = self._processes[worker].wait(5)
        except subprocess.TimeoutExpired:
            status = None
        count = len(self._processes)
        self._end()
        return TaskError(
            f"a process that decodes images has ended (exit status {status}), killed or out of memory; start again, "
            f"with fewer if it was memory: task_args: {{workers: {max(1, count // 2)}}}"
        )


def _whole_pages(size: int) -> int:
    return -(-size // mmap.ALLOCATIONGRANULARITY) * mmap.ALLOCATIONGRANULARITY


@contextlib.contextmanager
def _anonymous_memory(size: int) -> Generator[int, None, None]:
    """A file descriptor of a file without a name; what has mapped it keeps it.

    In memory where the system has such files: a container's /dev/shm is often too small.
    """
    if hasattr(os, "memfd_create"):
        descriptor = os.memfd_create("cadence-images")
    else:
        with tempfile.TemporaryFile() as file:
            descriptor = os.dup(file.fileno())
    try:
        os.ftruncate(descriptor, size)
        yield descriptor
    finally:
        os.close(descriptor)


def _worker(memory: int, preparation: Preparation) -> subprocess.Popen[bytes]:
    threads = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    path = os.pathsep.join(folder for folder in sys.path if folder)
    # No multiprocessing: it would run the main script again, which may have no guard against that. -P, because the
    # current folder must not stand in front of the libraries.
    return subprocess.Popen(
        [
            *(sys.executable, "-P", "-m", "cadence.tasks.images.worker"),
            *(str(memory), json.dumps(preparation.to_json())),
        ],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        pass_fds=[memory],
        env={**os.environ, **threads, "PYTHONPATH": path},
    )


def _dismiss(
    processes: Sequence[subprocess.Popen[bytes]], selector: selectors.BaseSelector, unpin: Callable[[], object] | None
) -> None:
    selector.close()
    if unpin is not None:
        unpin()
    for process in processes:
        assert process.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            process.stdin.close()
    for process in processes:
        try:
            process.wait(5)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        assert process.stdout is not None
        process.stdout.close()
