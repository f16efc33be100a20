"""What a few seeds can say, against published values, scipy and definitions written out."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cadence._errors import RecordError
from cadence.comparison.statistics import (
    estimate,
    first_reach,
    holm,
    paired_test,
    restricted_mean,
    smallest_gap,
)

stats = pytest.importorskip("scipy.stats")
integrate = pytest.importorskip("scipy.integrate")

losses = st.floats(0.01, 10.0).map(lambda x: round(x, 6))
several = st.lists(losses, min_size=2, max_size=12)


def test_an_interval_covers_the_mean_as_student_says() -> None:
    # t(0.975, 4) = 2.776 (any table); mean 3, sd sqrt(2.5).
    e = estimate([1.0, 2.0, 3.0, 4.0, 5.0])
    assert e.mean == 3.0
    assert e.sd == pytest.approx(math.sqrt(2.5), rel=1e-15)
    assert e.half == pytest.approx(2.7764451 * math.sqrt(2.5 / 5), rel=1e-7)


@given(values=several)
def test_an_interval_is_that_of_scipy(values: list[float]) -> None:
    e = estimate(values)
    if np.std(values, ddof=1) < 1e-9:
        return
    low, high = stats.t.interval(0.95, len(values) - 1, loc=np.mean(values), scale=stats.sem(values))
    assert (e.low, e.high) == pytest.approx((low, high), rel=1e-9)


def test_one_value_has_no_interval() -> None:
    e = estimate([2.5])
    assert (e.n, e.mean, e.sd, e.low, e.high, e.half) == (1, 2.5, None, None, None, None)


def test_equal_values_have_no_spread_even_where_their_mean_is_rounded() -> None:
    assert estimate([0.1, 0.1, 0.1]).sd == 0.0
    assert estimate([0.1, 0.1, 0.1]).half == 0.0


@pytest.mark.parametrize("values", [[], [1.0, math.nan], [math.inf]])
def test_a_mean_over_nothing_or_over_what_is_no_number_is_refused(values: list[float]) -> None:
    with pytest.raises(RecordError, match="mean"):
        estimate(values)


def test_the_paired_test_gives_what_student_published() -> None:
    # Student 1908, "The probable error of a mean": additional hours of sleep with two drugs, ten patients. The
    # differences 1.2 ... 1.4 have mean 1.58 and sd 1.23; t = 4.06 with 9 degrees of freedom, p = 0.0028.
    first = [0.7, -1.6, -0.2, -1.2, -0.1, 3.4, 3.7, 0.8, 0.0, 2.0]
    second = [1.9, 0.8, 1.1, 0.1, -0.1, 4.4, 5.5, 1.6, 4.6, 3.4]
    test = paired_test(second, first, comparisons=1)
    assert test.difference.mean == pytest.approx(1.58)
    assert test.difference.sd == pytest.approx(1.23, abs=0.001)
    assert test.t == pytest.approx(4.0621, abs=1e-4)
    assert test.p == pytest.approx(0.00283, abs=1e-5)


@given(pairs=st.lists(st.tuples(losses, losses), min_size=2, max_size=12))
def test_the_paired_test_is_that_of_scipy(pairs: list[tuple[float, float]]) -> None:
    ours, theirs = zip(*pairs, strict=True)
    differences = [a - b for a, b in pairs]
    if np.std(differences, ddof=1) < 1e-7:
        return
    test, reference = paired_test(ours, theirs, comparisons=1), stats.ttest_rel(ours, theirs)
    assert test.t == pytest.approx(reference.statistic, rel=1e-8)
    assert test.p == pytest.approx(reference.pvalue, rel=1e-7, abs=1e-300)
    low, high = reference.confidence_interval(0.95)
    assert (test.difference.low, test.difference.high) == pytest.approx((low, high), rel=1e-8, abs=1e-12)


@given(values=several)
def test_against_itself_nothing_differs(values: list[float]) -> None:
    test = paired_test(values, values, comparisons=3)
    assert (test.difference.mean, test.t, test.p, test.smallest_gap) == (0.0, None, 1.0, 0.0)


def test_the_same_gap_with_every_seed_is_no_chance() -> None:
    # 0.50 - 0.25 and 0.54 - 0.29 differ by rounding, which is no spread.
    test = paired_test([0.25, 0.29, 0.26], [0.50, 0.54, 0.51], comparisons=3)
    assert test.t is None
    assert test.p == 0.0
    assert test.difference.low == test.difference.mean == pytest.approx(-0.25)


@pytest.mark.parametrize(("ours", "theirs"), [([1.0], [2.0]), ([1.0, 2.0], [1.0]), ([], [])])
def test_too_few_or_unpaired_seeds_are_refused(ours: list[float], theirs: list[float]) -> None:
    with pytest.raises(RecordError, match="two or more seeds"):
        paired_test(ours, theirs, comparisons=1)


def test_holm_gives_known_values() -> None:
    # R: p.adjust(c(0.01, 0.02, 0.03, 0.04), "holm") and p.adjust(c(0.5, 0.001), "holm")
    assert holm([0.01, 0.02, 0.03, 0.04]) == pytest.approx((0.04, 0.06, 0.06, 0.06))
    assert holm([0.5, 0.001]) == pytest.approx((0.5, 0.002))
    assert holm([]) == ()


@given(p=st.lists(st.floats(0, 1), min_size=1, max_size=6), level=st.floats(0.001, 0.5))
def test_holm_rejects_exactly_what_the_step_down_procedure_rejects(p: list[float], level: float) -> None:
    corrected = holm(p)
    rejected: set[int] = set()
    for step, i in enumerate(sorted(range(len(p)), key=p.__getitem__)):
        # Holm 1979: stop at the first p above level / (m - k + 1).
        if (len(p) - step) * p[i] > level:
            break
        rejected.add(i)
    assert {i for i, q in enumerate(corrected) if q <= level} == rejected


def test_a_comparison_that_could_not_be_tested_still_counts() -> None:
    assert holm([0.01, 0.02], comparisons=3) == pytest.approx((0.03, 0.04))
    with pytest.raises(RecordError, match="more than the 1 comparisons"):
        holm([0.01, 0.02], comparisons=1)


@pytest.mark.parametrize("n", [2, 3, 5, 8, 40])
@pytest.mark.parametrize("level", [0.05, 0.05 / 3])
def test_the_smallest_gap_is_seen_with_the_power_it_names(n: int, level: float) -> None:
    gap = smallest_gap(2.0, n, level=level)
    # Power from its definition: t is (z + shift) / (chi / sqrt(df)); integrated over chi, not taken from nct.
    df, shift = n - 1, gap / 2.0 * math.sqrt(n)
    critical = stats.t.ppf(1 - level / 2, df)
    power, _ = integrate.quad(
        lambda c: stats.chi.pdf(c, df) * stats.norm.cdf(shift - critical * c / math.sqrt(df)), 0, math.sqrt(df) + 40
    )
    assert power == pytest.approx(0.8, abs=1e-6)


def test_the_smallest_gap_has_textbook_values() -> None:
    # Cohen 1988, table 2.4.1 (two-sided 5 %, power .80): d = .50 needs 33 to 34 pairs, d = .80 needs 14 to 15.
    assert smallest_gap(1.0, 33) > 0.5 > smallest_gap(1.0, 34)
    assert smallest_gap(1.0, 14) > 0.8 > smallest_gap(1.0, 15)


def test_gaps_of_that_size_are_found_in_four_of_five_simulated_comparisons() -> None:
    rng = np.random.default_rng(7)
    gap = smallest_gap(0.1, 5, level=0.05 / 3)
    base = rng.normal(2.0, 0.3, (20_000, 5))
    ours = base + rng.normal(-gap, 0.1, base.shape)
    found = stats.ttest_rel(ours, base, axis=1)
    assert np.mean((found.pvalue < 0.05 / 3) & (found.statistic < 0)) == pytest.approx(0.8, abs=0.01)


@given(sd=st.floats(0.001, 100), n=st.integers(2, 30))
def test_the_smallest_gap_grows_with_the_spread_and_shrinks_with_seeds(sd: float, n: int) -> None:
    assert smallest_gap(2 * sd, n) == pytest.approx(2 * smallest_gap(sd, n), rel=1e-9)
    assert smallest_gap(sd, n + 1) < smallest_gap(sd, n)
    assert smallest_gap(sd, n, level=0.05 / 3) > smallest_gap(sd, n)


def test_one_seed_has_no_smallest_gap() -> None:
    with pytest.raises(RecordError, match="1 seed"):
        smallest_gap(1.0, 1)


def test_the_target_is_reached_at_the_first_evaluation_at_or_below_it() -> None:
    t, loss = [10, 20, 30, 40], [2.0, 1.5, 1.7, 1.0]
    assert first_reach(t, loss, 1.5) == 20
    assert first_reach(t, loss, 1.49) == 40
    assert first_reach(t, loss, 0.9) is None
    assert first_reach(t, [math.nan, math.inf, 1.0, math.nan], 1.0) == 30
    assert first_reach([], [], 1.0) is None


def area_under_kaplan_meier(times: list[int], censored: list[bool], horizon: int) -> float:
    """The definition, step by step."""
    area, alive, at = 0.0, 1.0, 0
    for time in sorted(set(times)):
        if time > horizon:
            break
        area += alive * (time - at)
        at = time
        events = sum(t == time and not c for t, c in zip(times, censored, strict=True))
        alive *= 1 - events / sum(t >= time for t in times)
    return area + alive * (horizon - at)


@given(times=st.lists(st.integers(1, 12).map(lambda k: 25 * k), min_size=1, max_size=8))
def test_with_runs_of_one_length_the_mean_is_the_area_under_the_kaplan_meier_curve(times: list[int]) -> None:
    censored = [t == 300 for t in times]
    mean = restricted_mean(times, censored)
    assert mean.updates.mean == pytest.approx(area_under_kaplan_meier(times, censored, 300))
    assert mean.reached == censored.count(False)


def test_a_censored_seed_is_kept_and_makes_the_mean_larger_not_smaller() -> None:
    kept = restricted_mean([100, 120, 300], [False, False, True])
    dropped = restricted_mean([100, 120], [False, False])
    assert kept.updates.mean > dropped.updates.mean
    assert (kept.reached, kept.of, kept.horizon) == (2, 3, 300)
    assert (dropped.reached, dropped.of, dropped.horizon) == (2, 2, None)


def test_the_horizon_is_the_shortest_follow_up_of_a_seed_that_never_got_there() -> None:
    # The run of 150 was stopped early: beyond 150 nothing is known of it, so 200 counts as 150 too.
    mean = restricted_mean([100, 150, 200, 300], [False, True, False, True])
    assert mean.horizon == 150
    assert mean.updates.mean == (100 + 150 + 150 + 150) / 4


def test_never_reached_at_all_is_a_bound() -> None:
    mean = restricted_mean([300, 300], [True, True])
    assert (mean.reached, mean.of, mean.horizon, mean.updates.mean) == (0, 2, 300, 300.0)
