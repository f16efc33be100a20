"""Jobs between their parent and a cluster that loses machines, told by a cluster that does as it is told."""

from __future__ import annotations

import os
import queue
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from cadence._errors import ClusterError
from cadence.comparison.cluster import bridge
from cadence.comparison.cluster.bridge import _Bridge  # pyright: ignore[reportPrivateUsage]
from cadence.comparison.cluster.mailbox import Letter
from cadence.comparison.cluster.mirror import Piece
from cadence.comparison.cluster.task import Errand
from cadence.record.commands import send
from cadence.record.lock import holder


class RayError(Exception):
    pass


ERRORS = SimpleNamespace(
    **{
        name: type(name, (RayError,), {})
        for name in ("WorkerCrashedError", "OutOfMemoryError", "NodeDiedError", "ObjectLostError", "RayTaskError")
    },
    RuntimeEnvSetupError=type("RuntimeEnvSetupError", (RayError,), {}),
    RayError=RayError,
)


class Told:
    """A cluster whose tasks end as a list says, one after the other, and whose mailbox holds what a test puts in."""

    def __init__(self, ends: Sequence[Any], room: int = 1) -> None:
        self.errors = ERRORS
        self.ends = list(ends)
        self.begun: list[tuple[Errand, list[tuple[str, bytes]]]] = []
        self.letters: list[Letter] = []
        self.orders: list[tuple[str, list[Piece]]] = []
        self.cancelled: list[Any] = []
        self.fits = room
        self.mailbox = SimpleNamespace(
            take=SimpleNamespace(remote=lambda seconds: "letters"),
            wake=SimpleNamespace(remote=lambda: None),
            order=SimpleNamespace(remote=lambda task, commands: self.orders.append((task, commands))),
        )

    def room(self) -> int:
        return self.fits

    def begin(self, errand: Errand, files: Iterable[tuple[str, bytes]]) -> tuple[Any, object]:
        self.begun.append((errand, list(files)))
        return errand.task, None

    def ready(self, refs: Sequence[Any], seconds: float) -> list[Any]:
        return ["letters"] if self.letters else [ref for ref in refs if ref != "letters"][: len(self.ends)]

    def get(self, ref: Any, seconds: float | None = None) -> Any:
        if ref == "letters":
            found, self.letters = self.letters, []
            return found
        end = self.ends.pop(0)
        if isinstance(end, Exception):
            raise end
        return end

    def cancel(self, ref: Any) -> None:
        self.cancelled.append(ref)


class Parent:
    """What the parent gives and hears."""

    def __init__(self, cluster: Told, size: int | None = None) -> None:
        self.heard: list[Mapping[str, Any]] = []
        self.orders: queue.SimpleQueue[Mapping[str, Any] | None] = queue.SimpleQueue()
        self.bridge = _Bridge(cluster, size, self.orders, self.heard.append)  # type: ignore[arg-type]
        self.bridge._look_for_room("ready")

    def give(self, folder: Path | None = None, number: int = 0) -> None:
        job = {"job": number, "call": "train", "arguments": {}, "folder": None if folder is None else str(folder)}
        self.bridge._take(job)

    def hear(self, times: int = 1) -> list[tuple[str, str]]:
        """What is said meanwhile: kind and sentence."""
        before = len(self.heard)
        for _ in range(times):
            self.bridge._hear()
        return [(told["kind"], told.get("sentence", "")) for told in self.heard[before:]]


DONE = {"kind": "done", "result": {"status": "finished"}}


def test_a_job_may_lose_nine_machines_and_is_then_the_reason(tmp_path: Path) -> None:
    cluster = Told([ERRORS.NodeDiedError() for _ in range(10)])
    parent = Parent(cluster)
    parent.give(tmp_path / "run")
    said = parent.hear(10)
    assert [kind for kind, _ in said] == ["again"] * 9 + ["failed"]
    assert said[-1][1] == "its machine was lost, and 9 before"
    assert len(cluster.begun) == 10
    assert len({errand.task for errand, _ in cluster.begun}) == 10
    assert holder(tmp_path / "run") is None


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        ("WorkerCrashedError", "its process was ended"),
        ("OutOfMemoryError", "its process was ended (by Ray, because its machine had no memory left)"),
    ],
)
def test_a_process_that_dies_twice_is_the_jobs_own_fault_however_many_machines_were_lost(
    error: str, sentence: str
) -> None:
    crash = getattr(ERRORS, error)
    parent = Parent(Told([crash(), ERRORS.NodeDiedError(), ERRORS.ObjectLostError(), crash()]))
    parent.give()
    assert parent.hear(4) == [
        ("again", sentence),
        ("again", "its machine was lost"),
        ("again", "its machine was lost"),
        ("failed", f"{sentence}, twice in a row"),
    ]


def test_nothing_is_taken_from_a_try_that_was_given_up(tmp_path: Path) -> None:
    """The machine was only out of reach: what it still sends must not stand among what the next one sends."""
    cluster = Told([ERRORS.NodeDiedError(), DONE])
    parent = Parent(cluster)
    parent.give(tmp_path / "run")
    cluster.letters = [Letter("0.0", "piece", Piece("updates.jsonl", "last", b"1\n"))]
    assert parent.hear(2) == [("again", "its machine was lost")]
    assert cluster.begun[1][1] == [("updates.jsonl", b"1\n")]
    cluster.letters = [
        Letter("0.0", "piece", Piece("updates.jsonl", "grown", b"late\n", 2)),
        Letter("0.0", "news", {"t": 99}),
        Letter("0.1", "begins", "machine b"),
        Letter("0.1", "piece", Piece("updates.jsonl", "grown", b"2\n", 2)),
    ]
    assert parent.hear(2) == [("done", "")]
    assert (tmp_path / "run" / "updates.jsonl").read_bytes() == b"1\n2\n"
    cluster.letters = [Letter("0.1", "piece", Piece("updates.jsonl", "last", b"later\n"))]
    parent.give()
    parent.hear()
    assert (tmp_path / "run" / "updates.jsonl").read_bytes() == b"1\n2\n"


def test_what_a_task_has_sent_is_here_before_its_end_is_told(tmp_path: Path) -> None:
    cluster = Told([DONE])
    parent = Parent(cluster)
    parent.give(tmp_path / "run")
    ready = cluster.ready
    cluster.ready = lambda refs, seconds: ready(refs, seconds) if not cluster.letters else ["0.0"]  # type: ignore[method-assign]
    cluster.letters = [
        Letter("0.0", "news", {"t": 7}),
        Letter("0.0", "piece", Piece("result.json", "last", b"{}")),
    ]
    assert [kind for kind, _ in parent.hear()] == ["news", "done"]
    assert (tmp_path / "run" / "result.json").read_bytes() == b"{}"


def test_a_folder_that_cannot_be_written_ends_its_run_and_no_other(tmp_path: Path) -> None:
    cluster = Told([DONE], room=2)
    parent = Parent(cluster)
    parent.give(tmp_path / "run")
    parent.give(tmp_path / "other", 1)
    (tmp_path / "run" / "checkpoints").write_text("a file where a folder is needed")
    cluster.letters = [Letter("0.0", "piece", Piece("checkpoints/5.json", "last", b"{}"))]
    ((kind, sentence),) = parent.hear()
    assert kind == "failed"
    assert "a file stands where a folder is needed" in sentence
    assert cluster.cancelled == ["0.0"]
    assert [told["job"] for told in parent.heard if told["kind"] == "failed"] == [0]
    assert parent.hear() == [("done", "")]
    assert parent.heard[-1]["job"] == 1


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="who may do everything may read this")
def test_a_folder_that_cannot_be_read_ends_its_run(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "run.json").touch(mode=0)
    parent = Parent(Told([]))
    parent.give(tmp_path / "run")
    assert parent.heard[-1]["kind"] == "failed"
    assert "may not be read" in parent.heard[-1]["sentence"]


def test_a_folder_that_somebody_else_writes_is_refused(tmp_path: Path) -> None:
    parent = Parent(Told([]))
    parent.give(tmp_path / "run")
    parent.give(tmp_path / "run", 1)
    assert parent.heard[-1]["kind"] == "failed"
    assert "is being written by" in parent.heard[-1]["sentence"]


def test_commands_are_passed_on_to_the_try_that_is_at_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bridge, "LOOK_SECONDS", 0.0)
    cluster = Told([])
    parent = Parent(cluster)
    parent.give(tmp_path / "run")
    ident = send(tmp_path / "run", "stop", {})
    parent.hear(3)
    assert [(task, [piece.path for piece in pieces]) for task, pieces in cluster.orders] == [
        ("0.0", [f"commands/{ident}.json"])
    ]


def test_machines_that_come_and_go_are_told_and_none_is_waited_for_without_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(bridge, "ROOM_SECONDS", 0.0)
    now = 100.0
    monkeypatch.setattr(bridge, "time", SimpleNamespace(monotonic=lambda: now))
    cluster = Told([], room=2)
    parent = Parent(cluster)
    assert parent.heard == [{"kind": "ready", "size": 2}]
    parent.give()
    for room, size in ((5, 5), (0, 1), (3, 3), (0, 1)):
        cluster.fits = room
        now += 1
        parent.hear()
        assert parent.heard[-1] == {"kind": "size", "size": size}
    now += bridge.PATIENCE_SECONDS - 1
    parent.hear()
    now += 2
    with pytest.raises(ClusterError, match="no machine of the cluster has had room for a run for 300 s"):
        parent.hear()


def test_as_many_are_at_work_as_were_asked_for() -> None:
    parent = Parent(Told([], room=2), size=7)
    assert parent.heard == [{"kind": "ready", "size": 7}]
