"""An arc in a placed curve, recognised as OneCycleLR."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from cadence.conversion.frameworks.torch.objects.matching import native
from cadence.conversion.frameworks.torch.objects.view import View, both, plain, written
from cadence.conversion.frameworks.torch.rates import one_cycle_ends
from cadence.conversion.native import Native
from cadence.curve.combined import PlacedCut, PlacedPastEnd, PlacedSequence
from cadence.curve.placed import Placed, PlacedPhase

N = r"-?\d+(?:\.\d+)?(?:e[+-]?\d+)?"
CLOCK = rf"(?:min\((?:t|epoch), {N}\)|t|epoch)"
PIECE = rf"(?P<a>{N}) \+ \((?P<b>{N}) - (?P<c>{N})\) \* (?P<rest>.*)"
COSINE = r"\(1 \+ cos\(pi \* (.*)\)\) / 2"
SHARE = rf"(?:\({CLOCK} (?P<sign>[+-]) (?P<begin>{N})\)|{CLOCK}) / (?P<length>{N})"

USUAL = (25.0, 1e4)
"""Torch's divisors, where no step reaches the rates that they give."""


@dataclass(frozen=True)
class Curved:
    """An arc of one group: its length, its shape, its share that rises, and the values between its phases.

    A value that no step reaches is None.
    """

    total: int
    along: str
    three: bool
    pct: float
    values: tuple[float | None, ...]


def one_cycle(rates: Sequence[Placed], momenta: Sequence[Placed] | None, view: View) -> Native | None:
    """OneCycleLR, where every group's rate (and momentum) is an arc of one form."""
    found = [_arc(node, View((base,), 0, view.limit)) for node, base in zip(rates, view.bases, strict=True)]
    found += [_arc(node, View((1.0,), 0, view.limit)) for node in momenta or ()]
    arcs = [a for a in found if a is not None]
    first = arcs[0] if arcs else None
    if first is None or len(arcs) < len(found) or any(_form(a) != _form(first) for a in arcs):
        return None
    moved, against = arcs[: len(rates)], arcs[len(rates) :]
    divisors = [_divisors(a) for a in moved]
    high, both_divisors = [a.values[1] for a in moved], divisors[0]
    if both_divisors is None or None in high or any(not _same(d, both_divisors) for d in divisors):
        return None
    arguments: dict[str, Any] = {
        "max_lr": both(high), "total_steps": first.total, "pct_start": first.pct,
        "anneal_strategy": {"cosine": "cos", "linear": "linear"}[first.along],
    }  # fmt: skip
    more: dict[str, Any] = {"div_factor": both_divisors[0], "final_div_factor": both_divisors[1]}
    if first.three:
        more["three_phase"] = True
    if momenta is None:
        return native("OneCycleLR", **arguments, cycle_momentum=False, **more)
    low = [next((x for x in (a.values[0], *a.values[2:]) if x is not None), None) for a in against]
    if None in low or any(x not in (None, least) for a, least in zip(against, low, strict=True) for x in _outer(a)):
        return None
    base = [a.values[1] for a in against]
    return native("OneCycleLR", **arguments, base_momentum=both(base), max_momentum=both(low), **more)


def _form(arc: Curved) -> tuple[int, str, bool, float]:
    return arc.total, arc.along, arc.three, arc.pct


def _outer(arc: Curved) -> tuple[float | None, ...]:
    """The values that a momentum returns to."""
    return (arc.values[0], *arc.values[2:])


def _divisors(arc: Curved) -> tuple[float, float] | None:
    """What the peak is divided by to give the first value, and that to give the last."""
    first, high, last = arc.values[0], arc.values[1], arc.values[-1]
    if not high or first == 0 or last == 0:
        return None
    down = USUAL[0] if first is None else high / first
    return _neat(down), USUAL[1] if last is None else _neat((high / down if first is None else first) / last)


def _same(a: tuple[float, float] | None, b: tuple[float, float]) -> bool:
    return a is not None and all(math.isclose(x, y, rel_tol=1e-12) for x, y in zip(a, b, strict=True))


def _neat(x: float) -> float:
    """Without the digits that a division left."""
    return float(round(x, 9)) if math.isclose(x, round(x, 9), rel_tol=1e-14) else x


def _arc(node: Placed, view: View) -> Curved | None:
    inner = plain(node)
    if isinstance(inner, PlacedPastEnd) and inner.then == "raise" and inner.inner.end is not None:
        text = written(inner.inner)
        if text is not None:
            return _read(text, inner.inner.end)
        inside = plain(inner.inner)
        while isinstance(inside, PlacedCut):
            inside = plain(inside.inner)
        return _phases(inside, inner.inner.end, view)
    # The same arc with an end that holds: a length of one more, as it is reached one update after the last.
    if isinstance(inner, PlacedSequence) and inner.end is not None and view.until(inner.end):
        arc = _phases(inner, inner.end + 1, view)
        if arc is not None and arc.along == "cosine":
            low, high, *_, last = (x or 0.0 for x in arc.values)
            return arc if high > low > last else None
    return None


def _phases(node: Placed, total: int, view: View) -> Curved | None:
    phases = [p for p in node.parts if isinstance(p, PlacedPhase)] if isinstance(node, PlacedSequence) else []
    if not isinstance(node, PlacedSequence) or len(phases) < len(node.parts) or len(phases) not in (2, 3):
        return None
    along = phases[0].shape.name
    values = [view.numbers(phases[0].start)[0]]
    for p in phases:
        if p.shape.name != along or along not in ("cosine", "linear") or view.numbers(p.start)[0] != values[-1]:
            return None
        values.append(view.numbers(p.to)[0])
    ends = [float(p.end - p.closed) for p in phases]
    return _checked(total, along, len(phases) == 3, ends, tuple(values))


def _read(text: str, total: int) -> Curved | None:
    """The formula that OneCycleLR becomes where its phases end between two steps."""
    values: list[float | None] = []
    ends: list[float] = []
    along = ""
    for piece in re.split(rf" if (?:t|epoch) <= {N} else ", text):
        whole = re.fullmatch(PIECE, piece)
        cosine = re.fullmatch(COSINE, whole["rest"]) if whole else None
        share = re.fullmatch(SHARE, cosine[1] if cosine else whole["rest"]) if whole else None
        if whole is None or share is None:
            return None
        along = "cosine" if cosine else "linear"
        begin = float(share["begin"] or 0) * (-1 if share["sign"] == "+" else 1)
        start, to = (float(whole["b"]), float(whole["a"])) if cosine else (float(whole["a"]), float(whole["b"]))
        if not values:
            # Where no step falls into the rise, it begins with the fall.
            values, ends = ([None, start], [begin]) if begin < 0 else ([start], [])
        values.append(to)
        ends.append(begin + float(share["length"]))
    three = len(values) == 4 or (len(values) == 3 and not math.isclose(ends[-1], total - 1, abs_tol=1e-9))
    values += [None] * ((4 if three else 3) - len(values))
    return _checked(total, along, three, ends, tuple(values))


def _checked(total: int, along: str, three: bool, ends: list[float], values: tuple[float | None, ...]) -> Curved | None:
    """The arc, where torch's phases end at these steps."""
    pct = _neat((ends[0] + 1) / total)
    wanted = one_cycle_ends(total, pct, three)
    if not 0 <= pct <= 1 or any(not math.isclose(a, b, rel_tol=1e-9) for a, b in zip(ends, wanted, strict=False)):
        return None
    return Curved(total, along, three, float(pct), values)
