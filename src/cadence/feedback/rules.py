"""What a rule makes of one observation: pure functions of plain JSON states.

Both rules count alike, as torch's ReduceLROnPlateau does: an observation is better than the best so far by more than
the threshold, or it is a bad one; bad ones beyond the patience lead to the decision, which then starts the count anew.
Two things differ on purpose, unless a rule says otherwise. The threshold is a share of the best's size, so that
negative metrics work (``threshold_mode="signed"``: of the best itself). And a value that is infinite is never an
improvement, not even at the good end, where it would stand for ever as the best (``infinite="best"``: it does).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any, TypeAlias

from cadence._errors import FeedbackError
from cadence.curve.horizon import Horizon
from cadence.feedback.trend import improving
from cadence.spec.nodes import EarlyStop, Plateau, Rule
from cadence.spec.span import Span

State: TypeAlias = Mapping[str, Any]
"""``best``: best so far or None, ``"inf"`` or ``"-inf"`` where it is infinite; ``best_t``: where; ``since``: update
from which patience counts; ``count``: bad observations since; ``bad``: their finite values in order, the last 200 (only
where a trend in them is asked for); ``rest``: observations of cooldown left; ``rest_until``: update until which the
cooldown lasts."""

MOST_KEPT = 200


@dataclass(frozen=True)
class Decision:
    """What a rule decided on one observation, and why.

    Attributes:
        kind: ``"keep"``, ``"cut"``, ``"stop"``, or ``"cooldown"`` where a stop is a fall of the rate first.
        rule: number of the rule in its plan.
        metric: what was observed.
        value: its value.
        t: the first update that the decision governs.
        sentence: why, in one sentence.
        edit: what it does to the curve beyond its kind: the rest of its entry in the journal.
    """

    kind: str
    rule: int
    metric: str
    value: float
    t: int
    sentence: str
    edit: Mapping[str, Any] = field(default_factory=dict[str, Any])

    def to_json(self) -> dict[str, Any]:
        """The journal's entry; a value that JSON has no number for is None, and the sentence says what it was."""
        value = self.value if math.isfinite(self.value) else None
        return {
            "t": self.t, "kind": self.kind, "rule": self.rule, "metric": self.metric, "value": value,
            "sentence": self.sentence, **self.edit,
        }  # fmt: skip


def new_state() -> dict[str, Any]:
    """The state of a rule that has observed nothing."""
    return {"best": None, "best_t": None, "since": None, "bad": [], "count": 0, "rest": 0, "rest_until": None}


def judge(rule: Rule, index: int, state: State, value: float, t: int, run: Horizon) -> tuple[dict[str, Any], Decision]:
    """One observation.

    Args:
        rule: plateau or early_stop.
        index: its number.
        state: what it remembers.
        value: of its metric.
        t: number of updates done; the decision governs update `t` on.
        run: resolves a patience in epochs.

    Returns:
        The new state and the decision.

    Raises:
        FeedbackError: the value is not a number, and the rule's `nan` says that this is an error.

    Example:
        >>> from cadence.curve.horizon import horizon
        >>> from cadence import plateau
        >>> state, rule = new_state(), plateau("val_loss", factor=0.5, patience=1)
        >>> for t, loss in enumerate([1.0, 1.0, 1.0]):
        ...     state, decision = judge(rule, 0, state, loss, t, horizon())
        >>> decision.kind
        'cut'
    """
    memory = dict(state)

    def decide(kind: str, sentence: str) -> tuple[dict[str, Any], Decision]:
        return memory, Decision(kind, index, rule.metric, value, t, sentence)

    # 1. Not a number.
    if math.isnan(value):
        if rule.nan == "error":
            raise FeedbackError(
                f"{rule.metric} is not a number after {t} updates; look at the training, or say what it means to "
                f"{_name(rule)}: nan='bad' or nan='ignore'"
            )
        if rule.nan == "ignore":
            return decide("keep", f"{_told(rule, value)}, which this rule ignores: no {_deed(rule)}.")
    if isinstance(rule, Plateau) and rule.deaf and _tick_cooldown(memory, t):
        return decide("keep", f"{_told(rule, value)}, and the cooldown is still on, which hears nothing: no cut.")
    # 2. Better than the best so far?
    best = None if memory["best"] is None else float(memory["best"])
    if _better(rule, value, best):
        # JSON has no number for what is infinite.
        memory.update(best=value if math.isfinite(value) else str(value), best_t=t, since=t, bad=[], count=0)
        _tick_cooldown(memory, t)
        told = "the first observation" if best is None else f"better than the best so far, {best:.6g}"
        return decide("keep", f"{_told(rule, value)} is {told}: no {_deed(rule)}.")
    # 3. A bad one; during a cooldown it does not count.
    if _tick_cooldown(memory, t):
        memory.update(bad=[], count=0, since=t)
        return decide("keep", f"{_told(rule, value)}, no improvement, but the cooldown is still on: no {_deed(rule)}.")
    memory["count"] = memory["count"] + 1
    if rule.significance is not None and math.isfinite(value):
        memory["bad"] = [*memory["bad"], value][-MOST_KEPT:]
    if memory["since"] is None:
        memory["since"] = t
    waited = _waited(rule.patience, memory, t, run)
    about = _about(rule, value, memory)
    if not waited[0]:
        return decide("keep", f"{about}, {waited[1]}: no {_deed(rule)} yet.")
    # 4. Patience is over; is it perhaps still improving, behind the noise?
    if rule.significance is not None:
        p = improving(memory["bad"], rule.mode)
        if p < rule.significance:
            trend = f"but since then it improves by a trend with p = {p:.2g} < {rule.significance:g}"
            return decide("keep", f"{about}, {waited[1]}, {trend}: no {_deed(rule)}.")
    memory.update(bad=[], count=0, since=t)
    if isinstance(rule, EarlyStop):
        return decide("stop", f"{about}, {waited[1]}: stop.")
    _start_cooldown(rule, memory, t, run)
    return decide("cut", f"{about}, {waited[1]}: cut, times {rule.factor:g}.")


def _better(rule: Rule, value: float, best: float | None) -> bool:
    sign = -1.0 if rule.mode == "min" else 1.0
    infinite = rule.infinite if isinstance(rule, Plateau) else "bad"
    if infinite == "first":
        if best is None:
            return True
    elif infinite == "bad":
        if not math.isfinite(value):
            return False
        if best is None:
            return True
    elif best is None:
        # Torch begins with the worst there is, and asks of the first observation what it asks of all.
        best = -sign * math.inf
    if rule.threshold_mode == "abs":
        bound = best + sign * rule.threshold
    else:
        # With the sign of the best: for a positive one the bound is torch's to the bit.
        share = math.copysign(rule.threshold, best) if rule.threshold_mode == "rel" else rule.threshold
        # Paddle adds the share, which to an infinite best leaves no number that anything could be better than.
        bound = best + sign * (best * share) if infinite == "first" else best * (1.0 + sign * share)
    return value < bound if rule.mode == "min" else value > bound


def _told(rule: Rule, value: float) -> str:
    return f"{rule.metric} is not a number" if math.isnan(value) else f"{rule.metric} = {value:.6g}"


def _about(rule: Rule, value: float, memory: State) -> str:
    told = _told(rule, value)
    if memory["best"] is None:
        return f"{told}, and there is no best so far"
    best = f"the best, {float(memory['best']):.6g} after {memory['best_t']} updates"
    if math.isnan(value):
        return f"{told}, against {best}"
    by = f"{rule.threshold:g} of it" if rule.threshold_mode != "abs" else f"{rule.threshold:g}"
    return f"{told} is not {'below' if rule.mode == 'min' else 'above'} {best}, by more than {by}"


def _waited(patience: Span, memory: State, t: int, run: Horizon) -> tuple[bool, str]:
    """Whether more than the patience has passed, and how that is said."""
    if patience.unit == "evaluations":
        bad = f"{memory['count']} without improvement"
        return memory["count"] > patience.amount, f"{bad}, with a patience of {patience!r}"
    borne = run.updates(patience)
    passed = Fraction(t - memory["since"])
    return (
        passed > borne,
        f"{int(passed)} updates without improvement, with a patience of {patience} ({float(borne):g} updates)",
    )


def _tick_cooldown(memory: dict[str, Any], t: int) -> bool:
    """Whether this observation falls into a cooldown; counts it."""
    if memory["rest"] > 0:
        memory["rest"] -= 1
        return True
    return memory["rest_until"] is not None and t <= memory["rest_until"]


def _start_cooldown(rule: Plateau, memory: dict[str, Any], t: int, run: Horizon) -> None:
    if rule.cooldown.unit == "evaluations":
        memory["rest"] = int(rule.cooldown.amount)
    else:
        memory["rest_until"] = t + int(run.updates(rule.cooldown))


def _deed(rule: Rule) -> str:
    return "cut" if isinstance(rule, Plateau) else "stop"


def _name(rule: Rule) -> str:
    return "plateau" if isinstance(rule, Plateau) else "early_stop"
