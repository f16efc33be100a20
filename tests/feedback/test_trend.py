"""The trend test behind `significance`: one-sided Mann-Kendall, exact where that is possible."""

from __future__ import annotations

import itertools
import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cadence.feedback.trend import EXACT_UP_TO, improving

different = st.lists(st.integers(-1000, 1000), min_size=2, max_size=12, unique=True).map(
    lambda x: [float(v) for v in x]
)


def votes(values: tuple[float, ...] | list[float]) -> int:
    return sum((b > a) - (b < a) for a, b in itertools.combinations(values, 2))


@pytest.mark.parametrize("n", range(2, 7))
def test_the_exact_p_value_is_the_share_of_all_orders_that_rise_as_much(n: int) -> None:
    orders = list(itertools.permutations(range(n)))
    rises = [votes(order) for order in orders]
    for order, mine in zip(orders, rises, strict=True):
        share = Fraction(sum(other >= mine for other in rises), len(orders))
        assert improving([float(x) for x in order], "max") == pytest.approx(float(share), rel=1e-14)


@pytest.mark.parametrize("n", [2, 3, 4, 8, 20])
def test_a_series_that_only_improves_is_one_order_of_all(n: int) -> None:
    assert improving([float(-i) for i in range(n)], "min") == pytest.approx(1 / math.factorial(n), rel=1e-14)
    assert improving([float(i) for i in range(n)], "min") == 1.0


@pytest.mark.parametrize("seed", range(40))
def test_it_agrees_with_kendalls_test_in_scipy(seed: int) -> None:
    stats = pytest.importorskip("scipy.stats")
    random = np.random.default_rng(seed)
    n = int(random.integers(3, EXACT_UP_TO + 1))
    values = (random.normal(size=n) - 0.005 * seed * np.arange(n)).tolist()
    for mode, alternative in (("min", "less"), ("max", "greater")):
        told = stats.kendalltau(range(n), values, method="exact", alternative=alternative).pvalue
        assert improving(values, mode) == pytest.approx(told, rel=1e-9)


@pytest.mark.parametrize(
    "values", [[3.0, 2.0, 2.0, 1.0, 1.0, 1.0, 0.0, 0.0], [1.0, 1.0, 2.0, 0.0, 0.0, 1.0, 0.0, -1.0]]
)
def test_with_ties_the_normal_approximation_is_near_the_truth(values: list[float]) -> None:
    mine = -votes(values)
    orders = list(itertools.permutations(values))
    share = sum(-votes(order) >= mine for order in orders) / len(orders)
    assert improving(values, "min") == pytest.approx(share, abs=0.012)


def test_with_ties_the_approximation_is_kendall_s() -> None:
    # Kendall 1955, section 4.9: the variance is 1/18 of n (n - 1) (2 n + 5) less k (k - 1) (2 k + 5) for each tie of k,
    # and the statistic is brought nearer to 0 by 1. Here S = 2, n = 3, k = 2.
    deviation = math.sqrt((3 * 2 * 11 - 2 * 1 * 9) / 18)
    assert improving([3.0, 2.0, 2.0], "min") == pytest.approx(0.5 * math.erfc((2 - 1) / deviation / math.sqrt(2)))
    assert improving([3.0, 2.0, 2.0], "min") == pytest.approx(0.2701, abs=1e-4)


def test_a_long_series_without_ties_goes_over_into_the_approximation_without_a_step() -> None:
    random = np.random.default_rng(1)
    for _ in range(20):
        exact = random.normal(size=EXACT_UP_TO).tolist()
        z = (votes(exact) - 1) / math.sqrt(EXACT_UP_TO * (EXACT_UP_TO - 1) * (2 * EXACT_UP_TO + 5) / 18)
        assert improving(exact, "max") == pytest.approx(0.5 * math.erfc(z / math.sqrt(2)), abs=2e-3)


@pytest.mark.parametrize("values", [[], [1.0], [2.0, 2.0], [5.0] * 40])
def test_nothing_to_compare_is_no_trend(values: list[float]) -> None:
    assert improving(values, "min") == 1.0


@given(different)
def test_what_improves_for_one_mode_worsens_for_the_other(values: list[float]) -> None:
    assert improving(values, "min") == improving([-x for x in values], "max")
    # Both p-values count the order that was observed.
    assert improving(values, "min") + improving(values, "max") > 1.0


@given(different, st.sampled_from(["min", "max"]))
def test_only_the_order_of_the_values_matters(values: list[float], mode: str) -> None:
    assert improving([math.atan(x) * 3 + 7 for x in values], mode) == improving(values, mode)


def test_under_pure_noise_the_level_is_kept() -> None:
    random = np.random.default_rng(3)
    hits = sum(improving(random.normal(size=12).tolist(), "min") < 0.05 for _ in range(2000))
    assert 60 < hits < 110  # 100 expected at most: the exact test never exceeds its level


def test_a_slow_trend_is_found_behind_noise() -> None:
    random = np.random.default_rng(4)
    series = 1.0 - 0.05 * np.arange(20) + 0.2 * random.normal(size=20)
    assert improving(series.tolist(), "min") < 0.01
