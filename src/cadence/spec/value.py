"""Numbers in a schedule: multiples of each group's base, or absolute."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TypeAlias

from cadence._errors import SpecError
from cadence.spec.shown import shown


@dataclass(frozen=True)
class Absolute:
    """A value that is not a multiple of the base. Made by `absolute`."""

    number: float

    def __repr__(self) -> str:
        return f"absolute({number_text(self.number)})"


Value: TypeAlias = float | Absolute
"""A float is a multiple of the group's base of that value; `Absolute` is itself."""


def absolute(number: float) -> Absolute:
    """A value in the optimizer's own unit, whatever the base.

    Args:
        number: finite, at least 0.

    Raises:
        SpecError: not a finite number of at least 0.

    Example:
        >>> from cadence import cosine
        >>> cosine(to=absolute(1e-5))
        cosine(to=absolute(1e-05))
    """
    return Absolute(number_of(number, "absolute"))


def number_of(x: object, what: str, *, least: float = 0.0) -> float:
    """Check a finite number of at least `least`; `what` names it in the message."""
    # numpy's and torch's scalars are numbers too: whatever converts itself is taken, text is not.
    if isinstance(x, (str, bytes, bool)) or not hasattr(x, "__float__"):
        raise SpecError(f"{what} is a number, not {shown(x)}")
    try:
        value = float(x)  # type: ignore[arg-type]
    except (TypeError, ValueError, OverflowError):
        raise SpecError(f"{what} is a number, not {shown(x)}") from None
    if not math.isfinite(value):
        raise SpecError(f"{what} must be finite, and is {value}; write a number")
    if value < least:
        raise SpecError(f"{what} is {value:g}; it must be at least {least:g}")
    return value


def value_of(x: object, what: str) -> Value:
    """Check a relative or absolute value; `what` names it in the message."""
    return x if isinstance(x, Absolute) else number_of(x, what)


def number_text(x: float) -> str:
    """Shortest text that reads back as the same float; whole numbers without a point.

    Example:
        >>> number_text(0.1), number_text(2.0), number_text(1e-5)
        ('0.1', '2', '1e-05')
    """
    return str(int(x)) if x == int(x) and abs(x) < 1e15 else repr(x)
