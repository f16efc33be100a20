"""The numbers in the consequences are those of the frameworks themselves."""

from __future__ import annotations

import re
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import cadence as cd
from cadence.findings.chained import Link, simulate
from cadence.findings.course import course_of_native
from cadence.findings.finding import Finding

ARTICLES = Path(__file__).parent / "articles"


def found(article: str, code: str) -> Finding:
    return next(f for f in cd.lint(ARTICLES / f"{article}.py.txt") if f.code == code)


def numbers(text: str) -> list[float]:
    return [float(x) for x in re.findall(r"(?<![\w.])\d+(?:\.\d+)?(?:e-?\d+)?(?![\w])", text)]


def optimizer(torch: Any, lr: float) -> Any:
    return torch.optim.SGD([torch.nn.Parameter(torch.zeros(1, dtype=torch.float64))], lr=lr)


def run(torch: Any, lr: float, make: Any, turns: int, step: Any = None) -> list[float]:
    """The rate of every turn, and after the last."""
    own = optimizer(torch, lr)
    made = make(own, torch.optim.lr_scheduler)
    rates = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for turn in range(turns):
            rates.append(own.param_groups[0]["lr"])
            own.step()
            if step is None:
                made.step()
            else:
                step(turn, *made)
    return [*rates, own.param_groups[0]["lr"]]


def test_a_cosine_that_is_too_short_rises_to_what_torch_gives() -> None:
    torch = pytest.importorskip("torch")
    rates = run(torch, 1e-3, lambda o, s: s.CosineAnnealingLR(o, T_max=90), 100)
    assert found("resnet_example", "CD101").consequence == (
        f"the rate rises again from epoch 90 to epoch 99, up to {max(rates[90:100]):.3g}"
    )
    assert max(rates[90:100]) == pytest.approx(2.447e-5, rel=1e-3)


def test_a_cosine_that_is_too_long_ends_at_what_torch_gives() -> None:
    torch = pytest.importorskip("torch")
    rates = run(torch, 1e-3, lambda o, s: s.CosineAnnealingLR(o, T_max=100), 60)
    assert numbers(found("cosine_truncated", "CD101").consequence)[0] == pytest.approx(rates[-1], rel=5e-3)


def test_an_exponential_ends_at_what_torch_gives() -> None:
    torch = pytest.importorskip("torch")
    rates = run(torch, 0.1, lambda o, s: s.ExponentialLR(o, gamma=0.9), 100)
    assert numbers(found("exponential_90", "CD801").consequence)[1] == pytest.approx(rates[99], rel=5e-3)


def test_milestones_of_epochs_drop_after_as_many_batches_as_in_torch() -> None:
    torch = pytest.importorskip("torch")
    rates = run(torch, 0.02, lambda o, s: s.MultiStepLR(o, [8, 11], gamma=0.1), 20)
    drops = [t for t in range(1, 20) if rates[t] < 0.5 * rates[t - 1]]
    told = found("torch_milestones_per_iteration", "CD102").consequence
    assert numbers(told) == pytest.approx([*drops, rates[-1]])


@pytest.mark.parametrize(
    ("article", "main"),
    [
        ("warmup_then_lambda_by_hand", lambda o, s: s.LambdaLR(o, lambda e: 0.97**e)),
        ("warmup_then_restarts_by_hand", lambda o, s: s.CosineAnnealingWarmRestarts(o, T_0=30)),
    ],
)
def test_a_warmup_made_first_runs_to_ten_times_the_base_rate_as_in_torch(article: str, main: Any) -> None:
    torch = pytest.importorskip("torch")
    rates = run(
        torch, 0.1, lambda o, s: (s.LinearLR(o, 0.1, total_iters=10), main(o, s)), 100,
        lambda turn, warm, rest: warm.step() if turn < 10 else rest.step(),
    )  # fmt: skip
    told = numbers(found(article, "CD205").consequence)
    assert told == pytest.approx([max(rates), max(rates) / 0.1, 0.1, rates.index(max(rates))], rel=5e-3)
    assert max(rates) == pytest.approx(1.0)


def test_a_plateau_stepped_during_the_warmup_cuts_as_torch_does() -> None:
    torch = pytest.importorskip("torch")
    rates = run(
        torch, 0.1, lambda o, s: (s.LinearLR(o, 0.1, total_iters=10), s.ReduceLROnPlateau(o, factor=0.5, patience=1)), 10,
        lambda turn, warm, plateau: (warm.step(), plateau.step(1.0)),
    )  # fmt: skip
    told = found("warmup_and_plateau_together", "CD204").consequence
    assert numbers(told) == pytest.approx([4, 10, max(rates), rates[-1]], rel=5e-3)


def test_two_schedulers_that_fight_end_where_torch_ends() -> None:
    torch = pytest.importorskip("torch")
    rates = run(
        torch, 0.1, lambda o, s: (s.StepLR(o, 30), s.LambdaLR(o, lambda e: 0.98**e)), 90,
        lambda turn, a, b: (a.step(), b.step()),
    )  # fmt: skip
    assert numbers(found("lambda_fights", "CD204").consequence)[0] == pytest.approx(rates[-1], rel=5e-3)


def test_a_warmup_written_by_hand_puts_a_cosine_off_its_formula_as_in_torch() -> None:
    torch = pytest.importorskip("torch")
    own = optimizer(torch, 1e-3)
    cosine = torch.optim.lr_scheduler.CosineAnnealingLR(own, T_max=100)
    rates = []
    for epoch in range(100):
        if epoch < 5:
            own.param_groups[0]["lr"] = 1e-3 * (epoch + 1) / 5
        rates.append(own.param_groups[0]["lr"])
        own.step()
        cosine.step()
    right = 1e-3 * (1 + np.cos(np.pi * np.arange(100) / 100)) / 2
    off = np.array(rates[5:]) / right[5:] - 1
    told = found("warmup_fights_cosine", "CD413").consequence
    assert f"{off.mean():.2%}" in told
    assert off.max() - off.min() < 1e-9


def test_one_cycle_is_refused_where_torch_refuses_it() -> None:
    torch = pytest.importorskip("torch")
    with pytest.raises(ValueError, match="Tried to step 51 times"):
        run(torch, 0.01, lambda o, s: s.OneCycleLR(o, max_lr=0.1, total_steps=50), 60)
    assert "Tried to step 51 times" in found("onecycle_past_its_end", "CD108").consequence


@pytest.mark.parametrize("seed", range(6))
def test_several_schedulers_together_are_simulated_as_torch_runs_them(seed: int) -> None:
    torch = pytest.importorskip("torch")
    random = np.random.default_rng(seed)
    table = {
        "StepLR": {"step_size": int(random.integers(3, 9)), "gamma": 0.5},
        "ExponentialLR": {"gamma": float(random.uniform(0.9, 0.99))},
        "LinearLR": {"start_factor": float(random.uniform(0.1, 0.5)), "total_iters": int(random.integers(2, 12))},
        "CosineAnnealingLR": {"T_max": 40, "eta_min": 0.01},
        "CosineAnnealingWarmRestarts": {"T_0": 15},
    }
    names = [str(name) for name in random.choice(list(table), size=3, replace=False)]
    turns = [[int(i) for i in random.choice(3, size=random.integers(1, 4), replace=False)] for _ in range(30)]
    rates = run(
        torch, 0.1, lambda o, s: [getattr(s, name)(o, **table[name]) for name in names], 30,
        lambda turn, *made: [made[i].step() for i in turns[turn]],
    )  # fmt: skip
    links = []
    for name in names:
        from cadence.conversion.native import Native

        course = course_of_native(Native("torch", name, table[name]), ticks=40, unit="epoch", base=0.1)
        assert course is not None
        links.append(Link(course, table[name].get("eta_min", 0.0), name == "CosineAnnealingWarmRestarts"))
    np.testing.assert_allclose(simulate(links, turns, 0.1), rates, rtol=1e-9)


def test_a_scheduler_resumed_alone_is_off_by_the_factor_that_torch_gives() -> None:
    torch = pytest.importorskip("torch")
    first = optimizer(torch, 0.1)
    before = torch.optim.lr_scheduler.CosineAnnealingLR(first, T_max=10)
    for _ in range(5):
        first.step()
        before.step()
    second = optimizer(torch, 0.1)
    after = torch.optim.lr_scheduler.CosineAnnealingLR(second, T_max=10)
    after.load_state_dict(before.state_dict())
    factors = []
    for _ in range(4):
        factors.append(second.param_groups[0]["lr"] / first.param_groups[0]["lr"])
        for own, scheduler in ((first, before), (second, after)):
            own.step()
            scheduler.step()
    assert factors == pytest.approx([2.0] * 4)
    assert numbers(found("resumed_without_optimizer", "CD702").consequence) == pytest.approx([5, 2, 0.1, 0.05])


def paddle_rates(make: Any, turns: int) -> list[float]:
    lr = pytest.importorskip("paddle").optimizer.lr
    scheduler = make(lr)
    rates = []
    for _ in range(turns):
        rates.append(float(scheduler()))
        scheduler.step()
    return rates


def test_an_inner_cosine_as_long_as_the_run_ends_where_paddle_ends() -> None:
    rates = paddle_rates(lambda lr: lr.LinearWarmup(lr.CosineAnnealingDecay(0.001, 100), 10, 1e-4, 0.001), 100)
    told = numbers(found("paddle_inner_clock", "CD106").consequence)
    assert told == pytest.approx([110, rates[-1], rates[-1] / max(rates)], rel=2e-2)
    assert rates[-1] == pytest.approx(2.96e-5, rel=1e-2)


def test_a_warmup_that_meets_another_base_jumps_as_in_paddle() -> None:
    rates = paddle_rates(lambda lr: lr.LinearWarmup(lr.CosineAnnealingDecay(0.002, 90), 10, 1e-4, 0.001), 20)
    assert numbers(found("paddle_jump", "CD105").consequence) == pytest.approx([rates[9], rates[10], 10], rel=1e-6)


def test_epoch_milestones_after_a_warmup_drop_where_paddle_drops() -> None:
    rates = paddle_rates(
        lambda lr: lr.LinearWarmup(lr.MultiStepDecay(0.01, [12, 16], 0.1), 500, 1e-4, 0.01), 600
    )  # fmt: skip
    drops = [t for t in range(1, 600) if rates[t] < 0.5 * rates[t - 1]]
    assert drops == [512, 516]
    assert numbers(found("detection_per_iteration", "CD102").consequence) == pytest.approx([*drops, rates[-1]])


def test_a_warmup_in_steps_stepped_per_epoch_ends_where_paddle_ends() -> None:
    rates = paddle_rates(lambda lr: lr.LinearWarmup(lr.MultiStepDecay(0.01, [12, 16], 0.1), 500, 1e-4, 0.01), 24)
    assert numbers(found("detection_per_epoch", "CD104").consequence) == pytest.approx([rates[-1]], rel=5e-3)


def test_a_plateau_rule_in_a_warmup_cuts_as_often_as_in_paddle() -> None:
    rates = paddle_rates(
        lambda lr: lr.LinearWarmup(lr.ReduceOnPlateau(0.1, factor=0.5, patience=1), 10, 0.01, 0.1), 30
    )  # fmt: skip
    cuts = [t for t in range(11, 30) if rates[t] < rates[t - 1]]
    assert set(np.diff(cuts)) == {2}
    assert "multiplied by 0.5 every 2 steps" in found("paddle_plateau_in_warmup", "CD208").consequence


@pytest.mark.parametrize(
    ("batch", "schedule", "warmup", "found"),
    [
        (2048, "cosine()", None, "warning"),
        (768, "cosine()", None, "information"),
        (256, "cosine()", None, None),
        (64, "cosine()", None, None),
        (2048, "cosine()", "5 epochs", None),
        (2048, "warmup('5%') >> cosine()", None, None),
        (2048, "one_cycle()", None, None),
        (2048, "{lr: cosine(), weight_decay: constant()}", None, "warning"),
    ],
)
def test_a_rate_scaled_without_a_warmup_is_found_by_its_factor(
    batch: int, schedule: str, warmup: str | None, found: str | None, tmp_path: Path
) -> None:
    scale = "rule: linear, reference_batch: 256" + (f", warmup: {warmup}" if warmup else "")
    path = tmp_path / "recipe.yaml"
    path.write_text(
        f"task: digits\ntotal: 90 epochs\nbatch_size: {batch}\nschedule: {schedule}\n"
        f"optimizer: {{name: sgd, lr: 0.1, scale_lr: {{{scale}}}}}\n",
        encoding="utf-8",
    )
    told = [f for f in cd.lint(path) if f.code == "CD953"]
    assert [f.severity for f in told] == ([found] if found else [])
    if found == "warning":
        assert told[0].message == "lr 0.1 is scaled by 8, from a batch of 256 to 2048"
        assert told[0].consequence == "the first update is made at 0.8"
        assert told[0].line == 5
