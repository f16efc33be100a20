"""What the meanings of paddle's schedulers are written with: their numbers as values, their epochs, their joints.

A scheduler of paddle carries its rate, `learning_rate`; parameter groups are multiples of the scheduler's. So what it
says in the optimizer's unit (`eta_min`, `end_lr`) is absolute for one group, and a multiple of the base for several.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from decimal import Decimal
from fractions import Fraction

from cadence._errors import ConversionError
from cadence.conversion.setting import Setting
from cadence.spec.constructors.phases import constant, formula
from cadence.spec.nodes import Cut, Schedule
from cadence.spec.shown import shown
from cadence.spec.span import Span
from cadence.spec.value import Absolute, Value


@dataclass(frozen=True)
class Rates:
    """The numbers of one scheduler as values of a schedule.

    Attributes:
        on: the run.
        rate: the scheduler's own learning rate.
    """

    on: Setting
    rate: float

    @classmethod
    def of(cls, on: Setting, learning_rate: object, name: str = "learning_rate") -> Rates:
        """With the rate checked as paddle does.

        Raises:
            ConversionError: no python number, or below 0.
        """
        if not isinstance(learning_rate, (float, int)):
            raise ConversionError(f"{name} is a float or an int, not {shown(learning_rate)}; paddle takes no other")
        return cls(on, at_least_zero(learning_rate, name))

    def times(self, factor: float, what: str = "the rate") -> Value:
        """A multiple of the scheduler's rate; of the base where that is the scheduler's rate."""
        if self.rate == self.on.base:
            return at_least_zero(factor, what)
        return self.number(factor * self.rate, what)

    def number(self, x: float, what: str) -> Value:
        """A number in the optimizer's unit.

        Raises:
            ConversionError: below 0, or not finite.
        """
        rate, base = at_least_zero(x, what), self.on.base
        if len(set(self.on.bases)) > 1 and base > 0:
            return rate / base
        return self.on.value(rate)

    def level(self, x: float, what: str) -> Value:
        """The same, told as the base where it is the base."""
        return 1.0 if x == self.on.base else self.number(x, what)

    def curve(self, text: str) -> Schedule:
        """A formula in multiples of the scheduler's rate."""
        return scaled(self.times(1.0), formula(text, local=self.on.local))

    def between(self, text: str, low: float, what: str) -> Schedule:
        """From the scheduler's rate where a formula is 1 to `low` where it is 0."""
        high = self.curve(text)
        floor = self.number(low, what)
        if floor == 0.0:
            return high
        return high + scaled(floor, formula(f"1 - ({text})", local=self.on.local))


def scaled(value: Value, factor: Schedule) -> Schedule:
    """A value times a pure factor."""
    if isinstance(value, Absolute):
        return constant(start=value) * factor
    return factor if value == 1.0 else factor * value


def at_least_zero(x: float, what: str) -> float:
    """Check a rate."""
    number = real(x, what)
    if number < 0:
        raise ConversionError(f"{what} is {number:g}, and no optimizer has a rate below 0; write 0 or more")
    return number


def real(x: object, what: str) -> float:
    """Check a finite number."""
    if isinstance(x, (str, bytes)) or not hasattr(x, "__float__"):
        raise ConversionError(f"{what} is a number, not {shown(x)}")
    number = float(x)  # type: ignore[arg-type]
    if not math.isfinite(number):
        raise ConversionError(f"{what} is {number}; write a finite number")
    return number


def whole(x: object, what: str) -> int:
    """Check a positive whole number as paddle does: of python's own type."""
    if not isinstance(x, int):
        raise ConversionError(f"{what} is a python int, not {shown(x)}; paddle takes no other")
    if x <= 0:
        raise ConversionError(f"{what} is {x}; it must be a positive integer")
    return int(x)


def began(on: Setting, last_epoch: object) -> int:
    """The epoch that the scheduler begins with: the one after `last_epoch`.

    Inside a LinearWarmup that is 0, whatever was given: the warmup tells it its epochs.
    """
    if isinstance(last_epoch, bool) or not isinstance(last_epoch, int):
        raise ConversionError(f"last_epoch is a whole number, not {shown(last_epoch)}")
    if last_epoch < -1:
        raise ConversionError(f"last_epoch is {last_epoch}; write the last epoch that is done, or -1 for none")
    return 0 if on.local else last_epoch + 1


def epoch(on: Setting, first: int) -> str:
    """The scheduler's `last_epoch` in a formula."""
    return f"({on.clock} + {first})" if first else on.clock


def decimal_span(on: Setting, n: float) -> Span:
    """A length of n ticks that reads back equal from its text."""
    return on.span(Fraction(Decimal(repr(n))))


def later(on: Setting, ticks: int) -> Setting:
    """The setting of a part that begins after so many ticks: its own clock, and what is left of the run."""
    run = on.horizon
    if run.total is None:
        return on.inside
    per_tick = 1 if on.per == "step" else run.steps_per_epoch or 1
    return replace(on.inside, horizon=replace(run, total=max(run.total - ticks * per_tick, 1)))


def joined(on: Setting, ticks: int, first: Schedule, then: Schedule) -> Schedule:
    """A part of so many ticks and what follows it, on a run that may be over before."""
    if on.ticks is not None and on.ticks > ticks:
        return first >> then
    # Cut as a whole, it needs no cut inside.
    return (first >> (then.inner if isinstance(then, Cut) and then.length is None else then)).cut()


def negative(name: str, gamma: float) -> ConversionError:
    """The refusal of rates that change their sign."""
    return ConversionError(f"gamma of {name} is {gamma:g}, which gives rates below 0; write a gamma of at least 0")
