"""The record of a loop of one's own: the files that docs/formats.md fixes, also after a resume."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import cadence as cd
from cadence._errors import RecordError

torch = pytest.importorskip("torch")

SCHEDULE = {"lr": "warmup(2) >> constant() * plateau('val_loss', factor=0.5, patience=0)", "weight_decay": "constant()"}


@pytest.fixture(autouse=True)
def nothing_loses_power(monkeypatch: pytest.MonkeyPatch) -> None:
    """Waiting for the disk costs most of the time here, and only matters where power fails."""
    monkeypatch.setattr("os.fsync", lambda fd: None)


def make(record: Any, schedule: Any = SCHEDULE, **options: Any) -> tuple[Any, Any]:
    a, b = (torch.ones(3, requires_grad=True) for _ in range(2))
    groups = [{"params": [a], "name": "body"}, {"params": [b], "name": "head", "lr": 0.02, "weight_decay": 0.0}]
    optimizer = torch.optim.AdamW(groups, lr=0.1, weight_decay=0.5)
    return optimizer, cd.drive(optimizer, schedule, total=10, steps_per_epoch=4, record=record, **options)


def train(optimizer: Any, driver: Any, updates: int) -> None:
    for _ in range(updates):
        for group in optimizer.param_groups:
            group["params"][0].grad = torch.ones(3)
        optimizer.step()
        driver.log(loss=torch.tensor(2.0 - 0.1 * driver.t), samples=32)
        driver.step()


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def test_the_files_say_what_happened(tmp_path: Path) -> None:
    optimizer, driver = make(tmp_path / "mine")
    train(optimizer, driver, 4)
    driver.observe({"val_loss": torch.tensor(1.0), "val_accuracy": 0.5})
    train(optimizer, driver, 4)
    driver.observe({"val_loss": 1.0, "val_accuracy": 0.6})
    driver.hold(1)
    train(optimizer, driver, 2)
    driver.close()
    folder = tmp_path / "mine"

    assert json.loads((folder / "run.json").read_text(encoding="utf-8")) == {
        "version": 1,
        "name": "mine",
        "spec": driver.curve.spec,
        "horizon": {"total": 10, "steps_per_epoch": 4, "batch_size": None, "tokens_per_step": None},
        "groups": ["body", "head"],
        "values": ["lr", "weight_decay"],
        "bases": {"lr": [0.1, 0.02], "weight_decay": [0.5, 0.0]},
        "listens": True,
        "optimizer": {
            "lr": [0.001, 0.0002], "eps": [1e-8, 1e-8], "weight_decay": [0.5, 0.0], "beta1": [0.9, 0.9],
            "beta2": [0.999, 0.999],
        },
    }  # fmt: skip
    assert (folder / "environment.json").exists()

    updates = lines(folder / "updates.jsonl")
    assert [row["t"] for row in updates] == list(range(10))
    assert set(updates[0]) == {"t", "loss", "samples", "lr", "weight_decay", "seconds"}
    assert [row["loss"] for row in updates] == pytest.approx([2.0 - 0.1 * t for t in range(10)])
    np.testing.assert_array_equal([row["lr"][0] for row in updates], driver.curve.values(group="body"))
    np.testing.assert_array_equal([row["lr"][1] for row in updates], driver.curve.values(group="head"))
    assert [row["weight_decay"] for row in updates] == [[0.5, 0.0]] * 10
    seconds = [row["seconds"] for row in updates]
    assert seconds == sorted(seconds)

    evaluations = lines(folder / "evaluations.jsonl")
    assert [(row["t"], row["epoch"], row["val_loss"], row["val_accuracy"]) for row in evaluations] == [
        (4, 1.0, 1.0, 0.5),
        (8, 2.0, 1.0, 0.6),
    ]
    journal = lines(folder / "journal.jsonl")
    assert [(row["t"], row["kind"]) for row in journal] == [(4, "keep"), (8, "cut"), (8, "hold")]
    assert all(row["sentence"].endswith(".") for row in journal)

    result = json.loads((folder / "result.json").read_text(encoding="utf-8"))
    assert (result["status"], result["updates"]) == ("finished", 10)
    assert result["final"] == {"val_loss": 1.0, "val_accuracy": 0.6}
    assert result["best"] == {"val_loss": 1.0, "val_accuracy": 0.5, "t": 4}
    assert result["seconds"] >= seconds[-1]
    assert cd.load_record(folder).status == "finished"


def test_a_run_that_stopped_early_says_so(tmp_path: Path) -> None:
    optimizer, driver = make(tmp_path / "mine", "constant() * early_stop('val_loss', patience=0)")
    train(optimizer, driver, 2)
    driver.observe({"val_loss": 1.0})
    driver.observe({"val_loss": 1.0})
    driver.close({"sentence": "Enough."})
    result = cd.load_record(tmp_path / "mine").result
    assert result is not None
    assert (result["status"], result["updates"], result["sentence"]) == ("stopped", 2, "Enough.")


def test_a_resumed_run_has_the_record_of_an_undisturbed_one(tmp_path: Path) -> None:
    def rows(folder: Path) -> Any:
        without = [
            [{k: v for k, v in row.items() if k not in ("seconds", "made")} for row in lines(folder / name)]
            for name in ("updates.jsonl", "evaluations.jsonl", "journal.jsonl")
        ]
        return [*without[:2], [row for row in without[2] if row["kind"] != "resume"]]

    def go_on(optimizer: Any, driver: Any, until: int) -> None:
        while driver.t < until:
            train(optimizer, driver, 1)
            if driver.t % 3 == 0:
                driver.observe({"val_loss": 1.0})

    optimizer, driver = make(tmp_path / "whole")
    go_on(optimizer, driver, 10)
    driver.close()

    optimizer, driver = make(tmp_path / "killed")
    go_on(optimizer, driver, 4)
    state = driver.state_dict()
    go_on(optimizer, driver, 8)
    driver._record._writer.close()  # as a killed process leaves it: no result
    early = lines(tmp_path / "killed" / "updates.jsonl")[3]["seconds"]

    optimizer, driver = make(tmp_path / "killed")
    driver.load_state_dict(state)
    go_on(optimizer, driver, 10)
    driver.close()
    assert rows(tmp_path / "killed") == rows(tmp_path / "whole")
    events = [(row["t"], row["kind"], row["sentence"]) for row in lines(tmp_path / "killed" / "journal.jsonl")]
    assert (4, "resume", "Resumed at update 4.") in events
    seconds = [row["seconds"] for row in lines(tmp_path / "killed" / "updates.jsonl")]
    assert seconds == sorted(seconds)
    assert seconds[4] >= early


def test_a_change_of_the_run_is_in_the_record(tmp_path: Path) -> None:
    optimizer, driver = make(tmp_path / "mine")
    train(optimizer, driver, 4)
    state = driver.state_dict()
    driver._record._writer.close()
    a, b = (torch.ones(3, requires_grad=True) for _ in range(2))
    groups = [{"params": [a], "name": "body"}, {"params": [b], "name": "head"}]
    optimizer = torch.optim.AdamW(groups, lr=0.7)
    driver = cd.drive(optimizer, SCHEDULE, total=20, steps_per_epoch=4, record=tmp_path / "mine")
    driver.load_state_dict(state, change="extend")
    optimizer.add_param_group({"params": [torch.ones(3, requires_grad=True)], "name": "late", "lr": 0.3})
    train(optimizer, driver, 2)
    driver.close()
    run = json.loads((tmp_path / "mine" / "run.json").read_text(encoding="utf-8"))
    assert (run["horizon"]["total"], run["groups"]) == (20, ["body", "head", "late"])
    assert run["bases"]["lr"] == [0.1, 0.02, 0.3]
    assert [row["kind"] for row in lines(tmp_path / "mine" / "journal.jsonl")] == ["resume", "change"]
    assert [len(row["lr"]) for row in lines(tmp_path / "mine" / "updates.jsonl")] == [2, 2, 2, 2, 3, 3]


def test_a_group_without_a_value_has_null(tmp_path: Path) -> None:
    a, b = (torch.ones(3, requires_grad=True) for _ in range(2))
    optimizer = torch.optim.SGD([{"params": [a], "name": "body"}, {"params": [b], "name": "head"}], lr=0.1)
    driver = cd.drive(optimizer, {"head/lr": "constant()"}, total=10, record=str(tmp_path / "mine"))
    train(optimizer, driver, 1)
    driver.close()
    assert lines(tmp_path / "mine" / "updates.jsonl")[0]["lr"] == [None, 0.1]


def test_a_new_run_does_not_write_over_an_old_record(tmp_path: Path) -> None:
    optimizer, driver = make(tmp_path / "mine")
    train(optimizer, driver, 4)
    driver._record._writer.close()
    optimizer, driver = make(tmp_path / "mine")
    with pytest.raises(
        RecordError, match="holds the record of 4 updates, and this driver is at update 0; load its state"
    ):
        train(optimizer, driver, 1)
    driver._record._writer.close()
    optimizer, driver = make(tmp_path / "mine")
    with pytest.raises(RecordError, match="holds the record of 4 updates"):
        driver.observe({"val_loss": 1.0})


def test_a_run_that_has_ended_takes_no_other(tmp_path: Path) -> None:
    optimizer, driver = make(tmp_path / "mine")
    train(optimizer, driver, 1)
    driver.close()
    with pytest.raises(RecordError, match="mine"):
        make(tmp_path / "mine")


def test_bad_input_leaves_no_folder_behind(tmp_path: Path) -> None:
    with pytest.raises(cd._errors.HorizonError):
        make(tmp_path / "mine", "warmup(500) >> cosine()")
    assert list(tmp_path.iterdir()) == []


def test_a_writer_of_one_s_own_takes_the_same_rows() -> None:
    class Mine:
        def __init__(self) -> None:
            self.calls: list[tuple[str, Any]] = []

        def __getattr__(self, name: str) -> Any:
            return lambda row=None: self.calls.append((name, row))

    mine = Mine()
    optimizer, driver = make(mine, "constant() * plateau('val_loss')")
    train(optimizer, driver, 1)
    driver.observe({"val_loss": 1.0})
    driver.set(lr=0.05)
    driver.close()
    assert [name for name, _ in mine.calls] == ["start", "update", "evaluation", "event", "event", "close"]
    assert dict(mine.calls)["update"]["lr"] == [0.1, 0.02]
    assert dict(mine.calls)["close"] == {"status": "finished", "updates": 1}
