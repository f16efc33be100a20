"""The journal's entry of a cooldown: from where the values stand down to an end, which is that of the run."""

from __future__ import annotations

from typing import Any

from cadence.curve.curve import Curve

SHAPE = "1-sqrt"
"""Along which a rate falls where nothing else is said (Hägele et al. 2024, arXiv:2405.18392, figure 5)."""


def leading(curve: Curve) -> list[str]:
    """What is warmed up and cooled down: the rate, or the plan's first value."""
    values = curve.plan.values()
    return ["lr"] if "lr" in values else values[:1]


def cooling(curve: Curve, now: int, updates: int, to: float = 0.0, shape: str = SHAPE) -> dict[str, Any]:
    """What the entry of a cooldown says beyond its `t`, `kind` and `sentence`; see `cadence.curve.edits`.

    Args:
        curve: of the run.
        now: the first update that it governs.
        updates: that it takes, at least 1.
        to: its end, a multiple of the base.
        shape: along which it falls.
    """
    return {"updates": updates, "to": to, "shape": shape, "values": leading(curve), "total": now + updates}
