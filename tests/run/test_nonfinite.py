"""Gradients that are not finite: never in the weights where the recipe says so."""

from __future__ import annotations

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
from cadence._errors import RecipeError
from cadence.recipe.recipe import make_recipe
from cadence.run.torch_finite import overflowed
from cadence.run.train import train

Keys = dict[str, Any]


def events(folder: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (Path(folder) / "journal.jsonl").read_text().splitlines()]


@pytest.fixture
def hiccup(small: Keys) -> Keys:
    """Its third batch overflows."""
    return {**small, "model": "small_tasks:Hiccup", "schedule": "linear()", "evaluate": 10, "total": 10}


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_an_update_that_overflows_is_skipped_and_the_schedule_waits(hiccup: Keys, precision: str) -> None:
    record = train({**hiccup, "divergence": {"nonfinite": "skip"}, "precision": precision}, out="run")
    assert record.result["status"] == "finished"
    assert record.updates["t"].tolist() == list(range(10))
    expected = cd.place("linear()", total=10, base=0.05).values()
    assert record.updates["lr"][:, 0].tolist() == expected.tolist()
    assert all(math.isfinite(loss) for loss in record.updates["loss"])
    (skip,) = [e for e in events("run") if e["kind"] == "skip"]
    assert (skip["t"], skip["updates"], skip["made"]) == (2, 1, 3)
    assert skip["sentence"] == (
        "Skipped 1 update in the place of update 2: the gradient of line.weight, line.bias was not finite."
    )


def test_with_loss_scaling_what_the_scaler_skips_is_told_as_well(hiccup: Keys) -> None:
    record = train({**hiccup, "divergence": {"nonfinite": "skip"}, "precision": "fp16"}, out="run")
    assert record.result["status"] == "finished"
    assert all(math.isfinite(loss) for loss in record.updates["loss"])
    # The third batch, and those before it that the first scale is too large for.
    assert sum(e["updates"] for e in events("run") if e["kind"] == "skip") >= 1
    assert record.updates["lr"][0, 0] == 0.05


def test_the_batch_is_left_out_as_if_it_had_not_been_there(hiccup: Keys, monkeypatch: pytest.MonkeyPatch) -> None:
    skipped = train({**hiccup, "divergence": {"nonfinite": "skip"}, "total": 9, "clip_norm": 0.5}, out="skipped")
    # The same by hand: all batches but the third.
    import cadence.run.loop as loop

    feed = loop.groups

    def without_third(*args: Any) -> Any:
        for i, batches in enumerate(feed(*args)):
            if i != 2:
                yield batches

    monkeypatch.setattr(loop, "groups", without_third)
    monkeypatch.setattr("small_tasks.Hiccup.forward", lambda self, x: self.line(x))
    plain = train({**hiccup, "total": 9, "clip_norm": 0.5}, out="plain")
    assert skipped.updates["loss"].tolist() == plain.updates["loss"].tolist()
    ends = [load_file(Path(f) / "checkpoints" / "9.safetensors") for f in ("skipped", "plain")]
    for name in ("model.line.weight", "model.line.bias"):
        assert torch.equal(ends[0][name], ends[1][name])


def test_without_the_key_it_reaches_the_weights_and_the_run_ends(hiccup: Keys) -> None:
    record = train(hiccup, out="run")
    assert record.result["status"] == "diverged"
    assert record.result["updates"] == 3


def test_with_stop_the_run_ends_before_a_weight_is_changed(hiccup: Keys) -> None:
    record = train({**hiccup, "divergence": {"nonfinite": "stop"}, "checkpoint": {"every": 1}}, out="run")
    assert record.result["status"] == "diverged"
    assert record.result["updates"] == 2
    assert record.result["sentence"] == (
        "The gradient of line.weight, line.bias in update 2 is not finite, and no weight was changed: the training "
        "diverged; lower the learning rate or clip."
    )
    newest = load_file(Path("run") / "checkpoints" / "2.safetensors")
    assert all(torch.isfinite(w).all() for name, w in newest.items() if name.startswith("model."))


def test_a_run_that_never_gets_a_finite_gradient_ends(small: Keys) -> None:
    record = train({**small, "model": "small_tasks:Endless", "divergence": {"nonfinite": "skip"}}, out="run")
    assert record.result["status"] == "diverged"
    assert record.result["updates"] == 0
    assert record.result["sentence"].startswith("Gradients were not finite in 100 updates in a row from update 0 on")
    assert events("run")[-1]["updates"] == 100


def test_a_resumed_run_tells_of_a_skipped_update_once(hiccup: Keys, monkeypatch: pytest.MonkeyPatch) -> None:
    class Killed(BaseException):
        pass

    monkeypatch.setattr("cadence.run.loop.PROGRESS_SECONDS", 0.0)
    keys = {**hiccup, "divergence": {"nonfinite": "skip"}, "checkpoint": {"every": 1, "keep": 20}}

    def end(progress: Any) -> None:
        if progress.t >= 4:
            raise Killed

    with pytest.raises(Killed):
        train(keys, out="run", progress=end)
    # Killed between the skipped update and the next: taken up at the checkpoint before.
    for path in (Path("run") / "checkpoints").glob("[34].*"):
        path.unlink()
    train(keys, out="run")
    assert [e["kind"] for e in events("run")].count("skip") == 1


def test_micro_batches_are_one_gradient(hiccup: Keys) -> None:
    record = train({**hiccup, "divergence": {"nonfinite": "skip"}, "accumulate": 2, "total": 5}, out="run")
    assert record.result["status"] == "finished"
    assert [e["t"] for e in events("run") if e["kind"] == "skip"] == [1]


def test_with_loss_scaling_stop_is_refused() -> None:
    keys = {"task": "digits", "optimizer": {"name": "sgd", "lr": 0.1}, "total": 5, "precision": "fp16"}
    with pytest.raises(RecipeError, match=r"write divergence: \{nonfinite: skip\}, or leave it out"):
        make_recipe({**keys, "divergence": {"nonfinite": "stop"}})
    with pytest.raises(
        RecipeError, match=r"divergence\.nonfinite is 'ignore'; it must be stop, skip, rollback or null"
    ):
        make_recipe({**keys, "divergence": {"nonfinite": "ignore"}})
    assert make_recipe({**keys, "divergence": {"nonfinite": None}}).content_hash == make_recipe(keys).content_hash


def test_large_numbers_whose_squares_overflow_are_finite() -> None:
    line = torch.nn.Linear(2, 1)
    line.weight.grad = torch.full((1, 2), 3e38)
    line.bias.grad = torch.zeros(1)
    assert overflowed(line) == ()
    line.bias.grad = torch.tensor([float("nan")])
    assert overflowed(line) == ("bias",)
    line.bias.grad = torch.tensor([float("-inf")])
    assert overflowed(line) == ("bias",)


def test_sparse_gradients_are_looked_at() -> None:
    layer = torch.nn.Embedding(5, 3, sparse=True)
    layer(torch.tensor([1, 2])).sum().backward()
    assert overflowed(layer) == ()
    layer(torch.tensor([1])).mul(float("inf")).sum().backward()
    assert overflowed(layer) == ("weight",)
