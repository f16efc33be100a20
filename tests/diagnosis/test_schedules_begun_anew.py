"""A schedule that begins anew by mistake, beside cycles that are meant to."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from tests.diagnosis.logs import write_csv

import cadence as cd

TOTAL = 600


def faults(folder: Path, rates: np.ndarray, every: int) -> set[str]:
    noise = np.random.default_rng(1).normal(scale=0.02, size=TOTAL)
    rows = [
        [t + 1, 0.3 + 2 * np.exp(-t / 80) + noise[t], rates[t]] for t in range(TOTAL) if (t + 1) % every == 0
    ]  # fmt: skip
    return {each.fault for each in cd.diagnose(write_csv(folder / "log.csv", ["step", "loss", "lr"], rows)).findings}


def rates_of(schedule: str) -> np.ndarray:
    return cd.place(cd.parse(schedule), total=TOTAL, base=0.1).values()


@pytest.mark.parametrize("every", [1, 10])
@pytest.mark.parametrize("at", [0.3, 0.5, 0.7, 0.75])
@pytest.mark.parametrize(
    "schedule", ["warmup('5%') >> cosine()", "cosine(to=0.01)", "warmup('10%') >> linear()", "steps(at=[150, 480])"]
)
def test_a_schedule_that_a_resume_begins_anew_is_seen(tmp_path: Path, schedule: str, at: float, every: int) -> None:
    once = rates_of(schedule)
    i = int(at * TOTAL)
    assert "resume_jump" in faults(tmp_path, np.concatenate([once[:i], once[: TOTAL - i]]), every)


@pytest.mark.parametrize("every", [1, 10])
@pytest.mark.parametrize(
    "schedule",
    [
        "cosine(200).repeat()",
        "cosine(200, to=0.1).repeat()",
        "cosine(40).repeat(grow=2)",
        "linear(200, to=0.1).repeat()",
        "linear(200).repeat()",
        "(linear(100, start=0.2) >> linear(100, to=0.2)).repeat()",
        "exponential(gamma=0.5, every=60)",
    ],
)
def test_cycles_are_meant(tmp_path: Path, schedule: str, every: int) -> None:
    assert "resume_jump" not in faults(tmp_path, rates_of(schedule), every)
