"""optax's schedules read, proved against optax itself in float64, and written again."""

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

TICKS = 60
RATES = (0.1, 1.0, 3e-4, 0.0, 0.25, 1e-8)


# ---- without optax -------------------------------------------------------------------------------------------------

READ = [
    ("constant_schedule", {"value": 0.1}, "constant()"),
    ("cosine_decay_schedule", {"init_value": 0.1, "decay_steps": 90}, "cosine(90)"),
    ("cosine_decay_schedule", {"init_value": 0.1, "decay_steps": 90, "alpha": 0.01}, "cosine(90, to=0.01)"),
    ("cosine_decay_schedule", {"init_value": 0.1, "decay_steps": 90, "exponent": 2},
     "formula('sin(pi / 2 * max(90 - t, 0) / 90) ** 4')"),
    ("linear_schedule", {"init_value": 0.0, "end_value": 0.1, "transition_steps": 5}, "linear(5, to=1, start=0)"),
    ("linear_schedule", {"init_value": 0.1, "end_value": 0.0, "transition_steps": 0}, "constant()"),
    ("polynomial_schedule", {"init_value": 0.1, "end_value": 1e-3, "power": 3, "transition_steps": 50,
                             "transition_begin": 10}, "constant(10) >> power(50, to=0.01, exponent=3)"),
    ("exponential_decay", {"init_value": 0.1, "transition_steps": 30, "decay_rate": 0.5},
     "exponential(gamma=0.5, every=30)"),
    ("exponential_decay", {"init_value": 0.1, "transition_steps": 30, "decay_rate": 0.5, "staircase": True,
                           "end_value": 0.02}, "steps(every=30, gamma=0.5).clip(lo=0.2)"),
    ("piecewise_constant_schedule", {"init_value": 0.1, "boundaries_and_scales": {60: 0.1, 30: 0.1}},
     "steps(at=[30, 60])"),
    ("piecewise_constant_schedule", {"init_value": 0.1, "boundaries_and_scales": {30: 0.5, 60: 0.1}},
     "piecewise([(0, 1), (30, 0.5), (60, 0.05)])"),
    ("cosine_onecycle_schedule", {"transition_steps": 100, "peak_value": 0.1},
     "piecewise([(0, 0.04), (30, 1), (100, 4e-06)], shape='cosine')"),
    ("linear_onecycle_schedule", {"transition_steps": 100, "peak_value": 0.1},
     "piecewise([(0, 0.04), (30, 1), (85, 0.04), (100, 4e-06)], shape='linear')"),
    ("warmup_constant_schedule", {"init_value": 0.01, "peak_value": 0.1, "warmup_steps": 5},
     "linear(5, to=1, start=0.1)"),
    ("warmup_cosine_decay_schedule", {"init_value": 0.0, "peak_value": 0.1, "warmup_steps": 10, "decay_steps": 100,
                                      "end_value": 0.001}, "linear(10, to=1, start=0) >> cosine(90, to=0.01)"),
    ("warmup_exponential_decay_schedule", {"init_value": 0.0, "peak_value": 0.1, "warmup_steps": 10,
                                           "transition_steps": 20, "decay_rate": 0.9},
     "linear(10, to=1, start=0) >> exponential(gamma=0.9, every=20)"),
    ("sgdr_schedule", {"cosine_kwargs": [{"init_value": 0.0, "peak_value": 0.1, "warmup_steps": 2, "decay_steps": 20},
                                         {"init_value": 0.1, "peak_value": 0.1, "warmup_steps": 0, "decay_steps": 30}]},
     "linear(2, to=1, start=0) >> cosine(18) >> cosine(30)"),
    ("join_schedules", {"schedules": [("linear_schedule", {"init_value": 0.0, "end_value": 0.1,
                                                           "transition_steps": 30}),
                                      ("constant_schedule", {"value": 0.1})], "boundaries": [10]},
     "linear(30, to=1, start=0).cut(10) >> constant()"),
    ("reduce_on_plateau", {"factor": 0.5, "patience": 4, "cooldown": 2},
     "constant() * plateau('loss', factor=0.5, patience=3, threshold_mode='signed', cooldown=2, nan='bad', "
     "infinite='best')"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "kwargs", "text"), READ)
def test_a_schedule_reads_as_people_would_write_it_where_the_base_is_its_own_rate(
    name: str, kwargs: dict[str, Any], text: str
) -> None:
    read = cd.from_native("optax", name, kwargs, base=0.1, total=200)
    assert repr(read) == text
    assert cd.parse(text) == read


def test_every_schedule_of_the_registry_is_read_above() -> None:
    assert set(definitions("optax")) - {name for name, _, _ in READ} == {"piecewise_interpolate_schedule"}


def test_without_a_base_the_numbers_stay_absolute() -> None:
    read = cd.from_native("optax", "cosine_decay_schedule", {"init_value": 0.1, "decay_steps": 90, "alpha": 0.01})
    assert repr(read) == "cosine(90, to=absolute(0.001), start=absolute(0.1))"
    for base in (1.0, 0.1, 7.0):
        assert cd.place(read, base=base).at(0) == 0.1
    with_lengths = {"init_value": 0.0, "peak_value": 0.1, "warmup_steps": 5, "decay_steps": 9}
    assert repr(cd.from_native("optax", "warmup_cosine_decay_schedule", with_lengths, base=0.1)).endswith(".cut()")


def test_epochs_become_stairs() -> None:
    arguments = {"init_value": 0.1, "decay_steps": 9}
    read = cd.from_native("optax", "cosine_decay_schedule", arguments, base=0.1, per="epoch", steps_per_epoch=10)
    assert repr(read) == "cosine('9 epochs').staircase('1 epoch')"


REFUSED = [
    ("cosine_decay_schedule", {"init_value": 0.1, "decay_steps": 0}, "positive decay_steps, got 0"),
    ("cosine_decay_schedule", {"init_value": 0.1, "decay_steps": 9, "exponent": -1}, "ends at infinity"),
    ("cosine_decay_schedule", {"init_value": 0.1, "decay_steps": 9, "alpha": -1}, "below 0 at the end"),
    ("cosine_decay_schedule", {"init_value": -0.1, "decay_steps": 9}, "init_value is -0.1; a learning rate is at least 0"),
    ("cosine_decay_schedule", {"init_value": "0.1", "decay_steps": 9}, "init_value is a number, not '0.1'"),
    ("cosine_decay_schedule", {"init_value": math.nan, "decay_steps": 9}, "write a finite number"),
    ("cosine_decay_schedule", {"init_value": 0.1}, "needs decay_steps"),
    ("warmup_cosine_decay_schedule", {"init_value": 0.0, "peak_value": 0.1, "warmup_steps": 9, "decay_steps": 9},
     "positive decay_steps, got 0"),
    ("polynomial_schedule", {"init_value": 0.1, "end_value": 0.0, "power": -1, "transition_steps": 9}, "infinity"),
    ("exponential_decay", {"init_value": 0.1, "transition_steps": 9, "decay_rate": -0.5}, "no learning rates"),
    ("piecewise_constant_schedule", {"init_value": 0.1, "boundaries_and_scales": {5: -1}}, "non-negative scale factors"),
    ("piecewise_interpolate_schedule", {"interpolate_type": "cubic", "init_value": 0.1}, "'cosine' or 'linear'"),
    ("piecewise_interpolate_schedule", {"interpolate_type": "linear", "init_value": 0.1,
                                        "boundaries_and_scales": {5: -1}}, "non-negative scale factors"),
    ("cosine_onecycle_schedule", {"transition_steps": 0, "peak_value": 0.1}, "positive transition_steps"),
    ("linear_onecycle_schedule", {"transition_steps": 9, "peak_value": 0.1, "div_factor": 0}, "divided by it"),
    ("sgdr_schedule", {"cosine_kwargs": []}, "at least one cycle"),
    ("sgdr_schedule", {"cosine_kwargs": [{"peak_value": 0.1}]}, "needs init_value"),
    ("join_schedules", {"schedules": [], "boundaries": []}, "at least one schedule"),
    ("join_schedules", {"schedules": [lambda t: 0.1], "boundaries": []}, "give total="),
    ("join_schedules", {"schedules": [("constant_schedule", {"value": 1.0})] * 2, "boundaries": [2.5]},
     "between two updates"),
    ("reduce_on_plateau", {"factor": 1.0}, "range (0, 1)"),
    ("reduce_on_plateau", {"rtol": 0.0}, "must be above 0"),
    ("reduce_on_plateau", {"rtol": 2.0}, "at most 1"),
    ("reduce_on_plateau", {"atol": 0.1}, "set one of them to 0"),
    ("reduce_on_plateau", {"accumulation_size": 3}, "averages 3 values"),
    ("reduce_on_plateau", {"patience": 0}, "cuts when the value improves"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "kwargs", "reason"), REFUSED)
def test_what_has_no_equal_is_refused_with_the_reason(name: str, kwargs: dict[str, Any], reason: str) -> None:
    with pytest.raises(ConversionError) as refusal:
        cd.from_native("optax", name, kwargs)
    assert reason in str(refusal.value)


def test_an_unknown_name_or_argument_lists_its_neighbours() -> None:
    with pytest.raises(UnknownNameError, match="cosine_decay_schedule"):
        cd.from_native("optax", "cosine_decay", {})
    with pytest.raises(UnknownNameError, match="did you mean 'decay_steps'"):
        cd.from_native("optax", "cosine_decay_schedule", {"init_value": 0.1, "decay_step": 9})


# ---- against optax -------------------------------------------------------------------------------------------------


def peer() -> Any:
    """optax, as conversion sees it."""
    pytest.importorskip("optax")
    return framework("optax")


def values(native: Native, ticks: int = TICKS) -> Any:
    return peer().run(native, setting((1.0,), "step", ticks, None), ticks)["lr"][0]


def assert_read(native: Native, base: float, total: int | None, ticks: int = TICKS) -> None:
    """The rule of the contract, at every step of a run of `ticks`."""
    read = cd.from_native("optax", native.name, native.arguments, base=base, total=total)
    got = cd.place(read, total=ticks, base=base).at(np.arange(ticks + 1))
    assert_equal(values(native, ticks), got, (native, read))


class Draw(Draws):
    """Arguments of these schedules."""

    def rate(self) -> float:
        return self.of(*RATES, float(self.rng.uniform(0, 1)))

    def above(self) -> float:
        return self.of(0.1, 1.0, 3e-4, float(self.rng.uniform(0.01, 1)))

    def any_length(self) -> Any:
        return self.of(0, -3, self.length())

    def begin(self) -> Any:
        return self.of(0, 0, 5, 59, 60, 80, -2)

    def power(self) -> float:
        return self.of(0, 0.5, 1, 1.0, 2, 3.7)

    def scales(self, least: float = -3) -> dict[Any, float]:
        places = self.rng.integers(least, 90, size=int(self.rng.integers(0, 5))).tolist()
        if self.rng.random() < 0.15:
            places.append(10.5)
        return {b: self.of(0.1, 0.5, 2.0, 1.0, 0.0, float(self.rng.uniform(0, 2))) for b in places}


def constant_(d: Draw) -> dict[str, Any]:
    return {"value": d.rate()}


def polynomial(d: Draw) -> dict[str, Any]:
    return {"init_value": d.rate(), "end_value": d.rate(), "power": d.power(), "transition_steps": d.any_length(),
            "transition_begin": d.begin()}  # fmt: skip


def linear(d: Draw) -> dict[str, Any]:
    return {"init_value": d.rate(), "end_value": d.rate(), "transition_steps": d.any_length(),
            "transition_begin": d.begin()}  # fmt: skip


def cosine(d: Draw) -> dict[str, Any]:
    return {"init_value": d.rate(), "decay_steps": d.length(), "alpha": d.of(0.0, 0.1, 1.0, 1.7),
            "exponent": d.power()}  # fmt: skip


def exponential(d: Draw) -> dict[str, Any]:
    return {"init_value": d.rate(), "transition_steps": d.any_length(), "decay_rate": d.of(0, 0.5, 0.9, 1.0, 1.1),
            "transition_begin": d.begin(), "staircase": d.of(True, False),
            "end_value": d.of(None, None, d.rate(), -1.0 if d.rng.random() < 0 else 0.0)}  # fmt: skip


def piecewise(d: Draw) -> dict[str, Any]:
    return {"init_value": d.rate(), "boundaries_and_scales": d.of(None, d.scales(), d.scales(1))}


def interpolated(d: Draw) -> dict[str, Any]:
    return {"interpolate_type": d.of("linear", "cosine"), **piecewise(d)}


def one_cycle(d: Draw) -> dict[str, Any]:
    return {"transition_steps": d.of(1, 2, 10, 60, 77), "peak_value": d.rate(), "pct_start": d.of(0.3, 0.0, 1.0, 0.5),
            "div_factor": d.of(25.0, 1.0, 0.5), "final_div_factor": d.of(1e4, 1.0, 3.0)}  # fmt: skip


def three_phases(d: Draw) -> dict[str, Any]:
    return {**one_cycle(d), "pct_final": d.of(0.85, 0.2, 1.0, 0.3)}


def warm_constant(d: Draw) -> dict[str, Any]:
    return {"init_value": d.rate(), "peak_value": d.rate(), "warmup_steps": d.of(0, 5, 30, 90)}


def warm_cosine(d: Draw) -> dict[str, Any]:
    warmup = d.of(0, 1, 10, 59, 60, 70, -4)
    return {"init_value": d.rate(), "peak_value": d.rate(), "warmup_steps": warmup, "end_value": d.rate(),
            "decay_steps": max(warmup, 0) + d.of(1, 10, 50, 100), "exponent": d.of(1.0, 1.0, 2.0)}  # fmt: skip


def warm_exponential(d: Draw) -> dict[str, Any]:
    rest = {key: x for key, x in exponential(d).items() if key != "init_value"}
    return {**warm_constant(d), **rest}


def cycles(d: Draw) -> dict[str, Any]:
    return {"cosine_kwargs": [{key: x for key, x in warm_cosine(d).items() if key != "exponent"}
                              for _ in range(d.of(1, 2, 4))]}  # fmt: skip


def joined(d: Draw) -> dict[str, Any]:
    makers = [("linear_schedule", linear), ("cosine_decay_schedule", cosine), ("exponential_decay", exponential),
              ("piecewise_constant_schedule", piecewise), ("piecewise_interpolate_schedule", interpolated),
              ("constant_schedule", constant_), ("warmup_cosine_decay_schedule", warm_cosine)]  # fmt: skip
    count = d.of(1, 2, 3)
    parts: list[Any] = [(name, make(d)) for name, make in (d.of(*makers) for _ in range(count))]
    if d.rng.random() < 0.2:
        parts[-1] = ("join_schedules", {"schedules": list(parts), "boundaries": [7, 20][: count - 1]})
    if d.rng.random() < 0.2:
        parts[0] = lambda t: 0.1 / (1 + t)
    return {"schedules": parts, "boundaries": d.of([5, 20], [20, 5], [60, 70], [0, 30], [-4, 30], [], [5])}


MAKERS: Mapping[str, Callable[[Draw], dict[str, Any]]] = {
    "constant_schedule": constant_, "polynomial_schedule": polynomial, "linear_schedule": linear,
    "cosine_decay_schedule": cosine, "exponential_decay": exponential, "piecewise_constant_schedule": piecewise,
    "piecewise_interpolate_schedule": interpolated, "cosine_onecycle_schedule": one_cycle,
    "linear_onecycle_schedule": three_phases, "warmup_constant_schedule": warm_constant,
    "warmup_cosine_decay_schedule": warm_cosine, "warmup_exponential_decay_schedule": warm_exponential,
    "sgdr_schedule": cycles, "join_schedules": joined,
}  # fmt: skip


SLOW = {"join_schedules": 60, "piecewise_interpolate_schedule": 25, "cosine_onecycle_schedule": 60,
        "linear_onecycle_schedule": 60}  # fmt: skip
"""Fewer of those for which jax compiles something new each time."""


def own_rates(kwargs: Mapping[str, Any]) -> list[float]:
    named = [float(kwargs[key]) for key in ("init_value", "peak_value", "end_value", "value") if kwargs.get(key)]
    return [x for x in named if x > 0] or [0.1]


@pytest.mark.parametrize("name", MAKERS)
def test_random_configurations_equal_the_peer_at_every_step(name: str) -> None:
    d = Draw(sum(map(ord, name)))
    for _ in range(SLOW.get(name, 250)):
        kwargs = MAKERS[name](d)
        base = d.of(d.of(*own_rates(kwargs)), 1.0, 0.37)
        needs_total = name == "join_schedules" or "warmup" in name or name == "sgdr_schedule"
        total = TICKS if needs_total and d.rng.random() < 0.7 else d.of(None, TICKS)
        native = definitions("optax")[name].bind([], kwargs)
        if total is None and "sampled" in refusal(native):
            # A part that is sampled needs the length of the run.
            total = TICKS
        assert_read(native, base, total)


def refusal(native: Native) -> str:
    """Why a schedule is not read without the length of the run; empty where it is."""
    try:
        cd.from_native("optax", native.name, native.arguments)
    except ConversionError as why:
        return str(why)
    return ""


def test_a_live_schedule_is_read_from_its_closure() -> None:
    peer()
    d, made = Draw(5), framework("optax")
    for name, make in MAKERS.items():
        for _ in range(10):
            native = definitions("optax")[name].bind([], make(d))
            live = inspect(made.build(native, setting((1.0,), "step", TICKS, None), None))
            assert live.t == 0
            np.testing.assert_array_equal(values(live.native), values(native), err_msg=f"{native} {live.native}")


def test_a_live_schedule_says_what_it_was_made_with() -> None:
    optax = pytest.importorskip("optax")
    schedule = optax.cosine_decay_schedule(0.1, 90, alpha=0.01)
    schedule(0)
    assert repr(inspect(schedule).native) == "cosine_decay_schedule(init_value=0.1, decay_steps=90, alpha=0.01)"
    assert repr(cd.from_native(schedule, base=0.1)) == "cosine(90, to=0.01)"
    rule = optax.contrib.reduce_on_plateau(factor=0.5, patience=3)
    assert repr(inspect(rule).native) == "reduce_on_plateau(factor=0.5, patience=3)"
    with pytest.raises(ConversionError, match="does not show the schedule inside it"):
        cd.from_native(optax.adam(schedule))
    with pytest.raises(ConversionError, match="holds how many updates were done"):
        cd.from_native("optax", "cosine_decay_schedule", state={"count": 3})


def test_a_schedule_whose_closure_is_unknown_is_sampled() -> None:
    optax = pytest.importorskip("optax")

    def newer(init_value: float) -> Callable[[Any], Any]:
        def schedule(count: Any) -> Any:
            return init_value / (1 + count)

        return schedule

    strange = newer(0.1)
    strange.__module__ = optax.__name__
    read = cd.from_native(strange, total=20)
    np.testing.assert_array_equal(cd.place(read, total=20).at(np.arange(21)), 0.1 / (1 + np.arange(21)))


def said(read: Any, on: Any) -> Native | None:
    """optax's equal; None where it has none and says what to use instead."""
    try:
        return peer().express(on.placed(read))
    except ConversionError as why:
        if "optax_schedule" not in str(why):
            raise
        return None


def test_native_to_cadence_to_native_gives_the_same_numbers() -> None:
    peer()
    on = setting((0.1,), "step", TICKS, None)
    d, expressed = Draw(11), dict.fromkeys(MAKERS, 0)
    for name, make in MAKERS.items():
        for _ in range(25):
            native = definitions("optax")[name].bind([], make(d))
            read = cd.from_native("optax", native.name, native.arguments, base=0.1, total=TICKS)
            again = said(read, on)
            if again is None:
                continue
            expressed[name] += 1
            assert_equal(values(native), values(again), (native, read, again))
    # What has no equal is a length of 12.5 steps, a boundary between steps, and the like.
    assert min(expressed.values()) >= 8, expressed


@pytest.mark.parametrize(("name", "kwargs"), [(name, kwargs) for name, kwargs, _ in READ if name != "join_schedules"])
def test_the_usual_ones_come_back_under_their_own_names_and_their_code_builds_them(
    name: str, kwargs: dict[str, Any]
) -> None:
    optax, made = pytest.importorskip("optax"), peer()
    on = setting((0.1,), "step", 200, None)
    read = cd.from_native("optax", name, kwargs, base=0.1, total=200)
    again = made.express(on.placed(read))
    plainer = {"warmup_constant_schedule": "linear_schedule"}
    if kwargs.get("transition_steps", 1) and name not in ("sgdr_schedule", "constant_schedule"):
        assert again.name in (name, plainer.get(name))
    scope: dict[str, Any] = {}
    exec(cd.to_code(read, "optax", base=0.1, total=200), scope)  # noqa: S102
    if name == "reduce_on_plateau":
        assert isinstance(scope["scheduler"], optax.GradientTransformationExtraArgs)
        return
    np.testing.assert_allclose(
        [float(scope["scheduler"](t)) for t in range(0, 200, 7)], values(again, 200)[:200:7], rtol=2e-5, atol=2e-9
    )


SAID = [
    "cosine(10).repeat()", "(warmup(2) >> cosine(8)).repeat(decay=0.5)", "linear(25).past_end('mirror')",
    "cosine(25, to=0.1).past_end('mirror')", "cosine(20).past_end('repeat')", "steps(every='10.5 steps')",
    "steps(at=[5, 5, 30])", "0.1 + cosine(50) * 0.5", "cosine(20, to=0.1) >> exponential(20, gamma=0.9) >> linear()",
    "restarts(10, grow=2)", "restarts(7, grow=1.5, decay=0.5)", "exponential(to=0.01)", "wsd(shape='linear')",
    "exponential(30, gamma=0.9)", "exponential(gamma=0.9).staircase(10)", "triangular(up=10, low=0.1)", "one_cycle()",
    "piecewise([(0, 0), (10, 1), (50, 0), (60, 0.5)], shape='linear')", "piecewise([(5, 1), (10, 0), (60, 0.5)])",
    "piecewise([(5, 1), (10, 0.1), (50, 0)], shape='cosine')", "cosine(30, ends='closed') * 0.3", "constant(start=0.2)",
    "(linear(20, start=0.1, to=1) >> cosine(80)).cut()", "2 * steps(every=20, gamma=0.5) * 0.5", "power(exponent=3)",
    "constant(10) >> linear(20) >> constant(start=0)", "exponential(gamma=0.9).clip(0.1)",
]  # fmt: skip


@pytest.mark.parametrize("text", SAID)
def test_schedules_of_cadence_that_optax_can_say(text: str) -> None:
    on = setting((0.1,), "step", TICKS, None)
    native = peer().express(on.placed(cd.parse(text)))
    exact = cd.place(text, total=TICKS, base=0.1).at(np.arange(TICKS + 1))
    np.testing.assert_allclose(values(native), exact, rtol=1e-9, atol=1e-13)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("rex()", "runs along 'rex'"),
        ("inverse(timescale=10)", "has no equal"),
        ("cosine(20).past_end('mirror')", "rises from 0 along a cosine"),
        ("cosine() * steps(every=10)", "both move"),
        ("linear() + cosine()", "both move"),
        ("linear().clip(0.1)", "has a limit"),
        ("constant() * plateau('val_accuracy')", "watches for a maximum"),
        ("constant(start=0.5) * plateau('loss')", "starts from another rate"),
        ("linear() * plateau('loss')", "for a constant rate and one rule"),
        ("constant() * plateau('loss', patience='2 epochs')", "counts in epochs"),
        ("constant() * plateau('loss', minimum=absolute(0.1))", "absolute minimum"),
        ("0.1 + exponential(gamma=0.9)", "stands on a constant floor"),
        ("linear().staircase(7)", "changes in stairs"),
        ("steps(every=7).stretch(1.3)", None),
    ],
)
def test_what_optax_cannot_say_is_refused_with_the_part_and_the_way_out(text: str, why: str | None) -> None:
    made, on = peer(), setting((0.1,), "step", TICKS, None)
    if why is None:
        assert made.express(on.placed(cd.parse(text))).name
        return
    with pytest.raises(ConversionError) as refusal:
        made.express(on.placed(cd.parse(text)))
    assert why in str(refusal.value)


def test_several_groups_or_values_are_no_one_function() -> None:
    peer()
    with pytest.raises(ConversionError, match="2 different values or groups"):
        cd.to_native("cosine()", "optax", base=[0.1, 0.2], total=10)
    with pytest.raises(ConversionError, match="2 different values or groups"):
        cd.to_native(cd.plan({"lr": cd.cosine(), "weight_decay": 1}), "optax", base=0.1, total=10)
    assert float(cd.to_native("cosine()", "optax", base=[0.1, 0.1], total=10)(0)) == pytest.approx(0.1)


def test_the_rule_follows_a_metric_as_optax_does() -> None:
    optax = pytest.importorskip("optax")
    jax = pytest.importorskip("jax")
    rng = np.random.default_rng(3)

    def scales(kwargs: Any, losses: list[float]) -> Any:
        rule = optax.contrib.reduce_on_plateau(**kwargs)

        def update(state: Any, loss: Any) -> Any:
            _, state = rule.update(jax.numpy.zeros(1), state, value=loss)
            return state, state.scale

        with jax.enable_x64(True):
            return jax.lax.scan(update, rule.init(jax.numpy.zeros(1)), jax.numpy.asarray(losses))[1]

    for case in range(12):
        kwargs = {"factor": float(rng.choice([0.5, 0.1])), "patience": int(rng.integers(1, 5)),
                  "cooldown": int(rng.integers(0, 4)), "min_scale": float(rng.choice([0.0, 0.05]))}  # fmt: skip
        kwargs |= {"rtol": 0.0, "atol": 0.07} if case % 3 == 0 else {"rtol": 0.03}
        losses = (rng.normal(size=60).cumsum() * 0.2 + rng.choice([5.0, -1.0])).tolist()
        if case % 5 == 0:
            losses[7] = math.nan
        read = cd.from_native("optax", "reduce_on_plateau", kwargs)
        got = cd.replay(read, losses, base=0.1).values
        np.testing.assert_allclose(got, 0.1 * np.concatenate([[1.0], scales(kwargs, losses)]), rtol=1e-12)
