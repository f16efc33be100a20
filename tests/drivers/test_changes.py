"""Changes by hand as pure functions: over any schedule, in any order, without a jump, and the journal has it all."""

from __future__ import annotations

import json
from copy import deepcopy
from typing import Any

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given, reject

import cadence as cd
from cadence._errors import CadenceError, DriverError, HorizonError, SpecError, StateError, UnknownNameError
from cadence.curve.curve import Curve
from cadence.curve.place import as_plan, lay_out
from cadence.drivers.changes import branched, change
from cadence.drivers.state import restored, saved
from cadence.feedback.control import Control
from cadence.spec.nodes import Schedule
from strategies import Run, examples, schedules

MOVING_ON_PURPOSE = ("set", "rewarm")

lengths = st.sampled_from([1, 7, 40, "10%", "3 epochs", "2.5 epochs", "320 samples", "50%"])
edits = st.one_of(
    st.tuples(st.sampled_from(["extend", "shorten", "stretch"]), st.fixed_dictionaries({"length": lengths})),
    st.tuples(
        st.just("cooldown"),
        st.fixed_dictionaries(
            {"length": lengths},
            optional={"to": st.sampled_from([0.0, 0.01]), "shape": st.sampled_from(["linear", "cosine", "1-sqrt"])},
        ),
    ),
    st.tuples(st.just("hold"), st.fixed_dictionaries({"length": st.none() | lengths})),
    st.tuples(st.just("release"), st.just({})),
    st.tuples(st.just("rewarm"), st.fixed_dictionaries({"length": lengths}, optional={"start": st.just(0.5)})),
    st.tuples(st.just("set"), st.fixed_dictionaries({"values": st.just({"lr": 0.003})})),
)
"""A change, whether it can be made or not."""

sequences = st.lists(st.tuples(st.integers(0, 25), edits), min_size=1, max_size=6)
"""Changes, each some updates after the one before."""


def control(schedule: Any, **run: Any) -> Control:
    return Control.over(cd.place(schedule, **{"total": 100, "steps_per_epoch": 10, "batch_size": 32, **run}))


def table(curve: Curve, start: int, stop: int) -> Any:
    return np.array([curve.values(start, stop, group=g, value=value) for g, value in curve.pairs])


@given(schedules(), sequences)
@examples(60)
def test_changes_in_any_order_leave_the_past_alone_and_do_not_jump(schedule: Schedule, todo: list[Any]) -> None:
    plain = Control.over(Run(100, base=0.1).place(schedule))
    now, t = plain, 0
    made = 0
    for wait, (kind, arguments) in todo:
        t = min(t + wait, now.curve.total or t + wait)
        before = now
        try:
            now = change(before, t, kind, arguments)
        except CadenceError:
            continue
        made += 1
        old, new = before.curve, now.curve
        assert table(new, 0, t).tobytes() == table(old, 0, t).tobytes()
        if kind not in MOVING_ON_PURPOSE:
            np.testing.assert_allclose(table(new, t, t + 1), table(old, t, t + 1), rtol=2e-15, atol=0)
        assert np.isfinite(table(new, t, t + 300)).all()
        assert (table(new, t, t + 300) >= 0).all()
        assert now.journal[-1]["t"] == t
        assert now.journal[-1]["sentence"].endswith(".")
    if not made:
        reject()
    # The state as JSON, loaded into what is made anew from the schedule and length that the run began with.
    state = json.loads(json.dumps(saved(now, t)))
    again, there = restored(state, plain, change=None)
    assert there == t
    assert again.curve.total == now.curve.total
    assert table(again.curve, 0, 400).tobytes() == table(now.curve, 0, 400).tobytes()
    # And the journal alone, over what the run is now.
    curve = now.curve
    replayed = lay_out(curve.plan, curve.horizon, curve.groups, curve.bases, json.loads(json.dumps(now.journal)))
    assert table(replayed, 0, 400).tobytes() == table(curve, 0, 400).tobytes()


def test_a_cooldown_falls_from_where_it_stands_and_ends_the_run() -> None:
    cooled = change(control("warmup(10) >> constant()", base=0.2), 50, "cooldown", {"length": "10%", "shape": "linear"})
    assert cooled.curve.total == 60
    np.testing.assert_allclose(cooled.curve.values(48, 61), 0.2 * np.array([1, 1, *np.arange(10, -1, -1) / 10]))
    assert cooled.journal[-1]["sentence"] == (
        "Cooled down by hand over 10 updates along linear, to 0 of the base; the run ends at update 60."
    )
    # The square root of what is done, from 1 to 0.01.
    by_root = change(control("constant()"), 50, "cooldown", {"length": 25, "to": 0.01}).curve
    expected = 0.01 + 0.99 * (1 - np.sqrt(np.arange(26) / 25))
    np.testing.assert_allclose(by_root.values(50, 76), expected, rtol=1e-14)


def test_a_cooldown_is_of_the_rate_alone() -> None:
    cooled = change(
        control({"lr": "constant()", "weight_decay": "linear()"}, base={"lr": 0.1, "weight_decay": 0.01}), 50,
        "cooldown", {"length": 10},
    ).curve  # fmt: skip
    assert cooled.at(60, value="lr") == 0
    assert cooled.at(60, value="weight_decay") == pytest.approx(0.004)


def test_an_extension_gives_a_cooldown_up() -> None:
    cooling = change(control("constant()"), 50, "cooldown", {"length": 20, "shape": "linear"})
    extended = change(cooling, 60, "extend", {"length": 30})
    assert extended.curve.total == 100
    assert extended.curve.at([55, 60, 99, 100]) == pytest.approx([0.75, 0.5, 0.5, 0.5])


def test_a_stretched_run_ends_where_it_would_have_but_later() -> None:
    slow = change(control("linear()"), 50, "stretch", {"length": "100%"}).curve
    assert slow.total == 200
    assert slow.at([50, 125, 200]) == pytest.approx([0.5, 0.25, 0])


def test_shares_are_of_the_run_as_long_as_it_is_now() -> None:
    longer = change(control("constant()"), 10, "extend", {"length": "100%"})
    assert change(longer, 20, "cooldown", {"length": "10%"}).curve.total == 40


def test_a_branch_goes_on_along_its_tail() -> None:
    run = control({"lr": "linear()", "weight_decay": "constant()"}, base={"lr": 0.1, "weight_decay": 0.01})
    other = branched(run, 50, as_plan("cosine(to=0.5)"), "15 epochs").curve
    assert other.spec == "plan({'lr': constant(50) >> cosine(to=0.5), 'weight_decay': constant()})"
    assert other.total == 150
    assert other.at([25, 50, 100, 150], value="lr") == pytest.approx([0.075, 0.05, 0.0375, 0.025])
    assert branched(run, 0, as_plan("cosine()"), None).curve.plan.entries[0][1] == cd.cosine()


@pytest.mark.parametrize(
    ("kind", "arguments", "error", "told"),
    [
        ("cooldown", {"length": 51}, SpecError, "a cooldown of 51 updates does not fit into the 50 that are left"),
        ("cooldown", {"length": 5, "to": 2}, SpecError, "a cooldown falls, so write a smaller to"),
        ("cooldown", {"length": 5, "shape": "exponential"}, SpecError, "never arrives at 0; write '1-sqrt'"),
        ("cooldown", {"length": 5, "shape": "lienar"}, UnknownNameError, "did you mean 'linear'"),
        ("cooldown", {"length": "0.1%"}, SpecError, "less than one update"),
        (
            "shorten",
            {"length": 50},
            SpecError,
            "the run is at update 50 of 100, and 50 updates less would end it at 50",
        ),
        ("shorten", {"length": "5 parsecs"}, SpecError, "parsecs"),
        ("extend", {"length": "1e6 tokens"}, HorizonError, "tokens_per_step is not known"),
        ("set", {"values": {"wd": 1.0}}, UnknownNameError, "the plan does not govern 'wd'"),
        ("set", {"values": {"lr": 0.0}}, SpecError, "would end it for good"),
        ("release", {}, DriverError, "nothing is held"),
        ("stop", {}, UnknownNameError, "a run cannot be changed by 'stop'"),
        ("extend", {"by": 5}, UnknownNameError, "extend has no argument 'by'; known are: length"),
    ],
)
def test_what_cannot_be_done_says_why(kind: str, arguments: Any, error: type[Exception], told: str) -> None:
    with pytest.raises(error, match=told):
        change(control("constant()"), 50, kind, arguments)


def test_changes_that_contradict_each_other_are_refused() -> None:
    held = change(control("linear()"), 50, "hold", {})
    with pytest.raises(DriverError, match="held already"):
        change(held, 51, "hold", {})
    cooling = change(control("constant()"), 50, "cooldown", {"length": 20})
    with pytest.raises(SpecError, match="the run is cooling down and ends at update 70"):
        change(cooling, 60, "shorten", {"length": 2})


def test_a_run_at_0_cannot_be_extended_and_says_what_to_do() -> None:
    with pytest.raises(SpecError, match="branch from a checkpoint before the end"):
        change(control("cosine()"), 100, "extend", {"length": 50})
    assert change(control("cosine(to=0.1)"), 100, "extend", {"length": 50}).curve.at(100) == pytest.approx(0.1)


def test_a_state_loads_into_what_the_run_was_before_any_of_its_changes_and_nothing_else() -> None:
    plain = control("constant()")
    now = change(
        change(change(plain, 10, "stretch", {"length": 20}), 20, "extend", {"length": 5}), 30, "cooldown", {"length": 9}
    )
    state = saved(now, 35)
    for total in (100, 120, 125, 39):
        again, _ = restored(state, control("constant()", total=total), change=None)
        assert table(again.curve, 0, 200).tobytes() == table(now.curve, 0, 200).tobytes()
    for other in (control("constant()", total=110), control("linear()"), control("constant()", batch_size=64)):
        with pytest.raises(StateError, match="this driver was made"):
            restored(state, other, change=None)


def test_a_loop_of_one_s_own_that_is_resumed_after_its_changes_is_the_unbroken_one() -> None:
    torch = pytest.importorskip("torch")

    def made() -> Any:
        weight = torch.nn.Parameter(torch.ones(2))
        optimizer = torch.optim.SGD([weight], lr=0.1, momentum=0.9)
        return weight, optimizer, cd.drive(optimizer, "warmup(5) >> cosine(to=0.1)", total=40)

    def trained(parts: Any, updates: int) -> list[float]:
        weight, optimizer, driver = parts
        rates: list[float] = []
        for _ in range(updates):
            weight.grad = 0.3 * weight.detach()
            rates.append(optimizer.param_groups[0]["lr"])
            optimizer.step()
            driver.step()
        return rates

    one = made()
    first = trained(one, 15)
    before = one[2].values["lr"][0]
    one[2].extend(20)
    assert one[2].values["lr"][0] == pytest.approx(before, rel=2e-15)
    first += trained(one, 5)
    shown = one[2].preview("cooldown", length=12)
    assert one[2].curve.total == 60
    one[2].cooldown(12)
    assert one[2].curve.values().tobytes() == shown.values().tobytes()
    first += trained(one, 2)
    other = made()
    other[2].load_state_dict(json.loads(json.dumps(one[2].state_dict())))
    other[1].load_state_dict(deepcopy(one[1].state_dict()))
    with torch.no_grad():
        other[0].copy_(one[0])
    assert trained(one, 10) == trained(other, 10)
    assert torch.equal(one[0], other[0])
    assert one[2].curve.total == other[2].curve.total == one[2].t == 32
    assert first == one[2].curve.values(0, 22).tolist()
