"""Parity with torch's ReduceLROnPlateau: the same cuts on thousands of series and settings; differences are named."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

import cadence as cd

torch = pytest.importorskip("torch")
plateau_module = pytest.importorskip("torch.optim.lr_scheduler")

SETTINGS = 1200


def torch_rates(base: float, metrics: list[float], **options: Any) -> list[float]:
    """The rate after each observation, by torch itself."""
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=base)
    scheduler = plateau_module.ReduceLROnPlateau(optimizer, **options)
    rates = [base]
    for metric in metrics:
        scheduler.step(metric)
        rates.append(optimizer.param_groups[0]["lr"])
    return rates


def settings(random: np.random.Generator) -> tuple[float, dict[str, Any], list[float]]:
    """A base, arguments of torch's class, and a series that meets thresholds, ties, plateaus and odd numbers."""
    options = {
        "mode": str(random.choice(["min", "max"])),
        "factor": float(random.choice([0.1, 0.3, 0.5, 0.9])),
        "patience": int(random.integers(0, 5)),
        "threshold": float(random.choice([0.0, 1e-4, 0.01, 0.1])),
        "threshold_mode": str(random.choice(["rel", "abs"])),
        "cooldown": int(random.integers(0, 4)),
        "min_lr": float(random.choice([0.0, 0.003])),
        "eps": float(random.choice([0.0, 1e-8, 0.0007])),
    }
    n = int(random.integers(1, 60))
    series = np.abs(np.cumsum(random.normal(scale=0.1, size=n)) + 1.0)
    if random.random() < 0.5:
        series = np.round(series, 1)
    if options["threshold_mode"] == "abs" and random.random() < 0.5:
        series -= 1.0
    worst = math.inf if options["mode"] == "min" else -math.inf
    series[random.random(n) < 0.05] = math.nan
    series[random.random(n) < 0.05] = worst
    return float(random.choice([0.1, 1.0, 0.37])), options, series.tolist()


def ours(options: dict[str, Any]) -> Any:
    named = dict(options)
    minimum, least = cd.absolute(named.pop("min_lr")), named.pop("eps")
    return cd.constant() * cd.plateau("metric", minimum=minimum, least_change=least, nan="bad", **named)


@pytest.mark.parametrize("part", range(3))
def test_replay_gives_torch_s_rates(part: int) -> None:
    random = np.random.default_rng(part)
    cuts = 0
    for _ in range(SETTINGS // 3):
        base, options, series = settings(random)
        seen = cd.replay(ours(options), series, base=base)
        np.testing.assert_allclose(
            seen.values, torch_rates(base, series, **options), rtol=1e-12, err_msg=f"{options} {series}"
        )
        cuts += len(seen.cuts)
    assert cuts > SETTINGS  # else the series would test nothing


def test_the_scheduler_gives_torch_s_rates_and_shows_torch_s_attributes() -> None:
    random = np.random.default_rng(7)
    for _ in range(150):
        base, options, series = settings(random)
        parameter = torch.zeros(1, requires_grad=True)
        optimizer, other = (torch.optim.SGD([parameter], lr=base) for _ in range(2))
        mine = cd.torch_scheduler(optimizer, ours(options))
        theirs = plateau_module.ReduceLROnPlateau(other, **options)
        for metric in series:
            optimizer.step()
            other.step()
            mine.step(metric)
            theirs.step(metric)
            assert mine.get_last_lr() == pytest.approx(theirs.get_last_lr(), rel=1e-12), options
            for name in ("best", "num_bad_epochs", "cooldown_counter", "in_cooldown"):
                assert getattr(mine, name) == getattr(theirs, name), (name, options, series)
        for name in (
            "factor",
            "patience",
            "threshold",
            "threshold_mode",
            "mode",
            "mode_worse",
            "cooldown",
            "eps",
            "min_lrs",
        ):
            assert getattr(mine, name) == getattr(theirs, name), name


def test_the_defaults_are_torch_s() -> None:
    metrics = [1.0] * 40
    seen = cd.replay("constant() * plateau('val_loss')", metrics, base=0.1)
    np.testing.assert_allclose(seen.values, torch_rates(0.1, metrics), rtol=1e-12)
    # Torch's eps of 1e-8, below which it does not cut, is not ours: a rate may fall as far as it likes.
    long = [1.0] * 120
    assert torch_rates(0.1, long)[-1] == pytest.approx(1e-8)
    assert cd.replay("constant() * plateau('val_loss')", long, base=0.1).values[-1] == pytest.approx(1e-11)


def test_the_named_difference_a_negative_metric_with_a_relative_threshold() -> None:
    # Torch's bound lies above a negative best: the same number again counts as an improvement, and nothing is ever cut.
    flat = [-1.0] * 20
    assert torch_rates(0.1, flat, patience=2)[-1] == 0.1
    assert cd.replay("constant() * plateau('val_loss', patience=2)", flat, base=0.1).values[-1] == pytest.approx(1e-7)
    assert cd.replay("constant() * plateau('val_loss', patience=2)", [1.0] * 20, base=0.1).values[-1] == pytest.approx(
        1e-7
    )


def test_the_named_difference_an_infinite_improvement() -> None:
    # One -inf is torch's best for ever, and it cuts on and on while the loss falls.
    series = [5.0, -math.inf, 4.0, 3.0, 2.0, 1.0]
    assert torch_rates(0.1, series, patience=1)[-1] == pytest.approx(0.001)
    assert cd.replay("constant() * plateau('val_loss', patience=1)", series, base=0.1).values[-1] == 0.1
