"""A curve in words and numbers."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from cadence.curve.placed import Event

if TYPE_CHECKING:
    from cadence.curve.curve import Curve

MOST_LINES = 12


def describe(curve: Curve) -> str:
    """The curve in words: the plan, what happens when, the peak, the end; one paragraph for each value and group.

    Example:
        >>> import cadence as cd
        >>> print(cd.place("warmup('5%') >> cosine(to=0.01)", total=1000, base=0.1).describe())
        warmup('5%') >> cosine(to=0.01)
        lr over 1000 updates: 0.001 at update 0, at its highest 0.1 at update 50, 0.0010003 at the last update,
        0.001 afterwards.
          update 0 to 49: warmup, from 0.001 to 0.098
          update 50 to 999: cosine, from 0.1 to 0.001
        The mean is 0.0505, half of the peak is last exceeded at update 528.
    """
    return "\n".join(_paragraph(curve, g, value) for g, value in _distinct(curve))


def _distinct(curve: Curve) -> list[tuple[int, str]]:
    """One pair for each schedule and base: groups that do the same are told of once."""
    seen: dict[tuple[int | None, str, float | None], tuple[int, str]] = {}
    for g, value in curve.pairs:
        seen.setdefault((curve.plan.governing(curve.groups[g], value), value, curve.bases[value][g]), (g, value))
    return list(seen.values())


def _paragraph(curve: Curve, g: int, value: str) -> str:
    entry = curve.plan.governing(curve.groups[g], value)
    assert entry is not None
    end = curve.end
    where = f"{value} of group {curve.groups[g]!r}" if len(curve.groups) > 1 else value
    lines = [repr(curve.plan.entries[entry][1])]
    if end is None:
        first = curve.at(0, group=g, value=value)
        lines.append(f"{where}, for as long as the run goes on: {first:.5g} at update 0.")
    else:
        lines.append(_summary(curve, g, value, where, end))
    events = curve.placed[entry].events_before(end)
    lines += _phases(curve, g, value, events, end)
    if end is not None:
        lines.append(_shares(curve, g, value, end))
    return "\n".join(lines)


def _summary(curve: Curve, g: int, value: str, where: str, end: int) -> str:
    highest, at = _peak(curve, g, value, end)
    first, last, after = (curve.at(t, group=g, value=value) for t in (0, end - 1, end))
    return (
        f"{where} over {end} updates: {first:.5g} at update 0, at its highest {highest:.5g} at update {at}, "
        f"{last:.5g} at the last update, {after:.5g} afterwards."
    )


def _phases(curve: Curve, g: int, value: str, events: list[Event], end: int | None) -> list[str]:
    lines: list[str] = []
    changes = [e for e in events if e.kind != "warmup ends"]
    for event, following in pairwise([*changes, Event(end if end is not None else -1, "end", "")]):
        if len(lines) == MOST_LINES:
            lines.append(f"  and {len(changes) - MOST_LINES} more changes like these")
            break
        name = event.text if event.kind == "phase" else f"{event.kind} ({event.text})"
        first = curve.at(event.t, group=g, value=value)
        if following.t < 0:
            lines.append(f"  from update {event.t} on: {name}, from {first:.3g}")
        elif following.t > event.t:
            last = curve.at(following.t - 1, group=g, value=value)
            course = f"{first:.3g}" if last == first else f"from {first:.3g} to {last:.3g}"
            lines.append(f"  update {event.t} to {following.t - 1}: {name}, {course}")
    return lines


def _shares(curve: Curve, g: int, value: str, end: int) -> str:
    times = np.unique(np.linspace(0, end - 1, min(end, 100_000)).astype(np.int64))
    values = curve.at(times, group=g, value=value)
    high = times[values > values.max() / 2]
    half = f", half of the peak is last exceeded at update {high[-1]}" if high.size else ""
    return f"The mean is {values.mean():.3g}{half}."


def _peak(curve: Curve, g: int, value: str, end: int) -> tuple[float, int]:
    near = [t for e in curve.events[:2000] for t in (e.t - 1, e.t) if 0 <= t < end]
    net = np.linspace(0, end - 1, min(end, 100_000)).astype(np.int64)
    times = np.unique(np.concatenate([net, np.array([*near, 0], dtype=np.int64)]))
    values = curve.at(times, group=g, value=value)
    best = int(np.argmax(values))
    return float(values[best]), int(times[best])
