"""Keras's schedules and callbacks read, proved against Keras itself in float64, and written again."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest

import cadence as cd
from cadence._errors import ConversionError, UnknownNameError
from cadence.conversion.definition import definitions
from cadence.conversion.doors import inspect, setting
from cadence.conversion.framework import framework
from cadence.conversion.native import Native
from draws import Draws
from native_numbers import assert_equal

# Keras's own variables, asked for an array by numpy 2.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy:DeprecationWarning")

TICKS = 60
L = "initial_learning_rate"


# ---- without Keras -------------------------------------------------------------------------------------------------

READ = [
    ("CosineDecay", {L: 0.1, "decay_steps": 90, "alpha": 0.01}, "cosine(90, to=0.01)"),
    ("CosineDecay", {L: 0.1, "decay_steps": 90, "warmup_steps": 5}, "cosine(90)"),
    ("CosineDecay", {L: 0.0, "decay_steps": 90, "warmup_target": 0.1, "warmup_steps": 10},
     "linear(10, to=1, start=0) >> cosine(90)"),
    ("CosineDecayRestarts", {L: 0.1, "first_decay_steps": 30}, "cosine(30).repeat(grow=2)"),
    ("CosineDecayRestarts", {L: 0.1, "first_decay_steps": 30, "t_mul": 1.0}, "cosine(30).past_end('repeat')"),
    ("CosineDecayRestarts", {L: 0.1, "first_decay_steps": 30, "t_mul": 1.0, "m_mul": 0.5, "alpha": 0.1},
     "0.1 + cosine(30, start=0.9).repeat(decay=0.5)"),
    ("ExponentialDecay", {L: 0.1, "decay_steps": 30, "decay_rate": 0.96}, "exponential(gamma=0.96, every=30)"),
    ("ExponentialDecay", {L: 0.1, "decay_steps": 30, "decay_rate": 0.96, "staircase": True},
     "steps(every=30, gamma=0.96)"),
    ("InverseTimeDecay", {L: 0.1, "decay_steps": 10, "decay_rate": 0.5}, "inverse(timescale=20, power=1)"),
    ("InverseTimeDecay", {L: 0.1, "decay_steps": 10, "decay_rate": 0.5, "staircase": True},
     "inverse(timescale=20, power=1).staircase(10)"),
    ("PiecewiseConstantDecay", {"boundaries": [30, 60], "values": [0.1, 0.01, 0.001]}, "steps(at=[31, 61])"),
    ("PiecewiseConstantDecay", {"boundaries": [30, 60], "values": [0.1, 0.05, 0.001]},
     "piecewise([(0, 1), (31, 0.5), (61, 0.01)])"),
    ("PolynomialDecay", {L: 0.1, "decay_steps": 90}, "linear(90, to=0.001)"),
    ("PolynomialDecay", {L: 0.1, "decay_steps": 90, "end_learning_rate": 0.0, "power": 0.9}, "power(90, exponent=0.9)"),
    ("PolynomialDecay", {L: 0.1, "decay_steps": 30, "cycle": True},
     "formula('0.001 + 0.999 * (1 - t / (30 * max(-(-t / 30 // 1), 1)))')"),
    ("ReduceLROnPlateau", {"factor": 0.5, "patience": 4, "cooldown": 3, "min_lr": 1e-5},
     "constant() * plateau('val_loss', factor=0.5, patience=3, threshold_mode='abs', cooldown=2, "
     "minimum=absolute(1e-05), nan='bad', infinite='best')"),
    ("LearningRateScheduler", {"schedule": lambda epoch: 0.1 if epoch < 50 else 0.01}, "piecewise([(0, 1), (50, 0.1)])"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "kwargs", "text"), READ)
def test_a_schedule_reads_as_people_would_write_it_where_the_base_is_its_own_rate(
    name: str, kwargs: dict[str, Any], text: str
) -> None:
    read = cd.from_native("keras", name, kwargs, base=0.1, total=200)
    assert repr(read) == text
    assert cd.parse(text) == read


def test_every_schedule_of_the_registry_is_read_above() -> None:
    assert {name for name, _, _ in READ} == set(definitions("keras"))


def test_without_a_base_the_numbers_stay_absolute() -> None:
    read = cd.from_native("keras", "CosineDecay", {L: 0.1, "decay_steps": 90, "alpha": 0.01})
    assert repr(read) == "cosine(90, to=absolute(0.001), start=absolute(0.1))"
    assert [cd.place(read, base=base).at(0) for base in (1.0, 0.1, 7.0)] == [0.1] * 3


def test_a_boundary_still_has_the_value_before_it() -> None:
    read = cd.from_native("keras", "PiecewiseConstantDecay", {"boundaries": [3], "values": [0.1, 0.01]})
    assert cd.place(read).at([2, 3, 4]).tolist() == pytest.approx([0.1, 0.1, 0.01], rel=1e-15)


REFUSED = [
    ("CosineDecay", {L: 0.1, "decay_steps": 0}, "Argument `decay_steps` must be > 0, and is 0"),
    ("CosineDecay", {L: 0.1, "decay_steps": 9, "alpha": -1}, "below 0 at the end"),
    ("CosineDecay", {L: -0.1, "decay_steps": 9}, "is -0.1; a learning rate is at least 0"),
    ("CosineDecay", {L: "0.1", "decay_steps": 9}, "initial_learning_rate is a number, not '0.1'"),
    ("CosineDecay", {L: math.inf, "decay_steps": 9}, "write a finite number"),
    ("CosineDecay", {L: 0.1}, "needs decay_steps"),
    ("CosineDecayRestarts", {L: 0.1, "first_decay_steps": 0}, "`first_decay_steps` must be > 0"),
    ("CosineDecayRestarts", {L: 0.1, "first_decay_steps": 9, "t_mul": 0}, "t_mul=0"),
    ("CosineDecayRestarts", {L: 0.1, "first_decay_steps": 9, "t_mul": 0.5}, "come to an end at step 18"),
    ("ExponentialDecay", {L: 0.1, "decay_steps": -1, "decay_rate": 0.9}, "must be > 0, and is -1"),
    ("ExponentialDecay", {L: 0.1, "decay_steps": 9, "decay_rate": -0.9}, "no learning rates"),
    ("InverseTimeDecay", {L: 0.1, "decay_steps": 9, "decay_rate": -1}, "to infinity at step 9, and the run has 20"),
    ("PiecewiseConstantDecay", {"boundaries": [3], "values": [0.1]}, "should be 1 less than the length of values"),
    ("PiecewiseConstantDecay", {"boundaries": [], "values": [0.1]}, "without a boundary"),
    ("PiecewiseConstantDecay", {"boundaries": 3, "values": [0.1]}, "boundaries is a list of numbers, not 3"),
    ("PolynomialDecay", {L: 0.1, "decay_steps": 9, "power": -1}, "ends at infinity"),
    ("LearningRateScheduler", {"schedule": lambda epoch: 1}, "it should give a float, not 1"),
    ("LearningRateScheduler", {"schedule": lambda epoch: 1 / 0.0}, "fails at 0: ZeroDivisionError"),
    ("LearningRateScheduler", {"schedule": 0.1}, "takes a function of the epoch, not 0.1"),
    ("ReduceLROnPlateau", {"factor": 1.0}, "does not support a factor >= 1.0"),
    ("ReduceLROnPlateau", {"factor": 0.0}, "cuts to min_lr at once"),
    ("ReduceLROnPlateau", {"monitor": "val_score"}, "write mode='min' or mode='max'"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "kwargs", "reason"), REFUSED)
def test_what_has_no_equal_is_refused_with_the_reason(name: str, kwargs: dict[str, Any], reason: str) -> None:
    with pytest.raises(ConversionError) as refusal:
        cd.from_native("keras", name, kwargs, total=20)
    assert reason in str(refusal.value)


def test_an_unknown_name_or_argument_lists_its_neighbours() -> None:
    with pytest.raises(UnknownNameError, match="CosineDecay"):
        cd.from_native("keras", "CosineDecy", {})
    with pytest.raises(UnknownNameError, match="did you mean 'decay_steps'"):
        cd.from_native("keras", "CosineDecay", {L: 0.1, "decay_step": 9})
    with pytest.raises(ConversionError, match="give total="):
        cd.from_native("keras", "LearningRateScheduler", {"schedule": lambda epoch: 0.1})


def test_a_function_of_the_epoch_and_the_rate_before_it_goes_on_from_the_base() -> None:
    def halve(epoch: int, rate: float) -> float:
        return rate / 2 if epoch % 10 == 9 else rate

    arguments = {"schedule": halve}
    read = cd.from_native(
        "keras", "LearningRateScheduler", arguments, base=0.4, total="30 epochs", per="epoch", steps_per_epoch=7
    )
    curve = cd.place(read, total="30 epochs", steps_per_epoch=7, base=0.4)
    assert curve.at([0, 62, 63, 132, 133, 209]).tolist() == [0.4, 0.4, 0.2, 0.2, 0.1, 0.05]


# ---- against Keras -------------------------------------------------------------------------------------------------


def peer() -> Any:
    """Keras, as conversion sees it, on the backend that has float64 throughout."""
    keras = pytest.importorskip("keras")
    if keras.backend.backend() != "jax":
        pytest.skip("only on jax all of Keras's operations can be had in float64")
    return framework("keras")


def values(native: Native, base: float = 1.0) -> Any:
    return peer().run(native, setting((base,), "step", TICKS, None), TICKS)["lr"][0]


def undecided(native: Native) -> Any:
    """Steps at which the rounding of a logarithm decides whether a cycle ends or the next begins."""
    steps = np.zeros(TICKS + 1, dtype=bool)
    grow = native.arguments.get("t_mul", 2.0)
    if native.name == "CosineDecayRestarts" and grow != 1:
        cycles = np.log(1 - np.arange(TICKS + 1) / native.arguments["first_decay_steps"] * (1 - grow)) / np.log(grow)
        steps = (np.abs(cycles - np.round(cycles)) < 1e-9) & (np.arange(TICKS + 1) > 0)
    return steps


def assert_near(got: Any, want: Any, said: Any, skipped: Any) -> None:
    assert_equal(want, np.where(skipped, want, got), said)


class Draw(Draws):
    """Arguments of these schedules."""

    def rate(self) -> float:
        return self.of(0.1, 1.0, 3e-4, 0.0, 0.25, float(self.rng.uniform(0, 1)))


def cosine(d: Draw) -> dict[str, Any]:
    warm = {"warmup_target": d.of(None, d.rate(), d.rate()), "warmup_steps": d.of(0, 5, 20, 60, 70, 7.5, -3)}
    return {L: d.rate(), "decay_steps": d.length(), "alpha": d.of(0.0, 0.1, 1.0, 1.7), **d.of({}, warm, warm)}


def restarts(d: Draw) -> dict[str, Any]:
    n, grow = d.of(3, 7, 10, 30, 60, 12.5), d.of(2.0, 1.0, 1.5, 3.0, 2.0, 1.0)
    return {L: d.rate(), "first_decay_steps": n, "t_mul": grow, "m_mul": d.of(1.0, 0.5, 0.0, 1.2),
            "alpha": d.of(0.0, 0.1, 1.3)}  # fmt: skip


def exponential(d: Draw) -> dict[str, Any]:
    return {L: d.rate(), "decay_steps": d.length(), "decay_rate": d.of(0.0, 0.5, 0.96, 1.0, 1.1),
            "staircase": d.of(True, False)}  # fmt: skip


def inverse(d: Draw) -> dict[str, Any]:
    return {**exponential(d), "decay_rate": d.of(0.0, 0.5, 1.0, 3.7, 0.3)}


def pieces(d: Draw) -> dict[str, Any]:
    count = int(d.rng.integers(1, 5))
    places = d.rng.integers(-3, 80, size=count).tolist()
    if d.rng.random() < 0.6:
        places.sort()
    if d.rng.random() < 0.2:
        places[-1] += 0.7
    return {"boundaries": places, "values": [d.rate() for _ in range(count + 1)]}


def polynomial(d: Draw) -> dict[str, Any]:
    return {L: d.rate(), "decay_steps": d.length(), "end_learning_rate": d.rate(), "power": d.of(0, 0.5, 1.0, 2, 3.7),
            "cycle": d.of(True, False, False)}  # fmt: skip


MAKERS: Mapping[str, Callable[[Draw], dict[str, Any]]] = {
    "CosineDecay": cosine, "CosineDecayRestarts": restarts, "ExponentialDecay": exponential,
    "InverseTimeDecay": inverse, "PiecewiseConstantDecay": pieces, "PolynomialDecay": polynomial,
}  # fmt: skip


@pytest.mark.parametrize("name", MAKERS)
def test_random_configurations_equal_the_peer_at_every_step(name: str) -> None:
    peer()
    d = Draw(sum(map(ord, name)))
    for _ in range({"CosineDecay": 40, "CosineDecayRestarts": 60}.get(name, 250)):
        kwargs = MAKERS[name](d)
        base = d.of(kwargs.get(L) or 0.1, 1.0, 0.37)
        total = TICKS if name == "CosineDecay" else d.of(None, TICKS)
        native = definitions("keras")[name].bind([], kwargs)
        read = cd.from_native("keras", name, kwargs, base=base, total=total)
        got = cd.place(read, total=TICKS, base=base).at(np.arange(TICKS + 1))
        assert_near(got, values(native), (native, read), undecided(native))


def test_live_schedules_and_saved_configurations_are_read() -> None:
    made, d = peer(), Draw(5)
    keras = pytest.importorskip("keras")
    for name, make in MAKERS.items():
        for _ in range(10):
            kwargs = make(d)
            schedule = made.build(Native("keras", name, kwargs), setting((1.0,), "step", TICKS, None), None)
            live = inspect(schedule)
            assert live.t == 0
            assert {**live.native.arguments, **kwargs} == {**kwargs, **live.native.arguments}
            for state in (schedule.get_config(), keras.optimizers.schedules.serialize(schedule)):
                assert cd.from_native("keras", name, state=state, total=TICKS) == cd.from_native(schedule, total=TICKS)
    with pytest.raises(ConversionError, match="'decay' belongs to no configuration"):
        cd.from_native("keras", "CosineDecay", state={"decay": 1})
    with pytest.raises(ConversionError, match="not of CosineDecay"):
        cd.from_native("keras", "CosineDecay", state={"class_name": "PolynomialDecay", "config": {}})


def test_an_optimizer_in_mid_training_says_its_schedule_and_where_it_stands() -> None:
    peer()
    keras = pytest.importorskip("keras")
    optimizer = keras.optimizers.SGD(keras.optimizers.schedules.CosineDecay(0.1, 90, alpha=0.01))
    variable = keras.Variable(np.ones(2, "float32"))
    for _ in range(3):
        optimizer.apply([np.ones(2, "float32")], [variable])
    live = inspect(optimizer)
    assert live.t == 3
    assert repr(live.native) == f"CosineDecay({L}=0.1, decay_steps=90, alpha=0.01)"
    assert repr(cd.from_native(optimizer, base=0.1)) == "cosine(90, to=0.01)"
    with pytest.raises(ConversionError, match="has no schedule"):
        cd.from_native(keras.optimizers.SGD(0.1))
    with pytest.raises(ConversionError, match="no schedule of Keras's own"):
        cd.from_native(cd.keras_schedule("cosine(5)"))


def test_callbacks_are_read_too() -> None:
    peer()
    keras = pytest.importorskip("keras")
    rule = keras.callbacks.ReduceLROnPlateau(monitor="val_accuracy", factor=0.5, patience=2, cooldown=1, mode="max")
    assert repr(inspect(rule).native) == (
        "ReduceLROnPlateau(monitor='val_accuracy', factor=0.5, patience=2, mode='max', cooldown=1)"
    )
    given = keras.callbacks.LearningRateScheduler(lambda epoch, rate: rate * 0.5)
    read = cd.from_native(given, base=0.8, total=5)
    assert cd.place(read, total=5, base=0.8).at(np.arange(6)).tolist() == [0.4 / 2**k for k in range(6)]
    assert values(inspect(given).native, base=0.8)[:6].tolist() == [0.4 / 2**k for k in range(6)]
    with pytest.raises(ConversionError, match="refuses"):
        values(Native("keras", "LearningRateScheduler", {"schedule": lambda epoch: 1}))


class Sequence:
    """An optimizer as far as callbacks look at it, with the metric of each epoch."""

    def __init__(self, rate: float) -> None:
        self.optimizer = type("Optimizer", (), {"learning_rate": np.float64(rate)})()
        self.metrics: list[Any] = []


def test_the_rule_follows_a_metric_as_keras_does() -> None:
    peer()
    keras = pytest.importorskip("keras")
    rng = np.random.default_rng(3)
    for case in range(60):
        kwargs = {"factor": float(rng.choice([0.5, 0.1])), "patience": int(rng.integers(0, 5)),
                  "cooldown": int(rng.integers(0, 5)), "min_lr": float(rng.choice([0.0, 0.05])),
                  "mode": str(rng.choice(["min", "max", "auto"])), "min_delta": 0.07}  # fmt: skip
        losses = (rng.normal(size=40).cumsum() * 0.2 + rng.choice([5.0, -1.0])).tolist()
        if case % 5 == 0:
            losses[7] = math.nan
        callback, model = keras.callbacks.ReduceLROnPlateau(**kwargs), Sequence(0.8)
        callback.set_model(model)
        callback.on_train_begin()
        rates = [0.8]
        for epoch, loss in enumerate(losses):
            callback.on_epoch_end(epoch, {"val_loss": loss})
            rates.append(float(model.optimizer.learning_rate))
        read = cd.from_native("keras", "ReduceLROnPlateau", kwargs)
        got = cd.replay(read, losses, base=0.8).values
        np.testing.assert_allclose(got, rates, rtol=1e-12, err_msg=f"{kwargs} {case}")


def said(read: Any, on: Any) -> Native | None:
    """Keras's equal; None where it has none and says what to use instead."""
    try:
        return peer().express(on.placed(read))
    except ConversionError as why:
        if "keras_schedule" not in str(why):
            raise
        return None


def test_native_to_cadence_to_native_gives_the_same_numbers() -> None:
    peer()
    on, d, expressed = setting((0.1,), "step", TICKS, None), Draw(11), dict.fromkeys(MAKERS, 0)
    for name, make in MAKERS.items():
        for _ in range(20):
            native = definitions("keras")[name].bind([], make(d))
            read = cd.from_native("keras", name, native.arguments, base=0.1, total=TICKS)
            again = said(read, on)
            if again is None:
                continue
            expressed[name] += 1
            assert_near(values(again), values(native), (native, read, again), undecided(native))
    # What has no equal is a length of 12.5 steps, a rate of 0, and the like.
    assert min(expressed.values()) >= 8, expressed


@pytest.mark.parametrize(
    ("name", "kwargs"), [(name, kwargs) for name, kwargs, _ in READ if name != "LearningRateScheduler"]
)
def test_the_usual_ones_come_back_under_their_own_names_and_their_code_builds_them(
    name: str, kwargs: dict[str, Any]
) -> None:
    made, on = peer(), setting((0.1,), "step", 200, None)
    read = cd.from_native("keras", name, kwargs, base=0.1, total=200)
    again = made.express(on.placed(read))
    assert again.name == name
    scope: dict[str, Any] = {}
    exec(cd.to_code(read, "keras", base=0.1, total=200), scope)  # noqa: S102
    assert type(scope["scheduler"]).__name__ == name
    if name != "ReduceLROnPlateau":
        assert_near(values(inspect(scope["scheduler"]).native), values(Native("keras", name, kwargs)), again,
                    undecided(Native("keras", name, kwargs)))  # fmt: skip


SAID = [
    "cosine(25).repeat()", "cosine(25).repeat(grow=2)", "0.1 + cosine(25, start=0.9).repeat(decay=0.5)", "constant()",
    "cosine(20).past_end('repeat')", "steps(every=20)", "steps(at=[5, 5, 30])", "exponential(to=0.01)", "linear()",
    "steps(every='10.5 steps')", "constant(30) >> constant(start=0.1)", "exponential(gamma=0.9).staircase(10)",
    "inverse(timescale=10, power=1)", "inverse(timescale=10, power=1).staircase(5)", "power(exponent=3) * 0.5",
    "piecewise([(5, 1), (10, 0), (60, 0.5)])", "0.1 + steps(at=[20, 40])", "warmup(5) >> cosine(to=0.01)",
    "steps(30, every=7) >> constant(start=0.5)", "cosine(70).past_end('mirror')", "(cosine(80) * 2).cut()",
]  # fmt: skip


@pytest.mark.parametrize("text", SAID)
def test_schedules_of_cadence_that_keras_can_say(text: str) -> None:
    on = setting((0.1,), "step", TICKS, None)
    native = peer().express(on.placed(cd.parse(text)))
    exact = cd.place(text, total=TICKS, base=0.1).at(np.arange(TICKS + 1))
    assert_near(values(native), exact, native, undecided(native))


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("rex()", "runs along 'rex'"),
        ("inverse(timescale=10)", "power 0.5 of time"),
        ("cosine(20).past_end('mirror')", "goes back past its end"),
        ("linear(20).past_end('repeat')", "repeats cosines only"),
        ("cosine(20).repeat()", "is at its end at update 60"),
        ("cosine('7.5 steps').repeat()", "no whole number of updates"),
        ("cosine() * steps(every=10)", "both move"),
        ("warmup(5) >> constant()", "only a straight warmup and a cosine"),
        ("exponential(30, gamma=0.9)", "stops before the run does"),
        ("constant() * plateau('val_loss')", "threshold relative to the best"),
        ("constant() * plateau('val_loss', threshold_mode='abs', minimum=0.1)", "relative minimum"),
        ("constant(start=0.5) * plateau('loss')", "starts from another rate"),
        ("linear().staircase(7)", "changes in stairs"),
        ("formula('1 / (1 + t)')", "has no equal"),
    ],
)
def test_what_keras_cannot_say_is_refused_with_the_part_and_the_way_out(text: str, why: str) -> None:
    made, on = peer(), setting((0.1,), "step", TICKS, None)
    with pytest.raises(ConversionError) as refusal:
        made.express(on.placed(cd.parse(text)))
    assert why in str(refusal.value)


def test_float64_leaves_no_trace() -> None:
    peer()
    keras = pytest.importorskip("keras")
    values(Native("keras", "CosineDecay", {L: 0.1, "decay_steps": 9}))
    assert keras.config.floatx() == "float32"
    wide = keras.ops.convert_to_tensor(np.ones(2))
    assert keras.backend.standardize_dtype(keras.ops.cos(wide).dtype) == "float32"
