"""How smooth a course is, and what that says of a rate."""

from __future__ import annotations

import numpy as np
import pytest

from cadence.diagnosis.log import Facts, Log, Series
from cadence.diagnosis.rules.rate_low import creeps
from cadence.diagnosis.smoothness import bonus, crawl, roughness, shaken
from cadence.diagnosis.view import View


def view(val: np.ndarray, rate: np.ndarray, loss: np.ndarray | None = None) -> View:
    """A run of 400 updates, evaluated every 20."""
    t, judged = np.arange(400), np.arange(0, 401, 20)
    course = np.interp(t, judged, val) if loss is None else loss
    return View(
        Log(
            "made", "csv", loss=Series(t, course), lr={"all": Series(t, rate)}, metrics={"val_loss": Series(judged, val)},
            val_loss="val_loss", facts=Facts(total=400),
        )
    )  # fmt: skip


COSINE = 0.5 * (1 + np.cos(np.pi * np.arange(400) / 400))
RIDDEN = np.interp(np.arange(0, 401, 20), np.arange(401), np.append(0, np.cumsum(COSINE)))


def test_noise_is_measured_beside_any_cubic_at_any_distances() -> None:
    draw = np.random.default_rng(0)
    t = np.cumsum(draw.uniform(0.5, 2, 4000))
    x = t / t[-1]
    course = 3 - 2 * x + x**2 - 4 * x**3
    assert roughness(t, course) == pytest.approx(0, abs=1e-9)
    assert roughness(t, course + draw.normal(0, 0.01, len(t))) == pytest.approx(0.01, rel=0.1)


def test_a_loss_that_follows_the_rates_added_up_creeps_and_gains_nothing_by_the_decay() -> None:
    slow = view(2 * (1 + RIDDEN / 40) ** -0.3, COSINE)
    assert slow.val is not None
    found = crawl(slow, slow.val)
    assert found is not None
    assert creeps(found)
    assert found.bonus is not None
    assert found.bonus < 0


def test_evaluations_that_weights_shake_do_not_creep() -> None:
    noise = np.random.default_rng(1).normal(0, 0.06, len(RIDDEN)) * np.interp(
        np.arange(0, 401, 20), np.arange(400), COSINE
    )
    shaky = view(2 * (1 + RIDDEN / 40) ** -0.3 * np.exp(noise), COSINE)
    assert shaky.val is not None
    found = crawl(shaky, shaky.val)
    assert found is None or not creeps(found)
    assert shaken(shaky, shaky.val)


def test_what_a_decay_brings_beyond_its_rates_is_seen() -> None:
    held_up = 0.6 * np.interp(np.arange(0, 401, 20), np.arange(400), COSINE)
    run = view(2 * (1 + RIDDEN / 40) ** -0.3 + held_up, COSINE)
    assert run.val is not None
    found = bonus(run, run.val)
    assert found is not None
    assert found > 0.3


def test_an_evaluation_before_the_first_row_shows_a_rise_that_its_mean_hides() -> None:
    t = np.arange(9, 400, 10)
    loss = 2.3 * np.exp(-t / 150)
    loss[0] = 4.5
    log = Log(
        "made", "csv", loss=Series(t, loss), lr={"all": Series(t, np.ones(len(t)))},
        metrics={"val_loss": Series(np.arange(0, 401, 20), 2.3 * np.exp(-np.arange(0, 401, 20) / 150))}, val_loss="val_loss",
        facts=Facts(total=400, averaged=10),
    )  # fmt: skip
    assert View(log).initial == pytest.approx(2.3)
    course = View(log).course
    assert course is not None
    assert course.values[:2].tolist() == pytest.approx([2.3, 4.5])
