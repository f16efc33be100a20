"""Saving and resuming: any order, any part alone, into a driver made with anything, to the bit."""

from __future__ import annotations

import copy
import io
import itertools
import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import cadence as cd
from cadence._errors import SpecError, StateError, UnknownNameError

torch = pytest.importorskip("torch")

Saved = dict[str, Any]

TOTAL = 40
SCHEDULES = {
    "step": "steps(at=[10, 25], gamma=0.1)",
    "exponential": "exponential(gamma=0.9)",
    "linear": "linear(to=0.01)",
    "power": "power(exponent=2)",
    "cosine": "cosine()",
    "restarts": "cosine(10).repeat(grow=1.5, decay=0.7)",
    "one cycle": "one_cycle()",
    "formula": "formula('1 / (1 + t)')",
    "sequence": "warmup(5) >> cosine(to=0.01)",
    "product": "linear(to=0.5) * exponential(gamma=0.95)",
    "wsd": "warmup(5) >> constant() >> decay('20%', shape='1-sqrt')",
    "feedback": "warmup(5) >> constant() * plateau('val_loss', factor=0.5, patience=1)",
}


def make(lr: float = 0.1, schedule: str = "cosine()", total: int | None = TOTAL, **options: Any) -> tuple[Any, Any]:
    a, b = (torch.ones(3, requires_grad=True) for _ in range(2))
    groups = [{"params": [a]}, {"params": [b], "lr": lr / 4}]
    optimizer = torch.optim.SGD(groups, lr=lr, momentum=0.9)
    return optimizer, cd.drive(optimizer, schedule, total=total, **options)


def go_on(optimizer: Any, driver: Any, used: Any, until: int) -> list[list[float]]:
    """Trains until then, with an evaluation that never improves after every third update."""
    rows: list[list[float]] = []
    while driver.t < until:
        rows += used(optimizer, driver, 1)
        if driver.t % 3 == 0:
            driver.observe({"val_loss": 1.0})
    return rows


def both_loaded_driver_first(saved: Saved, lr: float, schedule: str) -> tuple[Any, Any]:
    optimizer, driver = make(lr, schedule)
    driver.load_state_dict(saved["driver"])
    optimizer.load_state_dict(saved["optimizer"])
    return optimizer, driver


def both_loaded_optimizer_first(saved: Saved, lr: float, schedule: str) -> tuple[Any, Any]:
    optimizer, driver = make(lr, schedule)
    optimizer.load_state_dict(saved["optimizer"])
    driver.load_state_dict(saved["driver"])
    return optimizer, driver


def made_after_the_optimizer_was_loaded(saved: Saved, lr: float, schedule: str) -> tuple[Any, Any]:
    a, b = (torch.ones(3, requires_grad=True) for _ in range(2))
    optimizer = torch.optim.SGD([{"params": [a]}, {"params": [b]}], lr=lr, momentum=0.9)
    optimizer.load_state_dict(saved["optimizer"])
    driver = cd.drive(optimizer, schedule, total=TOTAL)
    driver.load_state_dict(saved["driver"])
    return optimizer, driver


def driver_alone(saved: Saved, lr: float, schedule: str) -> tuple[Any, Any]:
    optimizer, driver = make(lr, schedule)
    driver.load_state_dict(saved["driver"])
    return optimizer, driver


def driver_alone_into_another_base(saved: Saved, lr: float, schedule: str) -> tuple[Any, Any]:
    optimizer, driver = make(lr, schedule, base=[7.0, 0.3])
    driver.load_state_dict(saved["driver"])
    return optimizer, driver


def loaded_twice(saved: Saved, lr: float, schedule: str) -> tuple[Any, Any]:
    optimizer, driver = both_loaded_driver_first(saved, lr, schedule)
    optimizer.load_state_dict(saved["optimizer"])
    driver.load_state_dict(saved["driver"])
    optimizer.load_state_dict(saved["optimizer"])
    return optimizer, driver


ORDERS: list[Callable[[Saved, float, str], tuple[Any, Any]]] = [
    both_loaded_driver_first,
    both_loaded_optimizer_first,
    made_after_the_optimizer_was_loaded,
    driver_alone,
    driver_alone_into_another_base,
    loaded_twice,
]


@pytest.mark.parametrize("name", SCHEDULES)
@pytest.mark.parametrize("order", ORDERS, ids=lambda f: f.__name__)
def test_a_resumed_run_is_the_undisturbed_one_to_the_bit(order: Any, name: str, used: Any) -> None:
    schedule = SCHEDULES[name]
    undisturbed = go_on(*make(0.1, schedule), used, TOTAL)
    for stop in (1, 17):
        optimizer, driver = make(0.1, schedule)
        before = go_on(optimizer, driver, used, stop)
        saved = {"driver": driver.state_dict(), "optimizer": copy.deepcopy(optimizer.state_dict())}
        optimizer, driver = order(saved, 0.02, schedule)
        # Right at once, and not only from the next step on.
        now = [group["lr"] for group in optimizer.param_groups]
        assert now == [driver.values["lr"][0], driver.values["lr"][1]]
        assert [*before, *go_on(optimizer, driver, used, TOTAL)] == undisturbed


def test_the_optimizer_s_state_loaded_in_the_middle_changes_nothing(used: Any) -> None:
    undisturbed = go_on(*make(), used, TOTAL)
    optimizer, driver = make()
    early = copy.deepcopy(optimizer.state_dict())
    rows = go_on(optimizer, driver, used, 9)
    optimizer.load_state_dict(early)
    assert [g["lr"] for g in optimizer.param_groups] == undisturbed[9]
    assert [*rows, *go_on(optimizer, driver, used, TOTAL)] == undisturbed


def test_a_state_between_the_optimizer_s_step_and_the_driver_s_is_of_the_update_before(
    used: Any, gradients: Any
) -> None:
    optimizer, driver = make()
    go_on(optimizer, driver, used, 5)
    gradients(optimizer)
    optimizer.step()
    assert driver.state_dict()["t"] == 5
    driver.step()
    assert driver.state_dict()["t"] == 6


# ---- plain data ------------------------------------------------------------------------------------------------------


def full_state(used: Any) -> tuple[Any, Any]:
    optimizer, driver = make(schedule="constant() * plateau('val_loss', patience=1, factor=0.5, nan='bad')")
    go_on(optimizer, driver, used, 9)
    driver.observe({"val_loss": float("nan")})
    driver.observe({"val_loss": float("inf")})
    driver.set(lr=0.07)
    driver.hold(4)
    driver.hold()
    driver.release()
    driver.rewarm(3)
    go_on(optimizer, driver, used, 2 * TOTAL)
    return optimizer, driver


def test_a_state_is_strict_json(used: Any) -> None:
    _, driver = full_state(used)
    state = driver.state_dict()
    assert {e["kind"] for e in state["journal"]} == {"keep", "cut", "set", "hold", "release", "rewarm", "past_end"}
    text = json.dumps(state, allow_nan=False)
    assert json.loads(text) == state
    optimizer, other = make(schedule="constant() * plateau('val_loss', patience=1, factor=0.5, nan='bad')")
    other.load_state_dict(json.loads(text))
    assert other.state_dict() == state
    assert go_on(optimizer, other, used, 100) == go_on(*full_state(used), used, 100)


def test_a_state_is_loaded_by_torch_without_code(used: Any) -> None:
    _, driver = full_state(used)
    buffer = io.BytesIO()
    torch.save(driver.state_dict(), buffer)
    buffer.seek(0)
    assert torch.load(buffer, weights_only=True) == driver.state_dict()


def test_a_state_is_a_copy(used: Any) -> None:
    optimizer, driver = make(schedule=SCHEDULES["feedback"])
    go_on(optimizer, driver, used, 9)
    state = driver.state_dict()
    before = copy.deepcopy(state)
    go_on(optimizer, driver, used, 20)
    assert state == before
    _, other = make(schedule=SCHEDULES["feedback"])
    other.load_state_dict(state)
    other.observe({"val_loss": 0.5})
    assert state == before
    driver.set(lr=0.01)
    driver.state_dict()["journal"][-1]["factors"]["lr"][0] = 100.0
    assert driver.curve.at(driver.t) == pytest.approx(0.01)


def test_what_the_state_holds(used: Any) -> None:
    optimizer, driver = make(schedule="constant() * plateau('val_loss')", steps_per_epoch=10)
    go_on(optimizer, driver, used, 3)
    state = driver.state_dict()
    assert set(state) == {"version", "t", "spec", "horizon", "groups", "bases", "rules", "begun", "journal"}
    assert (state["version"], state["t"], state["spec"]) == (1, 3, "constant() * plateau('val_loss')")
    assert state["horizon"] == {"total": 40, "steps_per_epoch": 10, "batch_size": None, "tokens_per_step": None}
    assert (state["groups"], state["bases"]) == (["0", "1"], {"lr": [0.1, 0.025]})
    assert state["rules"][0]["best"] == 1.0


def test_early_stop_and_the_end_are_remembered(used: Any) -> None:
    optimizer, driver = make(schedule="constant() * early_stop('val_loss', patience=0)")
    driver.observe({"val_loss": 1.0})
    used(optimizer, driver, 30)
    driver.observe({"val_loss": 1.0})
    used(optimizer, driver, 30)
    assert driver.should_stop
    optimizer, other = make(schedule="constant() * early_stop('val_loss', patience=0)")
    other.load_state_dict(driver.state_dict())
    assert other.should_stop
    used(optimizer, other, 50)
    assert [e["kind"] for e in other.journal] == ["keep", "stop", "past_end"]


# ---- contradictions --------------------------------------------------------------------------------------------------


def state_at(used: Any, t: int = 10, **options: Any) -> dict[str, Any]:
    optimizer, driver = make(**options)
    go_on(optimizer, driver, used, t)
    return driver.state_dict()


def test_another_schedule_is_an_error_that_names_both(used: Any) -> None:
    state = state_at(used, schedule="cosine()")
    _, driver = make(schedule="linear()")
    message = r"the state belongs to cosine\(\), and this driver was made with linear\(\); .*change='new'"
    with pytest.raises(StateError, match=message):
        driver.load_state_dict(state)
    with pytest.raises(StateError, match=message):
        driver.load_state_dict(state, change="extend")
    with pytest.raises(StateError, match=message):
        driver.load_state_dict(state, change="stretch")
    assert driver.t == 0
    assert driver.values == {"lr": [0.1, 0.025]}


def test_another_length_is_an_error_that_names_both(used: Any) -> None:
    state = state_at(used)
    for total, told in ((50, "50 updates"), (None, "unknown length")):
        _, driver = make(schedule="constant()" if total is None else "cosine()", total=total)
        if total is None:
            state = state_at(used, schedule="constant()")
        with pytest.raises(
            StateError, match=f"a run of 40 updates, and this driver was made for {told}.*'extend' or change='str"
        ):
            driver.load_state_dict(state)


def test_another_unit_is_an_error_that_names_both_and_one_that_is_new_is_taken_over(used: Any) -> None:
    state = state_at(used, steps_per_epoch=10)
    _, driver = make(steps_per_epoch=20)
    with pytest.raises(StateError, match="steps_per_epoch=10, and this driver was made with steps_per_epoch=20"):
        driver.load_state_dict(state)
    _, driver = make(batch_size=8)
    driver.load_state_dict(state)
    assert (driver.curve.horizon.steps_per_epoch, driver.curve.horizon.batch_size) == (10, 8)


def test_other_groups_are_an_error(used: Any) -> None:
    a, b = (torch.ones(3, requires_grad=True) for _ in range(2))

    def driver_of(*names: str | None) -> Any:
        groups = [{"params": [p], **({} if n is None else {"name": n})} for p, n in zip((a, b), names, strict=False)]
        return cd.drive(torch.optim.SGD(groups, lr=0.1), "cosine()", total=TOTAL)

    state = driver_of("body", "head").state_dict()
    with pytest.raises(StateError, match="groups body, head, and the optimizer has head, body"):
        driver_of("head", "body").load_state_dict(state)
    with pytest.raises(StateError, match="knows 2 parameter groups, and the optimizer has 1"):
        driver_of("body").load_state_dict(state)
    # Names that were given since, or are gone, are no contradiction.
    driver_of(None, None).load_state_dict(state)
    driver_of("body", "head").load_state_dict(driver_of(None, None).state_dict())


@pytest.mark.parametrize(
    ("damage", "told"),
    [
        (lambda s: {}, "no state of a driver .version, t, spec"),
        (lambda s: None, "no state of a driver"),
        (lambda s: {**s, "version": 99}, "version 99, and this cadence reads version 1"),
        (lambda s: {**s, "t": -1}, "stands at update -1"),
        (lambda s: {**s, "t": "3"}, "stands at update '3'"),
        (lambda s: {**s, "spec": "cosine("}, "cannot be read"),
        (lambda s: {**s, "horizon": None}, "cannot be read"),
        (lambda s: {**s, "bases": {"lr": [0.1]}}, "1 bases of lr for 2 groups"),
        (lambda s: {**s, "bases": {"lr": [0.1, "x"]}}, "cannot be read"),
        (lambda s: {**s, "bases": {}}, "cannot be read"),
        (lambda s: {**s, "rules": [{}]}, "remembers 1 rules, and its schedule cosine.* has 0"),
        (lambda s: {**s, "journal": 3}, "cannot be read"),
        (lambda s: {**s, "journal": [{}]}, "cannot be read"),
    ],
)
def test_what_is_no_state_is_refused_and_changes_nothing(damage: Any, told: str, used: Any) -> None:
    state = damage(state_at(used))
    _, driver = make()
    before = driver.state_dict()
    with pytest.raises(StateError, match=told):
        driver.load_state_dict(state)
    assert driver.state_dict() == before


# ---- changes ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "schedule", "total"),
    [
        ("extend", "warmup(5) >> cosine(to=0.01)", 80),
        ("extend", "warmup(5) >> cosine(to=0.01)", 30),
        ("stretch", "warmup(5) >> cosine(to=0.01)", 80),
        ("stretch", "warmup(5) >> cosine(to=0.01)", 30),
        ("new", "linear(to=0.1)", 40),
        ("new", "warmup(5) >> constant() >> decay('20%')", 100),
    ],
)
def test_a_change_goes_on_without_a_jump_and_survives_a_second_save(
    change: str, schedule: str, total: int, used: Any
) -> None:
    state = state_at(used, 17, schedule="warmup(5) >> cosine(to=0.01)")
    optimizer, driver = make(0.5, schedule, total)
    driver.load_state_dict(state, change=change)
    old = cd.place("warmup(5) >> cosine(to=0.01)", total=TOTAL, base=0.1)
    assert driver.t == 17
    assert driver.values["lr"] == pytest.approx([old.at(17), old.at(17) / 4], rel=1e-15)
    assert [e["kind"] for e in driver.journal] == ["stretch" if change == "stretch" else "change"]
    assert driver.curve.total == total
    rest = go_on(optimizer, driver, used, total)
    # No step is larger than the steepest ones of either schedule.
    steps = np.abs(np.diff(np.array([[old.at(16), old.at(16) / 4], *rest])[:, 0]))
    assert steps.max() < 0.03
    # The same again from a second save in between, into a driver made like the changed one, with nothing to say.
    optimizer, second = make(0.5, schedule, total)
    second.load_state_dict(state, change=change)
    before = go_on(optimizer, second, used, 25)
    optimizer, third = make(3.0, schedule, total)
    third.load_state_dict(json.loads(json.dumps(second.state_dict())))
    assert [*before, *go_on(optimizer, third, used, total)] == rest


def test_extend_is_the_schedule_over_the_new_length_scaled(used: Any) -> None:
    state = state_at(used, 20, schedule="linear(to=0.1)")
    _, driver = make(schedule="linear(to=0.1)", total=80)
    driver.load_state_dict(state, change="extend")
    plain = cd.place("linear(to=0.1)", total=80, base=0.1).values(20, 81)
    there = cd.place("linear(to=0.1)", total=40, base=0.1).at(20)
    np.testing.assert_allclose(driver.curve.values(20, 81), plain * there / plain[0], rtol=1e-14)


def test_stretch_arrives_where_the_old_one_would_have(used: Any) -> None:
    state = state_at(used, 20, schedule="linear(to=0.1)")
    _, driver = make(schedule="linear(to=0.1)", total=60)
    driver.load_state_dict(state, change="stretch")
    old = cd.place("linear(to=0.1)", total=40, base=0.1)
    assert driver.curve.at(60) == pytest.approx(old.at(40))
    assert driver.curve.at(40) == pytest.approx(old.at(30))


def test_one_change_may_follow_another(used: Any) -> None:
    spec = "warmup(5) >> cosine(to=0.1)"
    state, totals = state_at(used, 10, schedule=spec), [60, 90, 50, 120]
    before = cd.place(spec, total=TOTAL, base=0.1).at(10)
    for total, change in zip(totals, ("stretch", "extend", "stretch", "extend"), strict=True):
        optimizer, driver = make(schedule=spec, total=total)
        driver.load_state_dict(state, change=change)
        assert driver.values["lr"] == pytest.approx([before, before / 4], rel=1e-14), (total, change)
        assert driver.curve.total == total
        go_on(optimizer, driver, used, driver.t + 10)
        before, state = driver.values["lr"][0], json.loads(json.dumps(driver.state_dict()))
    assert [e["kind"] for e in driver.journal] == ["stretch", "change", "stretch", "change"]
    assert driver.curve.at(120) > 0


def test_after_a_stretch_rules_listen_and_cut_and_holds_end_at_the_updates_they_say(used: Any) -> None:
    rule = "warmup(10) >> constant() * plateau('val_loss', factor=0.5, patience=0)"
    state = state_at(used, 6, schedule=rule)
    # The warmup's last 4 of 34 updates are 14 of 119 now: it ends at update 20.
    optimizer, driver = make(schedule=rule, total=125)
    driver.load_state_dict(state, change="stretch")
    heard: dict[int, list[str]] = {}
    rows = []
    for t in range(7, 126):
        rows += used(optimizer, driver, 1)
        heard[t] = [d.kind for d in driver.observe({"val_loss": 1.0})] if t in (20, 21, 50, 125) else []
    assert {t: kinds for t, kinds in heard.items() if kinds} == {21: ["keep"], 50: ["cut"], 125: ["cut"]}
    rates = np.array(rows)[:, 0]
    np.testing.assert_allclose(rates[14 : 50 - 6], 0.1)
    np.testing.assert_allclose(rates[50 - 6 :], 0.05)
    assert driver.values["lr"][0] == pytest.approx(0.025)


def test_a_hold_from_before_a_stretch_ends_when_it_is_released(used: Any) -> None:
    optimizer, driver = make(schedule="linear(to=0.1)")
    used(optimizer, driver, 10)
    driver.hold()
    used(optimizer, driver, 5)
    state = driver.state_dict()
    optimizer, driver = make(schedule="linear(to=0.1)", total=90)
    driver.load_state_dict(state, change="stretch")
    held = used(optimizer, driver, 6)
    driver.release()
    after = used(optimizer, driver, 6)
    assert held == [held[0]] * 6
    assert after[0] == pytest.approx(held[0])
    assert [b[0] < a[0] for a, b in itertools.pairwise(after)] == [True] * 5


def test_an_extended_run_keeps_what_its_rules_remember_and_a_new_one_begins_afresh(used: Any) -> None:
    rule = "constant() * plateau('val_loss', patience=3, factor=0.5)"
    optimizer, driver = make(schedule=rule)
    for _ in range(3):
        used(optimizer, driver, 1)
        driver.observe({"val_loss": 1.0})
    state = driver.state_dict()
    _, longer = make(schedule=rule, total=80)
    longer.load_state_dict(state, change="extend")
    assert [d.kind for d in longer.observe({"val_loss": 1.0})] == ["keep"]
    assert [d.kind for d in longer.observe({"val_loss": 1.0})] == ["cut"]
    assert longer.curve.at(50) == 0.05
    other_rule = "constant() * plateau('val_loss', patience=1, factor=0.1)"
    _, new = make(schedule=other_rule)
    new.load_state_dict(longer.state_dict(), change="new")
    assert new.values["lr"] == pytest.approx([0.05, 0.0125])
    assert [new.observe({"val_loss": 1.0})[0].kind for _ in range(3)] == ["keep", "keep", "cut"]
    assert new.curve.at(50) == pytest.approx(0.005)


def test_a_run_that_had_stopped_goes_on_when_it_is_extended(used: Any) -> None:
    rule = "constant() * early_stop('val_loss', patience=0)"
    optimizer, driver = make(schedule=rule)
    used(optimizer, driver, 3)
    driver.observe({"val_loss": 1.0})
    driver.observe({"val_loss": 1.0})
    used(optimizer, driver, 50)
    assert driver.should_stop
    optimizer, longer = make(schedule=rule, total=100)
    longer.load_state_dict(driver.state_dict(), change="extend")
    assert not longer.should_stop
    used(optimizer, longer, 20)
    assert longer.observe({"val_loss": 1.0})[0].kind == "stop"
    assert longer.should_stop
    used(optimizer, longer, 60)
    assert [e["kind"] for e in longer.journal] == ["keep", "stop", "past_end", "change", "stop", "past_end"]


def test_what_stands_at_0_cannot_be_extended_and_says_so(used: Any) -> None:
    # The classic: a cosine that has arrived at 0 stays there for ever when it is multiplied on.
    state = state_at(used, 40, schedule="cosine()")
    _, driver = make(schedule="cosine()", total=80)
    with pytest.raises(
        StateError, match=r"lr of group '0' stands at 0 at update 40, where cosine\(\) over 80 updates has 0.05"
    ):
        driver.load_state_dict(state, change="extend")
    with pytest.raises(StateError, match="cannot be stretched"):
        driver.load_state_dict(state, change="stretch")
    state = state_at(used, 20, schedule="cosine()")
    _, driver = make(schedule="linear()", total=10)
    with pytest.raises(StateError, match=r"stands at 0.05 at update 20, where linear.* over 10 updates has 0"):
        driver.load_state_dict(state, change="new")


def test_groups_whose_base_is_0_do_not_stand_in_the_way_of_a_change(used: Any) -> None:
    a, b = (torch.ones(3, requires_grad=True) for _ in range(2))

    def make_decayed(total: int) -> tuple[Any, Any]:
        groups = [{"params": [a], "weight_decay": 0.1}, {"params": [b], "weight_decay": 0.0}]
        optimizer = torch.optim.AdamW(groups, lr=0.1)
        return optimizer, cd.drive(optimizer, {"weight_decay": "linear(to=0.1)"}, total=total)

    optimizer, driver = make_decayed(10)
    used(optimizer, driver, 5)
    _, longer = make_decayed(20)
    longer.load_state_dict(driver.state_dict(), change="extend")
    assert longer.values["weight_decay"] == [pytest.approx(0.055), 0.0]


def test_an_unknown_change_lists_its_neighbours(used: Any) -> None:
    _, driver = make()
    with pytest.raises(UnknownNameError, match="change cannot be 'extended'; did you mean 'extend'"):
        driver.load_state_dict(state_at(used), change="extended")


# ---- at random -------------------------------------------------------------------------------------------------------


@settings(max_examples=40)
@given(st.lists(st.sampled_from(["train", "observe", "save", "set", "hold", "rewarm", "optimizer"]), max_size=14))
def test_saving_and_loading_between_any_two_actions_changes_nothing(actions: list[str]) -> None:
    def play(*, resume: bool) -> list[tuple[float, ...]]:
        optimizer, driver = make(schedule=SCHEDULES["feedback"])
        rows = []
        for i, action in enumerate(actions):
            if action == "train":
                for _ in range(3):
                    for group in optimizer.param_groups:
                        group["params"][0].grad = torch.ones(3)
                    rows.append(tuple(group["lr"] for group in optimizer.param_groups))
                    optimizer.step()
                    driver.step()
            elif action == "observe":
                driver.observe({"val_loss": 1.0})
            elif action == "set":
                driver.set(lr=0.05 + 0.01 * i)
            elif action == "hold":
                driver.hold(2)
            elif action == "rewarm":
                driver.rewarm(4)
            elif action == "optimizer" and resume:
                optimizer.load_state_dict(optimizer.state_dict())
            if action == "save" and resume:
                state = json.loads(json.dumps(driver.state_dict()))
                optimizer, driver = make(0.03, SCHEDULES["feedback"])
                driver.load_state_dict(state)
            rows.append(tuple(group["lr"] for group in optimizer.param_groups))
        return rows

    assert play(resume=True) == play(resume=False)


def test_a_hold_of_0_and_a_set_to_0_are_refused_before_they_do_harm() -> None:
    _, driver = make(schedule="warmup(5, start=0) >> constant()")
    with pytest.raises(SpecError, match="could not go on from a value held at 0"):
        driver.hold()
    with pytest.raises(SpecError, match=r"lr=0.* would end it for good"):
        driver.set(lr=0)
