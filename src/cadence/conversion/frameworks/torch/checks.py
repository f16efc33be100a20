"""Arguments as torch takes or refuses them."""

from __future__ import annotations

import math
from typing import Any

from cadence._errors import ConversionError
from cadence.conversion.definition import integer
from cadence.spec.shown import shown


def number(x: Any, what: str, *, least: float | None = None, most: float | None = None) -> float:
    """A finite number between limits.

    Raises:
        ConversionError: none, or outside.
    """
    if isinstance(x, (str, bytes)) or not hasattr(x, "__float__"):
        raise ConversionError(f"{what} is a number, not {shown(x)}")
    try:
        value = float(x)
    except (TypeError, ValueError, OverflowError):
        raise ConversionError(f"{what} is {shown(x)}; write one number of a usual size") from None
    if not math.isfinite(value):
        raise ConversionError(f"{what} is {value}; write a finite number")
    if least is not None and value < least:
        raise ConversionError(f"{what} is {value:g}; it must be at least {least:g}")
    if most is not None and value > most:
        raise ConversionError(f"{what} is {value:g}; it must be at most {most:g}")
    return value


def rate(x: Any, what: str) -> float:
    """A rate or a factor of one: a number that is not negative.

    Raises:
        ConversionError: what torch may accept, but no learning rate can be.
    """
    return number(x, what, least=0.0)


def begun(last_epoch: Any) -> int:
    """Steps that lie behind a scheduler when it is made: 0, or ``last_epoch + 1`` where it is told to go on.

    Raises:
        ConversionError: no whole number of at least -1.
    """
    return integer(last_epoch, "last_epoch", least=-1) + 1


def whole(x: Any, what: str) -> int:
    """A positive number that torch requires to be an int.

    Raises:
        ConversionError: another number.
    """
    if isinstance(x, float):
        raise ConversionError(f"{what} is {x}, and torch wants a whole number there; write {math.ceil(x)}")
    return integer(x, what, least=1)
