"""timm's schedulers, run tick by tick, against what they are read as: thousands of configurations."""

from __future__ import annotations

import importlib.util
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import cadence as cd
from cadence._errors import ConversionError
from cadence.conversion.doors import read, setting
from cadence.conversion.framework import framework
from cadence.conversion.native import Native
from native_numbers import assert_equal

pytest.importorskip("torch")
if importlib.util.find_spec("timm") is None:
    pytest.skip("timm is not installed", allow_module_level=True)

Random = np.random.Generator
Arguments = dict[str, Any]
STEPS = 70


def some_bases(random: Random) -> list[float]:
    count = int(random.choice([1, 1, 3]))
    return [float(random.choice([1.0, 1e-3, 0.1, random.uniform(1e-3, 2)])) for _ in range(count)]


def _plain(x: Any) -> float:
    return int(x) if float(x).is_integer() else float(x)


def warmup(random: Random, bases: list[float], *, prefix: bool = True) -> Arguments:
    """None, one of every kind, longer than the run, a fraction, negative."""
    given: Arguments = {
        "warmup_t": _plain(random.choice([0, 0, 1, random.integers(1, 20), random.integers(1, 100), 2.5, -3]))
    }
    given["warmup_lr_init"] = float(random.choice([0.0, 1e-6, bases[0] * 0.1, bases[0] * 3]))
    if prefix and random.integers(2):
        given["warmup_prefix"] = bool(random.integers(2))
    return {**given, **common(random, bases)}


def common(random: Random, bases: list[float]) -> Arguments:
    given: Arguments = {}
    if random.integers(3) == 0:
        given["t_in_epochs"] = bool(random.integers(2))
    if random.integers(5) == 0:
        given["initialize"] = False
    if random.integers(4) == 0:
        given["lr_scale"] = [float(random.choice([1.0, 0.5, 0.75**3])) for _ in bases]
    return given


def cycles(random: Random, bases: list[float]) -> Arguments:
    return {
        "t_initial": _plain(random.choice([1, 2, random.integers(1, 30), random.integers(1, 80), 7.5])),
        "lr_min": float(random.choice([0.0, 0.0, 1e-5, bases[0] * 0.1, bases[0] * 1.5])),
        "cycle_mul": _plain(random.choice([1, 1, 1, 2, 3, 1.5, 0.9, round(random.uniform(0.5, 2.5), 2)])),
        "cycle_decay": float(random.choice([1.0, 1.0, 0.5, 0.1, 0.0])),
        "cycle_limit": int(random.choice([1, 1, 2, 3, 10, 0, 10**6])),
        **warmup(random, bases),
    }


def CosineLRScheduler(random: Random, bases: list[float]) -> Arguments:
    return {**cycles(random, bases), "k_decay": float(random.choice([1.0, 1.0, 0.5, 2.0, 0.0]))}


def PolyLRScheduler(random: Random, bases: list[float]) -> Arguments:
    power = _plain(random.choice([0.5, 1, 2, 0.9, 0, round(random.uniform(0.1, 4), 2)]))
    return {**CosineLRScheduler(random, bases), "power": power}


def TanhLRScheduler(random: Random, bases: list[float]) -> Arguments:
    given = cycles(random, bases)
    given["warmup_t"] = abs(given["warmup_t"])
    given["lb"], given["ub"] = [(-7.0, 3.0), (-6.0, 2.5), (0.0, 1.0), (-40.0, 40.0)][random.integers(4)]
    return given


def StepLRScheduler(random: Random, bases: list[float]) -> Arguments:
    every = _plain(random.choice([1, random.integers(1, 30), random.integers(1, 80), 2.5, 0.4, 3.3]))
    rate = float(random.choice([0.1, 0.5, 1.0, 0.0, 1.05]))
    return {"decay_t": every, "decay_rate": rate, **warmup(random, bases)}


def MultiStepLRScheduler(random: Random, bases: list[float]) -> Arguments:
    at = [int(x) for x in random.integers(0, 60, random.integers(0, 6))]
    if random.integers(3):
        at = sorted(at)
    if random.integers(4) == 0:
        at = [x + 0.5 for x in at]
    return {"decay_t": at, "decay_rate": float(random.choice([0.1, 0.5, 1.0, 0.0, 1.1])), **warmup(random, bases)}


def PlateauLRScheduler(random: Random, bases: list[float]) -> Arguments:
    given = warmup(random, bases, prefix=False)
    given.pop("t_in_epochs", None)
    return {"decay_rate": 0.5, "patience_t": 3, "lr_min": 1e-5, **given}


def WSDLRScheduler(random: Random, bases: list[float]) -> Arguments:
    given = {**warmup(random, bases, prefix=False)}
    length = _plain(random.choice([1, random.integers(1, 40), random.integers(1, 90), 12.5]))
    given["t_initial"] = length
    given["decay_t"] = _plain(random.choice([length, min(1, length), math.ceil(length / 3), length / 2]))
    given["lr_min"] = float(random.choice([0.0, 0.0, 1e-5, bases[0] * 0.1, bases[0] * 0.7, bases[0] * 2]))
    given["stable_fn"] = str(random.choice(["constant", "rsqrt", "power"]))
    given["stable_power"] = float(random.choice([0.5, 0.3, 2.0]))
    given["decay_fn"] = str(random.choice(["linear", "1-sqrt", "cosine", "power", "exp"]))
    given["decay_power"] = float(random.choice([0.5, 1.0, 2.0, 0.3]))
    given["decay_ratio"] = float(random.choice([0.1, 0.01, 0.7]))
    if given["warmup_t"] <= 0 or random.integers(2):
        given["stable_timescale"] = _plain(random.choice([1, 10, 7.5, 1000]))
    return given


def create_scheduler_v2(random: Random, bases: list[float]) -> Arguments:
    """What the command line of timm's training script leads to."""
    sched = ["cosine", "tanh", "step", "multistep", "poly", "wsd", "rsqrt", "constant", "none", "plateau"][
        random.integers(10)
    ]
    given: Arguments = {
        "sched": sched, "num_epochs": int(random.integers(10, 60)), "min_lr": float(random.choice([0.0, 1e-5])),
        "warmup_lr": float(random.choice([1e-6, 1e-5])), "warmup_epochs": int(random.integers(0, 6)),
        "warmup_prefix": bool(random.integers(2)), "cycle_limit": int(random.integers(1, 3)),
        "cycle_mul": float(random.choice([1.0, 2.0])), "k_decay": float(random.choice([1.0, 1.5])),
        "decay_milestones": [8, 15, 30], "decay_rate": float(random.choice([0.1, 0.5])),
    }  # fmt: skip
    if sched == "rsqrt" and not given["warmup_epochs"]:
        given["stable_timescale"] = 5
    if random.integers(2):
        given["decay_epochs"] = float(random.choice([4, 0.3, 0.1]))
    if random.integers(2) and sched != "plateau":
        given |= {"step_on_epochs": False, "updates_per_epoch": int(random.integers(1, 4))}
    return given


Kind = Callable[[Random, list[float]], Arguments]

CASES: dict[Kind, int] = {
    CosineLRScheduler: 350, TanhLRScheduler: 280, PolyLRScheduler: 280, StepLRScheduler: 300, MultiStepLRScheduler: 300,
    PlateauLRScheduler: 80, WSDLRScheduler: 350, create_scheduler_v2: 220,
}  # fmt: skip


@pytest.mark.parametrize("kind", CASES)
def test_a_scheduler_is_read_as_what_timm_computes(kind: Kind) -> None:
    compared = 0
    for seed in range(CASES[kind]):
        random = np.random.default_rng(seed)
        bases = some_bases(random)
        native = Native("timm", kind.__name__, kind(random, bases))
        # The run may be shorter than the schedule, longer, or of a length that is not known.
        total = [None, None, 1, int(random.integers(1, STEPS)), STEPS][random.integers(5)]
        if native.arguments.get("decay_rate", 0) > 1:
            # Without end it would rise without end, which no curve may.
            total = STEPS
        steps = STEPS if total is None else total
        what = f"seed {seed}, {native}, base {bases}, total {total}"
        try:
            rates = framework("timm").run(native, setting(tuple(bases), "step", None, None), steps)["lr"]
        except (ArithmeticError, ValueError, TypeError, AssertionError):
            with pytest.raises(ConversionError):
                cd.from_native("timm", native.name, native.arguments, base=bases, total=steps)
            continue
        try:
            schedule = cd.from_native("timm", native.name, native.arguments, base=bases, total=total)
        except ConversionError as fault:
            # Very many cycles of uneven length are a table, which needs an end.
            if total is not None or "give total=" not in str(fault):
                raise
            total = steps
            schedule = cd.from_native("timm", native.name, native.arguments, base=bases, total=total)
        curve = cd.place(schedule, base=bases, total=total)
        for g in range(len(bases)):
            assert_equal(rates[g], curve.values(0, steps + 1, group=g), f"{what}, group {g}, {schedule}")
        compared += 1
    assert compared > 0.8 * CASES[kind]


@pytest.mark.parametrize("kind", CASES)
def test_what_can_be_expressed_again_has_the_same_numbers(kind: Kind) -> None:
    expressed = 0
    for seed in range(1000, 1000 + min(80, CASES[kind])):
        random = np.random.default_rng(seed)
        bases = some_bases(random)
        native = Native("timm", kind.__name__, kind(random, bases))
        total = int(random.integers(STEPS // 2, STEPS))
        on = setting(tuple(bases), "step", total, None)
        try:
            back = framework("timm").express(on.placed(read(native, on)))
        except ConversionError:
            continue
        first, second = (framework("timm").run(n, on, total)["lr"] for n in (native, back))
        for g in range(len(bases)):
            assert_equal(first[g], second[g], f"seed {seed}, {native}, {back}, base {bases}, total {total}, group {g}")
        expressed += 1
    assert expressed
