"""Changes by hand: journaled, without a jump but the one that is asked for, and they survive a save in the middle."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import cadence as cd
from cadence._errors import DriverError, HorizonError, SpecError, UnknownNameError

torch = pytest.importorskip("torch")

TOTAL = 40


def make(schedule: Any = "linear(to=0.1)", lr: float = 0.1, **options: Any) -> tuple[Any, Any]:
    a, b = (torch.ones(3, requires_grad=True) for _ in range(2))
    groups = [{"params": [a], "name": "body"}, {"params": [b], "lr": lr / 5, "name": "head"}]
    optimizer = torch.optim.AdamW(groups, lr=lr, weight_decay=0.01)
    return optimizer, cd.drive(optimizer, schedule, total=TOTAL, **options)


def plain(start: int = 0, stop: int = TOTAL) -> Any:
    """The factors of the plan without any change."""
    return cd.place("linear(to=0.1)", total=TOTAL).values(start, stop)


# ---- set -------------------------------------------------------------------------------------------------------------


def test_set_goes_on_from_the_number_and_keeps_the_ratios(used: Any) -> None:
    optimizer, driver = make()
    used(optimizer, driver, 10)
    assert driver.set(lr=0.05) is None
    assert optimizer.param_groups[0]["lr"] == pytest.approx(0.05, rel=1e-15)
    rows = np.array(used(optimizer, driver, 30))
    factor = 0.05 / (0.1 * plain(10, 11)[0])
    np.testing.assert_allclose(rows, np.outer(plain(10), [0.1, 0.02]) * factor, rtol=1e-14)
    entry = driver.journal[0]
    assert (entry["t"], entry["kind"]) == (10, "set")
    assert entry["sentence"] == "Set by hand: lr = 0.05."


@pytest.mark.parametrize("group", ["head", 1])
def test_set_of_one_group_leaves_the_others(group: Any, used: Any) -> None:
    optimizer, driver = make()
    used(optimizer, driver, 10)
    driver.set(group, lr=0.5)
    rows = np.array(used(optimizer, driver, 10))
    np.testing.assert_array_equal(rows[:, 0], 0.1 * plain(10, 20))
    np.testing.assert_allclose(rows[:, 1], 0.5 * plain(10, 20) / plain(10, 11), rtol=1e-14)
    assert driver.journal[0]["sentence"] == f"Set by hand: lr = 0.5 of group {group!r}."


def test_set_of_several_values_at_once(used: Any) -> None:
    optimizer, driver = make({"lr": "linear()", "weight_decay": "constant()"})
    used(optimizer, driver, 10)
    driver.set(lr=0.2, weight_decay=0.5)
    assert driver.values == {"lr": pytest.approx([0.2, 0.04]), "weight_decay": pytest.approx([0.5, 0.5])}


def test_set_between_the_update_and_the_step_is_of_the_next_update(gradients: Any) -> None:
    optimizer, driver = make()
    gradients(optimizer)
    optimizer.step()
    before = optimizer.param_groups[0]["lr"]
    driver.set(lr=0.5)
    assert optimizer.param_groups[0]["lr"] == before
    driver.step()
    assert optimizer.param_groups[0]["lr"] == pytest.approx(0.5)
    assert driver.journal[0]["t"] == 1


@pytest.mark.parametrize(
    ("act", "error", "told"),
    [
        (lambda d: d.set(), SpecError, "set changes nothing; write e.g. driver.set"),
        (lambda d: d.set(momentum=0.5), UnknownNameError, "does not govern 'momentum'; known are: lr"),
        (lambda d: d.set(lr=-1), SpecError, "lr is -1; it must be at least 0"),
        (lambda d: d.set(lr=float("nan")), SpecError, "lr must be finite"),
        (lambda d: d.set(lr="fast"), SpecError, "lr is a number, not 'fast'"),
        (lambda d: d.set(lr=0), SpecError, "lr=0.* would end it for good"),
        (lambda d: d.set("heads", lr=1), UnknownNameError, "no group 'heads' has a governed 'lr'; did you mean 'head'"),
        (lambda d: d.set(7, lr=1), UnknownNameError, "no group 7"),
        (lambda d: d.hold(0), SpecError, "the length of hold is 0 steps, less than one update"),
        (lambda d: d.hold("1 epoch"), HorizonError, "steps_per_epoch"),
        (lambda d: d.release(), DriverError, "nothing is held"),
        (lambda d: d.rewarm(0), SpecError, "the length of rewarm is 0 steps"),
        (lambda d: d.rewarm(5, start=1.5), SpecError, "start of rewarm is 1.5"),
        (lambda d: d.rewarm(5, start=-0.1), SpecError, "start of rewarm is -0.1"),
        (lambda d: d.log(loss=1.0), DriverError, "record='runs/mine'"),
        (lambda d: d.observe(0.31), DriverError, r"observe takes metrics by name.*not 0.31"),
    ],
)
def test_what_cannot_be_done_is_said_and_leaves_no_trace(act: Callable[[Any], Any], error: Any, told: str) -> None:
    _, driver = make()
    before = driver.state_dict()
    with pytest.raises(error, match=told):
        act(driver)
    assert driver.state_dict() == before


def test_a_value_that_stands_at_0_cannot_be_set(used: Any) -> None:
    optimizer, driver = make("linear()")
    used(optimizer, driver, TOTAL)
    with pytest.raises(SpecError, match=r"lr is 0 at update 40 of linear\(\), and no factor makes 0.1 of it"):
        driver.set(lr=0.1)


# ---- hold, release, rewarm -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("until", ["length", "released"])
def test_hold_keeps_every_value_and_then_goes_on_without_a_jump(until: str, used: Any) -> None:
    optimizer, driver = make()
    used(optimizer, driver, 10)
    driver.hold(8 if until == "length" else None)
    held = used(optimizer, driver, 8)
    assert held == [[0.1 * plain(10, 11)[0], 0.02 * plain(10, 11)[0]]] * 8
    if until == "released":
        driver.release()
    rest = np.array(used(optimizer, driver, 22))
    np.testing.assert_allclose(rest, np.outer(plain(18) / plain(18, 19) * plain(10, 11), [0.1, 0.02]), rtol=1e-14)
    np.testing.assert_allclose(rest[0], held[-1], rtol=1e-14)
    kinds = [e["kind"] for e in driver.journal]
    assert kinds == (["hold"] if until == "length" else ["hold", "release"])
    if until == "released":
        with pytest.raises(DriverError, match="nothing is held"):
            driver.release()


def test_rewarm_climbs_back_to_the_plan(used: Any) -> None:
    optimizer, driver = make()
    used(optimizer, driver, 10)
    driver.rewarm(5, start=0.1)
    rows = np.array(used(optimizer, driver, 30))
    line = np.minimum(0.1 + 0.9 * np.arange(30) / 5, 1.0)
    np.testing.assert_allclose(rows, np.outer(plain(10) * line, [0.1, 0.02]), rtol=1e-14)
    assert driver.journal[0]["sentence"] == "Warmed up again by hand over 5 updates, from 0.1 of the plan."


def test_rewarm_leaves_what_is_no_learning_rate(used: Any) -> None:
    optimizer, driver = make({"lr": "constant()", "weight_decay": "constant()"})
    used(optimizer, driver, 10)
    driver.rewarm("5 steps")
    assert driver.values == {"lr": pytest.approx([0.001, 0.0002]), "weight_decay": [0.01, 0.01]}


def test_lengths_may_have_units(used: Any) -> None:
    optimizer, driver = make(steps_per_epoch=4)
    used(optimizer, driver, 10)
    driver.hold("1.5 epochs")
    assert driver.journal[0]["until"] == 16


def everything(optimizer: Any, driver: Any, used: Any, resume: Callable[[Any], tuple[Any, Any]]) -> list[list[float]]:
    """One change after the other, with a chance to stop and go on in the middle of each."""
    rows: list[list[float]] = []
    acts: list[Callable[[Any], Any]] = [
        lambda d: d.set(lr=0.07),
        lambda d: d.hold(6),
        lambda d: d.set("head", lr=0.03),
        lambda d: d.rewarm(6),
        lambda d: d.hold(),
        lambda d: d.release(),
        lambda d: d.set(lr=0.02),
    ]
    for act in acts:
        rows += used(optimizer, driver, 2)
        act(driver)
        rows += used(optimizer, driver, 2)
        optimizer, driver = resume(driver)
    return rows + used(optimizer, driver, 10)


def test_changes_survive_a_save_in_the_middle_of_each(used: Any) -> None:
    def resumed(driver: Any) -> tuple[Any, Any]:
        optimizer, other = make(lr=0.9)
        other.load_state_dict(json.loads(json.dumps(driver.state_dict())))
        return optimizer, other

    optimizer, driver = make()
    undisturbed = everything(optimizer, driver, used, lambda d: (optimizer, d))
    assert everything(*make(), used, resumed) == undisturbed


def test_the_curve_knows_what_was_changed(used: Any) -> None:
    optimizer, driver = make()
    used(optimizer, driver, 10)
    driver.set(lr=0.05)
    driver.hold(5)
    preview = driver.curve.values(10, 40)
    assert [row[0] for row in used(optimizer, driver, 30)] == preview.tolist()


def test_a_set_of_a_group_that_has_parts_keeps_their_ratio_and_leaves_others(params: Any) -> None:
    a, b, c = params(3)
    groups = [{"params": [a], "name": "head:1", "lr": 0.1}, {"params": [b], "name": "head:2", "lr": 0.2}]
    optimizer = torch.optim.SGD([*groups, {"params": [c], "name": "rest"}], lr=1.0)
    driver = cd.drive(optimizer, "constant()", total=10)
    driver.set("head", lr=0.05)
    assert driver.values["lr"] == [0.05, 0.1, 1.0]
    driver.set("head:2", lr=0.4)
    assert driver.values["lr"] == [0.05, pytest.approx(0.4, rel=1e-15), 1.0]
    with pytest.raises(UnknownNameError, match="no group 'haed'"):
        driver.set("haed", lr=0.1)
