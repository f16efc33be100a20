"""The order of a range test: scout, repeats, budget, early ends."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cadence.finder.sweeps import LEAST, Asked, Swept, check, sweeps
from cadence.finder.watch import Watch


def go(asked: Asked, loss: Callable[[float, int], float]) -> tuple[Swept, list[tuple[float, bool]]]:
    """The whole test of something whose loss after an update with a rate is known; `loss` also gets the turn."""
    check(asked)
    course, turns = sweeps(asked), list[tuple[float, bool]]()
    rates = next(course)
    while True:
        watch, before = Watch(), 0.0
        for rate in rates:
            turns.append((rate, not watch.losses))
            if watch.gone(loss(before, len(turns))):
                break
            before = rate
        try:
            rates = course.send(watch.losses)
        except StopIteration as over:
            return over.value, turns


def valley(rate: float, turn: int) -> float:
    """Falls around 1e-3, rises around 1e-1."""
    del turn
    x = math.log10(rate) if rate else -math.inf
    return 2.0 - 1.0 / (1.0 + 10.0 ** (-2 * (x + 3.0))) + min(10.0 ** (2 * (x + 1.0)), 1e6)


@given(
    updates=st.integers(LEAST, 400),
    repeats=st.none() | st.integers(1, 6),
    own=st.floats(1e-6, 1.0),
    given_range=st.booleans(),
    noise=st.floats(0.0, 3.0),
    seed=st.integers(0, 5),
)
def test_whatever_the_losses_are_the_budget_is_kept_and_rates_ascend(
    updates: int, repeats: int | None, own: float, given_range: bool, noise: float, seed: int
) -> None:
    if repeats is not None and updates < 9 * repeats:
        return
    rng = np.random.default_rng(seed)
    ends = (1e-5, 1.0) if given_range else (None, None)
    swept, turns = go(Asked(updates, *ends, repeats, own), lambda r, t: valley(r, t) + noise * rng.standard_normal())
    assert swept.updates == len(turns) <= updates
    assert sum(len(row) for row in swept.losses) + len(swept.scout_losses) == swept.updates
    assert turns[0][1]
    for (rate, _), (following, fresh) in itertools.pairwise(turns):
        assert fresh or following > rate
    assert all(len(row) <= len(swept.rates) for row in swept.losses)
    if given_range:
        assert not swept.scout_losses
        assert (swept.rates[0], swept.rates[-1]) == (pytest.approx(1e-5), pytest.approx(1.0))


@pytest.mark.parametrize("updates", [50, 100, 200])
def test_the_repeats_go_where_something_happens(updates: int) -> None:
    swept, _ = go(Asked(updates, None, None, None, 1e-3), valley)
    assert len(swept.losses) >= 2
    assert swept.rates[0] < 1e-3 < 1e-1 < swept.rates[-1]
    assert np.log10(swept.rates[-1] / swept.rates[0]) < 4
    assert swept.updates > 0.85 * updates


def test_the_range_is_widened_around_an_own_rate_near_its_end() -> None:
    swept, _ = go(Asked(100, None, None, None, 1.0), valley)
    assert swept.scout_rates[-1] == pytest.approx(1e3)
    swept, _ = go(Asked(100, None, None, None, 3e-5), valley)
    assert swept.scout_rates[0] == pytest.approx(3e-8)


def test_updates_that_a_diverged_repeat_saves_make_another_repeat() -> None:
    swept, _ = go(Asked(100, 1e-4, 1e3, None, 1e-3), valley)
    assert len(swept.losses) > 4
    assert all(len(row) < len(swept.rates) for row in swept.losses)


def test_a_test_that_diverges_at_once_is_over_soon() -> None:
    swept, turns = go(Asked(400, None, None, None, 1e-3), lambda rate, turn: 1.0 if rate == 0 else math.nan)
    assert len(turns) <= 2 * (1 + 2 * 4)
    assert all(len(row) == 2 for row in swept.losses)


# ---- the watch -------------------------------------------------------------------------------------------------------


def ends_at(losses: list[float]) -> int | None:
    watch = Watch()
    return next((k for k, loss in enumerate(losses) if watch.gone(loss)), None)


def test_one_odd_batch_ends_nothing_and_two_do() -> None:
    calm = [2.0, 2.1, 1.9, 1.6, 1.2]
    assert ends_at([*calm, 4.0, 1.1, 4.0, 1.0]) is None
    assert ends_at([*calm, 4.0, 4.0]) == 6


def test_a_loss_that_is_no_number_or_far_beyond_everything_ends_at_once() -> None:
    assert ends_at([math.nan]) == 0
    assert ends_at([2.0, 2.0, math.inf]) == 2
    assert ends_at([2.0, 2.1, 1.9, 1.2, 900.0]) == 4
    assert ends_at([2.0, 5000.0]) == 1


def test_a_loss_that_is_back_at_the_beginning_for_good_ends_the_repeat() -> None:
    calm = [2.0, 2.05, 1.98, 2.02, 2.0, 1.9, 1.5, 1.2, 1.0, 0.95]
    assert ends_at([*calm, 2.0, 0.9, 2.0, 1.98, 0.95]) is None
    assert ends_at([*calm, 2.0, 1.98, 2.0]) == 12


@pytest.mark.parametrize(("scale", "shift"), [(1.0, 0.0), (1e-6, -5.0), (1e6, 3e7), (-0.0 + 3.0, -1e3)])
def test_the_unit_and_the_sign_of_a_loss_do_not_matter(scale: float, shift: float) -> None:
    losses = [2.0, 2.1, 1.9, 1.6, 1.2, 1.3, 5.0, 6.0]
    assert ends_at([scale * x + shift for x in losses]) == ends_at(losses) == 7


def test_noise_alone_ends_hardly_ever() -> None:
    rng = np.random.default_rng(1)
    ended = sum(ends_at((2.0 + 0.3 * rng.standard_normal(30)).tolist()) is not None for _ in range(300))
    assert ended <= 3
