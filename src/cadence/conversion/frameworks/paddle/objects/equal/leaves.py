"""Schedulers of paddle for single phases."""

from __future__ import annotations

from cadence.conversion.frameworks.paddle.objects.equal.function import Function, function_of
from cadence.conversion.frameworks.paddle.objects.equal.part import Part, call, refuse
from cadence.conversion.native import Native
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

MOST_BOUNDARIES = 10_000
"""More of them are no source that anybody reads."""


def leaf(part: Part, node: Placed) -> Native | None:
    """The scheduler for a single phase; None where the node is none."""
    match node:
        case PlacedConstant():
            return held(part.number(node.value))
        case PlacedPhase():
            return _phase(part, node)
        case PlacedSteps():
            return _steps(part, node)
        case PlacedPiecewise():
            return _piecewise(part, node)
        case PlacedGeometric() | PlacedInverse() | PlacedFormula() if not part.lasts(node):
            refuse(
                f"a phase of {(node.end or 0) - node.begin} that stays at its end", "its own goes on; end the run there"
            )
        case PlacedGeometric():
            return _exponential(part.number(node.start), node.gamma ** (node.every[1] / node.every[0]))
        case PlacedInverse():
            return _inverse(part, node)
        case PlacedFormula():
            return _formula(part, node)
        case _:
            return None


def held(rate: float) -> Native:
    """One rate for ever: no milestones."""
    return call("MultiStepDecay", learning_rate=rate, milestones=[])


def table(points: list[tuple[int, float]]) -> Native:
    """Values held from their places on, the last of one place counting."""
    heights: dict[int, float] = {}
    for at, value in points:
        heights[max(at, 0)] = value
    boundaries = [at for at in heights if at > 0]
    if not boundaries:
        return held(heights[0])
    return call("PiecewiseDecay", boundaries=boundaries, values=list(heights.values()))


def _phase(part: Part, node: PlacedPhase) -> Native:
    start, to, n = part.number(node.start), part.number(node.to), node.end - node.begin - node.closed
    if n == 0 or start == to:
        return held(to)
    name, exponent = node.shape.name, dict(node.parameters).get("exponent", 1.0)
    if name in ("linear", "power"):
        return call("PolynomialDecay", learning_rate=start, decay_steps=n, end_lr=to, power=exponent)
    # One update past its end nobody trains any more.
    stays = not part.over(node.begin + n + 1)
    if name == "cosine":
        if stays:
            refuse(
                f"a cosine of {n} that stays at its end",
                f"its CosineAnnealingDecay rises again after T_max={n}, and the run goes on; end the run there, or "
                f"write .past_end('mirror')",
            )
        return call("CosineAnnealingDecay", learning_rate=start, T_max=n, eta_min=to)
    if name == "exponential" and to < start:
        if stays:
            refuse(f"an exponential of {n} that stays at its end", "its ExponentialDecay falls on; end the run there")
        return _exponential(start, (to / start) ** (1 / n))
    direction = "rises" if to > start else "falls"
    refuse(f"a phase that {direction} along {name!r}", "its shapes are lines, powers, cosines and falling exponentials")


def _exponential(start: float, gamma: float) -> Native:
    if gamma == 1:
        return held(start)
    if gamma == 0:
        return call("PiecewiseDecay", boundaries=[1], values=[start, 0.0])
    if gamma > 1:
        refuse(f"an exponential that grows by {gamma:g}", "its ExponentialDecay wants a gamma below 1")
    return call("ExponentialDecay", learning_rate=start, gamma=gamma)


def _inverse(part: Part, node: PlacedInverse) -> Native:
    start = part.number(node.start)
    if node.power == 0:
        return held(start)
    if node.power != 1:
        refuse(
            f"an inverse power of {node.power:g}",
            "its InverseTimeDecay has power 1, and its NoamDecay power 0.5 after a warmup from 0 to that phase's start "
            "as long as the timescale",
        )
    return call("InverseTimeDecay", learning_rate=start, gamma=1 / node.timescale)


def _steps(part: Part, node: PlacedSteps) -> Native:
    start, gamma = part.number(node.start), node.gamma
    if node.positions is not None:
        places = [at for at in node.positions if node.end is None or at <= node.end]
    else:
        assert node.every is not None
        if node.origin == part.begin and node.every[1] == 1 and gamma < 1 and part.lasts(node):
            return call("StepDecay", learning_rate=start, step_size=node.every[0], gamma=gamma)
        places = _listed(part, node, *node.every)
    start *= gamma ** sum(at <= part.begin for at in places)
    ahead = [at - part.begin for at in places if at > part.begin]
    if gamma < 1 and len(set(ahead)) == len(ahead):
        return call("MultiStepDecay", learning_rate=start, milestones=ahead, gamma=gamma)
    return table([(0, start), *((at, start * gamma ** (k + 1)) for k, at in enumerate(ahead))])


def _listed(part: Part, node: PlacedSteps, p: int, q: int) -> list[int]:
    """The places of steps that come every p/q updates, one by one."""
    end = part.end if node.end is None else node.end + 1
    if end is None or (end - node.origin) * q // p > MOST_BOUNDARIES:
        refuse("steps that go on for ever", "their places would have to be listed; give total=, or longer steps")
    places = [node.origin + (2 * k * p + q) // (2 * q) for k in range(1, (end - node.origin) * q // p + 2)]
    return [at for at in places if at < end]


def _piecewise(part: Part, node: PlacedPiecewise) -> Native:
    values = [part.number(value) for value in node.points]
    if node.shape is not None and len(set(values)) > 1:
        refuse(
            f"points joined along {node.shape.name!r}", "its PiecewiseDecay holds each value; write the phases with >>"
        )
    pairs = zip(node.positions, values, strict=True)
    reached = [(at - part.begin, value) for at, value in pairs if node.end is None or at <= node.end]
    return table([(0, values[0]), *reached])


def _formula(part: Part, node: PlacedFormula) -> Native:
    rate = part.number(1.0)
    function: Function | str = function_of(node, part.begin)
    if isinstance(function, str):
        refuse(f"formula({node.text!r})", function)
    return call("LambdaDecay", learning_rate=rate, lr_lambda=function)
