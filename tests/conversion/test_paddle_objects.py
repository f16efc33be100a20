"""Paddle's scheduler objects: read in mid-run, restored from their states, built again, written as source."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given

import cadence as cd
from cadence._errors import CadenceError, ConversionError
from strategies import examples

pytest.importorskip("paddle")

from cadence.conversion.doors import inspect, setting
from cadence.conversion.framework import framework
from native_numbers import assert_equal
from paddle_cases import KINDS, Case, Kind, lr, paddle, some_rate, stepped

# ---- read --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_an_object_in_mid_run_is_its_whole_schedule_and_its_place(kind: Kind) -> None:
    for seed in range(40):
        random = np.random.default_rng(seed)
        base = some_rate(random)
        case = kind(random, base)
        steps = min(case.most, 80)
        scheduler, done = case.made(base), int(random.integers(0, steps))
        before = stepped(scheduler, done)
        live = inspect(scheduler)
        assert live.t == done
        assert live.factor == (1.0,)
        schedule = cd.from_native(scheduler, total=steps)
        ours = cd.place(schedule, total=steps, base=live.bases[0]).values()
        theirs = np.concatenate([before, stepped(scheduler, steps - 1 - done)[1:]])
        assert_equal(theirs, ours, f"seed {seed}, {case.name} {case.full(base)}: {schedule!r}")


@pytest.mark.parametrize("kind", KINDS)
def test_an_object_says_what_it_was_made_with(kind: Kind) -> None:
    for seed in range(20):
        random = np.random.default_rng(seed)
        base = some_rate(random)
        case = kind(random, base)
        native, steps = inspect(case.made(base)).native, min(case.most, 60)
        again = framework("paddle").build(native, setting((base,), "step", None, None), None)
        np.testing.assert_array_equal(stepped(again, steps), stepped(case.made(base), steps))


def test_reading_does_not_move_what_is_read() -> None:
    inner = lr.StepDecay(0.1, 3)
    scheduler = lr.LinearWarmup(inner, 4, 0.0, 0.1)
    for _ in range(9):
        scheduler.step()
    before = (scheduler.last_epoch, scheduler(), inner.last_epoch, inner())
    cd.from_native(scheduler)
    cd.from_native(
        "paddle", "LinearWarmup", {"learning_rate": inner, "warmup_steps": 4, "start_lr": 0.0, "end_lr": 0.1}
    )
    framework("paddle").run(inspect(scheduler).native, setting((0.1,), "step", None, None), 20)
    assert (scheduler.last_epoch, scheduler(), inner.last_epoch, inner()) == before


def test_a_plateau_in_mid_run_stands_at_what_its_cuts_left() -> None:
    scheduler = lr.ReduceOnPlateau(0.1, factor=0.5, patience=0)
    for _ in range(3):
        scheduler.step(1.0)
    live = inspect(scheduler)
    assert (live.t, live.bases, live.factor) == (3, (0.1,), (0.25,))


def test_a_rate_changed_by_hand_is_a_factor_where_paddle_keeps_it() -> None:
    cosine = lr.CosineAnnealingDecay(0.1, 20)
    linear = lr.LinearLR(0.1, 20)
    step = lr.StepDecay(0.1, 20)
    for scheduler, factor in ((cosine, 0.5), (linear, 0.5), (step, 1.0)):
        stepped(scheduler, 5)
        scheduler.last_lr *= 0.5
        assert inspect(scheduler).factor == pytest.approx((factor,))


def test_restarts_that_forgot_their_place_are_refused() -> None:
    trained = lr.CosineAnnealingWarmRestarts(0.1, 5)
    stepped(trained, 4)
    resumed = lr.CosineAnnealingWarmRestarts(0.1, 5)
    resumed.set_state_dict(trained.state_dict())
    with pytest.raises(ConversionError, match="stands at 0 of its cycle after 4 epochs, where 4 is due"):
        cd.from_native(resumed)
    # From the state and the arguments the place is known.
    schedule = cd.from_native(
        "paddle", "CosineAnnealingWarmRestarts", {"learning_rate": 0.1, "T_0": 5}, state=trained.state_dict()
    )
    assert repr(schedule) == "cosine(5).repeat()"


def test_a_class_of_somebody_s_own_is_refused() -> None:
    class Mine(lr.StepDecay):
        pass

    with pytest.raises(ConversionError, match="Mine is no scheduler of paddle's own"):
        cd.from_native(Mine(0.1, 3))


def test_a_scheduler_of_cadence_s_own_needs_no_conversion() -> None:
    scheduler = cd.paddle_scheduler("cosine(10)", total=10, base=0.1)
    with pytest.raises(ConversionError, match=r"cadence's own .* scheduler\.curve\.spec"):
        cd.from_native(scheduler)


def test_one_cycle_is_read_with_the_numbers_that_people_write() -> None:
    native = inspect(lr.OneCycleLR(0.1, 100, phase_pct=0.3)).native
    assert native.arguments["phase_pct"] == 0.3
    assert native.arguments["divide_factor"] == 25.0


# ---- restored ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_a_state_and_the_arguments_are_the_schedule_and_its_place(kind: Kind) -> None:
    for seed in range(15):
        random = np.random.default_rng(seed)
        base = some_rate(random)
        case = kind(random, base)
        scheduler, done = case.made(base), int(random.integers(0, min(case.most, 50)))
        stepped(scheduler, done)
        state = scheduler.state_dict()
        live = framework("paddle").restore(case.name, {**case.full(base), **state}, (1.0,))
        assert (live.t, live.factor) == (done, (1.0,))
        schedule = cd.from_native(
            "paddle", case.name, case.full(base), state=state, total=80 if case.most > 80 else None
        )
        assert schedule == cd.from_native("paddle", case.name, case.full(base), total=80 if case.most > 80 else None)


def test_a_state_alone_says_too_little() -> None:
    with pytest.raises(
        ConversionError, match="says where it stands and not what it was made with; give step_size beside it"
    ):
        cd.from_native("paddle", "StepDecay", state=lr.StepDecay(0.1, 3).state_dict())
    with pytest.raises(ConversionError, match="holds last_epoch, and this one has"):
        cd.from_native("paddle", "StepDecay", {"step_size": 3}, state={"last_lr": 0.1})


def test_a_state_of_the_optimizer_holds_its_scheduler_s() -> None:
    scheduler = lr.StepDecay(0.1, 3)
    optimizer = paddle.optimizer.SGD(scheduler, parameters=paddle.nn.Linear(1, 1).parameters())
    scheduler.step()
    schedule = cd.from_native("paddle", "StepDecay", {"step_size": 3}, state=optimizer.state_dict(), base=0.1)
    assert repr(schedule) == "steps(every=3)"


def test_arguments_that_contradict_the_state_are_refused() -> None:
    scheduler = lr.StepDecay(0.1, 3)
    stepped(scheduler, 7)
    with pytest.raises(ConversionError, match=r"the state says last_lr=0\.001 at last_epoch=7, where .* has 0\.01"):
        cd.from_native("paddle", "StepDecay", {"learning_rate": 0.1, "step_size": 4}, state=scheduler.state_dict())
    with pytest.raises(ConversionError, match="learning_rate among them"):
        cd.from_native("paddle", "StepDecay", {"step_size": 3}, state=scheduler.state_dict())
    cd.from_native("paddle", "StepDecay", {"step_size": 3}, state=scheduler.state_dict(), base=0.1)


# ---- run, build, write -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_there_and_back_again_has_the_same_numbers(kind: Kind) -> None:
    back = 0
    for seed in range(60):
        random = np.random.default_rng(seed)
        base = some_rate(random)
        case = kind(random, base)
        steps = min(case.most, int(random.choice([20, 90])))
        run = {"base": base, "total": steps}
        schedule = cd.from_native("paddle", case.name, case.full(base), **run)
        again = built_or_reason(schedule, run)
        if isinstance(again, str):
            # What has no regular form: phases that end between two steps, cycles that shrink by a function, ...
            assert irregular(case, steps), f"seed {seed}, {case.name} {case.full(base)}: {schedule!r}: {again}"
            assert "cd.paddle_scheduler" in again
            continue
        back += 1
        theirs, ours = stepped(case.made(base), steps - 1), stepped(again, steps - 1)
        assert_equal(theirs, ours, f"seed {seed}, {case.name} {case.full(base)}: {schedule!r}")
        # The source builds the same object.
        namespace: dict[str, Any] = {}
        exec(cd.to_code(schedule, "paddle", **run), namespace)  # noqa: S102
        np.testing.assert_array_equal(stepped(namespace["scheduler"], steps - 1), ours)
    assert back > 20


def built_or_reason(schedule: Any, run: dict[str, Any]) -> Any:
    try:
        return cd.to_native(schedule, "paddle", **run)
    except ConversionError as reason:
        return str(reason)


def irregular(case: Case, steps: int) -> bool:
    given = case.arguments
    match case.name:
        case "NoamDecay":
            return given["warmup_steps"] != int(given["warmup_steps"])
        case "OneCycleLR":
            total, share = given["total_steps"], given["phase_pct"]
            whole = abs(share * total - round(share * total)) < 1e-9 and share * total > 1
            # In three phases along lines it ends past total_steps - 1, or is cut before.
            return not whole or steps < total
        case "CyclicLR":
            # Below its base it is a formula.
            return given["max_learning_rate"] < 1 or "scale_fn" in given
        case "InverseTimeDecay":
            return given["gamma"] == 1e-17
        case "LinearWarmup" if case.inner:
            return irregular(case.inner, steps)
        case _:
            return False


ALGEBRA = [
    "cosine(90)", "cosine(90, to=0.01, ends='closed')", "warmup(10) >> cosine(to=0.1)", "warmup(10) >> linear()",
    "linear(10, start=0.1, to=1, ends='closed') >> cosine()", "warmup('10%') >> constant()", "constant()", "constant(start=0)",
    "warmup(10) >> steps(at=[30, 60])", "steps(at=[60, 30])", "steps(at=[30, 30, 60])", "steps(at=[30, 60], gamma=1.5)",
    "steps(every=30)", "steps(every=30, gamma=1.5)", "steps(every='2.5 epochs')", "warmup(7) >> steps(every=30)",
    "exponential(gamma=0.95)", "exponential(half_life=20)", "exponential(to=0.01)", "exponential(gamma=0)",
    "inverse(timescale=30, power=1)", "warmup(9, start=0) >> inverse(timescale=9)", "power(exponent=0.9, to=0.05)",
    "linear(start=0.3, to=2)", "linear(30) >> constant(start=0)", "constant(30) >> constant(40, start=0.1) >> constant(start=0)",
    "piecewise([(0, 1), (30, 0.5), (60, 0.1)])", "piecewise([(5, 1), (30, 0.5)])", "one_cycle()", "one_cycle(phases=3)",
    "one_cycle(phases=3, shape='linear')", "restarts(20)", "restarts(20, grow=2)", "cosine(20).past_end('repeat')",
    "cosine(20).past_end('mirror')", "triangular(up=10, low=0.1)", "triangular(up=10, down=7, low=0.1, decay=0.5)",
    "0.1 + (linear(5, start=0, to=1) >> linear(5, start=1)).repeat() * exponential(gamma=0.9)", "cosine() * 0.5",
    "2 * steps(at=[30])", "cosine(200).cut()", "(linear(200, start=0.1, to=1) >> cosine(800)).cut()",
    "warmup(5) >> warmup(10, start=0.5) >> cosine()", "warmup(10) >> cosine(20).repeat()", "linear(90).past_end('raise')", "steps(50, every=20)", "steps(50, at=[30, 50, 70])", "piecewise([(10, 0.5), (70, 0.2)], length=50)",
    "formula('1 / (1 + t)')", "formula('where(t < 30 and t > 5, 1, 0.5 + 0.5 * cos(pi * epoch / 20) ** 2)')", "formula('t / total')",
    "warmup(10) >> formula('sqrt(10 / t) * min(1, epoch_float)')", "warmup(10) >> formula('exp(-t / 9)', local=True) * 0.5",
]  # fmt: skip


@pytest.mark.parametrize("text", ALGEBRA)
def test_what_paddle_can_express_has_the_same_numbers_there(text: str) -> None:
    run = {"total": 100 if "90" not in text else 90, "steps_per_epoch": 10}
    for base in (0.1, 3e-4):
        theirs = stepped(cd.to_native(text, "paddle", base=base, **run), run["total"] - 1)
        assert_equal(theirs, cd.place(text, base=base, **run).values(), cd.to_code(text, "paddle", base=base, **run))


VALUES = st.sampled_from(["0", "0.01", "0.1", "0.5", "1", "2", "absolute(0.03)"])
GAMMAS = st.sampled_from(["0", "0.1", "0.5", "1", "1.5"])


@st.composite
def phase(draw: st.DrawFn) -> str:
    start, to, n = draw(VALUES), draw(VALUES), draw(st.integers(1, 60))
    length = draw(st.sampled_from(["", f"{n}, "]))
    positions = draw(st.lists(st.integers(0, 90), min_size=1, max_size=4))
    return draw(
        st.sampled_from(
            [
                f"cosine({length}start={start}, to={to})", f"linear({length}start={start}, to={to})",
                f"linear({length}start={start}, to={to}, ends='closed')", f"power({length}to={to}, exponent=0.9)",
                f"constant({length}start={start})", f"steps({length}at={positions}, gamma={draw(GAMMAS)}, start={start})",
                f"steps({length}every={n}, gamma={draw(GAMMAS)}, local={draw(st.booleans())})",
                f"exponential({length}gamma=0.9, start={start}, every=3)", f"inverse({length}timescale={n}, power=1)",
                f"piecewise([({n}, {start}), ({n + 9}, {to})], local={draw(st.booleans())})", "formula('1 / (1 + t)')",
                f"cosine({n}, to={to}).repeat(grow={draw(st.sampled_from([1, 2]))})", f"cosine({n}, to={to}).past_end('mirror')",
                f"(linear({n}, start={start}, to=1) >> linear(7, to={start})).repeat()",
                f"one_cycle(up={n}, phases={draw(st.sampled_from([2, 3]))})",
            ]
        )
    )  # fmt: skip


@st.composite
def phases(draw: st.DrawFn) -> str:
    parts = [f"({draw(phase())})" for _ in range(draw(st.integers(0, 1)))]
    lines = [
        f"linear({draw(st.integers(1, 40))}, start={draw(VALUES)}, to={draw(VALUES)})"
        for _ in range(draw(st.integers(0, 2)))
    ]
    text = " >> ".join([*lines, *parts, draw(phase())])
    return draw(st.sampled_from([text, f"({text}) * 0.3", f"({text}).cut()"]))


@given(phases(), st.integers(1, 130), st.sampled_from([0.1, 1.0, 0.37]))
@examples(250)
def test_whatever_is_expressed_has_the_same_numbers(text: str, total: int, base: float) -> None:
    try:
        values = cd.place(text, total=total, base=base).values()
        theirs = cd.to_native(text, "paddle", total=total, base=base)
    except CadenceError:
        return  # does not fit, or has no equal
    assert_equal(values, stepped(theirs, total - 1), text)


CANNOT = [
    ("wsd()", "its LinearWarmup is the only one that takes another after it"),
    ("cosine(50)", "rises again after T_max=50, and the run goes on"),
    (
        "cosine(50) >> constant(start=0.1)",
        "its LinearWarmup, the only one that takes another after it, is a rising line",
    ),
    ("warmup(10, shape='cosine') >> linear()", "is a rising line"),
    ("rex()", "a phase that falls along 'rex'"),
    ("exponential(start=0.01, to=1)", "a phase that rises along 'exponential'"),
    ("exponential(gamma=1.01)", "wants a gamma below 1"),
    ("inverse(timescale=10)", "its InverseTimeDecay has power 1"),
    ("steps(every='0.15 epochs')", "would have to be listed"),
    ("piecewise([(0, 1), (30, 0)], shape='linear')", "holds each value"),
    ("cosine() * linear()", "it has no product"),
    ("cosine() + linear()", "of sums it has only"),
    ("linear().clip(0.1)", "a clip"),
    ("linear().staircase('1 epoch')", "per='epoch'"),
    ("cosine().staircase(7)", "a staircase"),
    ("formula('1 - u')", "it speaks of u, its share done; write it in t"),
    ("formula('1 / (1 + t)').stretch(2)", "its clock is stretched"),
    ("formula('1 / (1 + t)', 50)", "stays at its end"),
    ("restarts(20, grow=1.5)", "whole T_mult"),
    ("restarts(20, decay=0.5)", "every cycle begins at the same rate"),
    ("cosine(30).repeat(2)", "cycles that come to an end"),
    ("linear(30).repeat()", "falling cosines, and triangles"),
    ("linear(30).past_end('repeat')", "only its cosines go on"),
    ("cosine() * plateau('loss')", "moves by itself"),
    ("warmup(10) >> constant() * plateau('loss')", "takes the number of the epoch for the metric"),
    ("constant() * plateau('loss', cooldown=3)", "hears nothing then"),
    ("constant() * plateau('loss', patience='3 epochs')", "counts observations"),
    ("constant() * plateau('loss', significance=0.05)", "only counts"),
    ("constant() * early_stop('loss')", "a single rule that cuts"),
    ("plan({'lr': cosine(), 'momentum': linear(to=0.5)})", "move the learning rate and nothing else"),
]


@pytest.mark.parametrize(("text", "why"), CANNOT)
def test_what_paddle_cannot_express_is_refused_with_the_part_and_the_adapter(text: str, why: str) -> None:
    total = 20_000 if "0.15 epochs" in text else 100
    with pytest.raises(ConversionError) as refused:
        cd.to_native(text, "paddle", base=0.1, total=total, steps_per_epoch=10)
    assert why in str(refused.value)
    instead = "cd.drive(optimizer, ...)" if "plan" in text else "cd.paddle_scheduler(...) takes any schedule"
    assert instead in str(refused.value)


def test_groups_with_different_bases_are_multiples_or_refused() -> None:
    built = cd.to_native("cosine(90)", "paddle", base=[0.1, 0.01], total=90)
    assert built() == 0.1
    with pytest.raises(ConversionError, match="fixed multiples"):
        cd.to_native("cosine(90, to=absolute(0.001))", "paddle", base=[0.1, 0.01], total=90)
    with pytest.raises(ConversionError, match="fixed multiples"):
        cd.to_native("plan({'0/lr': cosine(), '1/lr': linear()})", "paddle", base=[0.1, 0.01], total=90)


def test_a_plateau_is_paddle_s_own() -> None:
    random = np.random.default_rng(5)
    text = (
        "constant() * plateau('loss', factor=0.5, patience=1, cooldown=2, deaf=True, minimum=0.01, least_change=1e-6)"
    )
    metrics = np.round(np.abs(random.normal(size=60)), 1).tolist()
    scheduler = cd.to_native(text, "paddle", base=0.1)
    rates = [scheduler()]
    for metric in metrics:
        scheduler.step(metric)
        rates.append(scheduler())
    np.testing.assert_allclose(cd.replay(text, metrics, base=0.1).values, rates, rtol=1e-12)
    assert "scheduler.step(metric) after every evaluation" in cd.to_code(text, "paddle", base=0.1)


def test_per_epoch_the_scheduler_is_stepped_once_an_epoch() -> None:
    run = {"base": 0.1, "total": "30 epochs", "steps_per_epoch": 7, "per": "epoch"}
    for text in ("cosine('30 epochs').staircase('1 epoch')", "steps(at=['10 epochs', '20 epochs'])"):
        scheduler = cd.to_native(text, "paddle", **run)
        theirs = np.repeat(stepped(scheduler, 29), 7)
        assert_equal(theirs, cd.place(text, base=0.1, total="30 epochs", steps_per_epoch=7).values(), text)
        assert "scheduler.step() after every epoch" in cd.to_code(text, "paddle", **run)


def test_an_optimizer_gets_the_scheduler_and_gives_the_base() -> None:
    layer = paddle.nn.Linear(1, 1)
    optimizer = paddle.optimizer.SGD(0.3, parameters=layer.parameters())
    scheduler = cd.to_native("cosine(10)", "paddle", optimizer, total=10)
    assert optimizer.get_lr() == 0.3
    scheduler.step()
    assert optimizer.get_lr() == scheduler() < 0.3


def test_the_source_is_what_people_write() -> None:
    assert cd.to_code("linear(10, start=0.01, to=1) >> cosine(80)", "paddle", base=0.1, total=90) == (
        "import paddle\n\n"
        "scheduler = paddle.optimizer.lr.LinearWarmup(\n"
        "    learning_rate=paddle.optimizer.lr.CosineAnnealingDecay(learning_rate=0.1, T_max=80),\n"
        "    warmup_steps=10,\n"
        "    start_lr=0.001,\n"
        "    end_lr=0.1,\n"
        ")\n"
        "# optimizer = paddle.optimizer.SGD(learning_rate=scheduler, parameters=model.parameters())\n"
        "# scheduler.step() after every update\n"
    )


def test_run_is_what_paddle_does() -> None:
    native = inspect(lr.LinearWarmup(lr.CosineAnnealingDecay(0.1, 10), 5, 0.0, 0.1)).native
    values = framework("paddle").run(native, setting((0.1, 0.2), "step", None, None), 30)["lr"]
    assert values.shape == (2, 31)
    np.testing.assert_allclose(values[1], 2 * values[0])
    np.testing.assert_array_equal(
        values[0], stepped(lr.LinearWarmup(lr.CosineAnnealingDecay(0.1, 10), 5, 0.0, 0.1), 30)
    )
    with pytest.raises(ConversionError, match="stops after 10 steps"):
        framework("paddle").run(inspect(lr.OneCycleLR(0.1, 10)).native, setting((0.1,), "step", None, None), 30)
    with pytest.raises(ConversionError, match="follows a metric"):
        framework("paddle").run(inspect(lr.ReduceOnPlateau(0.1)).native, setting((0.1,), "step", None, None), 30)


def test_definitions_need_no_paddle() -> None:
    program = (
        "import sys, cadence as cd\n"
        "print(cd.from_native('paddle', 'LinearWarmup', {'learning_rate': ('StepDecay', {'learning_rate': 0.1, 'step_size': 9}), "
        "'warmup_steps': 3, 'start_lr': 0.01, 'end_lr': 0.1}, total=20), 'paddle' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "linear(3, to=1, start=absolute(0.01)) >> steps(every=9, local=True) False\n"
