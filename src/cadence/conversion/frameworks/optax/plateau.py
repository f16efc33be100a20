"""The transformation of optax that follows a metric."""

from __future__ import annotations

from cadence._errors import ConversionError
from cadence.conversion.definition import integer, native
from cadence.conversion.rates import number
from cadence.conversion.setting import Setting
from cadence.spec.constructors.phases import constant
from cadence.spec.constructors.rules import plateau
from cadence.spec.nodes import Schedule


@native(
    "optax", "optax.contrib.reduce_on_plateau",
    note="the cut comes with the patience-th bad value, one earlier than in torch; observe the metric as 'loss'",
)  # fmt: skip
def reduce_on_plateau(
    on: Setting,
    factor: float = 0.1,
    patience: int = 10,
    rtol: float = 1e-4,
    atol: float = 0.0,
    cooldown: int = 0,
    accumulation_size: int = 1,
    min_scale: float = 0.0,
) -> Schedule:
    """Times factor when the value has not improved for `patience` updates."""
    cut, relative, flat = number(factor, "factor"), number(rtol, "rtol"), number(atol, "atol")
    if not 0 < cut < 1:
        raise ConversionError(f"factor must be in the range (0, 1), and is {cut:g}; write e.g. 0.1")
    if relative < 0 or flat < 0 or relative == flat == 0:
        raise ConversionError(f"one of rtol={relative:g} and atol={flat:g} must be above 0 and none below it")
    if relative > 1:
        raise ConversionError(f"rtol is {relative:g}; it must be at most 1")
    if relative and flat:
        raise ConversionError(
            f"optax takes rtol={relative:g} and atol={flat:g} off the best together, and a rule here has one "
            f"threshold; set one of them to 0"
        )
    if relative == 1:
        raise ConversionError("rtol is 1, with which optax finds no value better than the first; write e.g. 1e-4")
    if integer(accumulation_size, "accumulation_size", least=1) != 1:
        raise ConversionError(
            f"optax averages {accumulation_size} values before it judges, and a rule here judges what it is told; "
            f"observe their mean, and write accumulation_size=1"
        )
    borne = integer(patience, "patience")
    if borne < 1:
        raise ConversionError(f"patience is {borne}, with which optax cuts when the value improves; write at least 1")
    floor = number(min_scale, "min_scale")
    if floor > 1:
        raise ConversionError(f"min_scale is {floor:g}, which raises the rate at once; write at most 1")
    return constant() * plateau(
        "loss", factor=cut, patience=borne - 1, cooldown=max(integer(cooldown, "cooldown"), 0), minimum=max(floor, 0.0),
        threshold=relative or flat, threshold_mode="signed" if relative else "abs", nan="bad", infinite="best",
    )  # fmt: skip
