"""Charts in a page: curves as inline SVG, everything that is read as HTML.

Why not a library: plotly would bring 4.6 MB into every report, cannot be reached by the keyboard, draws nothing without
scripts, and does not follow the reader's light or dark scheme. Here the drawing stretches with the window while strokes
and letters keep their size, so that one chart serves a phone and a wide screen; a script of a few kilobytes adds hover
and a slider.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from cadence.report.axis import Axis
from cadence.report.curves import Line
from cadence.report.markup import Markup, join, tag

SIZE = 1000
"""Width and height of a drawing in its own unit; it is stretched over whatever room there is."""

STYLES = 8
"""How many colours there are; further recipes use them again with other dashes."""


@dataclass(frozen=True)
class Chart:
    """One pair of axes with lines.

    Attributes:
        key: short name for the script, e.g. ``"lr"``.
        name: of what is drawn.
        title: above it; the name and the kind of axis.
        x: axis of updates.
        y: axis of values.
        lines: drawn in this order.
        styles: class of each recipe, from `style_of`.
        note: below it; may be empty.
        marks: updates at which something happens.
    """

    key: str
    name: str
    title: str
    x: Axis
    y: Axis
    lines: tuple[Line, ...]
    styles: tuple[str, ...]
    note: str = ""
    marks: tuple[int, ...] = ()


def style_of(index: int, *, baseline: int | None) -> str:
    """Class of a recipe's lines: its colour and its dashes. The baseline has no hue.

    Args:
        index: of the recipe.
        baseline: index of the baseline; None: there is none.

    Example:
        >>> [style_of(i, baseline=0) for i in range(3)], style_of(10, baseline=0)
        (['base', 'c0', 'c1'], 'c1 again')
    """
    if index == baseline:
        return "base"
    place = index - (baseline is not None and index > baseline)
    return f"c{place % STYLES}" + (" again" if place >= STYLES else "")


def chart_html(chart: Chart, *, prefix: str, update: str, described_by: str | None = None) -> Markup:
    """A figure with title, axes, curves and note.

    Args:
        chart: what to draw.
        prefix: makes ids of this chart its own.
        update: name of the horizontal axis.
        described_by: id of the element that says in words what is drawn.
    """
    title = f"{prefix}-{chart.key}-title"
    drawing = tag(
        "svg",
        _grid(chart),
        *(_mark(chart, t) for t in chart.marks),
        *(_path(chart, line) for line in chart.lines),
        viewBox=f"0 0 {SIZE} {SIZE}",
        preserveAspectRatio="none",
        role="img",
        aria_labelledby=title,
        aria_describedby=described_by,
    )
    plot = tag(
        "div",
        drawing,
        tag("div", class_="cross", hidden=True),
        tag("div", class_="dot", hidden=True),
        tag("div", class_="tip", hidden=True, aria_hidden="true"),
        class_="plot",
        data_chart=chart.key,
    )
    return tag(
        "figure",
        tag("figcaption", chart.title, id=title),
        tag("div", _labels(chart.y, "y"), plot, _labels(chart.x, "x"), class_="frame"),
        tag("p", update, class_="axis-name", aria_hidden="true"),
        tag("p", chart.note, class_="note") if chart.note else Markup(),
        class_="chart",
    )


def legend(labels: Sequence[str], styles: Sequence[str], name: str) -> Markup:
    """What is what; the script makes buttons of it that show and hide.

    Args:
        labels: of the recipes.
        styles: their classes, from `style_of`.
        name: of the list, for those who do not see it.
    """
    items: list[Markup] = []
    for i, (label, style) in enumerate(zip(labels, styles, strict=True)):
        line = tag("path", d="M0,5H40", class_=f"line mean {style}")
        swatch = tag("svg", line, viewBox="0 0 40 10", aria_hidden="true")
        items.append(tag("li", tag("span", swatch, label), data_r=i))
    return tag("ul", *items, class_="legend", aria_label=name)


def chart_data(chart: Chart) -> dict[str, Any]:
    """What the script needs to read values off the curves: numbers, not drawings.

    Args:
        chart: as drawn.
    """
    return {
        "key": chart.key,
        "name": chart.name,
        "x": [chart.x.low, chart.x.high],
        "y": [chart.y.low, chart.y.high],
        "log": chart.y.log,
        "lines": [
            {"r": line.recipe, "s": line.seed, "m": line.mean, "t": list(line.t), "v": [_number(v) for v in line.y]}
            for line in chart.lines
        ],
    }


def points(chart: Chart, line: Line) -> list[list[tuple[float, float]]]:
    """A line in the unit of the drawing, cut where there is no value.

    Args:
        chart: whose axes count.
        line: to be drawn.

    Returns:
        Stretches of (x, y), y downwards. What lies far outside is kept near, so that numbers stay short.
    """
    pieces: list[list[tuple[float, float]]] = [[]]
    for t, value in zip(line.t, line.y, strict=True):
        if not math.isfinite(value):
            pieces.append([])
            continue
        share = min(3.0, max(-2.0, chart.y.share(value)))
        pieces[-1].append((round(chart.x.share(t) * SIZE, 1), round((1 - share) * SIZE, 1)))
    return [piece for piece in pieces if piece]


def path_of(pieces: Sequence[Sequence[tuple[float, float]]]) -> str:
    """Path commands for stretches of points; a single point becomes a short dash, or it would not be seen.

    Args:
        pieces: as `points` makes them.

    Example:
        >>> path_of([[(0, 10), (5, 20)], [(9, 1)]])
        'M0,10L5,20M5,1L13,1'
    """
    parts: list[str] = []
    for piece in pieces:
        whole = piece if len(piece) > 1 else [(piece[0][0] - 4, piece[0][1]), (piece[0][0] + 4, piece[0][1])]
        parts.append("M" + "L".join(f"{x:g},{y:g}" for x, y in whole))
    return "".join(parts)


def clipped(chart: Chart) -> bool:
    """Whether some of what there is lies outside the axes.

    Args:
        chart: whose lines and axes count.
    """
    shares = [chart.y.share(v) for line in chart.lines for v in line.y if math.isfinite(v)]
    return any(not -0.001 <= share <= 1.001 for share in shares)


def _path(chart: Chart, line: Line) -> Markup:
    kind = "mean" if line.mean else "seed"
    return tag(
        "path", d=path_of(points(chart, line)), class_=f"line {kind} {chart.styles[line.recipe]}",
        data_r=line.recipe, vector_effect="non-scaling-stroke",
    )  # fmt: skip


def _grid(chart: Chart) -> Markup:
    across = [f"M0,{(1 - chart.y.share(t)) * SIZE:.1f}H{SIZE}" for t in chart.y.ticks]
    along = [f"M{chart.x.share(t) * SIZE:.1f},0V{SIZE}" for t in chart.x.ticks]
    return tag("path", d="".join(across + along), class_="grid", vector_effect="non-scaling-stroke")


def _mark(chart: Chart, t: int) -> Markup:
    return tag("path", d=f"M{chart.x.share(t) * SIZE:.1f},0V{SIZE}", class_="mark", vector_effect="non-scaling-stroke")


def _labels(axis: Axis, which: str) -> Markup:
    side = "bottom" if which == "y" else "left"
    made = [
        tag("span", label, style=f"{side}:{axis.share(tick) * 100:.2f}%")
        for tick, label in zip(axis.ticks, axis.labels, strict=True)
    ]
    return tag("div", join(*made), class_=f"ticks {which}", aria_hidden="true")


def _number(value: float) -> float | None:
    """Five significant digits, which is more than anyone reads off a curve."""
    return float(f"{value:.5g}") if math.isfinite(value) else None
