"""What the schedulers that look like torch's and like paddle's do in the same way."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cadence._errors import DriverError
from cadence.curve.curve import Curve
from cadence.drivers.doors import has_feedback
from cadence.drivers.driver import Reduce
from cadence.drivers.state import checked_same, read_state, saved
from cadence.feedback.control import Control
from cadence.spec.plan import Plan

BLOCK = 512
"""Updates whose values are computed at once."""


def check_use(plan: Plan, schedule: object, *, last_epoch: int, reduce: Reduce | None) -> None:
    """Refuse an argument that the kind of schedule has no use for.

    Args:
        plan: what is followed.
        schedule: the same as it was given.
        last_epoch: the last update that was done, -1 for none.
        reduce: makes metrics the same on every rank.

    Raises:
        DriverError: `reduce` without feedback, or a `last_epoch` with it.
    """
    if not has_feedback(plan):
        if reduce is not None:
            raise DriverError(
                f"reduce= makes metrics the same on every rank, and {schedule} follows none; leave it out"
            )
    elif last_epoch != -1:
        raise DriverError(
            f"a schedule with feedback cannot begin at last_epoch={last_epoch}, which does not tell what it has "
            f"observed; leave it out, and load its state to go on"
        )


def no_metric(got: object, curve: Curve) -> DriverError:
    """The error for something given to `step` of a schedule without feedback."""
    return DriverError(
        f"step() of a schedule without feedback takes no metric, and got {got!r:.60}; leave it out, or write "
        f"{curve.spec} * plateau('val_loss') if a metric shall govern"
    )


def named(metrics: Any, curve: Curve) -> Mapping[str, Any]:
    """Metrics by name: one number belongs to the one that the rules watch.

    Raises:
        DriverError: one number, and several are watched.
    """
    if isinstance(metrics, Mapping):
        return metrics
    names = list(dict.fromkeys(r.rule.metric for r in curve.rules))
    if len(names) != 1:
        raise DriverError(
            f"the schedule watches {', '.join(names)}; report them by name: step({{{names[0]!r}: ..., ...}})"
        )
    return {names[0]: metrics}


def closed_state(curve: Curve, update: int) -> dict[str, Any]:
    """The state of a schedule without feedback: plain JSON data, enough by itself."""
    return saved(Control.over(curve), max(update, 0))


def curve_of(state: Mapping[str, Any], here: Curve) -> Curve:
    """The curve of a saved state.

    Raises:
        StateError: not such a state, or one of another schedule or length.
    """
    then, _ = read_state(state, here)
    checked_same(then.curve, here, None)
    return then.curve
