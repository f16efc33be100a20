"""Lengths and positions: a number and a unit, exact until a run rounds them."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cadence._errors import HorizonError, SpecError
from cadence.curve.horizon import Horizon, horizon, round_half_up
from cadence.spec.span import Span, evaluations, span


@pytest.mark.parametrize(
    ("written", "amount", "unit"),
    [
        (500, 500, "steps"), ("500 steps", 500, "steps"), ("1 update", 1, "steps"), ("8 epochs", 8, "epochs"), ("1 Epoch", 1, "epochs"),
        ("2.5 epochs", Fraction(5, 2), "epochs"), ("0.1 epochs", Fraction(1, 10), "epochs"), ("1e6 samples", 10**6, "samples"),
        ("2e9 tokens", 2 * 10**9, "tokens"), ("5%", 5, "%"), ("33.3 %", Fraction(333, 10), "%"), ("12.5percent", Fraction(25, 2), "%"),
        (".5 epochs", Fraction(1, 2), "epochs"), ("7.steps", 7, "steps"), ("+3 epochs", 3, "epochs"), ("2.5E3 samples", 2500, "samples"),
        (" 5  % ", 5, "%"), (np.int64(7), 7, "steps"), ("1e-3 epochs", Fraction(1, 1000), "epochs"), (0, 0, "steps"), ("1e15 tokens", 10**15, "tokens"),
    ],
)  # fmt: skip
def test_a_length_is_exactly_what_is_written(written: Any, amount: Any, unit: str) -> None:
    assert span(written) == Span(Fraction(amount), unit)


def test_a_span_is_taken_as_it_is() -> None:
    third = Span(Fraction(1, 3), "epochs")
    assert span(third) is third


@pytest.mark.parametrize(
    ("written", "printed"),
    [(500, "500"), ("500 steps", "500"), ("0.5 steps", "'0.5 steps'"), ("2.50 epochs", "'2.5 epochs'"), ("1.0 epochs", "'1 epoch'"),
     ("1e6 samples", "'1000000 samples'"), ("5 percent", "'5%'"), ("1e-3 epochs", "'0.001 epochs'"), ("1 tokens", "'1 token'")],
)  # fmt: skip
def test_a_length_prints_in_one_form(written: Any, printed: str) -> None:
    assert repr(span(written)) == printed


@pytest.mark.parametrize(
    "text",
    ["", " ", "epochs", "5 epochs 3", "5 epoch s", "5,000 steps", "1_000 steps", "5e steps", "e5 steps", "--5 steps", "0x10 steps", "5 % %", "nan epochs",
     "inf steps", "5 lightyears", "five epochs", "5\x00 steps", "1e9999 steps", "5 epochs\n6", "½ epochs", "1/2 epochs"],
)  # fmt: skip
def test_what_is_no_length_is_refused(text: str) -> None:
    with pytest.raises(SpecError):
        span(text)


def test_a_bare_number_of_a_rule_counts_evaluations() -> None:
    assert evaluations(3) == Span(Fraction(3), "evaluations")
    assert repr(evaluations(3)) == "3"


# ---- on a run ----------------------------------------------------------------------------------------------------


@given(st.fractions(0, 10**6, max_denominator=10**4))
def test_halves_are_rounded_up_and_nothing_is_moved_further_than_a_half(x: Fraction) -> None:
    whole = round_half_up(x)
    assert -Fraction(1, 2) < x - whole + Fraction(0) <= Fraction(1, 2) or x - whole == -Fraction(1, 2)
    assert round_half_up(Fraction(2 * whole + 1, 2)) == whole + 1


def test_each_unit_is_resolved_by_its_number() -> None:
    run = horizon("90 epochs", steps_per_epoch=5005, batch_size=256, tokens_per_step=2**19)
    assert run == Horizon(450_450, 5005, 256, 2**19)
    assert run.updates(span("2.5 epochs")) == Fraction(25025, 2)
    assert run.updates(span("1e6 samples")) == Fraction(10**6, 256)
    assert run.updates(span("2e9 tokens")) == Fraction(2 * 10**9, 2**19)
    assert run.updates(span("5%")) == Fraction(45045, 2)
    assert run.to_json() == {"total": 450_450, "steps_per_epoch": 5005, "batch_size": 256, "tokens_per_step": 2**19}


@pytest.mark.parametrize(
    ("length", "needed"),
    [
        ("2 epochs", "steps_per_epoch=len(loader)"),
        ("9 samples", "batch_size=64"),
        ("9 tokens", "tokens_per_step="),
        ("5%", "total="),
    ],
)
def test_what_a_run_does_not_know_it_refuses_to_guess(length: str, needed: str) -> None:
    with pytest.raises(HorizonError) as caught:
        horizon().updates(span(length))
    assert needed in str(caught.value)
    assert length in str(caught.value)
