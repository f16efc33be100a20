"""What the loop does: which rate belongs to which update, groups of micro-batches, evaluations, ends."""

from __future__ import annotations

import importlib
import json
import math
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch")
pytest.importorskip("safetensors")

import torch
from safetensors.torch import load_file

import cadence as cd
from cadence.run.loop import Progress
from cadence.run.train import train

Keys = dict[str, Any]


def lines(folder: Path, name: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / name).read_text().splitlines()]


def test_the_rate_of_an_update_is_written_before_it(small: Keys, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[float] = []
    plain = torch.optim.SGD.step

    def step(self: torch.optim.SGD, *args: Any) -> Any:
        seen.append(self.param_groups[0]["lr"])
        return plain(self, *args)

    monkeypatch.setattr(torch.optim.SGD, "step", step)
    record = train({**small, "schedule": "warmup(5) >> cosine(to=0.01)"}, out="run")
    expected = cd.place("warmup(5) >> cosine(to=0.01)", total=21, base=0.05).values()
    assert seen == expected.tolist()
    assert record.updates["lr"][:, 0].tolist() == seen
    assert record.updates["t"].tolist() == list(range(21))


def test_an_epoch_ends_with_a_partial_group_and_every_row_is_seen_once(small: Keys) -> None:
    # 50 rows in batches of 8: seven, the last of 2. In groups of 3: 24, 24 and 2 rows.
    record = train({**small, "accumulate": 3, "total": "2 epochs"}, out="run")
    assert record.updates["samples"].tolist() == [24, 24, 2, 24, 24, 2]
    assert record.run["horizon"] == {"total": 6, "steps_per_epoch": 3, "batch_size": 24, "tokens_per_step": None}


def test_four_micro_batches_of_8_train_as_one_batch_of_32(small: Keys) -> None:
    double = {**small, "task_args": {"double": True}, "clip_norm": 0.5, "evaluate": 1, "total": "5 epochs"}
    one = train({**double, "batch_size": 32}, out="one")
    four = train({**double, "batch_size": 8, "accumulate": 4}, out="four")
    # 50 rows: 32 + 18. The 18 are three micro-batches of 8, 8 and 2, which count by their size.
    assert one.updates["samples"].tolist() == four.updates["samples"].tolist() == [32, 18] * 5
    for column in ("loss", "grad_norm"):
        assert four.updates[column] == pytest.approx(one.updates[column], rel=1e-12)
    assert four.evaluations["val_loss"] == pytest.approx(one.evaluations["val_loss"], rel=1e-12)


def test_the_logged_norm_is_that_before_clipping_and_the_update_is_clipped(small: Keys) -> None:
    plain = {**small, "optimizer": {"name": "sgd", "lr": 1e-3}, "total": 1, "evaluate": 1}
    free = train({**plain, "clip_norm": 1e9}, out="free")
    clipped = train({**plain, "clip_norm": 0.01}, out="clipped")
    norm = free.updates["grad_norm"][0]
    assert clipped.updates["grad_norm"][0] == norm > 0.01

    def moved(folder: str) -> float:
        torch.manual_seed(0)
        start = importlib.import_module("small_tasks").Net(0.0, False, False).state_dict()
        end = load_file(Path(folder) / "checkpoints" / "1.safetensors")
        names = [n for n in start if f"model.{n}" in end]
        return math.sqrt(sum(float(((end[f"model.{n}"] - start[n]) ** 2).sum()) for n in names))

    # Weights are float32: a step of 1e-5 on weights of 0.3 has three digits.
    assert moved("free") == pytest.approx(1e-3 * norm, rel=1e-2)
    assert moved("clipped") == pytest.approx(1e-3 * 0.01, rel=1e-2)


def test_without_clipping_no_norm_is_computed(small: Keys) -> None:
    assert "grad_norm" not in train(small, out="run").updates


def test_evaluations_come_at_their_distance_and_after_the_last_update(small: Keys) -> None:
    assert train({**small, "evaluate": "0.5 epochs", "total": 10}, out="a").evaluations["t"].tolist() == [4, 7, 10]
    assert train({**small, "evaluate": 4, "total": 10}, out="b").evaluations["t"].tolist() == [4, 8, 10]
    assert train({**small, "evaluate": 5, "total": 10}, out="c").evaluations["t"].tolist() == [5, 10]
    assert train({**small, "evaluate": "9 epochs", "total": 10}, out="d").evaluations["t"].tolist() == [10]
    assert train({**small, "evaluate": "1 sample", "total": 3}, out="e").evaluations["t"].tolist() == [1, 2, 3]
    assert train({**small, "evaluate": "50%", "total": 10}, out="f").evaluations["t"].tolist() == [5, 10]


def test_an_evaluation_is_the_mean_over_the_whole_split_and_says_its_epoch(small: Keys) -> None:
    record = train({**small, "total": "2 epochs"}, out="run")
    assert record.evaluations["epoch"].tolist() == [1.0, 2.0]
    small_tasks = importlib.import_module("small_tasks")
    task = small_tasks.rows()
    net = small_tasks.Net(0.0, False, False)
    found = load_file("run/checkpoints/14.safetensors")
    state = {n: found.get(f"model.{n}", found.get(f"model.{n.replace('same_head', 'head')}")) for n in net.state_dict()}
    net.load_state_dict(state)
    batch = next(task.data.held_out("val"))
    with torch.no_grad():
        out = net(torch.from_numpy(batch.inputs))
    expected = float(small_tasks.square(out, torch.from_numpy(batch.targets)))
    assert record.evaluations["val_loss"][-1] == pytest.approx(expected, rel=1e-6)
    assert record.result["final"]["val_miss"] == record.evaluations["val_miss"][-1]


def test_the_tuning_split_judges_where_it_is_asked_for(small: Keys) -> None:
    reported, tuning = train(small), train(small, split="tune")
    assert reported.folder != tuning.folder
    assert (reported.run["split"], tuning.run["split"]) == ("val", "tune")
    assert reported.updates["loss"].tolist() == tuning.updates["loss"].tolist()
    assert reported.result["final"]["val_loss"] != tuning.result["final"]["val_loss"]


def test_an_early_stop_ends_the_run_with_its_reason(small: Keys) -> None:
    keys = {
        **small,
        "optimizer": {"name": "sgd", "lr": 1e-9},
        "stop": "early_stop('val_loss', patience=2)",
        "total": 99,
    }
    record = train({**keys, "evaluate": 5, "checkpoint": {"every": 50}}, out="run")
    assert record.status == "stopped"
    assert record.result["updates"] == 20  # the first, and three without improvement
    assert "stop" in record.result["sentence"]
    assert "patience of 2" in record.result["sentence"]
    assert [e["kind"] for e in record.journal][-1] == "stop"
    # What it ended with is kept, although no checkpoint was due.
    assert (Path("run") / "checkpoints" / "20.json").exists()


def test_a_stop_decided_after_the_last_update_is_a_finished_run(small: Keys) -> None:
    keys = {**small, "optimizer": {"name": "sgd", "lr": 1e-9}, "stop": "early_stop('val_loss', patience=2)"}
    assert train({**keys, "total": 20, "evaluate": 5}, out="run").status == "finished"


def test_a_plateau_in_the_schedule_cuts_from_the_next_update_on(small: Keys) -> None:
    keys = {**small, "optimizer": {"name": "sgd", "lr": 1e-9}, "total": 12, "evaluate": 2}
    record = train(
        {**keys, "schedule": "warmup(2) >> constant() * plateau('val_loss', factor=0.5, patience=1)"}, out="r"
    )
    rates = record.updates["lr"][:, 0] / 1e-9
    # What is observed after the two updates of the warmup is not the plateau's. After 4 the best, after 6 and 8 no
    # improvement; again after 10 and 12, where there is no update left.
    assert rates[2:].tolist() == pytest.approx([1, 1, 1, 1, 1, 1, 0.5, 0.5, 0.5, 0.5])
    assert [(e["t"], e["kind"]) for e in record.journal if e["kind"] == "cut"] == [(8, "cut"), (12, "cut")]


def test_several_values_and_groups_follow_their_own_schedules(small: Keys) -> None:
    record = train(
        {
            **small,
            "optimizer": {"name": "sgd", "lr": 0.05, "momentum": 0.9, "weight_decay": 0.1},
            "groups": {
                "head": {"parameters": "head.*", "lr": 0.5},
                "offset": {"parameters": ["*.bias"], "without": "head.*", "weight_decay": 0.0},
            },
            "schedule": {"lr": "cosine()", "head/lr": "constant()", "weight_decay": "linear()"},
            "total": 4,
        },
        out="run",
    )
    assert record.run["groups"] == ["head", "offset", "rest"]
    assert record.updates["lr"][:, 0].tolist() == [0.5] * 4
    assert record.updates["lr"][:, 2] == pytest.approx(cd.place("cosine()", total=4, base=0.05).values())
    assert record.updates["weight_decay"][2].tolist() == pytest.approx([0.05, 0, 0.05])


def test_a_loss_that_is_not_finite_ends_the_run_as_diverged(small: Keys) -> None:
    record = train({**small, "optimizer": {"name": "sgd", "lr": 1e18}, "total": 50}, out="run")
    assert record.status == "diverged"
    assert record.result["final"] == {}
    assert "diverged" in record.result["sentence"]
    assert not math.isfinite(record.updates["loss"][-1])
    assert record.result["updates"] == len(record.updates) < 50
    # And it stays so: the same command does not train it again.
    begin = (Path("run") / "updates.jsonl").stat().st_mtime_ns
    assert train({**small, "optimizer": {"name": "sgd", "lr": 1e18}, "total": 50}, out="run").status == "diverged"
    assert (Path("run") / "updates.jsonl").stat().st_mtime_ns == begin


def test_a_divergence_that_only_the_evaluation_sees_ends_the_run_too(small: Keys) -> None:
    keys = {**small, "optimizer": {"name": "sgd", "lr": 1e38}, "total": 1, "stop": "early_stop('val_loss')"}
    record = train(keys, out="run")
    assert record.status == "diverged"
    assert record.result["sentence"].startswith("val_loss after 1 updates is ")
    assert len(record.evaluations) == 1


def test_a_fault_in_the_model_is_raised_recorded_and_can_be_tried_again(small: Keys) -> None:
    keys = {**small, "model": "small_tasks:Broken"}
    with pytest.raises(IndexError, match="row 7 of 7"):
        train(keys, out="run")
    assert cd.load_record("run").status == "failed"
    assert "IndexError: row 7 of 7" in cd.load_record("run").result["sentence"]  # type: ignore[index]
    with pytest.raises(IndexError):
        train(keys, out="run")


def test_progress_is_told_at_every_evaluation(small: Keys) -> None:
    told: list[Progress] = []
    train(small, out="run", progress=told.append)
    evaluated = [p for p in told if p.evaluated]
    assert [p.t for p in evaluated] == [7, 14, 21]
    assert all(p.total == 21 and set(p.metrics) == {"val_loss", "val_miss"} for p in evaluated)
    assert evaluated[-1].values == {"lr": [0.05]}
    assert 0 < evaluated[0].seconds < evaluated[-1].seconds


def test_seconds_grow_and_the_result_tells_training_from_the_rest(small: Keys) -> None:
    record = train(small, out="run")
    seconds = record.updates["seconds"]
    assert (seconds[1:] >= seconds[:-1]).all()
    assert 0 < record.result["train_seconds"] < record.result["seconds"]


def test_the_best_evaluation_stands_in_the_result(small: Keys) -> None:
    record = train(
        {**small, "optimizer": {"name": "sgd", "lr": 0.3, "momentum": 0.9}, "evaluate": 1, "total": 40}, out="r"
    )
    losses = record.evaluations["val_loss"]
    assert record.result["best"]["val_loss"] == losses.min() < losses[-1]
    assert record.result["best"]["t"] == record.evaluations["t"][losses.argmin()]


@pytest.mark.parametrize("precision", ["bf16", "fp16"])
def test_mixed_precision_trains_and_accumulates(small: Keys, precision: str) -> None:
    keys = {**small, "precision": precision, "clip_norm": 1.0, "accumulate": 2, "total": "6 epochs"}
    mixed, plain = train(keys, out="mixed"), train({**keys, "precision": "fp32"}, out="plain")
    assert mixed.status == "finished"
    assert mixed.updates["loss"][:3] == pytest.approx(plain.updates["loss"][:3], rel=0.05)
    assert mixed.updates["loss"].tolist() != plain.updates["loss"].tolist()


def test_an_update_that_the_loss_scaler_skips_is_no_update(small: Keys) -> None:
    # Targets in the ten thousands: with the scale of 65536 that a scaler begins at, float16 overflows for some updates.
    keys = {**small, "task_args": {"scale": 30.0}, "precision": "fp16", "schedule": "linear()", "total": 10}
    record = train({**keys, "optimizer": {"name": "sgd", "lr": 1e-6}}, out="run")
    assert record.status == "finished"
    assert record.updates["t"].tolist() == list(range(10))
    assert record.updates["lr"][:, 0] == pytest.approx(cd.place("linear()", total=10, base=1e-6).values())
    position = json.loads((Path("run") / "checkpoints" / "10.json").read_text())["state"]["loop"]["position"]
    assert position > 10


def test_a_scaler_that_skips_for_ever_ends_the_run(small: Keys) -> None:
    record = train({**small, "model": "small_tasks:Endless", "precision": "fp16", "total": 10}, out="run")
    assert record.status == "diverged"
    assert record.result["updates"] == 0
    assert record.result["sentence"].startswith("The loss scaler skipped 100 updates in a row from update 0 on")


def test_a_loss_that_overflows_in_a_skipped_update_does_not_end_the_run(small: Keys) -> None:
    keys = {**small, "model": "small_tasks:Hiccup"}
    assert train({**keys, "precision": "fp16"}, out="half").status == "finished"
    full = train(keys, out="full")
    assert full.status == "diverged"
    assert full.result["updates"] == 3


def test_how_often_is_evaluated_changes_nothing_of_the_training(small: Keys) -> None:
    keys = {**small, "task": "small_tasks:judged_by_chance"}
    often, once = train({**keys, "evaluate": 1}, out="often"), train({**keys, "evaluate": 99}, out="once")
    assert often.updates["loss"].tolist() == once.updates["loss"].tolist()


def test_the_process_gets_its_own_random_numbers_and_threads_back(small: Keys) -> None:
    import random

    import numpy as np

    torch.manual_seed(1)
    random.seed(1)
    np.random.seed(1)
    before = torch.rand(3), random.random(), np.random.rand()
    torch.manual_seed(1)
    random.seed(1)
    np.random.seed(1)
    threads = torch.get_num_threads()
    train({**small, "task": "small_tasks:alive", "threads": 2}, out="run")
    assert torch.get_num_threads() == threads
    assert torch.equal(before[0], torch.rand(3))
    assert before[1:] == (random.random(), np.random.rand())


def test_a_run_is_a_function_of_its_recipe(small: Keys) -> None:
    keys = {**small, "task": "small_tasks:alive"}
    a, b, c = train(keys, out="a"), train(keys, out="b"), train(keys, out="c", seed=1)
    assert a.updates["loss"].tolist() == b.updates["loss"].tolist()
    assert a.updates["loss"].tolist() != c.updates["loss"].tolist()
