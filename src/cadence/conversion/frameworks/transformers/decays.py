"""Warmup, then a decay: linear, cosine with and without restarts, polynomial, inverse square root."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction

from cadence._errors import ConversionError
from cadence.conversion.arithmetic import less, real, whole, written
from cadence.conversion.definition import native
from cadence.conversion.frameworks.transformers.warm import (
    absolute_or_multiple,
    own_rate,
    progress_text,
    raised,
    steps,
    warmed,
    wave_text,
)
from cadence.conversion.joined import Part, joined, reached
from cadence.conversion.setting import Setting
from cadence.spec.constructors.phases import constant, formula, inverse, ramp
from cadence.spec.nodes import Schedule
from cadence.spec.value import Value

MOST_JOINTS = 100_000
"""Restarts that are looked at one by one; with more of them the schedule is a formula."""


@native(
    "transformers", "transformers.get_linear_schedule_with_warmup",
    name="linear", aliases=("get_linear_schedule_with_warmup",),
)  # fmt: skip
def linear(on: Setting, num_warmup_steps: int, num_training_steps: int, last_epoch: int = -1) -> Schedule:
    """A line up from 0, a line down to 0."""
    warmup, end = steps(num_warmup_steps, "num_warmup_steps"), steps(num_training_steps, "num_training_steps")
    length = max(1, end - warmup)
    text = f"max(0, ({written(end)} - {on.clock}) / {written(length)})"

    def main() -> Schedule:
        return ramp(on.span(length), shape="linear") if end > warmup else constant(start=0.0)

    return warmed(on, warmup, text, main if whole(end) else None, jumps=end <= warmup)


@native(
    "transformers", "transformers.get_cosine_schedule_with_warmup",
    name="cosine", aliases=("get_cosine_schedule_with_warmup",),
    note="After num_training_steps the rate rises again: the cosine goes on.",
)  # fmt: skip
def cosine(
    on: Setting, num_warmup_steps: int, num_training_steps: int, num_cycles: float = 0.5, last_epoch: int = -1
) -> Schedule:
    """A line up from 0, then num_cycles periods of a cosine, which goes on after the end."""
    return _waves(on, num_warmup_steps, num_training_steps, num_cycles, 0.0, 0.0)


@native(
    "transformers", "transformers.get_cosine_with_min_lr_schedule_with_warmup",
    name="cosine_with_min_lr", aliases=("get_cosine_with_min_lr_schedule_with_warmup",),
    note="min_lr is divided by the optimizer's default rate: a multiple in groups with another rate.",
)  # fmt: skip
def cosine_with_min_lr(
    on: Setting, num_warmup_steps: int, num_training_steps: int, num_cycles: float = 0.5, last_epoch: int = -1,
    min_lr: float | None = None, min_lr_rate: float | None = None, *, lr_init: float | None = None,
) -> Schedule:  # fmt: skip
    """The same down to min_lr; lr_init is the optimizer's default rate where that is not the first group's."""
    ratio, to = _lowest(on, min_lr, min_lr_rate, lr_init)
    return _waves(on, num_warmup_steps, num_training_steps, num_cycles, ratio, to)


@native(
    "transformers", "transformers.get_cosine_with_min_lr_schedule_with_warmup_lr_rate",
    name="cosine_warmup_with_min_lr", aliases=("get_cosine_with_min_lr_schedule_with_warmup_lr_rate",),
    note="Everything comes one step earlier than in cosine_with_min_lr: step k counts as k + 1.",
)  # fmt: skip
def cosine_warmup_with_min_lr(
    on: Setting, num_warmup_steps: int, num_training_steps: int, num_cycles: float = 0.5, last_epoch: int = -1,
    min_lr: float | None = None, min_lr_rate: float | None = None, warmup_lr_rate: float | None = None, *,
    lr_init: float | None = None,
) -> Schedule:  # fmt: skip
    """A line up from warmup_lr_rate (or one step of it), then a cosine that is one step ahead."""
    warmup, end = steps(num_warmup_steps, "num_warmup_steps"), steps(num_training_steps, "num_training_steps")
    cycles, (ratio, to) = real(num_cycles, "num_cycles"), _lowest(on, min_lr, min_lr_rate, lr_init)
    length = max(1, end - warmup)
    # 1. The warmup is at the base at its last step, so the cosine begins there.
    first = None if warmup_lr_rate is None else _not_negative(real(warmup_lr_rate, "warmup_lr_rate"), "warmup_lr_rate")
    start = 1 / max(1, warmup) if first is None else first
    half = _half_period(length, cycles)
    regular = whole(warmup, end) and warmup >= 1 and half is not None and ratio >= 0
    if regular and not on.local and (warmup > 1 or first is None) and half is not None:
        before = int(warmup) - 1
        rise = Part(before, ramp(on.span(before), shape="linear", start=start, to=1.0))
        return joined(on, [rise, Part(None, ramp(on.span(half), shape="cosine", to=to).past_end("mirror"))])
    # 2. In transformers' own words.
    clock = on.clock
    line = (
        f"({clock} + 1) / {written(max(1, warmup))}"
        if first is None
        else f"{written(first)} + {written(1 - first)} * {clock} / {written(max(1, warmup - 1))}"
    )
    progress = f"(({less(clock, warmup)} + 1) / {written(length)})"
    text = f"max(0, {raised(wave_text(cycles, progress), ratio)})"
    return formula(f"{line} if {clock} < {written(warmup)} else {text}" if warmup > 0 else text, local=on.local)


@native(
    "transformers", "transformers.get_cosine_with_hard_restarts_schedule_with_warmup",
    name="cosine_with_restarts", aliases=("get_cosine_with_hard_restarts_schedule_with_warmup",),
)  # fmt: skip
def cosine_with_restarts(
    on: Setting, num_warmup_steps: int, num_training_steps: int, num_cycles: int = 1, last_epoch: int = -1
) -> Schedule:
    """A line up from 0, then num_cycles half cosines, each from the base to 0; 0 after the end."""
    warmup, end = steps(num_warmup_steps, "num_warmup_steps"), steps(num_training_steps, "num_training_steps")
    cycles, length = real(num_cycles, "num_cycles"), max(1, end - warmup)
    progress = progress_text(on, warmup, length)
    text = f"0 if {progress} >= 1 else max(0, 0.5 * (1 + cos(pi * (({written(cycles)} * {progress}) % 1))))"

    def main() -> Schedule:
        if cycles == 1:
            return ramp(on.span(length), shape="cosine")
        return ramp(on.span(Fraction(int(length), int(cycles))), shape="cosine").repeat(int(cycles))

    regular = whole(end, cycles) and cycles >= 1 and restarts_on_time(int(length), int(cycles))
    return warmed(on, warmup, text, main if regular and whole(length) else None)


@native(
    "transformers", "transformers.get_polynomial_decay_schedule_with_warmup",
    name="polynomial", aliases=("get_polynomial_decay_schedule_with_warmup",),
    note="lr_end is divided by the optimizer's default rate: a multiple in groups with another rate.",
)  # fmt: skip
def polynomial(
    on: Setting, num_warmup_steps: int, num_training_steps: int, lr_end: float = 1e-7, power: float = 1.0,
    last_epoch: int = -1, *, lr_init: float | None = None,
) -> Schedule:  # fmt: skip
    """A line up from 0, a power of what is left down to lr_end; lr_init is as for cosine_with_min_lr."""
    warmup, end = steps(num_warmup_steps, "num_warmup_steps"), steps(num_training_steps, "num_training_steps")
    low, exponent = _not_negative(real(lr_end, "lr_end"), "lr_end"), real(power, "power")
    rate = own_rate(on, lr_init)
    if not rate > low:
        raise ConversionError(
            f"lr_end is {low:g} and must be smaller than the initial rate, which is {rate:g}; lower it"
        )
    at_end = f"transformers divides by zero at step {end:g}"
    zero = whole(end) and end >= 0 and reached(on, end)
    if zero and end == warmup:
        raise ConversionError(f"{at_end}: there are no steps between the warmup and the end; write fewer warmup steps")
    if zero and end > warmup and exponent < 0:
        raise ConversionError(f"{at_end}: 0 to the power of {exponent:g}; write a power above 0")
    ratio, length = low / rate, end - warmup
    progress = f"{less(on.clock, warmup)} / {written(length)}" if length else "0"
    falling = raised(f"(1 - {progress}) ** {written(exponent)}", ratio)
    text = f"{written(ratio)} if {on.clock} > {written(end)} else {falling}"

    def main() -> Schedule:
        to = absolute_or_multiple(on, low, rate)
        if end < warmup:
            return constant(start=to)
        if exponent == 1:
            return ramp(on.span(length), shape="linear", to=to)
        return ramp(on.span(length), shape="power", to=to, exponent=exponent)

    # Near 0 the power jumps at its end, where a phase does not.
    return warmed(on, warmup, text, main if whole(end) and exponent >= 1e-3 else None, jumps=end < warmup)


@native(
    "transformers", "transformers.get_inverse_sqrt_schedule",
    name="get_inverse_sqrt_schedule",
)  # fmt: skip
def get_inverse_sqrt_schedule(
    on: Setting, num_warmup_steps: int, timescale: int | None = None, last_epoch: int = -1
) -> Schedule:
    """A line up from 0, then an inverse square root of time."""
    warmup = steps(num_warmup_steps, "num_warmup_steps")
    scale = (warmup or 10_000) if timescale is None else real(timescale, "timescale")
    if scale <= 0 and reached(on, max(0, warmup + (0 if scale == 0 else -scale))):
        raise ConversionError(
            f"timescale is {scale:g}, and transformers divides by zero there; write a number of steps above 0"
        )
    text = f"1 / sqrt(({on.clock} + {written(scale - warmup)}) / {written(scale)})" if scale else "1"
    regular = scale > 0
    return warmed(on, warmup, text, (lambda: inverse(timescale=on.span(Fraction(scale)))) if regular else None)


@native("transformers", "transformers.get_inverse_sqrt_schedule", name="inverse_sqrt")
def inverse_sqrt(
    on: Setting, num_warmup_steps: int, num_training_steps: int | None = None, timescale: int | None = None
) -> Schedule:
    """As get_scheduler makes it, which takes num_training_steps and leaves it unused."""
    return get_inverse_sqrt_schedule(on, num_warmup_steps, timescale)


def restarts_on_time(length: int, cycles: int) -> bool:
    """Whether the cycles are of whole length, and transformers' own rounding lets each begin when it should."""
    if length % cycles or cycles > MOST_JOINTS:
        return False
    one = length // cycles
    return all((float(cycles) * (float(j * one) / float(length))) % 1.0 == 0.0 for j in range(1, cycles))


def _waves(on: Setting, warmup_steps: object, end_steps: object, periods: object, ratio: float, to: Value) -> Schedule:
    warmup, end = steps(warmup_steps, "num_warmup_steps"), steps(end_steps, "num_training_steps")
    cycles, length = real(periods, "num_cycles"), max(1, end - warmup)
    text = f"max(0, {raised(wave_text(cycles, progress_text(on, warmup, length)), ratio)})"
    half = _half_period(length, cycles)
    main: Callable[[], Schedule] | None = None
    if cycles == 0:
        main = constant
    elif half is not None and ratio >= 0:
        main = lambda: ramp(on.span(half), shape="cosine", to=to).past_end("mirror")  # noqa: E731
    return warmed(on, warmup, text, main)


def _half_period(length: float, cycles: float) -> int | None:
    """Steps from a maximum to a minimum; None where they are not whole."""
    if cycles == 0:
        return None
    half = Fraction(length) / (2 * abs(Fraction(cycles)))
    return int(half) if half.denominator == 1 else None


def _lowest(on: Setting, min_lr: object, min_lr_rate: object, lr_init: object) -> tuple[float, Value]:
    """The minimum as a multiple of the base, and as the schedule says it."""
    if (min_lr is None) == (min_lr_rate is None):
        how = "both" if min_lr is not None else "neither"
        raise ConversionError(f"of min_lr and min_lr_rate exactly one is given, not {how}; write e.g. min_lr_rate=0.1")
    if min_lr_rate is not None:
        ratio = real(min_lr_rate, "min_lr_rate")
        return ratio, max(float(ratio), 0.0)
    low, rate = real(min_lr, "min_lr"), own_rate(on, lr_init)
    return low / rate, absolute_or_multiple(on, max(low, 0), rate)


def _not_negative(x: float, what: str) -> float:
    if x < 0:
        raise ConversionError(f"{what} is {x:g}, which makes the learning rate negative; write 0 or more")
    return x
