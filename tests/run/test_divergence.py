"""A training that diverges stops, leaves the update out, or goes back, as its recipe says."""

from __future__ import annotations

import functools
import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch")
pytest.importorskip("safetensors")

import numpy as np
import torch
from safetensors.torch import load_file

import cadence as cd
from cadence._errors import RecipeError
from cadence.drivers.driver import Driver
from cadence.recipe.parts import DivergenceRecipe
from cadence.recipe.recipe import make_recipe
from cadence.record.names import CLOCKS
from cadence.record.reader import Record
from cadence.record.writer import RunWriter
from cadence.run.checkpoint import Checkpoints
from cadence.run.engine import Update
from cadence.run.policy import Policy
from cadence.run.train import train
from cadence.tasks import resolve_task

Keys = dict[str, Any]


@pytest.fixture
def keys(small: Keys) -> Keys:
    """Row 7 comes in one update of the first epoch, after enough losses to tell what is usual."""
    return {
        **small,
        "task": "small_tasks:poisoned",
        "seed": 42,
        "optimizer": {"name": "adamw", "lr": 0.02},
        "schedule": "warmup(4) >> cosine(to=0.1)",
        "total": 45,
        "evaluate": 8,
        "checkpoint": {"every": 4, "keep": 2},
        "divergence": {"spike": "skip", "window": 10},
    }


def hit(keys: Keys) -> int:
    """The update of the first epoch that has the far row."""
    task = resolve_task("small_tasks:poisoned", **keys.get("task_args", {}))
    found = [i for i, b in enumerate(task.data.batches(keys["seed"], 0, 8)) if abs(b.targets).max() > 100]
    assert len(found) == 1
    assert 15 < found[0] < 40
    return found[0]


def events(record: Record, kind: str) -> list[dict[str, Any]]:
    lines = (record.folder / "journal.jsonl").read_text().splitlines()
    return [event for event in map(json.loads, lines) if event["kind"] == kind]


def rows(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_a_spike_is_left_out_as_if_its_batch_had_not_been_there(keys: Keys, monkeypatch: pytest.MonkeyPatch) -> None:
    t = hit(keys)
    record = train(keys, out="skipped")
    assert record.result["status"] == "finished"
    (skip,) = events(record, "skip")
    assert (skip["t"], skip["updates"], skip["parameters"]) == (t, 1, [])
    assert skip["losses"][0] > 1e6
    assert skip["sentence"].startswith(f"Skipped 1 update in the place of update {t}: the loss was 1.2")
    import cadence.run.loop as loop

    feed = loop.groups

    def others(*args: Any) -> Any:
        return (group for i, group in enumerate(feed(*args)) if i != t)

    monkeypatch.setattr(loop, "groups", others)
    plain = train({**keys, "divergence": {}}, out="plain")
    assert record.updates["loss"].tolist() == plain.updates["loss"].tolist()
    assert record.updates["lr"].tolist() == plain.updates["lr"].tolist()
    ends = [load_file(Path(f) / "checkpoints" / "45.safetensors") for f in ("skipped", "plain")]
    assert all(torch.equal(w, ends[1][name]) for name, w in ends[0].items())


def test_a_spike_ends_the_run_before_a_weight_is_changed(keys: Keys) -> None:
    t = hit(keys)
    record = train({**keys, "divergence": {"spike": "stop", "window": 10}}, out="run")
    assert (record.result["status"], record.result["updates"]) == ("diverged", t)
    sentence = record.result["sentence"]
    assert sentence.startswith(f"The loss of update {t} is 1.2")
    assert "(the median of the last 10 is" in sentence
    assert sentence.endswith("and no weight was changed: the training diverged; lower the learning rate or clip.")


@pytest.mark.parametrize("far", [1e4, 1e30], ids=["spike", "no number"])
def test_a_run_goes_back_and_on_behind_the_batch_at_a_lower_rate(keys: Keys, far: float) -> None:
    keys = {**keys, "task_args": {"far": far}}
    t = hit(keys)
    rules = {"spike": "rollback", "nonfinite": "rollback", "window": 10, "factor": 0.25, "rewarm": 5}
    record = train({**keys, "divergence": rules}, out="run")
    assert record.result["status"] == "finished"
    (back,) = events(record, "rollback")
    begin = t // 4 * 4
    assert (back["t"], back["from"], back["made"], back["data"], back["number"]) == (begin, t, begin, t + 1, 1)
    assert begin < t
    what = "inf" if far == 1e30 else "1.2"
    assert back["sentence"].startswith(f"The loss of update {t} is {what}")
    assert back["sentence"].endswith(
        f"and no weight was changed: back to the checkpoint after update {begin}, and on with the data behind it at "
        f"0.25 of the learning rate, warmed up over 5 updates (rollback 1 of at most 3)."
    )
    # The record is that of one run without a gap; what was given up lies beside it.
    assert record.updates["t"].tolist() == list(range(45))
    plan = cd.place(keys["schedule"], total=45, base=0.02).values()
    line = np.clip(0.01 + 0.99 * np.arange(45 - begin) / 5, 0, 1)
    expected = np.concatenate([plan[:begin], 0.25 * line * plan[begin:]])
    np.testing.assert_allclose(record.updates["lr"][:, 0], expected, rtol=1e-14)
    aside = record.folder / "rollbacks" / "1"
    assert [row["t"] for row in rows(aside / "updates.jsonl")] == list(range(begin, t))
    assert all(row["t"] > begin for row in rows(aside / "evaluations.jsonl"))
    # What is trained on after it are the batches behind the one that was hit.
    task = resolve_task("small_tasks:poisoned", far=far)
    order = [batch for epoch in range(2) for batch in task.data.batches(42, epoch, 8)]
    following = [batch.examples for batch in order[t + 1 :]][: 45 - begin]
    assert record.updates["samples"][begin:].tolist() == following
    end = json.loads((record.folder / "checkpoints" / "45.json").read_text())
    assert end["state"]["loop"]["position"] == t + 1 + 45 - begin


def test_before_the_first_checkpoint_it_goes_back_to_the_beginning(keys: Keys) -> None:
    keys["divergence"] = {"spike": "rollback", "window": 10, "rewarm": None}
    record = train({**keys, "checkpoint": {"every": 100}}, out="run")
    (back,) = events(record, "rollback")
    assert (back["t"], back["updates"]) == (0, 0)
    plan = cd.place(keys["schedule"], total=45, base=0.02).values()
    np.testing.assert_allclose(record.updates["lr"][:, 0], 0.5 * plan, rtol=1e-14)
    assert record.result["status"] == "finished"


def test_after_as_many_rollbacks_as_allowed_the_run_ends(keys: Keys) -> None:
    # From update 20 on the rate is far too high, whatever it is divided by.
    keys = {
        **keys,
        "task_args": {"far": 0.0},
        "optimizer": {"name": "sgd", "lr": 1e-3},
        "schedule": "steps(at=[20], gamma=1e9)",
        "divergence": {"nonfinite": "rollback", "rollbacks": 2, "rewarm": None, "factor": 0.5},
    }
    record = train(keys, out="run")
    assert record.result["status"] == "diverged"
    assert "after 2 rollbacks: the training diverged; lower the learning rate" in record.result["sentence"]
    back = events(record, "rollback")
    assert [e["number"] for e in back] == [1, 2]
    assert [e["t"] for e in back] == [20, 20]
    assert sorted(p.name for p in (record.folder / "rollbacks").iterdir()) == ["1", "2"]
    rates = record.updates["lr"][:, 0]
    assert rates[19] == 1e-3
    assert rates[20] == pytest.approx(0.25 * 1e6, rel=1e-14)
    # Ended is ended: the same command trains no more.
    assert train(keys, out="run", progress=lambda p: pytest.fail("it trains")).status == "diverged"


def test_of_two_warmups_the_earlier_ends_where_the_later_begins() -> None:
    curve = cd.place("constant()", total=20, base=1.0)
    common = {"kind": "rollback", "factor": 0.5, "start": 0.0, "updates": 10, "values": ["lr"], "sentence": ""}
    one = curve.with_entry({**common, "t": 4})
    two = one.with_entry({**common, "t": 8})
    np.testing.assert_allclose(one.values()[:14], [1] * 4 + [0.05 * k for k in range(10)], atol=1e-15)
    np.testing.assert_allclose(two.values()[:18], [1] * 4 + [0, 0.05, 0.1, 0.15] + [0.025 * k for k in range(10)])
    again = one.with_entry({**common, "t": 4})
    np.testing.assert_allclose(again.values()[:14], [1] * 4 + [0.025 * k for k in range(10)])


def test_an_evaluation_without_a_number_is_gone_back_on(keys: Keys) -> None:
    keys = {**keys, "task_args": {"far": 0.0}, "model": "small_tasks:Misjudged"}
    stopped = train({**keys, "divergence": {"nonfinite": "skip"}}, out="stopped")
    assert (stopped.result["status"], stopped.result["updates"]) == ("diverged", 16)
    record = train({**keys, "divergence": {"nonfinite": "rollback"}}, out="run")
    (back,) = events(record, "rollback")
    assert (back["t"], back["from"]) == (12, 16)
    assert back["sentence"].startswith("val_loss after 16 updates is inf: back to the checkpoint after update 12")
    assert record.evaluations["t"].tolist() == [8, 16, 24, 32, 40, 45]
    assert [row["t"] for row in rows(record.folder / "rollbacks" / "1" / "evaluations.jsonl")] == [16]
    assert np.isfinite(record.evaluations["val_loss"]).all()


class Killed(BaseException):
    """Ends a run in the middle, as Ctrl-C does."""


def _killed(method: Callable[..., Any], *, before: bool) -> Callable[..., Any]:
    def call(*args: Any, **kwargs: Any) -> Any:
        if not before:
            method(*args, **kwargs)
        raise Killed

    return call


@pytest.mark.parametrize("before", [True, False], ids=["before", "after"])
@pytest.mark.parametrize(
    "step",
    [(Checkpoints, "drop_after"), (RunWriter, "roll_back"), (RunWriter, "_cut"), (Driver, "roll_back"),
     (Checkpoints, "amend")],
    ids=lambda step: step[1],
)  # fmt: skip
def test_a_run_killed_in_the_middle_of_a_rollback_comes_to_the_same_end(
    keys: Keys, step: tuple[type, str], before: bool
) -> None:
    from test_resume import Killed as Ended  # type: ignore[import-not-found]
    from test_resume import ends_at, same  # type: ignore[import-not-found]

    keys = {**keys, "task_args": {"far": 1e4, "lively": True}, "clip_norm": 1.0}
    keys["divergence"] = {"spike": "rollback", "window": 10, "threshold": 100.0, "rewarm": 3}
    whole = train(keys, out="whole")
    assert len(events(whole, "rollback")) == 1
    owner, name = step
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("cadence.run.loop.PROGRESS_SECONDS", 0.0)
        # Those that are called at the beginning of a run, too, are changed when it is under way.
        with pytest.raises(Ended):
            train(keys, out="run", progress=ends_at(hit(keys)))
        if name not in ("drop_after", "_cut"):
            patch.setattr(owner, name, _killed(getattr(owner, name), before=before))
            with pytest.raises(Killed):
                train(keys, out="run")
        else:
            method = getattr(owner, name)
            later = _killed(method, before=before)

            def once_begun(*args: Any, **kwargs: Any) -> Any:
                patch.setattr(owner, name, later)
                return method(*args, **kwargs)

            patch.setattr(owner, name, once_begun)
            with pytest.raises(Killed):
                train(keys, out="run")
    record = train(keys, out="run")
    same(record, whole)
    assert len(events(record, "rollback")) == 1
    for name in ("updates.jsonl", "evaluations.jsonl"):
        one, other = (
            [{k: v for k, v in row.items() if k not in CLOCKS} for row in rows(r.folder / "rollbacks" / "1" / name)]
            for r in (record, whole)
        )
        assert one == other


def test_the_curve_of_a_run_that_went_back_is_a_function_of_its_journal(keys: Keys) -> None:
    keys["divergence"] = {"spike": "rollback", "window": 10, "threshold": 100.0, "rewarm": 3}
    record = train(keys, out="run")
    curve = cd.place(keys["schedule"], total=45, base=0.02)
    for event in events(record, "rollback"):
        curve = curve.with_entry(event)
    assert record.updates["lr"][:, 0].tolist() == curve.values()[:45].tolist()


# ---- what a spike is -----------------------------------------------------------------------------------------------


def test_the_ceiling_is_that_of_the_formula_over_the_last_losses() -> None:
    rng = np.random.default_rng(3)
    for _ in range(20):
        window, threshold, floor = int(rng.integers(10, 40)), float(rng.uniform(1, 20)), float(rng.uniform(0, 0.5))
        policy = Policy(DivergenceRecipe(spike="stop", window=window, threshold=threshold, floor=floor))
        losses = rng.normal(size=100) * rng.choice([1e-3, 1.0]) + rng.normal()
        for i, loss in enumerate(losses.tolist()):
            last = losses[max(0, i - window) : i]
            if i < window:
                assert policy.ceiling == math.inf
            else:
                median = np.median(last)
                spread = 1.4826 * np.median(np.abs(last - median))
                expected = median + max(threshold * spread, floor * abs(median))
                assert policy.ceiling == pytest.approx(expected, rel=1e-12)
            policy.passed(loss)


def test_ordinary_losses_are_no_spikes() -> None:
    # A falling curve with noise of tails that are longer than normal ones (Laplace), 20,000 updates.
    rng = np.random.default_rng(0)
    t = np.arange(20_000)
    losses = 0.5 + 4.0 * (1 + t / 50) ** -0.6 + rng.laplace(scale=0.05, size=len(t))
    policy = Policy(DivergenceRecipe(spike="stop"))
    found = 0
    for loss in losses.tolist():
        ceiling = policy.ceiling
        assert ceiling is not None
        found += loss > ceiling
        policy.passed(loss)
    assert found <= 2


def test_a_policy_that_was_saved_goes_on_as_it_was() -> None:
    rules = DivergenceRecipe(spike="skip", window=10)
    one, other = Policy(rules), Policy(rules)
    for loss in np.random.default_rng(1).normal(size=17).tolist():
        one.passed(loss)
    other.resume(json.loads(json.dumps(one.state())))
    assert one.ceiling == other.ceiling
    update = Update(loss=1e9, examples=8, grad_norm=None, left_out=True)
    assert one.judge(update, 17) == other.judge(update, 17)


def test_where_nothing_is_asked_for_nothing_is_looked_at() -> None:
    assert Policy(DivergenceRecipe()).ceiling is None
    assert Policy(DivergenceRecipe(nonfinite="skip")).ceiling == math.inf


def test_losses_that_stay_high_end_the_run(keys: Keys) -> None:
    keys = {**keys, "task": "small_tasks:rows", "task_args": {"n": 400}, "total": 300}
    import small_tasks  # type: ignore[import-not-found]

    calls = 0
    square = small_tasks.square

    def worse(outputs: Any, targets: Any) -> Any:
        nonlocal calls
        calls += 1
        return square(outputs, targets) + (100.0 if calls > 40 else 0.0)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(small_tasks, "square", worse)
        record = train({**keys, "divergence": {"spike": "skip", "window": 10}, "evaluate": 300}, out="worse")
    assert record.result["status"] == "diverged"
    assert record.result["sentence"].startswith("The loss was too high, or no number, in 100 updates in a row from")


def test_with_loss_scaling_a_spike_is_left_out_too(keys: Keys, monkeypatch: pytest.MonkeyPatch) -> None:
    # Far, and yet its square and the scaled gradient are finite in half precision.
    monkeypatch.setattr(torch.amp, "GradScaler", functools.partial(torch.amp.GradScaler, init_scale=1.0))
    keys = {**keys, "precision": "fp16", "optimizer": {"name": "sgd", "lr": 0.001}, "task_args": {"far": 150.0}}
    record = train({**keys, "divergence": {"nonfinite": "skip", "spike": "skip", "window": 10}}, out="run")
    assert record.result["status"] == "finished"
    (skip,) = events(record, "skip")
    assert (skip["t"], skip["parameters"]) == (hit(keys), [])
    assert skip["losses"][0] > 1000
    assert max(record.updates["loss"]) < 100
    assert record.updates["t"].tolist() == list(range(45))


@pytest.mark.parametrize(
    ("rules", "said"),
    [
        ({"spike": "ignore"}, r"divergence\.spike is 'ignore'; it must be stop, skip, rollback or null"),
        ({"windw": 5}, "there is no key 'windw' under 'divergence'; did you mean 'window'"),
        ({"window": 5}, r"divergence\.window is 5; it must be a whole number from 10"),
        ({"factor": 0.0}, r"divergence\.factor is 0\.0; it must be a number above 0"),
        ({"rewarm": 0}, "a length of 0 is no training"),
    ],
)
def test_bad_rules_are_told_before_anything_is_trained(rules: Keys, said: str) -> None:
    with pytest.raises(RecipeError, match=said):
        make_recipe({"task": "digits", "optimizer": {"name": "sgd", "lr": 0.1}, "total": 5, "divergence": rules})
