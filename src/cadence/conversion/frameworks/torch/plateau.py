"""ReduceLROnPlateau: a rule on a metric."""

from __future__ import annotations

import math
from typing import Any

from cadence._errors import ConversionError
from cadence.conversion.definition import native
from cadence.conversion.frameworks.torch.checks import number
from cadence.conversion.frameworks.torch.groups import per_group
from cadence.conversion.setting import Setting
from cadence.spec.constructors.phases import constant
from cadence.spec.constructors.rules import plateau
from cadence.spec.nodes import Schedule
from cadence.spec.shown import shown
from cadence.spec.value import absolute

METRIC = "metric"
"""What the metric is called: torch's has no name."""

LEAST_FACTOR = 1e-300
"""A factor of 0, by which a cut leads to the minimum at once."""


@native("torch", "torch.optim.lr_scheduler.ReduceLROnPlateau", note="The metric is called 'metric'; see `replay`.")
@per_group("ReduceLROnPlateau")
def reduce_lr_on_plateau(
    on: Setting,
    mode: str = "min",
    factor: float = 0.1,
    patience: int = 10,
    threshold: float = 1e-4,
    threshold_mode: str = "rel",
    cooldown: int = 0,
    min_lr: Any = 0,
    eps: float = 1e-8,
) -> Schedule:
    """The base, times factor whenever the metric has not improved for more than patience evaluations."""
    if mode not in ("min", "max"):
        raise ConversionError(f"mode is 'min' or 'max', not {shown(mode)}")
    if threshold_mode not in ("rel", "abs"):
        raise ConversionError(f"threshold_mode is 'rel' or 'abs', not {shown(threshold_mode)}")
    ratio = number(factor, "factor")
    if ratio >= 1:
        raise ConversionError(f"factor is {ratio:g}; torch wants less than 1, e.g. factor=0.1")
    least = number(min_lr, "min_lr")
    if ratio < 0 and least < 0:
        raise ConversionError(
            f"factor is {ratio:g} and min_lr is {least:g}, so that the first cut leads below 0; write a factor of at "
            f"least 0"
        )
    least = max(least, 0.0)
    return constant() * plateau(
        METRIC,
        factor=max(ratio, LEAST_FACTOR),
        patience=math.floor(number(patience, "patience", least=0.0)),
        threshold=number(threshold, "threshold", least=0.0),
        threshold_mode="signed" if threshold_mode == "rel" else "abs",
        cooldown=math.ceil(max(number(cooldown, "cooldown"), 0.0)),
        minimum=absolute(least) if least else 0.0,
        mode=mode,
        nan="bad",
        least_change=number(eps, "eps", least=0.0),
        infinite="best",
    )
