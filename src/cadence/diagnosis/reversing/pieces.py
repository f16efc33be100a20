"""Cuts a column of rates where it jumps, turns, or lies flat."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Literal, TypeAlias, final

import numpy as np

from cadence.diagnosis.log import Floats, Ints

Way: TypeAlias = Literal["flat", "rise", "fall"]

SAME = 1e-12
"""Two rates that differ by a smaller share are the same."""

JUMP = 4.0
"""A change that is so many times what the neighbours would lead to is a jump..."""

SMALL = 0.02
"""...unless it is below this share of the rate."""

LONG = 3.0
"""A stretch of equal numbers is flat where it is so many times as long as those beside it. Rounding makes stretches of
equal numbers too, around a gentle peak, but they grow only gradually."""

_WINDOW = 3


@final
@dataclass(frozen=True)
class Piece:
    """A stretch of rows that goes one way.

    Attributes:
        first, last: indices of its rows; a piece shares its last row with the next one, unless a jump lies between.
        way: where it goes.
        jump: it begins with a jump from the row before.
    """

    first: int
    last: int
    way: Way
    jump: bool


def jumps_in(t: Floats, values: Floats, tolerance: Floats) -> Ints:
    """The rows at which a rate is another than the rows before lead to.

    Args:
        t: rising.
        values: as many.
        tolerance: how exact each is.

    Returns:
        Indices of the first rows after each jump.
    """
    if len(t) < 2:
        return np.empty(0, dtype=np.int64)
    change, wide = np.diff(values), np.diff(t)
    before, behind = _slopes(t, values, -_WINDOW)[:-1] * wide, _slopes(t, values, _WINDOW)[1:] * wide
    # A column that rises on one side and falls on the other may go either way between them.
    exact = 2 * np.maximum(tolerance[1:], tolerance[:-1])
    most = JUMP * np.maximum(np.maximum(before, behind), 0) + exact
    least = JUMP * np.minimum(np.minimum(before, behind), 0) - exact
    size = np.maximum(np.abs(values[1:]), np.abs(values[:-1]))
    return np.flatnonzero(((change > most) | (change < least)) & (np.abs(change) > SMALL * size)) + 1


def _slopes(t: Floats, values: Floats, reach: int) -> Floats:
    """The slope from each row to one some rows before or behind it, 0 at the ends."""
    index = np.clip(np.arange(len(t)) + reach, 0, len(t) - 1)
    apart = t[index] - t
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(apart != 0, (values[index] - values) / np.where(apart != 0, apart, 1), 0.0)


def pieces_of(t: Floats, values: Floats, tolerance: Floats) -> list[Piece]:
    """The pieces of a column, one after the other.

    Args:
        t: rising.
        values: finite, as many.
        tolerance: how exact each is.
    """
    jumps = jumps_in(t, values, tolerance)
    borders = [0, *jumps.tolist(), len(t)]
    found: list[Piece] = []
    for first, end in pairwise(borders):
        inside = _stretch(t[first:end], values[first:end], tolerance[first:end])
        found += [Piece(first + a, first + b, way, a == 0 and first > 0) for a, b, way in inside]
    return found


def with_plateaus(pieces: list[Piece]) -> list[Piece]:
    """The pieces with the equal rows of each peak as a piece of their own: a warmup by (t + 1) / n is at its end for
    two updates.
    """
    found: list[Piece] = []
    for piece in pieces:
        before = found[-1] if found else None
        if before is not None and not piece.jump and before.way == "rise" and before.last < piece.first:
            found.append(Piece(before.last, piece.first, "flat", jump=False))
        found.append(piece)
    return found


def merged(pieces: list[Piece]) -> list[Piece]:
    """The pieces with flat ones taken into a neighbour: rounding makes the ends of gentle curves flat."""
    found: list[Piece] = []
    for piece in pieces:
        before = found[-1] if found else None
        if before is not None and not piece.jump and ("flat" in (before.way, piece.way) or before.way == piece.way):
            way = piece.way if before.way == "flat" else before.way
            found[-1] = Piece(before.first, piece.last, way, before.jump)
        else:
            found.append(piece)
    return found


def _stretch(t: Floats, values: Floats, tolerance: Floats) -> list[tuple[int, int, Way]]:
    """Pieces of rows without a jump: first and last row, and where it goes."""
    starts = np.flatnonzero(np.append(True, np.abs(np.diff(values)) > SAME * np.abs(values[1:])))
    if len(starts) == 1:
        return [(0, len(t) - 1, "flat")]
    lasts = np.append(starts[1:], len(t)) - 1
    ends = np.append(t[starts[1:]], t[-1] + (t[-1] - t[-2] if len(t) > 1 else 1))
    lengths = ends - t[starts]
    beside = np.maximum(np.append(0, lengths[:-1]), np.append(lengths[1:], 0))
    flat = (lasts - starts >= 2) & (lengths > LONG * beside)
    ways = np.sign(np.diff(values[starts])).astype(int)
    ways = _calm(ways, values[starts], tolerance[starts])
    found: list[tuple[int, int, Way]] = []
    begin = 0
    for run in range(len(starts)):
        turn = 0 < run < len(starts) - 1 and ways[run] != ways[run - 1]
        if not (flat[run] or turn):
            continue
        if starts[run] > begin:
            found.append((begin, int(starts[run]), "rise" if ways[run - 1] > 0 else "fall"))
        if flat[run]:
            found.append((int(starts[run]), int(lasts[run]), "flat"))
        begin = int(lasts[run])
    if begin < len(t) - 1:
        found.append((begin, len(t) - 1, "rise" if ways[-1] > 0 else "fall"))
    return found


def _calm(ways: Ints, levels: Floats, tolerance: Floats) -> Ints:
    """Directions without those that are rounding: a step there and back by no more than the numbers are exact."""
    small = np.abs(np.diff(levels)) <= 2.5 * np.maximum(tolerance[1:], tolerance[:-1])
    calm = ways.copy()
    for i in np.flatnonzero(small).tolist():
        before = calm[i - 1] if i else 0
        behind = ways[i + 1] if i + 1 < len(ways) else 0
        if before and behind and before == behind != calm[i]:
            calm[i] = before
    return calm
