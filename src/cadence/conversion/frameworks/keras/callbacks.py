"""The callbacks of Keras that move the learning rate. A tick is an epoch of `fit`: read them with ``per="epoch"``."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from cadence._errors import ConversionError
from cadence.conversion.definition import native
from cadence.conversion.rates import number, sampled
from cadence.conversion.setting import Setting
from cadence.conversion.written import Written
from cadence.spec.constructors.phases import constant
from cadence.spec.constructors.rules import plateau
from cadence.spec.nodes import Schedule, guess_mode
from cadence.spec.shown import shown
from cadence.spec.value import absolute


@native(
    "keras", "keras.callbacks.LearningRateScheduler", note="called once per epoch, with the rate of the epoch before"
)
def learning_rate_scheduler(on: Setting, schedule: Callable[..., Any], verbose: int = 0) -> Schedule:
    """A function of the epoch, or of the epoch and the rate before it."""
    if not callable(schedule):
        raise ConversionError(f"LearningRateScheduler takes a function of the epoch, not {shown(schedule)}")
    if len(set(on.bases)) > 1:
        raise ConversionError(f"Keras has one learning rate, and there are bases {on.bases}; give one")
    if isinstance(schedule, Written):
        return sampled(on, schedule, schedule.source)
    now = [on.base]

    def rate_at(epoch: int) -> float:
        try:
            given = schedule(epoch, now[0])
        except TypeError:
            given = schedule(epoch)
        # Ints are refused by Keras too; numpy's floats are python's or float32.
        if not isinstance(given, float) and type(given).__name__ != "float32":
            raise ConversionError(f"it should give a float, not {shown(given)}")
        now[0] = float(given)
        return now[0]

    return sampled(on, rate_at, getattr(schedule, "__name__", "schedule"))


@native(
    "keras", "keras.callbacks.ReduceLROnPlateau",
    note="the cut comes with the patience-th bad epoch, and the last epoch of a cooldown counts: both one before torch",
)  # fmt: skip
def reduce_lr_on_plateau(
    on: Setting,
    monitor: str = "val_loss",
    factor: float = 0.1,
    patience: int = 10,
    verbose: int = 0,
    mode: str = "auto",
    min_delta: float = 1e-4,
    cooldown: int = 0,
    min_lr: float = 0.0,
) -> Schedule:
    """Times factor when the metric has not improved for `patience` epochs."""
    cut, floor = number(factor, "factor"), number(min_lr, "min_lr")
    if cut >= 1:
        raise ConversionError(f"ReduceLROnPlateau does not support a factor >= 1.0, and it is {cut:g}; write e.g. 0.1")
    if cut <= 0:
        raise ConversionError(f"factor is {cut:g}, which cuts to min_lr at once; a rule here needs a factor above 0")
    return constant() * plateau(
        monitor, factor=cut, patience=max(math.ceil(number(patience, "patience")) - 1, 0),
        cooldown=max(math.ceil(number(cooldown, "cooldown")) - 1, 0), mode=_mode(monitor, mode),
        threshold=abs(number(min_delta, "min_delta")), threshold_mode="abs", nan="bad", infinite="best",
        minimum=absolute(floor) if floor > 0 else 0.0,
    )  # fmt: skip


def _mode(monitor: object, mode: object) -> str | None:
    if not isinstance(monitor, str):
        raise ConversionError(f"monitor is the name of a metric, not {shown(monitor)}")
    if mode in ("min", "max"):
        return str(mode)
    # Keras knows the metrics that the model was compiled with, here there is their name.
    if monitor.removeprefix("val_") == "loss":
        return "min"
    guessed = guess_mode(monitor)
    if guessed is None:
        raise ConversionError(
            f"whether {monitor!r} should rise or fall is known to the compiled model, and not here; write mode='min' "
            f"or mode='max'"
        )
    return guessed
