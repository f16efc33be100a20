"""Schedulers that carry their own learning rate: what they say is absolute, whatever the base is.

Where the base is that very rate, multiples of it read better and mean the same.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal, localcontext
from fractions import Fraction

from cadence._errors import ConversionError
from cadence.conversion.setting import MOST_SAMPLES, Setting
from cadence.conversion.written import Written
from cadence.spec import nodes
from cadence.spec.constructors.phases import constant, formula
from cadence.spec.nodes import Constant, Cut, Formula, Geometric, Inverse, Phase, Piecewise, Schedule, Steps
from cadence.spec.shown import shown
from cadence.spec.span import Span
from cadence.spec.value import Value, absolute, number_text

READABLE = 6
"""Digits of a ratio that is shorter to read than two numbers."""


@dataclass(frozen=True)
class Own:
    """Numbers of a scheduler as values of a schedule.

    Attributes:
        on: what it is read for.
        unit: the base, where that is one of the scheduler's own rates; else None: everything stays absolute.
    """

    on: Setting
    unit: float | None

    def value(self, x: float, what: str = "a learning rate") -> Value:
        """A rate of the scheduler."""
        if x == 0:
            return 0.0
        if x < 0:
            raise ConversionError(f"{what} is {x:g}; a learning rate is at least 0, so let the optimizer descend")
        if self.unit is not None:
            ratio = _short_ratio(x, self.unit)
            if ratio is not None:
                return ratio
        return absolute(x)

    def share(self, of: float, factor: float, what: str = "a learning rate") -> Value:
        """`factor` times the rate `of`."""
        if factor >= 0 and of == self.unit:
            return float(factor)
        return self.value(times(factor, of), what)

    def formula(self, text: Callable[[Callable[[float], str]], str]) -> Schedule:
        """A formula whose rates are written by the function that `text` is given."""
        unit = self.unit
        if unit is not None:
            return formula(text(lambda x: written(divided(x, unit))), local=self.on.local)
        return constant(start=absolute(1.0)) * formula(text(written), local=self.on.local)


def own(on: Setting, *rates: float) -> Own:
    """The numbers of a scheduler that runs between these rates."""
    alike = len(set(on.bases)) == 1 and on.base > 0 and on.base in rates
    return Own(on, on.base if alike else None)


def _short_ratio(x: float, unit: float) -> float | None:
    """x / unit where it has few digits."""
    with localcontext() as context:
        context.prec = 40
        ratio = (_decimal(x) / _decimal(unit)).normalize()
    return float(ratio) if len(ratio.as_tuple().digits) <= READABLE else None


def _decimal(x: float) -> Decimal:
    return Decimal(repr(float(x)))


def times(a: float, b: float) -> float:
    """A product as it is on paper: 0.1 times 0.1 is 0.01.

    Example:
        >>> times(0.1, 0.1), 0.1 * 0.1
        (0.01, 0.010000000000000002)
    """
    return float(_decimal(a) * _decimal(b))


def added(a: float, b: float) -> float:
    """A sum as it is on paper."""
    return float(_decimal(a) + _decimal(b))


def less(a: float, b: float) -> float:
    """A difference as it is on paper."""
    return float(_decimal(a) - _decimal(b))


def divided(a: float, b: float) -> float:
    """A ratio as it is on paper."""
    return float(_decimal(a) / _decimal(b))


def number(x: object, what: str) -> float:
    """A finite number of any sign; arrays and tensors of one number are numbers too.

    Raises:
        ConversionError: no such number; `what` names it.
    """
    if isinstance(x, (str, bytes, bool)) or not hasattr(x, "__float__"):
        raise ConversionError(f"{what} is a number, not {shown(x)}")
    try:
        value = float(x)  # type: ignore[arg-type]
    except (TypeError, ValueError, OverflowError):
        raise ConversionError(f"{what} is a number, not {shown(x)}") from None
    if not math.isfinite(value):
        raise ConversionError(f"{what} is {value}; write a finite number")
    return value


def rate(x: object, what: str) -> float:
    """A learning rate.

    Raises:
        ConversionError: no finite number of at least 0.
    """
    value = number(x, what)
    if value < 0:
        raise ConversionError(f"{what} is {value:g}; a learning rate is at least 0, so let the optimizer descend")
    return value


def whole(x: object, what: str) -> int:
    """A whole number of any sign, written as an int or as a float.

    Raises:
        ConversionError: another number.
    """
    value = number(x, what)
    if not value.is_integer():
        raise ConversionError(f"{what} is {value:g}, between two updates; write a whole number")
    return int(value)


def is_whole(x: float) -> bool:
    """Whether a length has no part of an update."""
    return float(x).is_integer()


def ticks(on: Setting, x: float) -> Span:
    """A length of x ticks, as exact as it is written."""
    return on.span(Fraction(repr(float(x))))


def written(x: float) -> str:
    """A number inside a formula.

    Example:
        >>> written(0.5), written(-3.0)
        ('0.5', '(-3)')
    """
    return number_text(float(x)) if x >= 0 else f"({number_text(float(x))})"


def since(on: Setting, begin: float) -> str:
    """The clock less `begin`, for a formula."""
    if begin == 0:
        return on.clock
    return f"({on.clock} {'-' if begin > 0 else '+'} {number_text(abs(float(begin)))})"


# ---- one after the other -------------------------------------------------------------------------------------------


def chained(on: Setting, parts: Sequence[tuple[Schedule, int]], last: Schedule) -> Schedule:
    """Parts of known length in ticks, then the last; cut off where the run may end before the last begins."""
    kept = [(part, n) for part, n in parts if n > 0]
    if not kept:
        return last
    chain = kept[0][0]
    for part, _ in kept[1:]:
        chain = chain >> part
    chain = chain >> last
    # Inside another sequence the one around it says how much of it is wanted.
    if on.local:
        return chain
    begins = _latest(chain)
    return chain if begins is not None and on.ticks is not None and begins < on.ticks else chain.cut()


def _latest(schedule: Schedule) -> Fraction | None:
    """The tick at which the last phase inside a schedule begins; None where its phases do not say."""
    if not isinstance(schedule, nodes.Sequence):
        inside = [Fraction(0) if isinstance(schedule, Cut) else _latest(part) for part in schedule.children]
        return None if None in inside else max((x for x in inside if x is not None), default=Fraction(0))
    lengths = [_length(part) for part in schedule.parts[:-1]]
    last = _latest(schedule.parts[-1])
    if last is None or None in lengths:
        return None
    return last + sum((x.amount for x in lengths if x is not None), Fraction(0))


def lasting(on: Setting, schedule: Schedule, n: int) -> Schedule:
    """The first n ticks of a schedule: as it is where it has that length, with that length where it has none."""
    length = on.span(n)
    if _length(schedule) == length:
        return schedule
    if isinstance(schedule, (Constant, Geometric, Inverse, Steps, Piecewise, Formula)) and schedule.length is None:
        return replace(schedule, length=length)
    return schedule.cut(length)


def _length(schedule: Schedule) -> Span | None:
    """The length that a schedule of fixed phases says itself."""
    match schedule:
        case Constant(length=length) | Phase(length=length) | Geometric(length=length) | Inverse(length=length):
            return length
        case Steps(length=length) | Piecewise(length=length) | Formula(length=length) | Cut(length=length):
            return length
        case nodes.Sequence(parts):
            lengths = [_length(part) for part in parts]
            known = [x for x in lengths if x is not None]
            if len(known) < len(lengths) or len({x.unit for x in known}) > 1:
                return None
            return Span(sum((x.amount for x in known), Fraction(0)), known[0].unit)
        case _:
            return None


# ---- functions -----------------------------------------------------------------------------------------------------


def sampled(on: Setting, rate_at: Callable[[int], float], what: str) -> Schedule:
    """A function of the tick, which gives rates, as a table of every value it has on this run.

    One that was given as text is a formula instead.

    Raises:
        ConversionError: the run's length is not known, or the function fails or gives what is no rate.
    """
    if isinstance(rate_at, Written):
        return constant(start=absolute(1.0)) * formula(rate_at.formula(on.clock), local=on.local)
    n = on.need_ticks(f"{what} is a function, which is sampled over the whole run")
    if n > MOST_SAMPLES:
        raise ConversionError(f"{what} is a function, and {n} values of it are too many to sample; at most 1e7")
    rates: list[float] = []
    for k in range(n + 1):
        try:
            found = rate_at(k)
        except Exception as fault:
            raise ConversionError(f"{what} fails at {k}: {type(fault).__name__}: {fault}; repair it") from fault
        rates.append(rate(found, f"{what} at {k}"))
    unit = own(on, max(rates))
    return on.table(unit.value(x) for x in rates)
