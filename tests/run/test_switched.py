"""Optimizers with two sets of weights: the run judges and saves the averaged ones, and trains the others."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch")
pytest.importorskip("safetensors")
pytest.importorskip("schedulefree")

import schedulefree
import torch
from safetensors.torch import load_file

from cadence._errors import RecipeError
from cadence.recipe.recipe import make_recipe
from cadence.run.engine import find_engine
from cadence.run.imports import called
from cadence.run.ranks import Alone
from cadence.run.train import train
from cadence.tasks import resolve_task

Keys = dict[str, Any]

NAMES = ("schedule_free_adamw", "schedule_free_sgd", "schedule_free_radam", "schedulefreeadamw", "splus")


@pytest.fixture(params=NAMES)
def keys(request: pytest.FixtureRequest, small: Keys) -> Keys:
    if not request.param.startswith("schedule_free"):
        pytest.importorskip("pytorch_optimizer")
    return {
        **small,
        "optimizer": {"name": request.param, "lr": 0.05},
        "schedule": "warmup(5) >> constant()",
        "evaluate": 5,
        "total": 23,
        "checkpoint": {"every": 1, "keep": 30},
    }


def test_the_checkpoint_has_the_weights_that_the_method_itself_says_are_the_models() -> None:
    task = resolve_task("small_tasks:rows", double=True)
    keys = {
        "task": "small_tasks:rows", "task_args": {"double": True}, "device": "cpu", "total": 9,
        "optimizer": {"name": "schedule_free_adamw", "lr": 0.05, "betas": [0.95, 0.999], "weight_decay": 0.1},
    }  # fmt: skip
    batches = [[batch] for batch in task.data.held_out("val")] * 9
    with find_engine("torch")(make_recipe(keys), task, Alone()) as engine:
        begin = {name: w.clone() for name, w in engine._model.state_dict().items()}  # type: ignore[attr-defined]
        for group in batches[:6]:
            engine.update(group, None)
        engine.evaluate(task.data.held_out("val"))
        for group in batches[6:]:
            engine.update(group, None)
        Path("saved.safetensors").write_bytes(b"".join(engine.save().file))
    # The same by schedulefree's own rules.
    model = task.model("torch")()
    model.load_state_dict(begin)
    optimizer = schedulefree.AdamWScheduleFree(model.parameters(), lr=0.05, betas=(0.95, 0.999), weight_decay=0.1)
    optimizer.train()
    for (batch,) in batches:
        optimizer.zero_grad()
        ((model(torch.from_numpy(batch.inputs)).squeeze(-1) - torch.from_numpy(batch.targets)) ** 2).mean().backward()
        optimizer.step()
    trained = {name: w.clone() for name, w in model.state_dict().items()}
    optimizer.eval()
    saved = load_file("saved.safetensors")
    for name, weights in model.state_dict().items():
        if f"model.{name}" in saved:
            torch.testing.assert_close(saved[f"model.{name}"], weights, rtol=1e-9, atol=1e-12)
            assert not torch.allclose(weights, trained[name], rtol=1e-3)


def test_the_weights_in_a_checkpoint_have_the_loss_that_was_reported(keys: Keys) -> None:
    keys = {**keys, "model": "small_tasks:wide"}
    record = train(keys, out="run")
    evaluations = record.evaluations
    (batch,) = resolve_task("small_tasks:rows").data.held_out("val")
    for t, loss in zip(evaluations["t"], evaluations["val_loss"], strict=True):
        saved = load_file(Path("run") / "checkpoints" / f"{int(t)}.safetensors")
        model = called("small_tasks:wide", "model", {})
        model.load_state_dict({n.removeprefix("model."): w for n, w in saved.items() if n.startswith("model.")})
        outputs = model(torch.from_numpy(batch.inputs)).squeeze(-1)
        found = ((outputs - torch.from_numpy(batch.targets)) ** 2).mean().item()
        assert found == pytest.approx(loss, rel=1e-5)


def test_a_resumed_run_goes_on_to_the_bit(keys: Keys, monkeypatch: pytest.MonkeyPatch) -> None:
    class Killed(BaseException):
        pass

    monkeypatch.setattr("cadence.run.loop.PROGRESS_SECONDS", 0.0)
    whole = train(keys, out="whole")
    for t in (3, 11):

        def end(progress: Any, t: int = t) -> None:
            if progress.t >= t:
                raise Killed

        with pytest.raises(Killed):
            train(keys, out=f"at{t}", progress=end)
        again = train(keys, out=f"at{t}")
        if keys["optimizer"]["name"] == "splus":
            # Its eigenvectors lie in memory by columns, those of a checkpoint by rows, and round otherwise.
            assert again.updates["loss"] == pytest.approx(whole.updates["loss"], rel=1e-4)
            continue
        assert again.updates["loss"].tobytes() == whole.updates["loss"].tobytes()
        assert again.evaluations["val_loss"].tobytes() == whole.evaluations["val_loss"].tobytes()
        ends = [load_file(r.folder / "checkpoints" / "23.safetensors") for r in (whole, again)]
        assert all(torch.equal(w, ends[1][name]) for name, w in ends[0].items())


def test_how_often_is_saved_changes_the_training_by_rounding_only(keys: Keys) -> None:
    keys = {**keys, "task_args": {"double": True}}
    often = train(keys, out="often")
    rarely = train({**keys, "checkpoint": {"every": 23}}, out="rarely")
    assert often.updates["loss"] == pytest.approx(rarely.updates["loss"], rel=1e-9)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("schedule_free_adamw_closure", "needs a closure, which a recipe cannot give"),
        ("lbfgs", "needs a closure, which a recipe cannot give"),
        ("adahessian", "needs second derivatives"),
        ("sophiah", "needs second derivatives"),
    ],
)
def test_methods_that_a_recipe_cannot_step_are_refused_before_training(small: Keys, name: str, words: str) -> None:
    if name in ("adahessian", "sophiah"):
        pytest.importorskip("pytorch_optimizer")
    with pytest.raises(RecipeError, match=words):
        train({**small, "optimizer": {"name": name, "lr": 0.05}}, out="run")
    assert not Path("run").exists()


@pytest.mark.parametrize("name", ["lion", "prodigy", "adan", "pytorch_optimizer:lamb", "adafactor", "nadam", "lars"])
def test_recipes_take_methods_by_name(small: Keys, name: str) -> None:
    pytest.importorskip("pytorch_optimizer")
    lr = {"prodigy": 1.0, "lars": 5.0, "adafactor": 0.1}.get(name, 0.03)
    keys = {**small, "optimizer": {"name": name, "lr": lr}, "schedule": "cosine()", "total": "30 epochs"}
    record = train({**keys, "evaluate": "30 epochs"}, out="run")
    assert record.result["status"] == "finished"
    assert record.updates["loss"][-5:].mean() < record.updates["loss"][:5].mean()
