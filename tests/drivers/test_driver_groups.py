"""Parameter groups that come late, are replaced, share a tensor, or belong to several optimizers."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest

import cadence as cd

torch = pytest.importorskip("torch")


def test_a_group_that_is_added_is_scheduled_from_its_very_first_update(params: Any, used: Any, gradients: Any) -> None:
    a, b = params(2)
    optimizer = torch.optim.SGD([{"params": [a]}], lr=0.1)
    driver = cd.drive(optimizer, "linear()", total=10)
    used(optimizer, driver, 4)
    optimizer.add_param_group({"params": [b], "lr": 0.02})
    # What the update itself sees: the driver looks before it.
    begin = b.detach().clone()
    gradients(optimizer)
    optimizer.step()
    np.testing.assert_allclose((begin - b.detach()).numpy(), 0.1 * driver.curve.at(4, group=1), rtol=1e-4)
    driver.step()
    rows = used(optimizer, driver, 5)
    factor = cd.place("linear()", total=10).values()
    np.testing.assert_array_equal(np.array(rows), np.outer(factor[5:], [0.1, 0.02]))
    assert optimizer.param_groups[1]["initial_lr"] == 0.02
    assert driver.values["lr"] == [0.0, 0.0]


@pytest.mark.parametrize("group", [None, "0"])
def test_a_group_that_is_added_after_a_cut_and_a_set_for_all_gets_both(
    group: str | None, params: Any, used: Any
) -> None:
    a, b = params(2)
    optimizer = torch.optim.SGD([{"params": [a]}], lr=0.1)
    driver = cd.drive(optimizer, "constant() * plateau('val_loss', factor=0.5, patience=0)")
    driver.observe({"val_loss": 1.0})
    used(optimizer, driver, 1)
    driver.observe({"val_loss": 1.0})
    driver.set(group, lr=0.04)
    optimizer.add_param_group({"params": [b], "lr": 0.01})
    used(optimizer, driver, 1)
    # The cut is the schedule's and holds for all; so does a set for all, and one for a group only for that.
    assert driver.values["lr"] == [0.04, pytest.approx(0.004 if group is None else 0.005, rel=1e-15)]


def test_a_state_from_before_a_group_was_added_is_loaded_into_the_longer_optimizer(params: Any, used: Any) -> None:
    a, b = params(2)
    optimizer = torch.optim.SGD([{"params": [a]}], lr=0.1)
    driver = cd.drive(optimizer, "linear()", total=10)
    used(optimizer, driver, 4)
    state = driver.state_dict()
    both = torch.optim.SGD([{"params": [a]}, {"params": [b], "lr": 0.02}], lr=0.7)
    driver = cd.drive(both, "linear()", total=10)
    driver.load_state_dict(state)
    assert driver.values["lr"] == [driver.curve.at(4), pytest.approx(0.012)]
    assert driver.curve.bases == {"lr": (0.1, 0.02)}


def test_a_group_added_to_the_first_of_two_optimizers_keeps_everyone_s_base_and_history(
    params: Any, gradients: Any
) -> None:
    a, b, c = params(3)
    first, second = torch.optim.SGD([a], lr=0.1), torch.optim.SGD([b], lr=0.001)
    driver = cd.drive([first, second], "linear()", total=10)

    def update() -> None:
        for optimizer in (first, second):
            gradients(optimizer)
            optimizer.step()
        driver.step()

    update()
    driver.set(1, lr=0.0018)  # the second optimizer's group, to twice what it is
    first.add_param_group({"params": [c], "lr": 0.03})
    update()
    factor = cd.place("linear()", total=10).values()
    assert [g["lr"] for g in first.param_groups] == [0.1 * factor[2], 0.03 * factor[2]]
    assert second.param_groups[0]["lr"] == pytest.approx(2 * 0.001 * factor[2], rel=1e-15)
    # And after a resume, where both groups of the first are there from the beginning.
    again = [torch.optim.SGD([{"params": [a]}, {"params": [c]}], lr=0.5), torch.optim.SGD([b], lr=0.5)]
    other = cd.drive(again, "linear()", total=10)
    other.load_state_dict(driver.state_dict())
    assert other.values == driver.values


def test_a_group_that_is_taken_away_leaves_the_others_as_they_are(params: Any, used: Any) -> None:
    a, b, c = params(3)
    optimizer = torch.optim.SGD([{"params": [p], "lr": lr} for p, lr in ((a, 0.1), (b, 0.2), (c, 0.4))], lr=1.0)
    driver = cd.drive(optimizer, "linear()", total=10)
    used(optimizer, driver, 5)
    del optimizer.param_groups[0]
    rows = used(optimizer, driver, 2)
    assert rows == [[pytest.approx(0.1), pytest.approx(0.2)], [pytest.approx(0.08), pytest.approx(0.16)]]


def test_named_groups_that_are_added_are_matched_by_patterns(params: Any, used: Any) -> None:
    a, b = params(2)
    optimizer = torch.optim.SGD([{"params": [a], "name": "body"}], lr=0.1)
    driver = cd.drive(optimizer, {"lr": "constant()", "body/lr": "linear()"}, total=10)
    used(optimizer, driver, 5)
    optimizer.add_param_group({"params": [b], "name": "head"})
    used(optimizer, driver, 1)
    assert driver.values["lr"] == [pytest.approx(0.04), 0.1]
    assert driver.curve.groups == ("body", "head")


def test_a_base_that_an_earlier_driver_left_is_the_base(params: Any, used: Any) -> None:
    optimizer = torch.optim.SGD(params(), lr=0.1, weight_decay=0.01)
    driver = cd.drive(optimizer, {"lr": "linear()", "weight_decay": "linear(to=0.5)"}, total=10)
    used(optimizer, driver, 5)
    second = cd.drive(optimizer, {"lr": "cosine()", "weight_decay": "constant()"}, total=10)
    assert second.curve.bases == {"lr": (0.1,), "weight_decay": (0.01,)}
    assert optimizer.param_groups[0]["lr"] == 0.1


def test_a_base_that_is_given_wins(params: Any) -> None:
    a, b = params(2)
    optimizer = torch.optim.SGD([{"params": [a]}, {"params": [b]}], lr=0.1)
    assert cd.drive(optimizer, "linear()", total=10, base=0.5).curve.bases == {"lr": (0.5, 0.5)}
    for bases in ([0.5, 0.25], (0.5, 0.25), np.array([0.5, 0.25]), torch.tensor([0.5, 0.25]), {"lr": [0.5, 0.25]}):
        assert cd.drive(optimizer, "linear()", total=10, base=bases).curve.bases == {"lr": (0.5, 0.25)}
    for base in (np.float64(0.5), torch.tensor(0.5), np.array(0.5)):
        assert cd.drive(optimizer, "linear()", total=10, base=base).curve.bases == {"lr": (0.5, 0.5)}
    assert [g["initial_lr"] for g in optimizer.param_groups] == [0.5, 0.5]


# ---- someone else's write --------------------------------------------------------------------------------------------


def test_what_someone_else_writes_is_overwritten_at_the_next_step_and_check_reports_it(params: Any, used: Any) -> None:
    a, b = params(2)
    optimizer = torch.optim.AdamW([{"params": [a]}, {"params": [b], "name": "head"}], lr=0.1, betas=(0.9, 0.99))
    driver = cd.drive(optimizer, {"lr": "linear()", "beta1": "constant()"}, total=10)
    used(optimizer, driver, 3)
    assert driver.check() == []
    optimizer.param_groups[1]["lr"] = 0.5
    optimizer.param_groups[0]["betas"] = (0.5, 0.99)
    assert driver.check() == [
        "beta1 of group '0' is 0.5, and the schedule says 0.9 at update 3; to change it, write driver.set(beta1=0.5)",
        "lr of group 'head' is 0.5, and the schedule says 0.07 at update 3; to change it, write driver.set(lr=0.5)",
    ]
    used(optimizer, driver, 1)
    assert driver.check() == []
    assert optimizer.param_groups[1]["lr"] == driver.curve.at(4)
    assert optimizer.param_groups[0]["betas"] == (0.9, 0.99)


def test_check_finds_a_value_that_is_gone(params: Any) -> None:
    optimizer = torch.optim.SGD(params(), lr=0.1)
    driver = cd.drive(optimizer, "linear()", total=10)
    del optimizer.param_groups[0]["lr"]
    assert driver.check() == [
        "lr of group '0' is gone, and the schedule says 0.1 at update 0; to change it, write driver.set(lr=...)"
    ]


def test_check_says_that_nobody_trains_the_driven_optimizer(params: Any, gradients: Any) -> None:
    optimizer = torch.optim.SGD(params(), lr=0.1)
    driver = cd.drive(optimizer, "linear()", total=10)
    gradients(optimizer)
    for _ in range(19):
        driver.step()
    assert driver.check() == []
    driver.step()
    assert driver.check() == [
        "step() was called 20 times at update 0, and the optimizer has done no update meanwhile; drive the optimizer "
        "that trains, and call step() once after each optimizer.step()"
    ]
    optimizer.step()
    driver.step()
    assert driver.check() == []


# ---- tensors ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("make", [torch.optim.SGD, torch.optim.Adam, torch.optim.AdamW])
def test_a_tensor_rate_is_filled_in_place(make: Any, params: Any, used: Any) -> None:
    rate = torch.tensor(0.1, dtype=torch.float64)
    optimizer = make(params(), lr=rate)
    driver = cd.drive(optimizer, "warmup(3) >> cosine()", total=10)
    assert [row[0] for row in used(optimizer, driver, 10)] == driver.curve.values().tolist()
    assert optimizer.param_groups[0]["lr"] is rate
    assert driver.check() == []


def test_a_tensor_in_half_the_digits_is_no_finding(params: Any, used: Any) -> None:
    optimizer = torch.optim.SGD(params(), lr=torch.tensor(0.1))
    driver = cd.drive(optimizer, "cosine()", total=10)
    rows = used(optimizer, driver, 5)
    np.testing.assert_allclose([row[0] for row in rows], driver.curve.values(0, 5), rtol=1e-7)
    assert driver.check() == []


def test_one_tensor_for_all_groups_becomes_one_for_each(params: Any, used: Any) -> None:
    # Torch puts the one object into every group; whoever fills it for one group fills it for all.
    a, b, c = params(3)
    rate = torch.tensor(0.1, dtype=torch.float64)
    groups = [{"params": [a]}, {"params": [b]}, {"params": [c], "name": "head"}]
    optimizer = torch.optim.Adam(groups, lr=rate)
    driver = cd.drive(optimizer, {"lr": "linear()", "head/lr": "linear() * 0.1"}, total=4)
    assert used(optimizer, driver, 2) == [
        [0.1, 0.1, pytest.approx(0.01)],
        [pytest.approx(x) for x in (0.075, 0.075, 0.0075)],
    ]
    assert optimizer.param_groups[0]["lr"] is rate
    assert len({id(group["lr"]) for group in optimizer.param_groups}) == 3


def test_tensor_betas_are_filled_in_place(params: Any, used: Any) -> None:
    betas = (torch.tensor(0.9, dtype=torch.float64), torch.tensor(0.99, dtype=torch.float64))
    a, b = params(2)
    optimizer = torch.optim.AdamW(
        [{"params": [a]}, {"params": [b]}], lr=torch.tensor(0.1), betas=betas, capturable=False, foreach=False
    )
    driver = cd.drive(optimizer, {"beta1": "linear(to=0.5)"}, total=10)
    rows = used(optimizer, driver, 10, "beta1")
    np.testing.assert_array_equal(np.array(rows), np.outer(cd.place("linear(to=0.5)", total=10).values(), [0.9, 0.9]))
    assert optimizer.param_groups[0]["betas"][0] is betas[0]
    assert optimizer.param_groups[1]["betas"][0] is not betas[0]
    assert optimizer.param_groups[1]["betas"][1] == 0.99


def test_a_tensor_stays_the_same_object_when_a_state_is_loaded(params: Any, used: Any) -> None:
    rate = torch.tensor(0.1, dtype=torch.float64)
    optimizer = torch.optim.Adam(params(), lr=rate)
    driver = cd.drive(optimizer, "linear()", total=10)
    used(optimizer, driver, 3)
    state = copy.deepcopy(optimizer.state_dict())
    used(optimizer, driver, 2)
    optimizer.load_state_dict(state)
    assert optimizer.param_groups[0]["lr"] is rate
    assert float(rate) == driver.curve.at(5)
    # Even where the state was saved with a plain number.
    state["param_groups"][0]["lr"] = 0.03
    optimizer.load_state_dict(state)
    assert optimizer.param_groups[0]["lr"] is rate
    assert [row[0] for row in used(optimizer, driver, 5)] == driver.curve.values(5, 10).tolist()


@pytest.mark.parametrize("options", [{"foreach": True}, {"foreach": False}, {"fused": True}])
@pytest.mark.parametrize("make", [torch.optim.SGD, torch.optim.AdamW])
def test_the_forms_of_an_optimizer_s_step_see_the_same_rates(make: Any, options: Any, params: Any, used: Any) -> None:
    a, b = params(2)
    optimizer = make([{"params": [a]}, {"params": [b], "lr": 0.02}], lr=0.1, **options)
    driver = cd.drive(optimizer, "warmup(3) >> cosine()", total=10)
    factor = cd.place("warmup(3) >> cosine()", total=10).values()
    np.testing.assert_array_equal(np.array(used(optimizer, driver, 10)), np.outer(factor, [0.1, 0.02]))
    assert driver.t == 10
