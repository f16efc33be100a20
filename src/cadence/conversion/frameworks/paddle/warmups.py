"""Lines of paddle: one by factors, and one in front of anything."""

from __future__ import annotations

import math
from typing import Any

from cadence._errors import ConversionError
from cadence.conversion.definition import native
from cadence.conversion.doors import native_of
from cadence.conversion.frameworks.paddle.rates import Rates, began, joined, later, real, whole
from cadence.conversion.setting import Setting
from cadence.spec.constructors.phases import constant, ramp
from cadence.spec.nodes import Schedule
from cadence.spec.plan import Plan


@native("paddle", "paddle.optimizer.lr.LinearLR", base="learning_rate")
def linear_lr(
    on: Setting,
    learning_rate: float,
    total_steps: float,
    start_factor: float = 1.0 / 3,
    end_factor: float = 1.0,
    last_epoch: int = -1,
    verbose: bool = False,
) -> Schedule:
    """A line from start_factor to end_factor of the rate over total_steps."""
    rates, first, n = Rates.of(on, learning_rate), began(on, last_epoch), real(total_steps, "total_steps")
    start, end = real(start_factor, "start_factor"), real(end_factor, "end_factor")
    if not 0 < start <= 1:
        raise ConversionError(f"start_factor is {start:g}; it must be greater than 0 and at most 1")
    if not 0 <= end <= 1:
        raise ConversionError(f"end_factor is {end:g}; it must lie between 0 and 1")
    if n <= 0:
        raise ConversionError(f"total_steps is {n:g}; it must be greater than 0")

    def factor(k: int) -> float:
        return end if k == n else start + (end - start) * k / n

    # Begun later, it takes the rate for the one of the epoch before.
    unit = factor(first - 1) if first else 1.0
    last = math.floor(n)
    if first >= last or start == end:
        at = 1.0 if first > last else factor(first) / unit
        return constant(start=rates.times(at))
    return ramp(
        on.span(last - first),
        shape="linear",
        start=rates.times(factor(first) / unit),
        to=rates.times(factor(last) / unit),
    )


@native("paddle", "paddle.optimizer.lr.LinearWarmup", base="learning_rate")
def linear_warmup(
    on: Setting,
    learning_rate: Any,
    warmup_steps: int,
    start_lr: float,
    end_lr: float,
    last_epoch: int = -1,
    verbose: bool = False,
) -> Schedule:
    """A line from start_lr to end_lr, then a rate, or another scheduler whose epochs count from there."""
    rise, first = whole(warmup_steps, "warmup_steps"), began(on, last_epoch)
    start, end = real(start_lr, "start_lr"), real(end_lr, "end_lr")
    rates = Rates.of(on, start_lr, "start_lr")
    if not end > start:
        raise ConversionError(f"end_lr is {end:g} and must be greater than start_lr, {start:g}")
    after = _after(later(on, max(rise - first, 0)), learning_rate, max(first - rise, 0))
    if first >= rise:
        return after
    begin = rates.number(start + (end - start) * first / rise, "start_lr")
    up = ramp(on.span(rise - first), shape="linear", start=begin, to=rates.level(end, "end_lr"))
    return joined(on, rise - first, up, after)


def _after(on: Setting, learning_rate: Any, first: int) -> Schedule:
    if isinstance(learning_rate, (float, int)):
        return constant(start=Rates(on, on.base).level(learning_rate, "learning_rate"))
    inner = native_of("paddle", learning_rate)
    if first:
        raise ConversionError(
            f"LinearWarmup is told to begin {first} epochs after its warmup, inside {inner.name}; leave last_epoch out "
            f"and begin at that update instead"
        )
    schedule = on.read(inner)
    if isinstance(schedule, Plan):
        raise ConversionError(f"{inner.name} moves more than the rate and cannot stand in a LinearWarmup")
    return schedule
