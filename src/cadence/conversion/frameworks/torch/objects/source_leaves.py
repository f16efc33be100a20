"""Phases as python source: multiples of a base in the tick `t`, without cadence."""

from __future__ import annotations

import ast
import textwrap
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

from cadence._errors import ConversionError
from cadence.conversion.frameworks.torch.objects.view import tidy
from cadence.curve.placed import (
    Joint,
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


@dataclass(frozen=True)
class Time:
    """A tick of the run in source: a name plus a number, and what is known of it.

    Attributes:
        name: an expression.
        plus: what the tick is more than that.
        low, high: it lies between these; None: without end.
        open: whether nothing depends on the value at `high` itself, as no update has it.
    """

    name: str
    plus: int
    low: int
    high: int | None
    open: bool = False

    def since(self, begin: int) -> str:
        """The ticks from `begin` on."""
        rest = self.plus - begin
        return self.name if not rest else f"({self.name} {'+' if rest > 0 else '-'} {abs(rest)})"

    def until(self, end: int) -> str:
        """The ticks that are left until `end`."""
        return f"({end - self.plus} - {self.name})"

    def inside(self, begin: int, end: int | None) -> Time:
        """The tick, kept inside a phase."""
        text, high = self.since(0), self.high
        if self.low < begin:
            text = f"max({text}, {begin})"
        if end is not None and (high is None or high > end):
            text, high = f"min({text}, {end})", end
        return (
            self
            if text == self.since(0)
            else Time(text, 0, max(self.low, begin), high, self.open and high == self.high)
        )


@dataclass(frozen=True)
class Sheet:
    """What source is written on.

    Attributes:
        base: what values are multiples of; 1 where a schedule says nothing absolute.
        helpers: tables and functions that the expressions use, as they were needed.
    """

    base: float
    helpers: list[str]

    def number(self, x: Value | Joint) -> float:
        """A value as a multiple of the base."""
        scene = Scene(self.base, {})
        return tidy((x(scene) if callable(x) else scene.resolve(x)) / self.base)

    def named(self, kind: str, body: str) -> str:
        """Put a table (`body` is its value) or a function (`body` is its lines) on the sheet; its name."""
        name = f"{kind}_{len(self.helpers) + 1}"
        indented = textwrap.indent(body, "    ")
        self.helpers.append(f"{name} = {{\n{indented}\n}}" if kind == "table" else f"def {name}(t):\n{indented}")
        return name


def unreadable(what: str) -> ConversionError:
    """That something has no source."""
    return ConversionError(
        f"there is no readable source for {what}; to_native builds the scheduler itself, and "
        f"cd.torch_scheduler(optimizer, schedule) needs none"
    )


def times(number: float, text: str) -> str:
    """A product, where it is one."""
    return text if number == 1 else f"({number!r} * {text})"


def constant(s: Sheet, node: PlacedConstant, t: Time) -> str:
    """One value."""
    return repr(s.number(node.value))


Weights = Callable[[str, str, Mapping[str, float]], tuple[str, str]]

SHAPES: Mapping[str, Weights] = {
    "linear": lambda u, v, _: (v, u),
    "exponential": lambda u, v, _: (v, u),
    "cosine": lambda u, v, _: (f"((1 + math.cos(math.pi * {u})) / 2)", f"((1 - math.cos(math.pi * {u})) / 2)"),
    "power": lambda u, v, p: (f"(({v}) ** {p['exponent']!r})", f"(1 - ({v}) ** {p['exponent']!r})"),
    "1-sqrt": lambda u, v, _: (f"(1 - math.sqrt({u}))", f"math.sqrt({u})"),
    "rex": lambda u, v, _: (f"({v} / (0.5 + 0.5 * {v}))", f"({u} / (1 + {v}))"),
    "tanh": lambda u, v, p: _tanh(u, p["low"], p["high"]),
}
"""Weight of the starting value and of the end value, in the share done and the share left."""


def _tanh(u: str, low: float, high: float) -> tuple[str, str]:
    here, whole = f"math.tanh({low!r} + {high - low!r} * ({u}))", f"(math.tanh({high!r}) - math.tanh({low!r}))"
    return f"((math.tanh({high!r}) - {here}) / {whole})", f"(({here} - math.tanh({low!r})) / {whole})"


def phase(s: Sheet, node: PlacedPhase, t: Time) -> str:
    """From one value to another."""
    if node.shape.name not in SHAPES:
        raise unreadable(f"the shape {node.shape.name!r}")
    n = node.end - node.begin - node.closed
    start, to = s.number(node.start), s.number(node.to)
    if n == 0:
        return f"({start!r} if {t.since(node.begin)} < 0 else {to!r})"
    t = t.inside(node.begin, node.begin + n)
    u, v = f"{t.since(node.begin)} / {n}", f"{t.until(node.begin + n)} / {n}"
    if node.shape.name == "rex":
        u, v = f"({u})", f"({v})"
    fall, climb = SHAPES[node.shape.name](u, v, node.parameters)
    if node.shape.mixes == "geometric":
        return times(start, f"({to / start!r} ** ({climb}))")
    if abs(to) <= abs(start):
        return _between(to, start, fall)
    return _between(start, to, climb)


def _between(low: float, high: float, weight: str) -> str:
    rise = times(tidy(high - low), weight)
    return f"({rise})" if low == 0 else f"({low!r} + {rise})"


def steps(s: Sheet, node: PlacedSteps, t: Time) -> str:
    """A factor at each position."""
    t = t.inside(node.begin, node.end)
    if node.positions is not None:
        places = "".join(f"{p - t.plus}, " for p in node.positions)
        passed = f"sum({t.name} >= m for m in ({places}))"
    else:
        assert node.every is not None
        since = t.since(node.origin)
        passed = stretches(f"max({since}, 0)" if t.low < node.origin else since, node.every)
    return times(s.number(node.start), f"({node.gamma!r} ** {passed})")


def stretches(x: str, every: tuple[int, int]) -> str:
    """How many whole stretches of p/q ticks lie behind."""
    p, q = every
    return f"({x} // {p})" if q == 1 else f"(((2 * {x} + 1) * {q} - 1) // {2 * p})"


def boundary(k: str, every: tuple[int, int]) -> str:
    """Where k stretches of p/q ticks end."""
    p, q = every
    return f"({k} * {p})" if q == 1 else f"((2 * {k} * {p} + {q}) // {2 * q})"


def geometric(s: Sheet, node: PlacedGeometric, t: Time) -> str:
    """A factor at every tick."""
    done, (p, q) = t.inside(node.begin, node.end).since(node.begin), node.every
    power = done if p == q else f"({done} / {p})" if q == 1 else f"({done} * {q} / {p})"
    return times(s.number(node.start), f"({node.gamma!r} ** {power})")


def inverse(s: Sheet, node: PlacedInverse, t: Time) -> str:
    """An inverse power of time."""
    done = t.inside(node.begin, node.end).since(node.begin)
    return times(s.number(node.start), f"(1 + {done} / {node.timescale!r}) ** {-node.power!r}")


def piecewise(s: Sheet, node: PlacedPiecewise, t: Time) -> str:
    """Through given points: a table, or one line after the other."""
    t = t.inside(node.begin, node.end)
    values = [s.number(v) for v in node.points]
    places = [p - t.plus for p in node.positions]
    if node.shape is None:
        return _held(s, places, values, t)
    text = repr(values[-1])
    for (a, b), (x, y) in reversed(list(zip(pairwise(places), pairwise(node.points), strict=True))):
        if b > a:
            begin, end = a + t.plus, b + t.plus
            line = PlacedPhase(begin, end, node.shape, node.shape.parameters, x, y, False, "phase")
            text = f"({phase(s, line, replace(t, low=begin, high=end))} if {t.name} < {b} else {text})"
    return f"({values[0]!r} if {t.name} < {places[0]} else {text})" if t.low < places[0] + t.plus else text


def _held(s: Sheet, places: list[int], values: list[float], t: Time) -> str:
    if len(places) <= 4:
        text = repr(values[-1])
        for b, value in reversed(list(zip(places[1:], values[:-1], strict=True))):
            text = f"({value!r} if {t.name} < {b} else {text})"
        return text
    rows = ", ".join(f"{p}: {v!r}" for p, v in zip(places, values, strict=True))
    name = s.named("table", textwrap.fill(rows + ",", 92))
    if places == list(range(places[0], places[-1] + 1)):
        return f"{name}[min(max({t.name}, {places[0]}), {places[-1]})]"
    return f"{name}[max((p for p in {name} if p <= {t.name}), default={places[0]})]"


class _Names(ast.NodeTransformer):
    """The names, functions and choices of a formula as python's own."""

    def __init__(self, known: Mapping[str, str]) -> None:
        self._known = known

    def visit_Name(self, node: ast.Name) -> ast.expr:
        return ast.parse(self._known[node.id], mode="eval").body if node.id in self._known else node

    def visit_Call(self, node: ast.Call) -> ast.expr:
        assert isinstance(node.func, ast.Name)
        arguments: list[Any] = [self.visit(x) for x in node.args]
        if node.func.id == "where":
            return ast.IfExp(arguments[0], arguments[1], arguments[2])
        module = "" if node.func.id in ("min", "max") else "math."
        return ast.Call(ast.parse(module + node.func.id, mode="eval").body, arguments, [])


def formula(s: Sheet, node: PlacedFormula, t: Time) -> str:
    """A formula, in python's own names."""
    t = t.inside(node.begin, node.end)
    ticks = t.since(node.origin) if node.scale == 1 else f"({t.since(node.origin)} / {float(node.scale)!r})"
    known: dict[str, str] = {"t": ticks, "pi": "math.pi", "total": repr(node.total)}
    if node.steps_per_epoch is not None:
        one = node.steps_per_epoch == 1
        known["epoch_float"] = ticks if one else f"({ticks} / {node.steps_per_epoch})"
        known["epoch"] = ticks if one and node.scale == 1 else f"({ticks} // {node.steps_per_epoch})"
    if node.end is not None:
        known["u"] = f"({t.since(node.begin)} / {node.end - node.begin})"
    tree = _Names(known).visit(ast.parse(node.text.strip(), mode="eval").body)
    return f"({ast.unparse(ast.fix_missing_locations(tree))})"
