"""timm's schedules in steps, and what follows a metric."""

from __future__ import annotations

import bisect
import math
from collections.abc import Sequence
from fractions import Fraction
from typing import cast

from cadence._errors import ConversionError
from cadence.conversion.arithmetic import least, less, real, whole, written
from cadence.conversion.definition import native
from cadence.conversion.frameworks.timm.warm import Scale, Warmup, checked, scaled, warmup
from cadence.conversion.joined import Part, joined
from cadence.conversion.native import Native
from cadence.conversion.setting import Setting
from cadence.spec.constructors.phases import constant, formula, piecewise, steps
from cadence.spec.nodes import Product, Schedule
from cadence.spec.plan import Plan
from cadence.spec.shown import shown


@native("timm", "timm.scheduler.StepLRScheduler")
def StepLRScheduler(
    on: Setting, decay_t: float, decay_rate: float = 1.0, warmup_t: int = 0, warmup_lr_init: float = 0.0,
    warmup_prefix: bool = True, t_in_epochs: bool = True, noise_range_t: object = None, noise_pct: float = 0.67,
    noise_std: float = 1.0, noise_seed: int = 42, initialize: bool = True, *, lr_scale: Scale = None,
) -> Schedule | Plan:  # fmt: skip
    """decay_rate for every decay_t."""
    checked(on, noise_range_t, t_in_epochs)
    every, rate = real(decay_t, "decay_t"), least(real(decay_rate, "decay_rate"), 0, "decay_rate")
    line = warmup(warmup_t, warmup_lr_init, prefix=warmup_prefix)
    if every == 0:
        raise ConversionError("decay_t is 0, and timm divides by it; write the ticks between two cuts, e.g. 30")
    if rate == 1:
        main: Schedule = constant()
    elif whole(every, line.length) and every > 0 and line.length >= 0:
        main = steps(every=on.span(every), gamma=rate, local=line.prefix and line.length > 0)
    else:
        main = formula(f"{written(rate)} ** ({less(on.clock, line.shift)} // {written(every)})")
    return scaled(on, joined(on, [*line.parts(on), Part(None, main, jumps=not line.prefix)]), lr_scale)


@native(
    "timm", "timm.scheduler.MultiStepLRScheduler",
    note="A milestone m counts from m - 1 on, one tick earlier than torch's.",
)  # fmt: skip
def MultiStepLRScheduler(
    on: Setting, decay_t: Sequence[int], decay_rate: float = 1.0, warmup_t: int = 0, warmup_lr_init: float = 0.0,
    warmup_prefix: bool = True, t_in_epochs: bool = True, noise_range_t: object = None, noise_pct: float = 0.67,
    noise_std: float = 1.0, noise_seed: int = 42, initialize: bool = True, *, lr_scale: Scale = None,
) -> Schedule | Plan:  # fmt: skip
    """decay_rate at each milestone."""
    checked(on, noise_range_t, t_in_epochs)
    if isinstance(decay_t, str) or not isinstance(decay_t, Sequence):
        raise ConversionError(f"decay_t is a list of milestones, not {shown(decay_t)}; write e.g. [30, 60]")
    milestones = [real(m, "a milestone of decay_t") for m in decay_t]
    rate = least(real(decay_rate, "decay_rate"), 0, "decay_rate")
    line = warmup(warmup_t, warmup_lr_init, prefix=warmup_prefix)
    local = line.prefix and line.length > 0
    # With a fractional warmup the schedule's clock is never whole; its ticks are counted from the first one after it.
    offset = line.ticks - line.length if local else -line.length if line.prefix else 0
    if not milestones:
        main: Schedule = constant()
    elif sorted(milestones) == milestones:
        main = steps(at=[on.span(_first(m, offset)) for m in milestones], gamma=rate, local=local)
    else:
        main = _unsorted(on, milestones, rate, offset, local=local)
    at_once = bool(milestones) and _first(min(milestones), offset) == 0
    return scaled(on, joined(on, [*line.parts(on), Part(None, main, jumps=at_once or not line.prefix)]), lr_scale)


@native(
    "timm", "timm.scheduler.PlateauLRScheduler",
    note="The value of tick 0 is what the constructor writes: step(0) without a warmup would write 0.",
)  # fmt: skip
def PlateauLRScheduler(
    on: Setting, decay_rate: float = 0.1, patience_t: int = 10, threshold: float = 1e-4, cooldown_t: int = 0,
    warmup_t: int = 0, warmup_lr_init: float = 0.0, lr_min: float = 0.0, mode: str = "max",
    noise_range_t: object = None, noise_type: str = "normal", noise_pct: float = 0.67, noise_std: float = 1.0,
    noise_seed: int | None = None, initialize: bool = True, *, lr_scale: Scale = None,
) -> Schedule | Plan:  # fmt: skip
    """decay_rate when the metric has stopped improving, after the warmup; torch's ReduceLROnPlateau inside."""
    checked(on, noise_range_t)
    line = warmup(warmup_t, warmup_lr_init, prefix=True)
    inside = {
        "factor": decay_rate, "patience": patience_t, "threshold": threshold, "cooldown": cooldown_t, "mode": mode,
        "min_lr": real(lr_min, "lr_min"),
    }  # fmt: skip
    cut = on.with_bases(on.base).read(Native("torch", "ReduceLROnPlateau", inside))
    assert isinstance(cut, Product)
    rule = cut.parts[-1]
    return scaled(on, joined(on, [*line.parts(on), Part(None, _before_cuts(on, line) * rule)]), lr_scale)


def _before_cuts(on: Setting, line: Warmup) -> Schedule:
    """The rate that the warmup leaves behind, which nothing but a cut changes: its own last value."""
    if line.length == 0 or line.ticks == line.length:
        return constant()
    if line.length < 0:
        return constant(start=on.value(line.init))
    done = math.floor(line.length) / line.length
    stays = constant(start=done)
    return stays + constant(start=on.value(line.init * (1 - done))) if line.init else stays


def _first(milestone: float, offset: float) -> Fraction:
    """The tick from which a milestone counts: the first t with t + offset + 1 >= milestone."""
    return Fraction(max(0, math.ceil(Fraction(milestone) - 1 - Fraction(offset))))


def _unsorted(on: Setting, milestones: list[float], rate: float, offset: float, *, local: bool) -> Schedule:
    """As timm counts them: by halving a list that it takes for sorted."""
    ticks = sorted({0, *(int(_first(m, offset)) for m in milestones)})
    points = [(on.span(k), rate ** bisect.bisect_right(milestones, k + offset + 1)) for k in ticks]
    return piecewise(cast("Sequence[tuple[object, float]]", points), local=local)  # type: ignore[arg-type]
