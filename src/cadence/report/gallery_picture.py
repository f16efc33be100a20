"""One curve as a drawing for the gallery: a few hundred bytes of SVG that follow the reader's light or dark scheme."""

from __future__ import annotations

import html
import math

import numpy as np

from cadence.curve.curve import Curve

WIDTH, HEIGHT = 640, 220
LEFT, RIGHT, TOP, BOTTOM = 44, 14, 12, 36

STYLE = (
    "text{font:12px system-ui,sans-serif;fill:#444}.g{stroke:#ddd}.a{stroke:#888}"
    ".c{fill:none;stroke:#0b63b5;stroke-width:2.5;stroke-linejoin:round}"
    "@media(prefers-color-scheme:dark){text{fill:#bbb}.g{stroke:#333}.a{stroke:#777}.c{stroke:#6db3f2}}"
)


def picture(curve: Curve, title: str, total: int) -> str:
    """Draw the first value of a curve, as a multiple of its base.

    Args:
        curve: to draw; it may end before the axis does.
        title: what it is, for those who do not see it.
        total: updates on the axis.

    Returns:
        SVG.
    """
    end = min(curve.end if curve.end is not None else total, total)
    times = np.arange(end + 1)
    values = curve.at(times)
    top = max(float(values.max()), 1e-300)
    inner, below = WIDTH - LEFT - RIGHT, HEIGHT - BOTTOM
    # Rounded first, so that what is left out does not hang on the last digit of somebody's sine.
    points = [
        (round(LEFT + inner * int(t) / total, 1), round(below - (below - TOP) * float(y) / top, 1))
        for t, y in zip(times, values, strict=True)
    ]
    line = " ".join(f"{x:g},{y:g}" for x, y in thinned(points, 0.2))
    summary = html.escape(curve.describe().splitlines()[1], quote=False)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}" '
        f'role="img"><title>{html.escape(title, quote=False)}</title><desc>{summary}</desc><style>{STYLE}</style>\n'
        f"{_axes(top, total)}\n"
        f'<polyline class="c" points="{line}"/>\n</svg>\n'
    )


def thinned(points: list[tuple[float, float]], tolerance: float) -> list[tuple[float, float]]:
    """The points that a line needs so that no other lies further than `tolerance` from it.

    Source: Douglas & Peucker 1973, The Canadian Cartographer 10(2).

    Args:
        points: at least one.
        tolerance: in the points' own unit.

    Example:
        >>> thinned([(0, 0), (1, 1), (2, 2), (3, 0)], 0.1)
        [(0, 0), (2, 2), (3, 0)]
    """
    keep, stack = {0, len(points) - 1}, [(0, len(points) - 1)]
    while stack:
        first, last = stack.pop()
        (x0, y0), (x1, y1) = points[first], points[last]
        length = math.hypot(x1 - x0, y1 - y0) or 1.0
        worst, where = tolerance, None
        for i in range(first + 1, last):
            x, y = points[i]
            distance = abs((x1 - x0) * (y - y0) - (x - x0) * (y1 - y0)) / length
            if distance > worst:
                worst, where = distance, i
        if where is not None:
            keep.add(where)
            stack += [(first, where), (where, last)]
    return [points[i] for i in sorted(keep)]


def _axes(top: float, total: int) -> str:
    below, right = HEIGHT - BOTTOM, WIDTH - RIGHT
    parts: list[str] = []
    for share in (0.0, 0.5, 1.0):
        y = below - (below - TOP) * share
        parts.append(f'<path class="{"a" if share == 0 else "g"}" d="M{LEFT} {y:g}H{right}"/>')
        parts.append(f'<text x="{LEFT - 6}" y="{y + 4:g}" text-anchor="end">{top * share:.3g}</text>')
    for share in (0.0, 0.25, 0.5, 0.75, 1.0):
        x = LEFT + (WIDTH - LEFT - RIGHT) * share
        anchor = "end" if share == 1 else "middle"
        parts.append(f'<text x="{x:g}" y="{below + 18}" text-anchor="{anchor}">{total * share:g}</text>')
    return "".join(parts)
