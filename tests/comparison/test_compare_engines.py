"""The same recipes in torch and paddle, side by side."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("paddle")
pytest.importorskip("scipy")
pytest.importorskip("matplotlib")

import cadence as cd
from cadence._errors import RecipeError
from cadence.comparison.engines import chosen_engines
from cadence.comparison.entries import intent
from cadence.comparison.twins import twin
from cadence.recipe.load import load_recipe
from cadence.recipe.recipe import Recipe
from cadence.record.reader import load_record
from cadence.record.writer import RunWriter
from cadence.report.compare import Comparison


@pytest.fixture(autouse=True)
def tasks_are_importable(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.syspath_prepend(str(Path(__file__).parent))
    monkeypatch.chdir(tmp_path)


def recipe(name: str, lr: float = 0.05, **keys: Any) -> Recipe:
    given: dict[str, Any] = {
        "name": name,
        "task": "compare_both:lines",
        "device": "cpu",
        "optimizer": {"name": "sgd", "lr": lr},
        "total": "4 epochs",
    }
    return Recipe(**{**given, **keys})


def test_both_frameworks_side_by_side() -> None:
    recipes = [
        recipe("plain", tune={"factors": [0.001, 1]}),
        recipe("tuned", 1e-4, schedule="warmup(3) >> cosine(to=0.1)", tune={"factors": [1, 500]}, clip_norm=1.0),
    ]
    made = cd.compare(recipes, engines="torch,paddle", seeds=2, workers=1, out="both")
    names = ["plain (torch)", "plain (paddle)", "tuned (torch)", "tuned (paddle)"]
    (task,) = made.summary.tasks
    assert [r.name for r in task.recipes] == names
    assert not made.incomplete
    # Tuned in torch alone, and the rate that was chosen there is paddle's too.
    assert [len(r.tuning) for r in task.recipes] == [2, 0, 2, 0]
    assert [r.lr for r in task.recipes] == [0.05, 0.05, 0.05, 0.05]
    for first, second in zip(task.recipes[::2], task.recipes[1::2], strict=True):
        for one, other in zip(first.runs, second.runs, strict=True):
            a, b = load_record(Path("both") / one.folder), load_record(Path("both") / other.folder)
            assert a.updates["lr"].tolist() == b.updates["lr"].tolist()
            np.testing.assert_allclose(b.updates["loss"], a.updates["loss"], rtol=1e-5)
    twins = json.loads(Path("both/summary.json").read_text())["tasks"][0]["twins"]
    assert [(t["first"], t["second"]) for t in twins] == [(names[0], names[1]), (names[2], names[3])]
    for found in twins:
        assert (found["seeds"], found["updates"], found["rates_equal"]) == ([0, 1], 48, True)
        assert [x["updates"] for x in found["losses"]] == [1, 10, 24]
        assert 0 <= found["losses"][-1]["largest"] < 1e-5
    text = str(made)
    told = "plain (torch) and plain (paddle): the learning rates are the same numbers in all 48 updates of 2 seeds."
    assert told in " ".join(text.split())
    page = Path("both/report.html").read_text()
    assert told in page
    assert "did not get the same tuning budget" not in page
    assert "Each recipe was trained in torch and paddle. Rates were tuned in torch alone" in page
    held = json.loads(Path("both/comparison.json").read_text())["tasks"][0]["recipes"]
    assert [r.get("twin") for r in held] == [None, names[0], None, names[2]]
    # The same call finds it finished, and a report in the other language says the same.
    again = cd.compare(recipes, engines=["torch", "paddle"], seeds=2, workers=1, out="both", lang="zh")
    assert "学习率数值完全相同" in str(Path(again.files["page"]).read_text())


def test_paddle_alone_gives_the_same_table() -> None:
    made: Comparison = cd.compare([recipe("a"), recipe("b", 0.01)], engines="paddle", seeds=2, workers=1, out="one")
    (task,) = made.summary.tasks
    assert [r.name for r in task.recipes] == ["a", "b"]
    assert task.twins == ()
    assert not made.incomplete
    assert {load_recipe(Path("one", run.folder, "recipe.yaml")).engine for run in made.summary.runs} == {"paddle"}


def test_the_first_engine_draws_the_weights_for_all() -> None:
    wanted = intent([recipe("a")], seeds=1, tasks=None, updates=None, tune=True, engines="paddle, torch")
    (group,) = wanted.groups
    told = [(e.recipe.name, e.recipe.engine, e.recipe.initial_weights, e.twin) for e in group.entries]
    assert told == [("a (paddle)", "paddle", None, None), ("a (torch)", "torch", "paddle", 0)]
    plain = intent([recipe("a")], seeds=1, tasks=None, updates=None, tune=True)
    assert plain.groups[0].entries[0].recipe == recipe("a")


@pytest.mark.parametrize(
    ("engines", "said"),
    [
        ("torhc", "there is no engine called 'torhc'; did you mean 'torch'?"),
        ("torch,torch", "none, or one twice"),
        ("", "there is no engine called ''"),
        ([], "none, or one twice"),
        ([3], "there is no engine called 3"),
    ],
)
def test_engines_that_there_are_not_are_refused(engines: Any, said: str) -> None:
    with pytest.raises(RecipeError) as caught:
        chosen_engines(engines)
    assert said in str(caught.value)


def test_rates_that_differ_are_said_to(tmp_path: Path) -> None:
    def run(name: str, losses: list[float], lr: float) -> Any:
        with RunWriter(tmp_path / name) as writer:
            about = {"name": name, "spec": "constant()", "horizon": {"total": 3}}
            writer.start({**about, "values": ["lr"], "groups": ["0"], "bases": {"lr": [lr]}})
            for t, loss in enumerate(losses):
                writer.update({"t": t, "loss": loss, "lr": [lr]})
        return load_record(tmp_path / name)

    one, other, slower = run("a", [2.0, 1.0, 0.0], 0.1), run("b", [2.0, 1.1], 0.1), run("c", [2.0, 1.0, 0.0], 0.2)
    found = twin("x", "y", [(0, one, other)])
    assert found is not None
    assert (found.updates, found.rates_equal, found.final) == (2, True, None)
    assert found.losses == ((1, 0.0), (2, pytest.approx(0.1 / 1.1)))
    differing = twin("x", "y", [(0, one, one), (1, one, slower)])
    assert differing is not None
    assert (differing.updates, differing.rates_equal, differing.losses[-1]) == (6, False, (3, 0.0))
    assert twin("x", "y", []) is None
