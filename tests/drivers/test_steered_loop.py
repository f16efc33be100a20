"""A loop of one's own that is told from outside to change its curve, by commands in the folder of its record."""

from __future__ import annotations

import gc
import os
import threading
import time
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch")

import torch

import cadence as cd
from cadence._errors import RecordError
from cadence.drivers import steering
from cadence.findings.of_record import check_record
from cadence.record.commands import answer_to, commands, send
from cadence.run.steer import steer

FOLDER = Path("mine")


@pytest.fixture(autouse=True)
def own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    # Between any two updates, so that everything happens where it is meant to.
    monkeypatch.setattr(steering, "LOOK_SECONDS", 0.0)


class Loop:
    """Somebody's own loop, which may be killed and made anew."""

    def __init__(self, state: Any = None) -> None:
        self.weight = torch.nn.Parameter(torch.ones(2))
        self.optimizer = torch.optim.SGD([self.weight], lr=0.1)
        self.driver = cd.drive(self.optimizer, "warmup(5) >> constant()", total=60, record=FOLDER)
        if state is not None:
            self.driver.load_state_dict(state)

    def to(self, t: int | None = None) -> Loop:
        while self.driver.t < (self.driver.curve.total if t is None else t):
            self.weight.grad = 0.1 * self.weight.detach()
            self.optimizer.step()
            self.driver.step()
        return self

    def killed(self) -> None:
        self.driver._record.close()  # type: ignore[union-attr]

    def ended(self) -> cd.Record:
        self.to().driver.close()
        record = cd.load_record(FOLDER)
        assert check_record(record) == []
        return record


def test_a_loop_follows_a_command_between_two_updates_and_answers_first() -> None:
    loop = Loop().to(20)
    ident = send(FOLDER, "cooldown", {"length": 10, "shape": "linear"})
    loop.to(21)
    told = answer_to(FOLDER, ident)
    assert told is not None
    assert (told["status"], told["t"], told["total"]) == ("applied", 21, 31)
    record = loop.ended()
    assert record.t == 31
    assert record.updates["lr"][-1, 0] == pytest.approx(0.01)
    assert [e["kind"] for e in record.journal] == ["cooldown"]


@pytest.mark.parametrize("saved", [10, 21])
def test_what_was_followed_after_a_state_is_followed_again_at_the_very_update(saved: int) -> None:
    loop = Loop().to(min(saved, 20))
    state = loop.driver.state_dict()
    loop.to(20)
    send(FOLDER, "extend", {"length": 7})
    send(FOLDER, "set", {"values": {"lr": 0.02}})
    loop.to(21)
    if saved == 21:
        # Behind the commands: they are in it.
        state = loop.driver.state_dict()
        assert len(state["commands"]) == 2
    loop.to(30).killed()
    again = Loop(state)
    assert again.driver.curve.total == (67 if saved == 21 else 60)
    record = again.ended()
    assert [(e["t"], e["kind"]) for e in record.journal if e["kind"] != "resume"] == [(21, "change"), (21, "set")]
    assert record.updates["lr"][20:22, 0].tolist() == pytest.approx([0.1, 0.02])
    assert record.t == 67


def test_a_driver_that_is_taken_back_follows_again_however_long_ago_it_was_asked() -> None:
    driver = cd.drive(torch.optim.SGD([torch.nn.Parameter(torch.ones(1))], lr=0.1), "constant()", total=60)
    listener = steering.Steering(FOLDER, driver)

    def to(t: int) -> None:
        while driver.t < t:
            driver.step()
            listener.look(ending=False)

    to(10)
    state = driver.state_dict()
    to(12)
    send(FOLDER, "set", {"values": {"lr": 0.02}})
    to(20)
    os.utime(FOLDER / "commands", ns=(0, 0))
    to(22)
    driver.roll_back(state, {"factor": 0.5, "updates": 0, "start": 1.0, "sentence": "Back.", "number": 1})
    assert (driver.t, driver.followed) == (10, [])
    to(30)
    assert [(e["t"], e["kind"]) for e in driver.journal] == [(10, "rollback"), (13, "set")]
    assert driver.values["lr"] == [pytest.approx(0.02)]


def test_a_command_that_comes_with_the_last_update_still_makes_the_run_longer() -> None:
    loop = Loop().to(59)
    send(FOLDER, "extend", {"length": 5})
    assert loop.ended().t == 65


def test_it_is_steered_by_the_function_of_the_command_line() -> None:
    loop, found = Loop(), list[Any]()

    def outside() -> None:
        found.append(steer(FOLDER, "set", {"values": {"lr": 0.03}}))
        for command in ("pause", "stop"):
            with pytest.raises(RecordError, match="follows changes of its curve alone; pause or stop it where it runs"):
                steer(FOLDER, command)
        found.append(steer(FOLDER, "shorten", {"length": 5}, dry_run=True))

    other = threading.Thread(target=outside)
    other.start()
    while other.is_alive() and loop.driver.t < 55:
        loop.to(loop.driver.t + (1 if loop.driver.t < 50 else 0))
        time.sleep(0.01)
    other.join()
    done, shown = found
    assert done.status == "applied"
    assert shown.status == "preview"
    record = loop.ended()
    assert record.t == 60
    assert record.updates["lr"][done.t, 0] == pytest.approx(0.03, rel=1e-15)
    with pytest.raises(RecordError, match="which listens while it goes on; start it again, or call driver"):
        steer(FOLDER, "extend", {"length": 5})


def test_a_command_to_the_process_that_came_all_the_same_is_refused() -> None:
    loop = Loop().to(3)
    ident = send(FOLDER, "pause", {})
    loop.to(5)
    told = answer_to(FOLDER, ident)
    assert told is not None
    assert told["status"] == "refused"
    assert [c.id for c in commands(FOLDER)] == [ident]
    assert loop.ended().t == 60


def test_a_driver_that_nobody_uses_any_more_lets_go_of_its_folder_at_once() -> None:
    loop = Loop().to(3)
    state = loop.driver.state_dict()
    gc.disable()
    try:
        del loop
        assert Loop(state).ended().t == 60
    finally:
        gc.enable()


def test_a_driver_that_keeps_its_record_elsewhere_does_not_listen() -> None:
    Loop().killed()
    other = cd.drive(torch.optim.SGD([torch.nn.Parameter(torch.ones(1))], lr=0.1), "constant()", total=9)
    send(FOLDER, "set", {"values": {"lr": 0.02}})
    for _ in range(3):
        other.step()
    assert other.values["lr"] == [0.1]
