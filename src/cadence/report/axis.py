"""Axes: where a number lies between two ends, and round numbers to write beside them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from cadence.report.numbers import MINUS, short

SPREAD = 10.0
"""Values that lie further apart than this factor are drawn on a logarithmic axis."""


@dataclass(frozen=True)
class Axis:
    """A stretch of numbers, drawn linearly or by logarithm.

    Attributes:
        low: at one end.
        high: at the other, above `low`.
        log: whether equal ratios take equal room.
        ticks: round numbers inside, rising.
        labels: their texts.
    """

    low: float
    high: float
    log: bool
    ticks: tuple[float, ...]
    labels: tuple[str, ...]

    def share(self, value: float) -> float:
        """Where a value lies: 0 at `low`, 1 at `high`, beyond them outside; what a logarithm cannot show lies at -1."""
        if not self.log:
            return (value - self.low) / (self.high - self.low)
        if value <= 0:
            return -1.0
        return math.log(value / self.low) / math.log(self.high / self.low)


def axis(
    low: float, high: float, *, log: bool = False, most: int = 6, round_out: bool = True, least_step: float = 0.0
) -> Axis:
    """An axis for values between two ends.

    Args:
        low: least value; above 0 where `log`.
        high: greatest value; it may equal `low`.
        log: by logarithm.
        most: about how many ticks there may be.
        round_out: whether the ends may move out to the next tick.
        least_step: between ticks; 1 where fractions have no meaning.

    Example:
        >>> axis(0.0, 300.0).labels
        ('0', '100', '200', '300')
        >>> axis(0.0021, 0.09, log=True).labels
        ('0.005', '0.01', '0.02', '0.05')
    """
    if log:
        return _log_axis(low, high, most)
    if high <= low:
        pad = abs(low) * 0.1 or 1.0
        low, high = low - pad, high + pad
    step = max(least_step, _step(high - low, most))
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    ticks = [k * step for k in range(first, last + 1)]
    if round_out:
        low, high = min(low, ticks[0]), max(high, ticks[-1])
    inside = tuple(t for t in ticks if low - 1e-9 * step <= t <= high + 1e-9 * step)
    return Axis(low, high, False, inside, tuple(_labels(inside, step)))


def with_air(axis: Axis, highest: float) -> Axis:
    """A linear axis with some room above, where a line would lie on its upper end and be half cut off.

    Args:
        axis: to be extended.
        highest: value that is drawn.
    """
    room = 0.03 * (axis.high - axis.low)
    return replace(axis, high=highest + room) if highest + room > axis.high and not axis.log else axis


def wants_log(values: Iterable[float]) -> bool:
    """Whether the values, all above 0, lie too far apart for a linear axis.

    Args:
        values: finite numbers; zeros are passed over.

    Example:
        >>> wants_log([0.1, 0.001]), wants_log([1.0, 2.0]), wants_log([])
        (True, False, False)
    """
    positive = [value for value in values if value > 0]
    return bool(positive) and max(positive) > SPREAD * min(positive)


def _log_axis(low: float, high: float, most: int) -> Axis:
    if high <= low * 1.0001:
        low, high = low / 2, high * 2
    decades = math.log10(high / low)
    exponents = range(math.floor(math.log10(low)) - 1, math.ceil(math.log10(high)) + 1)
    digits = (1,) if decades > 3 else (1, 3) if decades > 1.9 else (1, 2, 5)
    every = max(1, math.ceil(decades / most))
    ticks = [d * 10.0**e for e in exponents if e % every == 0 or every == 1 for d in digits]
    inside = tuple(t for t in ticks if low * 0.9999 <= t <= high * 1.0001)
    return Axis(low, high, True, inside, tuple(short(t) for t in inside))


def _step(width: float, most: int) -> float:
    """The least of 1, 2, 5 times a power of ten that leaves at most about `most` steps."""
    least = width / max(1, most - 1)
    unit = 10.0 ** math.floor(math.log10(least))
    return next(unit * m for m in (1, 2, 5, 10) if unit * m >= least * 0.9999)


def _labels(ticks: Sequence[float], step: float) -> list[str]:
    """Texts with as many decimals as the step needs; thousands and millions by their letter."""
    largest = max((abs(t) for t in ticks), default=0.0)
    for unit, letter in ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")):
        if largest >= 10 * unit or (largest >= unit and unit >= 1e6):
            return [_scaled(t, step, unit, letter) for t in ticks]
    if largest and largest < 1e-4:
        return [short(t) if t else "0" for t in ticks]
    return [_scaled(t, step, 1.0, "") for t in ticks]


def _scaled(t: float, step: float, unit: float, letter: str) -> str:
    decimals = max(0, -math.floor(math.log10(step / unit) + 1e-9))
    text = f"{t / unit:.{decimals}f}"
    return (text.lstrip("-") if float(text) == 0 else text.replace("-", MINUS)) + (letter if t else "")
