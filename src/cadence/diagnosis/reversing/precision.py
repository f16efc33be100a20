"""How exact the numbers of a column are: as text with a few digits, in single, or in double precision."""

from __future__ import annotations

import numpy as np

from cadence.diagnosis.log import Floats

RELATIVE = 1e-9
"""Of a number in double precision: programs compute a rate from the one before, and lose some digits on the way."""

LEAST = 1e-3
"""Numbers below this share of the largest are as exact as this share is."""

SINGLE_DIGITS = 9
"""So many decimals tell every float32 apart; who logs fewer has rounded."""

SINGLE = 1.2e-7

ENOUGH = 8
"""Fewer different numbers say nothing about rounding: 0.1 and 0.01 are exact."""

_SAMPLE = 2000


def tolerances(values: Floats) -> Floats:
    """Half the distance of the numbers that the column can show, at each of its values.

    Args:
        values: finite numbers as they were logged.

    Returns:
        float64, above 0.

    Example:
        >>> tolerances(np.linspace(0.1, 0.2, 9).round(4))[:2]
        array([5.e-05, 5.e-05])
    """
    size = np.abs(values)
    largest = float(size.max()) if len(size) else 0.0
    exact = RELATIVE * np.maximum(size, LEAST * largest) + 1e-300
    some = size[:: max(1, len(size) // _SAMPLE)]
    some = some[some > 0]
    if len(np.unique(some)) < ENOUGH:
        return exact
    digits, decimals = _spelled(some)
    if digits > SINGLE_DIGITS:
        return exact
    if digits >= SINGLE_DIGITS - 1:
        # Float32 in its shortest form, and what was computed in it.
        return np.maximum(exact, SINGLE * np.maximum(size, LEAST * largest))
    magnitude = np.floor(np.log10(np.where(size > 0, size, 1.0)))
    by_digits = np.where(size > 0, 0.5 * 10.0 ** (magnitude - digits + 1), 0.0)
    by_decimals = 0.5 * 10.0**-decimals
    return np.maximum.reduce([exact, by_digits, np.full(len(size), by_decimals)])


def _spelled(values: Floats) -> tuple[int, int]:
    """The most significant digits, and the most decimals, that the shortest forms of numbers have."""
    digits = decimals = 0
    for value in values.tolist():
        for count in range(1, 18):
            short = f"{value:.{count - 1}e}"
            if float(short) == value:
                digits = max(digits, count)
                decimals = max(decimals, count - 1 - int(short.partition("e")[2]))
                break
        else:
            return 17, 17
        if digits > SINGLE_DIGITS:
            return digits, decimals
    return digits, decimals
