"""Torch's schedulers that multiply: by steps, at milestones, at every step, for a while."""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction
from typing import Any

from cadence._errors import ConversionError
from cadence.conversion.definition import native
from cadence.conversion.frameworks.torch.checks import begun, number, rate
from cadence.conversion.setting import Setting
from cadence.spec.constructors.phases import constant, exponential, formula, steps
from cadence.spec.nodes import Schedule
from cadence.spec.shown import shown
from cadence.spec.value import number_text


@native("torch", "torch.optim.lr_scheduler.StepLR")
def step_lr(on: Setting, step_size: int, gamma: float = 0.1, last_epoch: int = -1) -> Schedule:
    """gamma for every step_size steps."""
    # Torch asks whether the step's number is a multiple, of whatever: of 2.5 it is one at 5, 10, ...; of -5 as of 5.
    every = abs(Fraction(number(step_size, "step_size")).numerator)
    if not every:
        raise ConversionError("step_size is 0, and torch divides by it at the first step; it must be at least 1")
    factor, first = rate(gamma, "gamma"), begun(last_epoch)
    if factor == 1:
        return constant()
    if not first:
        return steps(every=on.span(every), gamma=factor, local=on.local)
    # Multiples of `every` from step `first` on, itself included.
    passed = f"({on.clock} + {first}) // {every}"
    before = (first - 1) // every
    return formula(f"{number_text(factor)} ** ({passed}{f' - {before}' if before else ''})", local=on.local)


@native("torch", "torch.optim.lr_scheduler.MultiStepLR")
def multi_step_lr(on: Setting, milestones: list[int], gamma: float = 0.1, last_epoch: int = -1) -> Schedule:
    """gamma at each milestone, as often as it stands there."""
    if isinstance(milestones, str) or not isinstance(milestones, Iterable):
        raise ConversionError(f"milestones is a list of steps, not {shown(milestones)}; write e.g. [30, 60]")
    first = begun(last_epoch)
    # What is no whole number, or lies before the first step, is never met.
    places = [number(m, "a milestone") - first for m in _elements(milestones)]
    at = [on.span(int(m)) for m in places if m >= 0 and m.is_integer()]
    factor = rate(gamma, "gamma") if at else 1.0
    return constant() if factor == 1 else steps(at=at, gamma=factor, local=on.local)


@native("torch", "torch.optim.lr_scheduler.ExponentialLR")
def exponential_lr(on: Setting, gamma: float, last_epoch: int = -1) -> Schedule:
    """gamma for every step."""
    factor = rate(gamma, "gamma")
    begun(last_epoch)
    return constant() if factor == 1 else exponential(gamma=factor, every=on.span(1))


@native("torch", "torch.optim.lr_scheduler.ConstantLR")
def constant_lr(on: Setting, factor: float = 1 / 3, total_iters: int = 5, last_epoch: int = -1) -> Schedule:
    """A factor until total_iters, then none."""
    share, first = number(factor, "factor", least=0.0, most=1.0), begun(last_epoch)
    end = number(total_iters, "total_iters") - first
    # The factor is given at step 0 alone, and taken back at step total_iters alone.
    given = share if not first else 1.0
    taken_back = end.is_integer() and end >= 0 and end + first > 0
    if taken_back and share == 0 and (on.ticks is None or end <= on.ticks):
        raise ConversionError(
            f"factor is 0, and torch divides by it at step {end + first:g}; write a small one, e.g. factor=0.001"
        )
    if not taken_back or share in (0, 1):
        return constant(start=given)
    if end == 0:
        return constant(start=1 / share)
    return after(on, int(end), constant(on.span(int(end)), start=given), constant(start=given / share))


def after(on: Setting, n: int, first: Schedule, then: Schedule) -> Schedule:
    """`first` for n ticks, then `then`, on any run: also on one that ends before, or whose end is not known."""
    both = first >> then
    return both if on.local or (on.ticks is not None and on.ticks > n) else both.cut()


def _elements(milestones: Any) -> list[Any]:
    # Torch's own counter of them lists each as often as it was given.
    return list(milestones.elements() if hasattr(milestones, "elements") else milestones)
