"""Every scheduler of torch, read into the algebra, gives torch's own numbers: at random, at every step, past every end."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch")

from tests.conversion.torch_cases import SINGLE, attempted, composed, difference, placed, run_of, single, torch_numbers

from cadence.conversion.frameworks.torch.tables import leaves
from cadence.conversion.native import Native

TICKS = 70
"""Longer than most of the lengths that are drawn."""

LAST_DIFFERS = ("OneCycleLR", "CosineAnnealingWarmRestarts")
"""Whose value after the last update, which no update has, is another one: see their notes."""

BASES = ((0.1,), (0.1, 0.003), (1.0,), (0.0, 0.2))


def length_of(scheduler: Native, ticks: int) -> int:
    """How many steps torch lets it take."""
    given = scheduler.arguments
    if scheduler.name != "OneCycleLR":
        return ticks
    return given.get("total_steps") or given["epochs"] * given["steps_per_epoch"]


def compared(scheduler: Native, bases: tuple[float, ...], ticks: int, *, known: bool, momentum: str) -> str:
    """What came of a comparison; fails where the numbers differ, or one side refuses what the other takes."""
    steps = length_of(scheduler, ticks)
    on = run_of(bases, steps if known else None, momentum=momentum)
    theirs, refused = attempted(lambda: torch_numbers(scheduler, on, steps))
    curve, fault = attempted(lambda: placed(scheduler, on))
    if theirs is None and curve is None:
        return "both refuse"
    if curve is None:
        if not known:
            # Without an end, functions cannot be sampled, growth has no bound, and a division by zero lies ahead.
            assert any(word in fault for word in ("length of the run", " at update", "at step")), fault
            return "needs the length"
        rates = theirs["lr"]
        assert not (np.isfinite(rates) & (rates >= 0)).all(), f"{scheduler} is refused, and not by torch: {fault}"
        return "no rates"
    if theirs is None:
        # Torch divides by zero, or has come to its end, one step behind the last, where no update is.
        assert f"at step {steps}: ZeroDivisionError" in refused or "Tried to step" in refused, refused
        return "torch refuses"
    last = not any(leaf.name in LAST_DIFFERS for leaf in leaves(scheduler))
    found = difference(curve, theirs, scheduler, last=last)
    assert not found, f"{found}\n{curve.spec[:1000]}"
    return "equal"


@pytest.mark.parametrize("name", SINGLE)
def test_a_scheduler_has_torch_s_numbers(name: str) -> None:
    seen: Counter[str] = Counter()
    for seed in range(120):
        random = np.random.default_rng(seed)
        momentum = "beta1" if seed % 5 == 0 else "momentum"
        scheduler = single(random, name)
        seen[compared(scheduler, BASES[seed % 4], TICKS, known=seed % 3 > 0, momentum=momentum)] += 1
    assert seen["equal"] > 75, seen
    assert seen["torch refuses"] <= 3, seen


@pytest.mark.parametrize(("depth", "runs"), [(1, 260), (2, 160)])
def test_schedulers_inside_schedulers_have_torch_s_numbers(depth: int, runs: int) -> None:
    seen: Counter[str] = Counter()
    for seed in range(runs):
        random = np.random.default_rng(1000 + seed)
        scheduler = composed(random, depth, list(SINGLE))
        if scheduler.name not in SINGLE:
            seen[compared(scheduler, BASES[seed % 3], TICKS, known=seed % 4 > 0, momentum="momentum")] += 1
    assert seen["equal"] > runs / 5, seen


REGULAR = [name for name in SINGLE if name not in ("CyclicLR", "OneCycleLR", "SWALR", "MultiplicativeLR")]


def test_a_regular_sequence_is_a_sequence_and_no_table() -> None:
    for seed in range(200):
        random = np.random.default_rng(seed)
        parts: list[Native] = []
        while len(parts) < 3:
            part = single(random, REGULAR[int(random.integers(len(REGULAR)))])
            usual = part.arguments.get("total_iters", 1) > 0 and min(part.arguments.get("milestones", [0]) or [0]) >= 0
            if part.name != "LambdaLR" and "last_epoch" not in part.arguments and usual:
                parts.append(part)
        milestones = np.cumsum(random.integers(1, 40, 2)).tolist()
        scheduler = Native("torch", "SequentialLR", {"schedulers": parts, "milestones": milestones})
        if compared(scheduler, BASES[seed % 3], TICKS, known=seed % 2 > 0, momentum="momentum") == "equal":
            assert "piecewise" not in placed(scheduler, run_of(BASES[seed % 3], TICKS)).spec


def test_a_product_of_factors_is_a_product_and_no_table() -> None:
    names = ["StepLR", "MultiStepLR", "ConstantLR", "LinearLR", "ExponentialLR", "PolynomialLR"]
    for seed in range(120):
        random = np.random.default_rng(seed)
        parts = [single(random, str(random.choice(names))) for _ in range(3)]
        if any("last_epoch" in part.arguments for part in parts):
            continue
        scheduler = Native("torch", "ChainedScheduler", {"schedulers": parts})
        if compared(scheduler, BASES[seed % 3], TICKS, known=seed % 2 > 0, momentum="momentum") == "equal":
            assert "piecewise" not in placed(scheduler, run_of(BASES[seed % 3], TICKS)).spec


def test_stepped_per_epoch_the_numbers_are_those_of_epochs() -> None:
    for seed in range(60):
        random = np.random.default_rng(seed)
        scheduler = single(random, list(SINGLE)[seed % len(SINGLE)])
        steps = length_of(scheduler, 30)
        on = run_of((0.1, 0.02), steps, per="epoch")
        theirs, _ = attempted(lambda on=on, steps=steps, scheduler=scheduler: torch_numbers(scheduler, on, steps))
        curve, _ = attempted(lambda on=on, scheduler=scheduler: placed(scheduler, on))
        if theirs is not None and curve is not None:
            assert not difference(curve, theirs, scheduler, last=False)


def test_a_wrong_number_would_be_seen() -> None:
    scheduler = Native("torch", "StepLR", {"step_size": 7})
    on = run_of((0.1,), 30)
    theirs = {"lr": torch_numbers(scheduler, on, 30)["lr"] * (1 + 2e-9)}
    assert "lr of group 0" in difference(placed(scheduler, on), theirs, scheduler)


@pytest.mark.parametrize(
    ("name", "arguments", "ticks"),
    [
        # What torch's recursion loses at the bottom of a long cosine shows when it rises again.
        ("CosineAnnealingLR", {"T_max": 6000, "eta_min": 0.05}, 20_000),
        ("CosineAnnealingLR", {"T_max": 6000}, 13_000),
        ("LinearLR", {"start_factor": 1e-6, "total_iters": 9000}, 9100),
        ("PolynomialLR", {"total_iters": 9000, "power": 2.0}, 9000),
        ("CyclicLR", {"base_lr": 0.01, "max_lr": 0.1, "step_size_up": 37.5}, 9000),
        ("OneCycleLR", {"max_lr": 0.1, "total_steps": 9001}, 9001),
    ],
)
def test_long_runs_do_not_drift_apart(name: str, arguments: dict[str, Any], ticks: int) -> None:
    scheduler = Native("torch", name, arguments)
    assert compared(scheduler, (0.1, 0.03), ticks, known=True, momentum="momentum") == "equal"
