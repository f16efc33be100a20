"""Label smoothing and a running average of the weights in paddle: the numbers of torch, and a resumed run has the same."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("paddle")
pytest.importorskip("safetensors")

import paddle
from safetensors.numpy import load_file

from cadence._errors import RecipeError
from cadence.run.average import Average
from cadence.run.paddle_average import PaddleLive
from cadence.run.smoothing import smoothed
from cadence.run.train import train

Keys = dict[str, Any]


class Killed(BaseException):
    """Ends a run in the middle, as Ctrl-C does."""


@pytest.fixture
def lively(small: Keys) -> Keys:
    """Batch statistics, dropout and augmentation, and every update's weights kept."""
    checkpoint = {"every": 1, "keep": 100}
    task = {"engine": "paddle", "task": "small_paddle:alive"}
    return {**small, **task, "total": 12, "evaluate": 4, "checkpoint": checkpoint}


def tensors(folder: str, t: int, prefix: str) -> dict[str, np.ndarray]:
    found = load_file(Path(folder) / "checkpoints" / f"{t}.safetensors")
    return {k.removeprefix(prefix): x for k, x in found.items() if k.startswith(prefix)}


def test_the_average_is_the_documented_one_and_training_goes_its_way(lively: Keys) -> None:
    plain = train(lively, out="plain")
    average = {"decay": 0.25, "start": 2, "every": 2}
    beside = train({**lively, "average": {**average, "judged": False}}, out="beside")
    judged = train({**lively, "average": average}, out="judged")
    for one in (beside, judged):
        assert one.updates["loss"].tolist() == plain.updates["loss"].tolist()
    assert beside.evaluations["val_loss"].tolist() == plain.evaluations["val_loss"].tolist()
    assert (judged.evaluations["val_loss"] != plain.evaluations["val_loss"]).all()
    wanted: dict[str, np.ndarray] = {}
    for n, t in enumerate((3, 5, 7, 9, 11), 1):
        for name, x in tensors("beside", t, "model.").items():
            before = wanted.get(name, np.zeros(1))
            wanted[name] = before + max(0.75, 9 / (n + 8)) * (x.astype(np.float64) - before)
    found = tensors("beside", 12, "average.")
    assert found.keys() == wanted.keys() == tensors("beside", 12, "model.").keys()
    assert {"norm._variance", "head.weight"} < found.keys()
    for name, x in found.items():
        np.testing.assert_allclose(x, wanted[name], rtol=2e-6, atol=1e-7)
    # The two sets of weights change places in the checkpoint, to the bit.
    for ours, theirs in (("model.", "average."), ("average.", "model.")):
        a, b = tensors("judged", 12, ours), tensors("beside", 12, theirs)
        assert all(a[name].tobytes() == b[name].tobytes() for name in a)


@pytest.mark.parametrize("judged", [True, False])
def test_a_resumed_run_has_the_same_average_to_the_bit(
    lively: Keys, judged: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cadence.run.loop.PROGRESS_SECONDS", 0.0)
    keys = {**lively, "average": {"decay": 0.8, "start": 3, "every": 2, "judged": judged}}
    whole = train(keys, out="whole")
    for t in (1, 5, 6, 11):

        def tell(progress: Any, t: int = t) -> None:
            if progress.t >= t:
                raise Killed

        with pytest.raises(Killed):
            train(keys, out=f"at{t}", progress=tell)
        part = train(keys, out=f"at{t}")
        assert part.evaluations["val_loss"].tolist() == whole.evaluations["val_loss"].tolist()
        a, b = (load_file(Path(folder) / "checkpoints" / "12.safetensors") for folder in ("whole", f"at{t}"))
        assert a.keys() == b.keys()
        assert all(a[name].tobytes() == b[name].tobytes() for name in a)


@pytest.mark.parametrize("task", ["digits", "bytes"])
def test_both_frameworks_have_the_same_losses_and_averages_but_for_rounding(task: str) -> None:
    pytest.importorskip("torch")
    pytest.importorskip("sklearn")
    keys = {"task": task, "device": "cpu", "total": 4, "initial_weights": "torch", "evaluate": 2, "batch_size": 16}
    keys |= {"optimizer": {"name": "sgd", "lr": 0.1}, "label_smoothing": 0.1, "average": {"decay": 0.5}}
    records = {e: train({**keys, "engine": e}, out=e) for e in ("torch", "paddle")}
    losses = [records[e].updates["loss"] for e in ("torch", "paddle")]
    np.testing.assert_allclose(losses[1], losses[0], rtol=1e-5)
    plain = train({**keys, "engine": "paddle", "label_smoothing": 0}, out="plain")
    assert (abs(plain.updates["loss"] - losses[1]) > 1e-4).any()
    if task == "bytes":
        # Without batch normalisation, whose running variance is defined differently.
        judged = [records[e].evaluations["val_loss"] for e in ("torch", "paddle")]
        np.testing.assert_allclose(judged[1], judged[0], rtol=1e-5)
    ours, theirs = tensors("paddle", 4, "model."), tensors("torch", 4, "model.")
    for name in ours.keys() & theirs.keys():
        here = ours[name] if ours[name].shape == theirs[name].shape else ours[name].T
        square = here.ndim == 2 and here.shape[0] == here.shape[1]
        if not square:
            np.testing.assert_allclose(here, theirs[name], rtol=2e-4, atol=2e-5, err_msg=name)


def test_labels_are_smoothed_as_paddle_smooths_them() -> None:
    rng = np.random.default_rng(0)
    for shape in ((5, 3), (2, 4, 7)):
        logits = paddle.to_tensor(rng.normal(size=shape))
        classes = paddle.to_tensor(rng.integers(0, shape[-1], size=shape[:-1]))
        ours = smoothed(paddle.nn.functional.cross_entropy, 0.2, paddle.nn.functional.log_softmax)(logits, classes)
        theirs = paddle.nn.functional.cross_entropy(logits, classes, label_smoothing=0.2)
        assert float(ours) == pytest.approx(float(theirs), rel=1e-6)  # theirs goes through float32


def test_targets_that_are_no_classes_cannot_be_smoothed(lively: Keys) -> None:
    with pytest.raises(RecipeError, match=r"label_smoothing is 0.1, and this task's targets are not classes"):
        train({**lively, "label_smoothing": 0.1})


def test_a_weight_that_is_one_number_stays_one() -> None:
    model = paddle.nn.Layer()
    model.scale = model.create_parameter([], default_initializer=paddle.nn.initializer.Constant(1.0))
    average = Average(PaddleLive(model), judged=False)
    average.enter(1.0)
    paddle.assign(paddle.to_tensor(3.0), model.scale)
    average.enter(0.25)
    assert average.other()["scale"].shape == []
    assert float(average.other()["scale"]) == 1.5


def test_weights_too_coarse_for_an_average_are_refused() -> None:
    model = paddle.nn.Linear(2, 2)
    model.to(dtype="bfloat16")
    with pytest.raises(RecipeError, match=r"weights weight are paddle\.bfloat16, too coarse to be averaged"):
        Average(PaddleLive(model), judged=True).enter(1.0)
