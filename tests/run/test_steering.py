"""Runs that change their mind: in real processes, killed where it hurts, the same to the bit in the end."""

from __future__ import annotations

import dataclasses
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("safetensors")

import yaml
from safetensors.torch import load_file

import cadence as cd
from cadence._errors import DriverError, RecordError, SpecError
from cadence.findings.of_record import check_record
from cadence.record.commands import commands, send
from cadence.record.lock import FolderLock, holder
from cadence.record.reader import Record
from cadence.run import steer as steer_module
from cadence.run.standing import curve_of, standing
from cadence.run.steer import steer
from cadence.run.train import train

Keys = dict[str, Any]
HERE = Path(__file__).parent
SOURCE = Path(cd.__file__).parents[1]


@pytest.fixture
def lively(small: Keys) -> Keys:
    """Random numbers, momentum, a schedule with phases of every kind of length; a checkpoint at every tenth update."""
    return {
        **small,
        "task": "small_tasks:alive",
        "optimizer": {"name": "adamw", "lr": 0.02, "weight_decay": 0.01},
        "schedule": "warmup(3) >> constant() >> cosine('20%', to=0.1)",
        "total": 45,
        "evaluate": 5,
        "checkpoint": {"every": 10, "keep": 20},
    }


@pytest.fixture
def long(lively: Keys) -> Keys:
    """So long that somebody can interfere."""
    return {**lively, "total": 200_000, "evaluate": 500, "checkpoint": {"every": 500, "keep": 2}}


def written(keys: Keys, name: str = "recipe.yaml") -> Path:
    Path(name).write_text(yaml.safe_dump(keys), encoding="utf-8")
    return Path(name)


class Trainings:
    """Processes that train, children of one that has imported what they need."""

    def __init__(self) -> None:
        paths = os.environ | {"PYTHONPATH": os.pathsep.join([str(SOURCE), str(HERE)])}
        command = [sys.executable, str(HERE / "steered.py")]
        self._parent = subprocess.Popen(
            command, env=paths, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )  # fmt: skip

    def asks(self, **request: Any) -> int:
        assert self._parent.stdin is not None
        assert self._parent.stdout is not None
        self._parent.stdin.write(json.dumps(request) + "\n")
        self._parent.stdin.flush()
        return json.loads(self._parent.stdout.readline())

    def helped(self, recipe: Path, folder: str, command: str, moment: str = "never") -> int:
        """Train with somebody who asks at update 20; the exit status."""
        number = self.asks(help=[str(recipe), folder, command, moment], cwd=os.getcwd())
        return self.asks(wait=number)

    def end(self) -> None:
        self._parent.communicate()


@pytest.fixture(scope="module")
def trainings() -> Iterator[Trainings]:
    made = Trainings()
    yield made
    made.end()


@pytest.fixture
def helped(trainings: Trainings) -> Callable[..., int]:
    return trainings.helped


class Live:
    """`cadence train` in a process of its own."""

    def __init__(self, trainings: Trainings, recipe: Path, folder: str) -> None:
        self.folder = Path(folder)
        self.ended = False
        self._trainings = trainings
        command = ["train", str(recipe), "--out", folder]
        self.number = trainings.asks(start=command, cwd=os.getcwd(), stderr="stderr.txt")

    def comes_to(self, t: int) -> Live:
        end = time.monotonic() + 60
        while time.monotonic() < end:
            if (self.folder / "run.json").exists() and cd.load_record(self.folder).t >= t:
                return self
            time.sleep(0.02)
        raise AssertionError(f"the run did not come to {t}: {Path('stderr.txt').read_text()}")

    def ends(self) -> tuple[int, str]:
        status = self._trainings.asks(wait=self.number)
        self.ended = True
        return status, Path("stderr.txt").read_text(encoding="utf-8")


@pytest.fixture
def live(long: Keys, trainings: Trainings) -> Iterator[Live]:
    run = Live(trainings, written(long), "x")
    yield run.comes_to(300)
    if not run.ended:
        os.kill(run.number, signal.SIGKILL)
        run.ends()


def weights(folder: str) -> dict[str, Any]:
    newest = max((Path(folder) / "checkpoints").glob("*.safetensors"), key=lambda p: int(p.stem))
    return load_file(newest)


def same(a: str, b: str) -> None:
    """Two runs are one to the bit: rates, losses, evaluations, journal, weights."""
    one, other = cd.load_record(a), cd.load_record(b)
    for column in ("t", "lr", "loss"):
        np.testing.assert_array_equal(one.updates[column], other.updates[column])
    np.testing.assert_array_equal(one.evaluations["t"], other.evaluations["t"])
    np.testing.assert_array_equal(one.evaluations["val_loss"], other.evaluations["val_loss"])
    assert [e for e in one.journal if e["kind"] != "resume"] == [e for e in other.journal if e["kind"] != "resume"]
    first, second = weights(a), weights(b)
    assert first.keys() == second.keys()
    assert all((first[name] == second[name]).all() for name in first)


def true_to_its_journal(record: Record) -> None:
    """The rates that were really in force are those of the curve that spec and journal make."""
    curve = curve_of(record.run, record.journal)
    np.testing.assert_array_equal(record.updates["lr"][:, 0], curve.values(0, record.t))
    assert check_record(record) == []


# ---- exactly once ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("command", "moment"),
    [
        ("cooldown 12", "after the answer"),
        ("extend 30;cooldown 20%", "after the answer"),
        ("extend 30;cooldown 20%", "after the change"),
        ("hold;shorten 15;release", "after the answer"),
    ],
)
def test_a_run_that_is_killed_after_its_answer_keeps_its_promise(
    lively: Keys, helped: Callable[..., int], command: str, moment: str
) -> None:
    recipe = written(lively)
    assert helped(recipe, "plain", command) == 0
    assert helped(recipe, "killed", command, moment) == -signal.SIGKILL
    assert cd.load_record("killed").result is None
    # The checkpoint is of update 20, or of 10 where it was killed before; the promise is of update 20.
    train(recipe, out="killed")
    same("plain", "killed")
    true_to_its_journal(cd.load_record("killed"))
    kinds = [e["kind"] for e in cd.load_record("plain").journal]
    assert len([k for k in kinds if k in ("cooldown", "change", "hold", "release")]) == len(command.split(";"))


def test_a_run_that_is_killed_later_follows_again_what_it_had_followed(
    lively: Keys, helped: Callable[..., int]
) -> None:
    recipe = written({**lively, "checkpoint": {"every": 15, "keep": 20}})
    assert helped(recipe, "plain", "stretch 20") == 0
    # Update 27: the change was made at 20, and the newest checkpoint is of 15.
    assert helped(recipe, "killed", "stretch 20", "later") == -signal.SIGKILL
    assert standing(Path("killed")).t == 20
    train(recipe, out="killed")
    same("plain", "killed")
    assert cd.load_record("killed").result == cd.load_record("plain").result | {
        k: cd.load_record("killed").result[k] for k in ("seconds", "train_seconds", "spent")
    }
    assert cd.load_record("killed").t == 65


def test_a_run_that_is_killed_before_its_answer_follows_once_when_it_is_taken_up(
    lively: Keys, helped: Callable[..., int]
) -> None:
    recipe = written(lively)
    assert helped(recipe, "x", "cooldown 12", "before the answer") == -signal.SIGKILL
    assert [c.answer for c in commands(Path("x"))] == [None]
    record = train(recipe, out="x")
    told = commands(Path("x"))[0].answer
    assert told is not None
    assert (told["status"], told["total"]) == ("applied", told["t"] + 12)
    assert record.t == told["t"] + 12
    assert [e["kind"] for e in record.journal].count("cooldown") == 1
    true_to_its_journal(record)
    # And never again.
    assert train(recipe, out="x").t == record.t


# ---- live ------------------------------------------------------------------------------------------------------------


def test_a_live_run_is_steered_from_another_process(live: Live) -> None:
    shown = steer("x", "cooldown", {"length": 400}, dry_run=True)
    assert (shown.status, commands(live.folder)) == ("preview", [])
    done = steer("x", "cooldown", {"length": 400, "shape": "linear"})
    assert done.status == "applied"
    assert done.after is not None
    assert done.after.total == done.t + 400
    assert live.ends()[0] == 0
    record = cd.load_record("x")
    assert (record.status, record.t) == ("finished", done.t + 400)
    assert record.total == done.t + 400
    np.testing.assert_array_equal(record.updates["lr"][:, 0], done.after.values(0, record.t))
    true_to_its_journal(record)
    # The last evaluation and the last checkpoint stand at the new end.
    assert record.evaluations["t"][-1] == record.t
    assert (live.folder / "checkpoints" / f"{record.t}.json").exists()


def test_a_paused_run_waits_without_work_and_goes_on(live: Live) -> None:
    done = steer("x", "pause")
    time.sleep(0.3)
    assert (live.folder / "checkpoints" / f"{done.t}.json").exists()
    assert standing(live.folder).status == "paused"
    before, begin = _cpu(live.number), time.monotonic()
    time.sleep(1.0)
    assert (_cpu(live.number) - before) / (time.monotonic() - begin) < 0.1
    assert cd.load_record("x").t == done.t
    with pytest.raises(SpecError, match="paused already"):
        steer("x", "pause")
    changed = steer("x", "set", {"values": {"lr": 0.005}})
    assert (changed.status, changed.t) == ("applied", done.t)
    assert steer("x", "resume").t == done.t
    live.comes_to(done.t + 100)
    with pytest.raises(SpecError, match="not paused"):
        steer("x", "resume")
    assert cd.load_record("x").updates["lr"][done.t, 0] == pytest.approx(0.005, rel=1e-15)
    steer("x", "stop")
    status, told = live.ends()
    assert status == 130
    assert "stopped from outside after" in told
    record = cd.load_record("x")
    assert record.status == "interrupted"
    assert standing(live.folder).t == record.t


def test_a_live_run_refuses_what_cannot_be_done_and_changes_nothing(live: Live) -> None:
    with pytest.raises(SpecError, match="does not fit into the"):
        steer("x", "cooldown", {"length": 300_000})
    assert commands(live.folder) == []
    # Sent past the check here: the run checks for itself.
    ident = send(live.folder, "cooldown", {"length": 300_000})
    send(live.folder, "explode", {})
    end = time.monotonic() + 20
    while time.monotonic() < end and any(c.answer is None for c in commands(live.folder)):
        time.sleep(0.05)
    told = {c.id: c.answer for c in commands(live.folder)}
    assert {a["status"] for a in told.values() if a} == {"refused"}
    assert "does not fit into the" in str(told[ident])
    assert [e for e in cd.load_record("x").journal if e["kind"] == "cooldown"] == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_leaves_at_a_checkpoint(live: Live, number: signal.Signals) -> None:
    os.kill(live.number, number)
    status, told = live.ends()
    assert status == 130
    assert "interrupted after" in told
    record = cd.load_record("x")
    assert record.status == "interrupted"
    assert (live.folder / "checkpoints" / f"{record.t}.json").exists()
    assert holder(live.folder) is None


# ---- at rest ---------------------------------------------------------------------------------------------------------


def test_an_interrupted_run_goes_on_to_the_same_end_to_the_bit(lively: Keys, helped: Callable[..., int]) -> None:
    recipe = written(lively)
    train(recipe, out="plain")
    assert helped(recipe, "x", "stop") == 0
    record = cd.load_record("x")
    assert (record.status, record.t) == ("interrupted", 20)
    assert train(recipe, out="x").status == "finished"
    same("plain", "x")


@pytest.mark.parametrize(("command", "end"), [("pause;stop", 20), ("pause;extend 5;resume", 50)])
def test_commands_that_come_together_are_followed_in_order(
    lively: Keys, helped: Callable[..., int], command: str, end: int
) -> None:
    assert helped(written(lively), "x", command) == 0
    assert cd.load_record("x").t == end


def test_a_run_at_rest_follows_when_it_is_taken_up(lively: Keys, helped: Callable[..., int]) -> None:
    recipe = written(lively)
    helped(recipe, "x", "stop")
    first = steer("x", "extend", {"length": 15})
    assert (first.status, first.t) == ("waiting", 20)
    second = steer("x", "cooldown", {"length": "50%"})
    # Shares are of what the run will be by then.
    assert second.after is not None
    assert second.after.total == 50
    record = train(recipe, out="x")
    assert record.t == 50
    np.testing.assert_array_equal(record.updates["lr"][:, 0], second.after.values())
    assert [(c.answer or {})["status"] for c in commands(Path("x")) if c.name != "stop"] == ["applied", "applied"]


def test_a_finished_run_is_extended(lively: Keys) -> None:
    recipe = written(lively)
    train(recipe, out="x")
    end = cd.load_record("x").updates["lr"][-1, 0]
    with pytest.raises(RecordError, match="is over: it finished after 45 updates; extend it first"):
        steer("x", "set", {"values": {"lr": 1.0}})
    done = steer("x", "extend", {"length": 20})
    assert done.before is not None
    assert done.after is not None
    # From where it stands: the plan's end, one update after the last.
    assert done.after.at(45) == pytest.approx(done.before.at(45), rel=1e-15)
    assert done.after.at(45) < end
    record = train(recipe, out="x")
    assert (record.status, record.t) == ("finished", 65)
    assert record.evaluations["t"].tolist() == list(range(5, 70, 5))
    true_to_its_journal(record)
    # The same command prints the result again.
    assert train(recipe, out="x").t == 65


def test_evaluations_and_checkpoints_in_shares_follow_the_length(lively: Keys, helped: Callable[..., int]) -> None:
    recipe = written({**lively, "total": 40, "evaluate": "25%", "checkpoint": {"every": "25%", "keep": 20}})
    assert helped(recipe, "x", "extend 100%") == 0
    record = cd.load_record("x")
    assert record.evaluations["t"].tolist() == [10, 20, 40, 60, 80]
    assert sorted(int(p.stem) for p in Path("x/checkpoints").glob("*.json")) == [10, 20, 40, 60, 80]


def test_a_rule_s_stop_does_not_hold_for_a_run_that_is_extended(lively: Keys) -> None:
    recipe = written({**lively, "stop": "early_stop('val_loss', patience=1, threshold=0.9)"})
    record = train(recipe, out="x")
    assert (record.status, record.t) == ("stopped", 15)
    steer("x", "extend", {"length": 20})
    assert train(recipe, out="x").t > 15


def test_commands_to_a_process_end_with_it(lively: Keys, helped: Callable[..., int]) -> None:
    recipe = written(lively)
    helped(recipe, "x", "stop")
    with pytest.raises(RecordError, match="nobody trains x now"):
        steer("x", "pause")
    # One that was left by somebody who was killed.
    ident = send(Path("x"), "pause", {})
    assert train(recipe, out="x").status == "finished"
    told = {c.id: c.answer for c in commands(Path("x"))}[ident]
    assert told is not None
    assert told["status"] == "refused"


def test_a_slow_run_keeps_the_command(lively: Keys, helped: Callable[..., int]) -> None:
    """Somebody holds the folder and does not answer."""
    recipe = written(lively)
    helped(recipe, "x", "stop")
    lock = FolderLock(Path("x"))
    done = steer("x", "extend", {"length": 5}, timeout=0.2)
    lock.release()
    assert done.status == "waiting"
    assert f"Process {os.getpid()} on" in done.sentence
    assert train(recipe, out="x").t == 50


def test_a_run_that_ends_while_it_is_asked_is_asked_anew(
    lively: Keys, helped: Callable[..., int], monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = written(lively)
    helped(recipe, "x", "stop")
    before = standing(Path("x"))
    seen = iter([{"pid": 1, "host": "gone", "since": "now"}])
    monkeypatch.setattr(steer_module, "standing", lambda folder: dataclasses.replace(before, alive=next(seen)))
    done = steer("x", "extend", {"length": 5})
    assert done.status == "waiting"
    assert len([c for c in commands(Path("x")) if c.name == "extend"]) == 1
    assert train(recipe, out="x").t == 50


@pytest.mark.parametrize(
    ("command", "arguments", "error", "told"),
    [
        ("shorten", {"length": 25}, SpecError, "which is past"),
        ("set", {"values": {"momentum": 0.5}}, SpecError, "does not govern 'momentum'"),
        ("release", {}, DriverError, "nothing is held"),
        ("coldown", {"length": 5}, SpecError, "did you mean 'cooldown'"),
    ],
)
def test_what_a_run_at_rest_cannot_follow_leaves_nothing(
    lively: Keys, helped: Callable[..., int], command: str, arguments: Keys, error: type[Exception], told: str
) -> None:
    recipe = written(lively)
    helped(recipe, "x", "stop")
    names = {p.name for p in Path("x/commands").iterdir()}
    with pytest.raises(error, match=told):
        steer("x", command, arguments)
    assert {p.name for p in Path("x/commands").iterdir()} == names


def test_a_folder_without_a_run_says_so() -> None:
    Path("empty").mkdir()
    with pytest.raises(RecordError, match="no run folder"):
        steer("empty", "extend", {"length": 5})


def test_a_command_that_is_no_command_is_refused_and_the_run_goes_on(lively: Keys, helped: Callable[..., int]) -> None:
    recipe = written(lively)
    helped(recipe, "x", "stop")
    (Path("x/commands") / "1-a.json").write_text("{", encoding="utf-8")
    (Path("x/commands") / "2-b.json").write_text(json.dumps({"command": 5}), encoding="utf-8")
    send(Path("x"), "cooldown", {"length": []})
    assert train(recipe, out="x").t == 45
    assert [(c.answer or {})["status"] for c in commands(Path("x")) if c.name != "stop"] == ["refused"] * 3


def _cpu(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def test_another_process_does_what_the_one_that_looks_has_done(tmp_path: Path) -> None:
    import torch

    from cadence.drivers.steering import Steering

    def driver() -> Any:
        return cd.drive(torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.1), "constant()", total=100)

    drivers = driver(), driver()
    one, other = (Steering(tmp_path, each) for each in drivers)
    assert one.look(ending=False) == ("", False, sys.maxsize, ())
    ident = send(tmp_path, "cooldown", {"length": 10})
    send(tmp_path, "pause", {})
    heard = one.look(ending=True)
    assert heard == ("changed", True, sys.maxsize, ((ident, "cooldown", {"length": 10}),))
    other.repeat(heard)
    assert other._driver.followed == [ident]
    assert other.paused
    assert other._driver.curve.total == one._driver.curve.total == 10
