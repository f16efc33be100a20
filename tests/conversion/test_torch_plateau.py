"""ReduceLROnPlateau, read as a rule, cuts when and as torch does: negative, infinite and missing metrics included."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import pytest

import cadence as cd
from cadence._errors import CadenceError
from cadence.curve.horizon import horizon
from cadence.feedback.rules import judge, new_state

torch = pytest.importorskip("torch")


def torch_rates(bases: tuple[float, ...], metrics: list[float], options: dict[str, Any]) -> np.ndarray[Any, Any]:
    """The rates of all groups after each observation."""
    groups = [{"params": [torch.zeros(1)], "lr": base} for base in bases]
    optimizer = torch.optim.SGD(groups, lr=1.0)
    scheduler = torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer, **options)
    rates = [[group["lr"] for group in optimizer.param_groups]]
    for metric in metrics:
        scheduler.step(metric)
        rates.append([group["lr"] for group in optimizer.param_groups])
    return np.array(rates).T


def settings(random: np.random.Generator) -> tuple[tuple[float, ...], dict[str, Any], list[float]]:
    """Bases, arguments of torch's class, and a series that meets thresholds, ties and odd numbers of either sign."""
    bases = [(0.1,), (0.1, 0.37), (1.0,)][random.integers(3)]
    options: dict[str, Any] = {
        "mode": str(random.choice(["min", "max"])), "factor": float(random.choice([0.1, 0.3, 0.5, 0.9, 0.0, -0.5])),
        "patience": float(random.choice([0, 1, 2, 4, 1.5])), "threshold": float(random.choice([0.0, 1e-4, 0.1, 1.0, 1.5])),
        "threshold_mode": str(random.choice(["rel", "abs"])), "cooldown": float(random.choice([0, 0, 1, 3, 1.5, -1])),
        "min_lr": float(random.choice([0.0, 0.003, -0.1, 0.2])), "eps": float(random.choice([0.0, 1e-8, 0.0007])),
    }  # fmt: skip
    if len(bases) == 2 and random.random() < 0.5:
        options["min_lr"] = [0.001, 0.1]
    elif options["factor"] < 0:
        # A cut to the minimum: with none, torch's would lead below 0.
        options["min_lr"] = abs(options["min_lr"])
    n = int(random.integers(1, 60))
    series = np.cumsum(random.normal(scale=0.1, size=n)) + float(random.choice([1.0, 0.0, -1.0]))
    if random.random() < 0.5:
        series = np.round(series, 1)
    for odd in (math.nan, math.inf, -math.inf):
        series[random.random(n) < 0.03] = odd
    return bases, options, series.tolist()


@pytest.mark.parametrize("part", range(3))
def test_replay_gives_torch_s_own_rates(part: int) -> None:
    random = np.random.default_rng(part)
    cuts = 0
    for _ in range(200):
        bases, options, series = settings(random)
        schedule = cd.from_native("torch", "ReduceLROnPlateau", options, base=list(bases))
        theirs = torch_rates(bases, series, options)
        seen = cd.replay(schedule, series, base=list(bases))
        for g in range(len(bases)):
            ours = seen.curve.at(np.arange(len(series) + 1), group=g)
            np.testing.assert_allclose(ours, theirs[g], rtol=1e-9, atol=1e-12, err_msg=f"{options} {series}")
        cuts += len(seen.cuts)
    assert cuts > 300


def test_it_is_a_rule_on_a_constant_rate() -> None:
    assert repr(cd.from_native("torch", "ReduceLROnPlateau", {"patience": 3, "min_lr": 1e-5}, base=0.1)) == (
        "constant() * plateau('metric', patience=3, threshold_mode='signed', minimum=absolute(1e-05), mode='min', "
        "nan='bad', least_change=1e-08, infinite='best')"
    )


def test_minima_of_groups_make_a_plan() -> None:
    made = cd.from_native("torch", "ReduceLROnPlateau", {"min_lr": [0.01, 0.02]}, base=[0.1, 0.2])
    assert "'0/lr'" in repr(made)
    assert "minimum=absolute(0.02)" in repr(made)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"factor": 1.0}, "factor is 1; torch wants less than 1"),
        ({"factor": 1.5}, "factor is 1.5"),
        ({"mode": "least"}, "mode is 'min' or 'max'"),
        ({"threshold_mode": "relative"}, "threshold_mode is 'rel' or 'abs'"),
        ({"min_lr": [0.1, 0.2, 0.3]}, "min_lr of ReduceLROnPlateau has 3 values where there are 2"),
    ],
)
def test_what_torch_refuses_is_refused(options: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ValueError):
        torch_rates((0.1, 0.1), [1.0], options)
    with pytest.raises(CadenceError, match=sentence):
        cd.from_native("torch", "ReduceLROnPlateau", options, base=[0.1, 0.1])


def test_it_comes_back_as_torch_s_own() -> None:
    random = np.random.default_rng(9)
    for _ in range(40):
        bases, options, series = settings(random)
        options["factor"] = abs(options["factor"]) or 0.2
        schedule = cd.from_native("torch", "ReduceLROnPlateau", options, base=list(bases))
        groups = [{"params": [torch.zeros(1)], "lr": base} for base in bases]
        optimizer = torch.optim.SGD(groups, lr=1.0)
        scheduler = cd.to_native(schedule, "torch", optimizer)
        assert type(scheduler) is torch.optim.lr_scheduler.ReduceLROnPlateau
        for metric, theirs in zip(series, torch_rates(bases, series, options).T[1:], strict=True):
            scheduler.step(metric)
            assert [group["lr"] for group in optimizer.param_groups] == pytest.approx(theirs.tolist(), rel=1e-12)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("warmup(5) >> constant() * plateau('val_loss')", "lets it stand in no sequence"),
        ("constant() * plateau('val_loss', patience='3 epochs')", "counts evaluations alone"),
        ("constant() * plateau('val_loss', significance=0.05)", "tests no trend"),
        ("constant() * plateau('val_loss', nan='ignore')", "takes a metric that is not a number for a bad one"),
        ("constant() * early_stop('val_loss')", "stops no run"),
    ],
)
def test_what_torch_s_rule_cannot_do_is_said_with_what_to_use_instead(text: str, sentence: str) -> None:
    with pytest.raises(CadenceError, match=f"(?s){sentence}.*torch_scheduler"):
        cd.to_code(text, "torch", total="30 epochs", steps_per_epoch=2)


def test_an_infinite_best_is_kept_as_plain_data() -> None:
    rule = cd.plateau("loss", patience=1, infinite="best")
    state, decision = judge(rule, 0, new_state(), -math.inf, 1, horizon())  # type: ignore[arg-type]
    assert decision.kind == "keep"
    kept = json.loads(json.dumps(state, allow_nan=False))
    for t, expected in ((2, "keep"), (3, "cut")):
        kept, decision = judge(rule, 0, kept, -1e300, t, horizon())  # type: ignore[arg-type]
        assert decision.kind == expected
    assert "the best, -inf" in decision.sentence


def test_a_threshold_with_the_sign_of_the_best_takes_the_same_negative_number_for_an_improvement() -> None:
    flat = [-1.0] * 9
    assert len(cd.replay("constant() * plateau('loss', patience=2)", flat).cuts) == 2
    assert not cd.replay("constant() * plateau('loss', patience=2, threshold_mode='signed')", flat).cuts
