"""Every registered shape: one formula for numbers, arrays and traced code; from 1 to 0; exact near both ends."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import cadence as cd
from cadence._errors import SpecError, UnknownNameError
from cadence._xp import scalars
from cadence.spec.shape import shape
from cadence.spec.shapes import cosine as cosine_file
from strategies import examples, parameters


@pytest.fixture(autouse=True)
def _as_in_curves() -> Iterator[None]:
    """Curves are computed without numpy's warnings: the logarithm of 0 in the middle of a formula is no fault."""
    with np.errstate(all="ignore"):
        yield


every_shape = pytest.mark.parametrize("name", shape.names())
POINTS = [(n, done) for n in (1, 2, 3, 7, 10, 64, 99, 1000) for done in sorted({0, 1, n // 3, n // 2, n - 1, n})]


def shares(n: int) -> tuple[Any, Any]:
    """Done and left at every update of a phase of n, and at its end."""
    t = np.arange(n + 1)
    return t / n, (n - t) / n


@every_shape
@given(data=st.data(), n=st.integers(1, 10**6), done=st.floats(0, 1))
@examples(40)
def test_numbers_and_arrays_give_the_same_weight(name: str, data: st.DataObject, n: int, done: float) -> None:
    own, t = data.draw(parameters(name)), round(done * n)
    u, v = t / n, (n - t) / n
    for weigh in (shape[name].fall, shape[name].climb):
        alone = weigh(u, v, scalars, own)
        inside = weigh(np.array([u, 0.5]), np.array([v, 0.5]), np, own)[0]
        assert float(alone) == pytest.approx(inside, rel=1e-14, abs=1e-300)


@every_shape
def test_traced_code_gives_the_same_weight(name: str, x64: None) -> None:
    jax = pytest.importorskip("jax")
    import jax.numpy as jnp

    u, v = shares(997)
    for weigh in (shape[name].fall, shape[name].climb):
        traced = jax.jit(lambda u, v, weigh=weigh: weigh(u, v, jnp, {}))(u, v)
        np.testing.assert_allclose(np.asarray(traced), weigh(u, v, np, {}), rtol=1e-15 if name in ULPS else 1e-13)


@every_shape
@given(data=st.data(), n=st.integers(1, 3000))
@examples(30)
def test_a_shape_goes_from_1_to_0_and_never_back(name: str, data: st.DataObject, n: int) -> None:
    own = data.draw(parameters(name))
    fall, climb = (f(*shares(n), np, own) for f in (shape[name].fall, shape[name].climb))
    assert fall[0] == pytest.approx(1, rel=1e-15)
    assert climb[-1] == pytest.approx(1, rel=1e-15)
    assert fall[-1] == climb[0] == 0.0
    # No step back is larger than what two neighbouring floats can differ by.
    assert (np.diff(fall) <= 4e-16 * fall[:-1]).all()
    assert (np.diff(climb) >= -4e-16 * climb[1:]).all()


@every_shape
@given(data=st.data(), n=st.integers(1, 3000))
@examples(30)
def test_what_climbs_is_what_has_not_fallen(name: str, data: st.DataObject, n: int) -> None:
    own = data.draw(parameters(name))
    u, v = shares(n)
    total = shape[name].fall(u, v, np, own) + shape[name].climb(u, v, np, own)
    np.testing.assert_allclose(total, 1.0, rtol=0, atol=4e-15)


# ---- against the formulas in 50 digits ---------------------------------------------------------------------------

FORMULAS: Mapping[str, Callable[..., Any]] = {
    "linear": lambda mp, u: 1 - u,
    "cosine": lambda mp, u: (1 + mp.cos(mp.pi * u)) / 2,
    "exponential": lambda mp, u: 1 - u,
    "power": lambda mp, u, exponent=2.0: (1 - u) ** mp.mpf(exponent),
    "1-sqrt": lambda mp, u: 1 - mp.sqrt(u),
    "rex": lambda mp, u: (1 - u) / (mp.mpf(1) / 2 + (1 - u) / 2),
    "tanh": lambda mp, u, low=-7.0, high=3.0: (
        (mp.tanh(high) - mp.tanh(low + (mp.mpf(high) - low) * u)) / (mp.tanh(high) - mp.tanh(low))
    ),
}
"""The weight of the starting value at u done, as the sources write it. A new shape has its formula entered here."""

ULPS: Mapping[str, float] = {"linear": 1, "cosine": 3, "1-sqrt": 3}
"""What the contract promises 4 ulp for may lose so much in its weight, mixing and base take the rest; others: 1e-13."""


def test_every_shape_has_its_formula_in_this_file() -> None:
    assert sorted(FORMULAS) == shape.names()


@every_shape
def test_the_weight_is_the_formula_of_the_source(name: str) -> None:
    mpmath = pytest.importorskip("mpmath")
    cases: list[dict[str, float]] = [{}]
    if name == "power":
        cases += [{"exponent": x} for x in (0.5, 0.9, 1.0, 3.0, 5.5)]
    if name == "tanh":
        cases += [{"low": -3.0, "high": 3.0}, {"low": 0.0, "high": 5.0}, {"low": -6.0, "high": 0.0}]
    with mpmath.workdps(50):
        for own in cases:
            for n in (3, 10, 64, 997, 10**6):
                picked = (
                    range(n + 1) if n < 1000 else [*range(40), *range(n // 2 - 20, n // 2 + 20), *range(n - 40, n + 1)]
                )
                t = np.array(picked)
                u, v = t / n, (n - t) / n
                fall, climb = (f(u, v, np, own) for f in (shape[name].fall, shape[name].climb))
                for i, done in enumerate(picked):
                    exact = FORMULAS[name](mpmath, mpmath.mpf(done) / n, **own)
                    assert_close(fall[i], exact, ULPS.get(name), f"{name} {own} at {done} of {n}")
                    assert_close(climb[i], 1 - exact, ULPS.get(name), f"{name} {own} climbing at {done} of {n}")


def assert_close(got: float, exact: Any, ulps: float | None, where: str) -> None:
    allowed = 1e-13 * abs(float(exact)) + 1e-300 if ulps is None else ulps * float(np.spacing(abs(float(exact))))
    assert abs(got - exact) <= allowed, where


def test_the_polynomial_of_the_cosine_is_as_near_as_it_says() -> None:
    mpmath = pytest.importorskip("mpmath")
    with mpmath.workdps(50):
        lead = mpmath.mpf(cosine_file.LEAD) + mpmath.mpf(cosine_file.LEAD_REST)
        assert abs(lead - mpmath.pi**2 / 4) < 1e-31
        for k in range(1, 201):
            z = mpmath.mpf(k) / 800  # m ** 2 up to 1/4
            further = sum(mpmath.mpf(c) * z**i for i, c in enumerate(cosine_file.SERIES))
            exact = mpmath.sin(mpmath.pi / 2 * mpmath.sqrt(z)) ** 2
            # Most of it is the rounding of the first coefficient, -2.03; the polynomial itself is 8e-19 off.
            assert abs(lead * z + z * z * further - exact) < z * z * 2.3e-16


@pytest.mark.parametrize(
    ("name", "at_half"),
    [
        ("linear", 0.5), ("cosine", 0.5), ("power", 0.25), ("1-sqrt", 1 - math.sqrt(0.5)), ("rex", 2 / 3),
        ("tanh", (math.tanh(3) - math.tanh(-2)) / (math.tanh(3) - math.tanh(-7))), ("exponential", 0.5),
    ],
)  # fmt: skip
def test_half_way_each_shape_is_where_its_paper_says(name: str, at_half: float) -> None:
    assert shape[name].fall(0.5, 0.5, scalars, {}) == pytest.approx(at_half, rel=1e-14)


def test_cosine_matches_the_paper_at_known_points() -> None:
    u = np.array([0.0, 1 / 3, 1 / 2, 2 / 3, 1.0])
    np.testing.assert_allclose(shape["cosine"].fall(u, 1 - u, np, {}), [1.0, 0.75, 0.5, 0.25, 0.0], rtol=1e-15)


# ---- parameters --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("make", "parts"),
    [
        (lambda: cd.power(exponent=0), ["'power'", "exponent=0", "runs from 1 to 1"]),
        (lambda: cd.power(exponent=-1), ["'power'", "exponent=-1", "must run from 1 to 0"]),
        (lambda: cd.tanh(low=2, high=2), ["'tanh'", "low=2, high=2", "choose other parameters"]),
        (lambda: cd.power(exponent=math.nan), ["exponent", "finite", "nan"]),
        (lambda: cd.power(exponent="two"), ["exponent", "'two'"]),
    ],
)
def test_parameters_that_break_the_ends_are_refused(make: Callable[[], Any], parts: list[str]) -> None:
    with pytest.raises(SpecError) as caught:
        make()
    assert all(part in str(caught.value) for part in parts), str(caught.value)


@every_shape
def test_a_parameter_that_a_shape_does_not_have_lists_its_neighbours(name: str) -> None:
    with pytest.raises(UnknownNameError, match=r"has no argument 'expnent'; (did you mean|known are)"):
        cd.ramp(10, shape=name, to=0.5, expnent=2.0)


@every_shape
def test_every_shape_has_a_constructor_an_example_and_words_for_people(name: str) -> None:
    entry = shape[name]
    for text in (entry.source, entry.formula, entry.when, entry.avoid):
        assert len(text) > 0
    if entry.mixes == "linear" and name.isidentifier():
        assert getattr(cd, name)(10) == cd.ramp(10, shape=name)
