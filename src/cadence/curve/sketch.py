"""Small pictures for notebooks: an inline drawing with its description, no library, no script."""

from __future__ import annotations

import html
from typing import TYPE_CHECKING

import numpy as np

from cadence._errors import HorizonError
from cadence.curve.place import place
from cadence.spec.nodes import Schedule

if TYPE_CHECKING:
    from cadence.curve.curve import Curve

WIDTH, HEIGHT, MARGIN = 480, 140, 8
NOMINAL = {"total": 1000, "steps_per_epoch": 10, "batch_size": 1, "tokens_per_step": 1}


def schedule_html(schedule: Schedule) -> str:
    """A schedule as a notebook shows it: its text, and its curve over a run of 1,000 updates."""
    text = f"<code>{html.escape(repr(schedule))}</code>"
    try:
        curve = place(schedule, **NOMINAL)  # type: ignore[arg-type]
    except HorizonError:
        # Its lengths need a longer run than the nominal one; the text says all there is to say without one.
        return f"<div>{text}</div>"
    return f"<div>{text}<br>{curve_svg(curve)}<br><small>over a run of 1000 updates, 10 an epoch</small></div>"


def curve_html(curve: Curve) -> str:
    """A curve as a notebook shows it: picture and description."""
    return f"<div>{curve_svg(curve)}<pre>{html.escape(curve.describe())}</pre></div>"


def curve_svg(curve: Curve) -> str:
    """The first value of a curve as an SVG drawing that follows the page's text colour.

    Example:
        >>> import cadence as cd
        >>> "<svg" in curve_svg(cd.place(cd.cosine(), total=10))
        True
    """
    end = curve.end if curve.end is not None else 1000
    times = np.unique(np.linspace(0, end, min(end + 1, 800)).astype(np.int64))
    values = curve.at(times)
    top = float(values.max()) or 1.0
    x = MARGIN + (WIDTH - 2 * MARGIN) * times / max(end, 1)
    y = HEIGHT - MARGIN - (HEIGHT - 2 * MARGIN) * values / top
    points = " ".join(f"{a:.1f},{b:.1f}" for a, b in zip(x, y, strict=True))
    label = html.escape(curve.describe().splitlines()[1])
    return (
        f'<svg role="img" aria-label="{label}" width="{WIDTH}" height="{HEIGHT}" viewBox="0 0 {WIDTH} {HEIGHT}" '
        f'style="max-width:100%"><title>{label}</title>'
        f'<rect x="0.5" y="0.5" width="{WIDTH - 1}" height="{HEIGHT - 1}" fill="none" stroke="currentColor" '
        f'stroke-opacity="0.3"/><polyline points="{points}" fill="none" stroke="#1f77b4" stroke-width="2"/></svg>'
    )
