"""Nobody is kept alive, and a copy of an optimizer is its own."""

from __future__ import annotations

import copy
import gc
import pickle
import weakref
from collections.abc import Iterator
from typing import Any

import pytest

import cadence as cd

torch = pytest.importorskip("torch")

FEEDBACK = "constant() * plateau('val_loss', patience=0)"


@pytest.fixture
def without_collector() -> Iterator[None]:
    """Reference counts alone: what this frees does not wait for the collector with gigabytes in its hands."""
    trained()  # torch's first imports keep the frames they were called from
    gc.collect()
    gc.disable()
    yield
    gc.enable()


def trained(schedule: str = FEEDBACK) -> tuple[Any, Any]:
    optimizer = torch.optim.SGD([torch.ones(3, requires_grad=True)], lr=0.1, momentum=0.9)
    driver = cd.drive(optimizer, schedule)
    for _ in range(3):
        optimizer.param_groups[0]["params"][0].sum().backward()
        optimizer.step()
        driver.step()
    driver.observe({"val_loss": 1.0})
    driver.hold(2)
    optimizer.load_state_dict(optimizer.state_dict())
    return optimizer, driver


@pytest.mark.usefixtures("without_collector")
def test_a_driver_goes_when_nobody_holds_it_and_the_optimizer_trains_on() -> None:
    optimizer, driver = trained()
    gone = [weakref.ref(driver), weakref.ref(driver._writer)]
    del driver
    assert [ref() for ref in gone] == [None, None]
    rate = optimizer.param_groups[0]["lr"]
    optimizer.step()
    optimizer.add_param_group({"params": [torch.ones(2, requires_grad=True)]})
    optimizer.step()
    optimizer.load_state_dict(optimizer.state_dict())
    assert optimizer.param_groups[0]["lr"] == rate


@pytest.mark.usefixtures("without_collector")
def test_an_optimizer_and_its_weights_go_with_the_driver() -> None:
    optimizer, driver = trained()
    gone = [weakref.ref(optimizer), weakref.ref(optimizer.param_groups[0]["params"][0])]
    del optimizer
    assert gone[0]() is not None
    del driver
    assert [ref() for ref in gone] == [None, None]


@pytest.mark.usefixtures("without_collector")
def test_a_scheduler_with_feedback_keeps_nobody_either() -> None:
    optimizer = torch.optim.SGD([torch.ones(3, requires_grad=True)], lr=0.1)
    scheduler = cd.torch_scheduler(optimizer, FEEDBACK)
    optimizer.step()
    gone = [weakref.ref(scheduler), weakref.ref(scheduler.driver)]
    del scheduler
    assert [ref() for ref in gone] == [None, None]
    optimizer.step()
    ref = weakref.ref(optimizer)
    del optimizer
    assert ref() is None


def test_schedulers_and_optimizers_are_collected() -> None:
    # Torch's own scheduler and its optimizer hold each other; the collector frees them.
    optimizer = torch.optim.SGD([torch.ones(3, requires_grad=True)], lr=0.1)
    scheduler = cd.torch_scheduler(optimizer, "cosine()", total=10)
    gone = [weakref.ref(scheduler), weakref.ref(optimizer)]
    del scheduler, optimizer
    gc.collect()
    assert [ref() for ref in gone] == [None, None]


@pytest.mark.parametrize("way", ["deepcopy", "pickle"])
def test_a_copy_of_an_optimizer_does_not_tick_the_driver_s_clock(way: str) -> None:
    optimizer, driver = trained()
    copied = copy.deepcopy(optimizer) if way == "deepcopy" else pickle.loads(pickle.dumps(optimizer))  # noqa: S301
    t, rate = driver.t, optimizer.param_groups[0]["lr"]
    for _ in range(3):
        copied.param_groups[0]["params"][0].grad = torch.ones(3)
        copied.step()
        driver.step()
    assert driver.t == t
    copied.param_groups[0]["lr"] = 0.7
    assert optimizer.param_groups[0]["lr"] == rate
    optimizer.step()
    driver.step()
    assert driver.t == t + 1
    # And the copy can be driven by a driver of its own, from the base that it remembers.
    other = cd.drive(copied, "linear()", total=10)
    copied.step()
    other.step()
    assert (other.t, other.values, driver.t) == (1, {"lr": [0.1 * 0.9]}, t + 1)


def test_a_copy_of_the_model_does_not_tell_of_its_gradients() -> None:
    model = torch.nn.Linear(2, 1)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    driver = cd.drive(optimizer, "linear()", total=10)
    copied = copy.deepcopy(model)
    copied(torch.ones(1, 2)).sum().backward()
    driver.step()
    assert driver.t == 1  # nobody trains the driven one


def test_two_drivers_of_one_optimizer_govern_a_value_each() -> None:
    optimizer = torch.optim.AdamW([torch.ones(3, requires_grad=True)], lr=0.1, weight_decay=0.5)
    one = cd.drive(optimizer, "linear()", total=10)
    two = cd.drive(optimizer, {"weight_decay": "linear(to=0.5)"}, total=10)
    for _ in range(4):
        optimizer.step()
        one.step()
        two.step()
    optimizer.load_state_dict(optimizer.state_dict())
    assert (optimizer.param_groups[0]["lr"], optimizer.param_groups[0]["weight_decay"]) == pytest.approx((0.06, 0.4))
    assert (one.t, two.t) == (4, 4)


def test_accelerate_s_wrapper_is_seen_through() -> None:
    accelerate = pytest.importorskip("accelerate")
    p = torch.ones(3, requires_grad=True)
    inner = torch.optim.SGD([p], lr=0.1)
    wrapped = accelerate.Accelerator(cpu=True).prepare(inner)
    assert wrapped is not inner
    driver = cd.drive(wrapped, "linear()", total=10)
    for _ in range(3):
        p.sum().backward()
        wrapped.step()
        wrapped.zero_grad()
        driver.step()
    assert (driver.t, inner.param_groups[0]["lr"]) == (3, driver.curve.at(3))
    wrapped.load_state_dict(inner.state_dict())
    inner.add_param_group({"params": [torch.ones(2, requires_grad=True)], "lr": 0.5})
    wrapped.step()
    driver.step()
    assert [group["lr"] for group in inner.param_groups] == pytest.approx([0.06, 0.3])
