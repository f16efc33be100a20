"""From a placed curve to the schedules of optax that give the same numbers."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import islice, pairwise
from typing import Any

from cadence._errors import ConversionError
from cadence.conversion.native import Native
from cadence.conversion.rates import added, divided, times
from cadence.conversion.view import (
    View,
    changes,
    gamma_of_stair,
    goes_past_its_end,
    lifted,
    scaled,
    the_plateau,
    the_rate,
    unsayable,
)
from cadence.curve.combined import (
    PlacedClip,
    PlacedCut,
    PlacedPastEnd,
    PlacedProduct,
    PlacedSequence,
    PlacedStaircase,
    PlacedSum,
)
from cadence.curve.curve import Curve
from cadence.curve.cycles import PlacedGrowing, PlacedRepeat
from cadence.curve.placed import (
    Placed,
    PlacedConstant,
    PlacedFormula,
    PlacedGeometric,
    PlacedPhase,
    PlacedPiecewise,
    PlacedSteps,
)
from cadence.spec.nodes import Plateau
from cadence.spec.value import Absolute

COSINE = re.compile(
    r"(?:(?P<l>[\d.e-]+) [+] )?(?:(?P<h>[\d.e-]+) [*] )?"
    r"sin\(pi / 2 [*] max\((?P<n>\d+) - \w+, 0\) / (?P=n)\) [*][*] (?P<p>[\d.e-]+)"
)
"""l + h c ** (p / 2), c half a cosine over n, as `decays` writes it."""

MOST_PARTS = 200
"""Schedules that are joined at most: more of them are no readable code, and each costs the compiler."""

INSTEAD = "use cadence.optax_schedule, which gives optax any schedule"


@dataclass(frozen=True)
class Part:
    """A schedule of optax from an update on."""

    begin: int
    native: Native


def express(curve: Curve) -> Native:
    """optax's own equal of a curve.

    Raises:
        ConversionError: which part it has no equal for.
    """
    placed, view = the_rate(curve, "a schedule of optax")
    follows = _plateau(placed, view)
    if follows is not None:
        return follows
    return _joined(_parts(placed, view))


def _plateau(placed: Placed, view: View) -> Native | None:
    """A constant under a rule as the transformation that follows a metric; None where there is no rule."""
    if not isinstance(placed, PlacedProduct) or not placed.rules:
        return None
    return Native("optax", "reduce_on_plateau", _watching(the_plateau(placed, "reduce_on_plateau", _cannot)))


def _watching(rule: Plateau) -> dict[str, Any]:
    if rule.patience.unit != "evaluations" or rule.cooldown.unit != "evaluations":
        raise ConversionError(f"{rule} counts in {rule.patience.unit}, and optax counts values; write plain numbers")
    if rule.mode != "min":
        raise ConversionError(f"{rule} watches for a maximum, and optax for a minimum; tell it the negative")
    if rule.significance is not None or rule.least_change or isinstance(rule.minimum, Absolute):
        raise ConversionError(f"{rule} has a significance, a least change or an absolute minimum, which optax has not")
    relative = rule.threshold_mode != "abs"
    arguments: dict[str, Any] = {"factor": rule.factor, "patience": int(rule.patience.amount) + 1}
    arguments |= {"rtol": rule.threshold} if relative else {"rtol": 0.0, "atol": rule.threshold}
    if rule.cooldown.amount:
        arguments["cooldown"] = int(rule.cooldown.amount)
    if rule.minimum:
        arguments["min_scale"] = rule.minimum
    return arguments


# ---- parts ---------------------------------------------------------------------------------------------------------


def _parts(placed: Placed, view: View) -> list[Part]:
    """The schedules of optax that make up a placed one, each from an update on, where it counts from 0."""
    parts = _made_of(placed, view)
    early = placed.end is not None and (view.end is None or placed.end < view.end)
    if early and isinstance(placed, (PlacedGeometric, PlacedSteps, PlacedPiecewise, PlacedStaircase)):
        # Here its last value holds; there it would go on.
        parts.append(Part(placed.end or 0, _constant(view.value(placed.last))))
    return parts


def _made_of(placed: Placed, view: View) -> list[Part]:
    match placed:
        case PlacedConstant(value=value):
            return [Part(placed.begin, _constant(view.value(value)))]
        case PlacedPhase():
            return [Part(placed.begin, _phase(placed, view))]
        case PlacedGeometric(gamma=gamma, every=(p, q)):
            if view.shift:
                raise _cannot(placed, "stands on a constant floor, which exponential_decay has not")
            arguments = {"init_value": view.value(placed.start), "transition_steps": p if q == 1 else p / q}
            return [Part(placed.begin, Native("optax", "exponential_decay", arguments | {"decay_rate": gamma}))]
        case PlacedSteps():
            return [Part(placed.begin, _steps(placed, view))]
        case PlacedPiecewise():
            return _piecewise(placed, view)
        case PlacedSequence(parts=parts):
            found: list[Part] = []
            for part, following in zip(parts, [*parts[1:], None], strict=True):
                found += _parts(part, replace(view, end=view.end if following is None else following.begin))
            return found
        case PlacedProduct() | PlacedSum():
            return _combined(placed, view)
        case PlacedClip():
            return [_clipped(placed, view)]
        case PlacedPastEnd():
            return _past_end(placed, view)
        case PlacedRepeat() | PlacedGrowing():
            return _cycles(placed, view)
        case PlacedCut(inner=inner):
            end = view.end if placed.end is None else placed.end
            return [part for part in _parts(inner, replace(view, end=end)) if end is None or part.begin <= end]
        case PlacedStaircase():
            return _stairs(placed, view)
        case PlacedFormula():
            return [Part(placed.begin, _power_of_cosine(placed, view))]
        case _:
            raise _cannot(placed, "has no equal there")


def _constant(value: float) -> Native:
    return Native("optax", "constant_schedule", {"value": value})


def _linear(start: float, to: float, n: int) -> Native:
    return Native("optax", "linear_schedule", {"init_value": start, "end_value": to, "transition_steps": n})


def _phase(placed: PlacedPhase, view: View) -> Native:
    start, to = view.value(placed.start), view.value(placed.to)
    n = placed.end - placed.begin - placed.closed
    if n == 0 or start == to:
        return _constant(to)
    match placed.shape.name:
        case "linear":
            return _linear(start, to, n)
        case "power":
            exponent = placed.parameters["exponent"]
            arguments = {"init_value": start, "end_value": to, "power": exponent, "transition_steps": n}
            return Native("optax", "polynomial_schedule", arguments)
        case "cosine" if start > 0:
            return _cosine(start, to, n)
        case "cosine":
            raise _cannot(placed, "rises from 0 along a cosine, and optax's cosines are multiples of where they begin")
        case "exponential" if not view.shift:
            arguments = {"init_value": start, "transition_steps": n, "decay_rate": to / start, "end_value": to}
            return Native("optax", "exponential_decay", arguments)
        case name:
            raise _cannot(placed, f"runs along {name!r}, a shape that optax has not")


def _cosine(start: float, to: float, n: int) -> Native:
    arguments: dict[str, Any] = {"init_value": start, "decay_steps": n}
    return Native("optax", "cosine_decay_schedule", arguments | ({"alpha": divided(to, start)} if to else {}))


def _steps(placed: PlacedSteps, view: View) -> Native:
    if view.shift:
        raise _cannot(placed, "stands on a constant floor, which a product of scales has not")
    begins, gamma = view.value(placed.first), placed.gamma
    if placed.every is not None:
        p, q = placed.every
        if q == 1 and (placed.begin - placed.origin) % p == 0 and gamma > 0:
            arguments = {"init_value": begins, "transition_steps": p, "decay_rate": gamma, "staircase": True}
            return Native("optax", "exponential_decay", arguments)
        if view.end is None and placed.end is None:
            raise _cannot(placed, "goes on for ever, and each of its steps has to be listed; give total=")
    where = changes(placed, view.end, MOST_PARTS)
    if len(where) > MOST_PARTS:
        raise _cannot(placed, f"changes more than {MOST_PARTS} times, and each change would be listed")
    # A position that stands twice counts twice.
    often = {t: 1 if placed.positions is None else placed.positions.count(t) for t in where}
    scales = {t - placed.begin: gamma if n == 1 else gamma**n for t, n in often.items()}
    return _scaled("piecewise_constant_schedule", begins, scales)


def _scaled(name: str, begins: float, scales: dict[int, float], **first: str) -> Native:
    if not scales:
        return _constant(begins)
    return Native("optax", name, {**first, "init_value": begins, "boundaries_and_scales": scales})


def _piecewise(placed: PlacedPiecewise, view: View) -> list[Part]:
    """Points as products of scales; where a product would stay at 0, each piece by itself."""
    begin, points = placed.begin, list(zip(placed.positions, map(view.value, placed.points), strict=True))
    if placed.shape is not None and placed.shape.name not in ("linear", "cosine"):
        raise _cannot(placed, f"joins its points along {placed.shape.name!r}, and optax joins them by lines or cosines")
    if placed.shape is not None and points[0][0] < begin < points[-1][0]:
        raise _cannot(placed, "begins between two of its points, which no schedule of optax does")
    first = [value for t, value in points if t <= begin][-1:] or [points[0][1]]
    # Later points by their time in the phase; of several at one time the last counts.
    later = {t - begin: value for t, value in points if t > begin}
    if len(later) > MOST_PARTS:
        raise _cannot(placed, f"has more than {MOST_PARTS} points")
    heights = [first[0], *later.values()]
    name = "piecewise_constant_schedule" if placed.shape is None else "piecewise_interpolate_schedule"
    kind = {} if placed.shape is None else {"interpolate_type": placed.shape.name}
    if all(heights[:-1]):
        scales = {t: divided(b, a) for t, (a, b) in zip(later, pairwise(heights), strict=True)}
        return [Part(begin, _scaled(name, heights[0], scales, **kind))]
    places = [0, *later]
    if placed.shape is None:
        return [Part(begin + t, _constant(x)) for t, x in zip(places, heights, strict=True)]
    pieces: list[Part] = []
    for (t, low), (following, high) in pairwise(zip(places, heights, strict=True)):
        if placed.shape.name == "cosine" and low == 0 < high:
            raise _cannot(placed, "rises from 0 along a cosine, and optax's cosines are multiples of where they begin")
        piece = _linear if placed.shape.name == "linear" else _cosine
        pieces.append(Part(begin + t, piece(low, high, following - t) if low != high else _constant(low)))
    return pieces


def _combined(placed: PlacedProduct | PlacedSum, view: View) -> list[Part]:
    """Everything but one part is constant, and only scales or lifts it."""
    found = lifted(placed, view) if isinstance(placed, PlacedSum) else scaled(placed, view)
    if found is None:
        raise _cannot(placed, "is made of schedules that both move, or follow a metric, which optax does not multiply")
    part, seen = found
    return [Part(placed.begin, _constant(seen.shift))] if part is None else _parts(part, seen)


def _clipped(placed: PlacedClip, view: View) -> Part:
    """A limit where exponential_decay has one: in the direction that it goes."""
    parts = _parts(placed.inner, view)
    native = _joined(parts, begin=placed.begin)
    arguments, lo, hi = dict(native.arguments), placed.lo, placed.hi
    if native.name == "exponential_decay" and "end_value" not in arguments:
        limit = (lo if hi is None else None) if arguments["decay_rate"] < 1 else (hi if lo is None else None)
        if limit is not None:
            return Part(placed.begin, Native("optax", native.name, {**arguments, "end_value": view.value(limit)}))
    raise _cannot(placed, "has a limit, which in optax only an exponential decay has, at its far end")


def _past_end(placed: PlacedPastEnd, view: View) -> list[Part]:
    """What comes after its end, written out as far as the run goes."""
    inner = placed.inner
    if inner.end is None or not goes_past_its_end(placed, view):
        return _parts(inner, view)
    if view.end is None:
        raise _cannot(placed, "goes on past its end, and each turn has to be written out; give total=")
    n = inner.end - placed.begin
    turns = (view.end - placed.begin) // n + 1
    if turns > MOST_PARTS:
        raise _cannot(placed, f"goes on for {turns} turns, which are too many to write out")
    there = _parts(inner, replace(view, end=inner.end))
    back = there if placed.then == "repeat" or turns == 1 else [Part(placed.begin, _backwards(inner, view))]
    return [Part(part.begin + k * n, part.native) for k in range(turns) for part in (back if k % 2 else there)]


def _backwards(placed: Placed, view: View) -> Native:
    """A phase from its end to its beginning."""
    if isinstance(placed, PlacedPhase) and placed.shape.name in ("linear", "cosine") and not placed.closed:
        return _phase(replace(placed, start=placed.to, to=placed.start), view)
    raise _cannot(placed, "is run backwards past its end, which only lines and cosines can be")


def _cycles(placed: PlacedRepeat | PlacedGrowing, view: View) -> list[Part]:
    if placed.end is None and view.end is None and placed.n is None:
        raise _cannot(placed, "goes on for ever, and each cycle has to be written out; give total=")
    found: list[Part] = []
    cycles = [c for c in islice(placed.cycles(), MOST_PARTS + 1) if view.end is None or c[0] < view.end]
    for k, (begin, inner, height) in enumerate(cycles):
        if view.shift and height != 1:
            raise _cannot(placed, "stands on a constant floor that its falling peaks do not share")
        end = inner.end if k < len(cycles) - 1 else None
        seen = replace(view, factor=times(view.factor, height), end=end)
        found += [Part(begin + part.begin, part.native) for part in _parts(inner, seen)]
    if len(found) > MOST_PARTS:
        raise _cannot(placed, f"has more than {MOST_PARTS} phases to be written out")
    return found


def _stairs(placed: PlacedStaircase, view: View) -> list[Part]:
    inner, (p, q) = placed.inner, placed.every
    if (p, q) == (1, 1):
        return _parts(inner, view)
    if isinstance(inner, PlacedGeometric) and q == 1 and placed.origin == inner.begin and not view.shift:
        rate = gamma_of_stair(inner, (p, q))
        arguments = {"init_value": view.value(inner.start), "transition_steps": p, "decay_rate": rate}
        return [Part(placed.begin, Native("optax", "exponential_decay", {**arguments, "staircase": True}))]
    raise _cannot(placed, "changes in stairs, which in optax only an exponential decay does")


def _power_of_cosine(placed: PlacedFormula, view: View) -> Native:
    """A power of half a cosine, which is written as a formula here."""
    found = COSINE.fullmatch(placed.text)
    if found is None or placed.origin != placed.begin or placed.scale != 1:
        raise _cannot(placed, "has no equal there")
    low, high, n, power = (float(found[name] or default) for name, default in zip("lhnp", (0, 1, 0, 0), strict=True))
    start, to = view.value(added(low, high)), view.value(low)
    native = _cosine(start, to, int(n))
    return Native("optax", native.name, {**native.arguments, "exponent": power / 2})


def _cannot(placed: Placed, why: str) -> ConversionError:
    return unsayable("optax", placed, why, INSTEAD)


# ---- the whole -----------------------------------------------------------------------------------------------------


def _joined(parts: Sequence[Part], begin: int = 0) -> Native:
    """The parts as one schedule, under the name that people know it by where it has one."""
    kept = [
        part for part, after in zip(parts, [*parts[1:], None], strict=True) if not after or part.begin < after.begin
    ]
    kept = _merged(kept)
    if len(kept) == 1:
        return _one_cycle(kept[0].native)
    waves = _waves(kept)
    if waves is not None:
        return _one_cycle(waves)
    cycles = _sgdr(kept)
    if cycles is not None:
        return Native("optax", "sgdr_schedule", {"cosine_kwargs": cycles})
    return Native("optax", "join_schedules", {
        "schedules": [part.native for part in kept], "boundaries": [part.begin - begin for part in kept[1:]],
    })  # fmt: skip


def _merged(parts: list[Part]) -> list[Part]:
    """Neighbours that one schedule of optax says together."""
    merged: list[Part] = []
    for part in parts:
        together = _together(merged[-1], part) if merged else None
        if together is None:
            merged.append(part)
        else:
            merged[-1] = together
    return merged


def _together(first: Part, then: Part) -> Part | None:
    n, a, b = then.begin - first.begin, first.native.arguments, then.native.arguments
    match first.native.name, then.native.name:
        case "constant_schedule", "linear_schedule" | "polynomial_schedule" | "exponential_decay":
            # The limit of an exponential decay would hold while it waits, too.
            limited = then.native.name == "exponential_decay" and "end_value" in b
            if a["value"] == b["init_value"] and not limited:
                return Part(first.begin, Native("optax", then.native.name, {**b, "transition_begin": n}))
        case "linear_schedule", "constant_schedule":
            if a["end_value"] == b["value"] and _length(first) == n:
                warm = {"init_value": a["init_value"], "peak_value": a["end_value"], "warmup_steps": n}
                return Part(first.begin, Native("optax", "warmup_constant_schedule", warm))
        case "linear_schedule", "cosine_decay_schedule" | "exponential_decay":
            if a["end_value"] == b["init_value"] and _length(first) == n and a["init_value"] < a["end_value"]:
                return Part(first.begin, _warmed(a, b, n, then.native.name))
        case _:
            pass
    return None


def _length(part: Part) -> int | None:
    return None if "transition_begin" in part.native.arguments else part.native.arguments["transition_steps"]


def _warmed(warm: Any, decay: Any, n: int, name: str) -> Native:
    arguments = {"init_value": warm["init_value"], "peak_value": warm["end_value"], "warmup_steps": n}
    rest = {key: x for key, x in decay.items() if key not in ("init_value", "decay_steps", "alpha")}
    if name == "exponential_decay":
        return Native("optax", "warmup_exponential_decay_schedule", {**arguments, **rest})
    arguments["decay_steps"] = n + decay["decay_steps"]
    if decay.get("alpha"):
        arguments["end_value"] = times(decay["alpha"], warm["end_value"])
    return Native("optax", "warmup_cosine_decay_schedule", {**arguments, **rest})


def _waves(parts: Sequence[Part]) -> Native | None:
    """Half cosines of which each begins where the one before ended, as points that they go through."""
    scales: dict[int, float] = {}
    for part, after in zip(parts, [*parts[1:], None], strict=True):
        arguments, rest = part.native.arguments, None if after is None else after.native.arguments
        if part.native.name != "cosine_decay_schedule" or "exponent" in arguments:
            return None
        end, reached = part.begin + arguments["decay_steps"], arguments.get("alpha", 0.0)
        if rest is not None and after is not None:
            joint = times(reached, arguments["init_value"])
            if end != after.begin or not joint or rest.get("init_value") != joint:
                return None
        scales[end - parts[0].begin] = reached
    return _scaled(
        "piecewise_interpolate_schedule", parts[0].native.arguments["init_value"], scales, interpolate_type="cosine"
    )


def _one_cycle(native: Native) -> Native:
    """Up and down under the name that people know it by, where its lengths come out as shares of the whole."""
    if native.name != "piecewise_interpolate_schedule":
        return native
    kind, first = native.arguments["interpolate_type"], native.arguments["init_value"]
    points = list(native.arguments["boundaries_and_scales"].items())
    (up, rise), n = points[0], points[-1][0]
    share, peak = up / n, times(first, rise)
    arguments = {"transition_steps": n, "peak_value": peak, "pct_start": share}
    if rise <= 1 or int(share * n) != up or not all(scale for _, scale in points) or divided(peak, rise) != first:
        return native
    if kind == "cosine" and len(points) == 2:
        final = divided(divided(1.0, points[1][1]), rise)
        return Native("optax", "cosine_onecycle_schedule", arguments | {"div_factor": rise, "final_div_factor": final})
    if kind == "linear" and len(points) == 3 and abs(points[1][1] * rise - 1) < 1e-15:
        down, low = points[1][0] / n, divided(1.0, points[2][1])
        if int(down * n) == points[1][0]:
            rest = {"pct_final": down, "div_factor": rise, "final_div_factor": low}
            return Native("optax", "linear_onecycle_schedule", arguments | rest)
    return native


def _sgdr(parts: Iterable[Part]) -> list[dict[str, Any]] | None:
    """The arguments of cycles, where each part is one that is as long as its place."""
    cycles: list[dict[str, Any]] = []
    listed = list(parts)
    for part, after in zip(listed, [*listed[1:], None], strict=True):
        arguments = dict(part.native.arguments)
        if part.native.name == "cosine_decay_schedule":
            peak, alpha = arguments["init_value"], arguments.get("alpha", 0.0)
            arguments = {
                "init_value": peak,
                "peak_value": peak,
                "warmup_steps": 0,
                "decay_steps": arguments["decay_steps"],
            }
            arguments |= {"end_value": times(alpha, peak)} if alpha else {}
        elif part.native.name != "warmup_cosine_decay_schedule":
            return None
        if after is not None and after.begin - part.begin != arguments["decay_steps"]:
            return None
        cycles.append(arguments)
    return cycles
