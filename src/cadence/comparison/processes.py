"""Persistent worker processes that many trainings go through, one after the other; each imports its framework once."""

from __future__ import annotations

import json
import os
import queue
from collections import deque
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import final

from cadence._errors import RecordError
from cadence.comparison.child import Child, Inbox
from cadence.comparison.pool import MOST_TRIES, Happening, Job, Pool, worker_environment


@final
class ProcessPool(Pool):
    """Worker processes of this machine.

    Args:
        size: how many at most, at least 1; each is started when it is first needed. None: as many as there are cores
            for, and one where they would share an accelerator.
        threads: numerical threads of each.
    """

    def __init__(self, size: int | None = None, *, threads: int = 1) -> None:
        self._inbox: Inbox = queue.SimpleQueue()
        self._asked = size is not None
        self._size = size if size is not None else max(1, usable_cores() // threads)
        self._environment = {**os.environ, **worker_environment(threads)}
        self._workers: dict[Child, _Task | None] = {}
        self._again: deque[_Task] = deque()

    @property
    def size(self) -> int:
        return self._size

    @property
    def free(self) -> int:
        # What is told of an accelerator makes places fewer, and those may be taken.
        return max(0, self._size - sum(task is not None for task in self._workers.values()) - len(self._again))

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
        worker = next((worker for worker, its in self._workers.items() if its is None), None)
        if worker is None:
            worker = Child("cadence.comparison.worker", self._inbox, self._environment)
        self._workers[worker] = task
        job = task.job
        worker.send({"job": job.number, "call": job.call, "arguments": job.given(job.folder)})

    def _said(self, worker: Child, line: bytes) -> Happening | None:
        task = self._workers.get(worker)
        try:
            message = json.loads(line)
        except ValueError:
            return None  # cut short by the worker's end, which is told next
        if task is None or message["job"] != task.job.number:
            return None
        if message["kind"] == "news":
            return Happening("news", task.job.number, message["news"])
        self._workers[worker] = None
        if message["kind"] == "done":
            return Happening("done", task.job.number, message["result"])
        return Happening("failed", task.job.number, {}, message["error"], message["sentence"])

    def _died(self, worker: Child) -> Happening | None:
        if worker not in self._workers:
            return None
        task, why = self._workers.pop(worker), worker.bury()
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
