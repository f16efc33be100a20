"""What a rule would have done on a log."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from cadence._errors import FeedbackError, HorizonError
from cadence.curve.curve import Curve, Floats
from cadence.curve.horizon import horizon, round_half_up
from cadence.curve.place import Bases, as_plan, place
from cadence.feedback.control import Control, observations
from cadence.feedback.ending import cooled_until
from cadence.feedback.rules import Decision
from cadence.spec.nodes import EarlyStop, Plateau, Schedule, walk
from cadence.spec.plan import Plan
from cadence.spec.span import SpanLike, span


@dataclass(frozen=True)
class Replay:
    """The values that rules would have produced.

    Attributes:
        values: float64 [observations + 1]; value i is in force after i observations.
        decisions: one for each observation and rule that listened, in order.
        curve: with all cuts and stops in its journal.
        stopped: number of observations after which a rule had ended the run, and the cooldown that it may have asked
            for was over: `should_stop` of a driver is true from that observation on. None where the log does not go as
            far; a cooldown that it sees the beginning of ends at ``curve.total``.
    """

    values: Floats
    decisions: tuple[Decision, ...]
    curve: Curve
    stopped: int | None

    @property
    def cuts(self) -> list[Decision]:
        """The decisions that cut."""
        return [d for d in self.decisions if d.kind == "cut"]

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Floats:
        """The values, so that `numpy.asarray(replay(...))` and a plot take it as it is."""
        return np.array(self.values, dtype=dtype, copy=copy)

    def __len__(self) -> int:
        return len(self.values)

    def __getitem__(self, i: Any) -> Any:
        return self.values[i]

    def __str__(self) -> str:
        return "\n".join(d.sentence for d in self.decisions)


def replay(
    schedule: Schedule | Plan | str | Mapping[str, Any],
    metrics: Any,
    *,
    base: Bases = 1.0,
    every: SpanLike = 1,
    total: SpanLike | None = None,
    steps_per_epoch: int | None = None,
    batch_size: int | None = None,
    tokens_per_step: int | None = None,
) -> Replay:
    """Show what the rules of a schedule would have done on a log.

    Args:
        schedule: with at least one rule.
        metrics: the log: numbers in order, mappings in order, or a mapping from name to numbers.
        base: as for `place`.
        every: distance between two observations: updates, at least 1, or text with a unit, e.g. ``"1 epoch"``.
        total, steps_per_epoch, batch_size, tokens_per_step: the run, as for `place`; the total is the log's length
            where the schedule needs one and none is given.

    Returns:
        Values, decisions and the curve.

    Raises:
        FeedbackError: no rule in the schedule, or a log that its rules cannot use.
        HorizonError: see `place`.

    Example:
        >>> import cadence as cd
        >>> rule = cd.constant() * cd.plateau("val_loss", factor=0.5, patience=4)
        >>> seen = replay(rule, [0.5, 0.45, 0.4, 0.35, 0.3] + [0.3] * 5, base=0.01)
        >>> seen.values[-2:].tolist(), len(seen.cuts)
        ([0.01, 0.005], 1)
    """
    plan = as_plan(schedule)
    rules = [node for _, part in plan.entries for node in walk(part) if isinstance(node, (Plateau, EarlyStop))]
    if not rules:
        raise FeedbackError(f"{schedule} has no rule to replay; write e.g. constant() * plateau('val_loss')")
    gap = round_half_up(horizon(None, steps_per_epoch, batch_size, tokens_per_step).updates(span(every, "every")))
    if gap < 1:
        raise HorizonError(f"every={every!r} is no update; observations lie at least one update apart")
    rows = observations(metrics, [rule.metric for rule in rules])

    def placed(total: SpanLike | None) -> Curve:
        return place(
            plan, total=total, steps_per_epoch=steps_per_epoch, batch_size=batch_size, tokens_per_step=tokens_per_step,
            base=base,
        )  # fmt: skip

    try:
        curve = placed(total)
    except HorizonError:
        if total is not None:
            raise
        curve = placed(max(len(rows) * gap, 1))
    control, decisions, stopped = Control.over(curve), list[Decision](), None
    for i, row in enumerate(rows, start=1):
        control, made = control.observe(row, i * gap)
        decisions += made
        if stopped is None and (any(d.kind == "stop" for d in made) or i * gap >= cooled_until(control.curve)):
            stopped = i
    # What comes later governs later updates only, so the curve at the end has all values.
    values = control.curve.at(np.arange(len(rows) + 1) * gap)
    return Replay(values, tuple(decisions), control.curve, stopped)
