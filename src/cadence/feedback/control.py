"""Observations in, decisions and a new curve out: the part of a driver that knows no framework."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from cadence._errors import FeedbackError, neighbours
from cadence.curve.curve import Curve
from cadence.feedback.rules import Decision, judge, new_state
from cadence.spec.nodes import Plateau


@dataclass(frozen=True)
class Control:
    """A curve with what its rules remember. Pure: `observe` returns another one.

    Attributes:
        curve: with the decisions so far in its journal.
        states: one for each rule of the curve.
        begun: whether anything has been observed.
    """

    curve: Curve
    states: tuple[Mapping[str, Any], ...]
    begun: bool

    @staticmethod
    def over(curve: Curve) -> Control:
        """The control of a curve before its first observation."""
        return Control(curve, tuple(new_state() for _ in curve.rules), False)

    def observe(self, metrics: Mapping[str, Any], done: int) -> tuple[Control, list[Decision]]:
        """One evaluation, after `done` updates.

        Args:
            metrics: name -> number (anything that `float` takes).
            done: updates done; decisions are in force from update `done` on.

        Returns:
            The control afterwards, and one decision for each rule that listens now and found its metric.

        Raises:
            FeedbackError: a metric that is no number, one that a rule does not accept, or one that a rule needs and the
                first evaluation lacks.
        """
        numbers = {name: _number(name, x) for name, x in metrics.items()}
        if not self.begun:
            self._check_complete(numbers)
        control, decisions = replace(self, begun=True), list[Decision]()
        for i, placed in enumerate(self.curve.rules):
            if placed.rule.metric not in numbers or not placed.hears(done):
                continue
            value = numbers[placed.rule.metric]
            state, decision = judge(placed.rule, i, control.states[i], value, done, self.curve.horizon)
            control, decision = control._after(i, state, decision)
            decisions.append(decision)
        return control, decisions

    def _after(self, i: int, state: Mapping[str, Any], decision: Decision) -> tuple[Control, Decision]:
        states = (*self.states[:i], state, *self.states[i + 1 :])
        curve = self.curve.with_entry(decision.to_json())
        if isinstance(self.curve.rules[i].rule, Plateau) and decision.kind == "cut":
            decision = replace(decision, sentence=f"{decision.sentence} {_change(self.curve, curve, decision.t)}")
            curve = self.curve.with_entry(decision.to_json())
        return Control(curve, states, self.begun), decision

    def _check_complete(self, metrics: Mapping[str, float]) -> None:
        for placed in self.curve.rules:
            if placed.rule.metric not in metrics:
                told = neighbours(placed.rule.metric, metrics) if metrics else "nothing was reported"
                raise FeedbackError(f"{placed.rule} needs {placed.rule.metric!r}, which the first evaluation does not report; {told}")


def _number(name: str, x: Any) -> float:
    try:
        return float(x)
    except (TypeError, ValueError, OverflowError):
        raise FeedbackError(f"the metric {name!r} is {x!r:.60}; report a number") from None


def _change(before: Curve, after: Curve, t: int) -> str:
    """What a cut does to the first value it touches, in words."""
    for g, value in before.pairs:
        old, new = (c.at(t, group=g, value=value) for c in (before, after))
        if old != new:
            return f"{value} {old:.6g} -> {new:.6g}."
    g, value = before.pairs[0]
    return f"{value} stays at {before.at(t, group=g, value=value):.6g}, its minimum."


def observations(metrics: Any, rules: Sequence[Any]) -> list[dict[str, float]]:
    """A log in any of its usual forms as one mapping for each evaluation.

    Args:
        metrics: a sequence of numbers (for rules that all watch one metric), a sequence of mappings, or a mapping from
            name to sequence.
        rules: the placed rules that will read it.

    Raises:
        FeedbackError: numbers without a name where several metrics are watched, or columns of different length.
    """
    names = list(dict.fromkeys(r.rule.metric for r in rules))
    if isinstance(metrics, Mapping):
        columns = {str(k): list(v) for k, v in metrics.items()}
        lengths = {len(v) for v in columns.values()}
        if len(lengths) > 1:
            raise FeedbackError(f"the columns of the log differ in length: {sorted(lengths)}; give each the same number of rows")
        return [{k: columns[k][i] for k in columns} for i in range(lengths.pop() if lengths else 0)]
    rows = list(metrics)
    if all(isinstance(row, Mapping) for row in rows):
        return [dict(row) for row in rows]
    if len(names) != 1:
        raise FeedbackError(f"the schedule watches {len(names)} metrics ({', '.join(names) or 'none'}); give the log as {{name: values}}")
    return [{names[0]: _number(names[0], x)} for x in rows]


