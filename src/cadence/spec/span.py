"""Lengths and positions in time: a number and a unit, exact until a run rounds them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from operator import index
from typing import TypeAlias

from cadence._errors import SpecError, neighbours
from cadence.spec.shown import shown

SpanLike: TypeAlias = "int | str | Span"
"""What a user may write for a length: ``500``, ``"500 steps"``, ``"2.5 epochs"``, ``"1e6 samples"``, ``"5%"``."""

_UNITS = {
    "step": "steps", "steps": "steps", "update": "steps", "updates": "steps",
    "epoch": "epochs", "epochs": "epochs",
    "sample": "samples", "samples": "samples",
    "token": "tokens", "tokens": "tokens",
    "%": "%", "percent": "%",
}  # fmt: skip

_TEXT = re.compile(r"\s*([+-]?(?:\d{1,40}(?:[.]\d{0,40})?|[.]\d{1,40})(?:[eE][+-]?\d{1,3})?)\s*(%|[A-Za-z]*)\s*")

LONGEST = 10**15
"""No run has more updates, samples or tokens than this; larger numbers are a slip of the pen (and cost memory)."""

FINEST = 40
"""Decimals of an amount; what is written with more is none that a run could tell from 0."""


@dataclass(frozen=True)
class Span:
    """An amount of time in one unit, exact (`"2.5 epochs"` is 5/2 epochs, not a float).

    Attributes:
        amount: at least 0; for ``%`` in percent.
        unit: ``"steps"`` (optimizer updates), ``"epochs"``, ``"samples"``, ``"tokens"`` or ``"%"``; in a rule's
            patience also ``"evaluations"``.
    """

    amount: Fraction
    unit: str

    def __repr__(self) -> str:
        """The text form: a bare int for updates, else quoted text."""
        if self.unit in ("steps", "evaluations") and self.amount.denominator == 1:
            return str(self.amount.numerator)
        return repr(str(self))

    def __str__(self) -> str:
        unit = "%" if self.unit == "%" else " " + (self.unit[:-1] if self.amount == 1 else self.unit)
        return _decimal(self.amount) + unit


def span(x: SpanLike, what: str = "a length") -> Span:
    """Read a length or a position.

    Args:
        x: an int (updates), text with a unit, or a `Span`.
        what: how the message calls it.

    Raises:
        SpecError: no number, no unit, an unknown unit, negative, or larger than any run.

    Example:
        >>> span("2.5 epochs"), span(500), span("5%")
        ('2.5 epochs', 500, '5%')
        >>> span("8 epoch s")
        Traceback (most recent call last):
        cadence._errors.SpecError: a length cannot be read from '8 epoch s'; write e.g. 500, '8 epochs' or '5%'
    """
    if isinstance(x, Span):
        return x
    if isinstance(x, str):
        return _read(x, what)
    if isinstance(x, bool):
        raise SpecError(f"{what} is a number of updates or text with a unit, not {x}")
    try:
        whole = index(x)
    except TypeError:
        raise SpecError(_not_whole(x, what)) from None
    return _checked(Fraction(whole), "steps", what, whole)


def evaluations(n: int, what: str = "a number of evaluations") -> Span:
    """A bare int where a rule counts evaluations instead of updates."""
    return Span(span(n, what).amount, "evaluations")


def _read(text: str, what: str) -> Span:
    match = _TEXT.fullmatch(text) if len(text) <= 200 else None
    if match is None:
        raise SpecError(f"{what} cannot be read from {text[:60]!r}; write e.g. 500, '8 epochs' or '5%'")
    number, unit = match.groups()
    if not unit:
        raise SpecError(f"{what} of {text!r} has no unit; write e.g. '{number} epochs', or the bare number for updates")
    if unit.lower() not in _UNITS:
        raise SpecError(f"{what} of {text!r} has no unit that is known here; {neighbours(unit.lower(), _UNITS)}")
    decimal = Decimal(number)
    # Checked before it becomes a fraction: 1e999 is a thousand digits there.
    if decimal > LONGEST:
        raise SpecError(f"{what} of {text!r} is longer than any run; the most is 1e15")
    if int(decimal.as_tuple().exponent) < -FINEST:
        raise SpecError(f"{what} of {text!r} is finer than any run can tell; write it with at most {FINEST} decimals")
    return _checked(Fraction(decimal), _UNITS[unit.lower()], what, text)


def _checked(amount: Fraction, unit: str, what: str, written: object) -> Span:
    if amount < 0:
        raise SpecError(f"{what} of {shown(written)} is negative; write 0 or more")
    if amount > LONGEST:
        raise SpecError(f"{what} of {shown(written)} is longer than any run; the most is 1e15")
    return Span(amount, unit)


def _not_whole(x: object, what: str) -> str:
    if isinstance(x, float) and 0 < x < 1:
        return f"{what} of {x} is neither whole nor has a unit; for a share of the run write '{x * 100:g}%'"
    if isinstance(x, float) and 0 < x < LONGEST:
        return f"{what} of {x} is not a whole number of updates; write e.g. {round(x)} or '{x:g} epochs'"
    return f"{what} is a whole number of updates, e.g. 500, or text with a unit, e.g. '8 epochs', not {shown(x)}"


def _decimal(x: Fraction) -> str:
    """A fraction as the decimal it was read from (a Decimal's fraction always terminates), else as a float."""
    if x.denominator == 1:
        return str(x.numerator)
    rest, places = x.denominator, 0
    while rest % 10 == 0 or rest % 2 == 0 or rest % 5 == 0:
        rest = rest // 10 if rest % 10 == 0 else rest // 2 if rest % 2 == 0 else rest // 5
        places += 1
    if rest != 1:
        return repr(float(x))
    digits = x.numerator * 10**places // x.denominator
    text = str(digits).rjust(places + 1, "0")
    return (text[:-places] + "." + text[-places:]).rstrip("0")
