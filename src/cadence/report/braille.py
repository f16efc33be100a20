"""Curves drawn with characters: Braille dots, two by four to a character, or letters."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

EMPTY = 0x2800

DOTS = ((0x01, 0x08), (0x02, 0x10), (0x04, 0x20), (0x40, 0x80))
"""Bit of each dot of a Braille character, by its row from above and its column."""


def braille(low: Sequence[float], high: Sequence[float], height: int) -> list[str]:
    """Draw a curve that reaches from `low` to `high` in each column of dots.

    Args:
        low: lower ends by column, as shares of the height: 0 at the bottom, 1 at the top; two columns to a character.
        high: upper ends, likewise.
        height: lines of text.

    Returns:
        Lines from the top, without blanks at their ends. Columns are joined to their neighbours; what lies outside is
        cut off.

    Example:
        >>> braille([0.0, 0.2, 0.4, 0.6, 0.8, 1.0], [0.1, 0.3, 0.5, 0.7, 0.9, 1.0], 2)
        [' ⣠⠊', '⡴⠁']
    """
    rows = 4 * height
    cells = [[EMPTY] * math.ceil(len(low) / 2) for _ in range(height)]
    for x, down in _filled(low, high, rows):
        cells[down // 4][x // 2] |= DOTS[down % 4][x % 2]
    # Not the empty Braille character: some terminals and screen readers show it, or read it out.
    return ["".join(" " if cell == EMPTY else chr(cell) for cell in line).rstrip() for line in cells]


def lettered(spans: Sequence[tuple[Sequence[float], Sequence[float]]], height: int, marks: str) -> list[str]:
    """Draw curves each with a letter of its own; where they meet, the first is seen.

    Args:
        spans: lower and upper ends by column for each curve, as `braille` takes them; one column to a character.
        height: lines of text.
        marks: one character for each curve.

    Example:
        >>> lettered([([0, 0, 0], [0, 0, 0]), ([0, 0.5, 1], [0, 0.5, 1])], 3, "ab")
        ['  b', ' b', 'aaa']
    """
    grid = [[" "] * max(len(low) for low, _ in spans) for _ in range(height)]
    for (low, high), mark in reversed(list(zip(spans, marks, strict=False))):
        for x, down in _filled(low, high, height):
            grid[down][x] = mark
    return ["".join(line).rstrip() for line in grid]


def _filled(low: Sequence[float], high: Sequence[float], rows: int) -> Iterator[tuple[int, int]]:
    """Column, and row from above, of everything that is drawn."""
    below, above = [_row(x, rows) for x in low], [_row(x, rows) for x in high]
    for x in range(len(low)):
        first, last = below[x], above[x]
        if x:
            # A gap to the neighbour on the left is closed here.
            first, last = min(first, above[x - 1] + 1), max(last, below[x - 1] - 1)
        for y in range(max(first, 0), min(last, rows - 1) + 1):
            yield x, rows - 1 - y


def _row(share: float, rows: int) -> int:
    return round(share * (rows - 1))
