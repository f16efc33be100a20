"""A running average of the weights: which numbers, what is judged by it, and that a resumed run has the same one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("safetensors")

import torch
from safetensors.numpy import load_file
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from cadence._errors import HorizonError, RecipeError
from cadence.recipe.recipe import Recipe
from cadence.run.average import Average
from cadence.run.averaging import Averaging
from cadence.run.torch_average import TorchLive
from cadence.run.train import train

Keys = dict[str, Any]


class Killed(BaseException):
    """Ends a run in the middle, as Ctrl-C does."""


@pytest.fixture
def lively(small: Keys) -> Keys:
    """Batch statistics, dropout and augmentation, and every update's weights kept."""
    checkpoint = {"every": 1, "keep": 100}
    return {**small, "task": "small_tasks:alive", "total": 12, "evaluate": 4, "checkpoint": checkpoint}


def tensors(folder: str, t: int, prefix: str) -> dict[str, np.ndarray]:
    """Those of a checkpoint, without what only counts."""
    found = load_file(Path(folder) / "checkpoints" / f"{t}.safetensors")
    return {k.removeprefix(prefix): x for k, x in found.items() if k.startswith(prefix) and x.dtype.kind == "f"}


def by_hand(folder: str, prefix: str, shares: dict[int, float]) -> dict[str, np.ndarray]:
    """The average of the weights after these updates, in float64."""
    average: dict[str, np.ndarray] = {}
    for t, share in shares.items():
        for name, x in tensors(folder, t, prefix).items():
            before = average.get(name, np.zeros(1))
            average[name] = before + share * (x.astype(np.float64) - before)
    return average


@pytest.mark.parametrize(
    ("keys", "shares"),
    [
        # 9 / (n + 8) until that is below 1 - decay.
        ({"decay": 0.25}, {1: 1, 2: 9 / 10, 3: 9 / 11, 4: 9 / 12, **dict.fromkeys(range(5, 13), 0.75)}),
        ({"decay": 1, "start": 3, "every": 4}, {4: 1, 8: 9 / 10, 12: 9 / 11}),
        ({"decay": 0.9999, "start": "1 epoch", "every": 2}, {8: 1, 10: 9 / 10, 12: 9 / 11}),
        ({"decay": 0.5, "start": "50%"}, {7 + i: max(0.5, 9 / (9 + i)) for i in range(6)}),
    ],
)
def test_the_average_is_the_documented_one(lively: Keys, keys: Keys, shares: dict[int, float]) -> None:
    train({**lively, "average": {**keys, "judged": False}}, out="run")
    found, wanted = tensors("run", 12, "average."), by_hand("run", "model.", shares)
    assert found.keys() == wanted.keys() == tensors("run", 12, "model.").keys()
    assert "norm.running_var" in found
    for name, x in found.items():
        np.testing.assert_allclose(x, wanted[name], rtol=2e-6, atol=1e-7)


def test_training_goes_its_way_whoever_is_judged(lively: Keys) -> None:
    plain = train(lively, out="plain")
    beside = train({**lively, "average": {"decay": 0.9, "judged": False}}, out="beside")
    judged = train({**lively, "average": {"decay": 0.9}}, out="judged")
    for one in (beside, judged):
        np.testing.assert_array_equal(one.updates["loss"], plain.updates["loss"])
    np.testing.assert_array_equal(beside.evaluations["val_loss"], plain.evaluations["val_loss"])
    assert (judged.evaluations["val_loss"] != plain.evaluations["val_loss"]).all()
    # The two sets of weights change places in the checkpoint, to the bit.
    for t in (1, 7, 12):
        for ours, theirs in (("model.", "average."), ("average.", "model.")):
            a, b = tensors("judged", t, ours), tensors("beside", t, theirs)
            assert a.keys() == b.keys()
            assert all(a[name].tobytes() == b[name].tobytes() for name in a)


def test_what_is_judged_is_the_model_of_the_checkpoint(lively: Keys) -> None:
    import small_tasks  # type: ignore[import-not-found]

    record = train({**lively, "average": {"decay": 0.9}}, out="run")
    task = small_tasks.alive()
    model = task.model("torch")()
    found = load_file(Path("run/checkpoints/12.safetensors"))
    rest = {k.removeprefix("model."): torch.from_numpy(x) for k, x in found.items() if k.startswith("model.")}
    model.load_state_dict({**rest, **{f"same_{k}": rest[k] for k in rest if k.startswith("head")}})
    model.eval()
    with torch.no_grad():
        for batch in task.data.held_out("val"):
            loss = small_tasks.square(model(torch.from_numpy(batch.inputs)), torch.from_numpy(batch.targets))
    assert record.evaluations["val_loss"][-1] == pytest.approx(float(loss), rel=1e-6)


def test_before_the_average_begins_the_weights_are_judged(lively: Keys) -> None:
    plain = train(lively, out="plain")
    late = train({**lively, "average": {"start": 9}}, out="late")
    same = late.evaluations["val_loss"] == plain.evaluations["val_loss"]
    assert same.tolist() == [True, True, False]
    assert not tensors("late", 9, "average.")
    assert tensors("late", 10, "average.")


@pytest.mark.parametrize("judged", [True, False])
@pytest.mark.parametrize("t", [1, 5, 6, 11])
def test_a_resumed_run_has_the_same_average_to_the_bit(
    lively: Keys, judged: bool, t: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cadence.run.loop.PROGRESS_SECONDS", 0.0)
    keys = {**lively, "average": {"decay": 0.8, "start": 3, "every": 2, "judged": judged}}
    whole = train(keys, out="whole")

    def tell(progress: Any) -> None:
        if progress.t >= t:
            raise Killed

    with pytest.raises(Killed):
        train(keys, out="part", progress=tell)
    part = train(keys, out="part")
    np.testing.assert_array_equal(part.evaluations["val_loss"], whole.evaluations["val_loss"])
    a, b = (load_file(Path(folder) / "checkpoints" / "12.safetensors") for folder in ("whole", "part"))
    assert a.keys() == b.keys()
    assert all(a[name].tobytes() == b[name].tobytes() for name in a)


def test_a_memory_that_has_its_length_is_torchs_own_average() -> None:
    # With decay 0.1 the share is 1 - decay from the second set on, as torch has it throughout.
    torch.manual_seed(0)
    model = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.BatchNorm1d(4))
    theirs = AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(0.1), use_buffers=True)
    ours, rule = Average(TorchLive(model), judged=False), Averaging(decay=0.1, start=0, every=1)
    for t in range(1, 30):
        model(torch.randn(8, 3)).square().sum().backward()
        with torch.no_grad():
            for p in model.parameters():
                p -= 0.01 * p.grad
        theirs.update_parameters(model)
        ours.enter(rule.share(t) or 0)
    wanted = dict(theirs.module.named_parameters()) | dict(theirs.module.named_buffers())
    for name, x in ours.other().items():
        torch.testing.assert_close(x, wanted[name].detach(), rtol=1e-6, atol=1e-7)


def test_the_plain_average_of_the_rule_without_growing_weights_is_what_its_source_says(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("cadence.run.averaging._ETA", 0)
    rule, average = Averaging(decay=1, start=0, every=1), 0.0
    for t in range(1, 50):
        average += (rule.share(t) or 0) * (t**2 - average)
        assert average == pytest.approx(sum(k**2 for k in range(1, t + 1)) / t)


def test_a_skipped_update_enters_nothing(small: Keys, monkeypatch: pytest.MonkeyPatch) -> None:
    entered: list[float] = []
    monkeypatch.setattr("cadence.run.torch_engine.TorchEngine.average", lambda self, share: entered.append(share))
    train(
        {
            **small,
            "model": "small_tasks:Hiccup",
            "divergence": {"nonfinite": "skip"},
            "total": 5,
            "average": {"decay": 1},
        }
    )
    assert entered == [1, *(9 / (8 + n) for n in (2, 3, 4, 5))]


def test_an_average_beside_an_optimizer_that_averages_is_refused(small: Keys) -> None:
    pytest.importorskip("schedulefree")
    with pytest.raises(RecipeError, match="averages weights by itself; leave the key average out"):
        train({**small, "optimizer": {"name": "schedule_free_sgd", "lr": 0.1}, "average": {}})
    assert not Path("runs").exists() or not list(Path("runs").glob("*/updates.jsonl"))


def test_weights_too_coarse_for_an_average_are_refused() -> None:
    with pytest.raises(RecipeError, match=r"weights weight are torch\.bfloat16, too coarse to be averaged"):
        Average(TorchLive(torch.nn.Linear(2, 2).to(torch.bfloat16)), judged=True).enter(1.0)


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ({"average": {"decay": 0}}, "average.decay is 0; it must be a number above 0 and at most 1"),
        ({"average": {"decay": 1.5}}, "average.decay is 1.5; it must be"),
        ({"average": {"deacy": 0.9}}, "no key 'deacy' under 'average'; did you mean 'decay'"),
        ({"average": {"every": 0}}, "average.every is 0; it must be a whole number of at least 1"),
        ({"average": {"start": "soon"}}, "average.start"),
        ({"average": True}, "average is true; it must be a mapping"),
        ({"label_smoothing": 1}, "label_smoothing is 1; it must be a number of at least 0 and below 1"),
        ({"label_smoothing": -0.1}, "label_smoothing is -0.1; it must be"),
    ],
)
def test_a_wrong_value_is_named_with_what_to_write(small: Keys, keys: Keys, said: str) -> None:
    with pytest.raises((RecipeError, HorizonError), match=said):
        Recipe(**{**small, **keys})


def test_a_recipe_without_the_new_keys_keeps_its_hash(small: Keys) -> None:
    plain = Recipe(**small)
    assert Recipe(**{**small, "label_smoothing": 0.0, "average": None}).content_hash == plain.content_hash
    assert Recipe(**{**small, "average": {}}).content_hash != plain.content_hash


def test_labels_are_smoothed_in_training_only_as_torch_smooths_them(small: Keys) -> None:
    pytest.importorskip("sklearn")
    keys = {**small, "task": "digits", "total": 1, "evaluate": 1}
    plain, smooth = (train({**keys, "label_smoothing": s}, out=f"run{s}") for s in (0.0, 0.2))

    from cadence.tasks import task

    digits = task("digits")
    torch.manual_seed(0)
    model = digits.model("torch")()
    batch = next(digits.data.batches(0, 0, 64))
    logits, classes = model(torch.from_numpy(batch.inputs)), torch.from_numpy(batch.targets)
    for record, share in ((plain, 0.0), (smooth, 0.2)):
        wanted = torch.nn.functional.cross_entropy(logits, classes, label_smoothing=share)
        assert record.updates["loss"][0] == pytest.approx(wanted.item(), rel=1e-5)
    # Judged without: after one update the two have nearly the same loss, which a smoothed one would be far from.
    assert smooth.evaluations["val_loss"][-1] == pytest.approx(plain.evaluations["val_loss"][-1], rel=0.05)


def test_targets_that_are_no_classes_cannot_be_smoothed(small: Keys) -> None:
    with pytest.raises(RecipeError, match=r"label_smoothing is 0.1, and this task's targets are not classes"):
        train({**small, "label_smoothing": 0.1})
