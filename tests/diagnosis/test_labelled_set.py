"""Diagnosis against trainings whose fault is known, because it was provoked."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

import pytest
from tests.diagnosis import labelled

from cadence.diagnosis.diagnose import Diagnosis, diagnosed
from cadence.diagnosis.rule import rules

SOUND = sorted(name for name in labelled.labels() if name.startswith("sound"))
FAULTY = sorted(name for name, label in labelled.labels().items() if label["faults"])


@functools.cache
def found(name: str, every: int = 1, mean: bool = False, bare: bool = False) -> Diagnosis:
    return diagnosed(labelled.log(name, every=every, mean=mean, bare=bare))


def faults(name: str, every: int = 1, mean: bool = False, bare: bool = False) -> set[str]:
    return {d.fault for d in found(name, every, mean, bare).findings}


def recall(names: list[str], every: int = 1, mean: bool = False, bare: bool = False) -> float:
    labels = labelled.labels()
    seen = [name for name in names if not bare or not {"input_bound", "loss_scale"} & set(labels[name]["faults"])]
    return sum(bool(faults(name, every, mean, bare) & set(labels[name]["faults"])) for name in seen) / len(seen)


def test_the_set_is_as_large_as_it_says() -> None:
    assert len(SOUND) >= 20
    assert len(FAULTY) >= 60
    assert sum(labelled.labels()[name]["held"] for name in FAULTY) >= 50


KEPT: dict[str, dict[str, Any]] = {
    "every update": {},
    "few columns": {"bare": True},
    "every tenth": {"every": 10, "bare": True},
    "means of ten": {"every": 10, "mean": True},
}
"""How a log may have been kept."""


@pytest.mark.parametrize("how", KEPT)
def test_nothing_is_found_where_nothing_is_wrong(how: str) -> None:
    said = [f"{name}: {d.finding}" for name in SOUND for d in found(name, **KEPT[how]).findings]
    assert said == []


@pytest.mark.parametrize(("how", "looked_at", "held"), [("every update", 0.95, 0.9), ("few columns", 0.95, 0.9)])
def test_faults_are_found(how: str, looked_at: float, held: float) -> None:
    labels = labelled.labels()
    assert recall([name for name in FAULTY if not labels[name]["held"]], **KEPT[how]) >= looked_at
    assert recall([name for name in FAULTY if labels[name]["held"]], **KEPT[how]) >= held


@pytest.mark.parametrize("name", FAULTY[::3])
def test_a_finding_says_where_how_strong_what_to_try_and_what_to_expect(name: str) -> None:
    for each in found(name).findings:
        english = [each.finding.message, each.finding.consequence, each.finding.fix, each.effect.en]
        chinese = [*each.finding.zh[1:], each.effect.zh]
        assert all(english)
        assert all(any("\u4e00" <= c <= "\u9fff" for c in text) for text in chinese)
        assert not any("nan" in text for text in (*english, *chinese))
        assert 0 <= each.evidence.first <= each.evidence.last
        assert each.picture.series


def test_a_divergence_is_not_called_anything_else_besides() -> None:
    names = [name for name in FAULTY if name.startswith("divergence")]
    besides = [faults(name) - {"divergence"} for name in names if "divergence" in faults(name)]
    assert set().union(*besides) <= {"still_groups", "input_bound", "loss_scale", "planned"}


@pytest.mark.parametrize(
    "name", [name for name, label in labelled.labels().items() if label["cause"] >= 0 and name.startswith("jump")]
)
def test_a_jump_is_put_down_to_the_event_that_made_it(name: str) -> None:
    label = labelled.labels()[name]
    near = [j for j in found(name).jumps if j.metric == "val_loss" and abs(j.t - label["jump"]) <= 20]
    if name == "jump-step-table":
        # The metric was so noisy before the event that the jump cannot be told from it; the verdict can.
        assert [v.judgement for v in found(name).verdicts] == ["helped"]
        return
    assert [j.event is not None and j.event.t for j in near] == [label["cause"]]


@pytest.mark.parametrize("name", [name for name in labelled.labels() if name.startswith("jump-clean")])
def test_a_jump_without_an_event_is_put_down_to_none(name: str) -> None:
    at = labelled.labels()[name]["jump"]
    jumps = [j for j in found(name).jumps if j.metric == "val_loss"]
    assert [(j.since <= at < j.t, j.event) for j in jumps] == [(True, None)]
    assert "no event" in jumps[0].sentence.en or "has no events" in jumps[0].sentence.en


def test_the_page_has_the_rules_and_the_numbers_of_today() -> None:
    page = (Path(__file__).parents[2] / "docs" / "diagnosis.md").read_text(encoding="utf-8")
    assert all(f"| {rule.code} | `{rule.fault}` |" in page for rule in rules())
    labels = labelled.labels()
    names = [name for name in FAULTY if not labels[name]["held"]]
    hits = sum(bool(faults(name) & set(labels[name]["faults"])) for name in names)
    assert f"| every update, all columns | {hits} of {len(names)} " in page
