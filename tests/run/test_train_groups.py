"""Recipes that divide the parameters: several optimizers, frozen groups, decay by depth; what a resumed run does."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("safetensors")

import torch
from safetensors.torch import load_file

import cadence as cd
from cadence._errors import CadenceError
from cadence.run.loop import Progress
from cadence.run.outline import Outline, outline
from cadence.run.torch_arithmetic import arithmetic
from cadence.run.torch_engine import TorchEngine
from cadence.run.torch_optimizers import Together
from cadence.run.train import train

Keys = dict[str, Any]


class Killed(BaseException):
    """Ends a run in the middle, as Ctrl-C does."""


@pytest.fixture
def divided(small: Keys) -> Keys:
    """Two optimizers, three groups of which two are frozen at first, decay by depth, a rule that cuts."""
    return {
        **small,
        "task": "small_tasks:alive",
        "optimizer": {
            "main": {"name": "adamw", "lr": 0.02, "weight_decay": 0.1},
            "other": {"name": "sgd", "lr": 0.01, "momentum": 0.9},
        },
        "groups": {
            "body": {"parameters": "body.*", "optimizer": "other", "frozen": "1 epoch"},
            "norm": {"parameters": "role:norm", "lr": "x0.5", "frozen": 4},
        },
        "no_decay": True,
        "layer_decay": 0.5,
        "schedule": {"lr": "warmup(3) >> constant() * plateau('val_loss', factor=0.5, patience=0)", "body/lr": "cosine()"},
        "total": 18,
        "evaluate": 3,
        "checkpoint": {"every": 1, "keep": 40},
    }  # fmt: skip


def weights(folder: str | Path, t: int) -> dict[str, Any]:
    found = load_file(Path(folder) / "checkpoints" / f"{t}.safetensors")
    return {name.removeprefix("model."): x for name, x in found.items() if name.startswith("model.")}


def rows(folder: str | Path, name: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (Path(folder) / name).read_text().splitlines()]


def test_each_group_goes_to_its_optimizer_with_its_values(divided: Keys) -> None:
    told: list[Outline] = []
    record = train(divided, out="run", before=told.append, progress=lambda p: None)
    names = ["norm:0:no_decay", "rest:1", "rest:1:no_decay", "body:0", "body:0:no_decay"]
    assert record.run["groups"] == names == [part.name for part in told[0].groups.parts]
    # The rate of the last depth is the whole one; of the one before, half of it.
    assert record.run["bases"]["lr"] == [0.005, 0.02, 0.02, 0.005, 0.005]
    assert [part.optimizer for part in told[0].groups.parts] == ["main"] * 3 + ["other"] * 2
    rates = record.updates["lr"]
    assert rates[:, 3] == pytest.approx(cd.place("cosine()", total=18, base=0.005).values())
    np.testing.assert_allclose(rates[:, 0] / rates[:, 1], 0.25, rtol=1e-15)


def test_frozen_groups_change_only_when_they_are_thawed(divided: Keys) -> None:
    train(divided, out="run")
    steps = [weights("run", t) for t in range(1, 19)]
    for name, until in (("body.weight", 7), ("norm.weight", 4), ("norm.bias", 4), ("head.weight", 0)):
        for t in range(1, 18):
            same = torch.equal(steps[t - 1][name], steps[t][name])
            assert same == (t < until), (name, t)
    events = [(e["t"], e["kind"]) for e in rows("run", "journal.jsonl") if e["kind"] in ("freeze", "thaw")]
    assert events == [(0, "freeze"), (4, "thaw"), (7, "thaw")]


@pytest.mark.parametrize("nonfinite", [None, "rollback"])
@pytest.mark.parametrize("t", [0, 1, 2])
def test_a_run_that_was_killed_before_its_first_checkpoint_says_once_what_is_frozen(
    divided: Keys, nonfinite: str | None, t: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    # With a rollback there is a checkpoint before the first update.
    keys = {**divided, "checkpoint": {"every": 9}, "divergence": {"nonfinite": nonfinite}}
    update, done = TorchEngine.update, list[int]()

    def counted(self: TorchEngine, *args: Any) -> Any:
        if len(done) == t:
            raise Killed
        done.append(1)
        return update(self, *args)

    with monkeypatch.context() as patch:
        patch.setattr(TorchEngine, "update", counted)
        with pytest.raises(Killed):
            train(keys, out="run")
    train(keys, out="run")
    assert [e["kind"] for e in rows("run", "journal.jsonl") if e["kind"] in ("freeze", "thaw")] == [
        "freeze", "thaw", "thaw",
    ]  # fmt: skip


@pytest.mark.parametrize("t", [2, 4, 6, 7, 12])
def test_a_resumed_run_is_the_unbroken_one_to_the_bit(divided: Keys, t: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cadence.run.loop.PROGRESS_SECONDS", 0.0)
    unbroken = train(divided, out="unbroken")

    def kill(now: Progress) -> None:
        if now.t >= t:
            raise Killed

    with pytest.raises(Killed):
        train(divided, out="broken", progress=kill)
    resumed = train(divided, out="broken")
    for name, tensor in weights("unbroken", 18).items():
        assert torch.equal(weights("broken", 18)[name], tensor), name
    for column in ("lr", "loss"):
        assert resumed.updates[column].tolist() == unbroken.updates[column].tolist()
    events = [
        [{k: v for k, v in e.items() if k != "made"} for e in rows(folder, "journal.jsonl") if e["kind"] != "resume"]
        for folder in ("unbroken", "broken")
    ]
    assert events[0] == events[1]


def test_a_method_that_averages_is_switched_beside_another(small: Keys, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("schedulefree")
    monkeypatch.setattr("cadence.run.loop.PROGRESS_SECONDS", 0.0)
    keys = {
        **small,
        "optimizer": {"main": {"name": "sgd", "lr": 0.05}, "free": {"name": "schedule_free_sgd", "lr": 0.05}},
        "groups": {"body": {"parameters": "body.*", "optimizer": "free"}},
        "checkpoint": {"every": 1, "keep": 3},
    }
    whole = train(keys, out="whole")

    def kill(now: Progress) -> None:
        if now.t >= 9:
            raise Killed

    with pytest.raises(Killed):
        train(keys, out="part", progress=kill)
    resumed = train(keys, out="part")
    # It remembers the sums, and going there and back between its two sets of weights costs the last digits.
    assert resumed.updates["loss"] == pytest.approx(whole.updates["loss"], rel=1e-4)
    assert resumed.result["final"] == pytest.approx(whole.result["final"], rel=1e-4)


@pytest.mark.parametrize("clip", [False, True])
def test_where_one_gradient_overflows_no_optimizer_steps(clip: bool) -> None:
    a, b = (torch.ones(2, requires_grad=True) for _ in range(2))
    together = Together([torch.optim.SGD([a], lr=0.1), torch.optim.SGD([b], lr=0.1)])
    means = arithmetic("fp16", torch.device("cpu"))
    for factor, moved in ((float("inf"), False), (1.0, True)):
        together.zero_grad()
        means.backward((factor * a + b).sum())
        if clip:
            means.clip(together, [a, b], 100.0)
        means.step(together)
        assert [bool((x != 1).all()) for x in (a, b)] == [moved, moved]


def test_an_outline_trains_nothing_and_writes_nothing(divided: Keys, tmp_path: Path) -> None:
    before = set(tmp_path.iterdir())
    found = outline(divided, updates=9)
    assert set(tmp_path.iterdir()) == before
    assert (found.total, found.steps_per_epoch, found.batch_size, found.divided) == (9, 7, 8, True)
    assert json.loads(json.dumps(found.to_json()))["groups"][0]["frozen"] == 4
    assert not outline({**divided, "optimizer": {"name": "sgd", "lr": 1}, "groups": {}, "no_decay": False,
                        "layer_decay": None, "schedule": "cosine()"}).divided  # fmt: skip


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ({"groups": {"a": {"parameters": "*", "frozen": 3}}}, "every parameter group is frozen at update 0"),
        ({"groups": {"a": {"parameters": "body.*", "frozen": "3 epochs"}}}, "21 updates, and the run has 21"),
        ({"layer_decay": 1.5}, "layer_decay is 1.5; it must be a number above 0 and at most 1"),
        ({"groups": {"a": {"parameters": "body.*", "momentum": "x2", "dampening": "x2"}}}, ""),
        (
            {"optimizer": {"name": "rprop", "lr": 0.1}, "no_decay": True},
            "the optimizer 'rprop' has none",
        ),
    ],
    ids=["all frozen", "too long", "no decay by depth", "multiples", "no weight decay"],
)
def test_what_cannot_be_meant_is_refused_before_training(small: Keys, keys: Keys, said: str) -> None:
    if not said:
        assert outline({**small, **keys}).groups.rows()[0]["values"]["momentum"] == 1.8
        return
    with pytest.raises(CadenceError) as caught:
        train({**small, **keys}, progress=lambda p: pytest.fail("it trains"))
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)
