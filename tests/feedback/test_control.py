"""A curve with what its rules remember."""

from __future__ import annotations

import copy
import math
from typing import Any

import pytest

import cadence as cd
from cadence._errors import FeedbackError
from cadence.feedback.control import LONGEST_JOURNAL, Control, as_numbers

HALF = "constant() * plateau('val_loss', factor=0.5, patience=1)"


def control(text: str = HALF, **run: Any) -> Control:
    return Control.over(cd.place(text, **run))


def test_observing_makes_another_control_and_leaves_this_one() -> None:
    first = control(base=0.1)
    before = copy.deepcopy((first.states, first.journal))
    second, decisions = first.observe({"val_loss": 1.0}, 1)
    assert (first.states, first.journal) == before
    assert not first.begun
    assert second.begun
    assert [d.kind for d in decisions] == ["keep"]
    assert first.observe({"val_loss": 1.0}, 1) == (second, decisions)


def test_the_curve_stays_the_same_object_until_something_moves_it() -> None:
    now = control(base=0.1)
    curve = now.curve
    for t in (1, 2):
        now, _ = now.observe({"val_loss": 1.0}, t)
        assert now.curve is curve
    now, decisions = now.observe({"val_loss": 1.0}, 3)
    assert [d.kind for d in decisions] == ["cut"]
    assert now.curve is not curve
    assert (now.curve.at(2), now.curve.at(3)) == (0.1, 0.05)


def test_the_journal_holds_every_look_and_the_curve_s_own_what_moved_it() -> None:
    now = control()
    for t in range(1, 5):
        now, _ = now.observe({"val_loss": 1.0}, t)
    assert [e["kind"] for e in now.journal] == ["keep", "keep", "cut", "keep"]
    assert [e["kind"] for e in now.curve.journal] == ["cut"]
    assert now.journal[2] == now.curve.journal[0]


def test_a_journal_forgets_the_oldest_looks_and_nothing_that_moved_a_value() -> None:
    now = control("constant() * plateau('val_loss', factor=0.99, patience=20)")
    kinds = list[str]()
    for t in range(1, 2 * LONGEST_JOURNAL):
        now, decisions = now.observe({"val_loss": 1.0}, t)
        kinds.append(decisions[0].kind)
    assert len(now.journal) == LONGEST_JOURNAL
    assert [e["t"] for e in now.journal if e["kind"] == "cut"] == [
        i for i, k in enumerate(kinds, start=1) if k == "cut"
    ]
    looks = [e["t"] for e in now.journal if e["kind"] == "keep"]
    assert looks == [i for i, k in enumerate(kinds, start=1) if k == "keep"][-len(looks) :]


def test_a_value_without_a_json_number_is_none_in_the_journal() -> None:
    now, _ = control("constant() * plateau('val_loss', nan='bad')").observe({"val_loss": math.nan}, 1)
    assert now.journal[0]["value"] is None
    assert "not a number" in now.journal[0]["sentence"]


def test_only_the_first_evaluation_must_be_complete() -> None:
    now = control(f"{HALF} * early_stop('val_accuracy', patience=3)")
    with pytest.raises(FeedbackError, match="'val_accuracy', which the first evaluation does not report"):
        now.observe({"val_loss": 1.0}, 1)
    now, decisions = now.observe({"val_loss": 1.0, "val_accuracy": 0.5}, 1)
    assert len(decisions) == 2
    now, decisions = now.observe({"val_accuracy": 0.6}, 2)
    assert [d.metric for d in decisions] == ["val_accuracy"]
    assert now.observe({"something": 1.0}, 3)[1] == []


def test_an_error_of_one_rule_leaves_no_half_of_an_observation() -> None:
    now = control("constant() * plateau('val_loss') * plateau('train_loss')")
    with pytest.raises(FeedbackError, match="train_loss is not a number"):
        now.observe({"val_loss": 1.0, "train_loss": math.nan}, 1)
    assert now == control("constant() * plateau('val_loss') * plateau('train_loss')")


def test_metrics_are_anything_that_is_a_number() -> None:
    assert as_numbers({"a": 1, "b": True, "c": 0.5}) == {"a": 1.0, "b": 1.0, "c": 0.5}


@pytest.mark.parametrize("x", ["0.5", None, [0.5], {}, 10**400])
def test_a_metric_that_is_no_number_is_refused(x: Any) -> None:
    with pytest.raises(FeedbackError, match=r"the metric 'val_loss' is .*; report a number"):
        as_numbers({"val_loss": x})
