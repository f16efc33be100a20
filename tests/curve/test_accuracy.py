"""Placed curves against the same formulas in 50 digits, at every update, the last and the one past it included."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

import cadence as cd
from cadence.curve.curve import Curve

mpmath = pytest.importorskip("mpmath")
mpf = mpmath.mpf

Exact = Callable[[int], Any]
"""Update -> value in 50 digits."""

BASES = (1.0, 0.1, 3e-4)
SPANS = ((1.0, 0.0), (1.0, 0.01), (0.01, 1.0), (0.0, 1.0), (1.0, 0.3))
"""(start, to): decays to 0 and to a floor, warmups from 0 and from a hundredth."""


@pytest.fixture(autouse=True)
def _fifty_digits() -> Iterator[None]:
    with mpmath.workdps(50):
        yield


def updates(n: int) -> list[int]:
    """Every update of a short phase and the one past its last; of a long one both ends and a sample."""
    if n <= 1000:
        return list(range(n + 1))
    sample = np.random.default_rng(n).integers(0, n, 300).tolist()
    return sorted({*range(60), *sample, *range(n // 2 - 5, n // 2 + 5), *range(n - 60, n + 1)})


def ulps(curve: Curve, exact: Exact, times: list[int]) -> float:
    """The largest distance in units of the last place; 0 has to be met exactly."""
    worst = 0.0
    for t, got in zip(times, curve.at(times).tolist(), strict=True):
        value = exact(t)
        off = abs(mpf(got) - value)
        worst = max(worst, float(off / mpf(float(np.spacing(float(value))))) if value else float(off) * 1e300)
    return worst


def weights(name: str) -> Exact:
    return {
        "linear": lambda u: 1 - u,
        "cosine": lambda u: (
            mpmath.sin(mpmath.pi * (1 - u) / 2) ** 2
        ),  # at u = 1 exactly 0, as (1 + cos(pi u)) / 2 is not
        "1-sqrt": lambda u: 1 - mpmath.sqrt(u),
        "rex": lambda u: 2 * (1 - u) / (2 - u),
        "tanh": lambda u: (mpmath.tanh(3) - mpmath.tanh(10 * u - 7)) / (mpmath.tanh(3) - mpmath.tanh(-7)),
    }[name]


def mixed(weight: Exact, n: int, start: float, to: float, base: float) -> Exact:
    def value(t: int) -> Any:
        w = weight(mpf(min(t, n)) / n)
        return (mpf(to) + (mpf(start) - mpf(to)) * w) * mpf(base)

    return value


# ---- 4 ulp: linear, cosine, 1-sqrt, exponential by gamma ---------------------------------------------------------


@pytest.mark.parametrize("name", ["linear", "cosine", "1-sqrt"])
@pytest.mark.parametrize("ends", ["open", "closed"])
@pytest.mark.parametrize("n", [7, 100, 997, 10**6])
def test_a_phase_is_within_4_ulp_at_every_update(name: str, ends: str, n: int) -> None:
    last = n - (ends == "closed")
    times = updates(n)
    for start, to in SPANS:
        for base in BASES if n < 997 else (0.1,):
            curve = cd.place(cd.ramp(n, shape=name, start=start, to=to, ends=ends), total=n, base=base)
            assert ulps(curve, mixed(weights(name), last, start, to, base), times) <= 4, (start, to, base)


@pytest.mark.parametrize("name", ["linear", "cosine", "1-sqrt"])
def test_every_length_up_to_a_hundred_is_within_4_ulp(name: str) -> None:
    for n in range(1, 101, 1 if name == "cosine" else 9):
        curve = cd.place(cd.ramp(n, shape=name, to=0.01), total=n, base=0.1)
        assert ulps(curve, mixed(weights(name), n, 1.0, 0.01, 0.1), updates(n)) <= 4, n


@pytest.mark.parametrize("name", ["linear", "cosine", "1-sqrt"])
@pytest.mark.parametrize("ends", ["open", "closed"])
def test_a_warmup_and_the_decay_behind_it_are_within_4_ulp(name: str, ends: str) -> None:
    schedule = cd.warmup(60, shape=name, ends=ends) >> cd.constant(5) >> cd.decay(shape=name, ends=ends)
    curve = cd.place(schedule, total=300, base=3e-4)
    closed = ends == "closed"
    rise = mixed(weights(name), 60 - closed, 0.01, 1.0, 3e-4)
    # The weights of a rise are those of the fall seen from the other end: start + (to - start) (1 - w).
    fall = mixed(weights(name), 235 - closed, 1.0, 0.0, 3e-4)
    assert ulps(curve, rise, list(range(60))) <= 4
    assert ulps(curve, lambda t: fall(t - 65), list(range(65, 305))) <= 4


@pytest.mark.parametrize(
    ("gamma", "every", "every_updates"),
    [
        (0.99, 1, 1),
        (0.9, "1 epoch", 391),
        (0.5, 1000, 1000),
        (0.999999, 1, 1),
        (0.95, "2.5 epochs", 977.5),
        (1.0001, 7, 7),
    ],
)
@pytest.mark.parametrize("base", BASES)
def test_an_exponential_by_gamma_is_within_4_ulp(gamma: float, every: Any, every_updates: float, base: float) -> None:
    curve = cd.place(cd.exponential(gamma=gamma, every=every), total=5000, steps_per_epoch=391, base=base)
    times = [*range(100), *range(100, 5000, 53), 4999, 5000]
    assert ulps(curve, lambda t: mpf(gamma) ** (mpf(t) / mpf(every_updates)) * mpf(base), times) <= 4


def test_a_half_life_is_within_4_ulp() -> None:
    curve = cd.place(cd.exponential(half_life="1.5 epochs", start=0.7), total=10**6, steps_per_epoch=5005, base=0.1)
    exact = lambda t: mpf(0.7) * mpf(0.1) * mpf(2) ** (-mpf(t) / mpf(7507.5))  # noqa: E731
    assert ulps(curve, exact, updates(10**6)) <= 4


def test_naive_cosines_lose_the_digits_that_this_one_keeps() -> None:
    n = 10**6
    exact = mixed(weights("cosine"), n, 1.0, 0.0, 1.0)(n - 1)
    naive = 0.5 * (1 + np.cos(np.pi * (n - 1) / n))
    assert abs(naive - float(exact)) / float(exact) > 1e-6
    assert cd.place("cosine()", total=n).at(n - 1) == pytest.approx(float(exact), rel=1e-15)


# ---- 1e-13: every other shape and node ---------------------------------------------------------------------------


def assert_within(curve: Curve, exact: Exact, times: list[int], *, peak: float) -> None:
    for t, got in zip(times, curve.at(times).tolist(), strict=True):
        value = exact(t)
        assert abs(got - value) <= 1e-13 * abs(value) + 1e-16 * peak, (t, got, value)


@pytest.mark.parametrize("n", [7, 331, 10**6])
@pytest.mark.parametrize(("ends", "base"), [("open", 1.0), ("closed", 3e-4)])
def test_other_shapes_are_within_1e_13(n: int, ends: str, base: float) -> None:
    last, times = n - (ends == "closed"), updates(n)
    for start, to in SPANS:
        for name in ("rex", "tanh"):
            curve = cd.place(cd.ramp(n, shape=name, start=start, to=to, ends=ends), total=n, base=base)
            assert_within(curve, mixed(weights(name), last, start, to, base), times, peak=base)
        for exponent in (0.5, 0.9, 2.0, 3.7):
            curve = cd.place(cd.power(n, start=start, to=to, exponent=exponent, ends=ends), total=n, base=base)
            weight = lambda u, p=exponent: (1 - u) ** mpf(p)  # noqa: E731
            assert_within(curve, mixed(weight, last, start, to, base), times, peak=base)
        if start and to:
            curve = cd.place(cd.exponential(n, start=start, to=to, ends=ends), total=n, base=base)
            exact = lambda t: mpf(start) * (mpf(to) / mpf(start)) ** (mpf(min(t, last)) / last) * mpf(base)  # noqa: E731
            assert_within(curve, exact, times, peak=base)


@pytest.mark.parametrize(("low", "high"), [(-7.0, 3.0), (-3.0, 3.0), (0.0, 5.0), (-12.0, 0.5)])
def test_tanh_of_other_arguments_is_within_1e_13(low: float, high: float) -> None:
    span = mpmath.tanh(high) - mpmath.tanh(low)
    exact = mixed(lambda u: (mpmath.tanh(high) - mpmath.tanh(low + (high - low) * u)) / span, 997, 1.0, 0.0, 0.1)
    assert_within(cd.place(cd.tanh(997, low=low, high=high), base=0.1), exact, updates(997), peak=0.1)


@pytest.mark.parametrize("power", [0.5, 1.0, 2.0, 0.3])
def test_an_inverse_power_is_within_1e_13(power: float) -> None:
    curve = cd.place(cd.inverse(timescale="2.5 epochs", power=power), steps_per_epoch=391, base=0.1)
    exact = lambda t: mpf(0.1) * (1 + mpf(t) / mpf(977.5)) ** -mpf(power)  # noqa: E731
    assert_within(curve, exact, [*range(50), 977, 978, 10**4, 10**6, 10**9, 10**12], peak=0.1)


@pytest.mark.parametrize("name", ["linear", "cosine", "1-sqrt", "rex", "tanh"])
def test_waypoints_joined_by_a_shape_are_within_1e_13(name: str) -> None:
    points = [(0, 0.1), (30, 1.0), (31, 0.5), (200, 0.0)]
    curve = cd.place(cd.piecewise(points, shape=name), total=250, base=0.1)

    def exact(t: int) -> Any:
        for (a, start), (b, to) in itertools.pairwise(points):
            if a <= t < b:
                # A rise runs along the same weights, seen from its end.
                return mixed(weights(name), b - a, start, to, 0.1)(t - a)
        return mpf(0)

    assert_within(curve, exact, list(range(250)), peak=0.1)


def test_steps_are_powers_of_gamma_as_python_has_them() -> None:
    curve = cd.place(cd.steps(at=[3, 5, 5, 900], gamma=0.1), total=1000, base=1.0)
    assert [curve.at(t) for t in (2, 3, 5, 900)] == [1.0, 0.1, 0.1**3, 0.1**4]
    often = cd.place(cd.steps(every=10, gamma=0.9), total=2000, base=0.1)
    assert_within(often, lambda t: mpf(0.1) * mpf(0.9) ** (t // 10), list(range(0, 2000, 7)), peak=0.1)


def test_one_cycles_restarts_and_triangles_are_within_1e_13() -> None:
    half = mpmath.mpf(1) / 2
    restarts = cd.place("restarts(10, grow=2, decay=0.5, to=0.01)", total=150, base=0.1)

    def wave(t: int) -> Any:
        begin, n, k = 0, 10, 0
        while begin + n <= t:
            begin, n, k = begin + n, 2 * n, k + 1
        w = mpmath.cos(mpmath.pi * mpf(t - begin) / n / 2) ** 2
        return (mpf(0.01) * (1 - w) + half**k * w) * mpf(0.1)

    assert_within(restarts, wave, list(range(150)), peak=0.1)
    triangle = cd.place("triangular(up=7, down=5, low=0.1, decay=0.5)", total=100, base=0.1)

    def tooth(t: int) -> Any:
        k, x = divmod(t, 12)
        height = mpf(x) / 7 if x < 7 else mpf(12 - x) / 5
        return (mpf(0.1) + (1 - mpf(0.1)) * half**k * height) * mpf(0.1)

    assert_within(triangle, tooth, list(range(100)), peak=0.1)
