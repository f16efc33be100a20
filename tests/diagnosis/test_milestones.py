"""Milestones are proposed where the loss stopped paying at the rate it had, and nowhere else."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from cadence.diagnosis.log import ONE, Log, Series
from cadence.diagnosis.milestones import milestones

N = 3000


def log(loss: Any, rate: Any = None, **more: Any) -> Log:
    """A log of these numbers."""
    t = np.arange(N)
    return Log("log", "csv", loss=Series(t, loss), lr={} if rate is None else {ONE: Series(t, rate)}, **more)


def settling(seed: int, *, until: int = 200) -> Any:
    """A loss that is down to its noise after some time constants of `until`."""
    t = np.arange(N)
    return 0.5 + 2 * np.exp(-t / until) + np.random.default_rng(seed).normal(0, 0.05, N)


@pytest.mark.parametrize("seed", range(8))
def test_a_rate_that_was_held_too_long_has_a_milestone_where_the_loss_had_settled(seed: int) -> None:
    t = np.arange(N)
    rate = np.where(t < 2000, 0.1, 0.01)
    found = milestones(log(settling(seed), rate))
    assert found
    assert 500 <= found[0].t <= 1200
    assert found[0].until == 2000
    assert found[0].low <= found[0].slope <= found[0].high
    assert f"update {found[0].t:,}" in found[0].reason.en


@pytest.mark.parametrize("seed", range(8))
def test_a_loss_that_still_falls_has_none(seed: int) -> None:
    t = np.arange(N)
    falling = 3 - t / N * 2 + np.random.default_rng(seed).normal(0, 0.05, N)
    assert milestones(log(falling, np.full(N, 0.1))) == []


def test_the_validation_loss_decides_where_there_is_enough_of_it() -> None:
    t = np.arange(0, N, 50)
    validation = Series(t, 0.5 + 2 * np.exp(-t / 200))
    still = log(3 - np.arange(N) / N, np.full(N, 0.1), metrics={"val_loss": validation}, val_loss="val_loss")
    assert [m.metric for m in milestones(still)] == ["val_loss"]


def test_a_decaying_rate_and_a_short_log_have_none() -> None:
    assert milestones(log(settling(0), np.linspace(0.1, 0.0, N))) == []
    few = np.arange(8)
    assert milestones(Log("log", "csv", loss=Series(few, np.ones(8)))) == []


def test_a_stretch_of_less_than_a_fifth_of_the_run_has_none() -> None:
    t = np.arange(N)
    # A tenth is what the gain is reckoned over, and another is to go on behind the milestone.
    for length, there in ((500, False), (700, True)):
        rate = np.where(t < N - length, np.linspace(1.0, 0.2, N), 0.1)
        found = milestones(log(0.5 + np.random.default_rng(0).normal(0, 0.01, N), rate))
        assert bool(found) == there


def test_a_log_without_a_rate_is_one_stretch() -> None:
    (found,) = milestones(log(settling(3)))
    assert found.until == N
