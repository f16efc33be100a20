"""Cycles and arcs in a placed curve, recognised as CyclicLR and OneCycleLR."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from cadence.conversion.frameworks.torch.cyclic import Triangles
from cadence.conversion.frameworks.torch.matching import native
from cadence.conversion.frameworks.torch.rates import one_cycle_ends
from cadence.conversion.frameworks.torch.view import View, both, plain
from cadence.conversion.native import Native
from cadence.curve.combined import PlacedCut, PlacedPastEnd, PlacedProduct, PlacedSequence, PlacedSum
from cadence.curve.cycles import PlacedRepeat
from cadence.curve.placed import Placed, PlacedConstant, PlacedFormula, PlacedGeometric, PlacedPhase
from cadence.spec.value import Absolute

NUMBER = r"-?\d+(?:\.\d+)?(?:e[+-]?\d+)?"
N = f"({NUMBER})"


@dataclass(frozen=True)
class Wave:
    """Triangles of one group: lengths of the rise and of the fall, how the height shrinks, ends and tip."""

    up: float
    down: float
    mode: str
    gamma: float
    low: float
    high: float


def cyclic(rates: Sequence[Placed], momenta: Sequence[Placed] | None, view: View) -> Native | None:
    """CyclicLR, where every group's rate (and momentum) is a triangle of one form."""
    waves = [_wave(node, View((base,), 0, view.limit)) for node, base in zip(rates, view.bases, strict=True)]
    counter = [_wave(node, View((1.0,), 0, view.limit)) for node in momenta or ()]
    all_waves = [w for w in [*waves, *counter] if w is not None]
    if len(all_waves) < len(waves) + len(counter):
        return None
    first = all_waves[0]
    if any((w.up, w.down, w.mode, w.gamma) != (first.up, first.down, first.mode, first.gamma) for w in all_waves):
        return None
    lows, highs = [w.low for w in all_waves[: len(waves)]], [w.high for w in all_waves[: len(waves)]]
    arguments: dict[str, Any] = {"base_lr": both(lows), "max_lr": both(highs), "step_size_up": _whole(first.up)}
    if first.down != first.up:
        arguments["step_size_down"] = _whole(first.down)
    if first.mode != "triangular":
        arguments["mode"] = first.mode
    if first.mode == "exp_range":
        arguments["gamma"] = first.gamma
    if not counter:
        return native("CyclicLR", **arguments, cycle_momentum=False)
    most, base = [w.low for w in all_waves[len(waves) :]], [w.high for w in all_waves[len(waves) :]]
    return native("CyclicLR", **arguments, base_momentum=both(base), max_momentum=both(most))


def _whole(x: float) -> float:
    return int(x) if float(x).is_integer() else x


def _wave(node: Placed, view: View) -> Wave | None:
    match plain(node):
        case PlacedRepeat(n=None, period=(p, 1), decay=1.0) as cycles:
            return _triangle(cycles.make(0, p), "triangular", 1.0, 0.0, view)
        case PlacedRepeat() | PlacedProduct() as shrinking:
            return _written(shrinking, view) or _shrinking(shrinking, 0.0, view)
        case PlacedSum(parts=(PlacedConstant(value=low), shrinking)):
            return _shrinking(plain(shrinking), view.numbers(low)[0], view)
        case _:
            return None


def _shrinking(node: Placed, low: float, view: View) -> Wave | None:
    match node:
        case PlacedRepeat(n=None, period=(p, 1), decay=0.5) as cycles:
            return _triangle(cycles.make(0, p), "triangular2", 1.0, low, view)
        case PlacedProduct(
            carrier=PlacedRepeat(n=None, period=(p, 1), decay=1.0) as cycles,
            factors=(PlacedGeometric(begin=0, gamma=gamma, every=(a, b), start=1.0),),
            rules=(),
        ):
            return _triangle(cycles.make(0, p), "exp_range", gamma ** (b / a), low, view)
        case _:
            return None


def _triangle(cycle: Placed, mode: str, gamma: float, low: float, view: View) -> Wave | None:
    """One cycle above `low`: a line up, or a line up and one down."""
    inner = plain(cycle)
    lines = list(inner.parts) if isinstance(inner, PlacedSequence) else [inner]
    ends: list[tuple[float, float, int]] = []
    for line in lines:
        if not isinstance(line, PlacedPhase) or line.shape.name != "linear" or line.closed:
            return None
        ends.append((view.numbers(line.start)[0], view.numbers(line.to)[0], line.end - line.begin))
    if len(ends) > 2 or (len(ends) == 2 and ends[1][:2] != (ends[0][1], ends[0][0])):
        return None
    start, tip, up = ends[0]
    if mode != "triangular" and start:
        return None
    return Wave(up, ends[1][2] if len(ends) == 2 else 0, mode, gamma, low + start, low + tip)


def _written(node: Placed, view: View) -> Wave | None:
    """The formula that CyclicLR becomes where it is no repeated triangle."""
    text = _formula(node)
    head = re.match(f"{N} ([+-]) {N} \\* ", text or "")
    if text is None or head is None:
        return None
    low, height = float(head[1]), float(head[3]) * (1 if head[2] == "+" else -1)
    shrink = re.search(rf" \* \({N}\) \*\* (?:t|epoch)$", text)
    mode = "exp_range" if shrink else "triangular2" if " * 0.5 ** (" in text else "triangular"
    whole, broken = re.search(rf"% {N}\) / {N}", text), re.search(rf"\(1 \+ \w+ / {N}\) % 1", text)
    ratio = re.search(rf"<= {N},", text)
    if broken:
        size = float(broken[1])
        up = round(float(ratio[1]) * size, 9) if ratio else size
        down = round(size - up, 9)
    elif whole:
        up, down = float(whole[2]), float(whole[1]) - float(whole[2])
    else:
        return None
    gamma = float(shrink[1]) if shrink else 1.0
    clock = "epoch" if "epoch" in text else "t"
    # What is read is right where it gives the same text again.
    if Triangles(up, down, mode, gamma).text(clock, low, height) != text:
        return None
    return Wave(up, down, mode, gamma, low, low + height)


def _formula(node: Placed) -> str | None:
    match plain(node):
        case PlacedProduct(
            carrier=PlacedConstant(value=Absolute(1.0)),
            factors=(PlacedFormula(begin=0, origin=0, text=text),),
            rules=(),
        ):
            return text
        case _:
            return None


@dataclass(frozen=True)
class Curved:
    """An arc of one group: its length, its shape, where its phases end, and the values between them."""

    total: int
    along: str
    three: bool
    pct: float
    values: tuple[float, ...]


def one_cycle(rates: Sequence[Placed], momenta: Sequence[Placed] | None, view: View) -> Native | None:
    """OneCycleLR, where every group's rate (and momentum) is an arc of one form."""
    arcs = [_arc(node, View((base,), 0, view.limit)) for node, base in zip(rates, view.bases, strict=True)]
    counter = [_arc(node, View((1.0,), 0, view.limit)) for node in momenta or ()]
    found = [a for a in [*arcs, *counter] if a is not None]
    if len(found) < len(arcs) + len(counter):
        return None
    first = found[0]
    if any((a.total, a.along, a.three) != (first.total, first.along, first.three) or a.pct != first.pct for a in found):
        return None
    divisors = [(a.values[1] / a.values[0], a.values[0] / a.values[-1]) for a in found[: len(arcs)] if all(a.values)]
    if len(divisors) < len(arcs) or any(
        not math.isclose(x, y, rel_tol=1e-12) for d in divisors for x, y in zip(d, divisors[0], strict=True)
    ):
        return None
    arguments: dict[str, Any] = {
        "max_lr": both([a.values[1] for a in found[: len(arcs)]]), "total_steps": first.total, "pct_start": first.pct,
        "anneal_strategy": {"cosine": "cos", "linear": "linear"}[first.along],
    }  # fmt: skip
    more = {"div_factor": _neat(divisors[0][0]), "final_div_factor": _neat(divisors[0][1])}
    if first.three:
        more["three_phase"] = True
    if not counter:
        return native("OneCycleLR", **arguments, cycle_momentum=False, **more)
    turned = found[len(arcs) :]
    if any(a.values[0] != a.values[2] or a.values[-1] != a.values[0] for a in turned):
        return None
    base, most = both([a.values[1] for a in turned]), both([a.values[0] for a in turned])
    return native("OneCycleLR", **arguments, base_momentum=base, max_momentum=most, **more)


def _neat(x: float) -> float:
    """Without the digits that a division left."""
    return float(round(x, 9)) if math.isclose(x, round(x, 9), rel_tol=1e-14) else x


def _arc(node: Placed, view: View) -> Curved | None:
    inner = plain(node)
    if isinstance(inner, PlacedPastEnd) and inner.then == "raise" and inner.end is not None:
        text = _formula(inner.inner)
        if text is not None:
            return _read_arc(text, inner.inner.end or 0)
        total = inner.inner.end
        inside = plain(inner.inner)
        while isinstance(inside, (PlacedCut, PlacedPastEnd)):
            inside = plain(inside.inner)
        return None if total is None else _phases(inside, total, view)
    # The same arc without an end that raises: a length of one more, as its end is reached one update after the last.
    if isinstance(inner, PlacedSequence) and inner.end is not None and view.until(inner.end):
        arc = _phases(inner, inner.end + 1, view)
        return (
            arc
            if arc is not None and arc.along == "cosine" and arc.values[1] > arc.values[0] > arc.values[-1]
            else None
        )
    return None


def _phases(node: Placed, total: int, view: View) -> Curved | None:
    parts = node.parts if isinstance(node, PlacedSequence) else ()
    if len(parts) not in (2, 3):
        return None
    values: list[float] = []
    ends: list[float] = []
    for part in parts:
        if not isinstance(part, PlacedPhase) or part.shape.name not in ("cosine", "linear"):
            return None
        start, to = view.numbers(part.start)[0], view.numbers(part.to)[0]
        if part.shape.name != parts[0].shape.name or (values and values[-1] != start):  # type: ignore[attr-defined]
            return None
        n = part.end - part.begin - part.closed
        if part is parts[-1] and part.shape.name == "linear" and not part.closed and part.end == total:
            # Its line goes on for one step after its end.
            n, to = n - 1, start + (to - start) * (n - 1) / n
        values += [to] if values else [start, to]
        ends.append(part.begin + n)
    if ends[-1] != total - 1:
        return None
    pct = (ends[0] + 1) / total
    wanted = one_cycle_ends(total, pct, len(parts) == 3)
    if any(not math.isclose(a, b, rel_tol=1e-9) for a, b in zip(ends, wanted, strict=True)):
        return None
    return Curved(total, parts[0].shape.name, len(parts) == 3, pct, tuple(values))  # type: ignore[attr-defined]


PIECE = rf"(?P<a>{NUMBER}) \+ \((?P<b>{NUMBER}) - (?P<c>{NUMBER})\) \* (?P<rest>.*)"
SHARE = rf"(?:min\(\w+, {NUMBER}\)|t|epoch)"


def _read_arc(text: str, total: int) -> Curved | None:
    """The formula that OneCycleLR becomes where its phases end between two steps."""
    pieces = re.split(rf" if (?:t|epoch) <= {NUMBER} else ", text)
    values: list[float] = []
    ends: list[float] = []
    along = ""
    for piece in pieces:
        found = re.fullmatch(PIECE, piece)
        if found is None:
            return None
        cosine = re.fullmatch(r"\(1 \+ cos\(pi \* (.*)\)\) / 2", found["rest"])
        share = re.fullmatch(rf"(?:\({SHARE} ([+-]) {N}\)|{SHARE}) / {N}", cosine[1] if cosine else found["rest"])
        if share is None:
            return None
        begin = 0.0 if share[1] is None else float(share[2]) * (1 if share[1] == "-" else -1)
        start, to = (float(found["b"]), float(found["a"])) if cosine else (float(found["a"]), float(found["b"]))
        along = "cosine" if cosine else "linear"
        if not values:
            values.append(start)
            if begin:
                # The rise took no step at all.
                ends.append(begin)
                values.insert(0, start / 25)
        values.append(to)
        ends.append(begin + float(share[3]))
    three = len(values) == 4 or (len(values) == 3 and not math.isclose(ends[-1], total - 1))
    if len(values) < 3 or three:
        # A last phase that no step reaches may end anywhere.
        values += [values[0] / 1e4] * ((4 if three else 3) - len(values))
    pct = _neat((ends[0] + 1) / total)
    wanted = one_cycle_ends(total, pct, three)
    if any(not math.isclose(a, b, rel_tol=1e-9) for a, b in zip(ends, wanted, strict=False)):
        return None
    return Curved(total, along, three, float(pct), tuple(values))
