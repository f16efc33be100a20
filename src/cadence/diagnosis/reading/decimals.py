"""Decimal numbers in a text, many at once, each to the double that is nearest to it.

Eight digits are read by a few operations on one integer of 64 bits, and scaled by a power of ten with an error that is
known: where it could decide about the last bit, or where a number is spelled in an unusual way, python reads it.
"""

from __future__ import annotations

import math
import re
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from cadence.diagnosis.log import Floats, Ints, Mask
from cadence.diagnosis.reading.numbers import MISSING

PADDING = b"\0" * 32
"""Before and behind a text: what is read at once may begin before a number, and end behind it."""

AT_ONCE = 1 << 14
"""Numbers that are read at once: what is computed of them on the way stays in a processor's cache."""

LONGEST = 18
"""Digits that surely fit an integer of 64 bits."""

NUMBER = re.compile(rb"-?(?:0|[1-9][0-9]*)(?:[.][0-9]+)?(?:[eE][+-]?[0-9]+)?")
"""As JSON spells it."""

WORDS = {b"null": MISSING, b"NaN": math.nan, b"Infinity": math.inf, b"-Infinity": -math.inf}
"""What JSON, and python's form of it, have where there is no number."""

_MINUS, _PLUS, _POINT, _ZERO, _E = b"-+.0e"

_Words = NDArray[np.uint64]

_ZEROS = np.uint64(0x3030303030303030)
_ABOVE_9 = np.uint64(0x7676767676767676)
_HIGH_BITS = np.uint64(0x8080808080808080)

# The last so many of eight characters; of the last eight, of those before, and of those before these.
_KEPT = np.array([(2**64 - 1) >> 8 * (8 - c) << 8 * (8 - c) for c in range(9)], dtype=np.uint64)
_KEPT_OF = [_KEPT[np.clip(np.arange(25) - 8 * i, 0, 8)] for i in range(3)]

_TENS = [10**k for k in range(45)]
_TEN = np.array([float(x) for x in _TENS])
# What is left of a power of ten that is no double.
_TEN_REST = np.array([float(x - int(float(x))) for x in _TENS])
_INTEGER_TEN = np.array([10**k for k in range(LONGEST + 2)], dtype=np.uint64)

_FOUR, _NULL = np.uint64(2**32 - 1), np.uint64(int.from_bytes(b"null", "little"))

_SPLIT = float(2**27 + 1)
_DOUBT = 2.0**-30
"""Of the last bit: the error of a quotient is smaller by far."""


@final
class Text:
    """Bytes that numbers are read from.

    Args:
        parts: of the text, which stand one behind the other.

    Attributes:
        characters: of the padded text.
        eights: for each place of the padded text but the last seven, the eight characters from there on, as one
            integer, the first of them lowest.
    """

    def __init__(self, *parts: bytes) -> None:
        padded = b"".join((PADDING, *parts, PADDING))
        self.characters = np.frombuffer(padded, dtype=np.uint8)
        self.eights: _Words = np.ndarray((len(padded) - 7,), dtype="<u8", buffer=padded, strides=(1,))
        self._padded = padded

    def alike(self, starts: Ints, letters: bytes) -> bool:
        """Whether these letters stand at each of the places."""
        for k in range(0, len(letters), 8):
            piece = letters[k : k + 8]
            there = self.eights[starts + k] if k else self.eights[starts]
            if len(piece) < 8:
                there = there & np.uint64(256 ** len(piece) - 1)
            if (there != np.uint64(int.from_bytes(piece, "little"))).any():
                return False
        return True

    def piece(self, start: int, end: int) -> bytes:
        """What stands there."""
        return self._padded[start:end]


def numbers_at(text: Text, starts: Ints, ends: Ints) -> Floats | None:
    """Numbers, or one of `WORDS`.

    Args:
        text: they stand in.
        starts, ends: of each, in the padded text; ends lie behind.

    Returns:
        float64, as ``float`` has them; None where something else stands there.
    """
    values, sure = np.empty(len(starts)), np.empty(len(starts), dtype=np.bool_)
    for begin in range(0, len(starts), AT_ONCE):
        part = slice(begin, begin + AT_ONCE)
        values[part], sure[part] = decimals(text, starts[part], ends[part])
    if sure.all():
        return values
    left = np.flatnonzero(~sure)
    # A column may consist of this word; whatever else is odd is rare.
    null = left[(ends[left] - starts[left] == 4) & (text.eights[starts[left]] & _FOUR == _NULL)]
    values[null], sure[null] = MISSING, True
    left = left[~sure[left]]
    for i, start, end in zip(left.tolist(), starts[left].tolist(), ends[left].tolist(), strict=True):
        token = text.piece(start, end)
        if token in WORDS:
            values[i] = WORDS[token]
        elif NUMBER.fullmatch(token):
            values[i] = float(token)
        else:
            return None
    return values


def decimals(text: Text, starts: Ints, ends: Ints) -> tuple[Floats, Mask]:
    """Numbers that are spelled as usual; as for `numbers_at`.

    Returns:
        float64, and of each whether it is one that could be read, and its last bit is certain.
    """
    minus = text.characters[starts] == _MINUS
    first = starts + minus
    # 1. What stands where: digits, a point, digits, an exponent.
    end, exponent = _exponents(text, first, ends)
    point = _points(text, first, end)
    before, after = point - first, np.maximum(end - point - 1, 0)
    # A point has digits on both sides, and no more than can be read; zeros before the others are not JSON.
    sure = (before >= 1) & (before <= 16) & (after <= 24) & ((after > 0) | (point == end))
    sure &= (before == 1) | (text.characters[first] != _ZERO)
    before, after = np.clip(before, 0, 16), np.minimum(after, 24)
    # 2. The digits, as one integer.
    whole, wrong = _digits(text, point, before, 2)
    fraction, wrong_too = _digits(text, end, after, 3)
    sure &= (wrong | wrong_too) == 0
    long = np.flatnonzero(before + after > LONGEST)
    sure[long] &= (whole[long] == 0) & _fits(text, end[long], after[long])
    mantissa = whole * _INTEGER_TEN[np.minimum(after, LONGEST)] + fraction
    # 3. Its power of ten.
    values, certain = _divided(mantissa, after - exponent)
    np.negative(values, out=values, where=minus)
    return values, sure & certain


def _exponents(text: Text, first: Ints, ends: Ints) -> tuple[Ints, Ints | int]:
    """Ends of what is before the exponents, and the exponents, where they have a sign and two digits."""
    there = np.flatnonzero((text.characters[ends - 4] | 0x20 == _E) & (ends - first > 4))
    if not len(there):
        return ends, 0
    sign, tens, ones = (text.characters[ends[there] - k].astype(np.int64) for k in (3, 2, 1))
    tens, ones = tens - _ZERO, ones - _ZERO
    sound = ((sign == _MINUS) | (sign == _PLUS)) & (tens >= 0) & (tens <= 9) & (ones >= 0) & (ones <= 9)
    there, size = there[sound], (10 * tens + ones)[sound]
    end, exponents = ends.copy(), np.zeros(len(ends), dtype=np.int64)
    end[there] -= 4
    exponents[there] = np.where(sign[sound] == _MINUS, -size, size)
    return end, exponents


def _points(text: Text, first: Ints, ends: Ints) -> Ints:
    """Places of the points; where there is none, the end."""
    points = ends.copy()
    left = np.arange(len(ends))
    for k in range(1, 18):
        place = first[left] + k if k > 1 else first + k
        here = text.characters[place] == _POINT
        points[left[here]] = place[here]
        left = left[~here & (place < ends[left])]
        if not len(left):
            break
    return np.minimum(points, ends)


def _digits(text: Text, ends: Ints, counts: Ints, words: int) -> tuple[_Words, _Words]:
    """The integers whose last digits stand before `ends`, and what is not 0 where they are no digits."""
    value, wrong = _eight(text.eights[ends - 8], _KEPT_OF[0][counts])
    most = int(counts.max(initial=0))
    unit = 10**8
    for i in range(1, words):
        if most <= 8 * i:
            break
        more, wrong_too = _eight(text.eights[ends - 8 * (i + 1)], _KEPT_OF[i][counts])
        value += more * np.uint64(unit)
        wrong |= wrong_too
        unit *= 10**8
    return value, wrong


def _eight(eights: _Words, kept: _Words) -> tuple[_Words, _Words]:
    """Eight characters as a number, those that are not kept as 0."""
    digits = (eights ^ _ZEROS) & kept
    wrong = ((digits + _ABOVE_9) | digits) & _HIGH_BITS
    # Neighbours are joined: ones and tens, then hundreds, then the upper four with the lower four.
    digits = digits * np.uint64(10) + (digits >> np.uint64(8))
    low, high = digits & np.uint64(0x000000FF000000FF), (digits >> np.uint64(16)) & np.uint64(0x000000FF000000FF)
    return (low * np.uint64(0x000F424000000064) + high * np.uint64(0x0000271000000001)) >> np.uint64(32), wrong


def _fits(text: Text, ends: Ints, counts: Ints) -> Mask:
    """Whether of 19 to 24 digits the first are 0, so that 64 bits have held the others."""
    top, _ = _eight(text.eights[ends - 24], _KEPT_OF[2][counts])
    return top < 100


def _divided(mantissa: _Words, places: Ints) -> tuple[Floats, Mask]:
    """Integers below 2 ** 63, divided by powers of ten; and whether the nearest double is known to be that one.

    Source:
        Dekker 1971, doi:10.1007/BF01397083 (the exact product of two doubles).
    """
    inside = (places >= 0) & (places < len(_TEN))
    places = np.where(inside, places, 0)
    ten, rest = _TEN[places], _TEN_REST[places]
    high = mantissa.astype(np.float64)
    low = (mantissa - high.astype(np.uint64)).astype(np.int64).astype(np.float64)
    quotient = high / ten
    # 1. What the quotient leaves, exactly: the product of two doubles is the sum of two.
    product = quotient * ten
    left = high - product - _lost(quotient, ten, product)
    # 2. What it lacks, which is about its last bit, with an error of some 2 ** -50 of that.
    lacks = (left + (low - quotient * rest)) / ten
    values = quotient + lacks
    # 3. Near the middle of two doubles (a quarter, below a power of two) that error could decide.
    off, bit = np.abs((quotient - values) + lacks), np.spacing(values)
    off /= bit
    clear = (np.abs(off - 0.5) > _DOUBT) & (np.abs(off - 0.25) > _DOUBT)
    return values, inside & (clear | (mantissa == 0))


def _lost(a: Floats, b: Floats, product: Floats) -> Floats:
    """The exact product less the rounded one."""
    a_high, b_high = _upper(a), _upper(b)
    a_low, b_low = a - a_high, b - b_high
    return a_low * b_low - (((product - a_high * b_high) - a_low * b_high) - a_high * b_low)


def _upper(x: Any) -> Any:
    """The upper half of the digits."""
    scaled = _SPLIT * x
    return scaled - (scaled - x)
