"""Diagnosis against trainings whose fault is known, because it was provoked."""

from __future__ import annotations

import functools

import pytest
from tests.diagnosis import labelled

from cadence.diagnosis.diagnose import Diagnosis, diagnosed

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
    assert sum(labelled.labels()[name]["held"] for name in FAULTY) >= len(FAULTY) / 3


@pytest.mark.parametrize("bare", [False, True])
@pytest.mark.parametrize("name", SOUND)
def test_nothing_is_found_where_nothing_is_wrong(name: str, bare: bool) -> None:
    assert [d.finding.message for d in found(name, bare=bare).findings] == []


@pytest.mark.parametrize("bare", [False, True])
def test_faults_of_the_tasks_that_were_looked_at_are_found(bare: bool) -> None:
    names = [name for name in FAULTY if not labelled.labels()[name]["held"]]
    assert recall(names, bare=bare) >= 0.95


@pytest.mark.parametrize("bare", [False, True])
def test_faults_of_other_tasks_are_found(bare: bool) -> None:
    names = [name for name in FAULTY if labelled.labels()[name]["held"]]
    assert recall(names, bare=bare) >= 0.8


@pytest.mark.parametrize("name", FAULTY)
def test_a_finding_says_where_how_strong_what_to_try_and_what_to_expect(name: str) -> None:
    for each in found(name).findings:
        texts = [
            each.finding.message,
            each.finding.consequence,
            each.finding.fix,
            each.effect.en,
            *each.finding.zh[1:],
            each.effect.zh,
        ]
        assert all(texts)
        assert 0 <= each.evidence.first <= each.evidence.last
        assert each.picture.series
        assert not any("nan" in text for text in texts)
