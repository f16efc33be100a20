"""What a run in paddle measures of its updates."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("paddle")
pytest.importorskip("safetensors")

import paddle
from safetensors.paddle import load_file

import cadence as cd

Keys = dict[str, Any]


@pytest.fixture
def measured(small: Keys) -> Keys:
    return {
        **small,
        "engine": "paddle",
        "task": "small_paddle:rows",
        "optimizer": {"name": "adamw", "lr": 0.01, "weight_decay": 0.5},
        "groups": {"offsets": {"parameters": "*.bias", "weight_decay": 0}},
        "schedule": "cosine()",
    }


def weights(t: int) -> dict[str, Any]:
    found = load_file(Path("run") / "checkpoints" / f"{t}.safetensors")
    return {n: x.numpy().astype(np.float64) for n, x in found.items() if n.startswith("model.")}


def test_updates_are_measured_as_by_hand(measured: Keys) -> None:
    record = cd.train({**measured, "effective_rates": 3, "total": 8, "checkpoint": {"every": 1, "keep": 9}}, out="run")
    table = record.updates
    assert table["t"][table.present("update_ratio")].tolist() == [0, 3, 6]
    assert record.run["decay"] == ["coupled", "coupled"]
    before, after = weights(3), weights(4)
    for g, mine in enumerate((".bias", ".weight")):
        names = [n for n in before if n.endswith(mine)]
        moved = np.sqrt(sum(((after[n] - before[n]) ** 2).sum() for n in names))
        size = np.sqrt(sum((before[n] ** 2).sum() for n in names))
        assert table["update_norm"][3, g] == pytest.approx(moved, rel=1e-4)
        assert table["weight_norm"][3, g] == pytest.approx(size, rel=1e-5)
    np.testing.assert_allclose(table["decay_rate"][:, 1], table["lr"][:, 1] * 0.5, rtol=1e-14)
    assert (table["decay_rate"][:, 0] == 0).all()


def test_measuring_changes_nothing(measured: Keys) -> None:
    with_it = cd.train({**measured, "effective_rates": 1}, out="with")
    without = cd.train({**measured, "effective_rates": None}, out="without")
    assert with_it.updates["loss"].tolist() == without.updates["loss"].tolist()
    assert with_it.updates.present("update_ratio").all()


def test_trust_ratios_are_those_of_each_groups_tensors(measured: Keys) -> None:
    keys = {**measured, "optimizer": {"name": "cadence:lamb", "lr": 0.01, "weight_decay": 0.1}, "effective_rates": 1}
    record = cd.train({**keys, "groups": {}, "no_decay": True, "total": 4}, out="run")
    assert record.run["decay"] == ["adapted", "adapted"]
    low, middle, high = (record.updates[f"trust_{name}"] for name in ("min", "median", "max"))
    assert ((low <= middle) & (middle <= high) & (low > 0)).all()


def test_two_optimizers_and_frozen_groups(measured: Keys) -> None:
    two = {"main": {"name": "adamw", "lr": 0.01}, "other": {"name": "sgd", "lr": 0.01, "momentum": 0.9}}
    groups = {"body": {"parameters": "body.*", "optimizer": "other", "frozen": 4}}
    keys = {**measured, "optimizer": two, "groups": groups, "effective_rates": 2, "total": 8}
    record = cd.train(keys, out="run")
    assert record.run["decay"] == ["coupled", "gradient"]
    norms = record.updates["update_norm"][::2]
    assert norms[:, 1].tolist()[:2] == [0.0, 0.0]
    assert (norms[2:, 1] > 0).all()
    assert (norms[:, 0] > 0).all()


def test_in_a_loop_of_ones_own_without_groups() -> None:
    line = paddle.nn.Linear(2, 1)
    optimizer = paddle.optimizer.SGD(0.5, parameters=line.parameters())
    driver = cd.drive(optimizer, "constant()", total=4, record="mine", effective_rates=2)
    plain = copy.deepcopy(optimizer)
    for _ in range(4):
        line(paddle.ones([1, 2])).sum().backward()
        optimizer.step()
        optimizer.clear_grad()
        driver.log(loss=1.0)
        driver.step()
    found = cd.load_record("mine").updates
    # The gradient is (1, 1, 1).
    np.testing.assert_allclose(found["update_norm"][::2, 0], 0.5 * np.sqrt(3), rtol=1e-6)
    assert np.isnan(found["update_norm"][1::2]).all()
    assert "Measured" not in type(plain.step).__name__
