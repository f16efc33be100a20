"""Training by recipe in paddle: the same loop, and what differs between frameworks."""

from __future__ import annotations

import importlib
import json
import math
import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("paddle")
pytest.importorskip("safetensors")

import paddle
from safetensors.paddle import load_file

import cadence as cd
from cadence._errors import CadenceError, MissingExtraError, RecipeError
from cadence.run import paddle_arithmetic
from cadence.run.engine import engine_names, find_engine
from cadence.run.paddle_finite import overflowed
from cadence.run.paddle_optimizers import Together
from cadence.run.train import train

Keys = dict[str, Any]


@pytest.fixture
def small(small: Keys) -> Keys:
    return {**small, "engine": "paddle", "task": "small_paddle:rows"}


def events(folder: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (Path(folder) / "journal.jsonl").read_text().splitlines()]


def weights(folder: str, t: int) -> dict[str, Any]:
    found = load_file(Path(folder) / "checkpoints" / f"{t}.safetensors")
    return {name.removeprefix("model."): x.numpy() for name, x in found.items() if name.startswith("model.")}


# ---- the loop ------------------------------------------------------------------------------------------------------


def test_both_frameworks_have_an_engine() -> None:
    assert engine_names() == ["paddle", "torch"]


def test_the_rate_of_an_update_is_written_before_it(small: Keys, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[float] = []
    plain = paddle.optimizer.Momentum.step

    def step(self: Any) -> None:
        seen.append(self.get_lr())
        plain(self)

    monkeypatch.setattr(paddle.optimizer.Momentum, "step", step)
    record = train({**small, "schedule": "warmup(5) >> cosine(to=0.01)"}, out="run")
    expected = cd.place("warmup(5) >> cosine(to=0.01)", total=21, base=0.05).values()
    assert record.updates["lr"][:, 0].tolist() == expected.tolist()
    # Paddle keeps the rate as float32.
    assert seen == pytest.approx(expected.tolist(), rel=1e-7)
    assert record.updates["t"].tolist() == list(range(21))
    assert record.result["status"] == "finished"


def test_micro_batches_count_by_their_targets(small: Keys) -> None:
    double = {**small, "task_args": {"double": True}, "clip_norm": 0.5, "evaluate": 1, "total": "5 epochs"}
    one = train({**double, "batch_size": 32}, out="one")
    four = train({**double, "batch_size": 8, "accumulate": 4}, out="four")
    # 50 rows: 32 + 18. The 18 are three micro-batches of 8, 8 and 2, which count by their size.
    assert one.updates["samples"].tolist() == four.updates["samples"].tolist() == [32, 18] * 5
    for column in ("loss", "grad_norm"):
        assert four.updates[column] == pytest.approx(one.updates[column], rel=1e-12)
    assert four.evaluations["val_loss"] == pytest.approx(one.evaluations["val_loss"], rel=1e-12)


def test_the_logged_norm_is_that_before_clipping_and_the_update_is_clipped(small: Keys) -> None:
    plain = {**small, "optimizer": {"name": "sgd", "lr": 1e-3}, "total": 2, "evaluate": 1}
    free = train({**plain, "clip_norm": 1e9}, out="free")
    train({**plain, "clip_norm": 0.01}, out="clipped")
    norm = free.updates["grad_norm"][1]
    assert norm > 0.01

    def moved(folder: str) -> float:
        start, end = weights(folder, 1), weights(folder, 2)
        return math.sqrt(sum(float(((end[n] - start[n]) ** 2).sum()) for n in start))

    # Weights are float32: a step of 1e-5 on weights of 0.3 has three digits.
    assert moved("free") == pytest.approx(1e-3 * norm, rel=1e-2)
    assert moved("clipped") == pytest.approx(1e-3 * 0.01, rel=1e-2)


def test_an_evaluation_is_the_mean_over_the_whole_split_in_evaluation_mode(small: Keys) -> None:
    record = train({**small, "task_args": {"dropout": 0.5, "norm": True}, "total": "2 epochs"}, out="run")
    small_paddle = importlib.import_module("small_paddle")
    net = small_paddle.Net(0.5, True)
    found = {name: paddle.to_tensor(x) for name, x in weights("run", 14).items()}
    net.set_state_dict({n: found.get(n, found.get(n.replace("same_head", "head"))) for n in net.state_dict()})
    net.eval()
    batch = next(small_paddle.rows().data.held_out("val"))
    expected = float(small_paddle.square(net(paddle.to_tensor(batch.inputs)), paddle.to_tensor(batch.targets)))
    assert record.evaluations["val_loss"][-1] == pytest.approx(expected, rel=1e-6)


def test_how_often_is_evaluated_changes_nothing_of_the_training(small: Keys) -> None:
    keys = {**small, "task": "small_paddle:judged_by_chance"}
    often, once = train({**keys, "evaluate": 1}, out="often"), train({**keys, "evaluate": 99}, out="once")
    assert often.updates["loss"].tolist() == once.updates["loss"].tolist()


def test_a_run_is_a_function_of_its_recipe(small: Keys) -> None:
    keys = {**small, "task": "small_paddle:alive"}
    a, b, c = train(keys, out="a"), train(keys, out="b"), train(keys, out="c", seed=1)
    assert a.updates["loss"].tolist() == b.updates["loss"].tolist()
    assert a.updates["loss"].tolist() != c.updates["loss"].tolist()


def test_the_process_gets_back_what_a_run_has_changed(small: Keys) -> None:
    def drawn() -> tuple[Any, ...]:
        return paddle.rand([3]).tolist(), random.random(), np.random.rand()

    def seed() -> None:
        paddle.seed(1)
        random.seed(1)
        np.random.seed(1)

    seed()
    before = drawn()
    seed()
    flag = "FLAGS_paddle_num_threads"
    threads, name = paddle.get_flags(flag)[flag], paddle.utils.unique_name.generate("x")
    train({**small, "task": "small_paddle:alive", "threads": 2}, out="run")
    assert drawn() == before
    assert paddle.get_flags(flag)[flag] == threads
    assert int(paddle.utils.unique_name.generate("x").rpartition("_")[2]) == int(name.rpartition("_")[2]) + 1


# ---- optimizers and groups -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["sgd", "adamw", "adam", "lamb", "rmsprop", "adagrad", "paddle:adamw", "cadence:lamb"])
def test_optimizers_come_by_their_names(small: Keys, name: str) -> None:
    record = train({**small, "optimizer": {"name": name, "lr": 0.01}, "total": "6 epochs"}, out="run")
    assert record.evaluations["val_loss"][-1] < record.evaluations["val_loss"][0]


def test_several_values_and_groups_follow_their_own_schedules(small: Keys) -> None:
    record = train(
        {
            **small,
            "optimizer": {"name": "adamw", "lr": 0.05, "weight_decay": 0.1},
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


def test_two_optimizers_frozen_groups_and_decay_by_depth(small: Keys) -> None:
    record = train(
        {
            **small,
            "task": "small_paddle:alive",
            "optimizer": {
                "main": {"name": "adamw", "lr": 0.02, "weight_decay": 0.1},
                "other": {"name": "sgd", "lr": 0.01, "momentum": 0.9},
            },
            "groups": {"body": {"parameters": "body.*", "optimizer": "other", "frozen": 4}},
            "layer_decay": 0.5,
            "no_decay": True,
            "total": 9,
            "checkpoint": {"every": 1, "keep": 20},
        },
        out="run",
    )
    assert record.run["groups"] == ["rest:0:no_decay", "rest:1", "rest:1:no_decay", "body:0", "body:0:no_decay"]
    assert record.run["bases"]["lr"] == [0.01, 0.02, 0.02, 0.005, 0.005]
    steps = [weights("run", t)["body.weight"] for t in range(1, 10)]
    assert all((step == steps[0]).all() for step in steps[:4])
    assert all((steps[i] != steps[i + 1]).any() for i in range(3, 8))
    heads = [weights("run", t)["head.weight"] for t in range(1, 10)]
    assert all((heads[i] != heads[i + 1]).any() for i in range(8))


# ---- gradients that are not finite ---------------------------------------------------------------------------------


def test_an_update_that_overflows_is_skipped_and_the_schedule_waits(small: Keys) -> None:
    keys = {**small, "model": "small_paddle:Hiccup", "schedule": "linear()", "evaluate": 10, "total": 10}
    record = train({**keys, "nonfinite": "skip", "clip_norm": 1.0}, out="run")
    assert record.result["status"] == "finished"
    assert record.updates["lr"][:, 0].tolist() == cd.place("linear()", total=10, base=0.05).values().tolist()
    assert all(math.isfinite(loss) for loss in record.updates["loss"])
    (skip,) = [e for e in events("run") if e["kind"] == "skip"]
    assert (skip["t"], skip["updates"], skip["parameters"]) == (2, 1, ["line.weight", "line.bias"])
    ended = train({**keys, "nonfinite": "error"}, out="error")
    assert (ended.result["status"], ended.result["updates"]) == ("diverged", 2)
    free = train(keys, out="free")
    assert (free.result["status"], free.result["updates"]) == ("diverged", 3)


def test_large_numbers_whose_squares_overflow_are_finite_and_sparse_gradients_are_looked_at() -> None:
    line = paddle.nn.Linear(2, 1)
    (line(paddle.full([1, 2], 3e38)) * 1.0).sum().backward()
    assert overflowed(line) == ()
    line.clear_gradients()
    line(paddle.full([1, 2], math.nan)).sum().backward()
    assert overflowed(line) == ("weight",)
    layer = paddle.nn.Embedding(5, 3, sparse=True)
    layer(paddle.to_tensor([1, 2])).sum().backward()
    assert overflowed(layer) == ()
    (layer(paddle.to_tensor([1])) * math.inf).sum().backward()
    assert overflowed(layer) == ("weight",)


# ---- precision -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("precision", "name"), [("bf16", "bfloat16"), ("fp16", "float16")])
def test_half_precision_on_a_processor_is_refused_before_training(small: Keys, precision: str, name: str) -> None:
    with pytest.raises(
        RecipeError, match=f"precision {precision} is not available in paddle on a cpu, where its opera"
    ):
        train({**small, "precision": precision}, out="run")
    assert not Path("run").exists()


@pytest.fixture
def scaling(monkeypatch: pytest.MonkeyPatch) -> None:
    """A processor that says that it is a GPU, so that the loss scaler is at work; the arithmetic stays float32."""

    class Place:
        def __getattr__(self, name: str) -> Any:
            return lambda: name == "is_gpu_place"

    class Tracer:
        _expected_place = Place()

    monkeypatch.setattr(paddle_arithmetic, "get_device", lambda: "gpu:0")
    monkeypatch.setattr(paddle.amp, "is_float16_supported", lambda: True)
    monkeypatch.setattr(paddle.amp.grad_scaler, "_dygraph_tracer", Tracer)


@pytest.mark.usefixtures("scaling")
@pytest.mark.filterwarnings("ignore:amp_guard can only be enabled on CUDAPlace:UserWarning")
@pytest.mark.parametrize("nonfinite", [None, "skip"])
def test_an_update_that_the_loss_scaler_skips_is_no_update(
    small: Keys, nonfinite: str | None, capsys: pytest.CaptureFixture[str]
) -> None:
    keys = {**small, "model": "small_paddle:Hiccup", "schedule": "linear()", "evaluate": 10, "total": 10}
    keys |= {"optimizer": {"name": "adamw", "lr": 0.05}, "clip_norm": 0.5, "checkpoint": {"every": 1, "keep": 20}}
    scaled = train({**keys, "precision": "fp16", "nonfinite": nonfinite}, out="scaled")
    plain = train({**keys, "nonfinite": "skip"}, out="plain")
    assert scaled.result["status"] == "finished"
    position = json.loads(Path("scaled/checkpoints/10.json").read_text())["state"]["loop"]["position"]
    assert position == 11
    # The loss is scaled by a power of two and gradients are scaled back before they are clipped.
    for column in ("grad_norm", "loss"):
        by_t = {int(t): x for t, x in zip(scaled.updates["t"], scaled.updates[column], strict=True)}
        assert list(by_t.values()) == pytest.approx(plain.updates[column].tolist(), rel=1e-5)
    ends = [weights(f, 10)["line.weight"] for f in ("scaled", "plain")]
    np.testing.assert_allclose(ends[0], ends[1], rtol=1e-5)
    scaler = json.loads(Path("scaled/checkpoints/10.json").read_text())["engine"]["map"]["scaler"]["map"]
    scale = load_file("scaled/checkpoints/10.safetensors")[scaler["scale"]["tensor"]]
    assert scale.tolist() == [2.0**15]
    assert "Found inf" not in capsys.readouterr().out


@pytest.mark.usefixtures("scaling")
@pytest.mark.filterwarnings("ignore:amp_guard can only be enabled on CUDAPlace:UserWarning")
def test_a_scaler_that_skips_for_ever_ends_the_run(small: Keys) -> None:
    record = train({**small, "model": "small_paddle:Endless", "precision": "fp16", "total": 10}, out="run")
    assert (record.status, record.result["updates"]) == ("diverged", 0)
    assert record.result["sentence"].startswith("The loss scaler skipped 100 updates in a row from update 0 on")


@pytest.mark.usefixtures("scaling")
def test_where_one_of_two_optimizers_overflows_neither_steps() -> None:
    means = paddle_arithmetic.arithmetic("fp16")
    a, b = paddle.nn.Linear(2, 1), paddle.nn.Linear(2, 1)
    both = Together([paddle.optimizer.SGD(0.1, parameters=[{"params": layer.parameters()}]) for layer in (a, b)])
    paddle.amp.auto_cast.__globals__["amp_global_state"]().amp_dtype = "float16"
    x, before = paddle.ones([1, 2]), [p.numpy().copy() for p in both.parameters]
    means.backward(a(x).sum() + (b(x) * math.inf).sum())
    means.step(both)
    assert all((p.numpy() == old).all() for p, old in zip(both.parameters, before, strict=True))
    both.zero_grad()
    means.backward(a(x).sum() + b(x).sum())
    means.step(both)
    assert all((p.numpy() != old).any() for p, old in zip(both.parameters, before, strict=True))


# ---- bad input -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ({"engine": "padle"}, "there is no engine called 'padle'; did you mean 'paddle'?"),
        ({"task": "small_tasks:rows"}, "the task 'rows' has no model for the engine 'paddle'"),
        (
            {"model": "small_paddle:of_torch"},
            "gives a Linear; with engine: paddle it must return a paddle.nn.Layer, or",
        ),
        ({"model": "small_paddle:Path"}, "small_paddle has no 'Path'"),
        ({"device": "gpu:99"}, "device 'gpu:99' cannot be used here"),
        ({"device": "cuda"}, "device 'cuda' cannot be used here"),
        ({"device": "gqu"}, "device 'gqu' cannot be used here"),
        ({"optimizer": {"name": "adamv", "lr": 1}}, "there is no optimizer called 'adamv'; did you mean 'adam"),
        ({"optimizer": {"name": "sgd", "lr": 1, "momentun": 0.9}}, "no argument 'momentun'; did you mean 'momentum'?"),
        ({"optimizer": {"name": "lbfgs", "lr": 1}}, "lbfgs"),
        ({"optimizer": {"name": "rprop", "lr": 1}}, "keeps a step size of its own for each parameter"),
        (
            {"groups": {"a": {"parameters": "*", "rho": 0.5}}},
            "groups: 'a' has a value 'rho', and the optimizer 'sgd' has none; known are: ",
        ),
        ({"initial_weights": "torhc"}, "there is no engine called 'torhc'; did you mean 'torch'?"),
        ({"initial_weights": "torch"}, "initial_weights is 'torch', and the task 'rows' has no model for it"),
        (
            {"initial_weights": "torch", "model": "small_paddle:wide"},
            "initial_weights is 'torch', and the model 'small_paddle:wide' exists for paddle only",
        ),
        (
            {"initial_weights": "torch", "task": "small_paddle:of_two_kinds"},
            "the task 'rows' has different models for two engines: ",
        ),
    ],
    ids=lambda x: None if isinstance(x, dict) else x[:40],
)
def test_bad_input_is_one_sentence_and_no_folder(small: Keys, keys: Keys, said: str, tmp_path: Path) -> None:
    if "torch" in str(keys):
        pytest.importorskip("torch")
    with pytest.raises(CadenceError) as caught:
        train({**small, **keys}, progress=lambda p: pytest.fail("it trains"))
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "runs").exists()


def test_a_model_of_paddle_is_refused_by_torch(small: Keys) -> None:
    pytest.importorskip("torch")
    with pytest.raises(RecipeError, match=r"gives a Sequential; it must return a torch\.nn\.Module"):
        train({**small, "engine": "torch", "task": "small_tasks:rows", "model": "small_paddle:wide"})


def test_without_paddle_the_message_is_the_command_that_installs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "paddle", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'cadence\[paddle\]'"):
        find_engine("paddle")


def test_a_run_among_several_processes_is_refused(small: Keys, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PADDLE_TRAINERS_NUM", "2")
    with pytest.raises(CadenceError, match="started as one of 2 processes, and trains in one"):
        train(small)


# ---- beside torch --------------------------------------------------------------------------------------------------


@pytest.fixture
def both(small: Keys) -> Keys:
    pytest.importorskip("torch")
    keys = {**small, "task": "small_paddle:in_both", "schedule": "warmup(3) >> cosine()", "clip_norm": 1.0}
    return {**keys, "optimizer": {"name": "adamw", "lr": 0.02, "weight_decay": 0.1}, "no_decay": True, "accumulate": 2}


@pytest.mark.parametrize("source", ["torch", "paddle"])
def test_with_the_same_first_weights_the_losses_are_the_same_to_rounding(both: Keys, source: str) -> None:
    records = {e: train({**both, "engine": e, "initial_weights": source}, out=e) for e in ("torch", "paddle")}
    torch, here = records["torch"], records["paddle"]
    assert torch.run["groups"] == here.run["groups"]
    assert torch.updates["lr"].tolist() == here.updates["lr"].tolist()
    np.testing.assert_allclose(here.updates["loss"], torch.updates["loss"], rtol=2e-5)
    np.testing.assert_allclose(here.updates["grad_norm"], torch.updates["grad_norm"], rtol=2e-4)
    # In training: in evaluations paddle's running variance is that of the sample, torch's is n / (n - 1) times it.
    np.testing.assert_allclose(here.evaluations["val_loss"], torch.evaluations["val_loss"], rtol=0.2)


def test_an_engine_that_draws_its_own_weights_does_so_whether_it_is_named_or_not(both: Keys) -> None:
    plain, named = train(both, out="plain"), train({**both, "initial_weights": "paddle"}, out="named")
    other = train({**both, "initial_weights": "torch"}, out="other")
    assert plain.updates["loss"].tolist() == named.updates["loss"].tolist()
    assert plain.updates["loss"][0] != other.updates["loss"][0]


@pytest.mark.parametrize("task", ["digits", "bytes"])
def test_the_embedded_models_are_the_same_in_both_frameworks(task: str) -> None:
    pytest.importorskip("torch")
    pytest.importorskip("sklearn")
    keys = {"task": task, "device": "cpu", "total": 3, "initial_weights": "torch", "evaluate": 3}
    keys |= {"optimizer": {"name": "adamw", "lr": 0.003, "weight_decay": 0.01}}
    records = {e: train({**keys, "engine": e}, out=e) for e in ("torch", "paddle")}
    losses = [records[e].updates["loss"] for e in ("torch", "paddle")]
    np.testing.assert_allclose(losses[1], losses[0], rtol=1e-5)
    final = [records[e].result["final"] for e in ("torch", "paddle")]
    assert final[0].keys() == final[1].keys()


@pytest.mark.parametrize("task", ["digits", "bytes"])
def test_the_embedded_models_begin_with_the_spread_of_torchs(task: str) -> None:
    pytest.importorskip("torch")
    pytest.importorskip("sklearn")
    from cadence.recipe.recipe import make_recipe
    from cadence.run.engine import engine_module
    from cadence.tasks import resolve_task

    keys = {"task": task, "optimizer": {"name": "sgd", "lr": 0.1}, "total": 1}
    made = {
        e: engine_module(e).initial_weights(make_recipe({**keys, "engine": e}), resolve_task(task))
        for e in ("torch", "paddle")
    }
    assert made["torch"].keys() == made["paddle"].keys()
    for name, theirs in made["torch"].items():
        ours = made["paddle"][name]
        assert ours.shape == theirs.shape
        if theirs.size >= 400:
            assert ours.std() == pytest.approx(theirs.std(), rel=0.15)
            assert abs(ours).max() == pytest.approx(abs(theirs).max(), rel=0.4)
        elif theirs.std() == 0:
            assert (ours == theirs).all()
