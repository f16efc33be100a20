"""A placed schedule as python source: what a function for LambdaLR computes, readable and without cadence."""

from __future__ import annotations

import ast
import itertools
import math
import textwrap
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from cadence._errors import ConversionError
from cadence.conversion.frameworks.torch.view import plain
from cadence.curve.combined import (
    PlacedClip,
    PlacedCut,
    PlacedPastEnd,
    PlacedProduct,
    PlacedSequence,
    PlacedStaircase,
    PlacedSum,
)
from cadence.curve.cycles import PlacedGrowing, PlacedRepeat
from cadence.curve.placed import (
    Joint,
    Placed,
    PlacedConstant,
    PlacedFormula,
    PlacedGeometric,
    PlacedInverse,
    PlacedPhase,
    PlacedPiecewise,
    PlacedSteps,
    Scene,
)
from cadence.spec.value import Value

MOST_CYCLES = 50
"""Cycles of growing length are written out one by one; more than these are not readable."""


@dataclass(frozen=True)
class Time:
    """A tick of the run in source: a name plus a number, and what is known of it.

    Attributes:
        name: an expression.
        plus: what the tick is more than that.
        low, high: it lies between these; None: without end.
    """

    name: str
    plus: int
    low: int
    high: int | None

    def since(self, begin: int) -> str:
        """The ticks from `begin` on."""
        rest = self.plus - begin
        return self.name if not rest else f"({self.name} {'+' if rest > 0 else '-'} {abs(rest)})"

    def inside(self, begin: int, end: int | None) -> Time:
        """The tick, kept inside a phase."""
        text, high = self.since(0), self.high
        if self.low < begin:
            text = f"max({text}, {begin})"
        if end is not None and (high is None or high > end):
            text, high = f"min({text}, {end})", end
        if text == self.since(0):
            return self
        return Time(text, 0, max(self.low, begin), high)


class Source:
    """Expressions for placed schedules, as multiples of a base, and the functions that they call."""

    def __init__(self, base: float, helpers: list[str]) -> None:
        """Write multiples of `base` (1 where a schedule says nothing absolute); `helpers` takes what they call."""
        self._base = base
        self.helpers = helpers

    def expression(self, node: Placed, t: Time) -> str:
        """The value of a schedule at a tick.

        Raises:
            ConversionError: a part that has no readable form.
        """
        node = plain(node)
        if type(node) not in _WRITERS:
            raise _unreadable(f"{type(node).__name__.removeprefix('Placed').lower()} on this run")
        return _WRITERS[type(node)](self, node, t)

    def number(self, x: Value | Joint) -> str:
        """A value as a multiple of the base."""
        scene = Scene(self._base, {})
        value = (x(scene) if callable(x) else scene.resolve(x)) / self._base
        return repr(float(round(value, 14) if math.isclose(value, round(value, 14), rel_tol=1e-15) else value))

    def pure(self, node: Placed, t: Time) -> str:
        """The same where the base does not count: a factor in a product."""
        return Source(1.0, self.helpers).expression(node, t)

    def function(self, node: Placed, t: Time) -> str:
        """A helper function of the clock that `t` names; its name."""
        body = neat(self.expression(node, t))
        name = f"cycle_{len(self.helpers) + 1}"
        self.helpers.append(f"def {name}(t):\n    return {body}")
        return name


def neat(expression: str) -> str:
    """An expression without the brackets that it does not need."""
    return ast.unparse(ast.parse(expression, mode="eval"))


def _unreadable(what: str) -> ConversionError:
    return ConversionError(
        f"there is no readable source for {what}; to_native builds the scheduler itself, and "
        f"cd.torch_scheduler(optimizer, schedule) needs none"
    )


def _constant(s: Source, node: PlacedConstant, t: Time) -> str:
    return s.number(node.value)


SHAPES: Mapping[str, Callable[[str, str, Mapping[str, float]], tuple[str, str]]] = {
    "linear": lambda u, v, _: (v, u),
    "cosine": lambda u, v, _: (f"(0.5 * (1 + math.cos(math.pi * {u})))", f"(0.5 * (1 - math.cos(math.pi * {u})))"),
    "power": lambda u, v, p: (f"({v} ** {p['exponent']!r})", f"(1 - {v} ** {p['exponent']!r})"),
    "1-sqrt": lambda u, v, _: (f"(1 - math.sqrt({u}))", f"math.sqrt({u})"),
    "rex": lambda u, v, _: (f"({v} / (0.5 + 0.5 * {v}))", f"({u} / (1 + {v}))"),
    "exponential": lambda u, v, _: (v, u),
    "tanh": lambda u, v, p: (
        f"((math.tanh({p['high']!r}) - math.tanh({p['low']!r} + {p['high'] - p['low']!r} * {u})) "
        f"/ {math.tanh(p['high']) - math.tanh(p['low'])!r})",
        f"((math.tanh({p['low']!r} + {p['high'] - p['low']!r} * {u}) - math.tanh({p['low']!r})) "
        f"/ {math.tanh(p['high']) - math.tanh(p['low'])!r})",
    ),
}
"""Weight of the starting value and of the end value, in the share done and the share left."""


def _phase(s: Source, node: PlacedPhase, t: Time) -> str:
    if node.shape.name not in SHAPES:
        raise _unreadable(f"the shape {node.shape.name!r}")
    n = node.end - node.begin - node.closed
    inside = t.inside(node.begin, node.begin + n)
    start, to = s.number(node.start), s.number(node.to)
    if n == 0:
        return f"({start} if {t.since(node.begin)} < 0 else {to})"
    u, v = f"({inside.since(node.begin)} / {n})", f"({_left(inside, node.begin + n)} / {n})"
    fall, climb = SHAPES[node.shape.name](u, v, node.parameters)
    a, b = float(start), float(to)
    if node.shape.mixes == "geometric":
        return f"({start} * {b / a!r} ** {climb})"
    if abs(b) <= abs(a):
        return _line(b, a, fall)
    return _line(a, b, climb)


def _left(t: Time, end: int) -> str:
    return f"({end - t.plus} - {t.name})"


def _line(low: float, high: float, weight: str) -> str:
    rise = weight if high - low == 1 else f"({high - low!r} * {weight})"
    return rise if low == 0 else f"({low!r} + {rise})"


def _steps(s: Source, node: PlacedSteps, t: Time) -> str:
    t = t.inside(node.begin, node.end)
    if node.positions is not None:
        places = ", ".join(str(p - t.plus) for p in node.positions)
        passed = f"sum({t.name} >= m for m in ({places},))"
    else:
        assert node.every is not None
        since = t.since(node.origin)
        passed = _stretches(f"max({since}, 0)" if t.low < node.origin else since, node.every)
    start = float(s.number(node.start))
    power = f"({node.gamma!r} ** {passed})"
    return power if start == 1 else f"({start!r} * {power})"


def _stretches(x: str, every: tuple[int, int]) -> str:
    p, q = every
    return f"({x} // {p})" if q == 1 else f"(((2 * {x} + 1) * {q} - 1) // {2 * p})"


def _boundary(k: str, every: tuple[int, int]) -> str:
    p, q = every
    return f"({k} * {p})" if q == 1 else f"((2 * {k} * {p} + {q}) // {2 * q})"


def _geometric(s: Source, node: PlacedGeometric, t: Time) -> str:
    done, (p, q) = t.inside(node.begin, node.end).since(node.begin), node.every
    power = done if p == q else f"({done} / {p})" if q == 1 else f"({done} * {q} / {p})"
    start = float(s.number(node.start))
    return f"({node.gamma!r} ** {power})" if start == 1 else f"({start!r} * {node.gamma!r} ** {power})"


def _inverse(s: Source, node: PlacedInverse, t: Time) -> str:
    done = t.inside(node.begin, node.end).since(node.begin)
    return f"({s.number(node.start)} * (1 + {done} / {node.timescale!r}) ** {-node.power!r})"


def _piecewise(s: Source, node: PlacedPiecewise, t: Time) -> str:
    t = t.inside(node.begin, node.end)
    values = [s.number(v) for v in node.points]
    places = [p - t.plus for p in node.positions]
    if node.shape is None:
        if len(places) == 1:
            return values[0]
        name = f"table_{len(s.helpers) + 1}"
        rows = textwrap.fill(", ".join(f"{p}: {v}" for p, v in zip(places, values, strict=True)), 96)
        s.helpers.append(f"{name} = {{\n{textwrap.indent(rows, '    ')},\n}}")
        if places == list(range(places[0], places[0] + len(places))):
            return f"{name}[min(max({t.name}, {places[0]}), {places[-1]})]"
        return f"{name}[max((p for p in {name} if p <= {t.name}), default={places[0]})]"
    text = values[-1]
    for a, b, x, y in reversed(list(zip(places, places[1:], node.points, node.points[1:], strict=False))):
        if b > a:
            line = PlacedPhase(a + t.plus, b + t.plus, node.shape, node.shape.parameters, x, y, False, "phase")
            text = f"({_phase(s, line, replace(t, low=a + t.plus, high=b + t.plus))} if {t.name} < {b} else {text})"
    return f"({values[0]} if {t.name} < {places[0]} else {text})" if t.low < places[0] + t.plus else text


class _Names(ast.NodeTransformer):
    """The names, functions and truths of a formula as python's own."""

    def __init__(self, known: Mapping[str, str]) -> None:
        self._known = known

    def visit_Name(self, node: ast.Name) -> ast.expr:
        return ast.parse(self._known[node.id], mode="eval").body if node.id in self._known else node

    def visit_Constant(self, node: ast.Constant) -> ast.expr:
        return node

    def visit_Call(self, node: ast.Call) -> ast.expr:
        assert isinstance(node.func, ast.Name)
        arguments = [self.visit(x) for x in node.args]
        if node.func.id == "where":
            return ast.IfExp(arguments[0], arguments[1], arguments[2])
        module = "" if node.func.id in ("min", "max") else "math."
        return ast.Call(ast.parse(module + node.func.id, mode="eval").body, arguments, [])


def _formula(s: Source, node: PlacedFormula, t: Time) -> str:
    inside = t.inside(node.begin, node.end)
    ticks = inside.since(node.origin) if node.scale == 1 else f"({inside.since(node.origin)} / {float(node.scale)!r})"
    known: dict[str, str] = {"t": ticks, "pi": "math.pi", "total": repr(node.total)}
    if node.steps_per_epoch is not None:
        one = node.steps_per_epoch == 1
        known["epoch_float"] = ticks if one else f"({ticks} / {node.steps_per_epoch})"
        known["epoch"] = ticks if one else f"({ticks} // {node.steps_per_epoch})"
    if node.end is not None:
        known["u"] = f"({inside.since(node.begin)} / {node.end - node.begin})"
    tree = _Names(known).visit(ast.parse(node.text.strip(), mode="eval").body)
    return f"({ast.unparse(ast.fix_missing_locations(tree))})"


def _sequence(s: Source, node: PlacedSequence, t: Time) -> str:
    parts = [p for p in node.parts if t.high is None or p.begin <= t.high]
    text = s.expression(parts[-1], replace(t, low=max(t.low, parts[-1].begin)))
    for part, after in reversed(list(itertools.pairwise(parts))):
        here = s.expression(part, replace(t, low=max(t.low, part.begin), high=after.begin))
        text = f"({here} if {t.name} < {after.begin - t.plus} else {text})"
    return text


def _product(s: Source, node: PlacedProduct, t: Time) -> str:
    return "(" + " * ".join([s.expression(node.carrier, t), *(s.pure(f, t) for f in node.factors)]) + ")"


def _sum(s: Source, node: PlacedSum, t: Time) -> str:
    return "(" + " + ".join(s.expression(part, t) for part in node.parts) + ")"


def _clip(s: Source, node: PlacedClip, t: Time) -> str:
    text = s.expression(node.inner, t)
    text = text if node.lo is None else f"max({text}, {s.number(node.lo)})"
    return text if node.hi is None else f"min({text}, {s.number(node.hi)})"


def _repeat(s: Source, node: PlacedRepeat, t: Time) -> str:
    (p, q), inside = node.period, t.inside(node.begin, node.end)
    if q != 1:
        raise _unreadable("cycles whose length is no whole number of steps")
    x = inside.since(node.begin)
    # At the very end the last cycle is at its end, not the next one at its beginning.
    ends = node.end is not None and (node.end - node.begin) % p == 0 and inside.high == node.end
    k = f"(min({x}, {node.end - node.begin - 1}) // {p})" if ends and node.end is not None else f"({x} // {p})"
    k = k if node.n is None else f"min({k}, {node.n - 1})"
    local = f"({x} % {p})" if not ends and node.n is None else f"({x} - {p} * {k})"
    cycle = s.function(node.make(0, p), Time("t", 0, 0, p if ends or node.n is not None else p - 1))
    return f"{cycle}({local})" if node.decay == 1 else f"({node.decay!r} ** {k} * {cycle}({local}))"


def _growing(s: Source, node: PlacedGrowing, t: Time) -> str:
    inside = t.inside(node.begin, node.end)
    if inside.high is None:
        raise _unreadable("growing cycles of a run without end; give total=")
    node.at(_array(inside.high), Scene(1.0, {}))
    begins = [node.begin + b for b in node.begins if node.begin + b <= inside.high]
    if len(begins) > MOST_CYCLES:
        raise _unreadable(f"{len(begins)} growing cycles")
    parts: list[tuple[int, str]] = []
    for k, begin in enumerate(begins):
        if k + 1 >= len(node.begins):
            break
        length = node.begins[k + 1] - node.begins[k]
        shifted = replace(inside, plus=inside.plus - begin, low=0, high=length)
        text = s.expression(node.make(k, length), shifted)
        parts.append((begin, text if node.decay == 1 else f"({node.decay**k!r} * {text})"))
    if node.end is not None and parts[-1][0] == node.end and len(parts) > 1:
        parts.pop()
    text = parts[-1][1]
    for (_, here), (begin, _) in reversed(list(itertools.pairwise(parts))):
        text = f"({here} if {inside.name} < {begin - inside.plus} else {text})"
    return text


def _array(t: int) -> Any:
    import numpy as np

    return np.array([t])


def _past_end(s: Source, node: PlacedPastEnd, t: Time) -> str:
    end = node.inner.end
    if end is None or node.then in ("hold", "raise") or (t.high is not None and t.high <= end):
        return s.expression(node.inner, t)
    n, x = end - node.begin, t.since(node.begin)
    inner = s.function(node.inner, Time("t", node.begin, node.begin, end))
    if node.then == "repeat":
        return f"{inner}({x} % {n})"
    return f"{inner}({n} - abs({x} % {2 * n} - {n}))"


def _cut(s: Source, node: PlacedCut, t: Time) -> str:
    return s.expression(node.inner, t.inside(node.begin, node.end))


def _staircase(s: Source, node: PlacedStaircase, t: Time) -> str:
    t = t.inside(node.begin, node.end) if node.holds else t
    stair = _boundary(_stretches(t.since(node.origin), node.every), node.every)
    begin = f"({node.origin} + {stair})" if node.origin else stair
    low = begin if node.origin >= node.begin or t.low <= node.begin == 0 else f"max({begin}, {node.begin})"
    return s.expression(node.inner, Time(low, 0, t.low if t.low == 0 else node.begin, t.high))


_WRITERS: Mapping[type, Callable[[Source, Any, Time], str]] = {
    PlacedConstant: _constant, PlacedPhase: _phase, PlacedSteps: _steps, PlacedGeometric: _geometric,
    PlacedInverse: _inverse, PlacedPiecewise: _piecewise, PlacedFormula: _formula, PlacedSequence: _sequence,
    PlacedProduct: _product, PlacedSum: _sum, PlacedClip: _clip, PlacedRepeat: _repeat, PlacedGrowing: _growing,
    PlacedPastEnd: _past_end, PlacedCut: _cut, PlacedStaircase: _staircase,
}  # fmt: skip
