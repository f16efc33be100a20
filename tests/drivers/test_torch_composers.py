"""Inside torch's SequentialLR and ChainedScheduler a schedule behaves as torch's LambdaLR of the same values does."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import cadence as cd
from cadence.curve.curve import Curve

torch = pytest.importorskip("torch")
lr_scheduler = pytest.importorskip("torch.optim.lr_scheduler")

# Torch's constructors of nested compositions step what is inside, which then complains of the order.
pytestmark = pytest.mark.filterwarnings("ignore:Detected call of .lr_scheduler.step:UserWarning")

Make = Callable[[Any], Any]
"""Makes a scheduler of an optimizer."""

SPECS = (
    "warmup(4) >> cosine(to=0.1)",
    "linear(to=0.3)",
    "exponential(gamma=0.8)",
    "cosine(5).repeat()",
    "steps(at=[2, 5], gamma=0.5)",
    "formula('1 / (1 + t)')",
)
UPDATES = 24


def optimizer_of(lr: float = 0.1) -> Any:
    groups = [{"params": [torch.ones(2, requires_grad=True)], "lr": lr / (i + 1)} for i in range(2)]
    return torch.optim.SGD(groups, lr=lr)


def ours(curve: Curve) -> Make:
    return lambda optimizer: cd.torch_scheduler(optimizer, curve.plan, total=curve.total)


def a_lambda(curve: Curve) -> Make:
    return lambda optimizer: lr_scheduler.LambdaLR(optimizer, lambda t: curve.at(t))


def random_parts(random: np.random.Generator, leaf: Callable[[Curve], Make], depth: int = 0) -> Make:
    """A scheduler at random: a leaf of ours (or a LambdaLR in its place), one of torch's own, or a composition."""
    kind = (
        random.choice(["leaf", "leaf", "torch", "sequential", "chained"])
        if depth < 2
        else random.choice(["leaf", "torch"])
    )
    if kind == "leaf":
        return leaf(cd.place(str(random.choice(SPECS)), total=int(random.integers(4, 30))))
    if kind == "torch":
        gamma, epochs = float(random.uniform(0.7, 0.95)), int(random.integers(2, 8))
        return [
            lambda o: lr_scheduler.ExponentialLR(o, gamma),
            lambda o: lr_scheduler.ConstantLR(o, gamma, epochs),
            lambda o: lr_scheduler.LinearLR(o, gamma, total_iters=epochs),
            lambda o: lr_scheduler.StepLR(o, epochs, gamma),
        ][random.integers(4)]
    # Torch itself cannot begin a composition at a milestone, only at the start.
    deep = [depth + 1] + [2 if kind == "sequential" else depth + 1] * int(random.integers(1, 3))
    parts = [random_parts(random, leaf, d) for d in deep]
    if kind == "chained":
        return lambda o: lr_scheduler.ChainedScheduler([part(o) for part in parts])
    milestones = sorted(random.choice(np.arange(1, 16), size=len(parts) - 1, replace=False).tolist())
    return lambda o: lr_scheduler.SequentialLR(o, [part(o) for part in parts], milestones)


def run(optimizer: Any, scheduler: Any, updates: int) -> list[list[float]]:
    rows = []
    for _ in range(updates):
        rows.append([group["lr"] for group in optimizer.param_groups])
        optimizer.step()
        scheduler.step()
    return rows


def pair(seed: int) -> tuple[Make, Make]:
    """The same random composition with our leaves and with LambdaLRs."""
    return random_parts(np.random.default_rng(seed), ours), random_parts(np.random.default_rng(seed), a_lambda)


@pytest.mark.parametrize("part", range(4))
def test_random_compositions_give_what_they_give_with_lambdas(part: int) -> None:
    for seed in range(100 * part, 100 * (part + 1)):
        mine, theirs = pair(seed)
        first, second = optimizer_of(), optimizer_of()
        a, b = mine(first), theirs(second)
        np.testing.assert_allclose(run(first, a, UPDATES), run(second, b, UPDATES), rtol=1e-12, err_msg=f"seed {seed}")
        assert a.get_last_lr() == pytest.approx(b.get_last_lr(), rel=1e-12)


@pytest.mark.parametrize("order", ["optimizer, then scheduler", "scheduler, then optimizer"])
def test_random_compositions_resume_as_they_do_with_lambdas(order: str) -> None:
    for seed in range(150):
        results = []
        for make in pair(seed):
            optimizer = optimizer_of()
            scheduler = make(optimizer)
            stop = seed % 15
            rows = run(optimizer, scheduler, stop)
            saved, weights = copy.deepcopy(scheduler.state_dict()), copy.deepcopy(optimizer.state_dict())
            optimizer = optimizer_of()
            scheduler = make(optimizer)
            for what in order.split(", then "):
                if what == "optimizer":
                    optimizer.load_state_dict(weights)
                else:
                    scheduler.load_state_dict(saved)
            results.append(rows + run(optimizer, scheduler, UPDATES - stop))
        np.testing.assert_allclose(*results, rtol=1e-12, err_msg=f"seed {seed}")


@pytest.mark.parametrize("position", [0, 1, 2])
def test_in_any_position_of_a_sequence_it_counts_from_its_milestone(position: int) -> None:
    optimizer = optimizer_of()
    curve = cd.place("linear(to=0.5)", total=5)
    parts: list[Make] = [lambda o: lr_scheduler.ConstantLR(o, 0.25, 100)] * 3
    parts[position] = ours(curve)
    scheduler = lr_scheduler.SequentialLR(optimizer, [part(optimizer) for part in parts], [4, 9])
    rows = [row[0] for row in run(optimizer, scheduler, 12)]
    begin, end = [(0, 4), (4, 9), (9, 12)][position]
    assert rows[begin:end] == (0.1 * curve.values(0, end - begin)).tolist()


def test_a_warmup_of_ours_before_a_schedule_of_torch_s_resumes_exactly() -> None:
    # Torch's cosine goes on from whatever rate it finds: a part that has had its time must not touch it.
    def make(optimizer: Any) -> Any:
        warmup = cd.torch_scheduler(optimizer, "warmup(4)", total=4)
        return lr_scheduler.SequentialLR(optimizer, [warmup, lr_scheduler.CosineAnnealingLR(optimizer, 16)], [4])

    optimizer = optimizer_of()
    undisturbed = run(optimizer, make(optimizer), 20)
    optimizer = optimizer_of()
    scheduler = make(optimizer)
    before = run(optimizer, scheduler, 11)
    saved, weights = copy.deepcopy(scheduler.state_dict()), copy.deepcopy(optimizer.state_dict())
    optimizer = optimizer_of(0.7)
    scheduler = make(optimizer)
    optimizer.load_state_dict(weights)
    scheduler.load_state_dict(saved)
    np.testing.assert_allclose([*before, *run(optimizer, scheduler, 9)], undisturbed, rtol=1e-12)


def test_a_schedule_with_feedback_is_refused_by_torch_s_composers() -> None:
    optimizer = optimizer_of()
    rule = cd.torch_scheduler(optimizer, "constant() * plateau('val_loss')")
    other = lr_scheduler.ExponentialLR(optimizer, 0.9)
    with pytest.raises(ValueError, match="does not support `ReduceLROnPlateau`"):
        lr_scheduler.SequentialLR(optimizer, [other, rule], [3])
    with pytest.raises(ValueError, match="does not support `ReduceLROnPlateau`"):
        lr_scheduler.ChainedScheduler([other, rule])


def test_the_older_sequence_that_begins_a_part_with_a_number_is_understood(monkeypatch: pytest.MonkeyPatch) -> None:
    # Before torch 2.10: `scheduler.step(0)` at each milestone.
    class Older(lr_scheduler.SequentialLR):
        def step(self) -> None:
            self.last_epoch += 1
            index = int(np.searchsorted(self._milestones, self.last_epoch, side="right"))
            if index > 0 and self._milestones[index - 1] == self.last_epoch:
                self._schedulers[index].step(0)
            else:
                self._schedulers[index].step()

    monkeypatch.setattr("cadence.drivers.torch_scheduler.STEPS_WITHOUT_NUMBER", False)
    curves = [cd.place("linear(to=0.5)", total=4), cd.place("cosine()", total=8)]
    optimizer = optimizer_of()
    scheduler = Older(optimizer, [ours(curve)(optimizer) for curve in curves], [4])
    rows = [row[0] for row in run(optimizer, scheduler, 12)]
    assert rows == [*(0.1 * curves[0].values()).tolist(), *(0.1 * curves[1].values()).tolist()]
