"""Schedules of optax that fall or rise along one formula. What they say is the rate itself."""

from __future__ import annotations

from typing import Any

from cadence._errors import ConversionError
from cadence.conversion.definition import native
from cadence.conversion.rates import chained, is_whole, less, number, own, rate, since, ticks, times, whole, written
from cadence.conversion.setting import Setting
from cadence.spec.constructors.phases import constant, exponential, ramp, steps
from cadence.spec.nodes import Schedule


@native("optax", "optax.constant_schedule")
def constant_schedule(on: Setting, value: float) -> Schedule:
    """One value."""
    height = rate(value, "value")
    return constant(start=own(on, height).value(height))


@native("optax", "optax.polynomial_schedule")
def polynomial_schedule(
    on: Setting,
    init_value: float,
    end_value: float,
    power: float,
    transition_steps: int,
    transition_begin: int = 0,
) -> Schedule:
    """From init_value to end_value along a power of what is left; init_value for ever where there is no length."""
    return transition(on, init_value, end_value, power, transition_steps, transition_begin)


@native("optax", "optax.linear_schedule")
def linear_schedule(
    on: Setting, init_value: float, end_value: float, transition_steps: int, transition_begin: int = 0
) -> Schedule:
    """A straight line from init_value to end_value; init_value for ever where there is no length."""
    return transition(on, init_value, end_value, 1.0, transition_steps, transition_begin)


@native("optax", "optax.warmup_constant_schedule", note="without a warmup it stays at init_value, not at peak_value")
def warmup_constant_schedule(on: Setting, init_value: float, peak_value: float, warmup_steps: int) -> Schedule:
    """A straight line up, then constant."""
    return transition(on, init_value, peak_value, 1.0, warmup_steps, 0, end_name="peak_value")


def transition(
    on: Setting, init: Any, end: Any, power: Any, length: Any, begin: Any, *, end_name: str = "end_value"
) -> Schedule:
    """(init - end) (1 - done / length) ** power + end, from `begin` on."""
    first, exponent, n = rate(init, "init_value"), number(power, "power"), number(length, "transition_steps")
    if n <= 0:
        return constant(start=own(on, first).value(first))
    if exponent < 0:
        raise ConversionError(f"power is {exponent:g}, which ends at infinity; write a power above 0")
    last, waits = rate(end, end_name), max(number(begin, "transition_begin"), 0.0)
    # optax forms (init - end) + end, in which a small init loses its digits to a large end.
    if abs(first - last + last - first) > 1e-12 * first:
        first = first - last + last
    unit = own(on, max(first, last), min(first, last))
    if first == last or exponent == 0:
        return constant(start=unit.value(first))
    start, to = unit.value(first), unit.value(last)
    if not is_whole(n) or not is_whole(waits):
        done = f"max({since(on, waits)}, 0) / {written(n)}"
        return unit.formula(lambda x: f"{x(last)} + {x(less(first, last))} * max(1 - {done}, 0) ** {written(exponent)}")
    length_ = on.span(int(n))
    if exponent == 1:
        moving = ramp(length_, shape="linear", start=start, to=to)
    else:
        moving = ramp(length_, shape="power", start=start, to=to, exponent=exponent)
    return chained(on, [(constant(on.span(int(waits)), start=start), int(waits))], moving)


@native("optax", "optax.cosine_decay_schedule")
def cosine_decay_schedule(
    on: Setting, init_value: float, decay_steps: int, alpha: float = 0.0, exponent: float = 1.0
) -> Schedule:
    """Half a cosine from init_value to alpha times that."""
    return cosine_part(on, init_value, decay_steps, alpha, exponent, name="init_value")


def cosine_part(on: Setting, init: Any, length: Any, alpha: Any, exponent: Any, *, name: str) -> Schedule:
    """init ((1 - alpha) c ** exponent + alpha), c half a cosine from 1 to 0."""
    first, n = rate(init, name), number(length, "decay_steps")
    low, power = number(alpha, "alpha"), number(exponent, "exponent")
    if not n > 0:
        raise ConversionError(
            f"optax's cosine_decay_schedule requires positive decay_steps, got {n:g}; write at least 1"
        )
    if power < 0:
        raise ConversionError(f"exponent is {power:g}, which ends at infinity; write an exponent above 0")
    if low < 0:
        raise ConversionError(f"alpha is {low:g}, a learning rate below 0 at the end; write at least 0")
    unit = own(on, first)
    if power == 0 or low == 1 or first == 0:
        return constant(start=unit.value(first))
    if power == 1 and is_whole(n):
        return ramp(on.span(int(n)), shape="cosine", start=unit.value(first), to=unit.share(first, low, "alpha"))
    # ((1 + cos(pi u)) / 2) ** exponent, without the cancellation near its end.
    left = f"sin(pi / 2 * max({written(n)} - {on.clock}, 0) / {written(n)}) ** {written(2 * power)}"
    if low == 0:
        return unit.formula(lambda x: left if x(first) == "1" else f"{x(first)} * {left}")
    return unit.formula(lambda x: f"{x(times(low, first))} + {x(times(less(1.0, low), first))} * {left}")


@native(
    "optax",
    "optax.exponential_decay",
    note="a decay_rate of 0 leaves it at init_value, and end_value counts for nothing",
)
def exponential_decay(
    on: Setting,
    init_value: float,
    transition_steps: int,
    decay_rate: float,
    transition_begin: int = 0,
    staircase: bool = False,
    end_value: float | None = None,
) -> Schedule:
    """Times decay_rate for every transition_steps, smoothly or at once, down (or up) to end_value."""
    return exponential_part(
        on, init_value, transition_steps, decay_rate, transition_begin, staircase, end_value, name="init_value"
    )


def exponential_part(
    on: Setting, init: Any, length: Any, decay_rate: Any, begin: Any, staircase: Any, end_value: Any, *, name: str
) -> Schedule:
    """init decay_rate ** (done / length), limited by end_value."""
    first, n, gamma = rate(init, name), number(length, "transition_steps"), number(decay_rate, "decay_rate")
    unit = own(on, first)
    start = unit.value(first)
    if n <= 0 or gamma == 0:
        return constant(start=start)
    if gamma < 0:
        raise ConversionError(f"decay_rate is {gamma:g}, whose powers are no learning rates; write a rate above 0")
    waits = max(whole(begin, "transition_begin"), 0)
    if first == 0:
        plain: Schedule = constant(start=0.0)
    elif not staircase:
        plain = chained(on, [(constant(on.span(waits), start=start), waits)], exponential(
            gamma=gamma, every=ticks(on, n), start=start
        ))  # fmt: skip
    elif is_whole(n):
        stairs = steps(every=on.span(int(n)), gamma=gamma, start=start, local=on.local or waits > 0)
        plain = chained(on, [(constant(on.span(waits), start=start), waits)], stairs)
    else:
        done = f"max({since(on, waits)}, 0) / {written(n)} // 1"
        plain = unit.formula(lambda x: f"{x(first)} * {written(gamma)} ** ({done})")
    if end_value is None:
        return plain
    limit = number(end_value, "end_value")
    if gamma < 1:
        return plain.clip(unit.value(limit)) if limit > 0 else plain
    return plain.clip(hi=unit.value(limit, "end_value"))
