"""A column of rates becomes the schedule that wrote it, from full, sparse, short and rounded logs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import cadence as cd
from cadence.diagnosis.log import Series
from cadence.diagnosis.reverse import Reversed, reverse
from cadence.diagnosis.reversing.precision import tolerances
from cadence.spec.catalogue import constructor
from cadence.spec.shape import shape

TOTAL = 1000

LOGGED: dict[str, Callable[[Any, Any], tuple[Any, Any]]] = {
    "all": lambda t, y: (t, y),
    "every 10th": lambda t, y: (t[::10], y[::10]),
    "every 10th, late": lambda t, y: (t[4::10], y[4::10]),
    "float32": lambda t, y: (t, np.array([float(str(x)) for x in y.astype(np.float32)])),
    "four digits": lambda t, y: (t, np.array([float(f"{x:.4g}") for x in y])),
    "six digits, every 20th": lambda t, y: (t[::20], np.array([float(f"{x:.6e}") for x in y[::20]])),
}


def column(text: str, *, base: float = 3e-3, steps_per_epoch: int | None = None) -> tuple[Any, Any]:
    """Updates and rates of a schedule."""
    return np.arange(TOTAL), cd.place(text, total=TOTAL, base=base, steps_per_epoch=steps_per_epoch).values()


def found_in(t: Any, y: Any, **known: Any) -> Reversed:
    """The schedule of a column, which is what it says: placed, it gives the column with its residual."""
    found = reverse(Series(t, y), **known)
    assert found is not None
    again = found.curve().at(t)
    off = np.abs(again - y)
    assert float((off / np.maximum(y, 1e-3 * y.max())).max()) == pytest.approx(found.residual, rel=1e-9, abs=1e-15)
    assert found.exact == bool((off <= 1.3 * tolerances(y)).all())
    return found


@pytest.mark.parametrize("logged", [name for name in LOGGED if name != "every 10th"])
@pytest.mark.parametrize(
    "text",
    [
        "constant()", "warmup(50) >> cosine(to=0.1)", "warmup(50, start=0) >> linear()", "cosine(to=0.01)",
        "warmup(100) >> inverse(timescale=100)", "warmup(50) >> constant(600) >> ramp(shape='1-sqrt')",
        "warmup(300, start=0.04, shape='cosine') >> cosine(to=4e-06)", "cosine(250).repeat()",
        "cosine(100, to=0.01).repeat(grow=2)", "(linear(100, to=1, start=0.1) >> linear(100, to=0.1)).repeat()",
        "steps(at=[300, 600, 800], gamma=0.3)", "warmup(40) >> steps(at=[300, 600])", "power(to=0.01, exponent=0.9)",
        "rex()", "cosine(200, to=0.1).past_end('mirror')", "warmup(100) >> cosine(300, to=0.1).repeat()",
        "warmup(60) >> linear(300, to=0.3) >> constant(300, start=0.3) >> cosine(to=0.01, start=0.3)",
        "piecewise([(0, 1), (300, 0.3), (500, 0.7)])", "cosine(1500)",
    ],
)  # fmt: skip
def test_known_schedules_are_found_again(text: str, logged: str) -> None:
    t, y = LOGGED[logged](*column(text))
    found = found_in(t, y, total=TOTAL)
    assert found.exact, found
    if "late" not in logged or ("steps" not in text and "piecewise" not in text):
        whole = np.abs(found.curve().values() - column(text)[1]).max()
        assert whole <= 2e-3 * y.max(), found


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("warmup(50) >> cosine(to=0.1)", "warmup(50) >> cosine(to=0.1)"),
        ("wsd()", "warmup(20) >> constant(780) >> ramp(shape='1-sqrt')"),
        ("steps(every=200, gamma=0.5)", "steps(every=200, gamma=0.5)"),
        ("restarts(100, decay=0.5)", "cosine(100).repeat(decay=0.5)"),
        ("warmup(200) >> constant()", "warmup(200) >> constant()"),
        ("one_cycle(phases=3, shape='linear', to=0.001)", "warmup(300, start=0.04) >> linear(300, to=0.04) >> linear(to=0.001, start=0.04)"),
    ],
)  # fmt: skip
def test_the_text_is_the_short_one(text: str, said: str) -> None:
    assert found_in(*column(text), total=TOTAL).schedule == said


@pytest.mark.parametrize("known", [True, False])
@pytest.mark.parametrize(
    "text",
    [
        "(warmup('5 epochs') >> cosine(to=0.01)).staircase('1 epoch')", "exponential(gamma=0.95, every='1 epoch').staircase('1 epoch')",
        "steps(at=['20 epochs', '35 epochs'])", "cosine('20 epochs').repeat().staircase('1 epoch')",
    ],
)  # fmt: skip
def test_rates_that_are_stepped_once_an_epoch_are_said_in_epochs_where_the_epoch_is_known(
    text: str, known: bool
) -> None:
    found = found_in(*column(text, steps_per_epoch=20), total=TOTAL, steps_per_epoch=20 if known else None)
    assert found.exact
    if known:
        assert found.steps_per_epoch == 20
        assert "epoch" in found.schedule


@pytest.mark.parametrize("name", [name for name in shape.names() if name.isidentifier()] + ["1-sqrt"])
@pytest.mark.parametrize("logged", ["all", "every 10th", "float32"])
def test_every_registered_shape_is_told_from_the_others(name: str, logged: str) -> None:
    text = f"warmup(100, start=0.05) >> ramp(shape={name!r}, to=0.02)"
    t, y = LOGGED[logged](*column(text))
    found = found_in(t, y, total=TOTAL)
    assert found.exact, found
    assert found.numbers <= 6


@pytest.mark.parametrize("name", constructor.names())
def test_every_schedule_of_the_catalogue_comes_back(name: str) -> None:
    """By its example; what the notation of phases cannot say comes back as waypoints."""
    entry = constructor[name]
    curve = cd.place(entry.example, total=TOTAL, base=0.1, steps_per_epoch=25, batch_size=32, tokens_per_step=100)
    y = curve.values()
    found = found_in(np.arange(TOTAL), y, total=TOTAL, steps_per_epoch=25)
    assert found.residual <= (0.02 if name == "formula" else 1e-8), found


@pytest.mark.parametrize("seed", range(12))
def test_random_sequences_of_phases_come_back(seed: int) -> None:
    rng = np.random.default_rng(seed)
    rise, flat = int(rng.integers(10, 150)), int(rng.integers(100, 400))
    kind = rng.choice(["cosine", "linear", "rex", "power"])
    low = float(rng.choice([0.0, 0.01, 0.1, 0.25]))
    text = f"warmup({rise}, start={rng.choice([0.0, 0.01, 0.1])}) >> constant({flat}) >> {kind}(to={low})"
    found = found_in(*column(text, base=float(rng.choice([1e-4, 3e-4, 0.05, 2.0]))), total=TOTAL)
    assert found.exact
    assert found.schedule == repr(cd.parse(text))


def test_a_log_that_was_cut_off_has_the_end_that_its_curve_points_to() -> None:
    t, y = column("warmup(100) >> cosine(1900)")
    found = found_in(t, y)
    assert found.schedule == "warmup(100) >> cosine(1900)"


def test_a_log_that_begins_late_is_explained_from_there() -> None:
    t, y = column("cosine(to=0.1)")
    assert found_in(t[300:], y[300:], total=TOTAL).schedule == "cosine(to=0.1)"


def test_a_warmup_by_t_plus_one_is_at_its_end_for_two_updates() -> None:
    t = np.arange(TOTAL)
    y = 0.1 * np.where(t < 50, (t + 1) / 50, 0.5 * (1 + np.cos(np.pi * (t - 50) / 950)))
    assert found_in(t, y, total=TOTAL).schedule == "warmup(49, start=0.02) >> constant(1) >> cosine()"


def test_what_no_notation_says_becomes_waypoints_with_their_residual() -> None:
    t = np.arange(TOTAL)
    y = 0.1 * np.exp(-t / 400) * (1.5 + np.sin(t / 37)) + 0.01 * np.random.default_rng(0).random(TOTAL)
    found = found_in(t, y, total=TOTAL)
    assert not found.exact
    assert found.share < 0.2


def test_there_is_nothing_to_find_in_nothing() -> None:
    empty = np.empty(0)
    assert reverse(Series(empty.astype(np.int64), empty)) is None
    assert reverse(Series(np.arange(3), np.array([0.1, -0.1, 0.1]))) is None
    assert reverse(Series(np.arange(3), np.zeros(3))) is None
    assert reverse(Series(np.arange(3), np.array([np.nan, 0.1, np.nan]))) is None


def test_a_million_rows_are_read_by_the_rows_that_matter() -> None:
    values = cd.place("warmup(5000) >> constant(700000) >> cosine(to=0.1)", total=10**6, base=1e-3).values()
    found = reverse(Series(np.arange(10**6), values), total=10**6)
    assert found is not None
    assert found.schedule == "warmup(5000) >> constant(700000) >> cosine(to=0.1)"


def test_tolerances_follow_from_how_numbers_are_written() -> None:
    values = np.linspace(1e-3, 1e-5, 50)
    np.testing.assert_allclose(tolerances(values), 1e-9 * values, rtol=1e-6)
    rounded = values.round(6)
    np.testing.assert_allclose(tolerances(rounded)[-1], 5e-7)
    digits = np.array([float(f"{x:.2e}") for x in values])
    np.testing.assert_allclose(tolerances(digits)[-1], 5e-8, rtol=0.01)
