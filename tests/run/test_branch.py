"""Runs that begin in other runs: from a checkpoint, along another way, and both know of each other."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("safetensors")

import yaml
from safetensors.torch import load_file

import cadence as cd
from cadence._errors import HorizonError, RecordError, SpecError
from cadence.run.branch import branch
from cadence.run.standing import curve_of
from cadence.run.steer import steer
from cadence.run.train import train

Keys = dict[str, Any]


@pytest.fixture
def parent(small: Keys) -> Path:
    """A run of 40 updates with checkpoints at every tenth."""
    keys = {
        **small,
        "task": "small_tasks:alive",
        "schedule": "warmup(3) >> constant() * plateau('val_loss', patience=50)",
        "total": 40,
        "evaluate": 5,
        "checkpoint": {"every": 10, "keep": 20},
    }
    Path("recipe.yaml").write_text(yaml.safe_dump(keys), encoding="utf-8")
    train("recipe.yaml", out="x")
    return Path("x")


def test_a_branch_goes_on_along_a_tail_without_a_jump(parent: Path) -> None:
    made = branch(parent, "y", at=20, tail="cosine(to=0.1)", total=60)
    assert (made.t, made.after.total) == (20, 60)
    assert made.after.at(20) == pytest.approx(made.before.at(20), rel=1e-15)
    assert made.after.spec == "constant(20) >> cosine(to=0.1)"
    record = train("y/recipe.yaml", out="y")
    assert (record.status, record.t) == ("finished", 60)
    old, rates = cd.load_record(parent), record.updates["lr"][:, 0]
    # What came before is that of the old run, to the bit, and the rest is what was shown.
    np.testing.assert_array_equal(rates[:20], old.updates["lr"][:20, 0])
    np.testing.assert_array_equal(record.updates["loss"][:20], old.updates["loss"][:20])
    np.testing.assert_array_equal(rates, made.after.values())
    np.testing.assert_array_equal(rates, curve_of(record.run, record.journal).values())
    assert record.evaluations["t"].tolist() == list(range(5, 65, 5))


def test_a_branch_that_changes_nothing_ends_as_its_run_did_to_the_bit(parent: Path) -> None:
    branch(parent, "y", at=20)
    record = train("y/recipe.yaml", out="y")
    old = cd.load_record(parent)
    np.testing.assert_array_equal(record.updates["loss"], old.updates["loss"])
    one, other = (load_file(f"{folder}/checkpoints/40.safetensors") for folder in ("x", "y"))
    assert all((one[name] == other[name]).all() for name in one)


def test_both_know_of_each_other_and_a_new_description_does_not_forget(parent: Path) -> None:
    branch(parent, "y", at=10, tail="linear()")
    branch(parent, "z")
    assert cd.load_record(parent).run["branches"] == [{"folder": "y", "t": 10}, {"folder": "z", "t": 40}]
    origin = {"folder": "x", "name": "recipe", "t": 10}
    assert cd.load_record("y").run["branched_from"] == origin
    told = [e for e in cd.load_record("y").journal if e["kind"] == "branch"]
    assert [(e["t"], e["sentence"]) for e in told] == [(10, "Branched from x at update 10.")]
    train("y/recipe.yaml", out="y")
    assert cd.load_record("y").run["branched_from"] == origin
    steer(parent, "extend", {"length": 5})
    train("recipe.yaml", out="x")
    assert len(cd.load_record(parent).run["branches"]) == 2


def test_a_branch_of_a_changed_run_is_as_that_is_now(parent: Path) -> None:
    steer(parent, "extend", {"length": 20})
    train("recipe.yaml", out="x")
    made = branch(parent, "y", at=50)
    assert made.after.total == 60
    assert train("y/recipe.yaml", out="y").t == 60
    tail = branch(parent, "z", at=50, tail="linear(to=0.5)")
    assert tail.after.total == 60
    record = train("z/recipe.yaml", out="z")
    assert record.t == 60
    np.testing.assert_array_equal(record.updates["lr"][:, 0], tail.after.values())


def test_a_branch_may_be_longer_with_the_same_schedule(parent: Path) -> None:
    made = branch(parent, "y", at=20, total="10 epochs")
    assert made.after.total == 70
    assert train("y/recipe.yaml", out="y").t == 70


def test_a_branch_may_have_another_recipe(parent: Path) -> None:
    keys = yaml.safe_load(Path("recipe.yaml").read_text()) | {"schedule": "constant() >> linear('50%')", "total": 50}
    Path("other.yaml").write_text(yaml.safe_dump(keys), encoding="utf-8")
    made = branch(parent, "y", at=20, recipe="other.yaml")
    record = train("y/recipe.yaml", out="y")
    assert record.t == 50
    np.testing.assert_array_equal(record.updates["lr"][:, 0], made.after.values())


def test_a_dry_run_leaves_nothing(parent: Path) -> None:
    before = sorted(p.name for p in Path().iterdir())
    told = json.loads((parent / "run.json").read_text())
    assert branch(parent, "y", tail="linear()", total=90, dry_run=True).after.total == 90
    assert sorted(p.name for p in Path().iterdir()) == before
    assert json.loads((parent / "run.json").read_text()) == told


@pytest.mark.parametrize(
    ("arguments", "error", "told"),
    [
        ({"at": 15}, RecordError, "no whole checkpoint at update 15; there are: 10, 20, 30, 40"),
        ({"at": 20, "total": 20}, SpecError, "a branch of 20 updates would end before update 20"),
        ({"at": 20, "tail": "warmup(40)"}, HorizonError, "warmup"),
        ({"at": 20, "tail": {"momentum": "constant()"}}, SpecError, "does not govern 'momentum'"),
        ({"at": 20, "tail": "linear(start=0)"}, ValueError, "no factor joins them"),
    ],
)
def test_a_branch_that_cannot_be_says_why_and_leaves_nothing(
    parent: Path, arguments: Keys, error: type[Exception], told: str
) -> None:
    with pytest.raises(error, match=told):
        branch(parent, "y", **arguments)
    assert sorted(p.name for p in Path().iterdir()) == ["recipe.yaml", "x"]


def test_a_folder_that_is_there_is_not_touched(parent: Path) -> None:
    Path("y").mkdir()
    with pytest.raises(RecordError, match="y exists already"):
        branch(parent, "y")


def test_a_checkpoint_that_was_damaged_is_no_place_to_begin(parent: Path) -> None:
    (parent / "checkpoints/20.safetensors").write_bytes(b"")
    with pytest.raises(RecordError, match="no whole checkpoint at update 20"):
        branch(parent, "y", at=20)
