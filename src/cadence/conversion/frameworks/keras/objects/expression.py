"""From a placed curve to the schedule of Keras that gives the same numbers."""

from __future__ import annotations

import math
import re
from dataclasses import replace
from itertools import islice
from typing import Any

import numpy as np

from cadence._errors import ConversionError
from cadence.conversion.arithmetic import tidy
from cadence.conversion.frameworks.keras.schedules import cycling, restarting
from cadence.conversion.native import Native
from cadence.conversion.rates import added, divided, written
from cadence.conversion.view import (
    View,
    changes,
    gamma_of_stair,
    goes_past_its_end,
    jumps,
    lifted,
    scaled,
    the_plateau,
    the_rate,
    unsayable,
)
from cadence.curve.combined import PlacedCut, PlacedPastEnd, PlacedProduct, PlacedSequence, PlacedStaircase, PlacedSum
from cadence.curve.curve import Curve
from cadence.curve.cycles import PlacedGrowing, PlacedRepeat, power_sum
from cadence.curve.placed import (
    Placed,
    PlacedConstant,
    PlacedFormula,
    PlacedGeometric,
    PlacedInverse,
    PlacedPhase,
    PlacedPiecewise,
    PlacedSteps,
)
from cadence.spec.nodes import Plateau
from cadence.spec.value import Absolute, Value

INSTEAD = "use cadence.keras_schedule, which gives Keras any schedule"

MOST_BOUNDARIES = 1000
"""Boundaries that are listed at most: more of them are no readable code."""

NUMBER = r"\(?-?[\d.]+(?:e-?\d+)?\)?"

RESTARTS = re.compile(
    rf"(?P<low>{NUMBER}) \+ (?P<high>{NUMBER}) \* (?:(?P<m>{NUMBER}) \*\* \(.*\) \* )?"
    rf"cos\(pi / 2 \* \(.*?(?P<clock>t|epoch) / (?P<n>{NUMBER})(?P<rest>.*)\)\) \*\* 2"
)
CYCLING = re.compile(
    rf"(?P<last>{NUMBER}) \+ (?P<fall>{NUMBER}) \* "
    rf"\(1 - (?P<clock>t|epoch) / \((?P<n>{NUMBER}) \* max\(.*?, 1\)\)\)(?: \*\* (?P<p>{NUMBER}))?"
)
"""What `schedules` writes as a formula; a match is written again and compared."""


def express(curve: Curve) -> Native:
    """Keras's own equal of a curve.

    Raises:
        ConversionError: which part it has no equal for.
    """
    placed, view = the_rate(curve, "a schedule of Keras")
    if isinstance(placed, PlacedProduct) and placed.rules:
        return _plateau(placed)
    return _native(placed, view)


def _schedule(name: str, arguments: dict[str, Any]) -> Native:
    return Native("keras", name, arguments)


def _native(placed: Placed, view: View) -> Native:
    match placed:
        case PlacedConstant(value=value):
            return _constant(view.value(value))
        case PlacedPhase():
            return _phase(placed, view)
        case PlacedGeometric(gamma=gamma, every=every):
            return _exponential(placed, view, gamma, every, staircase=False)
        case PlacedInverse():
            return _inverse(placed, view, staircase=False)
        case PlacedSteps() | PlacedPiecewise():
            return _in_pieces(placed, view)
        case PlacedSequence():
            return _sequence(placed, view)
        case PlacedProduct() | PlacedSum():
            found = lifted(placed, view) if isinstance(placed, PlacedSum) else scaled(placed, view)
            if found is None:
                raise _cannot(placed, "is made of schedules that both move, and Keras multiplies and adds none")
            part, seen = found
            return _constant(seen.shift) if part is None else _native(part, seen)
        case PlacedPastEnd():
            return _past_end(placed, view)
        case PlacedRepeat() | PlacedGrowing():
            return _restarts(placed, view)
        case PlacedCut(inner=inner) if placed.end is None or (view.end is not None and placed.end >= view.end):
            return _native(inner, view)
        case PlacedStaircase(inner=inner):
            return _stairs(placed, inner, view)
        case PlacedFormula():
            return _formula(placed, view)
        case _:
            raise _cannot(placed, "has no equal there")


def _constant(value: float) -> Native:
    return _schedule("ExponentialDecay", {"initial_learning_rate": value, "decay_steps": 1, "decay_rate": 1.0})


def _phase(placed: PlacedPhase, view: View) -> Native:
    start, to = view.value(placed.start), view.value(placed.to)
    n = placed.end - placed.begin - placed.closed
    if n == 0 or start == to:
        return _constant(to)
    match placed.shape.name:
        case "cosine" if start > 0:
            alpha = {"alpha": divided(to, start)} if to else {}
            return _schedule("CosineDecay", {"initial_learning_rate": start, "decay_steps": n, **alpha})
        case "cosine":
            raise _cannot(placed, "rises from 0 along a cosine, and Keras's are multiples of where they begin")
        case "linear" | "power" as name:
            power = {"power": placed.parameters["exponent"]} if name == "power" else {}
            arguments = {"initial_learning_rate": start, "decay_steps": n, "end_learning_rate": to}
            return _schedule("PolynomialDecay", {**arguments, **power})
        case "exponential" if not view.shift and view.end is not None and view.end <= placed.end:
            arguments = {"initial_learning_rate": start, "decay_steps": n, "decay_rate": to / start}
            return _schedule("ExponentialDecay", arguments)
        case name:
            raise _cannot(placed, f"runs along {name!r} and stays at its end, which no schedule of Keras does")


def _exponential(
    placed: PlacedGeometric, view: View, gamma: float, every: tuple[int, int], *, staircase: bool
) -> Native:
    _endless(placed, view)
    p, q = every
    arguments = {"initial_learning_rate": view.value(placed.start), "decay_steps": p if q == 1 else p / q}
    stairs = {"staircase": True} if staircase else {}
    return _schedule("ExponentialDecay", {**arguments, "decay_rate": gamma, **stairs})


def _inverse(placed: PlacedInverse, view: View, *, staircase: bool, stair: int = 1) -> Native:
    _endless(placed, view)
    if placed.power != 1:
        raise _cannot(
            placed, f"falls with the power {placed.power:g} of time, and Keras's InverseTimeDecay with the first"
        )
    whole, n = placed.timescale.is_integer(), placed.timescale
    steps, slope = (stair, stair / n) if staircase else (int(n) if whole else n, 1.0)
    arguments = {"initial_learning_rate": view.value(placed.start), "decay_steps": steps, "decay_rate": slope}
    return _schedule("InverseTimeDecay", {**arguments, **({"staircase": True} if staircase else {})})


def _endless(placed: Placed, view: View) -> None:
    if view.shift:
        raise _cannot(placed, "stands on a constant floor, which Keras's has not")
    if placed.end is not None and (view.end is None or placed.end < view.end):
        raise _cannot(placed, "stops before the run does, and Keras's goes on")


def _in_pieces(placed: PlacedSteps | PlacedPiecewise | PlacedSequence, view: View) -> Native:
    """Every change of a curve in stairs, as boundaries: the last step with the value before it."""
    if isinstance(placed, PlacedSteps) and placed.every is not None and not view.shift:
        p, q = placed.every
        goes_on = placed.end is None or (view.end is not None and placed.end >= view.end)
        if q == 1 and placed.origin == placed.begin == 0 and goes_on:
            start = view.value(placed.start)
            arguments = {"initial_learning_rate": start, "decay_steps": p, "decay_rate": placed.gamma}
            return _schedule("ExponentialDecay", {**arguments, "staircase": True})
    if isinstance(placed, PlacedPiecewise) and placed.shape is not None:
        raise _cannot(placed, f"joins its points along {placed.shape.name!r}, and Keras only jumps")
    begins = [placed.begin, *changes(placed, view.end, MOST_BOUNDARIES)]
    if len(begins) > MOST_BOUNDARIES:
        raise _cannot(placed, "goes on for too long to list each change; give a total=, or fewer of them")
    heights = [view.value(x) for x in _heights(placed, begins, view)]
    kept = [0, *(k for k in range(1, len(begins)) if heights[k] != heights[k - 1])]
    if len(kept) == 1:
        return _constant(heights[0])
    boundaries = [begins[k] - 1 for k in kept[1:]]
    return _schedule("PiecewiseConstantDecay", {"boundaries": boundaries, "values": [heights[k] for k in kept]})


def _heights(placed: Placed, begins: list[int], view: View) -> list[Value]:
    values = placed.at(np.array(begins, dtype=np.int64), view.scene)
    return [Absolute(float(f"{float(x):.15g}")) for x in values]


def _sequence(placed: PlacedSequence, view: View) -> Native:
    if jumps(placed):
        return _in_pieces(placed, view)
    if len(placed.parts) == 2 and all(isinstance(part, PlacedPhase) for part in placed.parts):
        up, down = (_native(part, view) for part in placed.parts)
        warm, cosine = dict(up.arguments), dict(down.arguments)
        straight = up.name == "PolynomialDecay" and "power" not in warm and down.name == "CosineDecay"
        meets = straight and warm["end_learning_rate"] == cosine["initial_learning_rate"]
        if meets and warm["decay_steps"] == placed.parts[1].begin:
            cosine["initial_learning_rate"] = warm["initial_learning_rate"]
            rest = {"warmup_target": warm["end_learning_rate"], "warmup_steps": warm["decay_steps"]}
            return _schedule("CosineDecay", {**cosine, **rest})
    raise _cannot(placed, "has phases one after the other, and Keras joins only a straight warmup and a cosine")


# ---- again and again -----------------------------------------------------------------------------------------------


def _past_end(placed: PlacedPastEnd, view: View) -> Native:
    inner = placed.inner
    if inner.end is None or not goes_past_its_end(placed, view):
        return _native(inner, view)
    if placed.then == "repeat" and placed.begin == 0:
        return _again(placed, _native(inner, view), inner.end, 1.0, 1.0)
    raise _cannot(placed, "goes back past its end, which Keras's never does; end the run there, or repeat instead")


def _again(placed: Placed, one: Native, n: int, grow: float, height: float) -> Native:
    """Cycles of n steps, each a cosine."""
    if one.name != "CosineDecay" or "warmup_steps" in one.arguments or one.arguments["decay_steps"] != n:
        raise _cannot(placed, "is repeated, and Keras repeats cosines only")
    rest = {"alpha": one.arguments["alpha"]} if "alpha" in one.arguments else {}
    arguments = {"initial_learning_rate": one.arguments["initial_learning_rate"], "first_decay_steps": n}
    # Its t_mul is 2 unless it is told otherwise.
    return _schedule("CosineDecayRestarts", {**arguments, "t_mul": grow, "m_mul": height, **rest})


def _restarts(placed: PlacedRepeat | PlacedGrowing, view: View) -> Native:
    cycles = list(islice(placed.cycles(), MOST_BOUNDARIES))
    (begin, inner, _), grow = cycles[0], 1.0 if isinstance(placed, PlacedRepeat) else placed.grow
    assert inner.end is not None
    n = inner.end
    if begin:
        raise _cannot(placed, "does not begin with the run")
    if placed.n is not None and (view.end is None or placed.end != view.end):
        raise _cannot(placed, "ends after some cycles, and Keras's go on for ever")
    if any(b != n * power_sum(grow, k) for k, (b, _, _) in enumerate(cycles)) or len(cycles) == MOST_BOUNDARIES:
        raise _cannot(placed, "has cycles whose length is no whole number of updates, which Keras does not round")
    last = cycles[-1][0] + cycles[-1][1].end if cycles[-1][1].end is not None else 0
    if view.end is not None and last == view.end:
        raise _cannot(
            placed, f"is at its end at update {last}, where Keras's begins anew: write past_end('repeat') for that"
        )
    one, height = _native(inner, replace(view, end=n)), placed.decay
    if height == 1 or not (view.shift or one.arguments.get("alpha")):
        return _again(placed, one, n, grow, height)
    if not view.shift or one.arguments.get("alpha") != divided(view.shift, one.arguments["initial_learning_rate"]):
        raise _cannot(placed, "has falling peaks and an end above 0 that falls with them; in Keras it stays")
    return _again(placed, one, n, grow, height)


def _stairs(placed: PlacedStaircase, inner: Placed, view: View) -> Native:
    p, q = placed.every
    if (p, q) == (1, 1):
        return _native(inner, view)
    if q == 1 and placed.origin == placed.begin == 0 and isinstance(inner, PlacedInverse):
        return _inverse(inner, view, staircase=True, stair=p)
    if q == 1 and placed.origin == placed.begin == 0 and isinstance(inner, PlacedGeometric):
        return _exponential(inner, view, gamma_of_stair(inner, (p, q)), (p, q), staircase=True)
    raise _cannot(placed, "changes in stairs, which in Keras only an exponential and an inverse decay do")


def _formula(placed: PlacedFormula, view: View) -> Native:
    """Formulas that stand for a schedule of Keras, as `schedules` writes them."""
    if placed.origin == placed.begin == 0 and placed.scale == 1 and not view.shift:
        for read in (_read_restarts, _read_cycling):
            native = read(placed.text, view)
            if native is not None:
                return native
    raise _cannot(placed, "has no equal there")


def _read_restarts(text: str, view: View) -> Native | None:
    found = RESTARTS.fullmatch(text)
    if found is None:
        return None
    low, high = _number(found["low"]), _number(found["high"])
    top, n = added(low, high), _number(found["n"])
    powers = re.search(rf"log\(({NUMBER})\)", text)
    grow, height = _number(powers[1]) if powers else 1.0, _number(found["m"] or "1")
    alpha = divided(low, top) if top else 0.0
    again = restarting(written, found["clock"], top, n, grow, height, alpha)
    if not top or again != text:
        return None
    arguments = {"initial_learning_rate": view.value(top), "first_decay_steps": tidy(n)}
    rest = {"alpha": alpha} if alpha else {}
    return _schedule("CosineDecayRestarts", {**arguments, "t_mul": grow, "m_mul": height, **rest})


def _read_cycling(text: str, view: View) -> Native | None:
    found = CYCLING.fullmatch(text)
    if found is None:
        return None
    last, n, power = _number(found["last"]), _number(found["n"]), _number(found["p"] or "1")
    first = added(last, _number(found["fall"]))
    if cycling(written, found["clock"], first, last, n, power) != text:
        return None
    arguments = {"initial_learning_rate": view.value(first), "decay_steps": tidy(n)}
    rest = {"end_learning_rate": view.value(last), "power": power, "cycle": True}
    return _schedule("PolynomialDecay", {**arguments, **rest})


def _number(text: str) -> float:
    return float(text.strip("()"))


# ---- metrics -------------------------------------------------------------------------------------------------------


def _plateau(placed: PlacedProduct) -> Native:
    return Native("keras", "ReduceLROnPlateau", _watching(the_plateau(placed, "ReduceLROnPlateau", _cannot)))


def _watching(rule: Plateau) -> dict[str, Any]:
    if rule.patience.unit not in ("evaluations", "epochs") or rule.cooldown.unit not in ("evaluations", "epochs"):
        raise ConversionError(f"{rule} counts in {rule.patience.unit}, and Keras counts epochs; write plain numbers")
    if rule.threshold_mode != "abs" and rule.threshold:
        raise ConversionError(f"{rule} has a threshold relative to the best, and Keras an absolute one; write 'abs'")
    if rule.significance is not None or rule.least_change or (rule.minimum and not isinstance(rule.minimum, Absolute)):
        raise ConversionError(f"{rule} has a significance, a least change or a relative minimum, which Keras has not")
    arguments: dict[str, Any] = {"monitor": rule.metric, "factor": rule.factor, "mode": rule.mode}
    arguments |= {"patience": math.ceil(rule.patience.amount) + 1, "min_delta": rule.threshold}
    if rule.cooldown.amount:
        arguments["cooldown"] = math.ceil(rule.cooldown.amount) + 1
    if isinstance(rule.minimum, Absolute):
        arguments["min_lr"] = rule.minimum.number
    return arguments


def _cannot(placed: Placed, why: str) -> ConversionError:
    return unsayable("Keras", placed, why, INSTEAD)
