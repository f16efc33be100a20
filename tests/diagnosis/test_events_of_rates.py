"""Every event of a column of rates is found at its update, and nothing else is called one."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import cadence as cd
from cadence.diagnosis.events import rate_events
from cadence.diagnosis.log import Series

TOTAL = 1000


def events(
    text: str, *, length: int | None = None, known: bool = True, every: int = 1, digits: int | None = None
) -> list[Any]:
    """Kind and update of the events of a schedule that was logged."""
    values = cd.place(text, total=TOTAL, base=0.1, steps_per_epoch=length).values()[::every]
    if digits is not None:
        values = np.array([float(f"{x:.{digits}g}") for x in values])
    found = rate_events(Series(np.arange(0, TOTAL, every), values), steps_per_epoch=length if known else None)
    return [(event.kind, event.t) for event in found]


@pytest.mark.parametrize(("back", "kind"), [(0.3, "jump"), (0.45, "jump"), (0.55, "restart"), (1.0, "restart")])
def test_a_jump_is_a_restart_where_it_leads_back_to_half_of_the_highest_at_least(back: float, kind: str) -> None:
    values = np.concatenate([np.full(100, 1.0), np.full(100, 0.1), np.full(100, back)])
    found = rate_events(Series(np.arange(300), values))
    assert [(event.kind, event.t) for event in found] == [("drop", 100), (kind, 200)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("constant()", []),
        ("cosine()", []),
        ("warmup(50) >> cosine(to=0.1)", [("rise ends", 50)]),
        ("wsd()", [("rise ends", 20), ("decay begins", 800)]),
        ("cosine(300, to=0.1)", [("decay ends", 300)]),
        ("restarts(100, grow=2)", [("restart", 100), ("restart", 300), ("restart", 700)]),
        ("triangular(up=250, low=0.1)", [("rise ends", 250), ("turn", 500), ("rise ends", 750)]),
        ("warmup(50) >> steps(at=[300, 600])", [("rise ends", 50), ("drop", 300), ("drop", 600)]),
        ("steps(at=[300], gamma=0.9)", [("drop", 300)]),
        ("constant(100, start=0.1) >> constant()", [("jump", 100)]),
        ("constant(400) >> warmup(100, start=0.1) >> constant()", [("drop", 400), ("rise ends", 500)]),
        ("constant(400, start=0.1) >> linear(100, start=0.1, to=1) >> constant()", [("rise begins", 399), ("rise ends", 500)]),
    ],
)  # fmt: skip
@pytest.mark.parametrize("every", [1, 10])
def test_events_are_found_at_their_update(text: str, expected: list[Any], every: int) -> None:
    found = events(text, every=every)
    assert [kind for kind, _ in found] == [kind for kind, _ in expected]
    for (_, t), (_, true) in zip(found, expected, strict=True):
        # A corner lies on its last row, or the first behind it.
        assert abs(t - true) <= (every if every > 1 else 1), (found, expected)


@pytest.mark.parametrize("digits", [4, 5, 6])
@pytest.mark.parametrize("text", ["warmup(50) >> steps(at=[300, 600])", "wsd()", "restarts(250)"])
def test_rounding_makes_no_events(text: str, digits: int) -> None:
    assert events(text, digits=digits) == events(text)


def test_a_corner_that_rounding_hides_is_near() -> None:
    ((kind, t),) = events("warmup(50) >> cosine()", digits=4)
    assert kind == "rise ends"
    assert abs(t - 50) <= 3


@pytest.mark.parametrize("known", [True, False])
def test_steps_that_follow_a_smooth_curve_once_an_epoch_are_no_events(known: bool) -> None:
    assert events("cosine('50 epochs').staircase('1 epoch')", length=20, known=known) == []
    assert events("exponential(gamma=0.97, every='1 epoch').staircase('1 epoch')", length=20, known=known) == []
    smooth = "(warmup('5 epochs') >> cosine()).staircase('1 epoch')"
    assert events(smooth, length=20, known=known) == [("rise ends", 100)]
    halved = events("steps(every='5 epochs', gamma=0.5)", length=20, known=known)
    assert halved == [("drop", t) for t in range(100, 1000, 100)]


def test_a_sparse_log_says_between_which_updates() -> None:
    values = cd.place("steps(at=[305])", total=TOTAL, base=0.1).values()[::10]
    (event,) = rate_events(Series(np.arange(0, TOTAL, 10), values))
    assert (event.since, event.t, event.factor) == (300, 310, pytest.approx(0.1))
    assert event.sentence.en == "the rate drops (0.1 → 0.01) at update 310"


@pytest.mark.parametrize("seed", range(10))
def test_random_steps_are_found_one_by_one(seed: int) -> None:
    rng = np.random.default_rng(seed)
    places = np.sort(rng.choice(np.arange(20, 980), size=int(rng.integers(1, 6)), replace=False))
    values = np.full(TOTAL, 0.1)
    for place in places.tolist():
        values[place:] *= rng.choice([0.1, 0.2, 0.5, 2.0, 3.0])
    found = rate_events(Series(np.arange(TOTAL), values))
    assert [event.t for event in found if event.sudden] == places.tolist()
    for event in found:
        assert event.factor == pytest.approx(values[event.t] / values[event.t - 1])


def test_rates_that_are_not_finite_are_passed_over() -> None:
    values = np.where(np.arange(TOTAL) % 100 == 7, np.nan, np.where(np.arange(TOTAL) < 500, 0.1, 0.01))
    assert [(event.kind, event.t) for event in rate_events(Series(np.arange(TOTAL), values))] == [("drop", 500)]
