"""What a schedule is worth at an update, computed the slow and plain way: one update at a time, every length a fraction.

Written from the contract, not from the code: cycles are found by counting, weights are the formulas of the papers. Close
to the ends those lose digits, so what is compared with it is compared within 1e-12 of the peak; accuracy has its own tests.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

from cadence.spec import nodes
from cadence.spec.nodes import Schedule
from cadence.spec.span import Span
from cadence.spec.value import Absolute, Value
from strategies import FORMULAS, Run

Function = Callable[[int, float], float]
"""(update, base) -> value."""

Joint = Callable[[float], float]
"""base -> value."""

WEIGHTS: Mapping[str, Callable[..., float]] = {
    "linear": lambda u: 1 - u,
    "cosine": lambda u: (1 + math.cos(math.pi * u)) / 2,
    "power": lambda u, exponent=2.0: (1 - u) ** exponent,
    "1-sqrt": lambda u: 1 - math.sqrt(u),
    "rex": lambda u: (1 - u) / (1 / 2 + (1 - u) / 2),
    "tanh": lambda u, low=-7.0, high=3.0: (
        (math.tanh(high) - math.tanh(low + (high - low) * u)) / (math.tanh(high) - math.tanh(low))
    ),
}
"""Weight of the starting value at u done; `exponential` mixes logarithms and stands apart."""


def rounded(x: Fraction) -> int:
    """Half up."""
    return math.floor(x + Fraction(1, 2))


def passed(x: int, every: Fraction) -> int:
    """How many stretches lie behind update x: the largest k whose boundary, k stretches rounded, is at most x."""
    least, beyond = 0, 1
    while rounded(beyond * every) <= x:
        least, beyond = beyond, 2 * beyond
    while beyond - least > 1:
        middle = (least + beyond) // 2
        least, beyond = (middle, beyond) if rounded(middle * every) <= x else (least, middle)
    return least


@dataclass(frozen=True)
class Clock:
    """What lengths and positions are read on."""

    run: Run
    container: Fraction | None
    whole: Fraction | None
    scale: Fraction
    origin: int

    def updates(self, span: Span, percent_of: Fraction | None) -> Fraction:
        """A length in updates."""
        match span.unit:
            case "steps":
                return span.amount * self.scale
            case "epochs":
                return span.amount * self.run.steps_per_epoch * self.scale
            case "samples":
                return span.amount / self.run.batch_size * self.scale
            case "tokens":
                return span.amount / self.run.tokens_per_step * self.scale
            case _:
                assert percent_of is not None
                return span.amount / 100 * percent_of


@dataclass(frozen=True)
class Place:
    """Where a node lies: summed, and rounded."""

    exact: tuple[Fraction, Fraction | None]
    begin: int
    end: int | None
    before: Joint | None = None
    after: Joint | None = None


def evaluate(schedule: Schedule, run: Run) -> Function:
    """The whole run given to one schedule."""
    total = None if run.total is None else Fraction(run.total)
    clock = Clock(run, total, total, Fraction(1), 0)
    own = length(schedule, clock)
    end = total if own is None else own
    return lay(schedule, Place((Fraction(0), end), 0, None if end is None else max(rounded(end), 1)), clock)


# ---- lengths -----------------------------------------------------------------------------------------------------


def length(node: Schedule, clock: Clock) -> Fraction | None:
    """How long a node is by itself; None: it takes what is left."""
    parts = measure(node, clock)
    return None if parts is None else parts[0] + parts[1] * (clock.container or 0)


def measure(node: Schedule, clock: Clock) -> tuple[Fraction, Fraction] | None:
    """A length as (updates, share of the container)."""
    match node:
        case nodes.Sequence(parts):
            each = [measure(p, clock) for p in parts]
            known = [m for m in each if m is not None]
            return None if len(known) < len(each) else (sum(m[0] for m in known), sum(m[1] for m in known))  # type: ignore[return-value]
        case nodes.Product(parts) | nodes.Sum(parts):
            return next((m for p in parts if (m := measure(p, clock)) is not None), None)
        case nodes.Repeat(inner, n, grow, _):
            one = inside(inner, clock)
            if one is None or n is None:
                return None
            cycles = sum((Fraction(grow) ** k for k in range(n)), Fraction(0))
            return one[0] * cycles, one[1] * cycles
        case nodes.Stretch(inner, factor):
            x = Fraction(factor)
            m = inside(inner, replace(clock, scale=clock.scale * x))
            return None if m is None else (m[0], m[1] * x)
        case nodes.Plateau() | nodes.EarlyStop():
            return None
        case _:
            if node.children and not isinstance(node, nodes.Cut):
                return measure(node.children[0], clock)
            span = node.length
            if span is None:
                return None
            return (Fraction(0), span.amount / 100) if span.unit == "%" else (clock.updates(span, None), Fraction(0))


def inside(inner: Schedule, clock: Clock) -> tuple[Fraction, Fraction] | None:
    """What stands in `repeat` and `stretch` is its own container, unless it is made of shares alone."""
    m = measure(inner, clock)
    if m is None or (m[0] == 0 and m[1] == 1):
        return None
    return (m[0] / (1 - m[1]), Fraction(0)) if m[0] else m


def container_inside(inner: Schedule, clock: Clock, given: Fraction | None) -> Fraction | None:
    """What `%` is of in there."""
    m = inside(inner, clock)
    return given if given is None or m is None or not m[1] else given / m[1]


# ---- values ------------------------------------------------------------------------------------------------------


def lay(node: Schedule, at: Place, clock: Clock) -> Function:
    """A node at its place, as a function of the update."""
    match node:
        case nodes.Sequence(parts):
            return sequence(parts, at, clock)
        case nodes.Product(parts):
            pure = [p for p in parts if not isinstance(p, (nodes.Plateau, nodes.EarlyStop))]
            first = next((p for p in pure if says_absolute(p)), pure[0])
            carrier = lay(first, at, clock)
            others = [lay(p, alone(at), clock) for p in pure if p is not first]
            return lambda t, base: carrier(t, base) * math.prod(f(t, 1.0) for f in others)
        case nodes.Sum(parts):
            terms = [lay(parts[0], at, clock), *(lay(p, alone(at), clock) for p in parts[1:])]
            return lambda t, base: sum(f(t, base) for f in terms)
        case nodes.Clip(inner, lo, hi):
            f = lay(inner, at, clock)
            low, high = (-math.inf if lo is None else lo), (math.inf if hi is None else hi)
            return lambda t, base: min(max(f(t, base), number(low, base)), number(high, base))
        case nodes.PastEnd(inner, then):
            return past_end(inner, then, at, clock)
        case nodes.Cut(inner):
            return cut(inner, at, clock)
        case nodes.Staircase(inner, every):
            return staircase(inner, clock.updates(every, None), at, clock)
        case nodes.Stretch(inner, factor):
            slower = replace(clock, scale=clock.scale * Fraction(factor))
            room = None if at.exact[1] is None else at.exact[1] - at.exact[0]
            whole = container_inside(inner, slower, room)
            return lay(inner, at, replace(slower, container=whole, whole=whole, origin=at.begin))
        case nodes.Repeat():
            return repeat(node, at, clock)
        case _:
            f = leaf(node, at, clock)
            return lambda t, base: f(max(t, at.begin) if at.end is None else min(max(t, at.begin), at.end), base)


def alone(at: Place) -> Place:
    return replace(at, before=None, after=None)


def number(value: Value, base: float) -> float:
    return value.number if isinstance(value, Absolute) else value * base


def says_absolute(node: Schedule) -> bool:
    """Whether any value in it is absolute, by its text."""
    return "absolute(" in repr(node)


def sequence(parts: tuple[Schedule, ...], at: Place, clock: Clock) -> Function:
    lengths = [length(p, clock) for p in parts]
    if None in lengths and at.exact[1] is not None:
        left = at.exact[1] - at.exact[0] - sum(x for x in lengths if x is not None)
        lengths = [left if x is None else x for x in lengths]
    kept = [(p, x) for p, x in zip(parts, lengths, strict=True) if x != 0] or [(parts[-1], Fraction(0))]
    # 1. Boundaries: summed, then rounded; at least one update each; what fills the container ends where that ends.
    exact, whole = [at.exact[0]], [at.begin]
    for _, x in kept:
        if x is None:
            break
        exact.append(exact[-1] + x)
        fills = at.end is not None and exact[-1] == at.exact[1]
        end = at.end if fills and at.end is not None else rounded(exact[-1])
        whole.append(max(end, whole[-1] + 1) if x else end)
    # Those that fill the container and would outgrow it make room for one another, where there is room for all.
    if at.end is not None and exact[-1] == at.exact[1] and len(kept) <= at.end - at.begin:
        for k in range(len(kept)):
            whole[-1 - k] = min(whole[-1 - k], at.end - k)
    # 2. Phases that know their neighbours.
    functions: list[Function] = []
    for i, (part, _) in enumerate(kept):
        closed = i + 1 < len(exact)
        before = at.before if i == 0 else (lambda base, i=i: functions[i - 1](whole[i], base))
        after = at.after
        if i + 1 < len(kept):
            looks_back = leans_back(kept[i + 1][0])
            after = None if looks_back else (lambda base, i=i: functions[i + 1](whole[i + 1], base))
        there = Place(
            (exact[i], exact[i + 1] if closed else None), whole[i], whole[i + 1] if closed else None, before, after
        )
        functions.append(lay(part, there, clock))
    return lambda t, base: functions[max(i for i in range(len(kept)) if i == 0 or whole[i] <= t)](t, base)


def leans_back(node: Schedule) -> bool:
    """Whether it begins where the one before ended."""
    match node:
        case nodes.Phase(start=start):
            return start is None
        case nodes.Repeat():
            return False
        case nodes.Product(parts):
            pure = [p for p in parts if not isinstance(p, (nodes.Plateau, nodes.EarlyStop))]
            return leans_back(next((p for p in pure if says_absolute(p)), pure[0]))
        case _:
            return bool(node.children) and leans_back(node.children[0])


def past_end(inner: Schedule, then: str, at: Place, clock: Clock) -> Function:
    own = length(inner, clock)
    if own is not None:
        exact_end = at.exact[0] + own
        end = at.end if exact_end == at.exact[1] else rounded(exact_end)
        at = replace(at, exact=(at.exact[0], exact_end), end=max(end or 0, at.begin + (own > 0)))
    f = lay(inner, at, clock)
    if at.end is None:
        return f
    n, begin = at.end - at.begin, at.begin

    def value(t: int, base: float) -> float:
        x = t - begin
        if x >= n and then == "repeat":
            x %= n
        if x >= n and then == "mirror":
            there_and_back = [*range(n), *range(n, 0, -1)]
            x = there_and_back[x % len(there_and_back)]
        return f(begin + x, base)

    return value


def cut(inner: Schedule, at: Place, clock: Clock) -> Function:
    own, room = length(inner, clock), at
    if own is not None:
        exact_end = at.exact[0] + own
        end = at.end if exact_end == at.exact[1] else rounded(exact_end)
        room = replace(at, exact=(at.exact[0], exact_end), end=max(end or 0, at.begin + (own > 0)))
    f = lay(inner, replace(room, after=None), clock)
    return lambda t, base: f(max(t, at.begin) if at.end is None else min(max(t, at.begin), at.end), base)


def staircase(inner: Schedule, every: Fraction, at: Place, clock: Clock) -> Function:
    f = lay(inner, at, clock)
    goes_on = any(isinstance(n, nodes.PastEnd) and n.then != "hold" for n in nodes.walk(inner))

    def value(t: int, base: float) -> float:
        if not goes_on and at.end is not None:
            t = min(t, at.end)
        return f(max(clock.origin + rounded(passed(t - clock.origin, every) * every), at.begin), base)

    return value


def repeat(node: nodes.Repeat, at: Place, clock: Clock) -> Function:
    m = inside(node.inner, clock)
    grow = Fraction(node.grow)
    if m is not None:
        one = m[0] + m[1] * (clock.container or 0)
    else:
        assert node.n is not None
        assert at.exact[1] is not None
        one = (at.exact[1] - at.exact[0]) / sum(grow**k for k in range(node.n))
    one = max(one, Fraction(1))
    begins, cycles = [0], {}

    def cycle(k: int) -> Function:
        if k not in cycles:
            slower = replace(clock, scale=clock.scale * grow**k, origin=0)
            exact = one * grow**k
            whole = replace(slower, container=container_inside(node.inner, slower, exact), whole=exact)
            cycles[k] = lay(node.inner, Place((Fraction(0), exact), 0, begins[k + 1] - begins[k]), whole)
        return cycles[k]

    def value(t: int, base: float) -> float:
        x = max(t - at.begin, 0) if at.end is None else min(max(t, at.begin), at.end) - at.begin
        last = x if at.end is None else min(x, max(at.end - at.begin - 1, 0))
        while begins[-1] <= last + 1 or len(begins) < 2:
            exact = sum((one * grow**k for k in range(len(begins))), Fraction(0))
            begins.append(max(rounded(exact), begins[-1] + 1))
        k = max(i for i, b in enumerate(begins) if b <= last)
        k = k if node.n is None else min(k, node.n - 1)
        return cycle(k)(x - begins[k], base) * node.decay**k

    return value


def leaf(node: Any, at: Place, clock: Clock) -> Function:
    begin, end = at.begin, at.end
    match node:
        case nodes.Constant(start=start):
            return lambda t, base: number(start, base)
        case nodes.Phase():
            assert end is not None
            return phase(node, begin, end, at)
        case nodes.Steps():
            origin = begin if node.local else clock.origin
            if node.at is not None:
                marks = [origin + rounded(clock.updates(x, clock.whole)) for x in node.at]
                return lambda t, base: number(node.start, base) * node.gamma ** sum(m <= t for m in marks)
            every = clock.updates(node.every, clock.container)

            return lambda t, base: number(node.start, base) * node.gamma ** passed(t - origin, every)
        case nodes.Geometric(gamma=gamma, every=every_span, start=start):
            every = clock.updates(every_span, clock.container)
            return lambda t, base: number(start, base) * gamma ** float((t - begin) / every)
        case nodes.Inverse(timescale=timescale, power=power, start=start):
            scale = clock.updates(timescale, clock.container)
            return lambda t, base: number(start, base) * (1 + float((t - begin) / scale)) ** -power
        case nodes.Piecewise():
            origin = begin if node.local else clock.origin
            marks = [origin + rounded(clock.updates(x, clock.whole)) for x, _ in node.points]
            return piecewise(marks, [v for _, v in node.points], node.shape)
        case nodes.Formula(text=text, local=local):
            origin = begin if local else clock.origin

            def value(t: int, base: float) -> float:
                ticks = (t - origin) / clock.scale
                names = {
                    "t": float(ticks),
                    "epoch": float(ticks // clock.run.steps_per_epoch),
                    "epoch_float": float(ticks / clock.run.steps_per_epoch),
                    "u": None if end is None or end == begin else (t - begin) / (end - begin),
                    "total": None if clock.whole is None else float(clock.whole / clock.scale),
                }
                return FORMULAS[text](**names) * base

            return value
        case _:
            raise AssertionError(node)


def phase(node: nodes.Phase, begin: int, end: int, at: Place) -> Function:
    n = end - begin - (node.ends == "closed")

    def value(t: int, base: float) -> float:
        if node.start is not None:
            start = number(node.start, base)
        else:
            start = base if at.before is None else at.before(base)
        if node.to is not None:
            to = number(node.to, base)
        else:
            to = base if at.after is None else at.after(base)
        return between(start, to, min(t - begin, n), n, node.shape, dict(node.parameters))

    return value


def between(start: float, to: float, done: int, n: int, shape: str, parameters: Mapping[str, float]) -> float:
    if done >= n:
        return to
    if shape == "exponential":
        return math.exp(math.log(start) + (math.log(to) - math.log(start)) * done / n)
    w = WEIGHTS[shape](done / n, **parameters)
    return w * start + (1 - w) * to


def piecewise(marks: list[int], heights: list[Value], shape: str) -> Function:
    def value(t: int, base: float) -> float:
        k = sum(m <= t for m in marks)
        if shape == "hold" or k in (0, len(marks)):
            return number(heights[max(k - 1, 0)], base)
        a, b = marks[k - 1], marks[k]
        return between(number(heights[k - 1], base), number(heights[k], base), t - a, b - a, shape, {})

    return value
