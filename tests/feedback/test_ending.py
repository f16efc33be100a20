"""A run that a rule stops: at once with what that gives away, or after a fall of the rate."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import cadence as cd
from cadence._errors import HorizonError, SpecError, UnknownNameError
from cadence.feedback.control import Control
from cadence.feedback.rules import Decision

FALL = "constant() * early_stop('val_loss', patience=1, then='cooldown 20%')"


def looks(text: str, losses: list[float], every: int = 10, **run: Any) -> tuple[Control, list[Decision]]:
    control, made = Control.over(cd.place(text, **run)), list[Decision]()
    for i, loss in enumerate(losses, start=1):
        control, decisions = control.observe({"val_loss": loss}, i * every)
        made += decisions
    return control, made


def test_the_rate_falls_to_zero_and_ends_the_run() -> None:
    control, made = looks(FALL, [1.0, 1.0, 1.0], base=0.1, total=100)
    assert [d.kind for d in made] == ["keep", "keep", "cooldown"]
    curve = control.curve
    assert (curve.total, curve.at(29), curve.at(30), curve.at(50)) == (50, 0.1, 0.1, 0.0)
    # 1 - sqrt(u), a quarter and the half of the way: 1 - 1/2, 1 - 1/sqrt(2).
    np.testing.assert_allclose([curve.at(35), curve.at(40)], [0.05, 0.1 * (1 - 0.5**0.5)], rtol=1e-14)


def test_the_sentence_tells_both_choices_and_what_they_cost() -> None:
    _, made = looks(FALL, [1.0, 1.0, 1.0], base=0.1, total=100)
    for told in (
        "cooldown, lr = 0.1 (100 % of its peak) falls to 0 along 1-sqrt over 20 updates",
        "the run ends at update 50, 50 before the schedule would",
        "to stop at once would save these 20 updates",
    ):
        assert told in made[-1].sentence
    _, made = looks("cosine() * early_stop('val_loss', patience=1)", [1.0, 1.0, 1.0], base=0.1, total=60)
    assert made[-1].kind == "stop"
    assert made[-1].sentence.endswith(
        "stop at once, from lr = 0.05 (50 % of its peak) and with 30 updates of the schedule left; a cooldown to 0 "
        "first would take 6 of them (then='cooldown 6 steps')."
    )


def test_a_rate_that_has_fallen_gives_nothing_away() -> None:
    _, made = looks("linear(10) * early_stop('val_loss', patience=0)", [1.0, 1.0], every=5, base=0.1, total=100)
    assert made[-1].kind == "stop"
    assert made[-1].sentence.endswith(": stop.")
    # A fall has nowhere to go from 0.
    _, made = looks(
        "(linear(10) >> constant(start=0)) * early_stop('val_loss', patience=1, then='cooldown 10 steps')",
        [1.0, 1.0, 1.0], base=0.1, total=100,
    )  # fmt: skip
    assert made[-1].kind == "stop"


def test_a_rule_does_not_stop_a_run_that_is_cooling_down() -> None:
    control, made = looks(FALL, [1.0] * 9, every=5, base=0.1, total=100)
    assert [d.kind for d in made] == ["keep", "keep", "cooldown", *["keep"] * 6]
    assert "cooling down already and ends at update 35" in made[4].sentence
    assert control.curve.total == 35


def test_a_fall_is_no_longer_than_what_is_left() -> None:
    control, made = looks(FALL.replace("20%", "500 steps"), [1.0, 1.0, 1.0], base=0.1, total=40)
    assert made[-1].kind == "cooldown"
    assert (control.curve.total, control.curve.at(40)) == (40, 0.0)
    assert "the run ends at update 40, 0 before" in made[-1].sentence


def test_a_run_of_unknown_length_gets_an_end() -> None:
    control, _ = looks(FALL.replace("20%", "8 steps"), [1.0, 1.0, 1.0], base=0.1)
    assert control.curve.total == 38
    with pytest.raises(HorizonError, match="20% of a run of unknown length"):
        cd.place(FALL)


def test_a_fall_begins_where_a_cut_of_the_same_evaluation_has_put_the_rate() -> None:
    text = FALL.replace("constant()", "constant() * plateau('val_loss', factor=0.5, patience=1)")
    control, made = looks(text, [1.0, 1.0, 1.0], base=0.1, total=100)
    assert [d.kind for d in made[-2:]] == ["cut", "cooldown"]
    assert (control.curve.at(29), control.curve.at(30)) == (0.1, 0.05)


def test_each_group_falls_from_its_own_rate() -> None:
    control, _ = looks(FALL, [1.0, 1.0, 1.0], base={"lr": [0.1, 0.01]}, total=100)
    values = control.curve.values(group=1) / control.curve.values(group=0)
    np.testing.assert_allclose(values[np.isfinite(values)], 0.1, rtol=1e-13)


@pytest.mark.parametrize("then", ["cooldown", "10%", "rest 10%", "", 3])
def test_what_comes_then_is_a_cooldown_with_a_length(then: Any) -> None:
    with pytest.raises(SpecError, match=r"then of early_stop is .*'cooldown 10%'"):
        cd.early_stop("val_loss", then=then)


def test_a_cooldown_has_a_length_above_zero_in_a_known_unit() -> None:
    with pytest.raises(SpecError, match="no length; leave then out"):
        cd.early_stop("val_loss", then="cooldown 0 steps")
    with pytest.raises((SpecError, UnknownNameError), match="epoch"):
        cd.early_stop("val_loss", then="cooldown 3 epoks")
