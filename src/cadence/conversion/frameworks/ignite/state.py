"""Schedulers of a value of the engine's state: they count before they compute, so event k has the value of k + 1."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Callable, Sequence
from typing import Any, cast

from cadence._errors import ConversionError
from cadence.conversion.definition import native
from cadence.conversion.frameworks.ignite.governed import governed
from cadence.conversion.frameworks.ignite.piecewise import from_zero, points_of
from cadence.conversion.setting import Setting
from cadence.conversion.written import Written
from cadence.spec.constructors.phases import constant, exponential, formula, piecewise, steps
from cadence.spec.nodes import Schedule
from cadence.spec.plan import Plan
from cadence.spec.shown import shown
from cadence.spec.value import absolute, number_of

PATH = "ignite.handlers.state_param_scheduler."
NOTE = "Sets a value of engine.state; t is how many events there were."


@native("ignite", PATH + "LambdaStateScheduler", note=NOTE)
def lambda_state_scheduler(
    on: Setting, lambda_obj: Any, param_name: str, save_history: bool = False, create_new: bool = False
) -> Schedule | Plan:
    """Any function of the number of events."""
    if not callable(lambda_obj):
        raise ConversionError(f"lambda_obj is a function of the number of events, not {shown(lambda_obj)}")
    called: Any = lambda_obj if isinstance(lambda_obj, Written) else _from_one(cast("Any", lambda_obj))
    return governed(on, param_name, None, on.sampled(called, "lambda_obj") * absolute(1.0))


def _from_one(function: Callable[[int], float]) -> Callable[[int], float]:
    """A function that need not know 0: ignite asks it from 1 on."""

    def value(k: int) -> float:
        if k:
            return function(k)
        try:
            return function(0)
        except Exception:
            return function(1)

    return value


@native("ignite", PATH + "PiecewiseLinearStateScheduler", note=NOTE)
def piecewise_linear_state_scheduler(
    on: Setting,
    milestones_values: Sequence[tuple[int, float]],
    param_name: str,
    save_history: bool = False,
    create_new: bool = False,
) -> Schedule | Plan:
    """From point to point in straight lines."""
    points = from_zero(points_of(milestones_values))
    if len(points) == 1:
        return governed(on, param_name, None, constant(start=on.value(points[0][1])))
    places = [(on.span(m), on.value(v)) for m, v in points]
    return governed(on, param_name, None, piecewise(places, shape="linear", local=on.local))


@native("ignite", PATH + "ExpStateScheduler", note=NOTE)
def exp_state_scheduler(
    on: Setting,
    initial_value: float,
    gamma: float,
    param_name: str,
    save_history: bool = False,
    create_new: bool = False,
) -> Schedule | Plan:
    """initial_value times gamma for every event."""
    made = exponential(gamma=gamma, every=on.span(1), start=on.value(initial_value))
    return governed(on, param_name, None, made)


@native("ignite", PATH + "StepStateScheduler", note=NOTE)
def step_state_scheduler(
    on: Setting,
    initial_value: float,
    gamma: float,
    step_size: int,
    param_name: str,
    save_history: bool = False,
    create_new: bool = False,
) -> Schedule | Plan:
    """initial_value times gamma for every step_size events."""
    if number_of(step_size, "step_size") == 0:
        raise ConversionError("step_size is 0, and ignite divides by it; write 1 or more")
    if step_size != int(step_size):
        text = f"{float(gamma)!r} ** ({on.clock} // {float(step_size)!r})"
        return governed(on, param_name, None, constant(start=on.value(initial_value)) * formula(text, local=on.local))
    made = steps(every=on.span(int(step_size)), gamma=gamma, start=on.value(initial_value), local=on.local)
    return governed(on, param_name, None, made)


@native("ignite", PATH + "MultiStepStateScheduler", note=NOTE)
def multi_step_state_scheduler(
    on: Setting,
    initial_value: float,
    gamma: float,
    milestones: Sequence[int],
    param_name: str,
    save_history: bool = False,
    create_new: bool = False,
) -> Schedule | Plan:
    """initial_value times gamma at each milestone."""
    # Milestones out of order are searched as if they were in order; what comes of it is still a staircase.
    places = sorted({max(math.ceil(m), 0) for m in milestones})
    at: list[Any] = []
    for place in places:
        at += [on.span(place)] * (bisect_right(milestones, place) - len(at))
    start = on.value(initial_value)
    if not at:
        return governed(on, param_name, None, constant(start=start))
    return governed(on, param_name, None, steps(at=at, gamma=gamma, start=start, local=on.local))
