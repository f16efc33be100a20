"""transformers' schedules, stepped on an optimizer, against what they are read as: thousands of configurations."""

from __future__ import annotations

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
transformers = pytest.importorskip("transformers")

Random = np.random.Generator
Arguments = dict[str, Any]


def theirs(native: Native, bases: list[float], ticks: int) -> Any:
    return framework("transformers").run(native, setting(tuple(bases), "step", None, None), ticks)["lr"]


def some_bases(random: Random) -> list[float]:
    count = int(random.choice([1, 1, 3]))
    return [float(random.choice([1.0, 5e-5, 0.1, random.uniform(1e-4, 2)])) for _ in range(count)]


def span(random: Random) -> Arguments:
    """Lengths of every kind: 0, longer than the run, fractions and negative numbers too."""
    warmup = random.choice([0, 1, random.integers(0, 15), random.integers(0, 60), round(random.uniform(0, 20), 2), -3])
    training = random.choice(
        [0, 1, warmup, random.integers(1, 60), random.integers(1, 60), round(random.uniform(1, 40), 1)]
    )
    return {"num_warmup_steps": _plain(warmup), "num_training_steps": _plain(training)}


def _plain(x: Any) -> float:
    return int(x) if float(x).is_integer() else float(x)


def cycles(random: Random) -> float:
    return float(random.choice([0.5, 0.5, 1, 2, 0.25, 0, -0.5, 1.5, 0.7, round(random.uniform(0, 5), 3)]))


def lowest(random: Random, bases: list[float]) -> Arguments:
    if random.integers(2):
        return {"min_lr": float(random.choice([0.0, bases[0] * 0.1, bases[0] * 1.5, -bases[0] * 0.1]))}
    return {"min_lr_rate": float(random.choice([0.0, 0.1, 1.0, 1.5, -0.2, random.uniform(0, 1)]))}


def linear(random: Random, bases: list[float]) -> Arguments:
    return span(random)


def cosine(random: Random, bases: list[float]) -> Arguments:
    return {**span(random), "num_cycles": cycles(random)}


def cosine_with_restarts(random: Random, bases: list[float]) -> Arguments:
    given = {**span(random), "num_cycles": _plain(random.choice([1, 1, 2, 3, 5, 7, 0, -2, 2.5, 12]))}
    if random.integers(2) and given["num_cycles"] > 0:
        given["num_training_steps"] = given["num_warmup_steps"] + given["num_cycles"] * int(random.integers(1, 9))
    return given


def polynomial(random: Random, bases: list[float]) -> Arguments:
    low = float(random.choice([0.0, 1e-7, bases[0] * 0.1, bases[0] * 0.9]))
    power = float(random.choice([1, 1, 2, 0.5, 3.3, random.uniform(0.1, 4)]))
    return {**span(random), "lr_end": min(low, bases[0] * 0.99), "power": power}


def constant(random: Random, bases: list[float]) -> Arguments:
    return {}


def constant_with_warmup(random: Random, bases: list[float]) -> Arguments:
    return {"num_warmup_steps": span(random)["num_warmup_steps"]}


def inverse_sqrt(random: Random, bases: list[float]) -> Arguments:
    given = {"num_warmup_steps": span(random)["num_warmup_steps"]}
    if given["num_warmup_steps"] < 0 or random.integers(2):
        given["timescale"] = _plain(random.choice([1, 10, 1000, round(random.uniform(0.5, 30), 2)]))
    return given


def cosine_with_min_lr(random: Random, bases: list[float]) -> Arguments:
    return {**cosine(random, bases), **lowest(random, bases)}


def cosine_warmup_with_min_lr(random: Random, bases: list[float]) -> Arguments:
    given = cosine_with_min_lr(random, bases)
    if random.integers(2):
        given["warmup_lr_rate"] = float(random.choice([0.0, 0.1, 1.0, 1.7, random.uniform(0, 1)]))
    return given


def warmup_stable_decay(random: Random, bases: list[float]) -> Arguments:
    given = span(random)
    given["num_decay_steps"] = _plain(random.choice([0, 1, random.integers(0, 30), 7.5]))
    if random.integers(2):
        given["num_stable_steps"] = _plain(random.choice([0, 1, random.integers(0, 30), 2.5, -4]))
        del given["num_training_steps"]
    kinds = ["linear", "cosine", "1-sqrt"]
    given["warmup_type"], given["decay_type"] = str(random.choice(kinds)), str(random.choice(kinds))
    given["min_lr_ratio"], given["num_cycles"] = float(random.choice([0.0, 0.1, 1.2])), cycles(random)
    return given


Kind = Callable[[Random, list[float]], Arguments]

CASES: dict[Kind, int] = {
    linear: 300, cosine: 400, cosine_with_restarts: 400, polynomial: 350, constant: 3, constant_with_warmup: 100,
    inverse_sqrt: 250, cosine_with_min_lr: 400, cosine_warmup_with_min_lr: 400, warmup_stable_decay: 500,
}  # fmt: skip
STEPS = 70


@pytest.mark.parametrize("kind", CASES)
def test_a_schedule_is_read_as_what_transformers_computes(kind: Kind) -> None:
    compared = 0
    for seed in range(CASES[kind]):
        random = np.random.default_rng(seed)
        bases = some_bases(random)
        native = Native("transformers", kind.__name__, kind(random, bases))
        # The run may be shorter than the schedule, longer, or of a length that is not known.
        total = [None, None, 1, int(random.integers(1, STEPS)), STEPS][random.integers(5)]
        steps = STEPS if total is None else total
        try:
            rates = theirs(native, bases, steps)
        except (ZeroDivisionError, ValueError):
            with pytest.raises(ConversionError):
                cd.from_native("transformers", native.name, native.arguments, base=bases, total=steps)
            continue
        schedule = cd.from_native("transformers", native.name, native.arguments, base=bases, total=total)
        curve = cd.place(schedule, base=bases, total=total)
        for g in range(len(bases)):
            assert_equal(
                rates[g],
                curve.values(0, steps + 1, group=g),
                f"seed {seed}, {native}, {schedule}, base {bases}, total {total}",
            )
        compared += 1
    assert compared > 0.8 * CASES[kind]


@pytest.mark.parametrize("kind", CASES)
def test_what_can_be_expressed_again_has_the_same_numbers(kind: Kind) -> None:
    expressed = 0
    for seed in range(1000, 1000 + min(80, CASES[kind])):
        random = np.random.default_rng(seed)
        bases = some_bases(random)
        native = Native("transformers", kind.__name__, kind(random, bases))
        total = int(random.integers(STEPS // 2, STEPS))
        on = setting(tuple(bases), "step", total, None)
        try:
            back = framework("transformers").express(on.placed(read(native, on)))
        except ConversionError:
            continue
        first, second = (framework("transformers").run(n, on, total)["lr"] for n in (native, back))
        for g in range(len(bases)):
            assert_equal(first[g], second[g], f"seed {seed}, {native}, {back}, base {bases}, total {total}, group {g}")
        expressed += 1
    assert expressed
