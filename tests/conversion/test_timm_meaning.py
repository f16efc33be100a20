"""What timm's schedulers are read as, without timm."""

from __future__ import annotations

from typing import Any

import pytest

import cadence as cd
from cadence._errors import HorizonError

WARM = {"warmup_t": 5, "warmup_lr_init": 1e-6}


@pytest.mark.parametrize(
    ("name", "arguments", "expected"),
    [
        ("CosineLRScheduler", {"t_initial": 90}, "cosine(90)"),
        ("CosineLRScheduler", {"t_initial": 90, "lr_min": 1e-5}, "cosine(90, to=absolute(1e-05))"),
        ("CosineLRScheduler", {"t_initial": 90, **WARM, "warmup_prefix": True}, "linear(5, to=1, start=absolute(1e-06)) >> cosine(90)"),
        (
            "CosineLRScheduler",
            {"t_initial": 90, **WARM},
            "linear(5, to=1, start=absolute(1e-06)) >> formula('0.5 * (1 + cos(pi * t / 90))', length=85)",
        ),
        (
            "CosineLRScheduler",
            {"t_initial": 10, "cycle_mul": 2, "cycle_limit": 3, "lr_min": 1e-5},
            "cosine(10, to=absolute(1e-05)).repeat(3, grow=2)",
        ),
        (
            "CosineLRScheduler",
            {"t_initial": 10, "cycle_decay": 0.5, "cycle_limit": 3, "lr_min": 1e-5},
            "cosine(10).repeat(3, decay=0.5) + cosine(10, to=absolute(1e-05), start=0).repeat(3)",
        ),
        ("CosineLRScheduler", {"t_initial": 10, "k_decay": 2}, "formula('0.5 * (1 + cos(pi * (t / 10) ** 2))', length=10)"),
        ("PolyLRScheduler", {"t_initial": 90}, "power(90, exponent=0.5)"),
        ("PolyLRScheduler", {"t_initial": 90, "power": 1}, "linear(90)"),
        ("StepLRScheduler", {"decay_t": 30, "decay_rate": 0.1}, "steps(every=30)"),
        (
            "StepLRScheduler",
            {"decay_t": 30, "decay_rate": 0.1, **WARM},
            "linear(5, to=1, start=absolute(1e-06)) >> steps(every=30, local=True)",
        ),
        (
            "StepLRScheduler",
            {"decay_t": 30, "decay_rate": 0.1, **WARM, "warmup_prefix": False},
            "linear(5, to=1, start=absolute(1e-06)) >> steps(every=30)",
        ),
        ("MultiStepLRScheduler", {"decay_t": [30, 60], "decay_rate": 0.1}, "steps(at=[29, 59])"),
        (
            "PlateauLRScheduler",
            {"patience_t": 3, "mode": "min", "warmup_t": 5},
            "linear(5, to=1, start=0) >> constant() * plateau('metric', patience=3, threshold_mode='signed', mode='min', nan='bad', least_change=1e-08, infinite='best')",
        ),
        (
            "WSDLRScheduler",
            {"t_initial": 90, "decay_t": 20, "warmup_t": 10},
            "linear(10, to=1, start=0) >> constant(70) >> ramp(20, shape='1-sqrt')",
        ),
        (
            "WSDLRScheduler",
            {"t_initial": 90, "decay_t": 20, "warmup_t": 10, "stable_fn": "rsqrt", "decay_fn": "linear"},
            "linear(10, to=1, start=0) >> inverse(timescale=10) * (constant(70) >> linear(20))",
        ),
        ("cosine", {"num_epochs": 90}, "cosine(90)"),
        ("constant", {"warmup_epochs": 3}, "linear(3, to=1, start=absolute(1e-05)) >> constant()"),
        ("step", {}, "steps(every=90)"),
        ("wsd", {"num_epochs": 100, "warmup_epochs": 10}, "linear(10, to=1, start=absolute(1e-05)) >> constant(72) >> ramp(18, shape='1-sqrt')"),
        ("create_scheduler_v2", {"sched": "poly", "decay_rate": 0.9}, "power(300, exponent=0.9)"),
        ("create_scheduler_v2", {"sched": "none"}, "constant()"),
        (
            "create_scheduler_v2",
            {"sched": "multistep", "step_on_epochs": False, "updates_per_epoch": 100},
            "steps(at=[8999, 17999, 26999])",
        ),
    ],
)  # fmt: skip
def test_the_usual_ones_read_as_a_person_would_write_them(name: str, arguments: dict[str, Any], expected: str) -> None:
    assert repr(cd.from_native("timm", name, arguments, total=10_000)) == expected


def test_known_values_of_a_warmup_that_the_cosine_does_not_wait_for() -> None:
    # lr_min + (base - lr_min) (1 + cos(pi t / T)) / 2 with T = 10: after a warmup of 5, half of it is gone.
    given = {"t_initial": 10, "warmup_t": 5, "warmup_lr_init": 0.01, "lr_min": 0.1}
    curve = cd.place(cd.from_native("timm", "CosineLRScheduler", given, base=1.0))
    assert [curve.at(t) for t in (0, 5, 10, 99)] == pytest.approx([0.01, 0.55, 0.1, 0.1], rel=1e-14)


def test_tanh_begins_a_little_below_the_base_and_jumps_to_the_minimum() -> None:
    curve = cd.place(cd.from_native("timm", "TanhLRScheduler", {"t_initial": 10, "lb": -1, "ub": 1}), base=1.0)
    assert curve.at(0) == pytest.approx(0.8807970779778823)  # (1 + tanh(1)) / 2
    assert curve.at(5) == pytest.approx(0.5)
    assert curve.at(10) == 0.0


def test_each_group_has_its_own_scale() -> None:
    given = {"t_initial": 10, "lr_min": 0.01, "lr_scale": [1.0, 0.5]}
    read = cd.from_native("timm", "CosineLRScheduler", given, base=[0.1, 0.1])
    assert repr(read) == "plan({'0/lr': cosine(10, to=absolute(0.01)), '1/lr': cosine(10, to=absolute(0.01)) * 0.5})"
    curve = cd.place(read, base=[0.1, 0.1])
    assert curve.at(10, group=0) == 0.01
    assert curve.at(10, group=1) == 0.005


def test_cycles_that_shrink_end_where_timm_fails() -> None:
    # 4 + 2 + 1 + ... = 8: at 8 timm takes the logarithm of 0.
    read = cd.from_native("timm", "CosineLRScheduler", {"t_initial": 4, "cycle_mul": 0.5, "cycle_limit": 10})
    curve = cd.place(read)
    assert curve.at(4) == 1.0
    assert curve.at(5) == pytest.approx(0.5)
    assert curve.at(7) == 1.0
    with pytest.raises(HorizonError, match="past the end"):
        curve.at(8)
    with pytest.raises(ValueError, match="logarithm"):
        cd.from_native("timm", "CosineLRScheduler", {"t_initial": 4, "cycle_mul": 0.5}, total=9)


def test_stepped_per_epoch_each_epoch_keeps_its_value() -> None:
    given = {"t_initial": 4, "warmup_t": 2, "warmup_prefix": True, "cycle_mul": 2, "cycle_limit": 2, "k_decay": 2.0}
    by_tick = cd.place(cd.from_native("timm", "CosineLRScheduler", given, total=14)).values()
    read = cd.from_native("timm", "CosineLRScheduler", given, total="14 epochs", per="epoch", steps_per_epoch=3)
    curve = cd.place(read, total="14 epochs", steps_per_epoch=3)
    assert curve.values()[::3] == pytest.approx(by_tick, abs=1e-15)
    assert curve.values()[2::3] == pytest.approx(by_tick, abs=1e-15)


def test_a_function_as_decay_is_a_table() -> None:
    given = {"t_initial": 8, "decay_t": 4, "decay_fn": lambda done: (1 - done) ** 3, "lr_min": 0.1}
    curve = cd.place(cd.from_native("timm", "WSDLRScheduler", given))
    assert curve.values(0, 10) == pytest.approx(
        [1] * 5 + [0.1 + 0.9 * (1 - j / 4) ** 3 for j in range(1, 6)][:4] + [0.1]
    )


@pytest.mark.parametrize(
    ("name", "arguments", "reason"),
    [
        ("CosineLRScheduler", {"t_initial": 90, "noise_range_t": [0, 10]}, "random numbers"),
        ("cosine", {"noise": 0.5}, "random numbers"),
        ("CosineLRScheduler", {"t_initial": 0}, "t_initial"),
        ("CosineLRScheduler", {"t_initial": 90, "lr_min": -1}, "lr_min"),
        ("CosineLRScheduler", {"t_initial": 90, "cycle_mul": 0}, "cycle_mul"),
        ("CosineLRScheduler", {"t_initial": 90, "warmup_t": 5, "warmup_lr_init": -0.1}, "negative"),
        ("CosineLRScheduler", {"t_initial": 90, "k_decay": -1}, "k_decay"),
        ("CosineLRScheduler", {"t_initial": 90, "lr_scale": [1, 2, 3]}, "parameter groups"),
        ("TanhLRScheduler", {"t_initial": 90, "lb": 3, "ub": 3}, "smaller than ub"),
        ("StepLRScheduler", {"decay_t": 0}, "decay_t"),
        ("MultiStepLRScheduler", {"decay_t": 30}, "list of milestones"),
        ("PlateauLRScheduler", {"decay_rate": 1.0}, "less than 1"),
        ("WSDLRScheduler", {"t_initial": 9, "decay_t": 10}, "at most t_initial"),
        ("WSDLRScheduler", {"t_initial": 9, "decay_t": 3, "stable_fn": "rsqrt"}, "stable_timescale"),
        ("WSDLRScheduler", {"t_initial": 9, "decay_t": 3, "decay_fn": "sqrt"}, "decay_fn"),
        ("WSDLRScheduler", {"t_initial": 9, "decay_t": 3, "decay_fn": lambda done: 1 / 0}, "decay_fn fails"),
        ("create_scheduler_v2", {"sched": "onecycle"}, "sched"),
        ("create_scheduler_v2", {"step_on_epochs": False}, "updates_per_epoch"),
        ("wsd", {"num_epochs": 10, "decay_epochs": 20}, "decay_epochs"),
        ("plateau", {"step_on_epochs": False, "updates_per_epoch": 5}, "once an epoch"),
        ("CosineLRSchedule", {"t_initial": 90}, "did you mean"),
        ("cosine", {"t_initial": 90}, "no argument 't_initial'"),
    ],
)  # fmt: skip
def test_what_timm_refuses_or_no_schedule_can_be_is_refused_with_its_reason(
    name: str, arguments: dict[str, Any], reason: str
) -> None:
    with pytest.raises(ValueError, match=reason):
        cd.from_native("timm", name, arguments, base=[0.1, 0.1])


def test_a_clock_of_updates_does_not_tick_once_an_epoch() -> None:
    with pytest.raises(ValueError, match="per='step'"):
        cd.from_native(
            "timm", "CosineLRScheduler", {"t_initial": 9, "t_in_epochs": False}, per="epoch", total="9 epochs"
        )
