"""Curves drawn with characters, for terminals and log files."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from cadence._errors import SpecError
from cadence.curve.curve import Curve

BRAILLE = 0x2800
DOTS = ((0x01, 0x08), (0x02, 0x10), (0x04, 0x20), (0x40, 0x80))
"""Bits of the dots of a Braille character: four rows of two."""

MARKS = "abcdefghijklmnopqrstuvwxyz"
"""Letters that curves are drawn with where there are several, so that they can be told apart without colour."""

BLOCKS = " ▁▂▃▄▅▆▇█"

UNENDING = 1000
"""Updates shown of a curve that goes on for ever."""


def text_plot(
    curves: Sequence[Curve], *, value: str | None = None, width: int = 72, height: int = 12, ascii_only: bool = False
) -> str:
    """Draw one value of one or more curves over their updates, from 0 up.

    Args:
        curves: drawn on one pair of axes; with several, each has a letter of its own.
        value: ``"lr"``, ``"weight_decay"``, ...; each curve's first where it is left out.
        width: characters between the axes, at least 8.
        height: lines, at least 3.
        ascii_only: draw without Braille and box characters.

    Returns:
        Lines of text, without a newline at the end.

    Raises:
        SpecError: no curves, or more than there are letters.

    Example:
        >>> import cadence as cd
        >>> print(text_plot([cd.place(cd.linear(), total=100, base=0.1)], width=24, height=3, ascii_only=True))
         0.1 |******
        0.05 |      ************
           0 |                  *******
             0                   100 updates
    """
    if not 1 <= len(curves) <= len(MARKS):
        raise SpecError(f"a text plot shows 1 to {len(MARKS)} curves, not {len(curves)}; split them")
    end = max(shown_end(curve) for curve in curves)
    dots = (1, 1) if ascii_only or len(curves) > 1 else (2, 4)
    spans = [_spans(curve, value, end, width * dots[0]) for curve in curves]
    top = max(float(high.max()) for _, high in spans) or 1.0
    if len(curves) > 1:
        rows = _marked(spans, top, width, height, MARKS)
    elif ascii_only:
        rows = _marked(spans, top, width, height, "*")
    else:
        rows = _braille(spans[0], top, width, height)
    return "\n".join(_axes(rows, top, width, end, "|" if ascii_only else "┤"))


def sparkline(curve: Curve, width: int = 16) -> str:
    """A curve in one line of block characters.

    Args:
        curve: its first value is shown.
        width: characters.

    Example:
        >>> import cadence as cd
        >>> sparkline(cd.place(cd.warmup("25%") >> cd.linear(), total=1000), 8)
        '▂▆█▆▅▄▃▁'
    """
    end = shown_end(curve)
    low, high = _spans(curve, None, end, width)
    middle = (low + high) / 2
    # The lowest block stands for 0 and above, so that nothing looks absent.
    heights = np.ceil(middle / (high.max() or 1.0) * 8).astype(int).clip(1, 8)
    return "".join(BLOCKS[h] for h in heights)


def shown_end(curve: Curve) -> int:
    """How many updates of a curve a picture shows."""
    return max(curve.end if curve.end is not None else UNENDING, 1)


def _spans(curve: Curve, value: str | None, end: int, columns: int) -> tuple[Any, Any]:
    """Lowest and highest value within each column, joined to its neighbour so that a jump is a line."""
    own = shown_end(curve)
    each = 8
    t = np.floor(np.linspace(0, end, columns * each, endpoint=False)).astype(np.int64)
    values = curve.at(np.minimum(t, own), value=value)
    # A run that is shorter than the others leaves its columns empty.
    values[t > own] = np.nan
    table = values.reshape(columns, each)
    low, high = (f(table, axis=1) for f in (np.fmin.reduce, np.fmax.reduce))
    previous = np.roll(table[:, -1], 1)
    previous[0] = np.nan
    return np.fmin(low, previous), np.fmax(high, previous)


def _levels(span: tuple[Any, Any], top: float, rows: int) -> list[tuple[int, int] | None]:
    """First and last row, from below, that each column fills."""
    result: list[tuple[int, int] | None] = []
    for low, high in zip(*span, strict=True):
        if np.isnan(low):
            result.append(None)
            continue
        a, b = (min(round(x / top * (rows - 1)), rows - 1) for x in (low, high))
        # A column that only touches the level of its neighbour does not draw it again.
        result.append((a, b))
    return result


def _marked(spans: Sequence[tuple[Any, Any]], top: float, width: int, height: int, marks: str) -> list[str]:
    grid = [[" "] * width for _ in range(height)]
    for span, mark in zip(spans, marks, strict=False):
        for x, filled in enumerate(_levels(span, top, height)):
            if filled is not None:
                for y in range(filled[0], filled[1] + 1):
                    grid[height - 1 - y][x] = mark
    return ["".join(row).rstrip() for row in grid]


def _braille(span: tuple[Any, Any], top: float, width: int, height: int) -> list[str]:
    cells = np.zeros((height, width), dtype=np.int64)
    for x, filled in enumerate(_levels(span, top, height * 4)):
        if filled is not None:
            for y in range(filled[0], filled[1] + 1):
                down = height * 4 - 1 - y
                cells[down // 4, x // 2] |= DOTS[down % 4][x % 2]
    return ["".join(chr(BRAILLE + int(c)) if c else " " for c in row).rstrip() for row in cells]


def _axes(rows: list[str], top: float, width: int, end: int, bar: str) -> list[str]:
    at = {0: f"{top:.3g}", len(rows) // 2: f"{top * (1 - (len(rows) // 2) / (len(rows) - 1)):.3g}", len(rows) - 1: "0"}
    margin = max(len(label) for label in at.values())
    lines = [f"{at.get(i, ''):>{margin}} {bar}{row}".rstrip() for i, row in enumerate(rows)]
    last = str(end)
    return [*lines, " " * (margin + 1) + "0" + last.rjust(width) + " updates"]
