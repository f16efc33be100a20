"""SequentialLR and ChainedScheduler: schedulers inside schedulers.

In the regular case they are a sequence and a product. Where parts work on what others left behind, torch's numbers are
odd, and are computed as torch computes them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any, cast

from cadence._errors import ConversionError
from cadence.conversion.definition import definitions, integer, native
from cadence.conversion.frameworks.torch.checks import begun, number
from cadence.conversion.frameworks.torch.groups import COMPOSERS, parts_of, per_group
from cadence.conversion.frameworks.torch.tables import table
from cadence.conversion.native import Native
from cadence.conversion.setting import Setting
from cadence.spec.nodes import Constant, Formula, Geometric, PastEnd, Phase, Piecewise, Schedule, Steps
from cadence.spec.nodes import Sequence as Phases
from cadence.spec.plan import Plan
from cadence.spec.shown import shown

PHASES = (
    "LambdaLR", "StepLR", "MultiStepLR", "ConstantLR", "LinearLR", "ExponentialLR", "PolynomialLR", "CosineAnnealingLR",
    "CosineAnnealingWarmRestarts",
)  # fmt: skip
"""What begins anew, from the base, when its turn in a SequentialLR comes."""

FACTORS = ("MultiplicativeLR", "StepLR", "MultiStepLR", "ConstantLR", "LinearLR", "ExponentialLR", "PolynomialLR")
"""What multiplies the rate, whatever that is."""

SETTERS = ("LambdaLR", "CosineAnnealingWarmRestarts")
"""What sets the rate, whatever that was."""

MAKERS = ("CyclicLR", "OneCycleLR", *COMPOSERS)
"""What changes the base itself when it is made."""

LENGTHS = ("ConstantLR", "LinearLR", "PolynomialLR")
"""What begins otherwise in the middle of a SequentialLR where its length is not positive."""


@native("torch", "torch.optim.lr_scheduler.SequentialLR")
@per_group("SequentialLR")
def sequential_lr(on: Setting, schedulers: Any, milestones: Any, last_epoch: int = -1) -> Schedule | Plan:
    """One after the other, each from its milestone on."""
    given = Native(
        "torch", "SequentialLR", {"schedulers": schedulers, "milestones": milestones, "last_epoch": last_epoch}
    )
    parts = _checked(given)
    if isinstance(milestones, str) or not isinstance(milestones, Sequence):
        raise ConversionError(f"milestones is a list of steps, not {shown(milestones)}; write e.g. [10]")
    at = [number(m, "a milestone") for m in cast("Sequence[Any]", milestones)]
    if len(at) != len(parts) - 1:
        raise ConversionError(
            f"{len(parts)} schedulers need {len(parts) - 1} milestones, one between each two, and there are {len(at)}"
        )
    rising = all(m.is_integer() and m > before for before, m in zip([0.0, *at], at, strict=False))
    if begun(last_epoch) or not rising or not all(map(_regular, parts)):
        return table(given, on, "this SequentialLR has no closed form, so that it is computed over the whole run")
    begins = [0, *(int(m) for m in at)]
    # The last tick of each part's clock that the run comes to.
    lasts = [end - begin - 1 for begin, end in pairwise(begins)]
    lasts = [*lasts, None if on.ticks is None else max(on.ticks - begins[-1], 0)]
    phases = [_schedule(_within(on, last).read(part)) for part, last in zip(parts, lasts, strict=True)]
    whole = phases[-1]
    for phase, begin, end in reversed(list(zip(phases, begins, begins[1:], strict=False))):
        whole = slot(on, phase, end - begin) >> whole
    last = begins[-1] + sum(p.length.amount for p in _before_last(phases[-1]) if p.length is not None)
    beyond = not on.local and last and (on.ticks is None or on.ticks <= last)
    return whole.cut() if beyond else whole


@native("torch", "torch.optim.lr_scheduler.ChainedScheduler")
@per_group("ChainedScheduler")
def chained_scheduler(on: Setting, schedulers: Any) -> Schedule | Plan:
    """All at once, each on what the others made of the rate."""
    given = Native("torch", "ChainedScheduler", {"schedulers": schedulers})
    parts = _checked(given)
    before, last = parts[:-1], parts[-1]
    if not before or (last.name in SETTERS and not any(p.name in MAKERS for p in before)):
        # The last one overwrites what the others did; what torch refuses in those is refused all the same.
        for part in before:
            on.read(part)
        return on.read(last)
    if not all(_is_factor(part, on) for part in parts):
        return table(given, on, "this ChainedScheduler has no closed form, so that it is computed over the whole run")
    product: Schedule | None = None
    for part in parts:
        factor = _schedule(on.read(part))
        if factor == Constant(None, 1.0):
            continue
        # A phase that is over holds its value for the others.
        factor = factor.cut() if isinstance(factor, (Phase, PastEnd)) else factor
        product = factor if product is None else product * factor
    return Constant(None, 1.0) if product is None else product


def slot(on: Setting, phase: Schedule, n: int) -> Schedule:
    """The first n ticks of a phase that was read by itself."""
    length = on.span(n)
    if isinstance(phase, (Constant, Steps, Geometric, Piecewise, Formula)) and phase.length is None:
        return replace(phase, length=length)
    inner = phase.inner if isinstance(phase, PastEnd) else phase
    if isinstance(inner, Phase) and inner.length is not None:
        if inner.length == length:
            return inner
        if inner.length.amount > length.amount:
            return inner.cut(length)
    return phase.cut(length)


def _within(on: Setting, last: int | None) -> Setting:
    """The same for a part of a sequence that comes to tick `last` of its clock."""
    total = None if last is None else last if on.per == "step" else last * (on.horizon.steps_per_epoch or 1)
    per_epoch = on.horizon.steps_per_epoch or (1 if on.per == "epoch" else None)
    return replace(on.inside, horizon=replace(on.horizon, total=total, steps_per_epoch=per_epoch))


def _checked(given: Native) -> list[Native]:
    parts = parts_of(given)
    if not parts:
        raise ConversionError(f"{given.name} has no scheduler inside; give it at least one")
    for part in parts:
        if part.name == "ReduceLROnPlateau":
            raise ConversionError(
                f"torch refuses ReduceLROnPlateau inside {given.name}; write the others as a schedule, then "
                f">> constant() * plateau(...)"
            )
    return parts


def _regular(part: Native) -> bool:
    """Whether a part that begins in the middle is the same as when it begins a run."""
    full = definitions("torch")[part.name].full(part)
    if part.name not in PHASES or full["last_epoch"] != -1:
        return False
    if part.name == "MultiStepLR":
        return all(number(m, "a milestone") >= 0 for m in _elements(full["milestones"]))
    return part.name not in LENGTHS or number(full["total_iters"], "total_iters") > 0


def _before_last(phase: Schedule) -> list[Constant]:
    """The constants that ConstantLR holds before it ends."""
    return [p for p in phase.parts[:-1] if isinstance(p, Constant)] if isinstance(phase, Phases) else []


def _elements(milestones: Any) -> list[Any]:
    return list(milestones.elements() if hasattr(milestones, "elements") else milestones)


def _is_factor(part: Native, on: Setting) -> bool:
    full = definitions("torch")[part.name].full(part)
    if full.get("last_epoch", -1) != -1:
        return False
    if part.name == "CosineAnnealingLR":
        # With a floor it adds, and so it does past its end.
        length = integer(full["T_max"], "T_max") if not isinstance(full["T_max"], float) else 0
        return not full["eta_min"] and on.ticks is not None and on.ticks <= abs(length)
    return part.name in FACTORS


def _schedule(read: Schedule | Plan) -> Schedule:
    assert isinstance(read, Schedule), read
    return read
