"""A curve of any length by as many columns as a picture has, with the extremes of each column."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from cadence.curve.curve import Curve
from cadence.curve.placed import Event

EXACT = 50_000_000
"""Curves up to so many updates are looked at update by update."""

SAMPLES = 4_096
"""Updates looked at in each column of a longer one, besides those around its events."""

STAIRS = 100
"""Runs of at most so many updates are drawn as a staircase."""

MOST_EVENTS = 8
"""Events that are named in a picture."""


@dataclass(frozen=True)
class Outline:
    """What a curve does within each of some stretches of the run.

    Attributes:
        end: number of updates shown.
        low, high: least and greatest value of each stretch, float64 [columns].
        t, y: corners of the line to draw, int64 and float64: first, last, least and greatest value of each stretch, up
            to `end`. A short run is drawn as a staircase, because a value is in force for the whole of its update.
    """

    end: int
    low: npt.NDArray[np.float64]
    high: npt.NDArray[np.float64]
    t: npt.NDArray[np.int64]
    y: npt.NDArray[np.float64]


@dataclass(frozen=True)
class Mark:
    """Something that happens: a number to write into the picture, the update, and what it is."""

    number: int
    t: int
    text: str


def outline(curve: Curve, end: int, columns: int, *, group: str | int | None, value: str | None) -> Outline:
    """The extremes of a curve in each column, so that no peak is lost however short it is.

    Args:
        curve: to look at.
        end: number of updates shown, at least 1.
        columns: stretches of about equal length; fewer where the curve has fewer updates.
        group: parameter group, as `Curve.at` takes it.
        value: as `Curve.at` takes it.
    """
    edges = np.unique(np.linspace(0, end, min(columns, end) + 1).astype(np.int64))
    near = _near_events(curve, end) if end > EXACT else np.empty(0, dtype=np.int64)
    low, high = np.empty(len(edges) - 1), np.empty(len(edges) - 1)
    kept: list[npt.NDArray[np.int64]] = []
    found: list[npt.NDArray[np.float64]] = []
    for column, (a, b) in enumerate(zip(edges[:-1].tolist(), edges[1:].tolist(), strict=True)):
        if end <= EXACT:
            times = np.arange(a, b)
            values = curve.values(a, b, group=group, value=value)
        else:
            net = np.linspace(a, b - 1, min(b - a, SAMPLES)).astype(np.int64)
            times = np.unique(np.concatenate([net, near[(near >= a) & (near < b)]]))
            values = curve.at(times, group=group, value=value)
        least, most = int(np.argmin(values)), int(np.argmax(values))
        low[column], high[column] = values[least], values[most]
        # The ends of a column too: then a jump between two columns stands upright, and not across one of them.
        here = np.unique(np.array([0, least, most, len(times) - 1]))
        kept.append(times[here])
        found.append(values[here])
    t, y = np.concatenate(kept), np.concatenate(found)
    if end <= STAIRS:
        return Outline(end, low, high, np.stack([t, t + 1], axis=1).ravel(), np.repeat(y, 2))
    return Outline(end, low, high, np.append(t, end), np.append(y, y[-1]))


def marks(events: Sequence[Event], end: int) -> tuple[list[Mark], int]:
    """What happens to a curve, numbered; what happens at one update is one mark.

    Args:
        events: of the curve, in order.
        end: number of updates shown.

    Returns:
        The first few, and how many more there are. The beginning and the end of the run are no news.

    Example:
        >>> import cadence as cd
        >>> curve = cd.place("warmup('5%') >> cosine()", total=1000)
        >>> marks(curve.events, 1000)
        ([Mark(number=1, t=50, text='warmup ends; cosine')], 0)
    """
    texts: dict[int, list[str]] = {}
    for event in events:
        if 0 < event.t < end and event.kind != "end":
            plain = event.kind in {"phase", event.text}
            texts.setdefault(event.t, []).append(event.text if plain else f"{event.kind} ({event.text})")
    # The end of one phase is told before the beginning of the next.
    made = [
        Mark(number, t, "; ".join(sorted(dict.fromkeys(said), key=lambda text: not text.endswith("ends"))))
        for number, (t, said) in enumerate(texts.items(), 1)
    ]
    return made[:MOST_EVENTS], max(0, len(made) - MOST_EVENTS)


def _near_events(curve: Curve, end: int) -> npt.NDArray[np.int64]:
    times = np.array([event.t + step for event in curve.events for step in (-1, 0, 1)], dtype=np.int64)
    return np.unique(times[(times >= 0) & (times < end)])
