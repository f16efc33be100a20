"""What a record shows that its run should not have done."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch")

import torch

import cadence as cd
from cadence.findings.of_record import check_record
from cadence.record.writer import RunWriter


def two_groups() -> Any:
    w = [torch.zeros(1, requires_grad=True) for _ in range(2)]
    groups = [{"params": [w[0]], "name": "body"}, {"params": [w[1]], "name": "head", "lr": 0.02}]
    return torch.optim.SGD(groups, lr=0.1, momentum=0.9, weight_decay=0.01)


def updates(optimizer: Any, driver: Any, n: int, meddle: Callable[[int], None] = lambda t: None) -> None:
    for _ in range(n):
        for group in optimizer.param_groups:
            for p in group["params"]:
                p.grad = torch.ones_like(p)
        optimizer.step()
        meddle(driver.t)
        driver.step()


def test_a_rate_that_somebody_else_wrote_is_found_with_its_numbers(tmp_path: Path) -> None:
    optimizer = two_groups()
    driver = cd.drive(optimizer, "constant()", total=20, record=tmp_path / "run")

    def meddle(t: int) -> None:
        if 5 <= t < 9:
            optimizer.param_groups[1]["lr"] = 0.5 if t == 7 else 0.03

    updates(optimizer, driver, 20, meddle)
    driver.close()
    record = cd.load_record(tmp_path / "run")
    assert record.updates["lr"][5:9, 1].tolist() == [0.03, 0.03, 0.5, 0.03]
    (finding,) = check_record(record)
    assert (finding.code, finding.severity) == ("CR001", "error")
    assert finding.message == "lr of group 'head' was 0.5 at update 7, where the schedule has 0.02."
    assert finding.consequence == (
        "In 4 of 20 updates (updates 5 to 8) it differed, at most 25 times what was planned."
    )
    assert "第 7 次更新时为 0.5" in finding.zh[1]


def test_a_second_scheduler_is_found(tmp_path: Path) -> None:
    optimizer = two_groups()
    driver = cd.drive(optimizer, "cosine()", total=10, record=tmp_path / "run")
    other = torch.optim.lr_scheduler.StepLR(optimizer, 2)
    updates(optimizer, driver, 10, lambda t: other.step())
    driver.close()
    found = check_record(cd.load_record(tmp_path / "run"))
    assert [f.code for f in found] == ["CR001", "CR001"]


def by_hand(optimizer: Any, driver: Any) -> None:
    updates(optimizer, driver, 5)
    driver.set(lr=0.05)
    updates(optimizer, driver, 3)
    driver.set("head", lr=0.005, weight_decay=0.2)
    driver.hold(4)
    updates(optimizer, driver, 6)
    driver.rewarm(5)
    updates(optimizer, driver, 4)
    driver.resize(steps_per_epoch=4, batch_size=16)
    updates(optimizer, driver, 3)
    driver.hold()
    updates(optimizer, driver, 3)
    driver.release()
    for value in (1.0, 1.0, 1.0, 1.0):
        driver.observe({"val_loss": value})
        updates(optimizer, driver, 2)


PLAN = {"lr": "warmup(4) >> cosine(to=0.1) * plateau('val_loss', patience=1)", "weight_decay": "linear(to=0.5)"}


def test_what_is_decided_and_changed_by_hand_is_no_deviation(tmp_path: Path) -> None:
    optimizer = two_groups()
    driver = cd.drive(optimizer, PLAN, total="10 epochs", steps_per_epoch=8, batch_size=8, record=tmp_path / "run")
    by_hand(optimizer, driver)
    driver.close()
    record = cd.load_record(tmp_path / "run")
    assert {"set", "hold", "release", "rewarm", "resize", "cut"} <= {e["kind"] for e in record.journal}
    assert check_record(record) == []


@pytest.mark.parametrize(
    ("change", "schedule", "total"),
    [
        ("extend", PLAN, 120),
        ("stretch", PLAN, 120),
        ("new", {"lr": "exponential(to=0.01)", "weight_decay": "constant()"}, 120),
        ("new", "linear(to=0.1)", 100),
    ],
)
def test_neither_is_another_length_or_schedule_from_some_update_on(
    change: str, schedule: Any, total: int, tmp_path: Path
) -> None:
    optimizer = two_groups()
    units = {"steps_per_epoch": 8, "batch_size": 8}
    driver = cd.drive(optimizer, PLAN, total=80, record=tmp_path / "run", **units)
    by_hand(optimizer, driver)
    state = driver.state_dict()
    driver._record.close()  # type: ignore[union-attr] # interrupted: without a result
    optimizer = two_groups()
    driver = cd.drive(optimizer, schedule, total=total, record=tmp_path / "run", **units)
    driver.load_state_dict(state, change=change)
    updates(optimizer, driver, 10)
    driver.set(lr=0.01)
    updates(optimizer, driver, 10)
    driver.close()
    record = cd.load_record(tmp_path / "run")
    assert record.t == driver.t
    assert check_record(record) == []


def test_a_change_that_a_loaded_state_does_not_know_is_not_in_the_record_twice(tmp_path: Path) -> None:
    optimizer = two_groups()
    driver = cd.drive(optimizer, PLAN, total=80, record=tmp_path / "run")
    updates(optimizer, driver, 5)
    state = driver.state_dict()
    driver.set(lr=0.05)
    driver._record.close()  # type: ignore[union-attr] # killed
    optimizer = two_groups()
    driver = cd.drive(optimizer, PLAN, total=80, record=tmp_path / "run")
    driver.load_state_dict(state)
    driver.set(lr=0.05)
    updates(optimizer, driver, 5)
    driver.close()
    record = cd.load_record(tmp_path / "run")
    assert [e["kind"] for e in record.journal] == ["resume", "set"]
    assert check_record(record) == []


def test_a_record_of_something_that_this_version_does_not_know_is_left_alone(tmp_path: Path) -> None:
    with RunWriter(tmp_path / "run") as writer:
        horizon = {"total": 2, "steps_per_epoch": None, "batch_size": None, "tokens_per_step": None}
        run = {"spec": "flux_capacitor()", "horizon": horizon, "groups": ["a"], "values": ["lr"], "bases": {"lr": [1]}}
        writer.start(run, environment={})
        writer.update({"t": 0, "lr": [5.0]})
    assert check_record(cd.load_record(tmp_path / "run")) == []


def test_waiting_for_data_is_told_with_what_it_cost(tmp_path: Path) -> None:
    with RunWriter(tmp_path / "run") as writer:
        horizon = {"total": 4, "steps_per_epoch": None, "batch_size": None, "tokens_per_step": None}
        run = {"spec": "constant()", "horizon": horizon, "groups": ["a"], "values": ["lr"], "bases": {"lr": [1]}}
        writer.start(run, environment={})
        for t in range(4):
            row = {"t": t, "loss": 1.0, "samples": 32, "lr": [1.0], "seconds": 4.0 * (t + 1)}
            writer.update({**row, "data_seconds": 3.0, "update_seconds": 1.0})
        writer.close({"status": "finished", "updates": 4, "seconds": 16.0})
    record = cd.load_record(tmp_path / "run")
    (finding,) = check_record(record)
    assert (finding.code, finding.severity) == ("CR002", "information")
    assert finding.message == "75% of the training time was waiting for data."
    assert finding.consequence.startswith("12 s of waiting, 4 s of updates")
    assert (
        "Of 16 s: 75% waiting for data, 25% updates; 8 samples per second of training. 75% of the training time was "
        "waiting for data: a faster device would not help, faster reading and augmentation would."
    ) in record.describe()


def test_a_run_that_was_killed_has_no_seconds_in_its_result_and_is_described_nevertheless(tmp_path: Path) -> None:
    with RunWriter(tmp_path / "run") as writer:
        horizon = {"total": 4, "steps_per_epoch": None, "batch_size": None, "tokens_per_step": None}
        run = {"spec": "constant()", "horizon": horizon, "groups": ["a"], "values": ["lr"], "bases": {"lr": [1]}}
        writer.start(run, environment={})
        row = {"t": 0, "loss": 1.0, "samples": 32, "lr": [1.0], "seconds": 4.0}
        writer.update({**row, "data_seconds": 0.4, "update_seconds": 3.6})
        writer.close({"status": "failed", "updates": 1, "seconds": None, "sentence": "killed"})
    record = cd.load_record(tmp_path / "run")
    assert check_record(record) == []
    assert "Of 4 s: 90% updates, 10% waiting for data" in record.describe()
