"""The schedules of Keras. What they say is the rate itself; a tick is one of the optimizer's iterations."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import count, pairwise, takewhile
from typing import Any, TypeAlias

from cadence._errors import ConversionError
from cadence.conversion.definition import native
from cadence.conversion.rates import (
    chained,
    divided,
    is_whole,
    less,
    number,
    own,
    rate,
    ticks,
    times,
    written,
)
from cadence.conversion.setting import Setting
from cadence.curve.cycles import power_sum
from cadence.spec.constructors.phases import constant, exponential, inverse, piecewise, ramp, steps
from cadence.spec.nodes import Schedule
from cadence.spec.shown import shown

HOME = "keras.optimizers.schedules"

Write: TypeAlias = Callable[[float], str]
"""Writes a rate inside a formula."""


@native("keras", f"{HOME}.ExponentialDecay")
def exponential_decay(
    on: Setting,
    initial_learning_rate: float,
    decay_steps: int,
    decay_rate: float,
    staircase: bool = False,
    name: str = "ExponentialDecay",
) -> Schedule:
    """Times decay_rate for every decay_steps, smoothly or at once."""
    first, n = rate(initial_learning_rate, "initial_learning_rate"), _length(decay_steps, "decay_steps")
    gamma, unit = number(decay_rate, "decay_rate"), own(on, first)
    start = unit.value(first)
    if gamma < 0:
        raise ConversionError(f"decay_rate is {gamma:g}, whose powers are no learning rates; write at least 0")
    if first == 0:
        return constant(start=0.0)
    if not staircase:
        return exponential(gamma=gamma, every=ticks(on, n), start=start)
    if is_whole(n):
        return steps(every=on.span(int(n)), gamma=gamma, start=start, local=on.local)
    return unit.formula(lambda x: f"{x(first)} * {written(gamma)} ** ({on.clock} / {written(n)} // 1)")


@native("keras", f"{HOME}.InverseTimeDecay")
def inverse_time_decay(
    on: Setting,
    initial_learning_rate: float,
    decay_steps: int,
    decay_rate: float,
    staircase: bool = False,
    name: str = "InverseTimeDecay",
) -> Schedule:
    """Divided by 1 + decay_rate t / decay_steps, smoothly or in stairs."""
    first, n = rate(initial_learning_rate, "initial_learning_rate"), _length(decay_steps, "decay_steps")
    slope, unit = number(decay_rate, "decay_rate"), own(on, first)
    start = unit.value(first)
    if slope == 0 or first == 0:
        return constant(start=start)
    if slope > 0 and (not staircase or is_whole(n)):
        smooth = inverse(timescale=ticks(on, divided(n, slope)), power=1.0, start=start)
        return smooth.staircase(on.span(int(n))) if staircase else smooth
    if slope < 0:
        most = on.need_ticks(f"a decay_rate of {slope:g} raises the rate to infinity")
        if 1 + slope * most / n <= 0:
            raise ConversionError(
                f"a decay_rate of {slope:g} raises the rate to infinity at step {-n / slope:g}, and the run has "
                f"{most}; write a rate of at least 0"
            )
    done = f"{on.clock} / {written(n)}" + (" // 1" if staircase else "")
    return unit.formula(lambda x: f"{x(first)} / (1 + {written(slope)} * ({done}))")


@native("keras", f"{HOME}.PiecewiseConstantDecay", note="a boundary still has the value before it")
def piecewise_constant_decay(
    on: Setting, boundaries: Sequence[float], values: Sequence[float], name: str = "PiecewiseConstant"
) -> Schedule:
    """Another value after each boundary."""
    heights = [rate(x, "a value") for x in _listed(values, "values")]
    # Boundaries take the type of the step, a whole number: what is behind the point is cut off.
    places = [math.trunc(number(x, "a boundary")) for x in _listed(boundaries, "boundaries")]
    if len(places) != len(heights) - 1:
        raise ConversionError(
            f"the length of boundaries should be 1 less than the length of values, and there are {len(places)} "
            f"boundaries and {len(heights)} values; write one value more"
        )
    if not places:
        raise ConversionError("Keras cannot evaluate PiecewiseConstantDecay without a boundary; use a plain number")
    begins = sorted({0, *(b + 1 for b in places if b >= 0)})
    points = [(begin, _piece(begin, places, heights)) for begin in begins]
    unit = own(on, *(height for _, height in points))
    values_ = [unit.value(height) for _, height in points]
    later = [divided(b, a) if a else math.nan for (_, a), (_, b) in pairwise(points)]
    if len(points) == 1:
        return constant(start=values_[0])
    if len(set(later)) == 1 and later[0] < 1:
        return steps(at=[on.span(b) for b in begins[1:]], gamma=later[0], start=values_[0], local=on.local)
    return piecewise([(on.span(b), x) for b, x in zip(begins, values_, strict=True)], local=on.local)


def _piece(step: int, places: list[int], heights: list[float]) -> float:
    """The sum that Keras forms, in which boundaries out of order count twice or not at all."""
    total = heights[0] if step <= places[0] else 0.0
    total += heights[-1] if step > places[-1] else 0.0
    between = zip(places, places[1:], heights[1:-1], strict=False)
    return total + sum(height for low, high, height in between if low < step <= high)


@native("keras", f"{HOME}.PolynomialDecay")
def polynomial_decay(
    on: Setting,
    initial_learning_rate: float,
    decay_steps: int,
    end_learning_rate: float = 0.0001,
    power: float = 1.0,
    cycle: bool = False,
    name: str = "PolynomialDecay",
) -> Schedule:
    """A power of what is left, down to end_learning_rate; with cycle from there again, each time more slowly."""
    first, last = rate(initial_learning_rate, "initial_learning_rate"), rate(end_learning_rate, "end_learning_rate")
    n, exponent = _length(decay_steps, "decay_steps"), number(power, "power")
    unit = own(on, first, last)
    if exponent < 0:
        raise ConversionError(f"power is {exponent:g}, which ends at infinity; write a power above 0")
    if exponent == 0 or first == last:
        return constant(start=unit.value(first))
    if cycle:
        return unit.formula(lambda x: cycling(x, on.clock, first, last, n, exponent))
    if not is_whole(n):
        left = f"max(1 - {on.clock} / {written(n)}, 0)"
        return unit.formula(lambda x: _between(x, first, last, left, exponent))
    start, to = unit.value(first), unit.value(last)
    if exponent == 1:
        return ramp(on.span(int(n)), shape="linear", start=start, to=to)
    return ramp(on.span(int(n)), shape="power", start=start, to=to, exponent=exponent)


def cycling(x: Write, clock: str, first: float, last: float, n: float, exponent: float) -> str:
    """The formula of a polynomial whose length is stretched to the next multiple of n; one of them at the beginning."""
    left = f"1 - {clock} / ({written(n)} * max(-(-{clock} / {written(n)} // 1), 1))"
    return _between(x, first, last, left, exponent)


def _between(x: Write, first: float, last: float, left: str, exponent: float) -> str:
    raised = f"({left})" if exponent == 1 else f"({left}) ** {written(exponent)}"
    return f"{x(last)} + {x(less(first, last))} * {raised}"


@native(
    "keras", f"{HOME}.CosineDecay", note="warmup_steps without warmup_target are ignored; decay_steps come after them"
)
def cosine_decay(
    on: Setting,
    initial_learning_rate: float,
    decay_steps: int,
    alpha: float = 0.0,
    name: str = "CosineDecay",
    warmup_target: float | None = None,
    warmup_steps: int = 0,
) -> Schedule:
    """Half a cosine down to alpha times where it begins, after a straight line up to warmup_target."""
    first, n = rate(initial_learning_rate, "initial_learning_rate"), _length(decay_steps, "decay_steps")
    low, peak = number(alpha, "alpha"), first if warmup_target is None else rate(warmup_target, "warmup_target")
    waits = 0.0 if warmup_target is None else number(warmup_steps, "warmup_steps")
    if low < 0:
        raise ConversionError(f"alpha is {low:g}, a learning rate below 0 at the end; write at least 0")
    unit = own(on, peak)
    if is_whole(n) and is_whole(waits) and waits >= 0:
        down = ramp(on.span(int(n)), shape="cosine", start=unit.value(peak), to=unit.share(peak, low))
        up = ramp(on.span(int(waits)), shape="linear", start=unit.value(first), to=unit.value(peak))
        return chained(on, [(up, int(waits))], down)
    # Lengths with a part of a step, or a warmup that lies before the beginning.
    left = f"max({written(n + waits)} - {on.clock}, 0) / {written(n)}"

    def text(x: Any) -> str:
        cosine = f"{x(times(low, peak))} + {x(times(less(1.0, low), peak))} * sin(pi / 2 * {left}) ** 2"
        if waits <= 0:
            return cosine
        line = f"{x(first)} + {x(less(peak, first))} * {on.clock} / {written(waits)}"
        return f"{line} if {on.clock} < {written(waits)} else {cosine}"

    return unit.formula(text)


@native(
    "keras", f"{HOME}.CosineDecayRestarts",
    note="to which cycle the step of a restart belongs is decided by how the backend rounds a logarithm",
)  # fmt: skip
def cosine_decay_restarts(
    on: Setting,
    initial_learning_rate: float,
    first_decay_steps: int,
    t_mul: float = 2.0,
    m_mul: float = 1.0,
    alpha: float = 0.0,
    name: str = "SGDRDecay",
) -> Schedule:
    """Half a cosine again and again, each t_mul times as long and m_mul times as high above alpha."""
    first, n = rate(initial_learning_rate, "initial_learning_rate"), _length(first_decay_steps, "first_decay_steps")
    grow, height, low = number(t_mul, "t_mul"), number(m_mul, "m_mul"), number(alpha, "alpha")
    if grow <= 0 or height < 0 or low < 0:
        raise ConversionError(
            f"t_mul={grow:g}, m_mul={height:g}, alpha={low:g}: Keras gives no learning rates unless t_mul is above 0 "
            f"and the others at least 0"
        )
    unit = own(on, first)
    if grow == height == 1 and is_whole(n):
        # Past its end: a repetition that goes on, wherever the run ends.
        cosine = ramp(on.span(int(n)), shape="cosine", start=unit.value(first), to=unit.share(first, low))
        return cosine.past_end("repeat")
    if grow < 1:
        _check_shrinking(on, n, grow)
    if grow in (1, 2) and is_whole(n) and on.ticks is not None and not _complete(on.ticks, n, grow):
        length, floor = on.span(int(n)), unit.share(first, low)
        if height == 1:
            return ramp(length, shape="cosine", start=unit.value(first), to=floor).repeat(grow=grow)
        if low <= 1:
            start = unit.share(first, less(1.0, low))
            falling = ramp(length, shape="cosine", start=start).repeat(grow=grow, decay=height)
            return falling if low == 0 else constant(start=floor) + falling
    return unit.formula(lambda x: restarting(x, on.clock, first, n, grow, height, low))


def restarting(x: Write, clock: str, first: float, n: float, grow: float, height: float, low: float) -> str:
    """Keras's own arithmetic, whose rounding decides in which cycle a restart falls."""
    share, factor = f"{clock} / {written(n)}", written(grow)
    if grow == 1:
        cycle, done = f"({share} // 1)", f"{share} % 1"
    else:
        cycle = f"(log(1 - {share} * (1 - {factor})) / log({factor}) // 1)"
        done = f"({share} - (1 - {factor} ** {cycle}) / (1 - {factor})) / {factor} ** {cycle}"
    high = f"cos(pi / 2 * ({done})) ** 2"
    if height != 1:
        high = f"{written(height)} ** {cycle} * {high}"
    return f"{x(times(low, first))} + {x(times(less(1.0, low), first))} * {high}"


def _complete(most: int, n: float, grow: float) -> bool:
    """Whether a run ends together with a cycle: a repetition is at its end there, where Keras's begins anew."""
    if grow == 1:
        return most % n == 0
    cycles = takewhile(lambda end: end <= most, (n * power_sum(grow, k) for k in count(1)))
    return most in cycles


def _check_shrinking(on: Setting, n: float, grow: float) -> None:
    most, last = on.need_ticks(f"cycles that shrink by t_mul={grow:g} come to an end"), n / (1 - grow)
    if most >= last:
        raise ConversionError(
            f"cycles that shrink by t_mul={grow:g} come to an end at step {last:g}, from where on Keras gives nan, and "
            f"the run has {most}; write t_mul of at least 1"
        )


def _length(x: Any, what: str) -> float:
    n = number(x, what)
    if n <= 0:
        raise ConversionError(f"Argument `{what}` must be > 0, and is {n:g}; write at least 1")
    return n


def _listed(x: Any, what: str) -> list[Any]:
    if isinstance(x, (str, bytes)) or not hasattr(x, "__len__"):
        raise ConversionError(f"{what} is a list of numbers, not {shown(x)}")
    return list(x)
