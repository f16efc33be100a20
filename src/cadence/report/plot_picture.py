"""Curves as a PNG picture or a PDF page."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING, Any

from cadence.report.chart import style_of
from cadence.report.messages import Phrases
from cadence.report.palette import INK, SOFT, stroke
from cadence.report.picture import chinese_font, drawing, dress, new_figure, pdf, png
from cadence.report.plot import Drawing

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MARK = "#806000"


def as_png(plan: Drawing) -> bytes:
    """The whole file.

    Args:
        plan: what to draw.

    Raises:
        MissingExtraError: matplotlib is not installed.
    """
    with drawing(chinese_font()):
        return png(_figure(plan))


def as_pdf(plan: Drawing) -> bytes:
    """The whole file.

    Args:
        plan: what to draw.

    Raises:
        MissingExtraError: matplotlib is not installed.
    """
    with drawing(chinese_font()):
        return pdf(_figure(plan))


def _figure(plan: Drawing) -> Figure:
    say = Phrases(plan.lang if chinese_font() else "en")
    below = [say("mark", number=mark.number, t=mark.t, text=mark.text) for mark in plan.marks]
    if plan.more:
        below.append(say("more_marks", n=plan.more))
    several = len(plan.curves) > 1
    figure = new_figure(9.0, 4.2 + 0.19 * len(below) + 0.23 * len(plan.curves) * several)
    axes = figure.add_subplot()
    dress(axes, plan.x, plan.y)
    for i, (outline, label) in reversed(list(enumerate(zip(plan.outlines, plan.labels, strict=True)))):
        colour, dashes = stroke(style_of(i, baseline=None))
        style: Any = (0, tuple(d / 2 for d in dashes)) if dashes else "-"
        name = textwrap.shorten(label, 110, placeholder=" …")
        axes.plot(
            outline.t, outline.y, color=colour, linestyle=style, linewidth=2.0, solid_joinstyle="round", label=name
        )
    for mark in plan.marks:
        axes.axvline(mark.t, color=MARK, linewidth=1.0, linestyle=(0, (4, 3)))
        axes.annotate(
            str(mark.number), (mark.t, 1), (0, 3), xycoords=("data", "axes fraction"), textcoords="offset points",
            ha="center", color=MARK, fontweight="bold", fontsize=9.5,
        )  # fmt: skip
    title = "\n".join(textwrap.wrap(plan.title, 84)[:3])
    axes.set_title(title, loc="left", fontsize=11.5, fontweight="bold", color=INK, pad=22)
    axes.annotate(
        plan.name, (0, 1), (0, 5), xycoords="axes fraction", textcoords="offset points", color=SOFT, fontsize=10,
    )  # fmt: skip
    axes.set_xlabel(say("axis_update"), loc="right", color=SOFT)
    if below:
        axes.annotate(
            "\n".join(below), (0, 0), (0, -30), xycoords="axes fraction", textcoords="offset points", va="top",
            fontsize=9.5, color=INK, linespacing=1.4, annotation_clip=False,
        )  # fmt: skip
    if several:
        handles, names = axes.get_legend_handles_labels()
        figure.legend(
            handles[::-1], names[::-1], loc="outside lower left", frameon=False, fontsize=9.5, handlelength=3.4
        )
    return figure
