"""Schedulers of paddle that only fall, and those with given values."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

from cadence._errors import ConversionError
from cadence.conversion.definition import native
from cadence.conversion.frameworks.paddle.rates import (
    Rates,
    at_least_zero,
    began,
    decimal_span,
    epoch,
    joined,
    negative,
    real,
    scaled,
    whole,
)
from cadence.conversion.setting import Setting
from cadence.spec.constructors.phases import constant, exponential, formula, inverse, piecewise, ramp, steps
from cadence.spec.nodes import Schedule
from cadence.spec.shown import shown
from cadence.spec.span import LONGEST
from cadence.spec.value import Value


@native("paddle", "paddle.optimizer.lr.NoamDecay", note="the rate of epoch 0 is 0: the first update is void")
def noam_decay(
    on: Setting,
    d_model: float,
    warmup_steps: float,
    learning_rate: float = 1.0,
    last_epoch: int = -1,
    verbose: bool = False,
) -> Schedule:
    """learning_rate * d_model ** -0.5 * min(n ** -0.5, n * warmup_steps ** -1.5)."""
    rates, first = Rates.of(on, learning_rate), began(on, last_epoch)
    width, rise = real(d_model, "d_model"), real(warmup_steps, "warmup_steps")
    if width <= 0:
        raise ConversionError(f"d_model is {width:g}; it must be greater than 0")
    if rise <= 0:
        raise ConversionError(f"warmup_steps is {rise:g}, of which no power -1.5 can be taken; write 1 or more")
    if first == 0 and rise == int(rise):
        peak = rates.number(rates.rate * width**-0.5 * rise**-0.5, "the peak")
        up = ramp(on.span(int(rise)), shape="linear", start=0.0, to=peak)
        return joined(on, int(rise), up, inverse(timescale=on.span(int(rise)), start=peak))
    n = epoch(on, first)
    text = f"min(max({n}, 1) ** -0.5, {n} * {rise**-1.5!r})"
    return scaled(rates.number(rates.rate * width**-0.5, "learning_rate"), formula(text, local=on.local))


@native("paddle", "paddle.optimizer.lr.PiecewiseDecay")
def piecewise_decay(
    on: Setting, boundaries: Sequence[float], values: Sequence[float], last_epoch: int = -1, verbose: bool = False
) -> Schedule:
    """values[i] before boundaries[i], the last value after all of them."""
    rates, first = Rates(on, on.base), began(on, last_epoch)
    if not len(boundaries):
        raise ConversionError("boundaries of PiecewiseDecay is empty; write at least one, e.g. [100]")
    if len(values) <= len(boundaries):
        raise ConversionError(
            f"PiecewiseDecay needs one value more than boundaries, and has {len(values)} for {len(boundaries)}"
        )
    # The first boundary that lies ahead decides: behind a later one an earlier one is never ahead.
    table: dict[int, Value] = {0: rates.number(values[0], "a value of PiecewiseDecay")}
    reached = 0
    for i, boundary in enumerate(boundaries):
        reached = max(reached, math.ceil(real(boundary, "a boundary of PiecewiseDecay")) - first)
        following = values[i + 1] if i + 1 < len(boundaries) else values[-1]
        table[reached] = rates.number(following, "a value of PiecewiseDecay")
    if len(table) == 1:
        return constant(start=table[0])
    return piecewise([(on.span(k), value) for k, value in table.items()], local=on.local)


@native("paddle", "paddle.optimizer.lr.NaturalExpDecay", base="learning_rate")
def natural_exp_decay(
    on: Setting, learning_rate: float, gamma: float, last_epoch: int = -1, verbose: bool = False
) -> Schedule:
    """learning_rate * exp(-gamma n)."""
    rates, first, g = Rates.of(on, learning_rate), began(on, last_epoch), real(gamma, "gamma of NaturalExpDecay")
    if g <= 0:
        raise ConversionError(f"gamma of NaturalExpDecay is {g:g}; it must be positive, so that the rate falls")
    return exponential(gamma=math.exp(-g), every=on.span(1), start=rates.times(math.exp(-g * first)))


@native("paddle", "paddle.optimizer.lr.InverseTimeDecay", base="learning_rate")
def inverse_time_decay(
    on: Setting, learning_rate: float, gamma: float, last_epoch: int = -1, verbose: bool = False
) -> Schedule:
    """learning_rate / (1 + gamma n)."""
    rates, first, g = Rates.of(on, learning_rate), began(on, last_epoch), real(gamma, "gamma of InverseTimeDecay")
    if g == 0:
        return constant(start=rates.times(1.0))
    if g < 0:
        pole = -1 / g - first
        if (
            on.need_ticks(f"gamma of InverseTimeDecay is {g:g}, with which the rate rises and then has no value")
            >= pole
        ):
            raise ConversionError(
                f"gamma of InverseTimeDecay is {g:g}: from epoch {-1 / g:g} on the rate is infinite or below 0; write "
                f"a gamma of at least 0"
            )
    begin = 1 + g * first
    if g < 0 or begin / g > LONGEST:
        return rates.curve(f"1 / (1 + {g!r} * {epoch(on, first)})")
    return inverse(timescale=decimal_span(on, begin / g), power=1.0, start=rates.times(1 / begin))


@native("paddle", "paddle.optimizer.lr.PolynomialDecay", base="learning_rate")
def polynomial_decay(
    on: Setting,
    learning_rate: float,
    decay_steps: int,
    end_lr: float = 0.0001,
    power: float = 1.0,
    cycle: bool = False,
    last_epoch: int = -1,
    verbose: bool = False,
) -> Schedule:
    """A power of what is left of decay_steps, down (or up) to end_lr; with cycle over ever longer multiples of them."""
    rates, first, n = Rates.of(on, learning_rate), began(on, last_epoch), whole(decay_steps, "decay_steps")
    p, end = real(power, "power"), real(end_lr, "end_lr")
    if p <= 0:
        raise ConversionError(f"power of PolynomialDecay is {p:g}; it must be greater than 0, so that the rate moves")
    if cycle:
        return rates.between(cycling(n, p, epoch(on, first)), end, "end_lr")
    low = rates.number(end, "end_lr")
    if first >= n:
        return constant(start=low)
    left = ((n - first) / n) ** p
    start = rates.times(1.0) if not first else rates.number(end + (rates.rate - end) * left, "learning_rate")
    if p == 1:
        return ramp(on.span(n - first), shape="linear", start=start, to=low)
    return ramp(on.span(n - first), shape="power", exponent=p, start=start, to=low)


def cycling(n: int, power: float, clock: str) -> str:
    """What is left of the next multiple of n, to a power: at a multiple nothing, and one later nearly all again."""
    left = f"1 - {clock} / ({n} * max(-(-{clock} // {n}), 1))"
    return left if power == 1 else f"({left}) ** {power!r}"


@native("paddle", "paddle.optimizer.lr.ExponentialDecay", base="learning_rate")
def exponential_decay(
    on: Setting, learning_rate: float, gamma: float, last_epoch: int = -1, verbose: bool = False
) -> Schedule:
    """learning_rate * gamma ** n."""
    rates, first, g = Rates.of(on, learning_rate), began(on, last_epoch), real(gamma, "gamma of ExponentialDecay")
    if not 0 < g < 1:
        raise ConversionError(f"gamma of ExponentialDecay is {g:g}; it must lie between 0 and 1, both excluded")
    return exponential(gamma=g, every=on.span(1), start=rates.times(g**first))


@native("paddle", "paddle.optimizer.lr.MultiStepDecay", base="learning_rate")
def multi_step_decay(
    on: Setting,
    learning_rate: float,
    milestones: Sequence[float],
    gamma: float = 0.1,
    last_epoch: int = -1,
    verbose: bool = False,
) -> Schedule:
    """gamma for every milestone reached."""
    rates, first, g = Rates.of(on, learning_rate), began(on, last_epoch), _falling(gamma, "MultiStepDecay")
    if not isinstance(milestones, (tuple, list)):
        raise ConversionError(f"milestones is a tuple or a list, not {shown(milestones)}")
    at = [real(m, "a milestone") for m in milestones]
    for a, b in pairwise(at):
        if not a < b:
            raise ConversionError(f"milestones must rise, and {b:g} stands after {a:g}; write them in order, each once")
    if not at:
        return constant(start=rates.times(1.0))
    return steps(
        at=[on.span(max(math.ceil(m) - first, 0)) for m in at], gamma=g, start=rates.times(1.0), local=on.local
    )


@native("paddle", "paddle.optimizer.lr.StepDecay", base="learning_rate")
def step_decay(
    on: Setting,
    learning_rate: float,
    step_size: int,
    gamma: float = 0.1,
    last_epoch: int = -1,
    verbose: bool = False,
) -> Schedule:
    """gamma for every step_size epochs."""
    rates, first, g = Rates.of(on, learning_rate), began(on, last_epoch), _falling(gamma, "StepDecay")
    every = whole(step_size, "step_size")
    if first % every:
        return rates.curve(f"{g!r} ** ({epoch(on, first)} // {every})")
    return steps(every=on.span(every), gamma=g, start=rates.times(g ** (first // every)), local=on.local)


def _falling(gamma: float, name: str) -> float:
    g = real(gamma, f"gamma of {name}")
    if g >= 1:
        raise ConversionError(f"gamma of {name} is {g:g}; paddle wants it below 1.0")
    if g < 0:
        raise negative(name, g)
    return at_least_zero(g, "gamma")
