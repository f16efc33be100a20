"""What the end of a run is to be where a rule stops it: at once, or after a fall of the rate; and what either costs."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from cadence.curve.cooling import SHAPE, cooling, leading
from cadence.curve.curve import Curve
from cadence.curve.horizon import round_half_up
from cadence.feedback.rules import Decision
from cadence.spec.nodes import EarlyStop

LOW = 0.05
"""Share of its peak below which a rate has fallen: what is left to gain by a cooldown is next to nothing."""

OFFERED = 0.1
"""Share of the run that a cooldown is offered over (Hägele et al. 2024, arXiv:2405.18392: 10 to 20 %)."""

MOST_LOOKED_AT = 2000


def ended(curve: Curve, rule: EarlyStop, stop: Decision) -> Decision:
    """The decision to stop, as the rule wants the end to be, with both choices in its sentence.

    Args:
        curve: of the run.
        rule: that has decided.
        stop: its decision.

    Returns:
        A ``stop``; a ``cooldown``, whose `edit` bends the curve and ends the run; or a ``keep`` where such a cooldown
        is going on already.
    """
    now = stop.t
    left = None if curve.total is None else curve.total - now
    if rule.cooldown is not None:
        if any(e["kind"] == "cooldown" for e in curve.acting):
            told = f"but the run is cooling down already and ends at update {curve.total}"
            return replace(stop, kind="keep", sentence=f"{stop.sentence.removesuffix(': stop.')}, {told}.")
        n = max(1, round_half_up(curve.units.updates(rule.cooldown)))
        n = n if left is None else min(n, left)
        if n > 0 and _rate(curve, now) > 0:
            return replace(stop, kind="cooldown", sentence=_cooled(curve, stop, n), edit=cooling(curve, now, n))
    return replace(stop, sentence=_at_once(curve, stop, left))


def cooled_until(curve: Curve) -> float:
    """The end of the run where it is a rule's, after a cooldown; infinite where it is not."""
    by_rule = any(e["kind"] == "cooldown" and "rule" in e for e in curve.acting)
    return math.inf if curve.total is None or not by_rule else curve.total


def _cooled(curve: Curve, stop: Decision, n: int) -> str:
    more = "" if curve.total is None else f", {curve.total - stop.t - n} before the schedule would"
    return (
        f"{stop.sentence.removesuffix(' stop.')} cooldown, {_stands(curve, stop.t)} falls to 0 along {SHAPE} over {n} "
        f"updates, and the run ends at update {stop.t + n}{more}; to stop at once would save these {n} updates and "
        f"give up what the fall brings."
    )


def _at_once(curve: Curve, stop: Decision, left: int | None) -> str:
    """The sentence of a stop, with what it gives away where the rate is still high."""
    if not left or _share(curve, stop.t) <= LOW:
        return stop.sentence
    n = min(left, max(1, round(OFFERED * (stop.t + left))))
    return (
        f"{stop.sentence.removesuffix('.')} at once, from {_stands(curve, stop.t)} and with {left} updates of the "
        f"schedule left; a cooldown to 0 first would take {n} of them (then='cooldown {n} steps')."
    )


def _stands(curve: Curve, t: int) -> str:
    value = leading(curve)[0]
    return f"{value} = {_rate(curve, t):.3g} ({100 * _share(curve, t):.3g} % of its peak)"


def _rate(curve: Curve, t: int) -> float:
    """The highest value of any group: what the others are a share of."""
    value = leading(curve)[0]
    return max(curve.at(t, group=g, value=value) for g, v in curve.pairs if v == value)


def _share(curve: Curve, t: int) -> float:
    """Where the leading value stands, as a share of its highest so far."""
    value = leading(curve)[0]
    times = np.unique(np.linspace(0, t, min(t + 1, MOST_LOOKED_AT)).astype(np.int64))
    shares = [
        curve.at(t, group=g, value=value) / peak
        for g, v in curve.pairs
        if v == value and (peak := float(np.max(curve.at(times, group=g, value=value)))) > 0
    ]
    return max(shares, default=0.0)
