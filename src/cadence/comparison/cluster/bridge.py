"""The process that speaks with Ray: takes jobs from its parent, gives them to the cluster, writes what comes back.

Ray may end the process that it is in, and print what it likes; here it does so to nobody but this process.
"""

from __future__ import annotations

import json
import os
import queue
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, TypeAlias, final

from cadence._errors import CadenceError, ClusterError, RecordError
from cadence.comparison.cluster.arrivals import Arrivals
from cadence.comparison.cluster.connection import Cluster, short
from cadence.comparison.cluster.mailbox import Letter
from cadence.comparison.cluster.task import Errand, own_version
from cadence.comparison.pool import MOST_TRIES
from cadence.comparison.worker import own_pipes

WAIT_SECONDS = 0.05
"""Ray is listened to for so long, then the parent."""

LOOK_SECONDS = 0.25
"""Between two looks at the commands in run folders."""

ROOM_SECONDS = 2.0
"""Between two looks at what machines there are."""

PATIENCE_SECONDS = 300.0
"""So long no machine may have room for a run: they may be about to come back."""

MOST_LOSSES = 10
"""With so many machines lost a job is taken to be the reason. It is more than of processes: machines go for many."""

Send: TypeAlias = Callable[[Mapping[str, Any]], None]
Order: TypeAlias = Mapping[str, Any]


def serve(address: str, size: int | None, threads: int, devices: Sequence[str]) -> None:
    """Do jobs on a cluster until the parent closes the pipe or dies.

    Args:
        address: of the cluster, as `ray.init` takes it.
        size: how many at once; None: as many as there is room for.
        threads: of each.
        devices: what the recipes ask for.
    """
    orders, answers = own_pipes()
    waiting: queue.SimpleQueue[Order | None] = queue.SimpleQueue()
    threading.Thread(target=_listen, args=(orders, waiting), daemon=True).start()

    def send(message: Mapping[str, Any]) -> None:
        answers.write(json.dumps(message).encode() + b"\n")
        answers.flush()

    try:
        cluster = Cluster(address, threads, devices)
    except CadenceError as error:
        send({"kind": "refused", "error": type(error).__name__, "sentence": str(error)})
        return
    try:
        _Bridge(cluster, size, waiting, send).work()
    except ClusterError as error:
        send({"kind": "lost", "sentence": str(error)})
    except cluster.errors.RayError as error:
        send({"kind": "lost", "sentence": short(error)})
    except BrokenPipeError:
        pass  # nobody is there any more
    finally:
        cluster.close()


def _listen(orders: IO[bytes], waiting: queue.SimpleQueue[Order | None]) -> None:
    for line in orders:
        waiting.put(json.loads(line))
    waiting.put(None)
    # Whatever keeps the main thread: nobody waits for it.
    time.sleep(10)
    os._exit(0)


@dataclass
class _Task:
    """A job on the cluster.

    Attributes:
        order: as the parent gave it.
        arrivals: its folder here; None: it has none.
        crashes, losses: processes and machines that have been lost with it.
        name: of the present try.
        ref: to its result.
        kept: see `Cluster.begin`.
        where: its machine, as far as is known.
    """

    order: Order
    arrivals: Arrivals | None
    crashes: int = 0
    losses: int = 0
    name: str = ""
    ref: Any = None
    kept: object = None
    where: str = ""

    @property
    def tries(self) -> int:
        """How often it has been begun in vain."""
        return self.crashes + self.losses


@dataclass
class _Room:
    """Room on the cluster, and since when there is none."""

    looked: float = -ROOM_SECONDS
    size: int = 0
    without: float | None = field(default=None)


@final
class _Bridge:
    """Between the parent and the cluster."""

    def __init__(self, cluster: Cluster, size: int | None, orders: queue.SimpleQueue[Order | None], send: Send) -> None:
        self._cluster = cluster
        self._asked = size
        self._orders = orders
        self._send = send
        self._tasks: dict[str, _Task] = {}
        self._room = _Room()
        self._looked = 0.0
        self._fetch = self._fetched()

    def work(self) -> None:
        """Until the parent closes the pipe."""
        self._look_for_room("ready")
        while True:
            try:
                order = self._orders.get(block=not self._tasks)
            except queue.Empty:
                self._hear()
            else:
                if order is None:
                    return
                self._take(order)

    # ---- what the parent gives -----------------------------------------------------------------------------------

    def _take(self, order: Order) -> None:
        folder = order["folder"]
        try:
            arrivals = None if folder is None else Arrivals(Path(folder))
        except RecordError as error:
            self._say("failed", order, error=RecordError.__name__, sentence=str(error))
            return
        self._begin(_Task(order, arrivals))

    def _begin(self, task: _Task) -> None:
        order = task.order
        task.name, task.where = f"{order['job']}.{task.tries}", ""
        errand = Errand(
            task.name, order["call"], order["arguments"],
            None if order["folder"] is None else Path(order["folder"]).resolve().name,
            own_version(), sys.path, sys.argv, os.getcwd(),
        )  # fmt: skip
        self._tasks[task.name] = task
        try:
            task.ref, task.kept = self._cluster.begin(errand, () if task.arrivals is None else task.arrivals.packed())
        except RecordError as error:
            self._over(task, "failed", error=RecordError.__name__, sentence=str(error))

    # ---- what the cluster says -----------------------------------------------------------------------------------

    def _hear(self) -> None:
        by_ref = {task.ref: task for task in self._tasks.values()}
        for ref in self._cluster.ready([self._fetch, *by_ref], WAIT_SECONDS):
            if ref == self._fetch:
                self._deliver(self._cluster.get(ref))
                self._fetch = self._fetched()
            else:
                self._empty_mailbox()
                # It may just have been given up, because of what lay there.
                if by_ref[ref].name in self._tasks:
                    self._end(by_ref[ref])
        self._pass_on_commands()
        self._look_for_room("size")

    def _fetched(self) -> Any:
        return self._cluster.mailbox.take.remote(1.0)

    def _empty_mailbox(self) -> None:
        """Deliver all that was sent before now: what a task that has ended has sent is among it."""
        self._cluster.mailbox.wake.remote()
        self._deliver(self._cluster.get(self._fetch))
        while letters := self._cluster.get(self._cluster.mailbox.take.remote(0.0)):
            self._deliver(letters)
        self._fetch = self._fetched()

    def _deliver(self, letters: Sequence[Letter]) -> None:
        for letter in letters:
            task = self._tasks.get(letter.task)
            if task is None:
                continue  # of a try that was given up: another one is at work, or the job has ended
            if letter.kind == "begins":
                task.where = str(letter.content)
            elif letter.kind == "news":
                self._say("news", task.order, content=letter.content)
            elif task.arrivals is not None:
                try:
                    task.arrivals.take(letter.content)
                except RecordError as error:
                    self._cluster.cancel(task.ref)
                    self._over(task, "failed", error=RecordError.__name__, sentence=str(error))

    def _end(self, task: _Task) -> None:
        errors = self._cluster.errors
        try:
            answer = self._cluster.get(task.ref)
        except (errors.WorkerCrashedError, errors.OutOfMemoryError) as error:
            task.crashes += 1
            memory = " (by Ray, because its machine had no memory left)"
            why = f"its process{_on(task)} was ended{memory * isinstance(error, errors.OutOfMemoryError)}"
            self._again(task, why, f"{why}, twice in a row", most=task.crashes >= MOST_TRIES)
        except (errors.NodeDiedError, errors.ObjectLostError) as error:
            del error
            task.losses += 1
            why = f"its machine{_on(task)} was lost"
            self._again(task, why, f"{why}, and {task.losses - 1} before", most=task.losses >= MOST_LOSSES)
        except errors.RayTaskError as error:
            self._over(task, "failed", sentence=f"its task{_on(task)} failed: {short(error)}")
        except errors.RuntimeEnvSetupError as error:
            self._over(task, "failed", sentence=f"its task could not be begun: {short(error)}")
        else:
            self._over(
                task, answer["kind"], content=answer.get("result", {}), error=answer.get("error"),
                sentence=answer.get("sentence", ""),
            )  # fmt: skip

    def _again(self, task: _Task, why: str, at_last: str, *, most: bool) -> None:
        if most:
            self._over(task, "failed", sentence=at_last)
            return
        del self._tasks[task.name]
        self._say("again", task.order, sentence=why)
        self._begin(task)

    def _over(self, task: _Task, kind: str, **said: Any) -> None:
        del self._tasks[task.name]
        if task.arrivals is not None:
            task.arrivals.close()
        self._say(kind, task.order, **said)

    # ---- now and then --------------------------------------------------------------------------------------------

    def _pass_on_commands(self) -> None:
        now = time.monotonic()
        if now - self._looked < LOOK_SECONDS:
            return
        self._looked = now
        for task in self._tasks.values():
            commands = [] if task.arrivals is None else task.arrivals.commands()
            if commands:
                self._cluster.mailbox.order.remote(task.name, commands)

    def _look_for_room(self, kind: str) -> None:
        now, room = time.monotonic(), self._room
        if now - room.looked < ROOM_SECONDS:
            return
        room.looked, fits = now, self._cluster.room()
        if fits:
            room.without = None
        elif room.without is None:
            room.without = now
        elif now - room.without > PATIENCE_SECONDS:
            raise ClusterError(f"no machine of the cluster has had room for a run for {PATIENCE_SECONDS:.0f} s")
        size = self._asked if self._asked is not None else max(1, fits)
        if size != room.size:
            room.size = size
            self._send({"kind": kind, "size": size})

    def _say(
        self, kind: str, order: Order, *, content: Mapping[str, Any] | None = None, error: str | None = None,
        sentence: str = "",
    ) -> None:  # fmt: skip
        self._send({
            "kind": kind, "job": order["job"], "content": dict(content or {}), "error": error, "sentence": sentence,
        })  # fmt: skip


def _on(task: _Task) -> str:
    return f" on {task.where}" if task.where else ""
