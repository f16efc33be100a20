"""Optimizers with two sets of weights: forgotten switching in a user's own loop is an error."""

from __future__ import annotations

import copy
import gc
import weakref
from typing import Any

import pytest

torch = pytest.importorskip("torch")

import cadence as cd  # noqa: E402
from cadence._errors import DriverError  # noqa: E402

NAMES = ("schedule_free_adamw", "schedule_free_sgd", "schedule_free_radam", "schedulefreeadamw", "splus")


@pytest.fixture(params=NAMES)
def optimizer(request: pytest.FixtureRequest) -> Any:
    pytest.importorskip("schedulefree" if "_" in request.param else "pytorch_optimizer")
    return cd.optimizer(request.param, torch.nn.Linear(3, 2), lr=0.1)


def update(optimizer: Any) -> None:
    for p in optimizer.param_groups[0]["params"]:
        p.grad = torch.ones_like(p)
    optimizer.step()


def test_a_loop_that_switches_goes_through(optimizer: Any) -> None:
    driver = cd.drive(optimizer, "constant() * plateau('val_loss', patience=2)")
    driver.observe({"val_loss": 1.0})  # before the first update both sets are one
    for _ in range(4):
        update(optimizer)
        driver.step()
        optimizer.eval()
        driver.observe({"val_loss": 1.0})
        optimizer.train()
    # Reported after going back to training: what was measured in between is right.
    update(optimizer)
    optimizer.eval()
    optimizer.train()
    driver.observe({"val_loss": 1.0})
    assert driver.t == 4


def test_metrics_of_the_weights_in_training_are_refused(optimizer: Any) -> None:
    driver = cd.drive(optimizer, "constant() * plateau('val_loss', patience=2)")
    update(optimizer)
    driver.step()
    with pytest.raises(DriverError, match=r"still in training mode.*call optimizer.eval\(\) before evaluating"):
        driver.observe({"val_loss": 1.0})
    optimizer.eval()
    driver.observe({"val_loss": 1.0})


def test_metrics_of_the_training_itself_are_taken_in_training_mode(optimizer: Any) -> None:
    driver = cd.drive(optimizer, "constant() * plateau('train_loss', patience=1, factor=0.5)")
    for _ in range(4):
        update(optimizer)
        driver.step()
        driver.observe({"train_loss": 1.0})
    assert driver.values["lr"] == [0.05]


def test_a_step_in_evaluation_mode_is_refused_before_it_changes_a_weight(optimizer: Any) -> None:
    cd.drive(optimizer, "constant()")
    update(optimizer)
    optimizer.eval()
    before = [p.detach().clone() for p in optimizer.param_groups[0]["params"]]
    with pytest.raises(DriverError, match=r"in evaluation mode.*call optimizer.train\(\) before going on"):
        update(optimizer)
    for p, kept in zip(optimizer.param_groups[0]["params"], before, strict=True):
        assert torch.equal(p, kept)
    optimizer.train()
    update(optimizer)


def test_a_group_that_was_added_in_another_mode_is_noticed() -> None:
    pytest.importorskip("schedulefree")
    optimizer = cd.optimizer("schedule_free_adamw", torch.nn.Linear(3, 2), lr=0.1)
    cd.drive(optimizer, "constant()")
    update(optimizer)
    # Its groups begin in evaluation mode, and its step looks at the first only.
    optimizer.add_param_group({"params": [torch.nn.Parameter(torch.ones(2))]})
    with pytest.raises(DriverError, match=r"call optimizer.train\(\)"):
        update(optimizer)
    optimizer.train()
    update(optimizer)


def test_two_drivers_watch_one_optimizer(optimizer: Any) -> None:
    one = cd.drive(optimizer, "constant()")
    other = cd.drive(optimizer, "constant()")
    update(optimizer)
    for driver in (one, other):
        with pytest.raises(DriverError, match="still in training mode"):
            driver.observe({"val_loss": 1.0})
    optimizer.eval()
    one.observe({"val_loss": 1.0})
    other.observe({"val_loss": 1.0})


def test_nobody_is_kept_alive_by_the_watch_and_a_copy_is_free_of_it(optimizer: Any) -> None:
    driver = cd.drive(optimizer, "constant()")
    update(optimizer)
    double = copy.deepcopy(optimizer)
    double.eval()
    with pytest.raises(DriverError, match="still in training mode"):
        driver.observe({"val_loss": 1.0})
    gone = weakref.ref(driver)
    del driver
    gc.collect()
    assert gone() is None


def test_an_optimizer_dies_with_its_last_user() -> None:
    pytest.importorskip("schedulefree")
    optimizer = cd.optimizer("schedule_free_adamw", torch.nn.Linear(3, 2), lr=0.1)
    driver = cd.drive(optimizer, "constant()")
    gone = weakref.ref(optimizer)
    gc.disable()
    try:
        del optimizer, driver
        assert gone() is None
    finally:
        gc.enable()


def test_optimizers_without_modes_are_left_alone() -> None:
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.ones(2))], lr=0.1)
    driver = cd.drive(optimizer, "constant()")
    update(optimizer)
    driver.step()
    driver.observe({"val_loss": 1.0})
    assert "eval" not in vars(optimizer)
