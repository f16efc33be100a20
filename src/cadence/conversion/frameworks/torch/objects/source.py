"""Placed schedules as python source: what a function for LambdaLR computes, readable and without cadence."""

from __future__ import annotations

import ast
from collections.abc import Callable, Mapping
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np

from cadence.conversion.frameworks.torch.objects import source_leaves as leaves
from cadence.conversion.frameworks.torch.objects.source_leaves import Sheet, Time, times, unreadable
from cadence.conversion.frameworks.torch.objects.view import plain
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

MOST_CYCLES = 50
"""Cycles of growing length are written out one by one; more than these are not readable."""


def expression(s: Sheet, node: Placed, t: Time) -> str:
    """The value of a schedule at a tick, in brackets.

    Raises:
        ConversionError: a part that has no readable form.
    """
    node = plain(node)
    if type(node) not in _WRITERS:
        raise unreadable(type(node).__name__)
    return _WRITERS[type(node)](s, node, t)


def body(s: Sheet, node: Placed, t: Time) -> list[str]:
    """The lines of a function; one part of a sequence after the other."""
    node = plain(node)
    if not isinstance(node, PlacedSequence):
        return [f"return {neat(expression(s, node, t))}"]
    parts = _reached(node, t)
    pieces = [
        (neat(expression(s, part, replace(t, low=max(t.low, part.begin), high=after.begin, open=True))), after.begin)
        for part, after in pairwise(parts)
    ]
    last = neat(expression(s, parts[-1], replace(t, low=max(t.low, parts[-1].begin))))
    pieces = [*((text, begin - t.plus) for text, begin in pieces), (last, 0)]
    return _chosen(pieces)


def _chosen(pieces: list[tuple[str, int]]) -> list[str]:
    """The lines that choose among (expression, where the next one begins)."""
    lines: list[str] = []
    for text, end in pieces[:-1]:
        lines += [f"if t < {end}:", f"    return {text}"]
    return [*lines, f"return {pieces[-1][0]}"]


def neat(text: str) -> str:
    """An expression without the brackets that it does not need."""
    return ast.unparse(ast.parse(text, mode="eval"))


def _reached(node: PlacedSequence, t: Time) -> list[Placed]:
    return [p for p in node.parts if t.high is None or p.begin <= max(t.high, node.begin)]


def _sequence(s: Sheet, node: PlacedSequence, t: Time) -> str:
    parts = _reached(node, t)
    text = expression(s, parts[-1], replace(t, low=max(t.low, parts[-1].begin)))
    for part, after in reversed(list(pairwise(parts))):
        here = expression(s, part, replace(t, low=max(t.low, part.begin), high=after.begin, open=True))
        text = f"({here} if {t.name} < {after.begin - t.plus} else {text})"
    return text


def _product(s: Sheet, node: PlacedProduct, t: Time) -> str:
    pure = Sheet(1.0, s.helpers)
    parts = [expression(s, node.carrier, t), *(expression(pure, f, t) for f in node.factors)]
    return "(" + " * ".join(p for p in parts if p != "1.0") + ")" if set(parts) != {"1.0"} else "1.0"


def _sum(s: Sheet, node: PlacedSum, t: Time) -> str:
    return "(" + " + ".join(expression(s, part, t) for part in node.parts) + ")"


def _clip(s: Sheet, node: PlacedClip, t: Time) -> str:
    text = expression(s, node.inner, t)
    text = text if node.lo is None else f"max({text}, {s.number(node.lo)!r})"
    return text if node.hi is None else f"min({text}, {s.number(node.hi)!r})"


def _repeat(s: Sheet, node: PlacedRepeat, t: Time) -> str:
    p, q = node.period
    if q != 1:
        raise unreadable("cycles whose length is no whole number of steps")
    # Where it is over before the run is, it stays at the end of its last cycle.
    over = node.end is not None and (t.high is None or t.high > node.end or (t.high == node.end and not t.open))
    most = [node.n - 1] if node.n is not None else []
    most += [(node.end - node.begin - 1) // p] if over and node.end is not None else []
    x = t.inside(node.begin, node.end).since(node.begin)
    k = f"min({x} // {p}, {max(min(most), 0)})" if most else f"({x} // {p})"
    local = f"({x} - {p} * {k})" if most else f"({x} % {p})"
    cycle = s.named("cycle", "\n".join(body(s, node.make(0, p), Time("t", 0, 0, p if most else p - 1))))
    return f"{cycle}({local})" if node.decay == 1 else f"({node.decay!r} ** {k} * {cycle}({local}))"


def _growing(s: Sheet, node: PlacedGrowing, t: Time) -> str:
    t = t.inside(node.begin, node.end)
    if t.high is None:
        raise unreadable("growing cycles of a run without end (give total=)")
    # Looked at where it matters, so that its cycles are listed.
    node.at(np.array([t.high]), Scene(1.0, {}))
    last = t.high - node.begin - (t.high == node.end)
    begins = [b for b in node.begins[:-1] if b <= max(last, 0)]
    if len(begins) > MOST_CYCLES:
        raise unreadable(f"{len(begins)} growing cycles")
    pieces: list[tuple[str, int]] = []
    for k, begin in enumerate(begins):
        length = node.begins[k + 1] - begin
        local = Time("t", -begin, 0, length)
        text = times(node.decay**k, expression(s, node.make(k, length), local))
        pieces.append((neat(text), node.begins[k + 1]))
    return f"{s.named('cycles', chr(10).join(_chosen(pieces)))}({t.since(node.begin)})"


def _past_end(s: Sheet, node: PlacedPastEnd, t: Time) -> str:
    end = node.inner.end
    if end is None or node.then in ("hold", "raise") or (t.high is not None and t.high <= end):
        return expression(s, node.inner, t)
    n, x = end - node.begin, t.since(node.begin)
    inner = s.named("phase", "\n".join(body(s, node.inner, Time("t", node.begin, node.begin, end))))
    if node.then == "repeat":
        return f"{inner}({x} % {n})"
    return f"{inner}({n} - abs({x} % {2 * n} - {n}))"


def _cut(s: Sheet, node: PlacedCut, t: Time) -> str:
    return expression(s, node.inner, t.inside(node.begin, node.end))


def _staircase(s: Sheet, node: PlacedStaircase, t: Time) -> str:
    t = t.inside(node.begin, node.end) if node.holds else t
    stair = leaves.boundary(leaves.stretches(t.since(node.origin), node.every), node.every)
    stair = f"({node.origin} + {stair})" if node.origin else stair
    # A stair that began before the phase has the phase's first value.
    name = f"max({stair}, {node.begin})" if node.begin else stair
    return expression(s, node.inner, Time(name, 0, node.begin, t.high, t.open))


_WRITERS: Mapping[type, Callable[[Sheet, Any, Time], str]] = {
    PlacedConstant: leaves.constant, PlacedPhase: leaves.phase, PlacedSteps: leaves.steps,
    PlacedGeometric: leaves.geometric, PlacedInverse: leaves.inverse, PlacedPiecewise: leaves.piecewise,
    PlacedFormula: leaves.formula, PlacedSequence: _sequence, PlacedProduct: _product, PlacedSum: _sum,
    PlacedClip: _clip, PlacedRepeat: _repeat, PlacedGrowing: _growing, PlacedPastEnd: _past_end, PlacedCut: _cut,
    PlacedStaircase: _staircase,
}  # fmt: skip
