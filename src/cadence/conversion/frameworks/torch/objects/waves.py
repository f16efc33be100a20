"""Cycles in a placed curve, recognised as CyclicLR."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from cadence.conversion.arithmetic import tidy
from cadence.conversion.frameworks.torch.objects.matching import native
from cadence.conversion.frameworks.torch.objects.view import View, both, plain, written
from cadence.conversion.native import Native
from cadence.curve.combined import PlacedProduct, PlacedSequence, PlacedSum
from cadence.curve.cycles import PlacedRepeat
from cadence.curve.placed import Placed, PlacedConstant, PlacedGeometric, PlacedPhase

N = r"-?\d+(?:\.\d+)?(?:e[+-]?\d+)?"
T = "(?:t|epoch)"

HEAD = rf"(?P<low>{N}) (?P<sign>[+-]) (?P<height>{N}) \* "
X = rf"\(\(1 \+ {T} / {N}\) % 1\)"
SIZED = rf"\(\(1 \+ {T} / (?P<size>{N})\) % 1\)"
SHARES = (
    rf"min\(\({T} % (?P<size>{N})\) / (?P<up>{N}), \({N} - {T} % {N}\) / (?P<down>{N})\)",
    rf"\({T} % (?P<size>{N})\) / (?P<up>{N})",
    rf"where\({SIZED} <= (?P<up>{N}) / {N}, {X} / \({N} / {N}\), \({X} - 1\) / \({N} / {N} - 1\)\)",
    rf"{SIZED} / 1",
)
TAIL = rf"(?P<half> \* 0\.5 \*\* \(.*\))?(?: \* \((?P<gamma>{N})\) \*\* {T})?"


@dataclass(frozen=True)
class Wave:
    """Triangles of one group: lengths of the rise and of the fall, how the height shrinks, ends and tip."""

    up: float
    down: float
    mode: str
    gamma: float
    low: float
    high: float

    @property
    def form(self) -> tuple[float, float, str, float]:
        """What all groups must share."""
        return self.up, self.down, self.mode, self.gamma


def cyclic(rates: Sequence[Placed], momenta: Sequence[Placed] | None, view: View) -> Native | None:
    """CyclicLR, where every group's rate (and momentum) is a triangle of one form."""
    found = [_wave(node, View((base,), 0, view.limit)) for node, base in zip(rates, view.bases, strict=True)]
    found += [_wave(node, View((1.0,), 0, view.limit)) for node in momenta or ()]
    waves = [w for w in found if w is not None]
    if len(waves) < len(found) or any(w.form != waves[0].form for w in waves):
        return None
    moved, first = waves[: len(rates)], waves[0]
    arguments: dict[str, Any] = {"base_lr": both([w.low for w in moved]), "max_lr": both([w.high for w in moved])}
    arguments["step_size_up"] = tidy(first.up)
    if first.down != first.up:
        arguments["step_size_down"] = tidy(first.down)
    if first.mode != "triangular":
        arguments["mode"] = first.mode
    if first.mode == "exp_range":
        arguments["gamma"] = first.gamma
    if momenta is None:
        return native("CyclicLR", **arguments, cycle_momentum=False)
    against = waves[len(rates) :]
    base, most = both([w.high for w in against]), both([w.low for w in against])
    return native("CyclicLR", **arguments, base_momentum=base, max_momentum=most)


def _wave(node: Placed, view: View) -> Wave | None:
    match plain(node):
        case PlacedRepeat(n=None, period=(p, 1), decay=1.0) as cycles:
            return _triangle(cycles.make(0, p), "triangular", 1.0, 0.0, view)
        case PlacedRepeat() | PlacedProduct() as shrinking:
            return _read(written(shrinking)) or _shrinking(shrinking, 0.0, view)
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
    lines = inner.parts if isinstance(inner, PlacedSequence) else (inner,)
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


def _read(text: str | None) -> Wave | None:
    """The formula that CyclicLR becomes where it is no repeated triangle."""
    for share in SHARES:
        found = re.fullmatch(HEAD + share + TAIL, text or "")
        if found is None:
            continue
        parts = found.groupdict()
        size = float(parts["size"])
        up = float(parts.get("up") or size)
        down = float(parts["down"]) if parts.get("down") else size - up
        mode = "triangular2" if parts["half"] else "exp_range" if parts["gamma"] else "triangular"
        low, height = float(parts["low"]), float(parts["height"]) * (1 if parts["sign"] == "+" else -1)
        return Wave(up, down, mode, float(parts["gamma"] or 1), low, low + height)
    return None
