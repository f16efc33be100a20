"""What timm's schedules share: a warmup from an absolute rate, noise, and a scale for each parameter group."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from cadence._errors import ConversionError
from cadence.conversion.arithmetic import real, written
from cadence.conversion.joined import Part
from cadence.conversion.setting import Setting
from cadence.spec.constructors.phases import constant, formula, ramp
from cadence.spec.nodes import Schedule
from cadence.spec.plan import Plan, plan
from cadence.spec.shown import shown

Scale = float | Sequence[float] | None


@dataclass(frozen=True)
class Warmup:
    """The line at the beginning.

    Attributes:
        length: ticks, any number; no line where it is not above 0.
        init: where it begins, absolute.
        prefix: whether the schedule's own clock begins where the line ends.
    """

    length: float
    init: float
    prefix: bool

    @property
    def ticks(self) -> int:
        """The first tick after the line."""
        return max(0, math.ceil(self.length))

    @property
    def shift(self) -> float:
        """The tick at which the schedule's own clock shows 0."""
        return self.length if self.prefix else 0

    def parts(self, on: Setting, *, to: float = 1.0, floor: float = 0.0) -> list[Part]:
        """The line up to `to` times the base and `floor` besides; nothing where there is none."""
        if self.length <= 0:
            return []
        span, start = on.span(self.ticks), on.value(self.init)
        if self.ticks != self.length:
            up = f"{on.clock} / {written(self.length)}"
            rise: Schedule = formula(up if to == 1 else f"{up} * {written(to)}", span)
            if self.init:
                rise = rise + formula(f"1 - {up}", span) * constant(start=start)
            return [Part(self.ticks, rise + formula(up, span) * constant(start=on.value(floor)) if floor else rise)]
        if not floor:
            return [Part(self.ticks, ramp(span, shape="linear", start=start, to=to))]
        both = ramp(span, shape="linear", start=0.0, to=to)
        return [Part(self.ticks, both + ramp(span, shape="linear", start=start, to=on.value(floor)))]


def warmup(length: object, init: object, *, prefix: bool) -> Warmup:
    """A checked warmup."""
    ticks, begin = real(length, "warmup_t"), real(init, "warmup_lr_init")
    if ticks > 0 and begin < 0:
        raise ConversionError(f"warmup_lr_init is {begin:g}, a negative learning rate; write 0 or more")
    return Warmup(ticks, begin, bool(prefix))


def checked(on: Setting, noise_range_t: object, t_in_epochs: object = True) -> None:
    """Check what all of timm's schedules take.

    Raises:
        ConversionError: noise, which is no schedule; or a clock that never ticks.
    """
    if noise_range_t is not None:
        raise ConversionError(
            f"noise_range_t={shown(noise_range_t)} multiplies the rate by random numbers, and a schedule has none; "
            f"leave it out"
        )
    if not t_in_epochs and on.per == "epoch":
        raise ConversionError(
            "with t_in_epochs=False timm ignores step(epoch), so that nothing happens once an epoch; write per='step'"
        )


def scaled(on: Setting, schedule: Schedule, lr_scale: Scale) -> Schedule | Plan:
    """The schedule times the `lr_scale` of each parameter group."""
    if lr_scale is None:
        return schedule
    many = list(lr_scale) if isinstance(lr_scale, Sequence) else [lr_scale]
    scales = [float(real(x, "lr_scale")) for x in many]
    if len(scales) not in (1, len(on.bases)):
        raise ConversionError(
            f"lr_scale has {len(scales)} numbers where there are {len(on.bases)} parameter groups; write one for each"
        )
    if min(scales) < 0:
        raise ConversionError(f"lr_scale is {min(scales):g}, which makes the learning rate negative; write 0 or more")
    if all(scale == scales[0] for scale in scales):
        return schedule if scales[0] == 1 else schedule * scales[0]
    return plan({f"{g}/lr": schedule if scale == 1 else schedule * scale for g, scale in enumerate(scales)})
