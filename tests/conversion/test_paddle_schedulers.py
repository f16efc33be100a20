"""Paddle's own schedulers, stepped, against the schedules they are read as."""

from __future__ import annotations

import inspect
import math
from typing import Any

import numpy as np
import pytest

import cadence as cd
from cadence._errors import CadenceError, ConversionError, HorizonError, SpecError
from cadence.conversion.definition import definitions
from cadence.spec.nodes import Schedule
from cadence.spec.plan import Plan

pytest.importorskip("paddle")

from native_numbers import assert_equal
from paddle_cases import KINDS, Case, Kind, lr, made, one_cycle, restarts, some_rate, stepped, warmup

SEEDS = 120
SAMPLED = ("lr_lambda", "scale_fn")


@pytest.mark.parametrize("kind", KINDS)
def test_a_scheduler_is_a_schedule(kind: Kind) -> None:
    for seed in range(SEEDS):
        random = np.random.default_rng(seed)
        base = some_rate(random)
        case = kind(random, base)
        steps = min(case.most, int(random.choice([3, 40, 150])))
        theirs = stepped(case.made(base), steps)[:steps]
        # 1. The base is the scheduler's own rate, told or not. 2. It is another. 3. The length of the run is not known.
        known = random.random() < 0.7 or any(key in str(case.full(base)) for key in SAMPLED)
        total = steps if known else None
        written = case.full(base) if case.inner or random.random() < 0.5 else dict(case.arguments)
        other = float(random.choice([1.0, 0.37]))
        for arguments, at in [(written, base), (case.full(base), other)]:
            schedule = cd.from_native("paddle", case.name, arguments, base=at, total=total)
            ours = cd.place(schedule, total=steps, base=at).values()
            assert_equal(theirs, ours, f"seed {seed}, {case.name} {arguments}, base {at}: {schedule!r}")


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind is not one_cycle])
def test_also_past_the_end_of_what_it_was_made_for(kind: Kind) -> None:
    # The value at the end of the run itself and behind it, where the schedule does not hold there: a run of another length.
    for seed in range(40):
        random = np.random.default_rng(10_000 + seed)
        base = some_rate(random)
        case = kind(random, base)
        theirs = stepped(case.made(base), 700)
        schedule = cd.from_native("paddle", case.name, case.full(base), total=701)
        ours = cd.place(schedule, total=701, base=base).values()
        assert_equal(theirs, ours, f"seed {seed}, {case.name} {case.full(base)}: {schedule!r}")


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind is not warmup])
def test_a_last_epoch_begins_where_paddle_begins_with_it(kind: Kind) -> None:
    for seed in range(80):
        random = np.random.default_rng(20_000 + seed)
        base, last = some_rate(random), int(random.integers(0, 50))
        case = kind(random, base)
        arguments = {**case.full(base), "last_epoch": last}
        steps = min(80, case.most - last - 1)
        if steps < 1 or (kind is restarts and last + 1 >= arguments["T_0"]):
            continue
        theirs = stepped(made(case.name, arguments), steps)[:steps]
        schedule = cd.from_native("paddle", case.name, arguments, base=base, total=steps)
        if theirs.min() < -1e-12:
            # The recursion of the cosine, begun next to its bottom.
            with pytest.raises(SpecError, match="finite and at least 0"):
                cd.place(schedule, total=steps, base=base)
            continue
        ours = cd.place(schedule, total=steps, base=base).values()
        assert_equal(theirs, ours, f"seed {seed}, {case.name} {arguments}: {schedule!r}")


# ---- odd things that paddle really does --------------------------------------------------------------------------


def check(
    name: str, arguments: dict[str, Any], steps: int, base: float, *, total: int | None = None
) -> Schedule | Plan:
    schedule = cd.from_native("paddle", name, arguments, base=base, total=total or steps)
    assert_equal(
        stepped(made(name, arguments), steps - 1), cd.place(schedule, total=steps, base=base).values(), schedule
    )
    return schedule


@pytest.mark.parametrize(
    ("n", "low", "base"), [(20_000, 0.0, 0.1), (7_777, 1e-3, 0.1), (12_345, 0.3, 0.2), (9_000, 0.0, 1.0)]
)
def test_a_long_cosine_drifts_after_its_bottom_as_paddle_s_recursion_does(n: int, low: float, base: float) -> None:
    arguments = {"learning_rate": base, "T_max": n, "eta_min": low}
    check("CosineAnnealingDecay", arguments, 4 * n, base)
    # Driven by a LinearWarmup it is no recursion, and does not.
    warmed = {"learning_rate": ("CosineAnnealingDecay", arguments), "warmup_steps": 10, "start_lr": 0.0, "end_lr": base}
    schedule = check("LinearWarmup", warmed, 3 * n, base)
    assert "mirror" in repr(schedule)


@pytest.mark.parametrize(("first", "grow"), [(1, 5), (2, 5), (3, 10), (5, 6), (1, 3), (7, 2)])
@pytest.mark.parametrize("low", [0.0, 0.01, 0.5])
def test_a_warmup_misses_restarts_by_one_where_paddle_s_logarithm_falls_short(
    first: int, grow: int, low: float
) -> None:
    inner = {"learning_rate": 0.1, "T_0": first, "T_mult": grow, "eta_min": low}
    arguments = {
        "learning_rate": ("CosineAnnealingWarmRestarts", inner),
        "warmup_steps": 3,
        "start_lr": 0.0,
        "end_lr": 0.1,
    }
    check("LinearWarmup", arguments, 4000, 0.1)


def test_a_logarithm_does_fall_short() -> None:
    inner = {"learning_rate": 0.1, "T_0": 1, "T_mult": 3}
    arguments = {
        "learning_rate": ("CosineAnnealingWarmRestarts", inner),
        "warmup_steps": 3,
        "start_lr": 0.0,
        "end_lr": 0.1,
    }
    # The fifth restart is due (3 ** 5 - 1) / 2 epochs after the warmup, and log(3 ** 5) / log(3) is 4.999999999999999.
    assert cd.place(cd.from_native("paddle", "LinearWarmup", arguments, total=200), total=200, base=0.1).at(124) == 0.0
    assert stepped(made("LinearWarmup", arguments), 124)[-1] == 0.0


@pytest.mark.parametrize("seed", range(60))
def test_a_warmup_around_a_plateau_takes_the_epoch_for_the_metric(seed: int) -> None:
    random = np.random.default_rng(seed)
    inner = {
        "learning_rate": 0.1, "mode": str(random.choice(["min", "max"])), "factor": float(random.choice([0.1, 0.5])),
        "patience": int(random.integers(0, 4)), "threshold": float(random.choice([0.0, 1e-4, 0.05, 1.5])),
        "threshold_mode": str(random.choice(["rel", "abs"])), "cooldown": int(random.integers(0, 4)),
        "min_lr": float(random.choice([0.0, 0.02, 0.5])), "epsilon": float(random.choice([1e-8, 0.03])),
    }  # fmt: skip
    arguments = {"learning_rate": ("ReduceOnPlateau", inner), "warmup_steps": 4, "start_lr": 0.01, "end_lr": 0.1}
    check("LinearWarmup", arguments, 120, 0.1)
    with pytest.raises(ConversionError, match="takes for the metric, and the length of the run is not known"):
        cd.from_native("paddle", "LinearWarmup", arguments)


def test_a_warmup_around_a_warmup() -> None:
    for seed in range(30):
        random = np.random.default_rng(seed)
        case = Case("LinearWarmup", {"warmup_steps": 7, "start_lr": 0.0, "end_lr": 0.3}, inner=warmup(random, 0.1))
        for total in (5, 20, 200):
            check("LinearWarmup", case.full(0.1), total, 0.1)


def test_one_cycle_ends_where_paddle_raises() -> None:
    arguments = {"max_learning_rate": 0.1, "total_steps": 100}
    open_ended = cd.from_native("paddle", "OneCycleLR", arguments)
    assert_equal(
        stepped(made("OneCycleLR", arguments), 100), cd.place(open_ended, total=100, base=0.1).at(np.arange(101)), ""
    )
    with pytest.raises(HorizonError, match="past_end"):
        cd.place(open_ended, total=101, base=0.1)
    with pytest.raises(ConversionError, match="raises after step 100, and the run has 101"):
        cd.from_native("paddle", "OneCycleLR", arguments, total=101)
    with pytest.raises(ConversionError, match="from step 11 on"):
        cd.from_native("paddle", "OneCycleLR", {**arguments, "last_epoch": 10}, total=95)


def test_one_cycle_that_is_whole_reads_as_two_phases() -> None:
    arguments = {"max_learning_rate": 0.1, "total_steps": 100}
    assert repr(cd.from_native("paddle", "OneCycleLR", arguments, total=99)) == (
        "cosine(29, to=1, start=0.04) >> cosine(70, to=absolute(0.0001))"
    )


# ---- its own rate, groups, epochs --------------------------------------------------------------------------------


def test_the_scheduler_s_own_rate_is_the_base() -> None:
    arguments = {"learning_rate": 0.1, "T_max": 90, "eta_min": 1e-5}
    relative = cd.from_native("paddle", "CosineAnnealingDecay", arguments)
    assert repr(relative) == "cosine(90, to=absolute(1e-05)).past_end('mirror')"
    assert cd.from_native("paddle", "CosineAnnealingDecay", {"T_max": 90, "eta_min": 1e-5}, base=0.1) == relative
    # Another base does not change what it does.
    other = cd.from_native("paddle", "CosineAnnealingDecay", arguments, base=1.0)
    assert repr(other) == "cosine(90, to=absolute(1e-05), start=absolute(0.1)).past_end('mirror')"


def test_a_warmup_s_base_is_that_of_what_it_warms_up() -> None:
    inner = ("StepDecay", {"learning_rate": 0.2, "step_size": 30})
    arguments = {"learning_rate": inner, "warmup_steps": 10, "start_lr": 0.02, "end_lr": 0.2}
    assert repr(cd.from_native("paddle", "LinearWarmup", arguments, total=100)) == (
        "linear(10, to=1, start=absolute(0.02)) >> steps(every=30, local=True)"
    )


@pytest.mark.parametrize("kind", KINDS)
def test_groups_are_multiples_of_the_scheduler_s_rate(kind: Kind) -> None:
    for seed in range(15):
        random = np.random.default_rng(seed)
        base = some_rate(random)
        case = kind(random, base)
        steps = min(60, case.most)
        theirs = stepped(case.made(base), steps)[:steps]
        bases = [base, 0.1 * base, 3 * base]
        schedule = cd.from_native("paddle", case.name, case.full(base), base=bases, total=steps)
        curve = cd.place(schedule, total=steps, base=bases)
        for g, multiple in enumerate([1, 0.1, 3]):
            assert_equal(multiple * theirs, curve.values(group=g), f"seed {seed}, {case.name}, group {g}: {schedule!r}")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("per_epoch", [1, 4])
def test_stepped_once_an_epoch_it_is_a_staircase(kind: Kind, per_epoch: int) -> None:
    for seed in range(15):
        random = np.random.default_rng(seed)
        base = some_rate(random)
        case = kind(random, base)
        epochs = min(50, case.most)
        theirs = np.repeat(stepped(case.made(base), epochs)[:epochs], per_epoch)
        run = {"total": f"{epochs} epochs", "steps_per_epoch": per_epoch}
        schedule = cd.from_native("paddle", case.name, case.full(base), base=base, per="epoch", **run)
        assert_equal(theirs, cd.place(schedule, base=base, **run).values(), f"seed {seed}, {case.name}: {schedule!r}")


@pytest.mark.parametrize("kind", KINDS)
def test_its_text_reads_back_equal(kind: Kind) -> None:
    for seed in range(20):
        random = np.random.default_rng(seed)
        base = some_rate(random)
        case = kind(random, base)
        schedule = cd.from_native("paddle", case.name, case.full(base), base=base, total=min(30, case.most))
        assert cd.parse(repr(schedule)) == schedule


# ---- the metric --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("part", range(3))
def test_replay_gives_paddle_s_rates(part: int) -> None:
    random = np.random.default_rng(part)
    cuts = 0
    for _ in range(300):
        options = {
            "mode": str(random.choice(["min", "max", "MIN"])), "factor": float(random.choice([0.1, 0.3, 0.5, 0.9])),
            "patience": int(random.integers(0, 5)), "threshold": float(random.choice([0.0, 1e-4, 0.01, 0.1])),
            "threshold_mode": str(random.choice(["rel", "abs"])), "cooldown": int(random.integers(0, 4)),
            "min_lr": float(random.choice([0.0, 0.003, 0.5])), "epsilon": float(random.choice([0.0, 1e-8, 0.0007])),
        }  # fmt: skip
        # Ties, negative metrics, metrics that are infinite or no number, also the first.
        n = int(random.integers(1, 60))
        series = np.cumsum(random.normal(scale=0.1, size=n)) + float(random.choice([-1.0, 0.0, 1.0]))
        if random.random() < 0.5:
            series = np.round(series, 1)
        for odd in (math.nan, math.inf, -math.inf):
            series[random.random(n) < 0.02] = odd
        base = float(random.choice([0.1, 1.0, 0.37]))
        theirs = lr.ReduceOnPlateau(base, **options)
        rates = [base]
        for metric in series.tolist():
            theirs.step(metric)
            rates.append(theirs())
        schedule = cd.from_native("paddle", "ReduceOnPlateau", {"learning_rate": base, **options})
        seen = cd.replay(schedule, series.tolist(), base=base)
        np.testing.assert_allclose(seen.values, rates, rtol=1e-12, err_msg=f"{options} {series}")
        cuts += len(seen.cuts)
    assert cuts > 300  # else the series would test nothing


# ---- what is refused ---------------------------------------------------------------------------------------------

REFUSED = [
    ("NoamDecay", {"d_model": 0, "warmup_steps": 10}, "greater than 0"),
    ("NoamDecay", {"d_model": 8, "warmup_steps": 0}, "no power"),
    ("NoamDecay", {"d_model": 8, "warmup_steps": -3}, "no power"),
    ("PiecewiseDecay", {"boundaries": [], "values": [0.1]}, "empty"),
    ("PiecewiseDecay", {"boundaries": [3, 6], "values": [0.1, 0.05]}, "one value more"),
    ("NaturalExpDecay", {"learning_rate": 0.1, "gamma": 0.0}, "must be positive"),
    ("NaturalExpDecay", {"learning_rate": -0.1, "gamma": 0.1}, "rate below 0"),
    ("PolynomialDecay", {"learning_rate": 0.1, "decay_steps": 0}, "positive integer"),
    ("PolynomialDecay", {"learning_rate": 0.1, "decay_steps": 2.5}, "python int"),
    ("PolynomialDecay", {"learning_rate": 0.1, "decay_steps": 20, "power": 0.0}, "greater than 0"),
    ("LinearWarmup", {"learning_rate": 0.1, "warmup_steps": 0, "start_lr": 0.0, "end_lr": 0.1}, "positive integer"),
    ("LinearWarmup", {"learning_rate": 0.1, "warmup_steps": 5, "start_lr": 0.1, "end_lr": 0.1}, "greater than start_lr"),
    ("LinearWarmup", {"learning_rate": 0.1, "warmup_steps": 5, "start_lr": -0.1, "end_lr": 0.1}, "rate below 0"),
    ("ExponentialDecay", {"learning_rate": 0.1, "gamma": 1.0}, "between 0 and 1"),
    ("ExponentialDecay", {"learning_rate": 0.1, "gamma": 0.0}, "between 0 and 1"),
    ("MultiStepDecay", {"learning_rate": 0.1, "milestones": [3, 3]}, "must rise"),
    ("MultiStepDecay", {"learning_rate": 0.1, "milestones": [6, 3]}, "must rise"),
    ("MultiStepDecay", {"learning_rate": 0.1, "milestones": {3}}, "tuple or a list"),
    ("MultiStepDecay", {"learning_rate": 0.1, "milestones": [3], "gamma": 1.0}, "below 1.0"),
    ("StepDecay", {"learning_rate": 0.1, "step_size": 0}, "positive integer"),
    ("StepDecay", {"learning_rate": 0.1, "step_size": 30.0}, "python int"),
    ("StepDecay", {"learning_rate": 0.1, "step_size": 30, "gamma": 1.1}, "below 1.0"),
    ("StepDecay", {"learning_rate": "0.1", "step_size": 30}, "float or an int"),
    ("LambdaDecay", {"learning_rate": 0.1, "lr_lambda": 0.9}, "function"),
    ("ReduceOnPlateau", {"learning_rate": 0.1, "mode": "least"}, "'min' or 'max'"),
    ("ReduceOnPlateau", {"learning_rate": 0.1, "factor": 1.0}, "below 1"),
    ("CosineAnnealingDecay", {"learning_rate": 0.1, "T_max": 0}, "positive integer"),
    ("CosineAnnealingDecay", {"learning_rate": 0.1, "T_max": 90.0}, "python int"),
    ("CosineAnnealingDecay", {"learning_rate": 0.1, "T_max": 90, "eta_min": "0"}, "float or an int"),
    ("MultiplicativeDecay", {"learning_rate": 0.1, "lr_lambda": None}, "function"),
    ("OneCycleLR", {"max_learning_rate": 0.1, "total_steps": 0}, "positive integer"),
    ("OneCycleLR", {"max_learning_rate": -0.1, "total_steps": 10}, "rate below 0"),
    ("OneCycleLR", {"max_learning_rate": 0.1, "total_steps": 10, "phase_pct": 1}, "float between 0 and 1"),
    ("OneCycleLR", {"max_learning_rate": 0.1, "total_steps": 10, "phase_pct": 1.5}, "float between 0 and 1"),
    ("OneCycleLR", {"max_learning_rate": 0.1, "total_steps": 10, "phase_pct": 0.1}, "one step long"),
    ("OneCycleLR", {"max_learning_rate": 0.1, "total_steps": 1, "phase_pct": 1.0}, "one step long"),
    ("OneCycleLR", {"max_learning_rate": 0.1, "total_steps": 10, "phase_pct": 0.5, "three_phase": True}, "less than 0.5"),
    ("OneCycleLR", {"max_learning_rate": 0.1, "total_steps": 10, "anneal_strategy": "sine"}, "'cos' or 'linear'"),
    ("OneCycleLR", {"max_learning_rate": 0.1, "total_steps": 10, "divide_factor": 0}, "above 0"),
    ("CyclicLR", {"base_learning_rate": 0.1, "max_learning_rate": 0.5, "step_size_up": 0}, "positive integer"),
    ("CyclicLR", {"base_learning_rate": 0.1, "max_learning_rate": 0.5, "step_size_up": 2.0}, "python int"),
    ("CyclicLR", {"base_learning_rate": 0.1, "max_learning_rate": 0.5, "step_size_up": 2, "mode": "saw"}, "mode is"),
    ("CyclicLR", {"base_learning_rate": 0.1, "max_learning_rate": 0.5, "step_size_up": 2, "exp_gamma": 1}, "a float"),
    ("CyclicLR", {"base_learning_rate": 0.1, "max_learning_rate": 0.5, "step_size_up": 2, "scale_mode": "x"}, "scale_mode"),
    ("LinearLR", {"learning_rate": 0.1, "total_steps": 0}, "greater than 0"),
    ("LinearLR", {"learning_rate": 0.1, "total_steps": 5, "start_factor": 0.0}, "greater than 0"),
    ("LinearLR", {"learning_rate": 0.1, "total_steps": 5, "end_factor": 1.5}, "between 0 and 1"),
    ("CosineAnnealingWarmRestarts", {"learning_rate": 0.1, "T_0": 0}, "positive integer"),
    ("CosineAnnealingWarmRestarts", {"learning_rate": 0.1, "T_0": 5, "T_mult": 1.5}, "python int"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "arguments", "reason"), REFUSED)
def test_what_paddle_refuses_is_refused(name: str, arguments: dict[str, Any], reason: str) -> None:
    with pytest.raises(ConversionError, match=reason):
        cd.from_native("paddle", name, arguments, total=10)
    with pytest.raises((TypeError, ValueError, AssertionError, ArithmeticError, AttributeError)):
        made(name, arguments)


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("StepDecay", {"learning_rate": 0.1, "step_size": 3, "gamma": -0.5}),
        ("PolynomialDecay", {"learning_rate": 0.1, "decay_steps": 5, "end_lr": -0.1}),
        ("CosineAnnealingDecay", {"learning_rate": 0.1, "T_max": 5, "eta_min": -0.1}),
        ("InverseTimeDecay", {"learning_rate": 0.1, "gamma": -0.3}),
        ("PiecewiseDecay", {"boundaries": [3], "values": [0.1, -0.1]}),
        ("LambdaDecay", {"learning_rate": 0.1, "lr_lambda": lambda e: 1 - e}),
        ("LinearWarmup", {"learning_rate": -0.1, "warmup_steps": 3, "start_lr": 0.0, "end_lr": 0.1}),
    ],
)
def test_rates_below_0_are_refused(name: str, arguments: dict[str, Any]) -> None:
    assert stepped(made(name, arguments), 9).min() < 0
    with pytest.raises(CadenceError, match=r"below 0|at least 0"):
        cd.from_native("paddle", name, arguments, total=10)


def test_a_misspelt_name_or_argument_has_neighbours() -> None:
    with pytest.raises(CadenceError, match="did you mean 'StepDecay'"):
        cd.from_native("paddle", "StepDecayLR", {"step_size": 3})
    with pytest.raises(CadenceError, match="did you mean 'T_max'"):
        cd.from_native("paddle", "CosineAnnealingDecay", {"T_mx": 3})
    with pytest.raises(ConversionError, match="needs T_max"):
        cd.from_native("paddle", "CosineAnnealingDecay", {"learning_rate": 3})


def test_every_scheduler_of_paddle_is_known_with_its_own_signature() -> None:
    known = [name for name in lr.__all__ if name != "LRScheduler"]
    assert definitions("paddle").names() == sorted(known)
    for name in known:
        theirs = {key: p.default for key, p in inspect.signature(getattr(lr, name)).parameters.items()}
        assert {p.name: p.default for p in definitions("paddle")[name].parameters} == theirs
