"""Colours and dashes of curves on white, the same as in `assets/page.css`."""

from __future__ import annotations

BASE = "#5f6b76"
COLOURS = ("#0b63c5", "#c2410c", "#0b7f63", "#9c2f8f", "#806000", "#4b3fc4", "#b3123f", "#1f6f8b")
INK, SOFT, GRID, GROUND = "#17202a", "#55616d", "#e6eaee", "#ffffff"

BASE_DASHES = (7.0, 4.0)
DASHES: tuple[tuple[float, ...], ...] = (
    (), (12.0, 3.0), (3.0, 3.0), (10.0, 3.0, 2.0, 3.0), (16.0, 4.0), (5.0, 2.0), (2.0, 2.0), (14.0, 3.0, 2.0, 3.0, 2.0, 3.0),
)  # fmt: skip
"""In points of the line's own width of 1; empty: unbroken."""


def stroke(style: str) -> tuple[str, tuple[float, ...]]:
    """Colour and dashes of a class that `chart.style_of` gives.

    Args:
        style: e.g. ``"base"`` or ``"c3 again"``.

    Example:
        >>> stroke("base"), stroke("c0"), stroke("c1 again")
        (('#5f6b76', (7.0, 4.0)), ('#0b63c5', ()), ('#c2410c', (1.0, 4.0)))
    """
    name, _, again = style.partition(" ")
    if name == "base":
        return BASE, BASE_DASHES
    place = int(name[1:])
    return COLOURS[place], (1.0, 4.0) if again else DASHES[place]
