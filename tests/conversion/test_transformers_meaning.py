"""What transformers' schedules are read as, without transformers."""

from __future__ import annotations

from typing import Any

import pytest

import cadence as cd

SPAN = {"num_warmup_steps": 10, "num_training_steps": 100}


@pytest.mark.parametrize(
    ("name", "arguments", "expected"),
    [
        ("linear", SPAN, "linear(10, to=1, start=0) >> linear(90)"),
        ("linear", {"num_warmup_steps": 0, "num_training_steps": 100}, "linear(100)"),
        ("cosine", SPAN, "linear(10, to=1, start=0) >> cosine(90).past_end('mirror')"),
        ("get_cosine_schedule_with_warmup", SPAN, "linear(10, to=1, start=0) >> cosine(90).past_end('mirror')"),
        ("cosine", {**SPAN, "num_cycles": 1.5}, "linear(10, to=1, start=0) >> cosine(30).past_end('mirror')"),
        ("cosine_with_restarts", {**SPAN, "num_cycles": 3}, "linear(10, to=1, start=0) >> cosine(30).repeat(3)"),
        ("polynomial", {**SPAN, "power": 3}, "linear(10, to=1, start=0) >> power(90, to=absolute(1e-07), exponent=3)"),
        ("polynomial", {**SPAN, "lr_end": 0}, "linear(10, to=1, start=0) >> linear(90)"),
        ("constant", SPAN, "constant()"),
        ("get_constant_schedule", {}, "constant()"),
        ("constant_with_warmup", SPAN, "linear(10, to=1, start=0) >> constant()"),
        ("inverse_sqrt", SPAN, "linear(10, to=1, start=0) >> inverse(timescale=10)"),
        ("cosine_with_min_lr", {**SPAN, "min_lr_rate": 0.1}, "linear(10, to=1, start=0) >> cosine(90, to=0.1).past_end('mirror')"),
        (
            "cosine_warmup_with_min_lr",
            {**SPAN, "min_lr": 0.01, "warmup_lr_rate": 0.2},
            "linear(9, to=1, start=0.2) >> cosine(90, to=absolute(0.01)).past_end('mirror')",
        ),
        (
            "warmup_stable_decay",
            {**SPAN, "num_decay_steps": 20, "decay_type": "1-sqrt", "min_lr_ratio": 0.1},
            "linear(10, to=1, start=0.1) >> constant(70) >> ramp(20, shape='1-sqrt', to=0.1)",
        ),
        ("reduce_lr_on_plateau", {"patience": 3}, "constant() * plateau('metric', patience=3, threshold_mode='signed', mode='min', nan='bad', least_change=1e-08, infinite='best')"),
        ("get_scheduler", {"name": "linear", **SPAN}, "linear(10, to=1, start=0) >> linear(90)"),
        (
            "get_scheduler",
            {"name": "cosine_with_restarts", **SPAN, "scheduler_specific_kwargs": {"num_cycles": 2}},
            "linear(10, to=1, start=0) >> cosine(45).repeat(2)",
        ),
    ],
)  # fmt: skip
def test_the_usual_ones_read_as_a_person_would_write_them(name: str, arguments: dict[str, Any], expected: str) -> None:
    assert repr(cd.from_native("transformers", name, arguments, total=10_000)) == expected


def test_known_values_of_the_bert_schedule() -> None:
    # Devlin et al. 2019: 10,000 steps of warmup, 1,000,000 in all, linear, at 1e-4.
    schedule = cd.from_native("transformers", "linear", {"num_warmup_steps": 10_000, "num_training_steps": 1_000_000})
    curve = cd.place(schedule, base=1e-4)
    assert curve.at(5_000) == pytest.approx(5e-5)
    assert curve.at(10_000) == 1e-4
    assert curve.at(505_000) == pytest.approx(5e-5)
    assert curve.at(1_000_000) == curve.at(1_000_001) == 0.0


def test_a_cosine_rises_again_after_its_end_as_it_does_in_transformers() -> None:
    curve = cd.place(cd.from_native("transformers", "cosine", SPAN), base=1.0)
    assert curve.at(100) == 0.0
    assert curve.at(145) == pytest.approx(0.5)
    assert curve.at(190) == 1.0


def test_an_absolute_minimum_is_a_multiple_in_groups_with_another_rate() -> None:
    # transformers divides lr_end by the optimizer's default rate, here that of the first group.
    schedule = cd.from_native("transformers", "polynomial", {**SPAN, "lr_end": 1e-5}, base=[1e-3, 1e-4])
    curve = cd.place(schedule, base=[1e-3, 1e-4])
    assert curve.at(100, group=0) == pytest.approx(1e-5)
    assert curve.at(100, group=1) == pytest.approx(1e-6)


def test_the_default_rate_can_be_another_than_the_first_group_s() -> None:
    given = {**SPAN, "min_lr": 1e-5, "lr_init": 1e-2}
    curve = cd.place(cd.from_native("transformers", "cosine_with_min_lr", given, base=1e-3), base=1e-3)
    assert curve.at(100) == pytest.approx(1e-6)


def test_a_run_that_ends_within_the_warmup_is_read_and_placed() -> None:
    for total in (5, 10):
        schedule = cd.from_native("transformers", "cosine", SPAN, total=total)
        assert cd.place(schedule, total=total).values().tolist() == [k / 10 for k in range(total)]
    # Where nothing follows the warmup but 0, its end is that.
    schedule = cd.from_native("transformers", "linear", {"num_warmup_steps": 8, "num_training_steps": 8}, total=8)
    curve = cd.place(schedule, total=8)
    assert (curve.at(7), curve.at(8)) == (0.875, 0.0)


def test_stepped_per_epoch_each_epoch_keeps_its_value() -> None:
    schedule = cd.from_native(
        "transformers", "linear", {"num_warmup_steps": 1, "num_training_steps": 5}, total="5 epochs", per="epoch",
        steps_per_epoch=3,
    )  # fmt: skip
    values = cd.place(schedule, total="5 epochs", steps_per_epoch=3).values()
    assert values.tolist() == [0, 0, 0, 1, 1, 1, 0.75, 0.75, 0.75, 0.5, 0.5, 0.5, 0.25, 0.25, 0.25]


def test_restarts_that_transformers_rounding_delays_are_delayed_here_too() -> None:
    # (n * (j * n / n ** 2)) % 1 is not 0 for every whole j: where it is nearly 1, the cycle is at its end once more.
    late = [
        n for n in range(2, 60)
        if "formula" in repr(cd.from_native("transformers", "cosine_with_restarts", {
            "num_warmup_steps": 0, "num_training_steps": n * n, "num_cycles": n}))
    ]  # fmt: skip
    assert late
    n = late[0]
    given = {"num_warmup_steps": 0, "num_training_steps": n * n, "num_cycles": n}
    values = cd.place(cd.from_native("transformers", "cosine_with_restarts", given)).values(0, n * n)
    starts = values[::n]
    assert (starts < 1e-9).any()
    assert (starts == 1).any()


@pytest.mark.parametrize(
    ("name", "arguments", "reason"),
    [
        ("greedy", {}, "no function of the update number"),
        ("GreedyLR", {"patience": 3}, "no function of the update number"),
        ("AdafactorSchedule", {}, "relative_step=False"),
        ("linear", {"num_warmup_steps": 3}, "num_training_steps"),
        ("linear", {"num_warmup_steps": "3%", "num_training_steps": 100}, "num_warmup_steps"),
        ("cosine", {**SPAN, "min_lr": 0.1}, "no argument 'min_lr'"),
        ("cosine_with_min_lr", SPAN, "exactly one"),
        ("cosine_with_min_lr", {**SPAN, "min_lr": 0.1, "min_lr_rate": 0.1}, "exactly one"),
        ("polynomial", {**SPAN, "lr_end": 2.0}, "must be smaller than the initial rate"),
        ("polynomial", {"num_warmup_steps": 9, "num_training_steps": 9}, "divides by zero"),
        ("polynomial", {**SPAN, "lr_end": -0.1}, "negative"),
        ("inverse_sqrt", {"num_warmup_steps": 0, "timescale": 0}, "divides by zero"),
        ("warmup_stable_decay", {"num_warmup_steps": 3, "num_decay_steps": 3}, "num_stable_steps"),
        ("warmup_stable_decay", {**SPAN, "num_decay_steps": 3, "decay_type": "exp"}, "decay_type"),
        ("warmup_stable_decay", {**SPAN, "num_decay_steps": 3, "min_lr_ratio": -0.1}, "negative"),
        ("reduce_lr_on_plateau", {"factor": 1.0}, "less than 1"),
        ("reduce_lr_on_plateau", {"min_lr": [0.1, 0.2]}, "parameter groups"),
        ("get_scheduler", {"name": "get_scheduler"}, "name is that of a schedule"),
        ("cosine_annealing", SPAN, "did you mean|known are"),
    ],
)  # fmt: skip
def test_what_transformers_refuses_or_no_schedule_can_be_is_refused_with_its_reason(
    name: str, arguments: dict[str, Any], reason: str
) -> None:
    with pytest.raises(ValueError, match=reason):
        cd.from_native("transformers", name, arguments)


def test_a_warmup_may_outlast_a_run_whose_length_is_told_later() -> None:
    schedule = cd.from_native("transformers", "cosine", {"num_warmup_steps": 200, "num_training_steps": 1000})
    assert repr(schedule) == "(linear(200, to=1, start=0) >> cosine(800).past_end('mirror')).cut()"
    assert cd.place(schedule, total=100, base=0.1).at(50) == pytest.approx(0.025)
    assert cd.place(schedule, base=0.1).at(600) == pytest.approx(0.05)
