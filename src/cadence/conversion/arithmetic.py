"""Numbers of native arguments, and formulas made of them."""

from __future__ import annotations

import math

from cadence._errors import ConversionError
from cadence.spec.shown import shown
from cadence.spec.value import number_text


def real(x: object, what: str) -> float:
    """A finite number of any sign, whole ones as an int so that lengths stay exact.

    Raises:
        ConversionError: no such number; `what` names it.

    Example:
        >>> real(10.0, "warmup_t"), real(-2.5, "warmup_t")
        (10, -2.5)
    """
    if isinstance(x, (str, bytes, bool)) or not hasattr(x, "__float__"):
        raise ConversionError(f"{what} is a number, not {shown(x)}; write e.g. {what}=10")
    try:
        value = float(x)  # type: ignore[arg-type]
    except (TypeError, ValueError, OverflowError):
        raise ConversionError(f"{what} is a number, not {shown(x)}; write e.g. {what}=10") from None
    if not math.isfinite(value):
        raise ConversionError(f"{what} is {value}; write a finite number")
    return tidy(value)


def tidy(x: float) -> float:
    """A number as people write it: a whole one without a fraction.

    Example:
        >>> tidy(10.0), tidy(2.5)
        (10, 2.5)
    """
    return int(x) if float(x).is_integer() else x


def least(x: float, low: float, what: str) -> float:
    """The number, checked to be no smaller than `low`."""
    if x < low:
        raise ConversionError(f"{what} is {x:g}; it must be at least {low:g}")
    return x


def whole(*numbers: float) -> bool:
    """Whether all numbers are whole."""
    return all(isinstance(x, int) or float(x).is_integer() for x in numbers)


def written(x: float) -> str:
    """A number inside a formula.

    Example:
        >>> written(0.5), written(-3), written(1e-5)
        ('0.5', '(-3)', '1e-05')
    """
    return number_text(float(x)) if x >= 0 else f"({number_text(float(x))})"


def less(name: str, x: float) -> str:
    """A name less a number, in brackets unless the number is 0.

    Example:
        >>> less("t", 10), less("t", -2), less("t", 0)
        ('(t - 10)', '(t + 2)', 't')
    """
    if x == 0:
        return name
    return f"({name} {'-' if x > 0 else '+'} {number_text(abs(float(x)))})"
