"""What a log says of each change of its rate, on courses whose answer is known."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from tests.diagnosis.logs import write_csv

import cadence as cd
from cadence.diagnosis.attribution import Verdict

AT, END = 400, 800

Course = Callable[[int], float]


def verdict(folder: Path, behind: Course, *, noise: float = 0.02, every: int = 1, rate: float = 0.01) -> Verdict:
    """The verdict on a step of the rate at `AT`; the loss levels off before it, and goes on as `behind` says."""
    draws = np.random.default_rng(0).normal(scale=noise, size=END)

    def loss(t: int) -> float:
        return 0.5 + 2 * float(np.exp(-t / 60)) + (behind(t - AT) if t >= AT else 0.0) + draws[t]

    rows = [[t, loss(t), 0.1 if t < AT else rate] for t in range(0, END, every)]
    (found,) = cd.diagnose(write_csv(folder / "log.csv", ["step", "loss", "lr"], rows)).verdicts
    return found


@pytest.mark.parametrize("every", [1, 10])
@pytest.mark.parametrize(
    ("behind", "judgement", "side"),
    [
        (lambda t: -0.2 * (1 - np.exp(-t / 20)), "helped", "below"),
        (lambda t: 0.0, "no effect", ""),
        (lambda t: 0.3 * (1 - np.exp(-t / 20)), "hurt", "above"),
    ],
)
def test_the_effect_of_a_step_is_told(tmp_path: Path, behind: Course, judgement: str, side: str, every: int) -> None:
    found = verdict(tmp_path, behind, every=every)
    assert found.event.t == AT
    assert found.judgement == judgement
    assert side in found.sentence.en
    assert found.before.low < found.before.value < found.before.high


def test_a_loss_that_is_only_noise_tells_nothing(tmp_path: Path) -> None:
    assert verdict(tmp_path, lambda t: -0.05, noise=1.5, every=10).judgement == "cannot tell"


def test_what_an_event_did_lies_in_the_interval(tmp_path: Path) -> None:
    found = verdict(tmp_path, lambda t: -0.2)
    assert found.effect.low < 0.2 < found.effect.high
    assert found.effect.half < 0.1


def test_a_change_in_the_first_descent_is_not_judged(tmp_path: Path) -> None:
    rows = [[t, 2.0 / (1 + t / 20), min(1.0, (t + 1) / 10)] for t in range(200)]
    (found,) = cd.diagnose(write_csv(tmp_path / "log.csv", ["step", "loss", "lr"], rows)).verdicts
    assert found.judgement == "cannot tell"
    assert "too little is known" in found.sentence.en
    assert "unknown" not in found.sentence.en


@pytest.mark.parametrize(("share", "judgement"), [(0.01, "no effect"), (0.05, "helped")])
def test_what_is_a_small_share_of_all_that_was_gained_is_no_help(tmp_path: Path, share: float, judgement: str) -> None:
    # 2 were gained; a hundredth of that is certain here, and does not matter.
    assert verdict(tmp_path, lambda t: -2 * share, noise=1e-4).judgement == judgement


@pytest.mark.parametrize(("at", "told"), [(300, True), (320, True), (340, False), (400, False)])
def test_a_metric_that_jumps_is_told_from_events_that_are_further_than_one_evaluation(
    tmp_path: Path, at: int, told: bool
) -> None:
    draws = np.random.default_rng(0).normal(scale=0.002, size=800)
    rows = [
        [t, 1.0 + draws[t], 0.1 if t < 300 else 0.01, "" if t % 20 else 0.5 + 0.3 * (t >= at) + draws[t]]
        for t in range(800)
    ]
    path = write_csv(tmp_path / "log.csv", ["step", "loss", "lr", "val_acc"], rows)
    (jump,) = [each for each in cd.diagnose(path).jumps if abs(each.t - at) <= 40]
    assert (jump.event is not None) == told
    assert jump.nearest is not None
    assert ("no event of the rate is near" in jump.sentence.en) != told


@pytest.mark.parametrize("peak", [5.0, 1e9])
def test_a_divergence_is_said_to_begin_where_the_loss_left_its_course(tmp_path: Path, peak: float) -> None:
    def loss(t: int) -> float:
        return 2 * float(np.exp(-t / 60)) + 0.02 if t < AT else 2.3 + peak * (t == AT + 9)

    path = write_csv(tmp_path / "log.csv", ["step", "loss", "lr"], [[t, loss(t), 0.1] for t in range(END)])
    (found,) = [each for each in cd.diagnose(path).findings if each.fault == "divergence"]
    assert AT - 40 <= found.evidence.first <= AT
