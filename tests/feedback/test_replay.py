"""What a rule would have done on a log."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import cadence as cd
from cadence._errors import CadenceError, FeedbackError, HorizonError, SpecError

HALF = "constant() * plateau('val_loss', factor=0.5, patience=1)"
LOSSES = [1.0, 0.9, 0.9, 0.9, 0.9, 0.9]


# ---- values ----------------------------------------------------------------------------------------------------------


def test_value_i_is_in_force_after_i_observations() -> None:
    seen = cd.replay(HALF, LOSSES, base=0.1)
    assert seen.values.tolist() == [0.1, 0.1, 0.1, 0.1, 0.05, 0.05, 0.025]
    assert [d.t for d in seen.cuts] == [4, 6]
    assert seen.stopped is None


def test_without_a_single_observation_there_is_the_first_value() -> None:
    assert cd.replay(HALF, [], base=0.1).values.tolist() == [0.1]


def test_observations_may_lie_further_apart_than_one_update() -> None:
    seen = cd.replay(HALF, LOSSES, base=0.1, every=10)
    assert seen.values.tolist() == cd.replay(HALF, LOSSES, base=0.1).values.tolist()
    assert [d.t for d in seen.cuts] == [40, 60]
    epochs = cd.replay(HALF, LOSSES, base=0.1, every="1 epoch", steps_per_epoch=10)
    assert [d.t for d in epochs.cuts] == [40, 60]


@pytest.mark.parametrize("every", [0, -1, 0.5, "0.01 epochs", "1 nonsense"])
def test_a_distance_of_no_update_is_refused(every: Any) -> None:
    with pytest.raises(CadenceError, match="every"):
        cd.replay(HALF, LOSSES, every=every, steps_per_epoch=10)


def test_the_curve_is_pure_given_its_journal() -> None:
    seen = cd.replay(HALF, LOSSES, base=0.1, every=10)
    again = cd.place(HALF, base=0.1).with_entry(*seen.curve.journal)
    assert again == seen.curve
    assert again.at(np.arange(7) * 10).tolist() == seen.values.tolist()
    assert cd.place(HALF, base=0.1).at(60) == 0.1


@given(st.lists(st.sampled_from([1.0, 0.9, 0.5, 0.2]), max_size=9), st.integers(1, 7))
def test_the_values_are_those_that_each_moment_s_own_curve_has(losses: list[float], every: int) -> None:
    seen = cd.replay(HALF, losses, base=0.1, every=every)
    for i in range(len(losses) + 1):
        then = cd.replay(HALF, losses[:i], base=0.1, every=every)
        assert then.values[-1] == seen.values[i]
        assert then.decisions == seen.decisions[:i]


def test_a_long_log_keeps_what_moved_something_and_not_every_look() -> None:
    random = np.random.default_rng(0)
    losses = 1.0 + random.normal(size=20_000)
    seen = cd.replay("constant() * plateau('val_loss', factor=0.9, patience=50)", losses, base=0.1)
    assert len(seen.decisions) == 20_000
    # The curve keeps what moved it, and not 20,000 looks.
    assert len(seen.curve.journal) == len(seen.cuts) == pytest.approx(390, abs=10)
    assert seen.values[-1] == pytest.approx(0.1 * 0.9 ** len(seen.cuts))


# ---- forms of a log --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "log",
    [
        LOSSES,
        tuple(LOSSES),
        np.array(LOSSES),
        iter(LOSSES),
        [np.float32(x) for x in LOSSES],
        {"val_loss": LOSSES},
        {"val_loss": np.array(LOSSES), "val_accuracy": [0.0] * 6},
        {"val_loss": LOSSES, "host": ["a"] * 6},
        [{"val_loss": x} for x in LOSSES],
        [{"val_loss": x, "epoch": i, "note": "text"} for i, x in enumerate(LOSSES)],
        (x for x in [{"val_loss": x} for x in LOSSES]),
    ],
    ids=lambda x: type(x).__name__,
)
def test_every_form_of_a_log_says_the_same(log: Any) -> None:
    assert cd.replay(HALF, log, base=0.125).values.tolist() == [0.125, 0.125, 0.125, 0.125, 0.0625, 0.0625, 0.03125]


def test_the_evaluations_of_a_run_folder_are_a_log(tmp_path: Path) -> None:
    from cadence.record.writer import RunWriter

    horizon = {"total": 6, "steps_per_epoch": None, "batch_size": None, "tokens_per_step": None}
    with RunWriter(tmp_path / "run") as writer:
        writer.start({"spec": HALF, "horizon": horizon, "groups": ["0"], "values": ["lr"], "bases": {"lr": [0.1]}})
        for t, loss in enumerate(LOSSES, start=1):
            writer.evaluation({"t": t, "val_loss": loss})
    evaluations = cd.load_record(tmp_path / "run").evaluations
    log = {"val_loss": evaluations["val_loss"]}
    assert [d.t for d in cd.replay(HALF, log, base=0.1).cuts] == [4, 6]


def test_what_was_not_measured_is_no_observation() -> None:
    sparse = [{"val_loss": x} if x else {"val_loss": None, "loss": 0.5} for x in (1.0, 0.9, None, 0.9, None, 0.9)]
    assert [d.t for d in cd.replay(HALF, sparse).cuts] == [6]
    assert len(cd.replay(HALF, [1.0, None, 0.9]).decisions) == 2


def test_numbers_without_a_name_are_refused_where_two_metrics_are_watched() -> None:
    both = f"{HALF} * early_stop('val_accuracy', patience=1)"
    with pytest.raises(
        FeedbackError, match=r"the schedule watches val_loss, val_accuracy; give the log as \{name: numbers"
    ):
        cd.replay(both, LOSSES)
    with pytest.raises(FeedbackError, match="the schedule watches"):
        cd.replay(HALF, [1.0, {"val_loss": 1.0}])


def test_columns_of_different_length_are_refused() -> None:
    with pytest.raises(FeedbackError, match=r"differ in length \(val_loss 6, epoch 1\)"):
        cd.replay(HALF, {"val_loss": LOSSES, "epoch": [1]})


@pytest.mark.parametrize("x", ["0.5", b"1", [1.0], object()])
def test_what_is_no_number_is_refused_with_its_name(x: Any) -> None:
    with pytest.raises(FeedbackError, match=r"the metric 'val_loss' is .*; report a number"):
        cd.replay(HALF, {"val_loss": [x]})


def test_a_metric_that_the_log_does_not_have_names_its_neighbours() -> None:
    with pytest.raises(
        FeedbackError, match=r"needs 'val_loss', which the first evaluation does not report; did you mean 'val_los'"
    ):
        cd.replay(HALF, {"val_los": LOSSES})
    with pytest.raises(FeedbackError, match="nothing was reported"):
        cd.replay(HALF, [{}])


def test_a_schedule_without_a_rule_has_nothing_to_replay() -> None:
    with pytest.raises(FeedbackError, match=r"cosine\(\) has no rule to replay; write e.g. constant\(\) \* plateau"):
        cd.replay("cosine()", LOSSES)


# ---- extent ----------------------------------------------------------------------------------------------------------


def test_a_rule_after_a_warmup_ignores_the_warmup() -> None:
    # Ten epochs of warmup whose losses would use up any patience.
    losses = [0.1] + [9.0] * 9 + [1.0, 0.9, 0.9, 0.9]
    seen = cd.replay(
        "warmup('10 epochs') >> constant() * plateau('val_loss', factor=0.5, patience=1)",
        losses, base=0.1, every=5, steps_per_epoch=5,
    )  # fmt: skip
    assert [d.value for d in seen.decisions] == [1.0, 0.9, 0.9, 0.9]
    assert seen.values[:10] == pytest.approx([0.1 * (0.01 + 0.99 * i / 10) for i in range(10)])
    assert seen.values[10:].tolist() == [0.1, 0.1, 0.1, 0.1, 0.05]


def test_an_observation_belongs_to_the_last_update_before_it() -> None:
    text = (
        "constant(3) * plateau('val_loss', patience=0) >> constant(3) * plateau('val_loss', patience=0) >> constant()"
    )
    seen = cd.replay(text, [1.0] * 9, total=9)
    # The first phase hears observations 1 to 3, the second 4 to 6; each takes its own first for its best.
    assert [(d.rule, d.t, d.kind) for d in seen.decisions] == [
        (0, 1, "keep"), (0, 2, "cut"), (0, 3, "cut"), (1, 4, "keep"), (1, 5, "cut"), (1, 6, "cut"),
    ]  # fmt: skip


def test_a_cut_stays_in_force_for_what_leans_on_its_phase() -> None:
    text = "constant(4) * plateau('val_loss', factor=0.5, patience=1) >> decay()"
    seen = cd.replay(text, [1.0] * 8, total=8, base=0.1)
    assert seen.values.tolist() == pytest.approx([0.1, 0.1, 0.1, 0.05, 0.05, 0.0375, 0.025, 0.0125, 0.0])


# ---- several rules ---------------------------------------------------------------------------------------------------


def test_two_rules_remember_and_cut_for_themselves() -> None:
    text = "constant() * plateau('val_loss', factor=0.5, patience=1) * plateau('val_accuracy', factor=0.1, patience=2)"
    log = {"val_loss": [1.0] * 5, "val_accuracy": [0.1, 0.2, 0.2, 0.2, 0.2]}
    seen = cd.replay(text, log)
    assert [(d.rule, d.metric, d.t) for d in seen.cuts] == [
        (0, "val_loss", 3),
        (0, "val_loss", 5),
        (1, "val_accuracy", 5),
    ]
    assert seen.values.tolist() == pytest.approx([1.0, 1.0, 1.0, 0.5, 0.5, 0.025])


@pytest.mark.parametrize(("every", "stopped"), [(10, 5), (7, 6), (30, 4)])
def test_a_run_with_a_cooldown_has_stopped_when_that_is_over(every: int, stopped: int) -> None:
    # The third look decides, at update 3 every; 20 updates later the run is over, and the look at or after that sees it.
    text = "constant() * early_stop('val_loss', patience=1, then='cooldown 20 steps')"
    seen = cd.replay(text, [1.0] * 9, base=0.1, every=every, total=300)
    assert [d.kind for d in seen.decisions][2] == "cooldown"
    assert seen.curve.total == 3 * every + 20
    assert seen.stopped == stopped
    assert seen.values[stopped] == 0.0
    assert seen.values[stopped - 1] > 0.0


def test_a_log_that_ends_within_a_cooldown_has_not_stopped_and_the_curve_tells_where_it_would() -> None:
    text = "constant() * early_stop('val_loss', patience=1, then='cooldown 20 steps')"
    seen = cd.replay(text, [1.0] * 4, base=0.1, every=10, total=300)
    assert (seen.stopped, seen.curve.total) == (None, 50)


def test_a_driver_stops_where_the_replay_says() -> None:
    torch = pytest.importorskip("torch")
    text, losses = "constant() * early_stop('val_loss', patience=1, then='cooldown 20%')", [1.0, 0.9] + [0.9] * 6
    seen = cd.replay(text, losses, base=0.1, every=10, total=100)
    weight = torch.zeros(1, requires_grad=True)
    weight.grad = torch.zeros(1)
    optimizer = torch.optim.SGD([weight], lr=0.1)
    driver, looks = cd.drive(optimizer, text, total=100), 0
    while not driver.should_stop:
        for _ in range(10):
            optimizer.step()
            driver.step()
        driver.observe({"val_loss": losses[looks]})
        looks += 1
    assert looks == seen.stopped


def test_early_stop_beside_a_plateau_stops_after_it_has_cut() -> None:
    text = "constant() * plateau('val_loss', factor=0.5, patience=1) * early_stop('val_loss', patience=3)"
    seen = cd.replay(text, [1.0] * 5, base=0.1)
    assert seen.stopped == 5
    assert [d.kind for d in seen.decisions] == ["keep", "keep"] * 2 + ["cut", "keep", "keep", "keep", "cut", "stop"]
    assert seen.decisions[-1].sentence.endswith("4 without improvement, with a patience of 3: stop.")
    # A stop moves no value.
    assert seen.values.tolist() == [0.1, 0.1, 0.1, 0.05, 0.05, 0.025]


def test_the_one_rule_in_several_entries_of_a_plan_is_one_rule() -> None:
    rule = cd.plateau("val_loss", factor=0.5, patience=0)
    plan = cd.plan({"lr": cd.constant() * rule, "weight_decay": cd.constant() * rule})
    seen = cd.replay(plan, [1.0, 1.0], base={"lr": 0.1, "weight_decay": 0.01})
    assert len(seen.decisions) == 2
    assert seen.curve.at(2, value="weight_decay") == 0.005


# ---- minimum, least change -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("minimum", ["0.25", "absolute(0.025)"])
def test_a_minimum_is_relative_to_the_base_or_absolute(minimum: str) -> None:
    text = f"constant() * plateau('val_loss', factor=0.4, patience=0, minimum={minimum})"
    assert cd.replay(text, [1.0] * 5, base=0.1).values.tolist() == pytest.approx([0.1, 0.1, 0.04, 0.025, 0.025, 0.025])


def test_a_cut_never_raises_a_value_that_lies_below_the_minimum_by_itself() -> None:
    seen = cd.replay("linear() * plateau('val_loss', factor=0.5, patience=0, minimum=0.5)", [1.0] * 10, total=10)
    plain = [1 - i / 10 for i in range(11)]
    expected = [1.0, *(max(x * 0.5 ** max(i - 1, 0), min(x, 0.5)) for i, x in enumerate(plain))][1:]
    assert seen.values.tolist() == pytest.approx(expected)


def test_a_cut_below_the_least_change_is_not_made() -> None:
    seen = cd.replay(
        "constant() * plateau('val_loss', factor=0.1, patience=0, least_change=1e-8)", [1.0] * 12, base=1.0
    )
    assert seen.values[-1] == pytest.approx(1e-8)
    assert seen.cuts[-1].sentence.endswith("the change would be too small.")


def test_a_deaf_cooldown_does_not_hear_an_improvement() -> None:
    losses = [1.0, 1.0, 0.5, 0.9, 0.9, 0.9]
    text = "constant() * plateau('val_loss', factor=0.1, patience=0, cooldown=1{})"
    # 0.5 falls into the cooldown. Heard, it is what 0.9 is bad against; not heard, 0.9 is an improvement on 1.
    assert cd.replay(text.format(""), losses).values.tolist() == pytest.approx([1, 1, 0.1, 0.1, 0.01, 0.01, 0.001])
    deaf = cd.replay(text.format(", deaf=True"), losses)
    assert deaf.values.tolist() == pytest.approx([1, 1, 0.1, 0.1, 0.1, 0.01, 0.01])
    assert "hears nothing" in deaf.decisions[2].sentence


def test_the_first_metric_may_be_the_best_whatever_it_is() -> None:
    text = "constant() * plateau('val_loss', patience=0, nan='bad', infinite={!r})"
    metrics = [float("nan"), 3.0, 2.0]
    assert cd.replay(text.format("best"), metrics).values.tolist() == pytest.approx([1, 0.1, 0.1, 0.1])
    # Nothing is ever better than what is not a number.
    assert cd.replay(text.format("first"), metrics).values.tolist() == pytest.approx([1, 1, 0.1, 0.01])


# ---- the run ---------------------------------------------------------------------------------------------------------


def test_the_total_is_the_log_s_length_where_the_schedule_needs_one() -> None:
    seen = cd.replay("warmup('50%') >> constant() * plateau('val_loss', factor=0.5, patience=0)", [1.0] * 8, every=10)
    assert seen.curve.total == 80
    assert seen.values.tolist() == pytest.approx([0.01, 0.2575, 0.505, 0.7525, 1.0, 1.0, 0.5, 0.25, 0.125])


def test_a_total_that_is_given_counts() -> None:
    seen = cd.replay(HALF, LOSSES, total=100, base=0.1)
    assert seen.curve.total == 100


def test_errors_of_the_schedule_come_through() -> None:
    with pytest.raises(HorizonError, match="steps_per_epoch"):
        cd.replay("warmup('1 epoch') >> constant() * plateau('val_loss')", LOSSES)
    with pytest.raises(SpecError, match="finite"):
        cd.replay(HALF, LOSSES, base=math.nan)
