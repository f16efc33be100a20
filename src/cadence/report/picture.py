"""`curves.png`: learning rate and validation loss of every run, one row per task."""

from __future__ import annotations

import io
import math
import os
import textwrap
import warnings
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from cadence._lazy import need
from cadence.comparison.results import Summary, TaskSummary
from cadence.comparison.settings import said
from cadence.record.files import write_atomically
from cadence.report.axis import Axis
from cadence.report.chart import Chart
from cadence.report.charts import task_charts
from cadence.report.curves import read_curves
from cadence.report.messages import Phrases
from cadence.report.palette import GRID, GROUND, INK, SOFT, stroke

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

CHINESE_FONTS = (
    "Noto Sans CJK SC", "Source Han Sans SC", "Source Han Sans CN", "PingFang SC", "Hiragino Sans GB",
    "Microsoft YaHei", "SimHei", "WenQuanYi Zen Hei", "WenQuanYi Micro Hei", "Noto Serif CJK SC", "Noto Sans CJK JP",
    "Arial Unicode MS",
)  # fmt: skip
"""Fonts with Chinese letters, in the order in which they are preferred."""

DPI = 120
WIDTH, ROW = 13.8, 3.9
"""Inches of the picture, and of one task in it."""

LEFT, PANEL, GAP, TOP, PANEL_HEIGHT = 0.8, 4.6, 0.85, 0.75, 2.45
"""Inches of the parts of a row."""


def write_picture(summary: Summary, path: str | os.PathLike[str], *, lang: str = "en") -> None:
    """Draw the curves of a comparison into a PNG file.

    Args:
        summary: of a comparison; the curves are read from its folder.
        path: of the file; an old one is replaced.
        lang: ``"en"`` or ``"zh"``; Chinese needs a font that has its letters, and falls back to English without one.

    Raises:
        MissingExtraError: matplotlib is not installed.
        RecordError: the file cannot be written.
    """
    font = chinese_font()
    say = Phrases(lang if font else "en")
    rows = [
        (task, charts)
        for task, curves in zip(summary.tasks, read_curves(summary), strict=True)
        if (charts := {chart.key: chart for chart in task_charts(task, curves, say.lang)})
    ]
    with drawing(font):
        height = ROW * max(1, len(rows))
        figure = new_figure(WIDTH, height, layout="none")
        if not rows:
            _name(_panel(figure, 0, LEFT, 0.1, height), say("nothing")).set_axis_off()
        for number, (task, charts) in enumerate(rows):
            panels = [_panel(figure, number, left, PANEL, height) for left in (LEFT, LEFT + PANEL + GAP)]
            for axes, key in zip(panels, ("lr", "val"), strict=True):
                if key in charts:
                    _draw(axes, charts[key], say)
                else:
                    axes.set_axis_off()
            _name(panels[0], said(task.label, say.lang))
            # The legend has a place of its own, where it covers nothing.
            beside = _panel(figure, number, LEFT + 2 * PANEL + GAP, WIDTH - LEFT - 2 * PANEL - GAP, height)
            _legend(beside, task, next(iter(charts.values())).styles, say.lang)
        write_atomically(Path(path), png(figure))


@contextmanager
def drawing(font: str | None = None) -> Generator[None, None, None]:
    """Settings of matplotlib for our pictures, gone when the block ends.

    Args:
        font: a font for letters that matplotlib's own lacks.
    """
    matplotlib = need("matplotlib", extra="torch")
    settings = {
        "font.family": ["DejaVu Sans", *([font] if font else [])],
        "font.size": 10.0,
        "axes.edgecolor": SOFT,
        "axes.labelcolor": INK,
        "text.color": INK,
        "xtick.color": SOFT,
        "ytick.color": SOFT,
        # A dollar sign in the name of a recipe begins no formula.
        "text.parse_math": False,
        "axes.spines.top": False,
        "axes.spines.right": False,
    }
    with matplotlib.rc_context(settings), warnings.catch_warnings():
        # Without a font for it a letter is drawn as a box; the page and the tables have the name in full.
        warnings.filterwarnings("ignore", message=r"Glyph .* missing from")
        yield


def new_figure(width: float, height: float, *, layout: str = "constrained") -> Figure:
    """A figure that belongs to nobody else: no window, no state of pyplot.

    Args:
        width: inches.
        height: inches.
        layout: how panels find their place: ``"constrained"`` by matplotlib, ``"none"`` by whoever adds them.
    """
    make: Any = need("matplotlib.figure", extra="torch").Figure
    figure = make(figsize=(width, height), dpi=DPI, layout=layout, facecolor=GROUND)
    if layout == "constrained":
        figure.get_layout_engine().set(w_pad=0.12, h_pad=0.16)
    return figure


def png(figure: Figure) -> bytes:
    """The figure as a PNG file, the same bytes for the same picture.

    Args:
        figure: as drawn.
    """
    canvas: Any = need("matplotlib.backends.backend_agg", extra="torch").FigureCanvasAgg(figure)
    content = io.BytesIO()
    canvas.print_png(content, metadata={"Software": None})
    return content.getvalue()


def pdf(figure: Figure) -> bytes:
    """The figure as a PDF page, the same bytes for the same picture.

    Args:
        figure: as drawn.
    """
    canvas: Any = need("matplotlib.backends.backend_pdf", extra="torch").FigureCanvasPdf(figure)
    content = io.BytesIO()
    canvas.print_pdf(content, metadata={"CreationDate": None, "Creator": None, "Producer": None})
    return content.getvalue()


def chinese_font() -> str | None:
    """An installed font with Chinese letters, or None."""
    manager = need("matplotlib.font_manager", extra="torch").fontManager
    installed = {font.name for font in manager.ttflist}
    return next((name for name in CHINESE_FONTS if name in installed), None)


def dress(axes: Axes, x: Axis, y: Axis) -> None:
    """Scales, limits, ticks and grid of a pair of axes.

    Args:
        axes: to be dressed.
        x: horizontal axis.
        y: vertical axis.
    """
    ticker = need("matplotlib.ticker", extra="torch")
    for scale, axis, own in ((axes.set_xscale, x, axes.xaxis), (axes.set_yscale, y, axes.yaxis)):
        if axis.log:
            scale("log")
        own.set_major_locator(ticker.FixedLocator(axis.ticks))
        own.set_major_formatter(ticker.FixedFormatter(axis.labels))
        own.set_minor_locator(ticker.NullLocator())
    axes.set_xlim(x.low, x.high)
    axes.set_ylim(y.low, y.high)
    axes.grid(color=GRID, linewidth=0.9)
    axes.set_axisbelow(True)


def _panel(figure: Figure, row: int, left: float, width: float, height: float) -> Axes:
    """A pair of axes at a place given in inches: the same for every picture, whatever is written around it."""
    bottom = height - ROW * row - TOP - PANEL_HEIGHT
    return figure.add_axes((left / WIDTH, bottom / height, width / WIDTH, PANEL_HEIGHT / height))


def _draw(axes: Axes, chart: Chart, say: Phrases) -> None:
    dress(axes, chart.x, chart.y)
    for line in chart.lines:
        colour, dashes = stroke(chart.styles[line.recipe])
        strong = line.mean or not any(other.mean and other.recipe == line.recipe for other in chart.lines)
        values = [v if math.isfinite(v) and (v > 0 or not chart.y.log) else math.nan for v in line.y]
        width = 2.0 if strong else 0.8
        style: Any = (0, tuple(d / 2 for d in dashes)) if dashes and strong else "-"
        marker = "o" if sum(map(math.isfinite, values)) == 1 else None
        axes.plot(
            np.asarray(line.t), np.asarray(values), color=colour, linestyle=style, linewidth=width, marker=marker,
            alpha=1.0 if strong else 0.45, solid_capstyle="round",
        )  # fmt: skip
    axes.set_title(chart.title, loc="left", fontsize=10.5, color=INK)
    axes.set_xlabel(say("axis_update"), loc="right", color=SOFT)
    if chart.note:
        axes.annotate(
            "\n".join(textwrap.wrap(chart.note, 90)), (0, 0), (0, -36), xycoords="axes fraction",
            textcoords="offset points", va="top", fontsize=9, color=SOFT, annotation_clip=False,
        )  # fmt: skip


def _name(axes: Axes, text: str) -> Axes:
    """The name of a task, above its row."""
    axes.annotate(
        textwrap.shorten(text, 110, placeholder=" …"), (0, 1), (0, 26), xycoords="axes fraction",
        textcoords="offset points", fontsize=12.5, fontweight="bold", color=INK, annotation_clip=False,
    )  # fmt: skip
    return axes


def _legend(axes: Axes, task: TaskSummary, styles: Sequence[str], lang: str) -> None:
    axes.set_axis_off()
    lines = need("matplotlib.lines", extra="torch")
    handles: list[Any] = []
    for recipe, style in zip(task.recipes, styles, strict=True):
        colour, dashes = stroke(style)
        pattern: Any = (0, tuple(d / 2 for d in dashes)) if dashes else "-"
        label = textwrap.fill(textwrap.shorten(said(recipe.label, lang), 90, placeholder=" …"), 26)
        handles.append(lines.Line2D([], [], color=colour, linestyle=pattern, linewidth=2.0, label=label))
    axes.legend(handles=handles, loc="upper left", frameon=False, handlelength=3.4, labelspacing=0.9)
