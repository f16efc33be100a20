"""What a recipe's run measures of its updates, and what stands in its record."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import cadence as cd
from cadence._errors import RecipeError
from cadence.record.names import CLOCKS

torch = pytest.importorskip("torch")

GROUPS = {"offsets": {"parameters": "*.bias", "weight_decay": 0}}


def recipe(small: dict[str, Any], **keys: Any) -> dict[str, Any]:
    optimizer = {"name": "adamw", "lr": 0.01, "weight_decay": 0.5}
    return {**small, "optimizer": optimizer, "groups": GROUPS, "schedule": "cosine()", **keys}


def test_by_default_groups_are_measured_once_in_20_updates(small: dict[str, Any]) -> None:
    record = cd.train(recipe(small, total=45), out="run")
    table = record.updates
    assert table["t"][table.present("update_ratio")].tolist() == [0, 20, 40]
    assert record.run["effective_rates"] == 20
    assert record.run["decay"] == ["coupled", "coupled"]
    offsets, rest = record.effective_rates
    assert (offsets.group, offsets.measured, offsets.decay_sum, offsets.half_life) == ("offsets", 3, 0.0, None)
    rates = table["lr"][:, 1] * 0.5
    assert rest.decay_sum == pytest.approx(rates.sum(), rel=1e-14)
    assert rest.half_life_epochs == pytest.approx(45 * np.log(2) / -np.log1p(-rates).sum() / 7, rel=1e-12)
    assert "Group 'rest': an update moved it by" in record.describe()


def test_measuring_changes_nothing_and_can_be_left_out(small: dict[str, Any]) -> None:
    with_it = cd.train(recipe(small, effective_rates=1), out="with")
    without = cd.train(recipe(small, effective_rates=None), out="without")
    np.testing.assert_array_equal(with_it.updates["loss"], without.updates["loss"])
    assert with_it.result is not None
    assert without.result is not None
    assert with_it.result["final"] == without.result["final"]
    assert with_it.updates.present("update_ratio").all()
    assert set(without.updates) - CLOCKS == {"t", "loss", "samples", "lr"}
    assert without.effective_rates == []
    # What is measured is no part of the training: the finished run is found again.
    again = cd.train(recipe(small, effective_rates=5), out="with")
    assert again.updates.present("update_ratio").all()


def test_a_run_that_was_taken_up_has_the_same_columns(small: dict[str, Any]) -> None:
    keys = recipe(small, total="4 epochs", effective_rates=3)
    whole = cd.train(keys, out="whole")

    class Enough(Exception):
        pass

    def stop(now: Any) -> None:
        if now.evaluated and now.t >= 14:
            shutil.copytree("parts", "killed")
            raise Enough

    with pytest.raises(Enough):
        cd.train(keys, out="parts", progress=stop)
    (Path("killed") / "result.json").unlink(missing_ok=True)
    parts = cd.train(keys, out="killed")
    for column in ("update_norm", "weight_norm", "update_ratio", "decay_rate"):
        np.testing.assert_array_equal(parts.updates[column], whole.updates[column])


def test_lamb_tells_its_trust_ratios(small: dict[str, Any]) -> None:
    record = cd.train({**small, "optimizer": {"name": "lamb", "lr": 0.01}, "effective_rates": 1}, out="run")
    [effect] = record.effective_rates
    assert effect.decay == "adapted"
    assert effect.trust is not None
    assert 0 < effect.trust.low < effect.trust.median < effect.trust.high
    # Each tensor moves by lr x its own norm, so all of them together do.
    np.testing.assert_allclose(record.updates["update_ratio"], 0.01, rtol=1e-5)


# ---- a rate for another batch ------------------------------------------------------------------------------------------


def scaled(small: dict[str, Any], **more: Any) -> dict[str, Any]:
    scale = {"rule": "linear", "reference_batch": 4, **more.pop("scale", {})}
    optimizer = {"name": "sgd", "lr": 0.01, "momentum": 0.9, "scale_lr": scale}
    return {**small, "optimizer": optimizer, "groups": {"offsets": {"parameters": "*.bias", "lr": 0.02}}, **more}


def test_the_run_has_the_scaled_rates_and_the_recipe_stays_as_it_was_written(small: dict[str, Any]) -> None:
    outlines: list[Any] = []
    # The task's own batch is 8, and two of them make an update.
    record = cd.train(scaled(small, accumulate=2), out="run", before=outlines.append)
    assert record.run["bases"] == {"lr": [0.08, 0.04]}
    np.testing.assert_allclose(record.updates["lr"], [[0.08, 0.04]] * len(record.updates), rtol=1e-15)
    told = {"rule": "linear", "lr": 0.01, "reference_batch": 4, "batch": 16, "factor": 4.0, "scaled": 0.04}
    assert record.run["scale_lr"] == {"optimizer": told}
    assert record.recipe["optimizer"]["lr"] == 0.01
    assert record.recipe["groups"]["offsets"]["lr"] == 0.02
    [outline] = outlines
    assert outline.scalings["optimizer"].to_json() == told
    assert outline.to_json()["scale_lr"] == {"optimizer": told}


def test_it_trains_as_the_rate_that_it_comes_to(small: dict[str, Any]) -> None:
    by_rule = cd.train(scaled(small, batch_size=16), out="rule")
    plain = {**small, "optimizer": {"name": "sgd", "lr": 0.04, "momentum": 0.9}, "batch_size": 16}
    by_hand = cd.train({**plain, "groups": {"offsets": {"parameters": "*.bias", "lr": 0.08}}}, out="hand")
    np.testing.assert_array_equal(by_rule.updates["loss"], by_hand.updates["loss"])


def test_the_warmup_begins_at_the_stated_rate(small: dict[str, Any]) -> None:
    record = cd.train(scaled(small, batch_size=16, scale={"warmup": "1 epoch"}, schedule="cosine(to=0.1)"), out="run")
    per_epoch = 4
    lr = record.updates["lr"]
    assert lr[0].tolist() == pytest.approx([0.02, 0.01])
    whole = cd.place("cosine(to=0.1)", total="3 epochs", steps_per_epoch=per_epoch, base=0.04).values()
    np.testing.assert_allclose(lr[per_epoch:, 1], whole[per_epoch:], rtol=1e-12)
    assert record.run["spec"] == "cosine(to=0.1) * (warmup('1 epoch', start=0.25) >> constant())"


def test_a_run_of_a_scaled_recipe_is_found_again(small: dict[str, Any]) -> None:
    keys = scaled(small)
    first = cd.train(keys)
    begun = (first.folder / "updates.jsonl").stat().st_mtime_ns
    assert cd.train(keys).folder == first.folder
    assert (first.folder / "updates.jsonl").stat().st_mtime_ns == begun


def test_a_rate_that_is_not_scaled_leaves_no_trace(small: dict[str, Any]) -> None:
    record = cd.train(small, out="run")
    assert "scale_lr" not in json.loads((record.folder / "run.json").read_text(encoding="utf-8"))


def test_a_run_with_an_absolute_rate_is_not_touched_by_it(small: dict[str, Any]) -> None:
    record = cd.train(scaled(small, schedule="absolute(0.005) * constant()"), out="run")
    np.testing.assert_allclose(record.updates["lr"], 0.005)


@pytest.mark.parametrize("warmup", ["100 epochs", 1000])
def test_a_warmup_longer_than_the_run_is_refused(small: dict[str, Any], warmup: object) -> None:
    with pytest.raises((RecipeError, ValueError), match="warmup"):
        cd.train(scaled(small, scale={"warmup": warmup}), out="run")
    assert not Path("run").exists()


def test_each_of_several_optimizers_is_scaled_by_its_own_rule(small: dict[str, Any]) -> None:
    optimizers = {
        "main": {"name": "sgd", "lr": 0.01, "scale_lr": {"rule": "linear", "reference_batch": 4}},
        "offsets": {"name": "adamw", "lr": 0.001, "scale_lr": {"rule": "sqrt", "reference_batch": 4}},
    }
    groups = {
        "offsets": {"parameters": "*.bias", "optimizer": "offsets"},
        "head": {"parameters": "head.weight", "lr": "x10"},
        "body": {"parameters": "body.weight", "lr": 0.5},
    }
    keys = {**small, "optimizer": optimizers, "groups": groups, "batch_size": 16, "effective_rates": 5}
    record = cd.train(keys, out="run")
    bases = dict(zip(record.run["groups"], record.run["bases"]["lr"], strict=True))
    assert bases == pytest.approx({"offsets": 0.002, "head": 0.4, "body": 2.0})
    assert {name: one["factor"] for name, one in record.run["scale_lr"].items()} == {"main": 4.0, "offsets": 2.0}
    assert {e.group: e.decay for e in record.effective_rates} == {
        "offsets": "coupled", "head": "gradient", "body": "gradient",
    }  # fmt: skip
    assert all(effect.update_ratio for effect in record.effective_rates)
    for one in optimizers.values():
        one["scale_lr"] = {**one["scale_lr"], "warmup": 3}  # type: ignore[dict-item]
    with pytest.raises(RecipeError, match="not scaled alike"):
        cd.train(keys, out="other")


def test_a_group_that_is_frozen_is_seen_to_stand_still(small: dict[str, Any]) -> None:
    groups = {"head": {"parameters": "head.*", "frozen": 5}}
    record = cd.train({**small, "groups": groups, "effective_rates": 1}, out="run")
    names = record.run["groups"]
    moved = record.updates["update_norm"][:, names.index("head")]
    assert moved[:5].tolist() == [0.0] * 5
    assert (moved[5:] > 0).all()
    assert (record.updates["weight_norm"] > 0).all()
