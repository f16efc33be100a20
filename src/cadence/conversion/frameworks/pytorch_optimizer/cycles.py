"""Cosine annealing with a warmup in each cycle, and peaks that fall."""

from __future__ import annotations

from cadence._errors import ConversionError
from cadence.conversion.definition import native
from cadence.conversion.frameworks.pytorch_optimizer.numbers import first, from_the_start, rate, whole
from cadence.conversion.setting import Setting
from cadence.spec.constructors.phases import ramp
from cadence.spec.nodes import Schedule
from cadence.spec.value import Value, number_of

MOST_CYCLES = 1000
"""Cycles that are written one by one."""


@native(
    "pytorch_optimizer",
    "pytorch_optimizer.lr_scheduler.cosine_anealing.CosineAnnealingWarmupRestarts",
    name="cosine_annealing_with_warmup",
    note="The first update runs at min_lr, with or without a warmup. One rate for all groups.",
)
def cosine_annealing_with_warmup(
    on: Setting,
    first_cycle_steps: int,
    cycle_mult: float = 1.0,
    max_lr: float = 1e-4,
    min_lr: float = 1e-6,
    warmup_steps: int = 0,
    gamma: float = 0.9,
    last_epoch: int = -1,
) -> Schedule:
    """In each cycle a warmup from min_lr and half a cosine back, the peak gamma times that of the cycle before."""
    from_the_start(last_epoch)
    length, warmup = whole(first_cycle_steps, "first_cycle_steps"), whole(warmup_steps, "warmup_steps")
    if warmup >= length:
        raise ConversionError(f"warmup_steps is {warmup} and first_cycle_steps {length}; the warmup must be shorter")
    high, low = rate(max_lr, "max_lr"), rate(min_lr, "min_lr")
    grow, falls = number_of(cycle_mult, "cycle_mult"), number_of(gamma, "gamma")
    fall = length - warmup
    equal = max(1, int(fall * grow)) == fall
    if equal or (not warmup and grow == int(grow) and grow >= 1):
        made = _repeated(on, warmup, fall, high, low, 1.0 if equal else grow, falls)
    else:
        made = _listed(on, warmup, fall, high, low, grow, falls)
    # The constructor writes min_lr over the first rate of the cycle.
    return made if warmup else first(on, made, high, low)


def _cycle(on: Setting, warmup: int, fall: int, low: Value, high: Value) -> Schedule:
    down = ramp(on.span(fall), shape="cosine", start=high, to=low)
    return ramp(on.span(warmup), shape="linear", start=low, to=high) >> down if warmup else down


def _repeated(on: Setting, warmup: int, fall: int, high: float, low: float, grow: float, gamma: float) -> Schedule:
    if gamma == 1:
        return _cycle(on, warmup, fall, on.value(low), on.value(high)).repeat(grow=grow)
    # The peak falls, the floor stays: each is a cycle of its own, beside a zero.
    peaks = _cycle(on, warmup, fall, 0.0, on.value(high)).repeat(grow=grow, decay=gamma)
    if not low:
        return peaks
    return peaks + _cycle(on, warmup, fall, on.value(low), 0.0).repeat(grow=grow)


def _listed(on: Setting, warmup: int, fall: int, high: float, low: float, grow: float, gamma: float) -> Schedule:
    """Cycles whose lengths follow no rule, because they are cut to whole numbers: one by one, over the run."""
    ticks = on.need_ticks(f"cycles of {warmup + fall} steps, each cut to whole steps, are listed")
    made: Schedule | None = None
    begin = 0
    for k in range(MOST_CYCLES):
        part = _cycle(on, warmup, fall, on.value(low), on.value(high * gamma**k))
        made = part if made is None else made >> part
        begin, fall = begin + warmup + fall, max(1, int(fall * grow))
        if begin >= ticks:
            return made.cut()
    raise ConversionError(f"the run has more than {MOST_CYCLES} cycles of unequal length; write longer ones")
