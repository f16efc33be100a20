"""One sentence with the value and the remedy, before anything is touched."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import cadence as cd
from cadence._errors import CadenceError, DriverError, HorizonError, SpecError, UnknownNameError

torch = pytest.importorskip("torch")


def sgd(**options: Any) -> Any:
    return torch.optim.SGD([torch.ones(2, requires_grad=True)], lr=0.1, **options)


@pytest.mark.parametrize(
    ("optimizer", "told"),
    [
        (lambda: None, "drive takes a torch or paddle optimizer .or a list of them., not None"),
        (lambda: 0.1, "not a float"),
        (lambda: "sgd", "not a str"),
        (lambda: torch.nn.Linear(2, 1), "not a Linear"),
        (lambda: torch.optim.SGD, r"not the class SGD; make one: SGD\(model.parameters\(\), lr=0.1\)"),
        (lambda: torch.optim.lr_scheduler.StepLR(sgd(), 3), "not a StepLR"),
        (lambda: [], "empty list of optimizers; give it at least one"),
        (lambda: [sgd(), None], "not None"),
        (lambda: {"a": sgd()}, "not a dict"),
    ],
)
def test_what_is_no_optimizer_is_refused(optimizer: Any, told: str) -> None:
    with pytest.raises(DriverError, match=told) as caught:
        cd.drive(optimizer(), "cosine()", total=10)
    assert isinstance(caught.value, TypeError)


def test_one_optimizer_twice_is_refused() -> None:
    optimizer = sgd()
    with pytest.raises(DriverError, match="the list has the same SGD twice"):
        cd.drive([optimizer, sgd(), optimizer], "cosine()", total=10)


@pytest.mark.parametrize(
    ("schedule", "run", "error", "told"),
    [
        ("cosine()", {"total": 0}, HorizonError, "total=0 is 0 updates; a run has at least 1"),
        ("cosine()", {"total": -5}, SpecError, "total of -5 is negative"),
        ("cosine()", {"total": "10 epoch s"}, SpecError, "total cannot be read from '10 epoch s'"),
        ("cosine()", {"total": "10 epochs"}, HorizonError, "steps_per_epoch=len"),
        ("cosine()", {"total": 10.5}, SpecError, "total of 10.5 is not a whole number"),
        ("cosine()", {}, HorizonError, "total="),
        ("cosine()", {"total": 10, "steps_per_epoch": 0}, HorizonError, "steps_per_epoch is 0"),
        (
            "warmup(500) >> cosine()",
            {"total": 100},
            HorizonError,
            "a warmup of 500 updates does not fit in a run of 100",
        ),
        ("warmup('5 epochs') >> cosine()", {"total": 100}, HorizonError, "steps_per_epoch"),
        ("cosin()", {"total": 10}, UnknownNameError, "did you mean 'cosine'"),
        ("cosine(", {"total": 10}, CadenceError, "cosine"),
        (lambda t: 1.0, {"total": 10}, SpecError, "made with cadence's constructors or written as text"),
        ({}, {"total": 10}, SpecError, "a plan maps values to schedules"),
        ({"lr": 3.0, "lrr": 1}, {"total": 10}, UnknownNameError, "the optimizer has no value 'lrr'; did you mean 'lr'"),
        ({"beta1": "constant()"}, {"total": 10}, UnknownNameError, "no value 'beta1'; known are: .*lr.*momentum"),
        ({"head.*/lr": "constant()"}, {"total": 10}, SpecError, "matches no parameter group; there are '0'"),
        ("formula('-1')", {"total": 10}, SpecError, "a value is finite and at least 0"),
        ("plateau('val_loss')", {"total": 10}, SpecError, "a rule stands in a product"),
    ],
)
def test_a_schedule_that_cannot_be_driven_is_refused_and_the_optimizer_left_alone(
    schedule: Any, run: Any, error: Any, told: str
) -> None:
    optimizer = sgd()
    before = {k: v for k, v in optimizer.param_groups[0].items() if k != "params"}
    with pytest.raises(error, match=told):
        cd.drive(optimizer, schedule, **run)
    assert {k: v for k, v in optimizer.param_groups[0].items() if k != "params"} == before
    assert not optimizer._optimizer_step_pre_hooks
    assert not optimizer._optimizer_step_post_hooks


@pytest.mark.parametrize(
    ("base", "told"),
    [
        (float("nan"), "the base of lr must be finite, and is nan"),
        (float("inf"), "must be finite"),
        (-0.1, "the base of lr is -0.1; it must be at least 0"),
        ("fast", "the base of lr is a number, not 'fast'"),
        ([0.1, 0.2], "base has 2 numbers for 'lr', and the optimizer has 1 parameter groups; write one for each"),
        ([], "base has 0 numbers for 'lr'"),
        (np.array([0.1, 0.2]), "base has 2 numbers"),
        ({"lrr": 0.1}, "base says something of 'lrr', which the plan does not govern; did you mean 'lr'"),
        ({"weight_decay": 0.1}, "base says something of 'weight_decay', which the plan does not govern"),
        ({"lr": [0.1, 0.2]}, "base has 2 numbers"),
    ],
)
def test_a_base_that_means_nothing_is_refused(base: Any, told: str) -> None:
    with pytest.raises(SpecError, match=told):
        cd.drive(sgd(), "cosine()", total=10, base=base)


def test_a_bare_base_is_of_the_rate_and_a_plan_without_one_refuses_it() -> None:
    with pytest.raises(UnknownNameError, match="base says something of 'lr', which the plan does not govern"):
        cd.drive(sgd(momentum=0.9), {"momentum": "constant()"}, base=0.5)
    driver = cd.drive(sgd(momentum=0.9), {"momentum": "constant()", "lr": "constant()"}, base=0.5)
    assert driver.curve.bases == {"momentum": (0.9,), "lr": (0.5,)}


def test_two_groups_of_one_name_are_refused() -> None:
    a, b = (torch.ones(2, requires_grad=True) for _ in range(2))
    optimizer = torch.optim.SGD([{"params": [a], "name": "x"}, {"params": [b], "name": "x"}], lr=0.1)
    with pytest.raises(SpecError, match="two parameter groups are called 'x'"):
        cd.drive(optimizer, "cosine()", total=10)


def test_a_value_that_no_group_of_the_pattern_has_is_refused() -> None:
    a, b = (torch.ones(2, requires_grad=True) for _ in range(2))
    first = torch.optim.SGD([{"params": [a], "name": "plain"}], lr=0.1)
    second = torch.optim.AdamW([{"params": [b], "name": "adaptive"}], lr=0.1)
    with pytest.raises(SpecError, match="governs 'beta1', and no parameter group that 'plain' matches has it"):
        cd.drive([first, second], {"plain/beta1": "constant()"})
    driver = cd.drive([first, second], {"beta1": "constant()"})
    assert driver.values == {"beta1": [None, 0.9]}
