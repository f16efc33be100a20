"""Persistent worker processes that many trainings go through, one after the other.

A worker is a process of its own that imports its framework once. It is started as a plain program and spoken to in
lines of JSON, so it neither inherits the parent's state nor needs the parent's program to be importable, and nothing
that it is sent is code. It dies when its pipe closes, which the operating system does however the parent ends.
"""

from __future__ import annotations

import contextlib
import json
import os
import queue
import signal
import subprocess
import sys
import tempfile
import threading
from collections import deque
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import final

from cadence._errors import RecordError
from cadence.comparison.pool import MOST_TRIES, Happening, Job, Pool

_BOOT = (
    "import json, sys; given = json.loads(sys.argv[1]); sys.path[:] = given['path']; sys.argv[:] = given['argv']; "
    "from cadence.comparison.worker import serve; serve()"
)
"""A worker looks for modules where its parent does, and its records name the command that was typed."""


@final
class ProcessPool(Pool):
    """Worker processes of this machine.

    Args:
        size: how many at most, at least 1; each is started when it is first needed. None: as many as there are cores
            for, and one where they would share an accelerator.
        threads: numerical threads of each.
    """

    def __init__(self, size: int | None = None, *, threads: int = 1) -> None:
        self._inbox: queue.SimpleQueue[tuple[_Worker, bytes | None]] = queue.SimpleQueue()
        self._asked = size is not None
        self._size = size if size is not None else max(1, usable_cores() // threads)
        self._threads = threads
        self._workers: list[_Worker] = []
        self._again: deque[_Task] = deque()

    @property
    def size(self) -> int:
        return self._size

    @property
    def free(self) -> int:
        return self._size - sum(worker.task is not None for worker in self._workers) - len(self._again)

    @property
    def pids(self) -> list[int]:
        """Process ids of the workers that are there now."""
        return [worker.process.pid for worker in self._workers]

    def mind(self, devices: Collection[str]) -> None:
        if not self._asked and any(device != "cpu" for device in devices):
            self._size = 1  # trainings that share an accelerator take each other's memory

    def give(self, job: Job) -> None:
        if self.free < 1:
            raise RecordError(f"all {self._size} workers are at work; wait() for one of them first")
        self._begin(_Task(job))

    def wait(self, seconds: float | None = None) -> Happening | None:
        while True:
            while self._again:
                self._begin(self._again.popleft())
            try:
                worker, line = self._inbox.get(timeout=seconds)
            except queue.Empty:
                return None
            happening = self._died(worker) if line is None else self._said(worker, line)
            if happening is not None:
                return happening

    def close(self) -> None:
        for worker in self._workers:
            worker.kill()
        self._workers.clear()

    # ---- inside --------------------------------------------------------------------------------------------------

    def _begin(self, task: _Task) -> None:
        worker = next((worker for worker in self._workers if worker.task is None), None)
        if worker is None:
            worker = _Worker(self._inbox, self._threads)
            self._workers.append(worker)
        worker.begin(task)

    def _said(self, worker: _Worker, line: bytes) -> Happening | None:
        task = worker.task
        try:
            message = json.loads(line)
        except ValueError:
            return None  # cut short by the worker's end, which is told next
        if task is None or message["job"] != task.job.number:
            return None
        if message["kind"] == "news":
            return Happening("news", task.job.number, message["news"])
        worker.task = None
        if message["kind"] == "done":
            return Happening("done", task.job.number, message["result"])
        return Happening("failed", task.job.number, {}, message["error"], message["sentence"])

    def _died(self, worker: _Worker) -> Happening | None:
        if worker not in self._workers:
            return None
        self._workers.remove(worker)
        why, task = worker.bury(), worker.task
        if task is None:
            return None
        task.tries += 1
        if task.tries < MOST_TRIES:
            self._again.append(task)
            return Happening("again", task.job.number, {}, None, why)
        return Happening("failed", task.job.number, {}, None, f"{why}, twice in a row")


@dataclass
class _Task:
    """A job, and how many workers have died of it."""

    job: Job
    tries: int = 0


@final
class _Worker:
    """The parent's end of one process."""

    def __init__(self, inbox: queue.SimpleQueue[tuple[_Worker, bytes | None]], threads: int) -> None:
        self.task: _Task | None = None
        # What it prints is nobody's business while all goes well, and tells why where it does not.
        self._log = tempfile.TemporaryFile()  # noqa: SIM115 - it lives as long as the process
        try:
            self.process = subprocess.Popen(
                [sys.executable, "-c", _BOOT, json.dumps({"path": sys.path, "argv": sys.argv})],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._log,
                env=_environment(threads),
                # A group of its own: Ctrl-C in the terminal does not reach it, and what it starts ends with it.
                process_group=0 if os.name == "posix" else None,
            )
        except OSError as error:
            raise RecordError(f"no worker process can be started ({error.strerror}); try fewer workers") from error
        for target, given in ((self._listen, (inbox,)), (self._watch, ())):
            threading.Thread(target=target, args=given, daemon=True).start()

    def begin(self, task: _Task) -> None:
        """Send a job. A process that has died meanwhile is noticed where its answers are read."""
        self.task = task
        job = task.job
        message = json.dumps({"job": job.number, "call": job.call, "arguments": job.given(job.folder)}).encode() + b"\n"
        pipe = self.process.stdin
        assert pipe is not None
        try:
            pipe.write(message)
            pipe.flush()
        except OSError:
            pass

    def kill(self) -> None:
        """End the process and what it has started, now."""
        _kill_group(self.process)
        self.process.wait()
        self._close()

    def bury(self) -> str:
        """Why the process ended, in half a sentence, after its pipe was closed."""
        try:
            status = self.process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            self.kill()
            return "its process closed its pipe and had to be stopped"
        self._log.seek(max(self._log.seek(0, os.SEEK_END) - 4000, 0))
        last = _last_line(self._log.read().decode(errors="replace"))
        self._close()
        if status < 0:
            return f"its process was ended by {_signal_name(-status)}{_hint(-status)}"
        return f"its process ended with status {status}{f' ({last})' if last else ''}"

    def _listen(self, inbox: queue.SimpleQueue[tuple[_Worker, bytes | None]]) -> None:
        pipe = self.process.stdout
        assert pipe is not None
        try:
            for line in pipe:
                inbox.put((self, line))
        except (OSError, ValueError):
            pass  # closed from this side
        pipe.close()
        inbox.put((self, None))

    def _watch(self) -> None:
        # What the process has started holds its pipe open, so that its end would go unnoticed.
        self.process.wait()
        _kill_group(self.process)

    def _close(self) -> None:
        for file in (self.process.stdin, self._log):
            if file is not None:
                with contextlib.suppress(OSError):
                    file.close()


def usable_cores() -> int:
    """Processors that this process may use, by its affinity and by its container's share of time."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    try:
        share, period = Path("/sys/fs/cgroup/cpu.max").read_text(encoding="ascii").split()
        if share != "max":
            cores = min(cores, max(1, round(int(share) / int(period))))
    except (OSError, ValueError):
        pass  # no such container
    return cores


def _environment(threads: int) -> dict[str, str]:
    libraries = ("OMP", "MKL", "OPENBLAS", "NUMEXPR", "VECLIB_MAXIMUM")
    return {
        **os.environ,
        **{f"{library}_NUM_THREADS": str(threads) for library in libraries},
        "MPLBACKEND": "Agg",
        "PYTHONFAULTHANDLER": "1",
    }


def _kill_group(process: subprocess.Popen[bytes]) -> None:
    try:
        if os.name == "posix":
            os.killpg(process.pid, signal.SIGKILL)
        else:
            process.kill()
    except (ProcessLookupError, PermissionError):
        pass


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def _hint(number: int) -> str:
    hints = {"SIGKILL": " (by the system for lack of memory, or by hand)", "SIGSEGV": " (a fault in compiled code)"}
    return hints.get(_signal_name(number), "")


def _last_line(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1][:300] if lines else ""
