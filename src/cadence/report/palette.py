"""Colours and dashes of curves, on white and on black. A test keeps `assets/page.css` the same."""

from __future__ import annotations

BASE = "#2b333b"
COLOURS = ("#0b4ded", "#b93e1a", "#18a57d", "#ec2bc1", "#c7820a", "#511077", "#7f0608", "#166b74")
DARK_BASE = "#c9d2da"
DARK_COLOURS = ("#0473fb", "#f46123", "#31fd92", "#df4ba6", "#fbd005", "#8f7de1", "#e78a8f", "#5ec3ea")
"""Chosen by search: any two differ by 18 or more in CIELAB, also for eyes that lack one kind of cone."""
INK, SOFT, GRID, GROUND = "#17202a", "#55616d", "#e6eaee", "#ffffff"

BASE_DASHES = (7.0, 4.0)
DASHES: tuple[tuple[float, ...], ...] = (
    (), (12.0, 3.0), (3.0, 3.0), (10.0, 3.0, 2.0, 3.0), (16.0, 4.0), (5.0, 2.0), (2.0, 2.0),
    (14.0, 3.0, 2.0, 3.0, 2.0, 3.0),
)  # fmt: skip
"""In points of the line's own width of 1; empty: unbroken."""


def stroke(style: str) -> tuple[str, tuple[float, ...]]:
    """Colour and dashes of a class that `chart.style_of` gives.

    Args:
        style: e.g. ``"base"`` or ``"c3 again"``.

    Example:
        >>> stroke("base"), stroke("c0"), stroke("c1 again")
        (('#2b333b', (7.0, 4.0)), ('#0b4ded', ()), ('#b93e1a', (1.0, 4.0)))
    """
    name, _, again = style.partition(" ")
    if name == "base":
        return BASE, BASE_DASHES
    place = int(name[1:])
    return COLOURS[place], (1.0, 4.0) if again else DASHES[place]


def css() -> str:
    """Rules for the classes of `chart.style_of`, for a drawing that stands alone."""

    def rules(colours: tuple[str, ...], base: str) -> str:
        return f".base{{stroke:{base}}}" + "".join(f".c{i}{{stroke:{colour}}}" for i, colour in enumerate(colours))

    dashes = f".base{{stroke-dasharray:{_spaced(BASE_DASHES)}}}"
    dashes += "".join(f".c{i}{{stroke-dasharray:{_spaced(dash)}}}" for i, dash in enumerate(DASHES) if dash)
    dashes += ".again{stroke-dasharray:1 4;stroke-linecap:round}"
    dark = rules(DARK_COLOURS, DARK_BASE)
    return f"{rules(COLOURS, BASE)}\n{dashes}\n@media(prefers-color-scheme:dark){{{dark}}}\n"


def _spaced(dashes: tuple[float, ...]) -> str:
    return " ".join(f"{dash:g}" for dash in dashes)
