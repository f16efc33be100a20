"""Torch's own schedulers, stepped on an optimizer in float64, against the same schedules in cadence's algebra.

Equal means |difference| <= 1e-9 max(|value|, 1e-3 peak) at every step, over some 3,000 random configurations. What cannot be
said in the algebra, or is another thing in torch than it seems:

| torch | difference | instead |
|---|---|---|
| `MultiplicativeLR` with any function | a product over all earlier steps has no closed form | a table of its values, `piecewise`, lossless |
| `LambdaLR` with any callable | a callable is no data | `formula`, or a table |
| `ConstantLR`, `LinearLR` with `total_iters=0` | the factor of step 0 is never taken back | `constant(start=factor)` |
| `CosineAnnealingLR` in a chain, with `eta_min` or past `T_max` | adds to the rate there, so it is no factor | a product of cosines, held at its end |
| `LambdaLR`, `CosineAnnealingWarmRestarts`, `CyclicLR`, `OneCycleLR` in a chain | overwrite what the others did | not a product; write what is meant |
| `MultiplicativeLR` in `SequentialLR` | starts from where the one before left the rate, not from the base | `decay`, or a product |
| `OneCycleLR`, `CyclicLR` in `SequentialLR` | set the base rate when they are made, so the others start from it | `>>` |
| `OneCycleLR` whose `pct_start * total_steps` is not whole | its peak lies between two updates and is never reached | lengths are whole updates |
| `OneCycleLR` past `total_steps` | raises | `.past_end("raise")`; without it the end value holds |
| `CyclicLR` with `scale_fn` | a callable is no data | `* formula(...)` |
| `CyclicLR` with `cycle_momentum` in the modes that shrink | the momentum is a floor minus a falling height | a formula; in mode triangular it is a cycle of its own |
| `SequentialLR` cutting a schedule short | a phase has one length | `constant(n) * cosine(m).repeat()` is the first n of m |
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import pytest

import cadence as cd
from cadence.spec.nodes import Schedule
from cadence.spec.plan import Plan

torch = pytest.importorskip("torch")
lrs = torch.optim.lr_scheduler

Random = np.random.Generator
Case = tuple[Callable[[Any], Any], Schedule, float, int]
"""(scheduler of an optimizer, the same schedule, base rate, steps that are compared)."""


def simulated(make: Callable[[Any], Any], bases: Iterable[float], steps: int, value: str = "lr") -> np.ndarray[Any, Any]:
    """One row of rates for each update, as an optimizer in a training loop would have had them."""
    groups = [{"params": [torch.zeros(1, dtype=torch.float64)], "lr": base} for base in bases]
    optimizer = torch.optim.SGD(groups, lr=1.0, momentum=0.9)
    with warnings.catch_warnings():
        # SequentialLR calls its parts in a way that torch itself has deprecated.
        warnings.filterwarnings("ignore", "The epoch parameter in `scheduler.step")
        scheduler = make(optimizer)
        rows: list[list[float]] = []
        for _ in range(steps):
            rows.append([group[value] for group in optimizer.param_groups])
            optimizer.step()
            scheduler.step()
    return np.array(rows)


def assert_equal(theirs: Any, ours: Any, what: object) -> None:
    allowed = 1e-9 * np.maximum(np.abs(theirs), 1e-3 * np.abs(theirs).max())
    off = np.flatnonzero(~(np.abs(ours - theirs) <= allowed))
    assert not off.size, f"{what}: at {off[:5]} torch has {theirs[off[:5]]}, cadence {ours[off[:5]]}"


def base_of(random: Random) -> float:
    return float(random.choice([1.0, 0.1, 3e-4, random.uniform(1e-5, 2)]))


# ---- one scheduler each ------------------------------------------------------------------------------------------


def lambda_lr(random: Random) -> Case:
    a, b, n = (round(float(x), 4) for x in random.uniform(0.01, 1.5, 3))
    k = int(random.integers(1, 40))
    text, function = [
        (f"1 / (1 + {a} * t)", lambda t: 1 / (1 + a * t)),
        (f"max({b}, 1 - t / {k})", lambda t: max(b, 1 - t / k)),
        (f"{a} if t < {k} else {b} * exp(-(t - {k}) / 7)", lambda t: a if t < k else b * math.exp(-(t - k) / 7)),
        (f"{n} ** (t // {k})", lambda t: n ** (t // k)),
        (f"min((t + 1) / {k}, 1) * (1 + cos(pi * t / 50)) / 2", lambda t: min((t + 1) / k, 1) * (1 + math.cos(math.pi * t / 50)) / 2),
        (f"sqrt({k}) / sqrt(max(t, {k}))", lambda t: math.sqrt(k) / math.sqrt(max(t, k))),
        (f"{a} * (t % {k}) + {b} * log(t + 1)", lambda t: a * (t % k) + b * math.log(t + 1)),
    ][random.integers(7)]
    return lambda opt: lrs.LambdaLR(opt, function), cd.formula(text), base_of(random), 90


def multiplicative_lr(random: Random) -> Case:
    gamma, base = float(random.uniform(0.8, 1.02)), base_of(random)
    match random.integers(3):
        case 0:
            return lambda opt: lrs.MultiplicativeLR(opt, lambda t: gamma), cd.exponential(gamma=gamma), base, 80
        case 1:
            at = sorted(set(random.integers(1, 60, 4).tolist()))
            return lambda opt: lrs.MultiplicativeLR(opt, lambda t: gamma if t in at else 1.0), cd.steps(at=at, gamma=gamma), base, 70
        case _:
            # Any other function: the table of its products.
            shrink = lambda t: 1 - 0.3 / (t + 1)  # noqa: E731
            table = np.cumprod([1.0, *(shrink(t) for t in range(1, 60))])
            points = [(t, float(x)) for t, x in enumerate(table)]
            return lambda opt: lrs.MultiplicativeLR(opt, shrink), cd.piecewise(points), base, 60


def step_lr(random: Random) -> Case:
    every, gamma = int(random.integers(1, 40)), float(random.uniform(0.05, 1.1))
    return lambda opt: lrs.StepLR(opt, every, gamma), cd.steps(every=every, gamma=gamma), base_of(random), 100


def multi_step_lr(random: Random) -> Case:
    # In any order, twice too, at 0 too.
    at, gamma = random.integers(0, 60, random.integers(1, 7)).tolist(), float(random.uniform(0.05, 1.1))
    return lambda opt: lrs.MultiStepLR(opt, at, gamma), cd.steps(at=at, gamma=gamma), base_of(random), 70


def constant_lr(random: Random) -> Case:
    n, factor = int(random.integers(1, 40)), float(random.uniform(0.01, 1))
    return lambda opt: lrs.ConstantLR(opt, factor, n), cd.constant(n, start=factor) >> cd.constant(), base_of(random), 60


def linear_lr(random: Random) -> Case:
    n, start, end = int(random.integers(1, 50)), float(random.uniform(0.01, 1)), float(random.choice([0.0, 1.0, random.uniform(0, 1)]))
    schedule = cd.linear(n, start=start, to=end) >> cd.constant(start=end)
    return lambda opt: lrs.LinearLR(opt, start, end, n), schedule, base_of(random), 70


def exponential_lr(random: Random) -> Case:
    gamma = float(random.uniform(0.5, 1.05))
    return lambda opt: lrs.ExponentialLR(opt, gamma), cd.exponential(gamma=gamma), base_of(random), 100


def polynomial_lr(random: Random) -> Case:
    n, power = int(random.integers(1, 60)), float(random.choice([0.5, 0.9, 1.0, 2.0, random.uniform(0.2, 4)]))
    return lambda opt: lrs.PolynomialLR(opt, n, power), cd.power(n, exponent=power), base_of(random), 80


def cosine_annealing_lr(random: Random) -> Case:
    n, base = int(random.integers(1, 60)), base_of(random)
    low = float(random.choice([0.0, 0.01, 0.5, 1.5])) * base
    schedule = cd.cosine(n, to=cd.absolute(low)).past_end("mirror")
    return lambda opt: lrs.CosineAnnealingLR(opt, n, low), schedule, base, int(random.choice([n + 1, 4 * n + 3]))


def cosine_annealing_warm_restarts(random: Random) -> Case:
    n, grow, base = int(random.integers(1, 30)), int(random.integers(1, 4)), base_of(random)
    low = float(random.choice([0.0, 0.01, 0.5])) * base
    schedule = cd.cosine(n, to=cd.absolute(low)).repeat(grow=grow)
    return lambda opt: lrs.CosineAnnealingWarmRestarts(opt, n, grow, low), schedule, base, 130


def cyclic_lr(random: Random) -> Case:
    up, down = (int(x) for x in random.integers(1, 25, 2))
    low, high = sorted(float(x) for x in random.uniform(0.001, 1, 2))
    mode, gamma = str(random.choice(["triangular", "triangular2", "exp_range"])), float(random.uniform(0.9, 1))
    if mode == "exp_range":
        rise, fall = cd.linear(up, start=0, to=cd.absolute(high - low)), cd.linear(down, start=cd.absolute(high - low))
        schedule = cd.absolute(low) + (rise >> fall).repeat() * cd.exponential(gamma=gamma)
    else:
        schedule = cd.triangular(up=up, down=down, low=low / high, decay=0.5 if mode == "triangular2" else 1)

    def make(optimizer: Any) -> Any:
        return lrs.CyclicLR(optimizer, low, high, up, down, mode, gamma, cycle_momentum=False)

    return make, schedule, high, 130


def one_cycle_lr(random: Random) -> Case:
    total, base = int(random.integers(6, 120)), base_of(random)
    divide, finally_ = float(random.uniform(2, 50)), float(random.uniform(2, 1e5))
    anneal, three = str(random.choice(["cos", "linear"])), bool(random.integers(2))
    up = int(random.integers(1, (total - 2) // 2 if three else total - 2))
    shape = {"cos": "cosine", "linear": "linear"}[anneal]
    # Torch's phases end at updates pct * total - 1 and total - 1: the last is closed.
    rise = cd.warmup(up, start=1 / divide, shape=shape)
    fall = cd.ramp(up, shape=shape, to=1 / divide) >> cd.constant(0) if three else None
    end = cd.decay(total - up - (up if three else 0), to=1 / divide / finally_, shape=shape, ends="closed")
    schedule = rise >> fall >> end if fall is not None else rise >> cd.constant(0) >> cd.ramp(total - up, shape=shape, to=1 / divide / finally_, ends="closed")

    def make(optimizer: Any) -> Any:
        return lrs.OneCycleLR(
            optimizer, base, total, pct_start=(up + 1) / total, anneal_strategy=anneal, div_factor=divide,
            final_div_factor=finally_, three_phase=three, cycle_momentum=False,
        )  # fmt: skip

    return make, schedule, base, total - 1


@pytest.mark.parametrize(
    ("peer", "cases"),
    [
        (lambda_lr, 250), (multiplicative_lr, 150), (step_lr, 250), (multi_step_lr, 250), (constant_lr, 200), (linear_lr, 300),
        (exponential_lr, 200), (polynomial_lr, 250), (cosine_annealing_lr, 350), (cosine_annealing_warm_restarts, 250),
        (cyclic_lr, 250), (one_cycle_lr, 300),
    ],
)  # fmt: skip
def test_a_scheduler_is_a_schedule(peer: Callable[[Random], Case], cases: int) -> None:
    for seed in range(cases):
        make, schedule, base, steps = peer(np.random.default_rng(seed))
        theirs = simulated(make, [base], steps)[:, 0]
        ours = cd.place(schedule, base=base, total=max(steps, 200)).values(0, steps)
        assert_equal(theirs, ours, f"seed {seed}, {schedule!r}, base {base}")


def test_groups_keep_their_own_rates() -> None:
    bases = [0.1, 3e-4, 1.7]
    for peer in (linear_lr, step_lr, polynomial_lr, exponential_lr, constant_lr, lambda_lr):
        for seed in range(20):
            make, schedule, _, steps = peer(np.random.default_rng(1000 + seed))
            theirs = simulated(make, bases, steps)
            curve = cd.place(schedule, base=bases, total=200)
            for g in range(3):
                assert_equal(theirs[:, g], curve.values(0, steps, group=g), f"{schedule!r}, group {g}")


# ---- stepped once an epoch ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("per_epoch", [1, 3, 10])
def test_a_scheduler_that_is_stepped_per_epoch_is_a_staircase(per_epoch: int) -> None:
    for seed in range(30):
        random = np.random.default_rng(seed)
        n, gamma = int(random.integers(2, 20)), float(random.uniform(0.7, 0.99))
        for make, schedule in (
            (lambda opt: lrs.CosineAnnealingLR(opt, n), cd.cosine(f"{n} epochs").past_end("mirror").staircase("1 epoch")),
            (lambda opt: lrs.ExponentialLR(opt, gamma), cd.exponential(gamma=gamma, every="1 epoch").staircase("1 epoch")),
            (lambda opt: lrs.PolynomialLR(opt, n, 0.9), cd.power(f"{n} epochs", exponent=0.9).staircase("1 epoch")),
            (lambda opt: lrs.StepLR(opt, n, gamma), cd.steps(every=f"{n} epochs", gamma=gamma)),
            (lambda opt: lrs.CosineAnnealingWarmRestarts(opt, n, 2), cd.cosine(f"{n} epochs").repeat(grow=2).staircase("1 epoch")),
        ):  # fmt: skip
            theirs = np.repeat(simulated(make, [0.1], 30)[:, 0], per_epoch)
            ours = cd.place(schedule, base=0.1, total="60 epochs", steps_per_epoch=per_epoch).values(0, 30 * per_epoch)
            assert_equal(theirs, ours, repr(schedule))


# ---- momentum goes with the rate ---------------------------------------------------------------------------------


def test_a_momentum_that_cycles_against_the_rate_is_a_second_schedule() -> None:
    for seed in range(40):
        random = np.random.default_rng(seed)
        up, down = (int(x) for x in random.integers(2, 20, 2))
        low, high = sorted(float(x) for x in random.uniform(0.5, 0.99, 2))
        a, b = cd.absolute(high), cd.absolute(low)
        cycle = (cd.linear(up, start=a, to=b) >> cd.linear(down, start=b, to=a)).repeat()
        plan = cd.plan({"lr": cd.triangular(up=up, down=down, low=0.1), "momentum": cycle})
        make = lambda opt: lrs.CyclicLR(opt, 0.05, 0.5, up, down, base_momentum=low, max_momentum=high)  # noqa: E731
        assert_plan(plan, make, 0.5, 90)
        total = up + 1 + down + 1
        rise, fall = cd.cosine(up, start=a, to=b), cd.cosine(start=b, to=a, ends="closed")
        plan = cd.plan({"lr": cd.warmup(up, start=0.04, shape="cosine") >> cd.cosine(to=4e-6, ends="closed"), "momentum": rise >> fall})
        make = lambda opt: lrs.OneCycleLR(opt, 0.5, total, pct_start=(up + 1) / total, base_momentum=low, max_momentum=high)  # noqa: E731
        assert_plan(plan, make, 0.5, total - 1, total=total)


def assert_plan(plan: Plan, make: Callable[[Any], Any], base: float, steps: int, total: int | None = None) -> None:
    curve = cd.place(plan, base={"lr": base, "momentum": 0.9}, total=total)
    for value in ("lr", "momentum"):
        assert_equal(simulated(make, [base], steps, value)[:, 0], curve.values(0, steps, value=value), f"{value} of {plan!r}")


# ---- composers ---------------------------------------------------------------------------------------------------

PARTS = (lambda_lr, step_lr, multi_step_lr, constant_lr, linear_lr, exponential_lr, polynomial_lr, cosine_annealing_lr, cosine_annealing_warm_restarts)


def first(schedule: Schedule, n: int) -> Schedule:
    """The first n updates of a schedule that has its own clock, as a part of a sequence."""
    # A cycle's clock starts at 0, and one cycle of more than n updates is cut there.
    total = 1000
    return cd.constant(n) * (schedule * cd.constant(total) if open_ended(schedule) else schedule_for(schedule, total)).repeat()


def open_ended(schedule: Schedule) -> bool:
    try:
        return cd.place(schedule).end is None
    except cd._errors.HorizonError:  # type: ignore[attr-defined]
        return True


def schedule_for(schedule: Schedule, total: int) -> Schedule:
    """A schedule of fixed length, with what it does past its end, made `total` long."""
    return (schedule.past_end("hold") if "past_end" not in repr(schedule) else schedule) >> cd.constant(total)


def sequential(random: Random) -> tuple[Callable[[Any], Any], Schedule, float]:
    base, at, milestones = base_of(random), 0, []
    parts: list[tuple[Callable[[Any], Any], Schedule]] = []
    schedule: Schedule | None = None
    for k in range(int(random.integers(2, 5))):
        pick = PARTS[random.integers(len(PARTS))]
        make, part, _, _ = pick(random)
        length = int(random.integers(2, 30))
        parts.append((make, part))
        at += length
        milestones.append(at)
        cut = first_of(part, length)
        schedule = cut if schedule is None else schedule >> cut
    assert schedule is not None
    return lambda opt: lrs.SequentialLR(opt, [make(opt) for make, _ in parts], milestones[:-1]), schedule, base


def first_of(part: Schedule, n: int) -> Schedule:
    raise NotImplementedError
