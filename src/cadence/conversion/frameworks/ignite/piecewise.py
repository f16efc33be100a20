"""Straight lines between given points."""

from __future__ import annotations

import numbers
from collections.abc import Sequence
from typing import Any

from cadence._errors import ConversionError
from cadence.conversion.definition import native
from cadence.conversion.frameworks.ignite.governed import governed, values
from cadence.conversion.setting import Setting
from cadence.spec.constructors.phases import constant, piecewise, ramp
from cadence.spec.nodes import Schedule
from cadence.spec.plan import Plan
from cadence.spec.shown import shown


@native("ignite", "ignite.handlers.param_scheduler.PiecewiseLinear")
def piecewise_linear(
    on: Setting,
    param_name: str,
    milestones_values: Sequence[tuple[int, float]],
    save_history: bool = False,
    param_group_index: int | None = None,
) -> Schedule | Plan:
    """From point to point in straight lines; before the first and after the last its value holds."""
    return governed(on, param_name, param_group_index, lines(on, param_name, points_of(milestones_values)))


def points_of(milestones_values: Any) -> list[tuple[int, float]]:
    """The points, as ignite checks them."""
    if not isinstance(milestones_values, Sequence) or isinstance(milestones_values, str):
        raise ConversionError(f"milestones_values is a list of pairs (event, value), not {shown(milestones_values)}")
    if not milestones_values:
        raise ConversionError("milestones_values is empty; write at least one pair (event, value)")
    points: list[tuple[int, float]] = []
    for pair in milestones_values:  # pyright: ignore[reportUnknownVariableType]
        if not isinstance(pair, tuple) or len(pair) != 2:  # pyright: ignore[reportUnknownArgumentType]
            raise ConversionError(f"a point of milestones_values is a tuple (event, value), not {shown(pair)}")  # pyright: ignore[reportUnknownArgumentType]
        event, value = pair  # pyright: ignore[reportUnknownVariableType]
        if not isinstance(event, numbers.Integral):
            raise ConversionError(f"an event of milestones_values is a whole number, not {shown(event)}")  # pyright: ignore[reportUnknownArgumentType]
        if points and event < points[-1][0]:
            raise ConversionError(
                f"the events of milestones_values must rise, and {event} comes after {points[-1][0]}; put them in order"
            )
        points.append((int(event), float(value)))  # pyright: ignore[reportUnknownArgumentType]
    return points


def lines(on: Setting, param_name: str, points: Sequence[tuple[int, float]]) -> Schedule:
    """The lines as a schedule."""
    points = from_zero(points)
    numbered = values(on, param_name, points[0][1], *(v for _, v in points))[1:]
    if len(points) == 1:
        return constant(start=numbered[0])
    if len(points) == 2 and points[0][0] == 0 and points[1][0] > 0:
        # Past its end a phase keeps its last value, as the last line does.
        return ramp(on.span(points[1][0]), shape="linear", start=numbered[0], to=numbered[1])
    places = [(on.span(m), v) for (m, _), v in zip(points, numbered, strict=True)]
    return piecewise(places, shape="linear", local=on.local)


def from_zero(points: Sequence[tuple[int, float]]) -> list[tuple[int, float]]:
    """The same points from event 0 on; what lies before is no event."""
    kept = [p for p in points if p[0] >= 0]
    if len(kept) == len(points):
        return list(points)
    if not kept:
        return [(0, points[-1][1])]
    (a, start), (b, to) = points[len(points) - len(kept) - 1], kept[0]
    return kept if b == 0 else [(0, start + (to - start) * (0 - a) / (b - a)), *kept]
