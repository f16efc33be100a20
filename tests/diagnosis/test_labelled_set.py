"""Diagnosis against trainings whose fault is known, because it was provoked."""

from __future__ import annotations

import functools
from pathlib import Path

import pytest
from tests.diagnosis import labelled
from tests.diagnosis.labelled import Kept

from cadence.diagnosis.diagnose import Diagnosis, diagnosed
from cadence.diagnosis.rule import rules

LABELS = labelled.labels()
WHOLE = Kept()
SOUND = sorted(name for name in LABELS if name.startswith("sound"))
FAULTY = sorted(name for name, label in LABELS.items() if label["faults"])


@functools.cache
def found(name: str, kept: Kept = WHOLE) -> Diagnosis:
    return diagnosed(labelled.log(name, kept))


def faults(name: str, kept: Kept = WHOLE) -> set[str]:
    return {d.fault for d in found(name, kept).findings}


def recall(seen: str, kept: Kept, step: int = 1) -> float:
    """Share of the faults that did harm, of tasks looked at `seen`, that are named; of every `step`th training."""
    chosen = [n for n in FAULTY if LABELS[n]["seen"] == seen and not LABELS[n]["harmless"]]
    right = [
        bool(faults(name, kept) & set(LABELS[name]["faults"]))
        for name in chosen[::step]
        if labelled.tells(LABELS[name], kept)
    ]
    return sum(right) / len(right)


def test_the_set_is_as_large_as_it_says() -> None:
    assert len(SOUND) >= 220
    assert len(FAULTY) >= 570
    assert sum(LABELS[name]["seen"] == "never" for name in FAULTY) >= 80


KEPT = {
    "every update": Kept(),
    "every tenth": Kept(10, bare=True),
    "means of ten": Kept(10, mean=True, bare=True),
    "an epoch": Kept(bare=True, epochs=True),
    "every 25th": Kept(25, bare=True),
    "no validation loss": Kept(10, bare=True, judged=False),
    "every 50th": Kept(50, bare=True),
}
"""How a log may have been kept."""


@pytest.mark.parametrize("how", KEPT)
def test_nothing_is_found_where_nothing_is_wrong(how: str) -> None:
    said = [f"{name}: {d.finding}" for name in SOUND for d in found(name, KEPT[how]).findings]
    assert said == []


@pytest.mark.parametrize(
    ("how", "step", "first", "later", "never"),
    [
        ("every update", 1, 0.84, 0.78, 0.66),
        ("every tenth", 3, 0.72, 0.68, 0.6),
        ("means of ten", 3, 0.74, 0.68, 0.65),
        ("an epoch", 3, 0.63, 0.6, 0.65),
        ("every 25th", 3, 0.7, 0.65, 0.55),
    ],
)
def test_faults_are_found(how: str, step: int, first: float, later: float, never: float) -> None:
    assert recall("first", KEPT[how], step) >= first
    assert recall("later", KEPT[how], step) >= later
    assert recall("never", KEPT[how], step) >= never


PLAIN = (
    "divergence",
    "rate-low",
    "ends-",
    "drops",
    "patience-1",
    "anew",
    "frozen",
    "scale",
    "slow-input",
    "written-down",
)


def test_what_no_task_hides_is_always_found() -> None:
    names = [name for name in FAULTY if name.startswith(PLAIN)]
    assert len(names) > 180
    assert [name for name in names if not faults(name) & set(LABELS[name]["faults"])] == []


@pytest.mark.parametrize("name", FAULTY[::9])
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
    "name", [name for name, label in LABELS.items() if label["cause"] >= 0 and name.startswith("jump")]
)
def test_a_jump_is_put_down_to_the_event_that_made_it(name: str) -> None:
    label = LABELS[name]
    near = [j for j in found(name).jumps if j.metric == "val_loss" and abs(j.t - label["jump"]) <= 20]
    assert [j.event is not None and j.event.t for j in near] == [label["cause"]]


@pytest.mark.parametrize("name", [name for name in LABELS if name.startswith("jump-clean")])
def test_a_jump_without_an_event_is_put_down_to_none(name: str) -> None:
    at = LABELS[name]["jump"]
    jumps = [j for j in found(name).jumps if j.metric == "val_loss"]
    assert [(j.since <= at < j.t, j.event) for j in jumps] == [(True, None)]
    assert "no event" in jumps[0].sentence.en or "has no events" in jumps[0].sentence.en


def test_the_page_has_the_rules_and_the_numbers_of_today() -> None:
    page = (Path(__file__).parents[2] / "docs" / "diagnosis.md").read_text(encoding="utf-8")
    assert all(f"| {rule.code} | `{rule.fault}` |" in page for rule in rules())
    names = [name for name in FAULTY if LABELS[name]["seen"] == "first"]
    hits = sum(bool(faults(name) & set(LABELS[name]["faults"])) for name in names)
    assert f"| every update, all columns | {hits} of {len(names)}: " in page


@pytest.mark.parametrize("name", ["low-100-labels", "low-100-pairs", "low-30-labels", "low-30-pairs"])
def test_weights_that_hardly_moved_tell_a_rate_that_is_too_low(name: str) -> None:
    (finding,) = [d for d in found(name).findings if d.fault == "rate_low"]
    assert "weights by" in finding.finding.message
    assert finding.evidence.value < finding.evidence.against
    # Without the column of the updates' sizes the same log does not show it.
    assert "rate_low" not in {d.fault for d in found(name, Kept(bare=True)).findings}
