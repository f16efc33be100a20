"""A curve in one line of block characters, for lists."""

from __future__ import annotations

import numpy as np

from cadence.curve.curve import Curve

BLOCKS = "▁▂▃▄▅▆▇█"

UNENDING = 1000
"""Updates shown of a curve that goes on for ever."""


def sparkline(curve: Curve, width: int = 16) -> str:
    """Draw the first value of a curve in one line; the lowest block stands for everything near 0.

    Args:
        curve: made by `place`.
        width: characters.

    Example:
        >>> import cadence as cd
        >>> sparkline(cd.place(cd.warmup("25%") >> cd.linear(), total=1000), 8)
        '▃▇█▇▆▄▃▁'
    """
    end = max(curve.end if curve.end is not None else UNENDING, 1)
    middles = np.floor((np.arange(width) + 0.5) * end / width).astype(np.int64)
    values = curve.at(middles)
    heights = np.ceil(values / (values.max() or 1.0) * len(BLOCKS)).astype(int).clip(1, len(BLOCKS))
    return "".join(BLOCKS[h - 1] for h in heights)
