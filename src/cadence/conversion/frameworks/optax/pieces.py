"""Schedules of optax that go through given points."""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import reduce
from itertools import pairwise
from typing import Any, cast

from cadence._errors import ConversionError
from cadence.conversion.arithmetic import tidy
from cadence.conversion.definition import native
from cadence.conversion.rates import Own, divided, is_whole, less, number, own, rate, since, times, written
from cadence.conversion.setting import Setting
from cadence.spec.constructors.phases import constant, piecewise, steps
from cadence.spec.nodes import Schedule
from cadence.spec.shown import shown


@native("optax", "optax.piecewise_constant_schedule")
def piecewise_constant_schedule(
    on: Setting, init_value: float, boundaries_and_scales: Mapping[int, float] | None = None
) -> Schedule:
    """Multiplied by a scale at each boundary."""
    first, jumps = rate(init_value, "init_value"), _scales(boundaries_and_scales, "piecewise_constant_schedule")
    # A boundary between two updates is passed at the later; one at 0 or before has been passed from the beginning on.
    passed = [(max(math.ceil(b), 0), scale) for b, scale in jumps]
    begins = reduce(times, (scale for b, scale in passed if b == 0), first)
    later = [(b, scale) for b, scale in passed if b > 0]
    unit = own(on, first, begins)
    if not later:
        return constant(start=unit.value(begins))
    if len({scale for _, scale in later}) == 1:
        places = [on.span(b) for b, _ in later]
        return steps(at=places, gamma=later[0][1], start=unit.value(begins), local=on.local)
    points, height = [(on.span(0), unit.value(begins))], begins
    for b, scale in later:
        height = times(height, scale)
        points.append((on.span(b), unit.value(height)))
    return piecewise(points, local=on.local)


@native("optax", "optax.piecewise_interpolate_schedule")
def piecewise_interpolate_schedule(
    on: Setting,
    interpolate_type: str,
    init_value: float,
    boundaries_and_scales: Mapping[int, float] | None = None,
) -> Schedule:
    """From one accumulated product of scales to the next, along a line or half a cosine."""
    if interpolate_type not in ("linear", "cosine"):
        raise ConversionError(f"interpolate_type must be either 'cosine' or 'linear', not {shown(interpolate_type)}")
    first = rate(init_value, "init_value")
    return through(on, interpolate_type, first, _scales(boundaries_and_scales, "piecewise_interpolate_schedule"))


@native("optax", "optax.linear_onecycle_schedule")
def linear_onecycle_schedule(
    on: Setting,
    transition_steps: int,
    peak_value: float,
    pct_start: float = 0.3,
    pct_final: float = 0.85,
    div_factor: float = 25.0,
    final_div_factor: float = 1e4,
) -> Schedule:
    """Up, down again, and further down, in straight lines."""
    n, peak, div, final = _cycle(transition_steps, peak_value, div_factor, final_div_factor)
    # In this order: of two that fall on one update the later one counts, as in the framework's own mapping.
    jumps = {
        int(number(pct_start, "pct_start") * n): div,
        int(number(pct_final, "pct_final") * n): divided(1.0, div),
        n: divided(1.0, final),
    }
    return through(on, "linear", divided(peak, div), sorted(jumps.items()), peak)


@native("optax", "optax.cosine_onecycle_schedule")
def cosine_onecycle_schedule(
    on: Setting,
    transition_steps: int,
    peak_value: float,
    pct_start: float = 0.3,
    div_factor: float = 25.0,
    final_div_factor: float = 1e4,
) -> Schedule:
    """Up and down along half cosines."""
    n, peak, div, final = _cycle(transition_steps, peak_value, div_factor, final_div_factor)
    jumps = {int(number(pct_start, "pct_start") * n): div, int(n): divided(1.0, times(div, final))}
    return through(on, "cosine", divided(peak, div), sorted(jumps.items()), peak)


def _cycle(steps_: Any, peak: Any, div: Any, final: Any) -> tuple[float, float, float, float]:
    n, divisor, last = number(steps_, "transition_steps"), number(div, "div_factor"), number(final, "final_div_factor")
    if n <= 0:
        raise ConversionError(
            f"a onecycle schedule needs positive transition_steps, and they are {n:g}; write at least 1"
        )
    for name, x in (("div_factor", divisor), ("final_div_factor", last)):
        if x <= 0:
            raise ConversionError(f"{name} is {x:g}, and rates are divided by it; write a number above 0")
    return tidy(n), rate(peak, "peak_value"), divisor, last


def through(on: Setting, along: str, first: float, jumps: list[tuple[float, float]], *rates: float) -> Schedule:
    """Accumulated products of scales, reached at the boundaries."""
    places, heights = [0.0], [first]
    for b, scale in jumps:
        places.append(b)
        heights.append(times(heights[-1], scale))
    unit = own(on, *rates, first, max(heights))
    if not all(is_whole(b) and b >= 0 for b in places):
        return _irregular(on, unit, along, places, heights)
    # Where several boundaries are passed at once the last one counts.
    at = {int(b): unit.value(height) for b, height in zip(places, heights, strict=True)}
    if len(set(at.values())) == 1:
        return constant(start=next(iter(at.values())))
    return piecewise([(on.span(b), value) for b, value in at.items()], shape=along, local=on.local)


def _irregular(on: Setting, unit: Own, along: str, places: list[float], heights: list[float]) -> Schedule:
    """Boundaries between updates, or before the first, where optax's own arithmetic counts."""
    intervals = list(zip(pairwise(places), pairwise(heights), strict=True))

    def text(x: Any) -> str:
        # Each interval adds what holds inside it, wherever the others lie: before the first boundary they overlap.
        parts = [f"where({on.clock} >= {written(places[-1])}, {x(heights[-1])}, 0)"]
        for (a, b), (low, high) in intervals:
            done = f"{since(on, a)} / {written(max(b - a, 1.0))}"
            share = done if along == "linear" else f"(1 - cos(pi * {done})) / 2"
            inside = f"{written(a)} <= {on.clock} < {written(b)}"
            parts.append(f"where({inside}, {x(low)} + {x(less(high, low))} * ({share}), 0)")
        return " + ".join(parts)

    return unit.formula(text)


def _scales(given: Any, name: str) -> list[tuple[float, float]]:
    """Boundaries and scales in order."""
    if given is None:
        return []
    if not isinstance(given, Mapping):
        raise ConversionError(f"boundaries_and_scales maps steps to factors, e.g. {{100: 0.1}}, not {shown(given)}")
    pairs = [
        (number(b, "a boundary"), number(scale, "a scale")) for b, scale in cast("Mapping[Any, Any]", given).items()
    ]
    for _, scale in pairs:
        if scale < 0:
            raise ConversionError(f"{name} expects non-negative scale factors, and one is {scale:g}; write at least 0")
    return sorted(pairs)
