"""Driving paddle optimizers: `at(t)` is in force during update `t`, and nothing else moves the clock."""

from __future__ import annotations

import copy
import gc
import json
import weakref
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import cadence as cd
from cadence._errors import DriverError, StateError, UnknownNameError

paddle = pytest.importorskip("paddle")

SCHEDULES = (
    "warmup(5) >> cosine(to=0.01)",
    "warmup('10%') >> constant() >> decay('20%', shape='1-sqrt')",
    "steps(at=[10, 30], gamma=0.1)",
    "cosine(10).repeat(grow=2, decay=0.5)",
    "linear(to=0.1).clip(0.2, 0.9)",
    "formula('1 / (1 + t)')",
    "cosine(20, to=absolute(1e-5))",
)


def parameters(count: int = 1) -> list[Any]:
    ones = paddle.nn.initializer.Constant(1.0)
    return [paddle.create_parameter([3], "float32", default_initializer=ones) for _ in range(count)]


def sgd(lr: float = 0.1, **options: Any) -> Any:
    return paddle.optimizer.SGD(lr, parameters=parameters(), **options)


def grouped(*multiples: float, kind: Any = None, lr: float = 0.1, **options: Any) -> Any:
    groups = [{"params": [p], "learning_rate": m} for p, m in zip(parameters(len(multiples)), multiples, strict=True)]
    return (kind or paddle.optimizer.SGD)(lr, parameters=groups, **options)


def all_parameters(optimizer: Any) -> list[Any]:
    listed = optimizer._parameter_list
    return [p for entry in listed for p in (entry["params"] if isinstance(entry, dict) else [entry])]


def new_process() -> Any:
    """Names of parameters and of what an optimizer keeps begin anew, as they do in a new process."""
    return paddle.utils.unique_name.guard()


def give_gradients(optimizer: Any) -> None:
    """A gradient of 1 everywhere."""
    optimizer.clear_grad()
    sum(p.sum() for p in all_parameters(optimizer)).backward()


def train(optimizer: Any, driver: Any, updates: int, value: str = "lr") -> list[list[float]]:
    """What the driver says is in force during each update."""
    rows = []
    for _ in range(updates):
        give_gradients(optimizer)
        rows.append(driver.values[value])
        optimizer.step()
        driver.step()
    return rows


def moved(optimizer: Any, driver: Any, updates: int) -> np.ndarray:
    """What an update by plain descent really subtracted from each parameter: the rate, in float32."""
    rows = []
    for _ in range(updates):
        before = [p.numpy().copy() for p in all_parameters(optimizer)]
        for p in all_parameters(optimizer):
            p.set_value(np.zeros(3, np.float32))
        give_gradients(optimizer)
        optimizer.step()
        driver.step()
        rows.append([float(-p.numpy()[0]) for p in all_parameters(optimizer)])
        for p, x in zip(all_parameters(optimizer), before, strict=True):
            p.set_value(x)
    return np.array(rows)


# ---- the clock -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_the_update_uses_the_curve(schedule: str) -> None:
    optimizer = sgd()
    driver = cd.drive(optimizer, schedule, total=60)
    np.testing.assert_array_equal(moved(optimizer, driver, 60)[:, 0], np.float32(driver.curve.values(0, 60)))
    assert driver.curve == cd.place(schedule, total=60, base=0.1)
    assert optimizer.get_lr() == driver.curve.at(60)


def test_the_first_value_is_written_at_once_and_step_returns_nothing() -> None:
    optimizer = sgd()
    driver = cd.drive(optimizer, "warmup(2) >> constant()", total=10)
    assert (driver.t, driver.values, optimizer.get_lr()) == (0, {"lr": [0.001]}, 0.001)
    give_gradients(optimizer)
    optimizer.step()
    assert optimizer.get_lr() == 0.001
    assert driver.step() is None
    assert (driver.t, driver.values, optimizer.get_lr()) == (1, {"lr": [0.0505]}, 0.0505)


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_torch_and_paddle_get_the_same_numbers_to_the_bit(schedule: str) -> None:
    torch = pytest.importorskip("torch")
    theirs = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.1)
    other, optimizer = cd.drive(theirs, schedule, total=50), sgd()
    driver = cd.drive(optimizer, schedule, total=50)
    for _ in range(60):
        assert optimizer.get_lr() == theirs.param_groups[0]["lr"]
        theirs.step()
        other.step()
        optimizer.step()
        driver.step()


def test_minimize_and_gradients_of_one_s_own_are_updates_too() -> None:
    optimizer = sgd()
    driver = cd.drive(optimizer, "linear()", total=10)
    optimizer.minimize(all_parameters(optimizer)[0].sum())
    driver.step()
    assert driver.t == 1
    gradients = optimizer.backward(all_parameters(optimizer)[0].sum())
    optimizer.apply_gradients(gradients)
    driver.step()
    assert (driver.t, optimizer.get_lr()) == (2, 0.1 * 0.8)


def test_a_step_that_asks_for_an_update_by_another_name_is_one() -> None:
    class Mine(paddle.optimizer.SGD):  # type: ignore[misc, name-defined]
        def step(self) -> None:
            self.apply_gradients([(p, p.grad) for p in self._parameter_list])

    optimizer = Mine(0.1, parameters=parameters())
    driver = cd.drive(optimizer, "linear()", total=10)
    for t in range(1, 4):
        give_gradients(optimizer)
        optimizer.step()
        driver.step()
        assert driver.t == t


def test_accumulation_counts_updates_and_not_micro_batches() -> None:
    optimizer = sgd()
    driver = cd.drive(optimizer, "linear()", total=10)
    seen = []
    for micro in range(1, 13):
        all_parameters(optimizer)[0].sum().backward()
        seen.append(optimizer.get_lr())
        if micro % 4 == 0:
            optimizer.step()
            optimizer.clear_grad(set_to_zero=False)
        driver.step()
    assert driver.t == 3
    assert seen == pytest.approx([0.1] * 4 + [0.09] * 4 + [0.08] * 4)


def test_a_first_gradient_that_is_gone_again_ends_the_trying_out() -> None:
    optimizer = sgd()
    driver = cd.drive(optimizer, "linear()", total=10)
    for _ in range(3):
        driver.step()
    assert driver.t == 3
    all_parameters(optimizer)[0].sum().backward()
    optimizer.clear_grad(set_to_zero=False)
    driver.step()  # an update was skipped here
    assert driver.t == 3


def test_updates_that_step_was_not_told_of_are_caught_up_with() -> None:
    optimizer = sgd()
    driver = cd.drive(optimizer, "linear()", total=10)
    give_gradients(optimizer)
    for _ in range(3):
        optimizer.step()
    driver.step()
    assert (driver.t, optimizer.get_lr()) == (3, driver.curve.at(3))


def test_an_update_that_fails_is_none() -> None:
    class Breaks(paddle.optimizer.SGD):  # type: ignore[misc, name-defined]
        broken = True

        def step(self) -> None:
            if self.broken:
                raise RuntimeError("out of memory")
            super().step()

    optimizer = Breaks(0.1, parameters=parameters())
    driver = cd.drive(optimizer, "linear()", total=10)
    give_gradients(optimizer)
    with pytest.raises(RuntimeError, match="out of memory"):
        optimizer.step()
    driver.step()
    assert driver.t == 0
    optimizer.broken = False
    optimizer.step()
    driver.step()
    assert driver.t == 1


@pytest.mark.parametrize("way", ["step", "minimize"])
@pytest.mark.parametrize("kind", ["SGD", "AdamW"])
def test_an_update_that_the_loss_scaler_skips_does_not_count(
    way: str, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    class OnDevice:
        """Paddle's scaler is at work on accelerators only, and asks here whether there is one."""

        def is_gpu_place(self) -> bool:
            return True

    asked = SimpleNamespace(_expected_place=OnDevice())
    monkeypatch.setattr("paddle.amp.grad_scaler._dygraph_tracer", lambda: asked)
    scaler = paddle.amp.GradScaler(init_loss_scaling=1024.0, use_dynamic_loss_scaling=False)
    monkeypatch.undo()
    assert scaler.is_enable()
    (p,) = listed = parameters()
    optimizer = getattr(paddle.optimizer, kind)(0.1, parameters=listed)
    driver = cd.drive(optimizer, "linear()", total=10, scaler=scaler)
    seen = []
    for overflow in (True, True, False, True, False):
        optimizer.clear_grad()
        before = p.numpy().copy()
        loss = scaler.scale(p.sum() * (float("inf") if overflow else 1.0))
        loss.backward()
        if way == "step":
            scaler.step(optimizer)
            scaler.update()
        else:
            scaler.minimize(optimizer, loss)
        assert (p.numpy() == before).all() == overflow
        driver.step()
        seen.append(driver.t)
    assert seen == [0, 0, 1, 1, 2]
    assert optimizer.get_lr() == driver.curve.at(2)


def test_a_scaler_that_skips_without_calling_the_optimizer_is_told_by_scaler() -> None:
    class Scaler:
        def is_enable(self) -> bool:
            return True

    optimizer = sgd()
    driver = cd.drive(optimizer, "linear()", total=10, scaler=Scaler())
    driver.step()
    assert driver.t == 0
    idle = paddle.amp.GradScaler(enable=False)
    driver = cd.drive(optimizer, "linear()", total=10, scaler=idle)
    driver.step()
    assert driver.t == 1


def test_past_the_end_the_end_value_holds_and_the_journal_notes_it_once() -> None:
    optimizer = sgd()
    driver = cd.drive(optimizer, "cosine(to=0.1)", total=5)
    train(optimizer, driver, 100)
    assert optimizer.get_lr() == 0.1 * 0.1
    assert [e["kind"] for e in driver.journal] == ["past_end"]


# ---- groups ----------------------------------------------------------------------------------------------------------


def test_groups_keep_their_ratio_and_paddle_s_multiples_stay_as_they_are() -> None:
    optimizer = grouped(1.0, 0.1, 0.5)
    driver = cd.drive(optimizer, "warmup(3) >> cosine(to=0.01)", total=20)
    factors = cd.place("warmup(3) >> cosine(to=0.01)", total=20, base=0.1).values()
    rows = moved(optimizer, driver, 20)
    np.testing.assert_allclose(rows, np.outer(factors, [1.0, 0.1, 0.5]), rtol=2e-7)
    assert [group["learning_rate"] for group in optimizer._param_groups] == [1.0, 0.1, 0.5]
    assert driver.curve.bases == {"lr": (0.1, 0.1 * 0.1, 0.1 * 0.5)}
    assert driver.check() == []


def test_each_group_may_have_a_schedule_of_its_own_and_stand_at_0_meanwhile() -> None:
    optimizer = grouped(1.0, 0.1)
    plan = {"0/lr": "linear(4) >> constant(4, start=0) >> linear(4, start=0, to=1)", "1/lr": "linear(start=0, to=1)"}
    driver = cd.drive(optimizer, plan, total=12)
    wanted = [cd.place(plan[f"{g}/lr"], total=12, base=b).values() for g, b in enumerate((0.1, 0.1 * 0.1))]
    np.testing.assert_allclose(moved(optimizer, driver, 12), np.stack(wanted, axis=1), rtol=3e-7)
    assert driver.check() == []
    # No multiple is ever larger than it was.
    assert [group["learning_rate"] for group in optimizer._param_groups] == pytest.approx([1.0, 0.1])


def test_a_group_that_the_plan_does_not_govern_keeps_its_rate() -> None:
    optimizer = grouped(1.0, 0.1)
    driver = cd.drive(optimizer, {"1/lr": "linear()"}, total=4)
    rows = moved(optimizer, driver, 4)
    np.testing.assert_allclose(rows, [[0.1, 0.01 * x] for x in (1.0, 0.75, 0.5, 0.25)], rtol=2e-7)
    assert driver.values == {"lr": [None, 0.0]}


def test_names_of_groups_are_patterns_of_a_plan() -> None:
    a, b = parameters(2)
    groups = [{"params": [a], "name": "body"}, {"params": [b], "name": "head", "learning_rate": 2.0}]
    optimizer = paddle.optimizer.AdamW(0.01, parameters=groups)
    driver = cd.drive(optimizer, {"lr": "constant()", "head/lr": "linear()"}, total=4)
    assert driver.values == {"lr": [0.01, 0.02]}
    train(optimizer, driver, 2)
    assert driver.values == {"lr": [0.01, 0.01]}


def test_a_multiple_that_somebody_else_writes_is_told_and_put_right_before_the_next_update() -> None:
    optimizer = grouped(1.0, 0.1)
    driver = cd.drive(optimizer, "linear()", total=4)
    train(optimizer, driver, 1)
    optimizer._param_groups[1]["learning_rate"] = 0.7
    optimizer._param_groups[1]["params"][0].optimize_attr["learning_rate"] = 0.7
    assert driver.check() == [
        "lr of group '1' is 0.0525, and the schedule says 0.0075 at update 1; to change it, write driver.set(lr=0.0525)"
    ]
    np.testing.assert_allclose(moved(optimizer, driver, 1), [[0.075, 0.0075]], rtol=2e-7)
    assert driver.check() == []


def test_a_group_s_dictionary_that_is_another_now_is_driven_too() -> None:
    optimizer = grouped(1.0, 0.1)
    driver = cd.drive(optimizer, "linear()", total=4)
    optimizer._param_groups[1] = dict(optimizer._param_groups[1])
    driver.step()
    np.testing.assert_allclose(moved(optimizer, driver, 1), [[0.075, 0.0075]], rtol=2e-7)
    assert [group["learning_rate"] for group in optimizer._param_groups] == [1.0, 0.1]


@pytest.mark.parametrize("seed", range(6))
def test_whatever_is_done_by_hand_the_update_uses_the_curve(seed: int) -> None:
    rng = np.random.default_rng(seed)
    multiples = rng.choice([1.0, 0.1, 0.3, 2.0], size=3)
    optimizer = grouped(*multiples)
    base = [0.1, 0.02, 0.0] if seed % 2 else None
    driver = cd.drive(optimizer, "warmup(3) >> cosine(to=0.1)", total=40, base=base)
    for _ in range(6):
        change = rng.integers(5)
        if change == 0:
            driver.set(lr=float(rng.uniform(0.01, 0.2)))
        elif change == 1:
            driver.set(0, lr=float(rng.uniform(0.01, 0.2)))
        elif change == 2:
            driver.hold(3)
        elif change == 3:
            driver.rewarm(4)
        else:
            driver.hold()
            train(optimizer, driver, 2)
            driver.release()
        t = driver.t
        meant = np.stack([driver.curve.values(t, t + 5, group=g) for g in range(3)], axis=1)
        np.testing.assert_allclose(moved(optimizer, driver, 5), meant, rtol=3e-7)
        assert driver.check() == []


def test_a_group_that_is_added_is_scheduled_from_its_very_first_update() -> None:
    (late,) = parameters()
    optimizer = grouped(1.0)
    driver = cd.drive(optimizer, "linear()", total=10)
    train(optimizer, driver, 4)
    optimizer._add_param_group({"params": [late], "learning_rate": 0.2})
    give_gradients(optimizer)
    late.sum().backward()
    late.set_value(np.zeros(3, np.float32))
    optimizer.step()
    # It is a fifth of the optimizer's rate, now and at any time.
    assert driver.curve.bases["lr"] == (0.1, pytest.approx(0.2 * 0.1))
    np.testing.assert_allclose(-late.numpy(), driver.curve.at(4, group=1), rtol=1e-6)
    driver.step()
    assert driver.values["lr"] == [driver.curve.at(5, group=0), driver.curve.at(5, group=1)]


def test_parameters_with_a_rate_of_their_own_keep_it() -> None:
    attribute = paddle.ParamAttr(learning_rate=0.5, initializer=paddle.nn.initializer.Constant(0.0))
    p = paddle.create_parameter([3], "float32", attr=attribute)
    optimizer = paddle.optimizer.SGD(0.1, parameters=[p])
    driver = cd.drive(optimizer, "linear()", total=4)
    np.testing.assert_allclose(moved(optimizer, driver, 4)[:, 0], [0.05, 0.0375, 0.025, 0.0125], rtol=2e-7)


def test_several_optimizers_stand_under_one_plan_and_the_first_is_the_clock() -> None:
    first, second = sgd(0.1), paddle.optimizer.AdamW(0.001, parameters=parameters(), weight_decay=0.01)
    driver = cd.drive([first, second], {"lr": "linear()", "1/weight_decay": "linear(to=0.5)"}, total=10)
    for t in range(10):
        assert (first.get_lr(), second.get_lr()) == pytest.approx((0.1 * (1 - t / 10), 0.001 * (1 - t / 10)))
        assert second._weight_decay == pytest.approx(0.01 * (1 - t / 20))
        for optimizer in (first, second):
            give_gradients(optimizer)
            optimizer.step()
        driver.step()
    assert driver.t == 10


# LookAhead counts with an operator that paddle itself calls outdated.
@pytest.mark.filterwarnings("ignore:Op `increment`:DeprecationWarning")
def test_an_optimizer_inside_another_is_the_one_that_is_written_to() -> None:
    inner = sgd()
    outer = paddle.incubate.LookAhead(inner, alpha=0.5, k=2)
    driver = cd.drive(outer, "linear()", total=10)
    for _ in range(3):
        give_gradients(inner)
        outer.step()
        driver.step()
    assert (driver.t, inner.get_lr()) == (3, driver.curve.at(3))


@pytest.mark.parametrize("name", ["_inner_opt", "_optim"])
def test_so_is_one_inside_a_wrapper_of_paddle_s_distributed_training(name: str) -> None:
    class Wrapper(paddle.optimizer.Optimizer):  # type: ignore[misc, name-defined]
        def __init__(self, inner: Any) -> None:
            super().__init__(0.1, parameters=all_parameters(inner))
            setattr(self, name, inner)

        def step(self) -> None:
            getattr(self, name).step()

    inner = grouped(1.0, 0.1, kind=paddle.optimizer.AdamW)
    outer = Wrapper(inner)
    driver = cd.drive(outer, {"lr": "linear()", "beta1": "linear(to=0.5)"}, total=10)
    for _ in range(3):
        give_gradients(inner)
        outer.step()
        driver.step()
    assert driver.t == 3
    assert inner.get_lr() == pytest.approx(0.07)
    assert [group["beta1"] for group in inner._param_groups] == pytest.approx([0.9 * 0.85] * 2)
    assert driver.check() == []


def test_where_a_scheduler_of_paddle_s_governs_the_rate_other_values_may_be_driven() -> None:
    scheduler = paddle.optimizer.lr.StepDecay(0.1, 2)
    optimizer = paddle.optimizer.Adam(scheduler, parameters=parameters())
    driver = cd.drive(optimizer, {"beta1": "linear(to=0.5)"}, total=10)
    for _ in range(4):
        give_gradients(optimizer)
        optimizer.step()
        scheduler.step()
        driver.step()
    assert (optimizer._beta1, optimizer.get_lr()) == (pytest.approx(0.9 * 0.8), pytest.approx(0.001))


# ---- other values ----------------------------------------------------------------------------------------------------

KINDS = {
    "SGD": ("lr", "weight_decay"),
    "Momentum": ("lr", "weight_decay", "momentum"),
    "Adam": ("lr", "weight_decay", "beta1", "beta2", "epsilon"),
    "AdamW": ("lr", "weight_decay", "beta1", "beta2", "epsilon"),
    "Adamax": ("lr", "weight_decay", "beta1", "beta2", "epsilon"),
    "NAdam": ("lr", "weight_decay", "beta1", "beta2", "epsilon", "momentum_decay"),
    "RAdam": ("lr", "weight_decay", "beta1", "beta2", "epsilon"),
    "Lamb": ("lr", "weight_decay", "beta1", "beta2", "epsilon"),
    "RMSProp": ("lr", "weight_decay", "rho", "momentum", "epsilon"),
    "Adagrad": ("lr", "weight_decay", "epsilon"),
    "Adadelta": ("lr", "weight_decay", "rho", "epsilon"),
    "ASGD": ("lr", "weight_decay"),
}
NAMES = {"lr": "learning_rate"}
STARTS = {
    "lr": 0.1, "weight_decay": 0.4, "momentum": 0.8, "beta1": 0.8, "beta2": 0.9, "rho": 0.9, "epsilon": 0.5,
    "momentum_decay": 0.4,
}  # fmt: skip


def build(kind: str, listed: list[Any], groups: bool, **values: float) -> Any:
    named = {NAMES.get(value, value): x for value, x in values.items()}
    named = {"learning_rate": 0.1, "weight_decay": 0.1, **named}
    if kind == "Lamb":
        named["lamb_weight_decay"] = named.pop("weight_decay")
    if groups:
        listed = [{"params": [p]} for p in listed]
    return getattr(paddle.optimizer, kind)(parameters=listed, **named)


def descend(optimizer: Any, listed: list[Any]) -> None:
    optimizer.clear_grad()
    sum((p * p * paddle.to_tensor([1.0, 2.0, 3.0])).sum() for p in listed).backward()
    optimizer.step()


@pytest.mark.parametrize("groups", [False, True])
@pytest.mark.parametrize(("kind", "value"), [(k, v) for k, values in KINDS.items() for v in values])
def test_a_value_that_moves_is_what_the_next_update_computes_with(kind: str, value: str, groups: bool) -> None:
    begin = np.array([1.0, -2.0, 0.5], np.float32)
    start = STARTS[value]

    def fresh() -> list[Any]:
        listed = parameters(2)
        for p in listed:
            p.set_value(begin)
        return listed

    driven = fresh()
    optimizer = build(kind, driven, groups, **{value: start})
    driver = cd.drive(optimizer, {value: "steps(at=[7], gamma=0.5)"}, total=10)
    for _ in range(7):  # RAdam begins as plain descent, and looks at beta2 and epsilon only later
        descend(optimizer, driven)
        driver.step()
    descend(optimizer, driven)
    # An optimizer that is made with half the value, and goes on with the state of one that did the updates before.
    with new_process():
        before = fresh()
        first = build(kind, before, groups, **{value: start})
        for _ in range(7):
            descend(first, before)
    with new_process():
        plain = fresh()
        for p, q in zip(plain, before, strict=True):
            p.set_value(q.numpy())
        second = build(kind, plain, groups, **{value: start / 2})
        second.set_state_dict(first.state_dict())
        descend(second, plain)
    unmoved = fresh()
    still = build(kind, unmoved, groups, **{value: start})
    for _ in range(8):
        descend(still, unmoved)
    for p, q, r in zip(driven, plain, unmoved, strict=True):
        np.testing.assert_allclose(p.numpy(), q.numpy(), rtol=1e-6)
        assert np.abs(p.numpy() - r.numpy()).max() > 1e-6
    assert driver.values[value] == [start / 2] * (2 if groups else 1)
    assert driver.check() == []


@pytest.mark.parametrize("groups", [False, True])
@pytest.mark.parametrize("kind", ["SGD", "Momentum", "Adam"])
def test_a_decay_can_begin_where_there_was_none(kind: str, groups: bool) -> None:
    listed, same = parameters(2), parameters(2)
    optimizer = getattr(paddle.optimizer, kind)(0.1, parameters=[{"params": [p]} for p in listed] if groups else listed)
    driver = cd.drive(optimizer, {"weight_decay": "constant(start=absolute(0.3))"}, total=3)
    assert driver.curve.bases == {"weight_decay": (0.0,) * (2 if groups else 1)}
    descend(optimizer, listed)
    descend(build(kind, same, groups, weight_decay=0.3), same)
    np.testing.assert_allclose(listed[0].numpy(), same[0].numpy(), rtol=1e-6)


def test_a_decay_of_absolute_values_stays_one_and_is_not_shared() -> None:
    decay = paddle.regularizer.L1Decay(0.5)
    first = paddle.optimizer.Momentum(0.1, parameters=parameters(), weight_decay=decay, momentum=0.0)
    driver = cd.drive(first, {"weight_decay": "steps(at=[1], gamma=0.1)"}, total=4)
    for wanted in (0.5, 0.05):
        assert driver.values == {"weight_decay": [pytest.approx(wanted)]}
        before = first._parameter_list[0].numpy()[0]
        give_gradients(first)
        first.step()
        driver.step()
        assert before - first._parameter_list[0].numpy()[0] == pytest.approx(0.1 * (1 + wanted), rel=1e-5)
    assert decay._coeff == 0.5


# ---- by hand, metrics, record ----------------------------------------------------------------------------------------


def test_set_hold_and_rewarm_work_as_everywhere() -> None:
    optimizer = grouped(1.0, 0.1)
    driver = cd.drive(optimizer, "linear()", total=10)
    driver.set(lr=0.05)
    assert driver.values["lr"] == pytest.approx([0.05, 0.005])
    assert optimizer.get_lr() == pytest.approx(0.05)
    train(optimizer, driver, 2)
    driver.hold(3)
    rows = train(optimizer, driver, 4)
    assert rows[0] == rows[1] == rows[2] == pytest.approx([0.04, 0.004])
    driver.rewarm(2, start=0.5)
    assert optimizer.get_lr() == pytest.approx(driver.curve.at(6, group=0))
    assert [e["kind"] for e in driver.journal] == ["set", "hold", "rewarm"]
    assert driver.check() == []


def test_a_rate_that_somebody_else_writes_is_told_and_put_right() -> None:
    optimizer = sgd()
    driver = cd.drive(optimizer, "constant()", total=10)
    optimizer.set_lr(0.5)
    assert driver.check() == [
        "lr of group '0' is 0.5, and the schedule says 0.1 at update 0; to change it, write driver.set(lr=0.5)"
    ]
    train(optimizer, driver, 1)
    assert (optimizer.get_lr(), driver.check()) == (0.1, [])


def test_a_metric_cuts_all_groups_from_the_next_update_on() -> None:
    optimizer = grouped(1.0, 0.1)
    driver = cd.drive(optimizer, "warmup(2) >> constant() * plateau('val_loss', factor=0.5, patience=1)")
    train(optimizer, driver, 3)
    decisions = [driver.observe({"val_loss": paddle.to_tensor(x)}) for x in (1.0, 1.0, 1.0)]
    assert [[d.kind for d in found] for found in decisions] == [["keep"], ["keep"], ["cut"]]
    np.testing.assert_allclose(moved(optimizer, driver, 2), [[0.05, 0.005]] * 2, rtol=1e-6)


def test_the_record_has_every_update(tmp_path: Any) -> None:
    optimizer = grouped(1.0, 0.1, kind=paddle.optimizer.AdamW)
    driver = cd.drive(optimizer, {"lr": "linear()", "beta1": "constant()"}, total=5, record=tmp_path / "run")
    for t in range(5):
        give_gradients(optimizer)
        optimizer.step()
        driver.log(loss=1.0 / (t + 1))
        driver.step()
    driver.observe({"val_loss": 0.5})
    driver.close({})
    record = cd.load_record(tmp_path / "run")
    np.testing.assert_allclose(record.updates["lr"], np.outer([0.1, 0.08, 0.06, 0.04, 0.02], [1.0, 0.1]))
    assert list(record.updates["loss"]) == [1.0 / (t + 1) for t in range(5)]
    assert list(record.evaluations["val_loss"]) == [0.5]


# ---- state -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("order", ["driver first", "optimizer first", "driver alone"])
def test_a_resumed_run_goes_on_as_if_unbroken(order: str) -> None:
    schedule = {"lr": "warmup(3) >> cosine()", "beta1": "linear(to=0.5)"}

    def make(lr: float) -> tuple[Any, Any]:
        optimizer = grouped(1.0, 0.1, kind=paddle.optimizer.AdamW, lr=lr)
        return optimizer, cd.drive(optimizer, schedule, total=12)

    optimizer, driver = make(0.1)
    unbroken = train(optimizer, driver, 12)
    with new_process():
        optimizer, driver = make(0.1)
        rows = train(optimizer, driver, 5)
        state, theirs = json.loads(json.dumps(driver.state_dict())), optimizer.state_dict()
    with new_process():
        optimizer, driver = make(0.7)
        if order == "optimizer first":
            optimizer.set_state_dict(theirs)
        driver.load_state_dict(state)
        if order == "driver first":
            optimizer.set_state_dict(theirs)
        assert driver.t == 5
        assert rows + train(optimizer, driver, 7) == unbroken
        assert driver.check() == []


def test_a_longer_run_goes_on_without_a_jump() -> None:
    optimizer = sgd()
    driver = cd.drive(optimizer, "cosine(to=0.1)", total=10)
    train(optimizer, driver, 6)
    state, now = driver.state_dict(), optimizer.get_lr()
    optimizer = sgd(0.3)
    driver = cd.drive(optimizer, "cosine(to=0.1)", total=20)
    with pytest.raises(StateError, match="extend"):
        driver.load_state_dict(state)
    driver.load_state_dict(state, change="stretch")
    assert optimizer.get_lr() == pytest.approx(now)


def test_a_state_of_torch_is_loaded_into_paddle() -> None:
    torch = pytest.importorskip("torch")
    theirs = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.1)
    other = cd.drive(theirs, "cosine()", total=10)
    for _ in range(4):
        theirs.step()
        other.step()
    optimizer = sgd(0.9)
    driver = cd.drive(optimizer, "cosine()", total=10)
    driver.load_state_dict(other.state_dict())
    assert (driver.t, optimizer.get_lr()) == (4, theirs.param_groups[0]["lr"])


def test_a_second_driver_begins_from_the_optimizer_s_own_rate() -> None:
    optimizer = grouped(1.0, 0.1)
    train(optimizer, cd.drive(optimizer, "warmup(10) >> constant()", total=20), 3)
    assert cd.drive(optimizer, "cosine()", total=20).values == {"lr": [0.1, 0.1 * 0.1]}


# ---- lifetime and refusals -------------------------------------------------------------------------------------------


def test_the_optimizer_does_not_keep_the_driver_alive_and_a_copy_has_no_hooks() -> None:
    optimizer = sgd()
    driver = cd.drive(optimizer, "linear()", total=10)
    twin = copy.deepcopy(optimizer)
    twin._parameter_list[0].sum().backward()
    twin.step()
    assert twin._parameter_list[0].numpy()[0] == pytest.approx(0.9)
    assert optimizer._parameter_list[0].numpy()[0] == 1.0
    driver.step()
    assert driver.t == 1  # nobody trains this one: the calls count
    gone = weakref.ref(driver)
    del driver
    gc.collect()
    assert gone() is None
    give_gradients(optimizer)
    optimizer.step()


@pytest.mark.parametrize(
    ("make", "plan", "told"),
    [
        (
            lambda: paddle.optimizer.SGD(paddle.optimizer.lr.StepDecay(0.1, 30), parameters=parameters()),
            "cosine()",
            "the SGD has a StepDecay as its learning rate, which would govern it, too; make it with a number, e.g. "
            "learning_rate=0.1",
        ),
        (lambda: paddle.nn.Linear(2, 1), "cosine()", "not a Linear"),
        (lambda: paddle.optimizer.lr.StepDecay(0.1, 30), "cosine()", "not a StepDecay"),
        (lambda: paddle.optimizer.SGD, "cosine()", "not the class SGD"),
        (lambda: [sgd(), None], "cosine()", "not None"),
        (lambda: paddle.optimizer.Rprop(0.1, parameters=parameters()), "cosine()", "keeps a step size of its own"),
        (lambda: paddle.optimizer.LBFGS(0.1, parameters=parameters()), "cosine()", "where paddle cannot set it"),
        (
            lambda: paddle.optimizer.Momentum(0.1, parameters=parameters(), use_multi_tensor=True),
            {"weight_decay": "linear()"},
            "reads its weight decay only once",
        ),
    ],
)
def test_what_cannot_be_driven_is_refused_with_the_reason(make: Any, plan: Any, told: str) -> None:
    with pytest.raises(DriverError, match=told.replace("(", r"\(").replace(")", r"\)")):
        cd.drive(make(), plan, total=10)


def test_the_same_optimizer_twice_is_refused() -> None:
    optimizer = sgd()
    with pytest.raises(DriverError, match="the same SGD twice"):
        cd.drive([optimizer, optimizer], "cosine()", total=10)


def test_a_value_that_the_optimizer_has_not_is_refused_with_its_neighbours() -> None:
    with pytest.raises(UnknownNameError, match="momentum"):
        cd.drive(paddle.optimizer.Momentum(0.1, parameters=parameters()), {"momentun": "linear()"}, total=10)
    with pytest.raises(UnknownNameError, match="no value 'beta1'"):
        cd.drive(sgd(), {"beta1": "linear()"}, total=10)


def test_a_scheduler_that_is_attached_later_is_told_at_the_next_step() -> None:
    optimizer = sgd()
    driver = cd.drive(optimizer, "linear()", total=10)
    optimizer.set_lr_scheduler(paddle.optimizer.lr.StepDecay(0.1, 30))
    give_gradients(optimizer)
    optimizer.step()
    with pytest.raises(DriverError, match="has a StepDecay as its learning rate"):
        driver.step()


def test_a_static_program_is_refused_with_the_remedy() -> None:
    optimizer = sgd()
    paddle.enable_static()
    try:
        with pytest.raises(DriverError, match=r"learning_rate=cadence.paddle_scheduler"):
            cd.drive(optimizer, "cosine()", total=10)
    finally:
        paddle.disable_static()
