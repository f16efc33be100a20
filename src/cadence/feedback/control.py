"""Observations in, decisions and a new curve out: the part of a driver that knows no framework."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, cast

from cadence._errors import FeedbackError, neighbours
from cadence.curve.curve import Curve
from cadence.curve.edits import Entry
from cadence.feedback.rules import Decision, judge, new_state
from cadence.spec.nodes import Plateau

MOST_LOOKS = 1000
"""Looks without consequence that a journal holds. One is taken at every evaluation, and a run may evaluate after every
update: a journal without bound would make each further look, and each checkpoint, dearer than the one before."""


@dataclass(frozen=True)
class Control:
    """A curve with what its rules remember. Pure: `observe` and `noted` return another one.

    Attributes:
        curve: with everything that moves it in its own journal.
        states: one for each rule of the curve.
        begun: whether anything has been observed.
        journal: all entries in order, the last 1,000 looks without consequence (``keep``) among them.
    """

    curve: Curve
    states: tuple[Mapping[str, Any], ...]
    begun: bool
    journal: tuple[Entry, ...]

    @staticmethod
    def over(curve: Curve) -> Control:
        """The control of a curve before its first observation."""
        return Control(curve, tuple(new_state() for _ in curve.rules), False, curve.journal)

    def noted(self, entry: Entry) -> Control:
        """After something that the curve must know: a cut, a change by hand."""
        return replace(self, curve=self.curve.with_entry(entry), journal=(*self.journal, entry))

    def observe(self, metrics: Mapping[str, float], done: int) -> tuple[Control, list[Decision]]:
        """One evaluation, after `done` updates.

        Args:
            metrics: as `numbers` gives them.
            done: updates done; decisions are in force from update `done` on.

        Returns:
            The control afterwards, and one decision for each rule that listens now and found its metric. Where none of
            them acts, the curve is the same object as before.

        Raises:
            FeedbackError: a value that a rule does not accept, or a metric that a rule needs and the first evaluation
                lacks.
        """
        if not self.begun:
            self._check_complete(metrics)
        control, decisions = replace(self, begun=True), list[Decision]()
        for i, placed in enumerate(self.curve.rules):
            if placed.rule.metric not in metrics or not placed.hears(done):
                continue
            value = metrics[placed.rule.metric]
            state, decision = judge(placed.rule, i, control.states[i], value, done, self.curve.horizon)
            control, decision = control._after(i, state, decision)
            decisions.append(decision)
        return control, decisions

    def _after(self, i: int, state: Mapping[str, Any], decision: Decision) -> tuple[Control, Decision]:
        remembering = replace(self, states=(*self.states[:i], state, *self.states[i + 1 :]))
        if decision.kind == "keep":
            return replace(remembering, journal=_looked(self.journal, decision.to_json())), decision
        if isinstance(self.curve.rules[i].rule, Plateau):
            told = _change(self.curve, self.curve.with_entry(decision.to_json()), decision.t)
            decision = replace(decision, sentence=f"{decision.sentence} {told}")
        return remembering.noted(decision.to_json()), decision

    def _check_complete(self, metrics: Mapping[str, float]) -> None:
        for placed in self.curve.rules:
            if placed.rule.metric not in metrics:
                told = neighbours(placed.rule.metric, metrics) if metrics else "nothing was reported"
                raise FeedbackError(
                    f"{placed.rule} needs {placed.rule.metric!r}, which the first evaluation does not report; {told}"
                )


def numbers(metrics: Mapping[str, Any]) -> dict[str, float]:
    """Metrics as floats.

    Args:
        metrics: name -> anything that `float` takes, tensors included.

    Raises:
        FeedbackError: something that is no number.

    Example:
        >>> numbers({"val_loss": "0.5"})
        Traceback (most recent call last):
        cadence._errors.FeedbackError: the metric 'val_loss' is '0.5'; report a number
    """
    return {name: _number(name, x) for name, x in metrics.items()}


def _number(name: str, x: Any) -> float:
    # Text would be taken by `float`, and a log that was not parsed would go unnoticed.
    if not isinstance(x, (str, bytes)):
        try:
            return float(x)
        except (TypeError, ValueError, OverflowError, RuntimeError):
            pass
    raise FeedbackError(f"the metric {name!r} is {x!r:.60}; report a number")


def _looked(journal: tuple[Entry, ...], entry: Entry) -> tuple[Entry, ...]:
    """The journal with one more look, and without the oldest one where there are enough."""
    if len(journal) < MOST_LOOKS:
        return (*journal, entry)
    looks = sum(e["kind"] == "keep" for e in journal)
    if looks < MOST_LOOKS:
        return (*journal, entry)
    oldest = next(i for i, e in enumerate(journal) if e["kind"] == "keep")
    return (*journal[:oldest], *journal[oldest + 1 :], entry)


def _change(before: Curve, after: Curve, t: int) -> str:
    """What a cut does to the first value it touches, in words."""
    for g, value in before.pairs:
        old, new = (c.at(t, group=g, value=value) for c in (before, after))
        if old != new:
            return f"{value} {old:.6g} -> {new:.6g}."
    g, value = before.pairs[0]
    return f"{value} stays at {before.at(t, group=g, value=value):.6g}: it is at its minimum, or the change would be too small."


def observations(metrics: Any, rules: Sequence[Any]) -> list[dict[str, float]]:
    """A log in any of its usual forms as one mapping for each evaluation.

    Args:
        metrics: a sequence of numbers (for rules that all watch one metric), a sequence of mappings, or a mapping from
            name to sequence.
        rules: the placed rules that will read it.

    Raises:
        FeedbackError: numbers without a name where several metrics are watched, columns of different length, or
            something that is no number.

    Example:
        >>> import cadence as cd
        >>> rules = cd.place("constant() * plateau('val_loss')").rules
        >>> observations([0.5, 0.4], rules) == observations({"val_loss": [0.5, 0.4]}, rules)
        True
    """
    if isinstance(metrics, Mapping):
        return _of_columns({str(k): list(v) for k, v in cast("Mapping[Any, Any]", metrics).items()})
    rows: list[Any] = list(metrics)
    if all(isinstance(row, Mapping) for row in rows):
        return [numbers(row) for row in rows]
    names = list(dict.fromkeys(r.rule.metric for r in rules))
    if len(names) != 1 or any(isinstance(row, Mapping) for row in rows):
        raise FeedbackError(
            f"the schedule watches {', '.join(names) or 'nothing'}; give the log as {{name: numbers}}, or a mapping for "
            f"each evaluation"
        )
    return [numbers({names[0]: x}) for x in rows]


def _of_columns(columns: dict[str, list[Any]]) -> list[dict[str, float]]:
    lengths = {len(column) for column in columns.values()}
    if len(lengths) > 1:
        told = ", ".join(f"{name} {len(column)}" for name, column in columns.items())
        raise FeedbackError(f"the columns of the log differ in length ({told}); give each the same number of rows")
    rows = range(lengths.pop() if lengths else 0)
    return [numbers({name: column[i] for name, column in columns.items()}) for i in rows]
