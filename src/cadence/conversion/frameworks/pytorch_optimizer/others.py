"""What follows another schedule, and what is none."""

from __future__ import annotations

from typing import Any

import numpy as np

from cadence._errors import ConversionError
from cadence.conversion.definition import definitions, native
from cadence.conversion.doors import native_of
from cadence.conversion.frameworks.pytorch_optimizer.functions import rex_from
from cadence.conversion.frameworks.pytorch_optimizer.warmed import checked, cosine_after, linear_after, poly_after
from cadence.conversion.native import Native
from cadence.conversion.setting import Setting
from cadence.curve.layout import has_absolute
from cadence.spec.constructors.phases import constant
from cadence.spec.nodes import Schedule
from cadence.spec.plan import Plan, plan
from cadence.spec.value import absolute, number_of

OWN = ("linear", "cosine", "poly", "rex")
"""Schedulers that say absolute rates only, and keep the one of the next step where this one asks for it."""


@native(
    "pytorch_optimizer",
    "pytorch_optimizer.lr_scheduler.proportion.ProportionScheduler",
    name="proportion",
    note="A schedule of rho: read as a plan for 'rho'. It follows the first group.",
)
def proportion(
    on: Setting,
    lr_scheduler: Any,
    max_lr: float,
    min_lr: float = 0.0,
    max_value: float = 2.0,
    min_value: float = 2.0,
) -> Plan:
    """A value that is to its range as the rate is to its own."""
    inner = native_of("pytorch_optimizer", lr_scheduler)
    if inner.name == "proportion":
        raise ConversionError("a proportion follows a scheduler of the rate, not another proportion; give it that one")
    high, low = float(max_value), float(min_value)
    if max_lr <= min_lr or high == low:
        return plan({"rho": constant(start=absolute(high))})
    slope = (high - low) / (max_lr - min_lr)
    level = low - slope * min_lr
    one = on.with_bases(on.base)
    followed = followed_rate(one, inner)
    if slope < 0 or level < -1e-15 * max(high, low) or (inner.name not in OWN and has_absolute(followed)):
        return plan({"rho": _sampled(one, followed, slope, level)})
    moving = followed * slope if inner.name in OWN else followed * absolute(slope * on.base)
    return plan({"rho": moving if level <= 0 else constant(start=absolute(level)) + moving})


def followed_rate(on: Setting, inner: Native) -> Schedule:
    """The rate that is followed: what a scheduler calls its last one, before the first step too."""
    own = definitions(inner.framework)[inner.name].full(inner)
    if inner.framework == "pytorch_optimizer" and inner.name in ("linear", "cosine", "poly"):
        w = checked(own["t_max"], own["max_lr"], own["min_lr"], own["init_lr"], own["warmup_steps"])
        if inner.name == "poly":
            return poly_after(on, w, float(own["poly_order"]), w.start)
        return (linear_after if inner.name == "linear" else cosine_after)(on, w, w.start)
    if inner.framework == "pytorch_optimizer" and inner.name == "rex" and own["total_steps"] >= 1:
        return rex_from(on, int(own["total_steps"]), float(own["max_lr"]), float(own["min_lr"]))
    schedule = on.read(inner)
    if isinstance(schedule, Plan):
        rates = dict(schedule.entries)
        schedule = rates.get("0/lr", rates.get("lr", constant()))
    return schedule


def _sampled(on: Setting, followed: Schedule, slope: float, level: float) -> Schedule:
    ticks = on.need_ticks("a proportion that falls where the rate rises is sampled over the run")
    rates = on.placed(followed).at(np.arange(ticks + 1))
    return on.table([absolute(number_of(level + slope * float(x), "a value of the proportion")) for x in rates])


@native(
    "pytorch_optimizer",
    "pytorch_optimizer.lr_scheduler.experimental.deberta_v3_lr_scheduler.deberta_v3_large_lr_scheduler",
    name="deberta_v3",
    note="Parameter groups with constant rates, the head's first: no schedule of its own. Give base= one for each.",
    aliases=("deberta_v3_large_lr_scheduler",),
)
def deberta_v3(
    on: Setting,
    layer_low_threshold: int = 195,
    layer_middle_threshold: int = 323,
    head_param_start: int = 390,
    base_lr: float = 2e-5,
    head_lr: float = 1e-4,
    wd: float = 1e-2,
) -> Schedule | Plan:
    """One group for the head and one for each parameter of the backbone, each with a rate of its own."""
    if len(on.bases) == 1:
        raise ConversionError(
            "deberta_v3 makes a group for each parameter and gives them constant rates; give base= the rate of each "
            "group, e.g. base=[group['lr'] for group in optimizer.param_groups]"
        )
    rates = [float(head_lr)]
    for layer in range(min(len(on.bases) - 1, head_param_start)):
        high = layer >= layer_middle_threshold
        rates.append(base_lr / 0.5 if high else base_lr if layer >= layer_low_threshold else base_lr / 2.5)
    if len(rates) != len(on.bases):
        raise ConversionError(
            f"deberta_v3 makes at most {head_param_start + 1} groups, and base has {len(on.bases)} rates; give one each"
        )
    if tuple(rates) == on.bases:
        return constant()
    return plan({f"{i}/lr": constant(start=absolute(x)) for i, x in enumerate(rates)})
