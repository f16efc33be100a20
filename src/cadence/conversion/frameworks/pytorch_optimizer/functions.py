"""Schedules that are a function of the step: warmup-stable-decay, Chebyshev's, REX."""

from __future__ import annotations

import numpy as np

from cadence.conversion.definition import integer, native
from cadence.conversion.frameworks.pytorch_optimizer.numbers import Part, first, from_the_start, rate, sequence, whole
from cadence.conversion.setting import Setting
from cadence.spec.constructors.phases import constant, formula, ramp
from cadence.spec.nodes import Schedule
from cadence.spec.value import number_of

SHAPES = {"linear": "linear", "1-sqrt": "1-sqrt"}
"""Kind of cooldown -> shape."""


@native(
    "pytorch_optimizer",
    "pytorch_optimizer.lr_scheduler.wsd.get_wsd_schedule",
    name="warmup_stable_decay",
    note="Only the cosine cooldown ends at min_lr_ratio; the others end at 0 and jump there.",
)
def warmup_stable_decay(
    on: Setting,
    num_warmup_steps: int,
    num_stable_steps: int,
    num_decay_steps: int,
    min_lr_ratio: float = 0.0,
    num_cycles: float = 0.5,
    cooldown_type: str = "1-sqrt",
    last_epoch: int = -1,
) -> Schedule:
    """From 0 up to the base, on at the base, then down."""
    from_the_start(last_epoch)
    warmup, stable = whole(num_warmup_steps, "num_warmup_steps"), whole(num_stable_steps, "num_stable_steps")
    down, low = whole(num_decay_steps, "num_decay_steps"), rate(min_lr_ratio, "min_lr_ratio")
    parts: list[Part] = [
        (warmup, ramp(on.span(warmup), shape="linear", start=0.0, to=1.0)),
        (stable, constant(on.span(stable))),
        (down, _cooldown(on, down, low, number_of(num_cycles, "num_cycles", least=float("-inf")), cooldown_type)),
    ]
    ends_there = low == 0 if cooldown_type in SHAPES else cooldown_type == "cosine" and num_cycles == 0.5
    if not down or not ends_there:
        parts.append((None, constant(start=low)))
    return sequence(on, parts)


def _cooldown(on: Setting, n: int, low: float, cycles: float, kind: str) -> Schedule:
    length = on.span(n)
    if kind in SHAPES:
        return ramp(length, shape=SHAPES[kind])
    if kind == "1-square":
        return formula("1 - u * u", length)
    if kind != "cosine":
        # What it does not know it passes over.
        return constant(length, start=low)
    if cycles == 0.5:
        return ramp(length, shape="cosine", to=low)
    wave = f"(1 + cos(2 * pi * {cycles!r} * u)) / 2"
    return formula(wave if not low else f"{1 - low!r} * {wave} + {low!r}", length)


@native(
    "pytorch_optimizer",
    "pytorch_optimizer.lr_scheduler.chebyshev.get_chebyshev_schedule",
    name="chebyshev",
    note="As many rates as the next power of two, up to 20 times the base; the first three updates have the same.",
)
def chebyshev(on: Setting, num_epochs: int, is_warmup: bool = False, last_epoch: int = -1) -> Schedule:
    """Reciprocal nodes of Chebyshev's polynomial in a fractal order."""
    from_the_start(last_epoch)
    if is_warmup:
        return constant()
    count = integer(num_epochs, "num_epochs")
    return on.table([float(x) for x in rates(2 ** (int(np.log2(count - 1)) + 1) if count > 1 else 1)])


def rates(n: int) -> list[float]:
    """The multiples of the base at ticks 0, 1, ..., for n nodes.

    Source:
        Agarwal, Goel & Zhang 2021, arXiv:2103.01338, with the spectrum between 0.05 and 1.
    """
    middle, radius = (1.0 + 0.05) / 2, (1.0 - 0.05) / 2
    nodes = 1.0 / (middle - radius * np.cos((np.arange(n) + 0.5) * np.pi / n))
    order = np.array([0])
    while len(order) < n - 2:
        order = np.vstack([order, 2 * len(order) - 1 - order]).T.flatten()
    values: list[float] = nodes[order[order < n]].tolist()
    return [values[0]] * 2 + values


@native(
    "pytorch_optimizer",
    "pytorch_optimizer.lr_scheduler.rex.REXScheduler",
    name="rex",
    note="The first update runs at min_lr, the next as the second of the decay. One rate for all groups.",
)
def rex(on: Setting, total_steps: int, max_lr: float = 1.0, min_lr: float = 0.0) -> Schedule:
    """REX from max_lr to min_lr."""
    high, low = rate(max_lr, "max_lr"), rate(min_lr, "min_lr")
    n = int(total_steps) if total_steps < 0 else whole(total_steps, "total_steps")
    if n < 1:
        return constant(start=on.value(low))
    return first(on, rex_from(on, n, high, low), high, low)


def rex_from(on: Setting, n: int, high: float, low: float) -> Schedule:
    """The decay itself, from its first rate on."""
    return ramp(on.span(n), shape="rex", start=on.value(high), to=on.value(low))
