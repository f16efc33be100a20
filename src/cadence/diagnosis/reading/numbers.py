"""Text to numbers, many at once; cell by cell only where a block will not be read as a whole."""

from __future__ import annotations

import io
import math
import re
import warnings
from collections.abc import Sequence

import numpy as np

from cadence.diagnosis.log import Floats

MISSING = -1.5e308
"""Stands for a cell with nothing in it, which is another thing than one that says NaN. No log has this number."""

MISSING_TEXT = b"-1.5e308"

_CLOCK = re.compile(r"(?:(\d+):)?(\d{1,2}):(\d{1,2}(?:[.]\d+)?)")
_NOTHING = frozenset({"", "-", "--", "none", "null", "n/a", "na", "#n/a"})
_TENSOR = re.compile(r"(?:tensor|array)?\(?\[?\s*([-+.\deE]+|nan|inf|-inf)\s*\]?(?:,.*)?\)?")


def table_of(block: bytes, delimiter: str, columns: Sequence[int]) -> Floats | None:
    """Some columns of lines that hold numbers, each line ending with a newline.

    Args:
        block: whole lines.
        delimiter: one character.
        columns: which ones, from 0, in rising order.

    Returns:
        float64 [lines, columns], `MISSING` where a cell is empty; None where there is anything else than numbers.
    """
    mark = delimiter.encode()
    empty = mark + mark
    while empty in block:
        block = block.replace(empty, mark + MISSING_TEXT + mark)
    block = block.replace(mark + b"\n", mark + MISSING_TEXT + b"\n").replace(b"\n" + mark, b"\n" + MISSING_TEXT + mark)
    if block.startswith(mark):
        block = MISSING_TEXT + block
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of empty input
            return np.loadtxt(
                io.BytesIO(block), delimiter=delimiter, usecols=columns, ndmin=2, comments=None, dtype=np.float64,
                encoding="latin-1",
            )  # fmt: skip
    except (ValueError, IndexError, OverflowError):
        return None


def column_of(cells: Sequence[str], *, comma: bool = False) -> tuple[Floats, int]:
    """Cells one by one.

    Args:
        cells: text.
        comma: a comma stands where others have a point.

    Returns:
        float64, `MISSING` where a cell is empty or cannot be read, and how many could not be read.
    """
    if comma:
        cells = [cell.replace(",", ".") for cell in cells]
    try:
        return np.array([cell if cell else MISSING for cell in cells], dtype=np.float64), 0
    except ValueError:
        numbers = [number_of(cell) for cell in cells]
        return (
            np.array([MISSING if x is None else x for x in numbers], dtype=np.float64),
            sum(x is None and cell.strip().lower() not in _NOTHING for x, cell in zip(numbers, cells, strict=True)),
        )


def number_of(text: str) -> float | None:
    """What one cell says: a number, ``"12%"``, ``"00:12"``, ``"tensor(0.3)"``; None where it is no number.

    Example:
        >>> number_of("1:02:03"), number_of("tensor(0.25, device='cuda:0')"), number_of("SGD")
        (3723.0, 0.25, None)
    """
    text = text.strip().strip("\"'").strip()
    try:
        return float(text)
    except ValueError:
        pass
    if clock := _CLOCK.fullmatch(text):
        hours, minutes, seconds = clock.groups()
        return 3600.0 * int(hours or 0) + 60.0 * int(minutes) + float(seconds)
    if text.endswith("%"):
        inner = number_of(text[:-1])
        return None if inner is None else inner / 100
    if found := _TENSOR.fullmatch(text):
        try:
            return float(found.group(1))
        except ValueError:
            return None
    return {"true": 1.0, "false": 0.0}.get(text.lower())


def finite(x: float | None) -> bool:
    """Whether it is a number that can be computed with."""
    return x is not None and math.isfinite(x)
