"""The clock: `at(t)` is in force during update `t`, whatever is driven and whoever does the updates."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import cadence as cd
from cadence._errors import DriverError

torch = pytest.importorskip("torch")

SCHEDULES = (
    "warmup(5) >> cosine(to=0.01)",
    "warmup('10%') >> constant() >> decay('20%', shape='1-sqrt')",
    "steps(at=[10, 30], gamma=0.1)",
    "cosine(10).repeat(grow=2, decay=0.5)",
    "linear(to=0.1).clip(0.2, 0.9)",
    "formula('1 / (1 + t)')",
    "constant()",
    "cosine(20, to=absolute(1e-5))",
)


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_the_optimizer_sees_the_curve_to_the_bit(schedule: str, params: Any, used: Any) -> None:
    optimizer = torch.optim.SGD(params(), lr=0.1)
    driver = cd.drive(optimizer, schedule, total=400)
    assert [row[0] for row in used(optimizer, driver, 400)] == driver.curve.values(0, 400).tolist()
    assert driver.t == 400
    assert driver.curve == cd.place(schedule, total=400, base=0.1)


def test_the_first_value_is_written_at_once_and_step_returns_nothing(params: Any, gradients: Any) -> None:
    optimizer = torch.optim.SGD(params(), lr=0.1)
    driver = cd.drive(optimizer, "warmup(2) >> constant()", total=10)
    assert optimizer.param_groups[0]["lr"] == 0.001
    assert (driver.t, driver.values) == (0, {"lr": [0.001]})
    gradients(optimizer)
    optimizer.step()
    assert optimizer.param_groups[0]["lr"] == 0.001
    assert driver.step() is None
    assert (driver.t, driver.values) == (1, {"lr": [0.0505]})
    assert optimizer.param_groups[0]["lr"] == 0.0505


def test_the_contract_s_example_to_the_number(params: Any, used: Any) -> None:
    optimizer = torch.optim.SGD(params(), lr=1.0)
    driver = cd.drive(optimizer, cd.warmup("5%") >> cd.cosine(to=0.01), total=1000)
    rates = [row[0] for row in used(optimizer, driver, 1000)]
    assert rates[0] == 0.01
    assert rates[49] == pytest.approx(0.9802, abs=1e-12)
    assert rates[50] == 1.0
    assert rates[999] == pytest.approx(0.0100027, rel=1e-5)
    assert optimizer.param_groups[0]["lr"] == 0.01


def test_python_floats_are_written(params: Any) -> None:
    optimizer = torch.optim.SGD(params(), lr=0.1)
    cd.drive(optimizer, "cosine()", total=10)
    assert type(optimizer.param_groups[0]["lr"]) is float


def test_epochs_are_epochs_of_updates(params: Any, used: Any) -> None:
    optimizer = torch.optim.SGD(params(), lr=1.0)
    driver = cd.drive(optimizer, "steps(at=['2 epochs'])", total="3 epochs", steps_per_epoch=4)
    assert [row[0] for row in used(optimizer, driver, 12)] == [1.0] * 8 + [0.1] * 4


# ---- several groups, values, optimizers ------------------------------------------------------------------------------


def test_ratios_of_groups_are_kept_to_the_bit_of_their_bases(params: Any, used: Any) -> None:
    a, b, c = params(3)
    optimizer = torch.optim.SGD([{"params": [a]}, {"params": [b], "lr": 5e-4}, {"params": [c], "lr": 0.0}], lr=1e-3)
    schedule = "warmup(3) >> cosine(to=0.01)"
    driver = cd.drive(optimizer, schedule, total=20)
    factors = cd.place(schedule, total=20, base=1.0).values()
    rows = np.array(used(optimizer, driver, 20))
    np.testing.assert_array_equal(rows, np.outer(factors, [1e-3, 5e-4, 0.0]))


def test_a_plan_governs_several_values_of_named_groups(params: Any, used_values: Any) -> None:
    a, b, c = params(3)
    groups = [
        {"params": [a], "name": "body"},
        {"params": [b], "name": "head.weight", "lr": 0.02, "weight_decay": 0.3},
        {"params": [c], "name": "head.bias", "weight_decay": 0.0},
    ]
    optimizer = torch.optim.AdamW(groups, lr=0.01, weight_decay=0.1, betas=(0.8, 0.99))
    plan = {
        "lr": "cosine(to=0.1)",
        "head.*/lr": "linear(to=0.5)",
        "weight_decay": "linear(start=0.5, to=1)",
        "beta1": "constant('50%') >> decay(to=0.5)",
        "beta2": "constant()",
    }
    driver = cd.drive(optimizer, plan, total=10)
    factor = {key: cd.place(schedule, total=10).values() for key, schedule in plan.items()}
    rows = {
        k: np.array(v) for k, v in used_values(optimizer, driver, 10, "lr", "weight_decay", "beta1", "beta2").items()
    }
    lr = np.outer(factor["lr"], [0.01, 0, 0]) + np.outer(factor["head.*/lr"], [0, 0.02, 0.01])
    np.testing.assert_array_equal(rows["lr"], lr)
    np.testing.assert_array_equal(rows["weight_decay"], np.outer(factor["weight_decay"], [0.1, 0.3, 0.0]))
    np.testing.assert_array_equal(rows["beta1"], np.outer(factor["beta1"], [0.8] * 3))
    assert (rows["beta2"] == 0.99).all()
    assert driver.values["weight_decay"] == pytest.approx([0.1, 0.3, 0.0])


def test_a_group_that_the_plan_does_not_govern_is_left_alone(params: Any, used: Any) -> None:
    a, b = params(2)
    optimizer = torch.optim.SGD([{"params": [a], "name": "body"}, {"params": [b], "name": "head"}], lr=0.1)
    driver = cd.drive(optimizer, {"head/lr": "linear()"}, total=4)
    assert used(optimizer, driver, 4) == [[0.1, 0.1 * x] for x in (1.0, 0.75, 0.5, 0.25)]
    assert driver.values == {"lr": [None, 0.0]}
    assert "initial_lr" not in optimizer.param_groups[0]


def test_momentum_of_sgd_is_a_value_like_any_other(params: Any, used: Any) -> None:
    optimizer = torch.optim.SGD(params(), lr=0.1, momentum=0.8)
    driver = cd.drive(optimizer, {"momentum": "linear(to=0.5)"}, total=4)
    assert used(optimizer, driver, 4, "momentum") == [
        [0.8],
        [pytest.approx(0.7)],
        [pytest.approx(0.6)],
        [pytest.approx(0.5)],
    ]
    assert optimizer.param_groups[0]["lr"] == 0.1


def test_several_optimizers_stand_under_one_plan_and_the_first_is_the_clock(params: Any, gradients: Any) -> None:
    a, b = params(2)
    first, second = torch.optim.SGD([a], lr=0.1), torch.optim.AdamW([b], lr=0.001)
    driver = cd.drive([first, second], {"lr": "linear()", "weight_decay": "linear(to=0.5)"}, total=10)
    rows = []
    for _ in range(10):
        rows.append((first.param_groups[0]["lr"], second.param_groups[0]["lr"], second.param_groups[0]["weight_decay"]))
        gradients(first)
        gradients(second)
        first.step()
        second.step()
        driver.step()
    factor = cd.place("linear()", total=10).values()
    decay = cd.place("linear(to=0.5)", total=10).values()
    np.testing.assert_array_equal(np.array(rows), np.stack([0.1 * factor, 0.001 * factor, 0.01 * decay], axis=1))
    assert first.param_groups[0]["weight_decay"] == 0.0


# ---- what counts as an update ----------------------------------------------------------------------------------------


def test_a_step_without_an_update_does_not_count_once_there_was_one(params: Any, gradients: Any) -> None:
    optimizer = torch.optim.SGD(params(), lr=0.1)
    driver = cd.drive(optimizer, "linear()", total=10)
    gradients(optimizer)
    optimizer.step()
    driver.step()
    for _ in range(3):
        driver.step()
    assert driver.t == 1


def test_accumulation_counts_updates_and_not_micro_batches(params: Any, gradients: Any) -> None:
    optimizer = torch.optim.SGD(params(), lr=0.1)
    driver = cd.drive(optimizer, "linear()", total=10)
    seen = []
    for micro in range(1, 13):
        gradients(optimizer)
        seen.append(optimizer.param_groups[0]["lr"])
        if micro % 4 == 0:
            optimizer.step()
            optimizer.zero_grad()
        # Called too often, after every micro-batch.
        driver.step()
    assert driver.t == 3
    assert seen == pytest.approx([0.1] * 4 + [0.09] * 4 + [0.08] * 4)


def test_updates_that_step_was_not_told_of_one_by_one_are_caught_up_with(params: Any, gradients: Any) -> None:
    optimizer = torch.optim.SGD(params(), lr=0.1)
    driver = cd.drive(optimizer, "linear()", total=10)
    gradients(optimizer)
    for _ in range(3):
        optimizer.step()
    driver.step()
    assert driver.t == 3
    assert optimizer.param_groups[0]["lr"] == driver.curve.at(3)
    optimizer.step()
    driver.step()
    assert optimizer.param_groups[0]["lr"] == driver.curve.at(4)


def test_a_loop_that_only_steps_the_driver_shows_the_curve(params: Any) -> None:
    optimizer = torch.optim.SGD(params(), lr=0.1)
    driver = cd.drive(optimizer, "warmup(5) >> cosine()", total=5000)
    rates = []
    for _ in range(5000):
        rates.append(optimizer.param_groups[0]["lr"])
        driver.step()
    assert rates == driver.curve.values().tolist()


def test_after_a_try_without_gradients_a_real_training_counts_its_updates(params: Any, gradients: Any) -> None:
    optimizer = torch.optim.SGD(params(), lr=0.1)
    driver = cd.drive(optimizer, "linear()", total=10)
    for _ in range(3):
        driver.step()
    assert driver.t == 3
    (optimizer.param_groups[0]["params"][0] ** 2).sum().backward()
    optimizer.zero_grad()
    driver.step()  # an update was skipped here
    assert driver.t == 3
    gradients(optimizer)
    optimizer.step()
    driver.step()
    assert driver.t == 4


def test_a_closure_is_one_update(params: Any) -> None:
    optimizer = torch.optim.LBFGS(params(), lr=0.1, max_iter=4)
    driver = cd.drive(optimizer, "linear()", total=10)

    def closure() -> Any:
        optimizer.zero_grad()
        loss = (optimizer.param_groups[0]["params"][0] ** 2).sum()
        loss.backward()
        return loss

    for _ in range(3):
        optimizer.step(closure)
        driver.step()
    assert driver.t == 3


def test_a_class_whose_step_calls_its_parent_s_does_one_update(params: Any, gradients: Any) -> None:
    class Mine(torch.optim.SGD):
        def step(self, closure: Any = None) -> Any:
            return super().step(closure)

    torch.optim.SGD(params(), lr=0.1)  # from here on torch calls the hooks of the parent's step, too
    optimizer = Mine(params(), lr=0.1)
    driver = cd.drive(optimizer, "linear()", total=10)
    for t in range(1, 4):
        gradients(optimizer)
        optimizer.step()
        driver.step()
        assert driver.t == t


def test_a_step_that_fails_is_no_update_and_the_next_one_is(params: Any, gradients: Any) -> None:
    class Breaks(torch.optim.SGD):
        broken = True

        def step(self, closure: Any = None) -> Any:
            if self.broken:
                raise RuntimeError("out of memory")
            return super().step(closure)

    optimizer = Breaks(params(), lr=0.1)
    driver = cd.drive(optimizer, "linear()", total=10)
    gradients(optimizer)
    with pytest.raises(RuntimeError, match="out of memory"):
        optimizer.step()
    driver.step()
    assert driver.t == 0
    optimizer.broken = False
    optimizer.step()
    driver.step()
    assert driver.t == 1


def test_step_takes_no_metric_and_says_where_it_goes(params: Any, gradients: Any) -> None:
    optimizer = torch.optim.SGD(params(), lr=0.1)
    driver = cd.drive(optimizer, "linear()", total=10)
    message = (
        r"driver.step\(\) takes no argument, and got 0.37; report metrics with driver.observe\(\{'val_loss': ...\}\)"
    )
    for _ in range(2):
        with pytest.raises(DriverError, match=message):
            driver.step(0.37)
        with pytest.raises(TypeError):
            driver.step(0.37)
    assert driver.t == 0
    gradients(optimizer)
    optimizer.step()
    driver.step()
    with pytest.raises(DriverError):
        driver.step(0.37)  # an update that was skipped is no excuse
    assert driver.t == 1


def test_a_metric_given_to_a_bare_step_moves_nothing(params: Any) -> None:
    driver = cd.drive(torch.optim.SGD(params(), lr=0.1), "constant() * plateau('val_loss')")
    for _ in range(3):
        driver.step()
    with pytest.raises(DriverError):
        driver.step(0.37)
    assert driver.observe({"val_loss": 1.0})[0].t == 3


def test_a_driver_of_an_optimizer_that_never_updates_says_so(params: Any, gradients: Any) -> None:
    driven, training = torch.optim.SGD(params(), lr=0.1), torch.optim.SGD(params(), lr=0.1)
    driver = cd.drive(driven, "linear()", total=10)
    gradients(driven)
    for _ in range(999):
        training.step()
        driver.step()
    with pytest.raises(
        DriverError, match="the optimizer has done no update meanwhile; drive the optimizer that trains"
    ):
        driver.step()


# ---- the end ---------------------------------------------------------------------------------------------------------


def test_past_the_end_the_end_value_holds_and_the_journal_notes_it_once(params: Any, used: Any) -> None:
    optimizer = torch.optim.SGD(params(), lr=0.1)
    driver = cd.drive(optimizer, "cosine(to=0.1)", total=5)
    used(optimizer, driver, 5)
    assert driver.journal == ()
    assert used(optimizer, driver, 200) == [[0.1 * 0.1]] * 200
    assert [dict(e) for e in driver.journal] == [
        {
            "t": 6,
            "kind": "past_end",
            "sentence": "Update 6 lies past the end of the schedule at 5; its end value is held.",
        }
    ]


def test_past_an_end_that_goes_on_the_journal_says_so(params: Any, used: Any) -> None:
    optimizer = torch.optim.SGD(params(), lr=0.1)
    driver = cd.drive(optimizer, "linear(4).past_end('repeat')", total=4)
    assert [row[0] for row in used(optimizer, driver, 10)] == pytest.approx(
        0.1 * np.array([1, 0.75, 0.5, 0.25] * 2 + [1, 0.75])
    )
    assert [e["sentence"] for e in driver.journal] == [
        "Update 5 lies past the end of the schedule at 4; it goes on as past_end says."
    ]


def test_past_an_end_that_is_forbidden_is_an_error(params: Any, used: Any) -> None:
    optimizer = torch.optim.SGD(params(), lr=0.1)
    driver = cd.drive(optimizer, "linear(4).past_end('raise')", total=4)
    with pytest.raises(cd._errors.HorizonError, match="past_end"):
        used(optimizer, driver, 10)
    assert (driver.t, driver.values) == (4, {"lr": [0.0]})


def test_without_a_total_the_clock_goes_on_for_ever(params: Any, used: Any) -> None:
    optimizer = torch.optim.SGD(params(), lr=0.1)
    driver = cd.drive(optimizer, "warmup(3) >> constant()")
    used(optimizer, driver, 100)
    assert driver.journal == ()
    assert driver.curve.total is None
    assert "open run" in repr(driver)
