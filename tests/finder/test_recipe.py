"""The range test of a recipe."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("safetensors")

import cadence as cd
from cadence._errors import DriverError, RecipeError, SpecError
from cadence.finder.of_recipe import Progress

DIGITS: dict[str, Any] = {
    "task": "digits",
    "optimizer": {"name": "adamw", "lr": 0.001},
    "schedule": "warmup('5%') >> cosine()",
    "total": 500,
}


@pytest.fixture(params=["torch", "paddle"])
def engine(request: pytest.FixtureRequest) -> str:
    pytest.importorskip(request.param)
    pytest.importorskip("sklearn")
    return request.param


def test_a_recipe_is_tested_within_its_budget_and_the_same_again(engine: str) -> None:
    recipe = {**DIGITS, "engine": engine}
    seen: list[Progress] = []
    python, plain = random.getstate(), np.random.get_state()
    first = cd.find_lr(recipe, updates="8%", progress=seen.append)
    assert random.getstate() == python
    assert np.array_equal(np.random.get_state()[1], plain[1])
    assert [p.done for p in seen] == list(range(1, first.swept.updates + 1))
    assert 30 <= first.swept.updates <= 40
    assert first.about == {"name": first.about["name"], "seed": 0, "total": 500}
    again = cd.find_lr(recipe, updates="8%")
    assert json.dumps(again.to_json()) == json.dumps(first.to_json())
    other = cd.find_lr(recipe, updates="8%", seed=5)
    assert other.swept.losses != first.swept.losses


def test_every_repeat_begins_with_the_weights_of_the_recipe_and_other_batches(engine: str) -> None:
    found = cd.find_lr({**DIGITS, "engine": engine}, updates=30, start=1e-5, end=1e-1, repeats=3)
    assert len(found.swept.losses) == 3
    begin = [row[0] for row in found.swept.losses]
    assert len(set(begin)) == 3
    assert np.ptp(begin) < 0.5
    assert found.suggestions.start == pytest.approx(np.log(10), abs=0.4)


def test_groups_keep_their_ratio_and_frozen_ones_are_told_too() -> None:
    pytest.importorskip("torch")
    pytest.importorskip("sklearn")
    recipe = {**DIGITS, "groups": {"head": {"parameters": ["role:head"], "lr": "x0.1"}}}
    found = cd.find_lr(recipe, updates=40)
    assert set(found.names) == {"head", "rest"}
    assert sorted(found.own) == [pytest.approx(1e-4), pytest.approx(1e-3)]
    assert found.rates is None or max(found.rates) == pytest.approx(10 * min(found.rates))


def test_accumulation_makes_one_update_of_its_micro_batches() -> None:
    pytest.importorskip("torch")
    pytest.importorskip("sklearn")
    found = cd.find_lr({**DIGITS, "batch_size": 16, "accumulate": 3}, updates=30)
    assert found.swept.updates <= 30


@pytest.mark.parametrize(
    ("options", "error", "told"),
    [
        ({"start": 1.0, "end": 0.1}, SpecError, "upside down"),
        ({"updates": "1%"}, SpecError, "of 5 updates"),
        ({"model": object()}, DriverError, "model= belongs"),
        ({"scaler": object()}, DriverError, "scaler= belongs"),
    ],
)
def test_what_no_test_can_be_made_of_is_refused(options: dict[str, Any], error: type[Exception], told: str) -> None:
    pytest.importorskip("torch")
    pytest.importorskip("sklearn")
    with pytest.raises(error, match=told):
        cd.find_lr(DIGITS, **options)


def test_a_recipe_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RecipeError):
        cd.find_lr(tmp_path / "none.yaml")
