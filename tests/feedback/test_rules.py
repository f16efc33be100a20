"""What plateau and early_stop make of a series of observations."""

from __future__ import annotations

import json
import math
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import cadence as cd
from cadence._errors import FeedbackError
from cadence.curve.horizon import horizon
from cadence.feedback.replay import Replay
from cadence.feedback.rules import Decision, judge, new_state
from cadence.spec.nodes import Rule

RUN = horizon(None, 10, 32, 100)

observations = st.lists(
    st.sampled_from([0.0, 0.1, 0.25, 0.3, 0.5, 1.0, 2.0, -0.5, math.inf, -math.inf, math.nan]) | st.floats(-2, 2),
    max_size=40,
)
rules = st.builds(
    lambda make, options: make("val_loss", **options),
    st.sampled_from([cd.plateau, cd.early_stop]),
    st.fixed_dictionaries(
        {
            "patience": st.integers(0, 5) | st.sampled_from(["1 epoch", "0.5 epochs", "7 steps"]),
            "threshold": st.sampled_from([0.0, 1e-4, 0.1]),
            "threshold_mode": st.sampled_from(["rel", "abs"]),
            "mode": st.sampled_from(["min", "max"]),
            "nan": st.sampled_from(["bad", "ignore"]),
            "significance": st.sampled_from([None, 0.05, 0.4]),
        }
    ),
)


def rule_of(text: str) -> Rule:
    found: Any = cd.parse(f"constant() * {text}")
    return found.parts[1]


def run(rule: Rule, values: list[float], every: int = 1) -> tuple[list[Decision], dict[str, Any]]:
    """Decisions on values observed after every so many updates, and the last state."""
    state, decisions = new_state(), list[Decision]()
    for i, value in enumerate(values, start=1):
        state, decision = judge(rule, 0, state, value, i * every, RUN)
        decisions.append(decision)
    return decisions, state


def cut_after(text: str, losses: list[float], **options: Any) -> list[int]:
    """Numbers of the observations, from 1, after which a cut came."""
    seen: Replay = cd.replay(f"constant() * plateau({text})", losses, **options)
    return [i for i, d in enumerate(seen.decisions, start=1) if d.kind == "cut"]


# ---- patience --------------------------------------------------------------------------------------------------------

ARTICLE = [0.50, 0.45, 0.40, 0.35, 0.30] + [0.29] * 5
"""A tutorial's example, which says that patience 5 cuts after round 10: but its round 6 is an improvement."""


def test_an_article_s_example_does_not_cut_where_it_says() -> None:
    assert cut_after("'val_loss', factor=0.5, patience=5", ARTICLE) == []
    assert cut_after("'val_loss', factor=0.5, patience=4", ARTICLE) == []
    assert cut_after("'val_loss', factor=0.5, patience=4", [*ARTICLE, 0.29]) == [11]
    assert cut_after("'val_loss', factor=0.5, patience=5", [*ARTICLE, 0.29]) == []


@pytest.mark.parametrize(("patience", "after"), [(4, 10), (5, 11)])
def test_a_loss_that_is_flat_from_the_fifth_observation_on_is_cut_at_patience_plus_one(
    patience: int, after: int
) -> None:
    flat = [0.50, 0.45, 0.40, 0.35, 0.30] + [0.30] * 6
    assert cut_after(f"'val_loss', factor=0.5, patience={patience}", flat) == [after]


@pytest.mark.parametrize("patience", [0, 1, 3, 10])
def test_the_cut_comes_with_bad_observation_patience_plus_one_and_then_the_count_begins_anew(patience: int) -> None:
    n = patience + 1
    assert cut_after(f"'val_loss', patience={patience}", [1.0] * (1 + 3 * n)) == [1 + n, 1 + 2 * n, 1 + 3 * n]


@pytest.mark.parametrize("epochs", [1, 2, 3])
def test_patience_in_epochs_is_patience_in_evaluations_where_there_is_one_an_epoch(epochs: int) -> None:
    losses = [1.0, 0.9, *[0.9] * 12]
    by_epochs = cut_after(f"'val_loss', patience='{epochs} epochs'", losses, every=10, steps_per_epoch=10)
    assert by_epochs == cut_after(f"'val_loss', patience={epochs}", losses) != []


def test_patience_in_epochs_does_not_depend_on_how_often_is_evaluated() -> None:
    def cuts(every: int) -> list[int]:
        seen = cd.replay(
            "constant() * plateau('val_loss', patience='2 epochs')",
            [1.0] * (120 // every),
            every=every,
            steps_per_epoch=10,
        )
        return [d.t for d in seen.cuts]

    # The best stands at the first observation; more than 20 updates later comes the cut.
    assert cuts(5) == [5 + 25, 30 + 25, 55 + 25, 80 + 25]
    assert cuts(1) == [1 + 21, 22 + 21, 43 + 21, 64 + 21, 85 + 21]


@pytest.mark.parametrize("cooldown", ["2", "'2 epochs'"])
def test_observations_of_a_cooldown_do_not_count(cooldown: str) -> None:
    text = f"'val_loss', patience=1, cooldown={cooldown}"
    # best, two bad ones and the cut, two of cooldown, two bad ones and the cut, ...
    assert cut_after(text, [1.0] * 12, every=10, steps_per_epoch=10) == [3, 7, 11]


def test_an_improvement_during_a_cooldown_is_remembered() -> None:
    assert cut_after("'val_loss', patience=1, cooldown=2", [1.0, 1.0, 1.0, 0.5, 0.9, 0.9, 0.9]) == [3, 7]


def test_a_patience_in_epochs_needs_to_know_how_long_an_epoch_is() -> None:
    with pytest.raises(cd._errors.HorizonError, match="steps_per_epoch"):
        cd.replay("constant() * plateau('val_loss', patience='2 epochs')", [1.0, 1.0])


# ---- better ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "best", "enough", "too_little"),
    [
        ("mode='min', threshold=0.1", 2.0, 1.79, 1.81),
        ("mode='max', threshold=0.1", 2.0, 2.21, 2.19),
        ("mode='min', threshold=0.1, threshold_mode='abs'", 2.0, 1.89, 1.91),
        ("mode='max', threshold=0.1, threshold_mode='abs'", 2.0, 2.11, 2.09),
        ("mode='min', threshold=0.1", -2.0, -2.21, -2.19),
        ("mode='max', threshold=0.1", -2.0, -1.79, -1.81),
        ("mode='min', threshold=0.1", 0.0, -1e-9, 0.0),
        ("mode='max', threshold=0.1", 0.0, 1e-9, 0.0),
    ],
)
def test_better_means_by_more_than_the_threshold(options: str, best: float, enough: float, too_little: float) -> None:
    assert cut_after(f"'score', patience=0, {options}", [best, enough]) == []
    assert cut_after(f"'score', patience=0, {options}", [best, too_little]) == [2]


@pytest.mark.parametrize("nothing", [math.inf, -math.inf])
def test_an_infinite_value_is_never_an_improvement(nothing: float) -> None:
    for mode in ("min", "max"):
        rule = rule_of(f"plateau('score', mode='{mode}', patience=1)")
        decisions, state = run(rule, [nothing, 1.0, nothing, 1.0])
        assert [d.kind for d in decisions] == ["keep", "keep", "keep", "cut"]
        assert state["best"] == 1.0


def test_infinite_values_alone_use_up_the_patience() -> None:
    assert cut_after("'val_loss', patience=1", [math.inf, math.inf]) == [2]


# ---- not a number ----------------------------------------------------------------------------------------------------


def test_nan_is_an_error_unless_told_otherwise() -> None:
    with pytest.raises(FeedbackError, match=r"val_loss is not a number after 2 updates; .*nan='bad' or nan='ignore'"):
        cd.replay("constant() * plateau('val_loss')", [1.0, math.nan])
    with pytest.raises(FeedbackError, match="early_stop"):
        cd.replay("constant() * early_stop('val_loss')", [math.nan])


@pytest.mark.parametrize("mode", ["min", "max"])
def test_a_bad_nan_is_no_improvement_even_as_the_first(mode: str) -> None:
    assert cut_after(f"'score', mode='{mode}', patience=2, nan='bad'", [math.nan] * 4) == [3]
    assert cut_after(f"'score', mode='{mode}', patience=2, nan='bad'", [1.0, math.nan, math.nan, math.nan]) == [4]


def test_an_ignored_nan_leaves_no_trace() -> None:
    rule = rule_of("plateau('val_loss', patience=1, nan='ignore', cooldown=1)")
    with_nan, state = run(rule, [1.0, math.nan, 1.0, math.nan, 1.0, math.nan, math.nan, 1.0, 1.0, 1.0])
    plain, same = run(rule, [1.0, 1.0, 1.0, 1.0, 1.0, 1.0])
    assert [d.kind for d in with_nan if not math.isnan(d.value)] == [d.kind for d in plain]
    assert {k: v for k, v in state.items() if k not in ("since", "best_t")} == {
        k: v for k, v in same.items() if k not in ("since", "best_t")
    }
    assert "ignores" in with_nan[1].sentence


# ---- significance ----------------------------------------------------------------------------------------------------

LUCKY = [1.0, 0.2, 0.95, 0.9, 0.85, 0.8, 0.75, 0.7, 0.65]
"""One lucky value, and a loss that really falls."""


def test_a_lucky_best_does_not_cut_a_loss_that_still_falls() -> None:
    assert cut_after("'val_loss', patience=4", LUCKY) == [7]
    assert cut_after("'val_loss', patience=4, significance=0.05", LUCKY) == []
    seen = cd.replay("constant() * plateau('val_loss', patience=4, significance=0.05)", LUCKY)
    assert "improves by a trend with p = 0.0083 < 0.05: no cut." in seen.decisions[6].sentence  # 1 of 120 orders


def test_a_loss_that_has_settled_is_cut_in_spite_of_the_test() -> None:
    settled = [1.0, 0.2, 0.5, 0.52, 0.49, 0.51, 0.5, 0.53, 0.48]
    assert cut_after("'val_loss', patience=4, significance=0.05", settled) == [7]


def test_early_stop_waits_for_a_trend_likewise() -> None:
    rule = rule_of("early_stop('val_loss', patience=4, significance=0.05)")
    assert [d.kind for d in run(rule, LUCKY)[0]] == ["keep"] * 9
    rule = rule_of("early_stop('val_loss', patience=4)")
    assert [d.kind for d in run(rule, LUCKY)[0]].index("stop") == 6


# ---- what is said ----------------------------------------------------------------------------------------------------


def test_a_cut_says_value_best_patience_and_what_it_does() -> None:
    seen = cd.replay("constant() * plateau('val_loss', factor=0.5, patience=2)", [0.5, 0.31, 0.4, 0.41, 0.42], base=0.1)
    assert [d.kind for d in seen.decisions] == ["keep", "keep", "keep", "keep", "cut"]
    assert seen.decisions[0].sentence == "val_loss = 0.5 is the first observation: no cut."
    assert seen.decisions[1].sentence == "val_loss = 0.31 is better than the best so far, 0.5: no cut."
    assert seen.decisions[3].sentence == (
        "val_loss = 0.41 is not below the best, 0.31 after 2 updates, by more than 0.0001 of it, 2 without "
        "improvement, with a patience of 2: no cut yet."
    )
    assert seen.decisions[4].sentence == (
        "val_loss = 0.42 is not below the best, 0.31 after 2 updates, by more than 0.0001 of it, 3 without "
        "improvement, with a patience of 2: cut, times 0.5. lr 0.1 -> 0.05."
    )
    assert str(seen) == "\n".join(d.sentence for d in seen.decisions)


def test_a_cut_that_changes_nothing_says_so() -> None:
    seen = cd.replay("constant() * plateau('val_loss', patience=0, minimum=0.5)", [1.0] * 3, base=0.1)
    assert seen.decisions[1].sentence.endswith("cut, times 0.1. lr 0.1 -> 0.05.")
    assert "lr stays at 0.05" in seen.decisions[2].sentence


@given(rules, observations)
def test_every_decision_is_one_sentence_with_the_value(rule: Rule, values: list[float]) -> None:
    for decision in run(rule, values)[0]:
        told = "is not a number" if math.isnan(decision.value) else f"= {decision.value:.6g}"
        assert f"val_loss {told}" in decision.sentence
        assert decision.sentence.endswith(".")
        assert "\n" not in decision.sentence


# ---- pure ------------------------------------------------------------------------------------------------------------


@given(rules, observations)
def test_the_same_observations_give_the_same_decisions_and_states_are_strict_json(
    rule: Rule, values: list[float]
) -> None:
    decisions, last = run(rule, values)
    state = new_state()
    for i, (value, expected) in enumerate(zip(values, decisions, strict=True), start=1):
        before = json.dumps(state, allow_nan=False)
        state, decision = judge(rule, 0, json.loads(before), value, i, RUN)
        assert decision.sentence == expected.sentence
        assert (decision.kind, decision.t) == (expected.kind, i)
        json.dumps(decision.to_json(), allow_nan=False)
        # The state that went in is as it was.
        again = json.loads(before)
        judge(rule, 0, again, value, i, RUN)
        assert json.dumps(again) == before
    assert state == last


@given(rules, st.lists(st.floats(-2, 2), max_size=30))
def test_a_state_does_not_grow_without_bound(rule: Rule, values: list[float]) -> None:
    _, state = run(rule, values * 20)
    assert len(state["bad"]) <= 200
    if rule.significance is None:
        assert state["bad"] == []


@given(st.lists(st.floats(0.01, 2), min_size=1, max_size=40), st.integers(0, 4), st.sampled_from([0.0, 1e-4, 0.1]))
def test_looking_for_the_least_of_a_loss_is_looking_for_the_most_of_its_negative(
    values: list[float], patience: int, threshold: float
) -> None:
    options = f"patience={patience}, threshold={threshold}"
    down = run(rule_of(f"plateau('score', mode='min', {options})"), values)[0]
    up = run(rule_of(f"plateau('score', mode='max', {options})"), [-x for x in values])[0]
    assert [d.kind for d in down] == [d.kind for d in up]


@given(st.lists(st.sampled_from([1.0, 2.0, 4.0, 3.0]), max_size=40), st.integers(0, 4), st.integers(0, 3))
def test_between_two_cuts_lie_more_bad_observations_than_patience_and_cooldown(
    values: list[float], patience: int, cooldown: int
) -> None:
    decisions, _ = run(rule_of(f"plateau('val_loss', patience={patience}, cooldown={cooldown})"), values)
    cuts = [d.t for d in decisions if d.kind == "cut"]
    assert all(b - a > patience + cooldown for a, b in pairwise(cuts))
