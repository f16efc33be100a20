"""Workers on the machines of a Ray cluster."""

from __future__ import annotations

import importlib.util
import json
import os
import queue
import re
import time
from collections.abc import Collection
from typing import Any, final

from cadence import _errors
from cadence._errors import CadenceError, ClusterError, MissingExtraError, RecordError
from cadence.comparison.child import Child, Inbox
from cadence.comparison.cluster.room import check_devices
from cadence.comparison.pool import Happening, Job, Pool

CONNECT_SECONDS = 90.0
"""So long it may take until a cluster has answered."""

LEAVE_SECONDS = 5.0


@final
class RayPool(Pool):
    """Each job is a task of a Ray cluster, with CPUs and GPUs of its own; its record is written here.

    The machines share no disk: what stands in a run's folder is sent along, and what changes there comes back while it
    goes on. A job whose process or machine is lost goes on elsewhere from what has arrived.

    Args:
        address: as `ray.init` takes it; ``"auto"``: the cluster that this machine belongs to.
        size: how many jobs at once; None: as many as the cluster has room for, which changes with its machines.
        threads: CPUs of each.
        devices: what the recipes ask for: ``"cpu"``, ``"cuda"``, ``"auto"``, ...

    Raises:
        ClusterError: it does not answer, or has no room for a job.
        MissingExtraError: Ray is not installed.
    """

    def __init__(self, address: str, size: int | None, *, threads: int, devices: Collection[str]) -> None:
        check_devices(devices)
        if importlib.util.find_spec("ray") is None:
            raise MissingExtraError("this needs ray, which is not installed; run: pip install 'cadence[ray]'")
        self._inbox: Inbox = queue.SimpleQueue()
        self._jobs: dict[int, Job] = {}
        self._size = 0
        # Nothing is told to anybody about the use that is made of Ray.
        environment = {**os.environ, "RAY_USAGE_STATS_ENABLED": "0"}
        self._bridge = Child(
            "cadence.comparison.cluster.bridge", self._inbox, environment, address, size, threads, sorted(devices)
        )
        try:
            self._connect(address)
        except BaseException:
            self._bridge.kill()
            raise

    @property
    def size(self) -> int:
        return self._size

    @property
    def free(self) -> int:
        # A machine that is lost takes places with it, whose jobs wait for others.
        return max(0, self._size - len(self._jobs))

    def mind(self, devices: Collection[str]) -> None:
        pass  # each job is given an accelerator of its own

    def give(self, job: Job) -> None:
        if self.free < 1:
            raise RecordError(f"the cluster is at work on {len(self._jobs)} jobs; wait() for one of them first")
        self._jobs[job.number] = job
        self._bridge.send({"job": job.number, "call": job.call, "arguments": dict(job.arguments), "folder": job.folder})

    def wait(self, seconds: float | None = None) -> Happening | None:
        while True:
            message = self._heard(seconds)
            if message is None:
                return None
            if message["kind"] == "size":
                more = message["size"] > self._size
                self._size = message["size"]
                if more:
                    return None  # there is room for another job, which is not to wait for the end of one
                continue
            number = message["job"]
            if message["kind"] in ("done", "failed"):
                del self._jobs[number]
            return Happening(message["kind"], number, message["content"], message["error"], message["sentence"])

    def close(self) -> None:
        self._bridge.leave(LEAVE_SECONDS)

    # ---- inside --------------------------------------------------------------------------------------------------

    def _connect(self, address: str) -> None:
        until = time.monotonic() + CONNECT_SECONDS
        message = self._heard(max(until - time.monotonic(), 0.0))
        if message is None:
            raise ClusterError(
                f"the Ray cluster at {address} has not answered within {CONNECT_SECONDS:.0f} s; look with `ray status` "
                f"whether it is well"
            )
        if message["kind"] == "refused":
            found = getattr(_errors, str(message["error"]), ClusterError)
            error = found if isinstance(found, type) and issubclass(found, CadenceError) else ClusterError
            raise error(message["sentence"])
        self._size = message["size"]

    def _heard(self, seconds: float | None) -> dict[str, Any] | None:
        try:
            _, line = self._inbox.get(timeout=seconds)
        except queue.Empty:
            return None
        message: dict[str, Any] = {} if line is None else json.loads(line)
        if message.get("kind") in (None, "lost"):
            # Ray's own log lines begin with time and place.
            why = message.get("sentence") or re.sub(r"\[[^\]]*\] \S+:\d+: |\. .*?(?=\)?$)", "", self._bridge.bury())
            raise ClusterError(
                f"the Ray cluster was lost ({why}); what the runs have sent is kept, and the same command goes on from "
                f"there"
            )
        return message
