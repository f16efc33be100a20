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
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

import cadence as cd
from cadence.spec.nodes import Schedule
from cadence.spec.plan import Plan

torch = pytest.importorskip("torch")
lrs = torch.optim.lr_scheduler

Random = np.random.Generator
Make = Callable[[Any], Any]
"""Optimizer -> scheduler."""


@dataclass(frozen=True)
class Peer:
    """One configuration of one of torch's schedulers, and what it is in cadence's algebra.

    Attributes:
        make: the scheduler.
        schedule: the same over a whole run.
        steps: how many of its steps are worth comparing.
        part: its first n updates, as one of several phases; None where a sequence cannot have it.
        factor: whether it multiplies what others did, so that a chain is a product.
    """

    make: Make
    schedule: Schedule
    steps: int
    part: Callable[[int], Schedule] | None = None
    factor: bool = False


def simulated(make: Make, bases: Sequence[float], steps: int, value: str = "lr") -> np.ndarray[Any, Any]:
    """One row for each update, one column for each group, as an optimizer in a training loop would have had them."""
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


def some_base(random: Random) -> float:
    return float(random.choice([1.0, 0.1, 3e-4, random.uniform(1e-5, 2)]))


# ---- one scheduler each ------------------------------------------------------------------------------------------


def lambda_lr(random: Random, base: float) -> Peer:
    a, b, c = (round(float(x), 4) for x in random.uniform(0.01, 1.5, 3))
    k = int(random.integers(1, 40))
    text, function = [
        (f"1 / (1 + {a} * t)", lambda t: 1 / (1 + a * t)),
        (f"max({b}, 1 - t / {k})", lambda t: max(b, 1 - t / k)),
        (f"{a} if t < {k} else {b} * exp(-(t - {k}) / 7)", lambda t: a if t < k else b * math.exp(-(t - k) / 7)),
        (f"{c} ** (t // {k})", lambda t: c ** (t // k)),
        (f"min((t + 1) / {k}, 1) * cos(pi * t / 500)", lambda t: min((t + 1) / k, 1) * math.cos(math.pi * t / 500)),
        (f"sqrt({k}) / sqrt(max(t, {k}))", lambda t: math.sqrt(k) / math.sqrt(max(t, k))),
        (f"{a} * (t % {k}) + {b} * log(t + 1)", lambda t: a * (t % k) + b * math.log(t + 1)),
    ][random.integers(7)]
    return Peer(
        lambda opt: lrs.LambdaLR(opt, function), cd.formula(text), 90, lambda n: cd.formula(text, n, local=True)
    )


def multiplicative_lr(random: Random, base: float) -> Peer:
    gamma = float(random.uniform(0.8, 1.02))
    match random.integers(3):
        case 0:
            return Peer(
                lambda opt: lrs.MultiplicativeLR(opt, lambda t: gamma), cd.exponential(gamma=gamma), 80, None, True
            )
        case 1:
            at = sorted(set(random.integers(1, 60, 4).tolist()))
            make = lambda opt: lrs.MultiplicativeLR(opt, lambda t: gamma if t in at else 1.0)  # noqa: E731
            return Peer(make, cd.steps(at=at, gamma=gamma), 70, None, True)
        case _:
            # Any other function: the table of its products.
            shrink = lambda t: 1 - 0.3 / (t + 1)  # noqa: E731
            points = list(enumerate(np.cumprod([1.0, *(shrink(t) for t in range(1, 60))]).tolist()))
            return Peer(lambda opt: lrs.MultiplicativeLR(opt, shrink), cd.piecewise(points), 60, None, True)


def step_lr(random: Random, base: float) -> Peer:
    every, gamma = int(random.integers(1, 40)), float(random.uniform(0.05, 1.1))
    part = lambda n: cd.steps(n, every=every, gamma=gamma, local=True)  # noqa: E731
    return Peer(lambda opt: lrs.StepLR(opt, every, gamma), cd.steps(every=every, gamma=gamma), 100, part, True)


def multi_step_lr(random: Random, base: float) -> Peer:
    # In any order, twice too, at 0 too.
    at, gamma = random.integers(0, 60, random.integers(1, 7)).tolist(), float(random.uniform(0.05, 1.1))
    part = lambda n: cd.steps(n, at=at, gamma=gamma, local=True)  # noqa: E731
    return Peer(lambda opt: lrs.MultiStepLR(opt, at, gamma), cd.steps(at=at, gamma=gamma), 70, part, True)


def constant_lr(random: Random, base: float) -> Peer:
    k, factor = int(random.integers(1, 40)), float(random.uniform(0.01, 1))

    def part(n: int) -> Schedule:
        return cd.constant(n, start=factor) if n <= k else cd.constant(k, start=factor) >> cd.constant(n - k)

    schedule = cd.constant(k, start=factor) >> cd.constant()
    return Peer(lambda opt: lrs.ConstantLR(opt, factor, k), schedule, 60, part, True)


def linear_lr(random: Random, base: float) -> Peer:
    k, start = int(random.integers(1, 50)), float(random.uniform(0.01, 1))
    end = float(random.choice([0.0, 1.0, random.uniform(0, 1)]))

    def part(n: int) -> Schedule:
        whole = cd.linear(k, start=start, to=end)
        return (
            whole >> cd.constant(n - k, start=end)
            if n > k
            else cd.linear(n, start=start, to=start + (end - start) * n / k)
        )

    schedule = cd.linear(k, start=start, to=end) >> cd.constant(start=end)
    return Peer(lambda opt: lrs.LinearLR(opt, start, end, k), schedule, 70, part, True)


def exponential_lr(random: Random, base: float) -> Peer:
    gamma = float(random.uniform(0.5, 1.05))
    part = lambda n: cd.exponential(n, gamma=gamma)  # noqa: E731
    return Peer(lambda opt: lrs.ExponentialLR(opt, gamma), cd.exponential(gamma=gamma), 100, part, True)


def polynomial_lr(random: Random, base: float) -> Peer:
    k, power = int(random.integers(1, 60)), float(random.choice([0.5, 0.9, 1.0, 2.0, random.uniform(0.2, 4)]))
    whole = cd.power(k, exponent=power)

    def part(n: int) -> Schedule:
        return whole >> cd.constant(n - k, start=0) if n > k else cd.constant(n) * whole.repeat()

    return Peer(lambda opt: lrs.PolynomialLR(opt, k, power), whole, 80, part, True)


def cosine_annealing_lr(random: Random, base: float) -> Peer:
    k, low = int(random.integers(1, 60)), float(random.choice([0.0, 0.01, 0.5, 1.5]))
    schedule = cd.cosine(k, to=cd.absolute(low * base)).past_end("mirror")

    def part(n: int) -> Schedule:
        # The mirror written out, and cut by the constant beside it.
        return cd.constant(n) * (cd.cosine(k, to=low) >> cd.cosine(k, start=low, to=1)).repeat()

    steps = int(random.choice([k + 1, 4 * k + 3]))
    return Peer(
        lambda opt: lrs.CosineAnnealingLR(opt, k, low * base), schedule, steps, part, low == 0 and steps == k + 1
    )


def cosine_annealing_warm_restarts(random: Random, base: float) -> Peer:
    k, grow = int(random.integers(1, 30)), int(random.integers(1, 4))
    low = float(random.choice([0.0, 0.01, 0.5]))
    schedule = cd.cosine(k, to=cd.absolute(low * base)).repeat(grow=grow)
    part = lambda n: cd.constant(n) * cd.cosine(k, to=low).repeat(grow=grow)  # noqa: E731
    return Peer(lambda opt: lrs.CosineAnnealingWarmRestarts(opt, k, grow, low * base), schedule, 130, part)


def cyclic_lr(random: Random, base: float) -> Peer:
    up, down = (int(x) for x in random.integers(1, 25, 2))
    low, gamma = float(random.uniform(0, 0.9)), float(random.uniform(0.9, 1))
    mode = str(random.choice(["triangular", "triangular2", "exp_range"]))
    if mode == "exp_range":
        rise, fall = cd.linear(up, start=0, to=1 - low), cd.linear(down, start=1 - low)
        schedule = low + (rise >> fall).repeat() * cd.exponential(gamma=gamma)
    else:
        schedule = cd.triangular(up=up, down=down, low=low, decay=0.5 if mode == "triangular2" else 1)

    def make(optimizer: Any) -> Any:
        return lrs.CyclicLR(optimizer, low * base, base, up, down, mode, gamma, cycle_momentum=False)

    return Peer(make, schedule, 130)


def one_cycle_lr(random: Random, base: float) -> Peer:
    total, three = int(random.integers(6, 120)), bool(random.integers(2))
    divide, finally_ = float(random.uniform(2, 50)), float(random.uniform(2, 1e5))
    anneal, shape = [("cos", "cosine"), ("linear", "linear")][random.integers(2)]
    up = int(random.integers(1, (total - 2) // 2 if three else total - 2))
    start, end = 1 / divide, 1 / divide / finally_
    # Torch's phases end at updates pct * total - 1 and total - 1: the last is closed.
    if three:
        last = cd.ramp(total - 2 * up, shape=shape, start=start, to=end, ends="closed")
        schedule = cd.warmup(up, start=start, shape=shape) >> cd.ramp(up, shape=shape, to=start) >> last
    else:
        schedule = cd.warmup(up, start=start, shape=shape) >> cd.ramp(total - up, shape=shape, to=end, ends="closed")

    def make(optimizer: Any) -> Any:
        return lrs.OneCycleLR(
            optimizer, base, total, pct_start=(up + 1) / total, anneal_strategy=anneal, div_factor=divide,
            final_div_factor=finally_, three_phase=three, cycle_momentum=False,
        )  # fmt: skip

    return Peer(make, schedule, total - 1)


Kind = Callable[[Random, float], Peer]

CASES: dict[Kind, int] = {
    lambda_lr: 250, multiplicative_lr: 150, step_lr: 250, multi_step_lr: 250, constant_lr: 200, linear_lr: 300,
    exponential_lr: 200, polynomial_lr: 250, cosine_annealing_lr: 350, cosine_annealing_warm_restarts: 250, cyclic_lr: 250,
    one_cycle_lr: 300,
}  # fmt: skip


@pytest.mark.parametrize("kind", CASES)
def test_a_scheduler_is_a_schedule(kind: Kind) -> None:
    for seed in range(CASES[kind]):
        random = np.random.default_rng(seed)
        base = some_base(random)
        peer = kind(random, base)
        ours = cd.place(peer.schedule, base=base, total=max(peer.steps, 200)).values(0, peer.steps)
        theirs = simulated(peer.make, [base], peer.steps)[:, 0]
        assert_equal(theirs, ours, f"seed {seed}, {peer.schedule!r}, base {base}")


def test_groups_keep_their_own_rates() -> None:
    bases = [0.1, 3e-4, 1.7]
    for kind in (linear_lr, step_lr, polynomial_lr, exponential_lr, constant_lr, lambda_lr):
        for seed in range(20):
            peer = kind(np.random.default_rng(1000 + seed), 1.0)
            theirs = simulated(peer.make, bases, peer.steps)
            curve = cd.place(peer.schedule, base=bases, total=200)
            for g in range(3):
                assert_equal(theirs[:, g], curve.values(0, peer.steps, group=g), f"{peer.schedule!r}, group {g}")


# ---- stepped once an epoch ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("per_epoch", [1, 3, 10])
def test_a_scheduler_that_is_stepped_per_epoch_is_a_staircase(per_epoch: int) -> None:
    for seed in range(30):
        random = np.random.default_rng(seed)
        n, gamma = int(random.integers(2, 20)), float(random.uniform(0.7, 0.99))
        pairs: list[tuple[Make, Schedule]] = [
            (
                lambda opt: lrs.CosineAnnealingLR(opt, n),
                cd.cosine(f"{n} epochs").past_end("mirror").staircase("1 epoch"),
            ),
            (
                lambda opt: lrs.ExponentialLR(opt, gamma),
                cd.exponential(gamma=gamma, every="1 epoch").staircase("1 epoch"),
            ),
            (lambda opt: lrs.PolynomialLR(opt, n, 0.9), cd.power(f"{n} epochs", exponent=0.9).staircase("1 epoch")),
            (lambda opt: lrs.StepLR(opt, n, gamma), cd.steps(every=f"{n} epochs", gamma=gamma)),
            (
                lambda opt: lrs.CosineAnnealingWarmRestarts(opt, n, 2),
                cd.cosine(f"{n} epochs").repeat(grow=2).staircase("1 epoch"),
            ),
        ]
        for make, schedule in pairs:
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
        assert_plan(
            cd.plan({"lr": cd.triangular(up=up, down=down, low=0.1), "momentum": cycle}),
            lambda opt: lrs.CyclicLR(opt, 0.05, 0.5, up, down, base_momentum=low, max_momentum=high),
            steps=90, total=None,
        )  # fmt: skip
        total = up + down + 2
        rate = cd.warmup(up, start=0.04, shape="cosine") >> cd.cosine(to=4e-6, ends="closed")
        assert_plan(
            cd.plan({"lr": rate, "momentum": cd.cosine(up, start=a, to=b) >> cd.cosine(start=b, to=a, ends="closed")}),
            lambda opt: lrs.OneCycleLR(opt, 0.5, total, pct_start=(up + 1) / total, base_momentum=low, max_momentum=high),
            steps=total - 1, total=total,
        )  # fmt: skip


def assert_plan(plan: Plan, make: Make, *, steps: int, total: int | None) -> None:
    curve = cd.place(plan, base={"lr": 0.5, "momentum": 0.9}, total=total)
    for value in ("lr", "momentum"):
        assert_equal(
            simulated(make, [0.5], steps, value)[:, 0], curve.values(0, steps, value=value), f"{value} of {plan!r}"
        )


# ---- composers ---------------------------------------------------------------------------------------------------


def test_sequential_lr_is_one_phase_after_the_other() -> None:
    kinds = [kind for kind in CASES if kind not in (multiplicative_lr, cyclic_lr, one_cycle_lr)]
    for seed in range(400):
        random = np.random.default_rng(seed)
        base = some_base(random)
        peers = [kinds[i](random, base) for i in random.integers(0, len(kinds), random.integers(2, 5))]
        lengths = [int(x) for x in random.integers(1, 30, len(peers))]
        parts = [peer.part(n) for peer, n in zip(peers, lengths, strict=True) if peer.part is not None]
        schedule = parts[0]
        for part in parts[1:]:
            schedule = schedule >> part
        milestones = np.cumsum(lengths)[:-1].tolist()
        makes = [peer.make for peer in peers]
        theirs = simulated(
            lambda opt, makes=makes, at=milestones: lrs.SequentialLR(opt, [m(opt) for m in makes], at),
            [base],
            sum(lengths),
        )
        assert_equal(theirs[:, 0], cd.place(schedule, base=base).values(0, sum(lengths)), f"seed {seed}, {schedule!r}")


def test_chained_scheduler_is_a_product() -> None:
    for seed in range(300):
        random = np.random.default_rng(seed)
        base, kinds = some_base(random), list(CASES)
        peers: list[Peer] = []
        while len(peers) < 3:
            peer = kinds[random.integers(len(kinds))](random, base)
            if peer.factor:
                peers.append(peer)
        steps = min(peer.steps for peer in peers)
        curves = [cd.place(peer.schedule, total=200) for peer in peers]
        # Phases of several lengths have no product in the algebra unless each is made as long as the run.
        whole = [
            cd.piecewise(list(enumerate(c.values(0, steps + 1).tolist()))) if c.placed[0].end != 200 else p.schedule
            for c, p in zip(curves, peers, strict=True)
        ]
        schedule = whole[0] * whole[1] * whole[2]
        theirs = simulated(lambda opt, ps=peers: lrs.ChainedScheduler([p.make(opt) for p in ps], opt), [base], steps)[
            :, 0
        ]
        assert_equal(theirs, cd.place(schedule, base=base, total=200).values(0, steps), f"seed {seed}, {schedule!r}")


# ---- the differences that the table above names ------------------------------------------------------------------


def test_a_factor_that_lasts_no_step_is_never_taken_back_by_torch() -> None:
    assert simulated(lambda opt: lrs.ConstantLR(opt, 0.5, 0), [1.0], 5)[:, 0].tolist() == [0.5] * 5
    assert cd.place(cd.constant(0, start=0.5) >> cd.constant(), total=5).values().tolist() == [1.0] * 5


def test_a_one_cycle_whose_peak_lies_between_two_updates_never_reaches_it_in_torch() -> None:
    theirs = simulated(lambda opt: lrs.OneCycleLR(opt, 1.0, 9, pct_start=0.5, cycle_momentum=False), [1.0], 8)[:, 0]
    assert theirs.max() < 0.99
    assert cd.place("one_cycle(up='50%')", total=9).values().max() == 1.0


def test_a_scheduler_that_sets_the_rate_when_it_is_made_breaks_the_others_in_torch() -> None:
    def make(optimizer: Any) -> Any:
        parts = [lrs.LinearLR(optimizer, 0.1, total_iters=5), lrs.OneCycleLR(optimizer, 1.0, 20, cycle_momentum=False)]
        return lrs.SequentialLR(optimizer, parts, [5])

    assert simulated(make, [1.0], 3)[0, 0] != pytest.approx(0.1)
    assert cd.place("linear(5, start=0.1, to=1) >> one_cycle()", total=25).at(0) == 0.1


def test_past_its_end_a_one_cycle_raises_as_torch_does_where_that_is_asked_for() -> None:
    with pytest.raises(ValueError, match="Tried to step 11 times"):
        simulated(lambda opt: lrs.OneCycleLR(opt, 1.0, 10, cycle_momentum=False), [1.0], 12)
    with pytest.raises(ValueError, match="past the end"):
        cd.place("(linear(5, start=0.1, to=1) >> linear(5)).past_end('raise')").at(11)
