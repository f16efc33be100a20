"""Comparisons and searches on a Ray cluster of several nodes, one of which is killed in the midst of its work.

All of a cluster's tests are in this file, and each process that runs some of them has a cluster of its own.
"""

from __future__ import annotations

import csv
import socket
import sys
import tempfile
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("scipy")
pytest.importorskip("matplotlib")
pytest.importorskip("ray")

import cadence
from cadence._errors import ClusterError, MissingExtraError, RecipeError
from cadence.cli.app import run
from cadence.comparison.cluster import address
from cadence.comparison.cluster.pool import RayPool
from cadence.comparison.cluster.room import Share
from cadence.comparison.compare import Standing
from cadence.comparison.pool import Happening, Job
from cadence.recipe.recipe import Recipe
from cadence.record.commands import send
from cadence.record.names import CLOCKS
from cadence.record.reader import load_record
from cadence.report.compare import Comparison
from cadence.run.steer import Steered, steer

HERE = Path(__file__).parent
SOURCE = Path(cadence.__file__).parents[1]

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="Ray starts several nodes on one machine on Linux only")


@pytest.fixture(autouse=True)
def tasks_are_importable(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.syspath_prepend(str(HERE))
    monkeypatch.setenv("PYTHONPATH", str(SOURCE))
    monkeypatch.chdir(tmp_path)


class Machines:
    """A head without CPUs and nodes with one each, which can be killed."""

    def __init__(self) -> None:
        from ray.cluster_utils import Cluster

        self._cluster: Any = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, **QUIET})
        self.on = f"ray={self._cluster.address}"
        self.address = str(self._cluster.address)
        self._nodes: list[Any] = []
        self.grow_to(2)

    def grow_to(self, count: int) -> None:
        """So many nodes beside the head."""
        while len(self._nodes) < count:
            self._nodes.append(self._cluster.add_node(num_cpus=1, **QUIET))

    def kill_one(self) -> None:
        """Kill a node with all its processes, and add one in its place."""
        self._cluster.remove_node(self._nodes.pop(0), allow_graceful=False)
        self.grow_to(2)

    def stop(self) -> None:
        self._cluster.shutdown()


QUIET = {"include_dashboard": False, "object_store_memory": 80 << 20}


@pytest.fixture(scope="module")
def machines() -> Iterator[Machines]:
    # Not in pytest's folder: names of sockets may have 107 characters, of which Ray wants most for itself.
    with (
        tempfile.TemporaryDirectory(dir="/tmp", ignore_cleanup_errors=True) as place,
        pytest.MonkeyPatch.context() as p,
    ):
        for name, value in {"RAY_USAGE_STATS_ENABLED": "0", "PYTHONPATH": str(SOURCE), "TMPDIR": place}.items():
            p.setenv(name, value)
        running = Machines()
        yield running
        running.stop()


def recipe(name: str, lr: float = 0.05, **keys: Any) -> Recipe:
    given: dict[str, Any] = {
        "name": name,
        "task": "compare_tasks:rows",
        "device": "cpu",
        "optimizer": {"name": "adamw", "lr": lr},
        "schedule": "warmup(5) >> cosine(to=0.01)",
        "total": 60,
        "evaluate": 10,
        "checkpoint": {"every": "5 steps"},
    }
    return Recipe(**{**given, **keys})


def assert_same_run(one: Path, other: Path) -> None:
    """Rows, evaluations, journal and last weights are equal to the bit, times apart."""
    first, second = load_record(one), load_record(other)
    for a, b in ((first.updates, second.updates), (first.evaluations, second.evaluations)):
        assert set(a) - CLOCKS == set(b) - CLOCKS
        for column in set(a) - CLOCKS:
            np.testing.assert_array_equal(a[column], b[column], err_msg=f"{other}: {column}")
    assert first.result is not None
    assert second.result is not None
    assert {k: first.result[k] for k in ("status", "updates", "final", "best")} == {
        k: second.result[k] for k in ("status", "updates", "final", "best")
    }
    ends = [{path.name: path.read_bytes() for path in (x / "checkpoints").glob("*.safetensors")} for x in (one, other)]
    assert ends[0] == ends[1]


def table(made: Comparison) -> list[dict[str, str]]:
    with made.files["table"].open() as file:
        return [{key: value for key, value in row.items() if key != "seconds"} for row in csv.DictReader(file)]


def folders_of_runs(root: Path) -> list[Path]:
    return sorted(path.parent.relative_to(root) for path in root.glob("*/**/run.json"))


def test_a_comparison_loses_a_node_and_nothing_else(machines: Machines, tmp_path: Path) -> None:
    """The runs that were on it go on elsewhere from their own checkpoints; all is as if it had been one machine."""
    slow = {"model": "compare_tasks:slow", "model_args": {"seconds": 0.08}}
    recipes = [recipe("base", 0.02, **slow), recipe("other", tune={"lr": [0.05, 0.2]}, **slow)]
    local = cadence.compare(recipes, seeds=1, workers=1, out=tmp_path / "local")
    told: list[tuple[str, Path, str]] = []
    killed: list[int] = []

    def tell(now: Standing) -> None:
        one = now.changed
        if now.what != "goes on":
            told.append((now.what, one.folder, now.sentence))
        at_work = [t for t in now.trainings if t.state == "running"]
        # Whichever of the nodes it is: each has a run with a checkpoint that has come home.
        if not killed and len(at_work) == 2 and all([*(t.folder / "checkpoints").glob("*.json")] for t in at_work):
            killed.append(one.number)
            machines.kill_one()

    made = cadence.compare(recipes, seeds=1, out=tmp_path / "ray", on=machines.on, progress=tell)
    assert killed
    lost = [(folder, sentence) for what, folder, sentence in told if what == "again"]
    assert lost
    assert all("machine" in sentence and "was lost" in sentence for _, sentence in lost), lost
    # Every training begins once and ends once, and the table is that of one machine.
    assert set(Counter((what, folder) for what, folder, _ in told if what != "again").values()) == {1}
    assert len([what for what, *_ in told if what == "ends"]) == 4
    assert table(made) == table(local)
    there = folders_of_runs(tmp_path / "local")
    assert len(there) == 4
    assert there == folders_of_runs(tmp_path / "ray")
    for folder in there:
        assert_same_run(tmp_path / "local" / folder, tmp_path / "ray" / folder)
    # The runs that were lost went on from a checkpoint.
    for folder, _ in lost:
        resumed = load_record(folder).environment["resumed"]
        assert [part["t"] >= 5 for part in resumed] == [True], resumed
    # And it is finished: nothing is done again, with or without a cluster.
    again = cadence.compare(recipes, seeds=1, out=tmp_path / "ray", progress=lambda now: pytest.fail("trained"))
    assert str(again) == str(made)


def test_a_search_loses_a_node_and_no_trial(machines: Machines, tmp_path: Path) -> None:
    pytest.importorskip("optuna")
    given = recipe("searched", model="compare_tasks:slow", model_args={"seconds": 0.1}, total=40)
    space = {"lr": [0.02, 0.5], "optimizer.weight_decay": [0.0, 0.1]}
    options: dict[str, Any] = {"sampler": "random", "trials": 4, "prune": False, "confirm": 0}
    local = cadence.sweep(given, space, out=tmp_path / "local", workers=1, **options)
    told: Counter[tuple[str, int]] = Counter()
    killed: list[int] = []

    def tell(now: Any) -> None:
        if now.changed is not None and now.what != "goes on":
            told[now.what, now.changed.number] += 1
        at_work = [trial for trial in now.trials if trial.state == "running"]
        trials = tmp_path / "ray" / "trials"
        saved = [{*(trials / f"{t.number:04d}").glob("**/checkpoints/*.json")} for t in at_work]
        if not killed and len(at_work) == 2 and all(saved):
            killed.append(now.changed.number)
            machines.kill_one()

    made = cadence.sweep(given, space, out=tmp_path / "ray", on=machines.on, progress=tell, **options)
    assert killed
    assert any(what == "again" for what, _ in told)
    assert {key: count for key, count in told.items() if key[0] == "ends"} == {("ends", i): 1 for i in range(4)}
    ended = [[(t.number, t.params, t.state, t.value) for t in sweep.results.trials] for sweep in (made, local)]
    assert ended[0] == ended[1]
    assert [state for _, _, state, _ in ended[0]] == ["finished"] * 4
    there = folders_of_runs(tmp_path / "local")
    assert len(there) == 4
    assert there == folders_of_runs(tmp_path / "ray")
    for folder in there:
        assert_same_run(tmp_path / "local" / folder, tmp_path / "ray" / folder)


def ends_of(pool: RayPool, jobs: list[Job], hear: Callable[[Happening], object] = lambda _: None) -> dict[int, Any]:
    """Give jobs as there is room, and hear all that is said of them; how each ended."""
    waiting, ends = list(jobs), dict[int, Happening]()
    while len(ends) < len(jobs):
        while waiting and pool.free:
            pool.give(waiting.pop(0))
        told = pool.wait(60)
        if told is None:
            continue
        hear(told)
        if told.kind in ("done", "failed"):
            assert told.job not in ends
            ends[told.job] = told
    return ends


def test_jobs_of_a_cluster_end_as_those_of_processes_do(machines: Machines, tmp_path: Path) -> None:
    """A process that dies once, one that dies always, a fault, a refusal, a command, and a run that is taken up."""

    def job(number: int, folder: str, **keys: Any) -> Job:
        arguments = {"recipe": recipe("x", **keys).model_dump(), "split": "val"}
        return Job(number, "train", arguments, str(tmp_path / folder))

    marker = str(tmp_path / "died")
    jobs = [
        job(0, "once", model="compare_tasks:dies", model_args={"marker": marker}),
        job(1, "always", model="compare_tasks:dies"),
        job(2, "fails", model="compare_tasks:fails"),
        job(3, "wrong", schedule="warmup(500) >> cosine()"),
        job(4, "stopped", model="compare_tasks:slow", model_args={"seconds": 0.05}, total=1000),
        Job(5, "look", {"recipe": recipe("x").model_dump(), "splits": ["val"]}),
    ]
    again: Counter[int] = Counter()
    asked: list[Steered] = []

    def hear(told: Happening) -> None:
        again[told.job] += told.kind == "again"
        if told.job == 4 and told.kind == "news" and not asked and (tmp_path / "stopped" / "run.json").exists():
            asked.append(steer(tmp_path / "stopped", "stop"))

    with RayPool(machines.address, None, threads=1, devices={"cpu"}) as pool:
        assert pool.size in (2, 3)  # a node that was killed counts until it is missed
        ends = ends_of(pool, jobs, hear)
        assert [ends[i].kind for i in range(6)] == ["done", "failed", "failed", "failed", "done", "done"]
        assert again == {0: 1, 1: 1, 2: 0, 3: 0, 4: 0, 5: 0}
        assert "twice in a row" in ends[1].sentence
        assert ends[2].sentence.startswith("IndexError: row 7 of 7")
        assert (ends[3].error, "500" in ends[3].sentence) == ("HorizonError", True)
        assert ends[4].content["status"] == "interrupted"
        assert (asked[0].status, asked[0].t) == ("applied", ends[4].content["updates"])
        assert ends[5].content["total"] == 60
        assert load_record(tmp_path / "once").status == "finished"
        # What was stopped is taken up where it stood, on whichever machine.
        stopped = load_record(tmp_path / "stopped").result
        assert stopped is not None
        send(tmp_path / "stopped", "shorten", {"length": 1000 - stopped["updates"] - 10})
        ended = ends_of(pool, [replace(jobs[4], number=6)])[6]
        assert (ended.kind, ended.content["status"]) == ("done", "finished"), ended
        assert ended.content["updates"] == stopped["updates"] + 10


def test_a_run_for_which_no_machine_has_room_is_refused_before_anything_is_trained(
    machines: Machines, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "gpu.yaml").write_text(recipe("gpu", device="cuda").to_yaml())
    assert run(["compare", "gpu.yaml", "--on", machines.on, "--out", "c", "--seeds", "1"]) == 2
    said = capsys.readouterr().err
    assert "asks for 1 GPU (device: cuda), and no machine of the cluster has one" in said
    assert "Traceback" not in said
    with pytest.raises(ClusterError, match=r"asks for 3 CPUs \(threads: 3\), and the machines of the cluster have 1"):
        cadence.compare([recipe("wide", threads=3)], out="c", on=machines.on)
    with pytest.raises(ClusterError, match="'cuda:1' is one of a machine's own"):
        cadence.compare([recipe("second", device="cuda:1")], out="c", on=machines.on)
    assert not [*tmp_path.glob("c/*/**/run.json")]


# ---- without a cluster ----------------------------------------------------------------------------------------------


@pytest.fixture
def stranger() -> Iterator[int]:
    """The port of a server that is no Ray."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer() -> None:
            while True:
                try:
                    connection, _ = server.accept()
                except OSError:
                    return
                with connection:
                    connection.recv(1000)
                    connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")

        threading.Thread(target=answer, daemon=True).start()
        yield int(server.getsockname()[1])
        server.shutdown(socket.SHUT_RDWR)


def closed_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def test_an_address_where_no_ray_answers_is_said_at_once(
    stranger: int, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    (tmp_path / "a.yaml").write_text(recipe("a").to_yaml())
    nobody = closed_port()
    for on, sentence in (
        (f"ray=127.0.0.1:{nobody}", f"no Ray cluster can be reached at 127.0.0.1:{nobody} (Connection refused)"),
        (f"ray=ray://127.0.0.1:{nobody}", "no Ray cluster can be reached at ray://127.0.0.1"),
        (f"ray=127.0.0.1:{stranger}", f"what answers at 127.0.0.1:{stranger} is no Ray cluster"),
        ("ray=somewhere", "'somewhere' is no address of a Ray cluster; write HOST:PORT"),
        ("ray=host:port", "'host:port' is no address of a Ray cluster"),
        ("rya", "on='rya' is no place to train at; write ray, or ray=HOST:PORT"),
        ("ray=", "on='ray=' is no place to train at"),
    ):
        assert run(["compare", "a.yaml", "--on", on, "--out", "c"]) == 2
        said = capsys.readouterr().err
        assert sentence in " ".join(said.split()), said
        assert "Traceback" not in said
    assert not [*tmp_path.glob("c/*/**/run.json")]


def test_who_says_nothing_is_not_waited_for_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(address, "SECONDS", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as server, pytest.raises(ClusterError, match="there was no answer"):
        address.check_address(f"127.0.0.1:{server.getsockname()[1]}")


def test_without_ray_the_command_that_installs_it_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    from importlib import util

    found = util.find_spec
    monkeypatch.setattr(util, "find_spec", lambda name, *rest: None if name == "ray" else found(name, *rest))
    with pytest.raises(MissingExtraError, match=r"pip install 'cadence\[ray\]'"):
        cadence.compare([recipe("a")], out="c", on="ray=127.0.0.1:1")


def test_nowhere_is_no_place(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="is no place to train at"):
        cadence.compare([recipe("a")], out="c", on="slurm")


def test_room_is_counted_machine_by_machine() -> None:
    nodes = [{"CPU": 3.0, "GPU": 1.0}, {"CPU": 8.0}, {"CPU": 1.0, "GPU": 4.0}]
    assert [sum(Share(cpus, gpus).fit(n) for n in nodes) for cpus, gpus in ((1, 0), (2, 0), (1, 1), (2, 1), (9, 0))] == [
        12, 5, 2, 1, 0,
    ]  # fmt: skip
