"""Ignite's own equal of a placed curve: lines, halves of a cosine and cycles, one after the other."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Any

import numpy as np

from cadence._errors import ConversionError
from cadence.conversion.native import Native
from cadence.curve.combined import PlacedCut, PlacedPastEnd, PlacedProduct, PlacedSequence, PlacedSum
from cadence.curve.curve import Curve
from cadence.curve.cycles import PlacedGrowing, PlacedRepeat
from cadence.curve.placed import (
    Placed,
    PlacedConstant,
    PlacedFormula,
    PlacedPhase,
    PlacedPiecewise,
    PlacedSteps,
    Scene,
    boundary,
)

Point = tuple[int, float]

MOST_POINTS = 200
"""Points of a line that a reader can still follow."""

NEAR = 1e-12


@dataclass(frozen=True)
class Line:
    """Through points; afterwards the last value holds."""

    begin: int
    end: int | None
    points: tuple[Point, ...]


@dataclass(frozen=True)
class Cycle:
    """A cyclical scheduler, from `begin` to `end`, where it has the value `last` (None: it does not end)."""

    begin: int
    end: int | None
    name: str
    arguments: dict[str, Any] = field(default_factory=dict[str, Any])
    last: float | None = None


Piece = Line | Cycle


def express(curve: Curve) -> Native:
    """Ignite's equal: one scheduler, or one for each value and group.

    Raises:
        ConversionError: a part that has none.
    """
    found: list[Native] = []
    for value in curve.plan.values():
        if value.startswith("beta"):
            raise ConversionError(
                f"ignite sets whole values of a group, and {value} is one of a pair (betas); leave it out, or use "
                f"cd.drive(optimizer, plan)"
            )
        groups = [g for g, v in curve.pairs if v == value]
        each = [_scheduler(curve, g, value) for g in groups]
        if len(groups) == len(curve.groups) and all(native == each[0] for native in each):
            found.append(each[0])
            continue
        found += [
            replace(native, arguments={**native.arguments, "param_group_index": g})
            if native.name != "ConcatScheduler"
            else _for_group(native, g)
            for g, native in zip(groups, each, strict=True)
            if not _left_alone(curve, g, value)
        ]
    return found[0] if len(found) == 1 else Native("ignite", "ParamGroupScheduler", {"schedulers": found})


def _for_group(native: Native, group: int) -> Native:
    inside: Sequence[Native] = native.arguments["schedulers"]
    numbered = [replace(n, arguments={**n.arguments, "param_group_index": group}) for n in inside]
    return replace(native, arguments={**native.arguments, "schedulers": numbered})


def _left_alone(curve: Curve, group: int, value: str) -> bool:
    """Whether a group merely keeps its base, as one does that no scheduler touches."""
    placed = _placed(curve, group, value)
    others = any(not isinstance(_placed(curve, g, v), PlacedConstant) for g, v in curve.pairs)
    return others and value == "lr" and isinstance(placed, PlacedConstant) and placed.value == 1.0


def _placed(curve: Curve, group: int, value: str) -> Placed:
    entry = curve.plan.governing(curve.groups[group], value)
    assert entry is not None
    return curve.placed[entry]


def _scheduler(curve: Curve, group: int, value: str) -> Native:
    scene = Scene(curve.bases[value][group] or 0.0, {})
    end = curve.total
    pieces = _merged(_pieces(_placed(curve, group, value), scene, end))
    # The run's own end cuts off what comes later.
    pieces = [p for p in pieces if end is None or p.begin < end or p is pieces[0]]
    last = pieces[-1]
    if isinstance(last, Cycle) and last.end is not None and last.last is not None and (end is None or last.end < end):
        pieces.append(Line(last.end, None, ((last.end, last.last),)))
    natives = [_native(p, value) for p in pieces]
    if len(natives) == 1:
        return natives[0]
    durations = [b.begin - a.begin for a, b in pairwise(pieces)]
    return Native("ignite", "ConcatScheduler", {"schedulers": natives, "durations": durations})


def _native(piece: Piece, value: str) -> Native:
    if isinstance(piece, Cycle):
        return Native("ignite", piece.name, {"param_name": value, **piece.arguments})
    points = [(t - piece.begin, clean(v)) for t, v in piece.points]
    return Native("ignite", "PiecewiseLinear", {"param_name": value, "milestones_values": points})


def _merged(pieces: Iterable[Piece]) -> list[Piece]:
    """Lines that follow each other as one."""
    made: list[Piece] = []
    for piece in pieces:
        before = made[-1] if made else None
        if not isinstance(piece, Line) or not isinstance(before, Line):
            made.append(piece)
            continue
        points = list(before.points)
        held = (piece.begin, points[-1][1])
        # The line before ends where this one begins, at a value of its own.
        points += [p for p in (held, *piece.points) if p != points[-1]]
        made[-1] = Line(before.begin, piece.end, tuple(_without_repeats(points)))
    for piece in made:
        if isinstance(piece, Line) and len(piece.points) > MOST_POINTS:
            raise ConversionError(f"a line of {len(piece.points)} points is a table rather than a scheduler; {ADAPTER}")
    return made


def _without_repeats(points: list[Point]) -> list[Point]:
    """Of the points at one place the first and the last, once if they are the same."""
    kept: list[Point] = []
    for p in points:
        if len(kept) > 1 and kept[-1][0] == kept[-2][0] == p[0]:
            kept.pop()
        if not kept or p != kept[-1]:
            kept.append(p)
    return kept


ADAPTER = "use LRScheduler(cd.torch_scheduler(optimizer, schedule)) of ignite.handlers instead"


def _pieces(node: Placed, scene: Scene, end: int | None) -> list[Piece]:
    """A placed node as pieces of ignite."""
    match node:
        case PlacedSequence(parts=parts):
            return [piece for part in parts for piece in _pieces(part, scene, end)]
        case PlacedConstant(begin=begin, end=to, value=value):
            return [Line(begin, to, ((begin, scene.resolve(value)),))]
        case PlacedPhase():
            return _phase(node, scene)
        case PlacedPiecewise():
            return [_through(node, scene)]
        case PlacedSteps():
            return [_stairs(node, scene, end)]
        case PlacedRepeat() | PlacedGrowing():
            return [_cycles(node, scene)]
        case PlacedSum(parts=(high, low)) if isinstance(high, (PlacedRepeat, PlacedGrowing)):
            return [_two_sided(high, low, node, scene)]
        case PlacedProduct(rules=(), factors=factors) if all(isinstance(f, PlacedConstant) for f in factors):
            share = float(np.prod([f.first(scene.unit) for f in factors]))
            return [_scaled(piece, share) for piece in _pieces(node.carrier, scene, end)]
        case PlacedPastEnd():
            return _past_end(node, scene, end)
        case PlacedCut(inner=inner):
            return _cut(_pieces(inner, scene, end if node.end is None else node.end), node, scene)
        case _:
            what = f"the formula {node.text!r:.60}" if isinstance(node, PlacedFormula) else _called(node)
            raise ConversionError(f"ignite has no scheduler for {what}; {ADAPTER}")


def _called(node: Placed) -> str:
    return f"this part of it ({type(node).__name__.removeprefix('Placed').lower()} from step {node.begin} on)"


def _phase(node: PlacedPhase, scene: Scene) -> list[Piece]:
    begin, n = node.begin, node.end - node.begin - node.closed
    start, to = node.first(scene), node.last(scene)
    if n == 0:
        return [Line(begin, node.end, ((begin, to),))]
    if node.shape.name == "linear" or n == 1:
        return [Line(begin, node.end, ((begin, start), (begin + n, to)))]
    if node.shape.name == "cosine":
        arguments = {"start_value": clean(start), "end_value": clean(to), "cycle_size": n}
        half = Cycle(begin, begin + n, "CosineAnnealingScheduler", arguments, to)
        return [half, Line(begin + n, node.end, ((begin + n, to),))] if node.closed else [half]
    raise ConversionError(f"ignite has no scheduler along {node.shape.name!r}; {ADAPTER}")


def _through(node: PlacedPiecewise, scene: Scene) -> Line:
    def value(t: int) -> float:
        return float(node.at(np.array([t]), scene)[0])

    if node.shape is not None and node.shape.name != "linear":
        raise ConversionError(f"ignite joins points by straight lines only, not along {node.shape.name!r}; {ADAPTER}")
    where = sorted({t for t in node.positions if t > node.begin and (node.end is None or t < node.end)})
    points: list[Point] = [(node.begin, value(node.begin))]
    for t in where:
        if node.shape is None:
            points.append((t, points[-1][1]))
        elif node.positions.count(t) > 1:
            points.append((t, scene.resolve(node.points[node.positions.index(t)])))
        points.append((t, value(t)))
    later = [(t, v) for t, v in zip(node.positions, node.points, strict=True) if node.end is not None and t >= node.end]
    if node.shape is not None and node.end is not None and later:
        # On the way to a point that lies behind the end.
        to = (later[0][0], scene.resolve(later[0][1]))
        points.append((node.end, _between(points[-1], to, node.end)))
    return Line(node.begin, node.end, tuple(_without_repeats(points)))


def _between(a: Point, b: Point, t: int) -> float:
    """The value at t of the line from a to b."""
    return b[1] if b[0] <= a[0] else a[1] + (b[1] - a[1]) * (t - a[0]) / (b[0] - a[0])


def _stairs(node: PlacedSteps, scene: Scene, end: int | None) -> Line:
    def value(t: int) -> float:
        return float(node.at(np.array([t]), scene)[0])

    last = node.end if node.end is not None else end
    if node.positions is not None:
        where: list[int] = sorted(set(node.positions))
    else:
        assert node.every is not None
        if last is None:
            raise ConversionError("steps without end have no scheduler in ignite; give total=, e.g. total=1000")
        where, k = [], 1
        while (t := node.origin + boundary(k, *node.every)) < last and len(where) <= MOST_POINTS:
            where.append(t)
            k += 1
    points: list[Point] = [(node.begin, value(node.begin))]
    for t in where:
        if t > node.begin and (last is None or t < last):
            points += [(t, points[-1][1]), (t, value(t))]
    return Line(node.begin, node.end, tuple(_without_repeats(points)))


def _scaled(piece: Piece, share: float) -> Piece:
    if isinstance(piece, Line):
        return replace(piece, points=tuple((t, v * share) for t, v in piece.points))
    scaled = {k: clean(v * share) for k, v in piece.arguments.items() if k in ("start_value", "end_value")}
    return replace(
        piece, arguments={**piece.arguments, **scaled}, last=None if piece.last is None else piece.last * share
    )


# ---- cycles ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Shape:
    """What one cycle is: the scheduler's name, and its arguments."""

    name: str
    size: int
    back: int
    start: float
    end: float
    monotonic: bool
    following: float


def _cycle_shape(node: PlacedRepeat | PlacedGrowing, scene: Scene) -> _Shape:
    if isinstance(node, PlacedRepeat):
        p, q = node.period
        if q != 1:
            raise ConversionError(
                f"cycles of {p / q:g} steps have no scheduler in ignite, whose cycles are whole; {ADAPTER}"
            )
        inner = node.made.get(p) or node.make(0, p)
    else:
        inner = node.made.get(0) or node.make(0, round(node.first_length))
    pieces = _pieces(inner, scene, inner.end)
    shape = _shape_of([*pieces])
    if shape is None:
        raise ConversionError(f"ignite has no scheduler for such a cycle; {ADAPTER}")
    return shape


def _shape_of(pieces: list[Piece]) -> _Shape | None:
    match pieces:
        case [Cycle(name="CosineAnnealingScheduler", arguments=own)]:
            return _Shape(
                "CosineAnnealingScheduler", own["cycle_size"], 0, own["start_value"], own["end_value"], False, 0.0
            )
        case [Cycle(name="CosineAnnealingScheduler", arguments=own), Line(points=((a, x), (b, y)))] if _near(
            x, own["end_value"]
        ):
            return _Shape(
                "CosineAnnealingScheduler", own["cycle_size"], b - a, own["start_value"], own["end_value"], False, y
            )  # fmt: skip
        case [Line(points=((0, x), (n, y)))]:
            return _Shape("LinearCyclicalScheduler", n, 0, x, y, True, 0.0)
        case [Line(points=((0, x), (n, y))), Line(points=((m, y2), (k, z)))] if m == n and _near(y, y2):
            if _near(x, z) and k == 2 * n:
                return _Shape("LinearCyclicalScheduler", k, 0, x, y, False, 0.0)
            return _Shape("LinearCyclicalScheduler", n, k - n, x, y, True, z)
        case [Line(points=((0, x), (h, y))), Line(points=((_, z),)), Line(points=((k, _), (n, w)))] if (
            n == 2 * h + 1 and k == h + 1 and _near(y, z) and _near(x, w)
        ):
            # The tip lies between two events, which have one n-th of the way to it.
            return _Shape("LinearCyclicalScheduler", n, 0, x, max((y * n - x) / (n - 1), 0.0), False, 0.0)
        case _:
            return None


def _cycles(node: PlacedRepeat | PlacedGrowing, scene: Scene) -> Cycle:
    shape = _cycle_shape(node, scene)
    if shape.back and not _near(shape.following, shape.start * node.decay):
        raise ConversionError(f"ignite's cycles come back to the start of the next one, and these do not; {ADAPTER}")
    return _cycle(node, shape, node.decay, node.decay, node, scene)


def _two_sided(high: PlacedRepeat | PlacedGrowing, low: Placed, node: PlacedSum, scene: Scene) -> Cycle:
    """Cycles whose two ends shrink apart."""
    if isinstance(low, (PlacedRepeat, PlacedGrowing)) and type(low) is type(high):
        a, b = _cycle_shape(high, scene), _cycle_shape(low, scene)
        same = (a.name, a.size, a.back, a.monotonic) == (b.name, b.size, b.back, b.monotonic)
        back = not a.back or (_near(a.following, a.start * high.decay) and not b.following)
        if same and back and not a.end and not b.start and _grow(high) == _grow(low) and high.n == low.n:
            return _cycle(high, replace(a, end=b.end), high.decay, low.decay, node, scene)
    raise ConversionError(f"ignite has no scheduler for a sum of cycles such as this one; {ADAPTER}")


def _grow(node: PlacedRepeat | PlacedGrowing) -> float:
    return node.grow if isinstance(node, PlacedGrowing) else 1.0


def _cycle(
    node: PlacedRepeat | PlacedGrowing, shape: _Shape, start_mult: float, end_mult: float, whole: Placed, scene: Scene
) -> Cycle:
    grow = _grow(node)
    if grow != int(grow):
        raise ConversionError(
            f"cycles that grow by {grow:g} have no scheduler in ignite, which cuts each length to a whole "
            f"number; {ADAPTER}"
        )
    arguments: dict[str, Any] = {
        "start_value": clean(shape.start), "end_value": clean(shape.end), "cycle_size": shape.size
    }  # fmt: skip
    optional = (
        ("cycle_mult", int(grow) if grow != 1 else 1.0, 1.0), ("start_value_mult", start_mult, 1.0),
        ("end_value_mult", end_mult, 1.0), ("warmup_duration", shape.back, 0), ("monotonic", shape.monotonic, False),
    )  # fmt: skip
    arguments |= {key: value for key, value, default in optional if value != default}
    end = whole.end if node.n is not None else None
    return Cycle(node.begin, end, shape.name, arguments, None if end is None else whole.last(scene))


def _past_end(node: PlacedPastEnd, scene: Scene, end: int | None) -> list[Piece]:
    pieces, over = _pieces(node.inner, scene, end), node.inner.end
    if over is None or node.then in ("hold", "raise") or (end is not None and over >= end):
        return pieces
    shape = _shape_of(pieces)
    if node.then == "mirror" and shape is not None and shape.monotonic and not shape.back:
        shape = replace(shape, size=2 * shape.size, monotonic=False)
    elif node.then == "mirror":
        return _mirrored(pieces, over - node.begin, node.begin, end)
    if shape is None or shape.back:
        raise ConversionError(f"ignite has no scheduler that goes on past its end like this ({node.then}); {ADAPTER}")
    arguments: dict[str, Any] = {
        "start_value": clean(shape.start), "end_value": clean(shape.end), "cycle_size": shape.size
    }  # fmt: skip
    if shape.monotonic:
        arguments["monotonic"] = True
    return [Cycle(node.begin, None, shape.name, arguments)]


def _mirrored(pieces: list[Piece], n: int, begin: int, end: int | None) -> list[Piece]:
    """A half of a cosine there and back, as often as the run has room for."""
    match pieces:
        case [Cycle(name="CosineAnnealingScheduler", arguments=own) as there] if end is not None:
            turned = {**own, "start_value": own["end_value"], "end_value": own["start_value"]}
            made: list[Piece] = []
            for k in range(-(-(end - begin) // n)):
                chosen = own if k % 2 == 0 else turned
                made.append(
                    replace(
                        there, begin=begin + k * n, end=begin + (k + 1) * n, arguments=chosen, last=chosen["end_value"]
                    )
                )
                if len(made) > MOST_POINTS:
                    break
            else:
                return made
        case _:
            pass
    raise ConversionError(f"ignite has no scheduler that turns back at its end; give total=, or {ADAPTER}")


def _cut(pieces: list[Piece], node: PlacedCut, scene: Scene) -> list[Piece]:
    if node.end is None:
        return pieces
    kept = [p for p in pieces if p.begin < node.end]
    last = kept[-1]
    value = float(node.at(np.array([node.end]), scene)[0])
    if isinstance(last, Cycle):
        if last.end is None or last.end > node.end:
            kept[-1] = replace(last, end=node.end, last=value)
        return kept
    inside = [p for p in last.points if p[0] < node.end]
    beyond = [p for p in last.points if p[0] >= node.end]
    # To where the line is at the cut, which may jump there.
    inside.append((node.end, _between(inside[-1], beyond[0], node.end) if beyond else inside[-1][1]))
    if not _near(inside[-1][1], value):
        inside.append((node.end, value))
    kept[-1] = Line(last.begin, node.end, tuple(_without_repeats(inside)))
    return kept


def _near(a: float, b: float) -> bool:
    return abs(a - b) <= NEAR * max(abs(a), abs(b))


def clean(x: float) -> float:
    """A number as people write it: without the last digit, which arithmetic has made.

    Example:
        >>> clean(0.1 * 3)
        0.3
    """
    return float(f"{x:.15g}")
