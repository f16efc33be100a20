"""Waypoints: `"0:0.1, 50:0.1, 100:0.01"`."""

from __future__ import annotations

import math

from cadence._errors import SpecError
from cadence.findings.course import Waypoint


def waypoints(text: str) -> tuple[Waypoint, ...]:
    """Read waypoints of the rate.

    Args:
        text: pairs of a time, in the scheduler's own steps, and the rate there, separated by commas.

    Returns:
        In the order given.

    Raises:
        SpecError: a pair that is no time and rate.

    Example:
        >>> [(w.t, w.value) for w in waypoints("0:0.1, 100:0.01")]
        [(0, 0.1), (100, 0.01)]
    """
    found: list[Waypoint] = []
    for pair in text.split(","):
        time, colon, value = pair.partition(":")
        try:
            point = Waypoint(int(time), float(value))
        except ValueError:
            point = None
        if point is None or not (colon and point.t >= 0 and point.value >= 0 and math.isfinite(point.value)):
            raise SpecError(
                f"{pair.strip()!r:.60} is no waypoint; write a time from 0 and the rate there: "
                f"'0:0.1, 50:0.1, 100:0.01'"
            )
        found.append(point)
    return tuple(found)
