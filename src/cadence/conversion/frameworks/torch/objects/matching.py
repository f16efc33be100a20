"""Placed schedules that torch has a scheduler of the same numbers for."""

from __future__ import annotations

from typing import Any

from cadence.conversion.definition import definitions
from cadence.conversion.frameworks.torch.composed import FACTORS, PHASES
from cadence.conversion.frameworks.torch.objects.view import View, plain
from cadence.conversion.native import Native
from cadence.curve.combined import PlacedCut, PlacedPastEnd, PlacedProduct, PlacedSequence
from cadence.curve.cycles import PlacedGrowing, PlacedRepeat
from cadence.curve.placed import (
    Placed,
    PlacedConstant,
    PlacedGeometric,
    PlacedPhase,
    PlacedPiecewise,
    PlacedSteps,
    boundary,
)

MOST_MILESTONES = 1000


LEAST = 1e-12
"""Smallest factor that torch can multiply with and take back again without losing its digits."""

UNSAID = ("end_factor", "anneal_strategy", "threshold", "threshold_mode", "cooldown", "min_lr")
"""Arguments that nobody writes where they are torch's defaults."""


def native(name: str, **arguments: Any) -> Native:
    """A scheduler of torch as data."""
    defaults = {p.name: p.default for p in definitions("torch")[name].parameters}
    said = {k: v for k, v in arguments.items() if k not in UNSAID or v != defaults[k]}
    return Native("torch", name, said)


def matched(node: Placed, view: View) -> Native | None:
    """The scheduler of torch that gives the same numbers; None where there is none."""
    match plain(node):
        case PlacedConstant(value=value):
            return native("ConstantLR", factor=1.0) if view.is_base(value) else None
        case PlacedPhase() as phase:
            return _phase(phase, view)
        case PlacedSteps() as steps:
            return _steps(steps, view)
        case PlacedGeometric(begin=begin, end=end, gamma=gamma, every=(p, q), start=start):
            fits = begin == view.begin and view.is_base(start) and _lasts(end, view)
            return native("ExponentialLR", gamma=gamma ** (q / p)) if fits else None
        case PlacedPiecewise() as points:
            return _held(points, view)
        case PlacedRepeat(begin=begin, n=None, period=(p, 1), decay=1.0) as cycles if begin == view.begin:
            return _restarts(cycles.make(0, p), p, 1.0, view)
        case PlacedGrowing(begin=begin, n=None, decay=1.0) as cycles if begin == view.begin:
            return _restarts(cycles.make(0, round(cycles.first_length)), cycles.first_length, cycles.grow, view)
        case PlacedPastEnd(inner=inner, then="mirror") if isinstance(plain(inner), PlacedPhase):
            return _cosine(plain(inner), view, held=False)
        case PlacedPastEnd(inner=inner, then="raise"):
            return matched(inner, view)
        case PlacedCut(end=end, inner=inner) if end is not None and view.until(end - view.begin):
            return matched(inner, view)
        case PlacedProduct(rules=()) as product:
            return _chain(product, view)
        case _:
            return None


def _lasts(end: int | None, view: View) -> bool:
    """Whether a phase goes on as long as it matters."""
    return end is None or view.until(end - view.begin)


def _phase(node: PlacedPhase, view: View) -> Native | None:
    n = node.end - node.begin - node.closed
    if node.begin != view.begin or n < 1:
        return None
    start, to = view.multiple(node.start), view.multiple(node.to)
    if node.shape.name == "cosine":
        return _cosine(node, view, held=True)
    if start is None or to is None:
        return None
    if node.shape.name == "linear" and LEAST <= start <= 1 and 0 <= to <= 1:
        return native("LinearLR", start_factor=start, end_factor=to, total_iters=n)
    if start != 1:
        return None
    if node.shape.name == "power" and to == 0:
        return native("PolynomialLR", total_iters=n, power=node.parameters["exponent"])
    if node.shape.name == "exponential" and view.until(n):
        return native("ExponentialLR", gamma=to ** (1 / n))
    return None


def _cosine(node: Placed, view: View, *, held: bool) -> Native | None:
    """CosineAnnealingLR, which does not hold its end but rises again."""
    if not isinstance(node, PlacedPhase) or node.shape.name != "cosine" or node.begin != view.begin:
        return None
    n, low = node.end - node.begin - node.closed, view.common(node.to)
    fits = n >= 1 and view.is_base(node.start) and (view.until(n) if held else not node.closed)
    if not fits or low is None:
        return None
    return native("CosineAnnealingLR", T_max=n, **({"eta_min": low} if low else {}))


def _restarts(cycle: Placed, length: float, grow: float, view: View) -> Native | None:
    inner = plain(cycle)
    if not isinstance(inner, PlacedPhase) or inner.shape.name != "cosine" or inner.closed or inner.end != length:
        return None
    low = view.common(inner.to)
    if low is None or inner.begin or not view.is_base(inner.start) or not float(grow).is_integer() or grow < 1:
        return None
    more = {**({"T_mult": int(grow)} if grow != 1 else {}), **({"eta_min": low} if low else {})}
    return native("CosineAnnealingWarmRestarts", T_0=int(length), **more)


def _steps(node: PlacedSteps, view: View) -> Native | None:
    if node.begin > view.begin or not view.is_base(node.start):
        return None
    if node.positions is not None:
        places = list(node.positions)
    else:
        assert node.every is not None
        if node.every[1] == 1 and node.origin == view.begin and _lasts(node.end, view):
            return native("StepLR", step_size=node.every[0], gamma=node.gamma)
        if view.limit is None or view.limit * node.every[1] > MOST_MILESTONES * node.every[0]:
            return None
        places = [node.origin + boundary(k, *node.every) for k in range(1, MOST_MILESTONES + 2)]
        places = [p for p in places if p <= view.begin + (view.limit or 0)]
    at = [p - view.begin for p in places if node.end is None or p <= node.end]
    # Of what lies before its clock torch knows nothing.
    return native("MultiStepLR", milestones=at, gamma=node.gamma) if all(p >= 0 for p in at) else None


def _held(node: PlacedPiecewise, view: View) -> Native | None:
    """ConstantLR: a factor, and then the base."""
    if node.shape is not None or len(node.points) != 2 or not view.is_base(node.points[1]):
        return None
    factor, n = view.multiple(node.points[0]), node.positions[1] - view.begin
    fits = factor is not None and LEAST <= factor <= 1 and n >= 1 and _lasts(node.end, view)
    return native("ConstantLR", factor=factor, total_iters=n) if fits else None


def held_first(parts: tuple[Placed, ...], view: View) -> Native | None:
    """ConstantLR, written as two constants."""
    match parts:
        case (PlacedConstant(end=end, value=value), PlacedConstant(value=then)) if view.is_base(then):
            factor = view.multiple(value)
            if factor is not None and LEAST <= factor <= 1 and end is not None:
                return native("ConstantLR", factor=factor, total_iters=end - view.begin)
        case _:
            pass
    return None


def _chain(node: PlacedProduct, view: View) -> Native | None:
    """ChainedScheduler of what multiplies the rate, and nothing else."""
    parts: list[Native] = []
    for part in map(plain, (node.carrier, *node.factors)):
        if isinstance(part, PlacedCut):
            part = plain(part.inner) if _lasts(part.end, view) else part
        found = matched(part, view)
        if found is None and isinstance(part, PlacedSequence):
            found = held_first(part.parts, view)
        if found is None or not _multiplies(found, view):
            return None
        if found.arguments != {"factor": 1.0}:
            parts.append(found)
    if len(parts) < 2:
        return parts[0] if parts else native("ConstantLR", factor=1.0)
    return native("ChainedScheduler", schedulers=parts)


def _multiplies(found: Native, view: View) -> bool:
    if found.name == "CosineAnnealingLR":
        return "eta_min" not in found.arguments and view.until(found.arguments["T_max"])
    return found.name in FACTORS


def in_sequence(found: Native | None) -> bool:
    """Whether a scheduler does in SequentialLR what it does alone."""
    return found is not None and found.name in PHASES
