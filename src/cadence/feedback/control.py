"""Observations in, decisions and a new curve out: the part of a driver that knows no framework."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, cast

from cadence._errors import FeedbackError, neighbours
from cadence.curve.curve import Curve
from cadence.curve.edits import Entry, unstretched
from cadence.feedback.ending import ended
from cadence.feedback.rules import Decision, judge, new_state
from cadence.spec.nodes import EarlyStop

LONGEST_JOURNAL = 1000
"""Entries beyond which the oldest look without consequence (``keep``) is forgotten for each new one. A look is taken at
every evaluation, and a run may evaluate after every update: a journal without bound would make each look, and each
checkpoint, dearer than the one before. What has moved something is never forgotten."""


@dataclass(frozen=True)
class Control:
    """A curve with what its rules remember. Pure: `observe` and `noted` return another one.

    Attributes:
        curve: with everything that moves it in its own journal.
        states: one for each rule of the curve.
        begun: whether anything has been observed.
        journal: all entries in order, the latest looks without consequence (``keep``) among them.
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
        return replace(self, curve=self.curve.with_entry(entry), journal=_longer(self.journal, entry))

    def observe(self, metrics: Mapping[str, Any], done: int) -> tuple[Control, list[Decision]]:
        """One evaluation, after `done` updates.

        Args:
            metrics: name -> number; those that no rule watches are passed over.
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
        # Rules lie where the schedule was placed; a stretch since then has slowed the clock (and rounded it).
        where = round(unstretched(done, self.curve.acting), 6)
        for i, placed in enumerate(self.curve.rules):
            if placed.rule.metric not in metrics or not placed.hears(where):
                continue
            value = metrics[placed.rule.metric]
            state, decision = judge(placed.rule, i, control.states[i], value, done, self.curve.units)
            control, decision = control._after(i, state, decision)
            decisions.append(decision)
        return control, decisions

    def _after(self, i: int, state: Mapping[str, Any], decision: Decision) -> tuple[Control, Decision]:
        remembering = replace(self, states=(*self.states[:i], state, *self.states[i + 1 :]))
        if decision.kind == "keep":
            return replace(remembering, journal=_longer(self.journal, decision.to_json())), decision
        rule = self.curve.rules[i].rule
        if isinstance(rule, EarlyStop):
            decision = ended(self.curve, rule, decision)
            if decision.kind == "keep":
                return replace(remembering, journal=_longer(self.journal, decision.to_json())), decision
        else:
            told = _change(self.curve, self.curve.with_entry(decision.to_json()), decision.t)
            decision = replace(decision, sentence=f"{decision.sentence} {told}")
        return remembering.noted(decision.to_json()), decision

    def _check_complete(self, metrics: Mapping[str, Any]) -> None:
        for placed in self.curve.rules:
            if placed.rule.metric not in metrics:
                told = neighbours(placed.rule.metric, metrics) if metrics else "nothing was reported"
                raise FeedbackError(
                    f"{placed.rule} needs {placed.rule.metric!r}, which the first evaluation does not report; {told}"
                )


def as_numbers(metrics: Mapping[str, Any]) -> dict[str, float]:
    """Metrics as floats.

    Args:
        metrics: name -> anything that `float` takes, tensors included.

    Raises:
        FeedbackError: something that is no number.

    Example:
        >>> as_numbers({"val_loss": "0.5"})
        Traceback (most recent call last):
        cadence._errors.FeedbackError: the metric 'val_loss' is '0.5'; report a number
    """
    return {name: _number(name, x) for name, x in metrics.items()}


def _number(name: str, x: Any) -> float:
    # Text would be taken by `float`, and a log that was not parsed would go unnoticed.
    if not isinstance(x, (str, bytes)):
        try:
            # A loss may still hold on to its graph.
            return float(x.detach() if hasattr(x, "detach") else x)
        except (TypeError, ValueError, OverflowError, RuntimeError):
            pass
    raise FeedbackError(f"the metric {name!r} is {x!r:.60}; report a number")


def _longer(journal: tuple[Entry, ...], entry: Entry) -> tuple[Entry, ...]:
    """The journal with one more entry; where it is long, the oldest look goes."""
    if len(journal) >= LONGEST_JOURNAL:
        oldest = next((i for i, e in enumerate(journal) if e["kind"] == "keep"), len(journal))
        journal = (*journal[:oldest], *journal[oldest + 1 :])
    return (*journal, entry)


def _change(before: Curve, after: Curve, t: int) -> str:
    """What a cut does to the first value it touches, in words."""
    for g, value in before.pairs:
        old, new = (c.at(t, group=g, value=value) for c in (before, after))
        if old != new:
            return f"{value} {old:.6g} -> {new:.6g}."
    g, value = before.pairs[0]
    now = before.at(t, group=g, value=value)
    return f"{value} stays at {now:.6g}: it is at its minimum, or the change would be too small."


def observations(metrics: Any, watched: Iterable[str]) -> list[Mapping[str, Any]]:
    """A log in any of its usual forms as one mapping for each evaluation.

    Args:
        metrics: a sequence of numbers (for rules that all watch one metric), a sequence of mappings, or a mapping from
            name to sequence. Columns that no rule watches may hold anything; None is what was not measured.
        watched: names of the metrics that rules will read.

    Raises:
        FeedbackError: numbers without a name where several metrics are watched, columns of different length, or
            something that is no number.

    Example:
        >>> observations({"val_loss": [0.5, 0.4], "host": ["a", "b"]}, ["val_loss"])
        [{'val_loss': 0.5, 'host': 'a'}, {'val_loss': 0.4, 'host': 'b'}]
        >>> observations([0.5, None], ["val_loss"])
        [{'val_loss': 0.5}, {}]
    """
    names = list(dict.fromkeys(watched))
    return [{**row, **as_numbers({k: row[k] for k in names if k in row})} for row in _rows(metrics, names)]


def _rows(metrics: Any, watched: Sequence[str]) -> list[dict[str, Any]]:
    if isinstance(metrics, Mapping):
        columns = {str(k): list(v) for k, v in cast("Mapping[Any, Any]", metrics).items()}
        lengths = {name: len(column) for name, column in columns.items()}
        if len(set(lengths.values())) > 1:
            told = ", ".join(f"{name} {n}" for name, n in lengths.items())
            raise FeedbackError(f"the columns of the log differ in length ({told}); give each the same number of rows")
        return [_measured(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
    rows: list[Any] = list(metrics)
    if all(isinstance(row, Mapping) for row in rows):
        return [_measured(row.items()) for row in rows]
    if len(watched) != 1 or any(isinstance(row, Mapping) for row in rows):
        raise FeedbackError(
            f"the schedule watches {', '.join(watched)}; give the log as {{name: numbers}}, or as a list of mappings"
        )
    return [_measured([(watched[0], x)]) for x in rows]


def _measured(cells: Iterable[tuple[Any, Any]]) -> dict[str, Any]:
    return {str(name): x for name, x in cells if x is not None}
