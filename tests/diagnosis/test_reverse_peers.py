"""Columns of torch's and transformers' own schedulers are explained: placed, the schedule found gives their numbers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from cadence.diagnosis.log import Series
from cadence.diagnosis.reverse import reverse

torch = pytest.importorskip("torch")

N = 1200
SCHEDULERS = torch.optim.lr_scheduler

TORCH: dict[str, tuple[Any, int, str]] = {
    "MultiStepLR": (lambda o: SCHEDULERS.MultiStepLR(o, [10, 22], 0.2), 40, "steps(at=['10 epochs', '22 epochs'], gamma=0.2)"),
    "ExponentialLR": (
        lambda o: SCHEDULERS.ExponentialLR(o, 0.9), 40, "exponential(gamma=0.9, every='1 epoch').staircase('1 epoch')",
    ),
    "StepLR": (lambda o: SCHEDULERS.StepLR(o, 500), 1, "steps(every=500)"),
    "LinearLR": (lambda o: SCHEDULERS.LinearLR(o, 0.1, 1, 300), 1, "warmup(300, start=0.1) >> constant()"),
    "CosineAnnealingLR": (lambda o: SCHEDULERS.CosineAnnealingLR(o, N, eta_min=1e-4), 1, "cosine(to=0.001)"),
    "CosineAnnealingLR per epoch": (lambda o: SCHEDULERS.CosineAnnealingLR(o, 30), 40, "cosine().staircase('1 epoch')"),
    "CosineAnnealingLR too short": (lambda o: SCHEDULERS.CosineAnnealingLR(o, 300), 1, "cosine(300).past_end('mirror')"),
    "CosineAnnealingWarmRestarts": (
        lambda o: SCHEDULERS.CosineAnnealingWarmRestarts(o, 100, 2, eta_min=0.001), 1, "cosine(100, to=0.01).repeat(grow=2)",
    ),
    "OneCycleLR": (
        lambda o: SCHEDULERS.OneCycleLR(o, 0.1, total_steps=N), 1,
        "warmup(359, start=0.04, shape='cosine') >> cosine(840, to=4e-06)",
    ),
    "PolynomialLR": (lambda o: SCHEDULERS.PolynomialLR(o, N, 0.9), 1, "power(exponent=0.9)"),
    "CyclicLR": (
        lambda o: SCHEDULERS.CyclicLR(o, 0.01, 0.1, 150, cycle_momentum=False), 1,
        "(warmup(150, start=0.1) >> linear(150, to=0.1)).repeat()",
    ),
    "SequentialLR": (
        lambda o: SCHEDULERS.SequentialLR(
            o, [SCHEDULERS.LinearLR(o, 0.01, 1, 100), SCHEDULERS.CosineAnnealingLR(o, 1100)], [100]
        ), 1, "warmup(100) >> cosine()",
    ),
    "LambdaLR": (lambda o: SCHEDULERS.LambdaLR(o, lambda t: 1 / (1 + t / 100)), 1, "inverse(timescale=100, power=1)"),
}  # fmt: skip

TRANSFORMERS = {
    "get_linear_schedule_with_warmup": ({}, "warmup(100, start=0) >> linear()"),
    "get_cosine_schedule_with_warmup": ({}, "warmup(100, start=0) >> cosine()"),
    "get_polynomial_decay_schedule_with_warmup": (
        {"lr_end": 1e-4, "power": 2.0}, "warmup(100, start=0) >> power(to=0.001)",
    ),
    "get_cosine_with_min_lr_schedule_with_warmup": ({"min_lr_rate": 0.1}, "warmup(100, start=0) >> cosine(to=0.1)"),
}  # fmt: skip


def rates(make: Any, per: int = 1) -> Any:
    """What the scheduler writes, update by update."""
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.1)
    scheduler = make(optimizer)
    found: list[float] = []
    for t in range(N):
        found.append(float(optimizer.param_groups[0]["lr"]))
        optimizer.step()
        if (t + 1) % per == 0:
            scheduler.step()
    return np.array(found)


def check(values: Any, said: str, per: int) -> None:
    """Found as `said` from the whole column, and the same curve from poorer ones."""
    t, length = np.arange(N), per if per > 1 else None
    found = reverse(Series(t, values), total=N, steps_per_epoch=length)
    assert found is not None
    assert found.schedule == said
    np.testing.assert_allclose(found.curve().values(0, N), values, rtol=0, atol=1e-9 * values.max())
    poorer = {
        "every 10th": (t[::10], values[::10]),
        "five digits": (t, np.array([float(f"{x:.5g}") for x in values])),
        "six decimals": (t, values.round(6)),
        "float32": (t, np.array([float(str(x)) for x in values.astype(np.float32)])),
    }
    for name, (some, numbers) in poorer.items():
        again = reverse(Series(some, numbers), total=N, steps_per_epoch=length)
        assert again is not None, name
        assert np.abs(again.curve().values(0, N) - values).max() <= 1e-3 * values.max(), (name, again)


@pytest.mark.parametrize("name", TORCH)
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_torchs_schedulers_are_found(name: str) -> None:
    make, per, said = TORCH[name]
    check(rates(make, per), said, per)


@pytest.mark.parametrize("name", TRANSFORMERS)
def test_transformers_schedules_are_found(name: str) -> None:
    optimization = pytest.importorskip("transformers.optimization")
    keywords, said = TRANSFORMERS[name]
    make = getattr(optimization, name)
    check(rates(lambda o: make(o, 100, N, **keywords)), said, 1)


def test_a_plateau_rules_cuts_are_steps() -> None:
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.1)
    scheduler = SCHEDULERS.ReduceLROnPlateau(optimizer, factor=0.5, patience=2)
    values: list[float] = []
    for epoch in range(30):
        values += [float(optimizer.param_groups[0]["lr"])] * 40
        scheduler.step(max(0.4, 1 - epoch * 0.1))
    found = reverse(Series(np.arange(N), np.array(values)), total=N)
    assert found is not None
    assert found.exact
    assert found.schedule.startswith("steps(at=[")
    assert found.schedule.endswith("gamma=0.5)")
