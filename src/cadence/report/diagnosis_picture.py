"""Pictures of a log: panels over one clock, with events as numbered lines and the stretch of a finding shaded."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

import numpy as np

from cadence.diagnosis.log import Log, Series
from cadence.report.axis import Axis, axis
from cadence.report.markup import Markup, tag

WIDTH, PANEL, LEFT, RIGHT, TOP, FOOT, GAP = 840, 190, 64, 14, 44, 40, 48

COLUMNS = 500
"""Points of a line: what would fall on one column of the picture is drawn as its extremes."""

SPREAD = 30.0
"""Values that lie further apart than this factor are drawn by logarithm."""

STYLE = """
.dg text{fill:var(--soft);font-size:13px}.dg .dg-name{fill:var(--ink);font-weight:600}
.dg .dg-grid{stroke:var(--grid);fill:none}.dg .dg-axis{stroke:var(--soft);fill:none}
.dg .dg-line{fill:none;stroke-width:1.8;stroke-linejoin:round}.dg .dg-faint{stroke-opacity:.35;stroke-width:1}
.dg .dg-mark{stroke:var(--mind);stroke-dasharray:4 3;fill:none}.dg .dg-number{fill:var(--mind);font-weight:600}
.dg .dg-shade{fill:var(--mind-ground);stroke:var(--mind);stroke-opacity:.4}
.dg{display:block;width:100%;height:auto;max-width:60rem}.dg-box{overflow-x:auto;margin:0 0 1rem}
.dg-box .dg{min-width:34rem}
.dg-c0{stroke:var(--c0)}.dg-c1{stroke:var(--c1);stroke-dasharray:12 3}.dg-c2{stroke:var(--c2);stroke-dasharray:3 3}
.dg-c3{stroke:var(--c3);stroke-dasharray:10 3 2 3}
"""


@final
@dataclass(frozen=True)
class Panel:
    """One picture of several above each other.

    Attributes:
        name: what is drawn.
        lines: name and series; at most four are drawn.
    """

    name: str
    lines: tuple[tuple[str, Series], ...]


def series_named(log: Log, name: str) -> list[tuple[str, Series]]:
    """What a picture's series are.

    Args:
        log: to take them from.
        name: ``"loss"``, ``"lr"``, ``"update_ratio"``, a name of `Log.train` or of a metric.
    """
    if name == "loss":
        return [] if log.loss is None else [("loss", log.loss)]
    if name in {"lr", "update_ratio"}:
        return list((log.lr if name == "lr" else log.update_ratio).items())
    found = log.train.get(name) or log.metrics.get(name)
    return [] if found is None else [(name, found)]


def picture(
    panels: Sequence[Panel],
    *,
    marks: Sequence[tuple[int, str]] = (),
    shade: tuple[int, int] | None = None,
    title: str,
    update: str,
) -> Markup:
    """The panels as one drawing.

    Args:
        panels: from above to below; those without a finite number are left out.
        marks: update and text of each line across all panels.
        shade: first and last update of a stretch.
        title: what it shows, for who does not see it.
        update: name of the clock.
    """
    panels = [panel for panel in panels if any(len(s.finite()) for _, s in panel.lines)]
    if not panels:
        return Markup()
    ends = [(s.t[0], s.t[-1]) for panel in panels for _, s in panel.lines if len(s)]
    across = axis(float(min(a for a, _ in ends)), float(max(b for _, b in ends)), round_out=False, least_step=1)
    height = TOP + len(panels) * PANEL + (len(panels) - 1) * GAP + FOOT
    parts: list[Markup] = [tag("title", title)]
    for i, panel in enumerate(panels):
        top = TOP + i * (PANEL + GAP)
        if shade is not None:
            left, right = (_x(across, float(t)) for t in shade)
            parts.append(
                tag("rect", x=left, y=top, width=round(max(right - left, 3), 1), height=PANEL, class_="dg-shade")
            )
        parts += _panel(panel, across, top, last=i == len(panels) - 1)
        for t, text in marks:
            at = _x(across, float(t))
            parts.append(tag("path", d=f"M{at:g},{top}v{PANEL}", class_="dg-mark"))
            if i == 0:
                parts.append(tag("text", text, x=at, y=top - 6, text_anchor="middle", class_="dg-number"))
    parts.append(tag("text", update, x=WIDTH - RIGHT, y=height - 4, text_anchor="end"))
    svg = tag(
        "svg", *parts, xmlns="http://www.w3.org/2000/svg", viewBox=f"0 0 {WIDTH} {height}", class_="dg", role="img",
        aria_label=title,
    )  # fmt: skip
    return tag("div", svg, class_="dg-box", tabindex="0", role="group", aria_label=title)


def _x(across: Axis, t: float) -> float:
    return round(LEFT + min(max(across.share(t), 0.0), 1.0) * (WIDTH - LEFT - RIGHT), 1)


def _panel(panel: Panel, across: Axis, top: int, *, last: bool) -> list[Markup]:
    bottom = top + PANEL
    up = _upwards([s for _, s in panel.lines])
    made: list[Markup] = []
    for tick, label in zip(up.ticks, up.labels, strict=True):
        at = round(bottom - up.share(tick) * PANEL, 1)
        made += [tag("path", d=f"M{LEFT},{at:g}H{WIDTH - RIGHT}", class_="dg-grid")]
        made += [tag("text", label, x=LEFT - 8, y=at + 4.5, text_anchor="end")]
    for tick, label in zip(across.ticks, across.labels, strict=True):
        at = _x(across, tick)
        made.append(tag("path", d=f"M{at:g},{bottom}v5", class_="dg-axis"))
        if last:
            made.append(tag("text", label, x=at, y=bottom + 20, text_anchor="middle"))
    made.append(tag("path", d=f"M{LEFT},{top}V{bottom}H{WIDTH - RIGHT}", class_="dg-axis"))
    for i, (_, series) in enumerate(panel.lines[:4]):
        # With several lines in a panel the first, a training loss, lies behind the others.
        made.append(tag("path", d=_path(series, across, up, bottom), class_=f"dg-line dg-c{i}"))
    return [*made, *_legend(panel, top)]


def _legend(panel: Panel, top: int) -> list[Markup]:
    """The name of a panel; of several lines also a piece of each, and its name."""
    made = [tag("text", panel.name, x=LEFT, y=top - 24, class_="dg-name")]
    at = LEFT + 16 + 8 * len(panel.name) + 6 * sum(ord(letter) > 0x2E7F for letter in panel.name)
    for i, (name, _) in enumerate(panel.lines[:4] if len(panel.lines) > 1 else ()):
        made.append(tag("path", d=f"M{at},{top - 28}h34", class_=f"dg-line dg-c{i}"))
        made.append(tag("text", name, x=at + 40, y=top - 24))
        at += 60 + 8 * len(name)
    return made


def _upwards(series: Sequence[Series]) -> Axis:
    values = np.concatenate([s.values[np.isfinite(s.values)] for s in series])
    low, quarter, high = (float(np.quantile(values, share)) for share in (0.001, 0.25, 0.999))
    # Not for a decay to 0, which would be drawn as a cliff: a good part of the numbers must lie far below.
    if quarter > 0 and high / quarter > SPREAD:
        return axis(max(float(np.quantile(values, 0.02)), high * 1e-6), high, log=True)
    return axis(
        min(low, 0.0) if low >= 0 and low < 0.5 * high else low, high if high > low else low + (abs(low) or 1.0)
    )


def _path(series: Series, across: Axis, up: Axis, bottom: int) -> str:
    t, values = _thin(series)
    pieces: list[str] = []
    pen = "M"
    for x, y in zip(t.tolist(), values.tolist(), strict=True):
        if not np.isfinite(y):
            pen = "M"
            continue
        height = min(max(up.share(y), 0.0), 1.0) * PANEL
        pieces.append(f"{pen}{_x(across, x):g},{round(bottom - height, 1):g}")
        pen = "L"
    return "".join(pieces)


def _thin(series: Series) -> tuple[np.ndarray, np.ndarray]:
    """First, lowest, highest and last of what falls on one column."""
    if len(series) <= 2 * COLUMNS:
        return series.t, series.values
    kept: list[int] = []
    for part in np.array_split(np.arange(len(series)), COLUMNS):
        values = series.values[part]
        finite = np.flatnonzero(np.isfinite(values))
        if len(finite):
            low, high = finite[values[finite].argmin()], finite[values[finite].argmax()]
            kept += sorted({int(part[0]), int(part[low]), int(part[high]), int(part[-1])})
        else:
            kept.append(int(part[0]))
    return series.t[kept], series.values[kept]
