"""`torch_scheduler` with feedback: a `ReduceLROnPlateau` that programs step after an evaluation, and only then."""

from __future__ import annotations

import copy
import json
import math
from typing import Any

import numpy as np
import pytest

import cadence as cd
from cadence._errors import DriverError, FeedbackError, StateError

torch = pytest.importorskip("torch")
lr_scheduler = pytest.importorskip("torch.optim.lr_scheduler")

SPEC = "warmup(6) >> constant() * plateau('val_loss', factor=0.5, patience=1)"
LOSSES = [9.0, 9.0, 9.0, 1.0, 1.0, 1.0, 1.0, 1.0]


def optimizer_of(lr: float = 0.1) -> Any:
    groups = [{"params": [torch.ones(2, requires_grad=True)], "lr": lr / (i + 1)} for i in range(2)]
    return torch.optim.SGD(groups, lr=lr, momentum=0.9)


def epoch(optimizer: Any, updates: int = 2) -> list[list[float]]:
    """Updates as a trainer does them, which does not step such a scheduler in between."""
    rows = []
    for _ in range(updates):
        for group in optimizer.param_groups:
            group["params"][0].grad = torch.ones(2)
        rows.append([group["lr"] for group in optimizer.param_groups])
        optimizer.step()
    return rows


def test_a_trainer_that_steps_after_evaluations_only_gets_the_whole_schedule() -> None:
    optimizer = optimizer_of()
    scheduler = cd.torch_scheduler(optimizer, SPEC)
    # As Lightning and Hugging Face decide whether to step it after an evaluation, and with what.
    assert isinstance(scheduler, lr_scheduler.ReduceLROnPlateau)
    rows = []
    for loss in LOSSES:
        rows += epoch(optimizer)
        scheduler.step(loss)
        assert scheduler.get_last_lr() == [group["lr"] for group in optimizer.param_groups]
    factors = [0.01 + 0.99 * t / 6 for t in range(6)] + [1.0] * 6 + [0.5] * 4
    np.testing.assert_allclose(rows, np.outer(factors, [0.1, 0.05]), rtol=1e-14)
    assert (scheduler.last_epoch, scheduler.driver.t) == (16, 16)
    assert [(e["t"], e["kind"]) for e in scheduler.driver.journal if e["kind"] == "cut"] == [(12, "cut"), (16, "cut")]


def test_a_step_without_a_metric_is_nothing() -> None:
    # Some programs step everything after every update, and plateaus once more with the metric.
    optimizer = optimizer_of()
    scheduler = cd.torch_scheduler(optimizer, SPEC)
    epoch(optimizer, 3)
    for _ in range(3):
        assert scheduler.step() is None
    assert scheduler.last_epoch == 3


def test_metrics_are_numbers_tensors_or_named() -> None:
    for metric in (1.0, np.float64(1.0), torch.tensor(1.0), {"val_loss": 1.0, "other": 2.0}):
        optimizer = optimizer_of()
        scheduler = cd.torch_scheduler(optimizer, "constant() * plateau('val_loss', patience=0)")
        scheduler.step(metric)
        scheduler.step(metrics=metric)
        assert scheduler.get_last_lr() == pytest.approx([0.01, 0.005])


def test_with_two_metrics_a_bare_number_says_nothing() -> None:
    both = "constant() * plateau('val_loss') * early_stop('val_accuracy')"
    scheduler = cd.torch_scheduler(optimizer_of(), both)
    with pytest.raises(
        DriverError, match=r"watches val_loss, val_accuracy; report them by name: step\(\{'val_loss': \.\.\."
    ):
        scheduler.step(1.0)
    scheduler.step({"val_loss": 1.0, "val_accuracy": 0.5})


@pytest.mark.parametrize(
    ("act", "error", "told"),
    [
        (lambda s: s.step(1.0, epoch=3), DriverError, "cannot move a schedule with feedback"),
        (lambda s: s.step(float("nan")), FeedbackError, "val_loss is not a number"),
        (lambda s: s.step("low"), FeedbackError, "the metric 'val_loss' is 'low'"),
        (lambda s: s.load_state_dict({}), StateError, "no state of a driver"),
    ],
)
def test_what_cannot_be_done_is_said(act: Any, error: Any, told: str) -> None:
    optimizer = optimizer_of()
    scheduler = cd.torch_scheduler(optimizer, "constant() * plateau('val_loss')")
    with pytest.raises(error, match=told):
        act(scheduler)
    assert scheduler.num_bad_epochs == 0


def test_a_last_epoch_is_refused() -> None:
    with pytest.raises(DriverError, match=r"cannot begin at last_epoch=3.*load its state"):
        cd.torch_scheduler(optimizer_of(), SPEC, last_epoch=3)


def test_a_tool_that_reports_once_per_process_is_corrected() -> None:
    def rates(calls: int) -> list[float]:
        optimizer = optimizer_of()
        scheduler = cd.torch_scheduler(optimizer, SPEC, steps_per_update=calls)
        rows = []
        for loss in LOSSES:
            rows += epoch(optimizer)
            for _ in range(calls):
                scheduler.step(loss)
        return [row[0] for row in rows]

    assert rates(4) == rates(1)


@pytest.mark.parametrize("order", ["scheduler", "scheduler, optimizer", "optimizer, scheduler"])
@pytest.mark.parametrize("stop", [1, 5, 7])
def test_a_resumed_run_is_the_undisturbed_one(order: str, stop: int) -> None:
    def go_on(optimizer: Any, scheduler: Any, losses: list[float]) -> list[list[float]]:
        rows = []
        for loss in losses:
            rows += epoch(optimizer)
            scheduler.step(loss)
        return rows

    optimizer = optimizer_of()
    scheduler = cd.torch_scheduler(optimizer, SPEC)
    undisturbed = go_on(optimizer, scheduler, LOSSES)
    optimizer = optimizer_of()
    scheduler = cd.torch_scheduler(optimizer, SPEC)
    before = go_on(optimizer, scheduler, LOSSES[:stop])
    saved = json.loads(json.dumps(scheduler.state_dict(), allow_nan=False))
    weights = copy.deepcopy(optimizer.state_dict())
    optimizer = optimizer_of(0.7)
    scheduler = cd.torch_scheduler(optimizer, SPEC)
    for what in order.split(", "):
        scheduler.load_state_dict(saved) if what == "scheduler" else optimizer.load_state_dict(weights)
    assert [*before, *go_on(optimizer, scheduler, LOSSES[stop:])] == undisturbed


# ---- what programs look at -------------------------------------------------------------------------------------------


def test_what_programs_look_at_that_know_torch_s_own() -> None:
    optimizer = optimizer_of()
    spec = "constant() * plateau('val_accuracy', factor=0.3, patience=2, cooldown=4, threshold=0.01, minimum=0.2)"
    scheduler = cd.torch_scheduler(optimizer, spec)
    torch_s = lr_scheduler.ReduceLROnPlateau(
        optimizer_of(), mode="max", factor=0.3, patience=2, cooldown=4, threshold=0.01, min_lr=[0.02, 0.01], eps=0.0
    )
    names = ("mode", "factor", "patience", "cooldown", "threshold", "threshold_mode", "eps", "mode_worse", "best")
    assert {n: getattr(scheduler, n) for n in names} == {n: getattr(torch_s, n) for n in names}
    assert scheduler.best == -math.inf
    assert scheduler.min_lrs == pytest.approx(torch_s.min_lrs)
    for _ in range(5):
        scheduler.step(0.5)
    assert (scheduler.best, scheduler.num_bad_epochs, scheduler.cooldown_counter, scheduler.in_cooldown) == (
        0.5,
        0,
        3,
        True,
    )
    assert scheduler.get_last_lr() == pytest.approx([0.03, 0.015])


def test_what_has_no_number_of_observations_is_not_made_up() -> None:
    scheduler = cd.torch_scheduler(
        optimizer_of(), "constant() * plateau('val_loss', patience='3 epochs')", steps_per_epoch=10
    )
    assert not hasattr(scheduler, "patience")
    with pytest.raises(AttributeError, match="the patience is 3 epochs, and no number of observations"):
        _ = scheduler.patience
    stopping = cd.torch_scheduler(optimizer_of(), "constant() * early_stop('val_loss')")
    assert not hasattr(stopping, "factor")
    assert not hasattr(stopping, "best")


def test_an_absolute_minimum_is_the_same_for_all_groups() -> None:
    scheduler = cd.torch_scheduler(optimizer_of(), "constant() * plateau('val_loss', minimum=absolute(0.01))")
    assert scheduler.min_lrs == [0.01, 0.01]


def test_groups_that_are_added_are_followed() -> None:
    optimizer = optimizer_of()
    scheduler = cd.torch_scheduler(optimizer, "constant() * plateau('val_loss', factor=0.5, patience=0)")
    scheduler.step(1.0)
    optimizer.add_param_group({"params": [torch.ones(2, requires_grad=True)], "lr": 0.8})
    epoch(optimizer, 1)
    scheduler.step(1.0)
    assert scheduler.get_last_lr() == [0.05, 0.025, 0.4]


def test_several_plateaus_are_governed_together_with_one_optimizer_s_updates() -> None:
    # Two schedulers on one optimizer, of a value each.
    optimizer = torch.optim.AdamW([torch.ones(2, requires_grad=True)], lr=0.1, weight_decay=0.5)
    rate = cd.torch_scheduler(optimizer, "constant() * plateau('val_loss', factor=0.5, patience=0)")
    decay = cd.torch_scheduler(optimizer, {"weight_decay": "constant() * plateau('val_loss', factor=0.1, patience=0)"})
    for _ in range(3):
        epoch(optimizer, 1)
        rate.step(1.0)
        decay.step(1.0)
    assert (rate.last_epoch, decay.last_epoch) == (3, 3)
    assert (optimizer.param_groups[0]["lr"], optimizer.param_groups[0]["weight_decay"]) == pytest.approx((0.025, 0.005))


def test_early_stop_is_read_from_the_driver_inside() -> None:
    scheduler = cd.torch_scheduler(optimizer_of(), "constant() * early_stop('val_loss', patience=0)")
    scheduler.step(1.0)
    assert not scheduler.driver.should_stop
    scheduler.step(1.0)
    assert scheduler.driver.should_stop
