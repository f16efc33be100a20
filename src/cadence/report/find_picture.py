"""A range test as a picture: what was measured, what was made of it, and where the suggestions lie."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from cadence.finder.found import Found
from cadence.finder.sentences import short
from cadence.finder.smoothing import Numbers
from cadence.finder.suggest import Suggestion
from cadence.report.axis import Axis, axis
from cadence.report.find_text import OVER
from cadence.report.find_words import measured, say, title
from cadence.report.palette import COLOURS, INK, SOFT
from cadence.report.picture import chinese_font, drawing, dress, new_figure, pdf, png

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

CURVE = COLOURS[0]
STYLES = {"steepest": ":", "middle": "-", "valley": "--", "edge": "-."}
MARKERS = "os^Dv<>p"


def find_png(found: Found, lang: str = "en") -> bytes:
    """The whole PNG file.

    Args:
        found: by `cadence.find_lr`.
        lang: ``"en"`` or ``"zh"``; Chinese needs a font that has its letters, and falls back to English without one.

    Raises:
        MissingExtraError: matplotlib is not installed.
    """
    with drawing(chinese_font()):
        return png(_figure(found, lang if chinese_font() else "en"))


def find_pdf(found: Found, lang: str = "en") -> bytes:
    """The whole PDF file; see `find_png`."""
    with drawing(chinese_font()):
        return pdf(_figure(found, lang if chinese_font() else "en"))


def _figure(found: Found, lang: str) -> Figure:
    figure = new_figure(9.0, 5.6)
    axes = figure.add_subplot()
    dress(axes, *_axes(found))
    _points(axes, found, lang)
    _smooth(axes, found, lang)
    for n, one in enumerate(found.suggestions.all):
        _mark(axes, one, 0.02 + 0.025 * n, lang)
    words = textwrap.wrap(found.suggestions.told(lang), 96 if lang == "en" else 52)
    axes.set_title("\n".join(words[:4]), loc="left", fontsize=10.5, color=INK, pad=10)
    figure.suptitle(title(found, lang), x=0.012, ha="left", fontsize=12, fontweight="bold", color=INK)
    axes.set_xlabel(say(lang, "axis_rate"), loc="right", color=SOFT)
    axes.set_ylabel(say(lang, "axis_loss"), color=SOFT)
    below = textwrap.wrap(measured(found, lang), 120 if lang == "en" else 64)
    legend = figure.legend(
        loc="outside lower left", frameon=False, fontsize=9, ncols=3, title="\n".join(below), title_fontsize=9,
        alignment="left", handlelength=2.6,
    )  # fmt: skip
    legend.get_title().set_color(SOFT)
    return figure


def _axes(found: Found) -> tuple[Axis, Axis]:
    """The whole range, and as much of the loss as says something."""
    said, swept = found.suggestions, found.swept
    rates = np.concatenate([swept.scout_rates, swept.rates])
    x = axis(float(rates.min()), float(rates.max()), log=True, most=9)
    room = max(said.fall, 3 * said.noise, 1e-12)
    seen = [y for row in swept.losses for y in row[1:] if math.isfinite(y)]
    lowest = min([said.start - room, *seen])
    return x, axis(lowest - 0.08 * room, said.start + max(OVER * room, 4 * said.noise), round_out=False)


def _points(axes: Axes, found: Found, lang: str) -> None:
    """Every loss that was measured, at the rate that led to it."""
    swept = found.swept
    if len(swept.scout_losses) > 1:
        x, y = _led_to(swept.scout_rates, swept.scout_losses)
        axes.plot(x, y, "x", color=SOFT, markersize=4, alpha=0.6, label=say(lang, "of_scout"))
    for n, row in enumerate(swept.losses):
        x, y = _led_to(swept.rates, row)
        colour, marker = COLOURS[1 + n % (len(COLOURS) - 1)], MARKERS[n % len(MARKERS)]
        axes.plot(
            x, y, marker, color=colour, markersize=3.6, alpha=0.6, label=say(lang, "repeat", n=n + 1)
        )  # fmt: skip


def _led_to(rates: Numbers, losses: Sequence[float]) -> tuple[Numbers, Numbers]:
    """A loss was computed before its update: it belongs to the rate of the one before."""
    y = np.asarray(losses, dtype=np.float64)[1:]
    return rates[: len(y)], y


def _smooth(axes: Axes, found: Found, lang: str) -> None:
    smooth = found.suggestions.smooth
    if smooth is None:
        return
    axes.fill_between(smooth.rates, smooth.low, smooth.high, color=CURVE, alpha=0.15, linewidth=0)
    axes.plot(smooth.rates, smooth.loss, color=CURVE, linewidth=2.2, label=say(lang, "smoothed"))


def _mark(axes: Axes, one: Suggestion, foot: float, lang: str) -> None:
    """A line at the suggestion, with its interval at the foot."""
    chosen = one.name == "middle"
    width, style = (2.0 if chosen else 1.1), STYLES[one.name]
    label = f"{say(lang, f'name_{one.name}')}: {short(one.rate)}"
    axes.axvline(one.rate, color=INK, linewidth=width, linestyle=style, label=label)
    high = min(one.high, axes.get_xlim()[1])
    axes.plot(
        [one.low, high], [foot, foot], transform=axes.get_xaxis_transform(), color=INK, linewidth=1.6 * width,
        solid_capstyle="butt", alpha=0.55,
    )  # fmt: skip
