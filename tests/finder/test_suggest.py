"""What losses of a range test suggest."""

from __future__ import annotations

import numpy as np
import pytest

from cadence._errors import SpecError
from cadence.finder.smoothing import smoother
from cadence.finder.suggest import Suggestions, suggest

RATES = 10.0 ** np.arange(-6.0, 1.01, 0.25)


def curve(rates: np.ndarray, middle: float, width: float = 0.25, edge: float = 1.5) -> np.ndarray:
    """The loss that a rate has led to: from 2 down by 1 around `middle` (in decades), up again `edge` decades later."""
    x = np.log10(rates)
    fall = 1 / (1 + np.exp(-(x - middle) / width))
    rise = 10.0 ** np.minimum(2 * (x - middle - edge), 3)
    return 2.0 - fall + np.where(x > middle + edge - 0.5, rise, 0.0)


def test_repeats(middle: float, noise: float, repeats: int, seed: int) -> list[np.ndarray]:
    """Losses as a loop reports them: each is seen one update after the rate that led to it."""
    clean = np.concatenate([[2.0], curve(RATES, middle)])[: len(RATES)]
    rng = np.random.default_rng(seed)
    return [clean + noise * rng.standard_normal(len(clean)) for _ in range(repeats)]


test_repeats.__test__ = False  # type: ignore[attr-defined]


def found(middle: float, noise: float = 0.0, repeats: int = 3, seed: int = 0) -> Suggestions:
    return suggest(RATES, test_repeats(middle, noise, repeats, seed))


@pytest.mark.parametrize("middle", [-3.5, -2.0, -1.0])
def test_a_clean_curve_gives_back_the_places_it_was_made_with(middle: float) -> None:
    said = found(middle)
    assert said.reason == "clear"
    assert said.middle is not None
    assert said.steepest is not None
    assert said.edge is not None
    # No lag: an exponential average with the usual .95 would be more than a decade late.
    assert np.log10(said.steepest.rate) == pytest.approx(middle, abs=0.13)
    assert np.log10(said.middle.rate) == pytest.approx(middle, abs=0.13)
    assert middle + 0.6 < np.log10(said.edge.rate) < middle + 1.5
    assert said.steepest.rate < said.valley.rate < said.edge.rate  # type: ignore[union-attr]


def test_the_recommendation_keeps_away_from_an_edge_that_is_near() -> None:
    x = np.arange(-5.0, 0.01, 0.1)
    losses = np.where(x < -2.0, 2.0 - np.clip(x + 2.6, 0, 1), 50.0)
    said = suggest(10.0**x, [losses, losses])
    assert said.recommended is not None
    assert said.edge is not None
    assert said.recommended.rate <= said.edge.rate / 3 * 1.0001
    assert "a third of the edge" in said.sentence


@pytest.mark.parametrize("noise", [0.02, 0.1])
def test_the_interval_holds_the_true_middle_about_as_often_as_it_says(noise: float) -> None:
    inside = 0
    for seed in range(40):
        said = found(-2.3, noise=noise, repeats=3, seed=seed)
        assert said.middle is not None
        inside += said.middle.low <= 10**-2.3 <= said.middle.high
    assert inside >= 34


def test_noise_alone_suggests_nothing() -> None:
    rng = np.random.default_rng(0)
    reasons = [suggest(RATES, 2.0 + 0.1 * rng.standard_normal((2, len(RATES)))).reason for _ in range(40)]
    assert reasons.count("clear") <= 2
    assert reasons.count("flat") >= 30


def test_repeats_that_differ_by_more_than_a_decade_give_no_single_number() -> None:
    said = suggest(RATES, [test_repeats(-4.0, 0.0, 1, 0)[0], test_repeats(-1.5, 0.0, 1, 0)[0]])
    assert said.reason == "disagree"
    assert said.recommended is None
    assert said.middle is not None
    assert said.middle.repeats[1] > 10 * said.middle.repeats[0]


def test_a_repeat_that_ended_early_counts_as_diverged_there() -> None:
    whole = test_repeats(-2.0, 0.0, 2, 0)
    known = suggest(RATES, whole)
    cut = [row[: int(np.argmax(row > 2.5)) + 1] for row in whole]
    early = suggest(RATES, cut)
    assert early.middle is not None
    assert known.middle is not None
    assert early.middle.rate == pytest.approx(known.middle.rate, rel=1e-12)


@pytest.mark.parametrize(
    ("losses", "reason"),
    [
        ([[np.nan] * len(RATES)] * 2, "nan"),
        ([[2.0, np.inf]] * 2, "diverges"),
        ([[2.0] * len(RATES)] * 2, "constant"),
    ],
)
def test_where_there_is_nothing_to_be_said_it_says_so(losses: list[list[float]], reason: str) -> None:
    said = suggest(RATES, losses)
    assert (said.reason, said.recommended, said.all) == (reason, None, ())


@pytest.mark.parametrize(
    ("rates", "losses", "told"),
    [
        (RATES[::-1], [[1.0] * 8], "must ascend"),
        (RATES[:5], [[1.0] * 5], "at least 8"),
        (-RATES, [[1.0] * 8], "must ascend"),
        (RATES, [], "no losses"),
        (RATES, [[1.0] * 40], "40 losses"),
    ],
)
def test_numbers_that_do_not_belong_together_are_refused(rates: object, losses: object, told: str) -> None:
    with pytest.raises(SpecError, match=told):
        suggest(rates, losses)  # type: ignore[arg-type]


def test_a_local_line_leaves_a_line_as_it_is_and_moves_a_peak_nowhere() -> None:
    x = np.linspace(-5.0, 0.0, 41)
    smooth = smoother(x, x, 0.5)
    np.testing.assert_allclose(smooth.values @ (3 * x - 1), 3 * x - 1, atol=1e-12)
    np.testing.assert_allclose(smooth.slopes @ (3 * x - 1), 3.0, atol=1e-12)
    peak = np.exp(-((x + 2.5) ** 2))
    assert x[np.argmax(smooth.values @ peak)] == pytest.approx(-2.5, abs=1e-12)


@pytest.mark.parametrize("seed", range(6))
def test_units_of_loss_and_rate_do_not_matter(seed: int) -> None:
    rng = np.random.default_rng(seed)
    losses = np.array(test_repeats(float(rng.uniform(-4, -1.5)), 0.03, 3, seed))
    first = suggest(RATES, losses)
    # A loss may be negative, as a log likelihood is; nothing is multiplied with it.
    other = suggest(RATES * 8.0, losses * 4.0 - 1000.0)
    assert other.reason == first.reason
    for one, same in zip(first.all, other.all, strict=True):
        assert same.name == one.name
        assert same.rate == pytest.approx(8.0 * one.rate, rel=1e-9)
        assert same.low == pytest.approx(8.0 * one.low, rel=1e-6)


def test_intervals_of_more_repeats_are_narrower() -> None:
    factors = [np.mean([found(-2.3, 0.1, n, seed).middle.factor for seed in range(12)]) for n in (2, 8)]  # type: ignore[union-attr]
    assert factors[1] < factors[0]


def test_as_plain_data_it_says_all_of_it() -> None:
    said = found(-2.0)
    data = said.to_json()
    assert data["reason"] == "clear"
    assert data["recommended"]["rate"] == said.recommended.rate  # type: ignore[union-attr]
    assert list(data["suggestions"]) == ["steepest", "middle", "valley", "edge"]
    assert "中点" in said.told("zh")


def test_a_loss_that_comes_down_once_more_beyond_the_edge_moves_nothing() -> None:
    losses = np.array(test_repeats(-3.0, 0.01, 3, 1))
    first = suggest(RATES, losses)
    losses[:, 25] = 0.2  # deeper than the bottom, at a rate that is far too high
    thrown = suggest(RATES, losses)
    assert first.middle is not None
    assert thrown.middle is not None
    assert thrown.middle.rate == pytest.approx(first.middle.rate, rel=0.25)
