"""What a run of a search came to: its objective at the end, or at its best evaluation, read from its record."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from cadence.record.writer import RunWriter
from cadence.search.ends import end_of
from cadence.search.settings import Objective, read_settings

RUN = {"name": "x", "spec": "constant()", "horizon": {}, "groups": ["all"], "values": ["lr"], "bases": {"lr": [0.1]}}


@pytest.fixture
def trained(tmp_path: Path) -> Path:
    """A run whose loss was lowest, and whose accuracy highest, in the middle."""
    folder = tmp_path / "trials" / "0000" / "seed-0"
    folder.mkdir(parents=True)
    with RunWriter(folder) as writer:
        writer.start(RUN, environment={})
        for t, loss, accuracy in ((1, 3.0, 0.2), (2, 1.0, 0.9), (3, math.nan, math.nan), (4, 2.0, 0.5)):
            writer.evaluation({"t": t, "val_loss": loss, "val_accuracy": accuracy})
    return folder


@pytest.mark.parametrize(
    ("when", "metric", "higher", "value"),
    [
        ("final", "val_loss", False, 2.0),
        ("best", "val_loss", False, 1.0),
        ("final", "val_accuracy", True, 0.5),
        ("best", "val_accuracy", True, 0.9),
        ("best", "val_f1", True, None),
    ],
)
def test_the_objective_is_that_of_the_end_or_of_the_best_evaluation(
    trained: Path, tmp_path: Path, when: str, metric: str, higher: bool, value: float | None
) -> None:
    content = {"status": "finished", "updates": 4, "final": {"val_loss": 2.0, "val_accuracy": 0.5}}
    found = end_of(trained, content, Objective(when, metric), higher=higher, root=tmp_path)  # type: ignore[arg-type]
    assert found["value"] == value
    assert found["folder"] == "trials/0000/seed-0"


def test_without_a_record_the_end_is_all_that_is_known(tmp_path: Path) -> None:
    content = {"status": "diverged", "final": {"val_loss": math.nan}}
    found = end_of(tmp_path / "gone", content, Objective("best", "val_loss"), higher=False, root=tmp_path)
    assert (found["value"], found["final"], found["updates"]) == (None, {}, 0)


def test_no_seed_of_a_trial_confirms_the_winner() -> None:
    keys = {
        "task": "digits", "optimizer": {"name": "adamw", "lr": 5.0}, "total": 9,
        "search": {"space": {"lr": "log(1e-4, 1)"}, "seeds": [1000, 1002], "confirm": 3},
    }  # fmt: skip
    assert read_settings(keys, None, None, {}).confirm == (1001, 1003, 1004)
