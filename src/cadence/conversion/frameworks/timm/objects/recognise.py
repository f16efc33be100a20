"""Phases and formulas that timm's schedules are read as, read back."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from cadence.conversion.frameworks.timm.falls import Cosine, Fall, Poly, Tanh
from cadence.conversion.pattern import Groups, near
from cadence.curve.combined import PlacedProduct, PlacedSum
from cadence.curve.placed import Placed, PlacedConstant, PlacedFormula, PlacedPhase
from cadence.spec.value import Value

_CLOCK = r"(?:t|epoch)"


def _number(name: str) -> str:
    return rf"\(?(?P<{name}>-?[\d.]+(?:e[+-]?\d+)?)\)?"


_DONE = rf"{_CLOCK} / {_number('length')}"
_SHARE = rf"(?:\({_DONE}\) \*\* {_number('k')}|{_DONE.replace('length', 'whole')})"

_COSINE = re.compile(rf"0\.5 \* \(1 \+ cos\(pi \* {_SHARE}\)\)")
_POLY = re.compile(rf"\(1 - {_SHARE}\)(?: \*\* {_number('power')})?")
_TANH = re.compile(rf"1 / \(1 \+ exp\(2 \* \({_number('low')} \+ {_number('rise')} \* {_DONE}\)\)\)")


@dataclass(frozen=True)
class Form:
    """A fall from the base.

    Attributes:
        fall: the factor.
        length: of the whole phase, in ticks.
        low: where it ends, absolute.
    """

    fall: Fall
    length: float
    low: float


@dataclass(frozen=True)
class Line:
    """A warmup.

    Attributes:
        length: ticks.
        start: where it begins, absolute; not a number where that is another rate in each group.
    """

    length: int
    start: float


def fall_of(part: Placed, groups: Groups) -> Form | None:
    """A phase from the base down, where it is a cosine or a power."""
    if not isinstance(part, PlacedPhase) or not groups.is_base(part.start):
        return None
    low, length = groups.number(part.to), part.end - part.begin - part.closed
    kinds: dict[str, Fall] = {"cosine": Cosine(), "linear": Poly(1.0)}
    if part.shape.name == "power":
        kinds["power"] = Poly(part.parameters["exponent"])
    fall = kinds.get(part.shape.name)
    return None if fall is None or low is None or length < 1 else Form(fall, length, low)


def tanh_of(part: Placed, then: Value, groups: Groups) -> Form | None:
    """timm's tanh with the value after it, in the algebra: it neither begins at the base nor ends at that value."""
    low, parts = groups.number(then), part.parts if isinstance(part, PlacedSum) else (part,)
    down, up = parts[0], parts[-1]
    if not isinstance(down, PlacedPhase) or down.shape.name != "tanh" or down.closed or low is None:
        return None
    fall = Tanh(down.parameters["low"], down.parameters["high"])
    ends = (fall.factor(0.0, 1.0), fall.at_end())
    if not _runs(down, groups.multiple, ends) or len(parts) != 1 + (low != 0):
        return None
    if low:
        if not isinstance(up, PlacedPhase) or not _runs(up, groups.number, (low * (1 - ends[0]), low * (1 - ends[1]))):
            return None
        if up.shape is not down.shape or up.parameters != down.parameters:
            return None
    return Form(fall, down.end - down.begin, low)


def formula_of(part: Placed, groups: Groups) -> tuple[Form, bool] | None:
    """A fall as a formula, and whether it begins with the phase instead of the run."""
    low = 0.0
    match part:
        case PlacedFormula():
            falling = part
        case PlacedSum(
            parts=(
                PlacedFormula() as falling,
                PlacedProduct(carrier=PlacedConstant(value=value), factors=(PlacedFormula() as rest,)),
            )
        ) if rest.text == f"1 - {falling.text}" and (floor := groups.number(value)) is not None:
            low = floor
        case _:
            return None
    found, local = form_of(falling.text), falling.origin == falling.begin
    if found is None or falling.end is None or falling.scale != 1 or not (local or falling.origin == 0):
        return None
    if falling.end - falling.origin != found[1]:
        return None
    return Form(*found, low), local


def rise_of(part: Placed, then: tuple[Form, bool] | None, groups: Groups) -> Line | None:
    """A warmup to the base; before timm's tanh on the run's clock to where that is."""
    to, floor = 1.0, 0.0
    if then is not None and isinstance(then[0].fall, Tanh) and not then[1] and part.end is not None:
        to = then[0].fall.factor(part.end, then[0].length)
        floor = then[0].low * (1 - to)
    match part:
        case PlacedPhase(start=start) as rise if not floor:
            pass
        case PlacedSum(parts=(PlacedPhase(start=0.0) as rise, PlacedPhase(start=start) as other)) if floor:
            reached = groups.number(other.to)
            if other.shape.name != "linear" or other.closed or reached is None or not near(reached, floor):
                return None
        case _:
            return None
    end, start_of = groups.multiple(rise.to), groups.number(start)
    if rise.shape.name != "linear" or end is None or not near(end, to) or groups.is_base(start):
        return None
    return Line(rise.end - rise.begin, math.nan if start_of is None or rise.closed else start_of)


def _runs(part: PlacedPhase, read: Callable[[Any], float | None], ends: tuple[float, float]) -> bool:
    found = (read(part.start), read(part.to))
    return all(x is not None and near(x, end) for x, end in zip(found, ends, strict=True))


def form_of(text: str) -> tuple[Fall, float] | None:
    """The fall that a formula computes and its length, where it is one of timm's.

    Example:
        >>> form_of("0.5 * (1 + cos(pi * t / 300))")
        (Cosine(k=1.0), 300.0)
        >>> form_of("(1 - (epoch / 90) ** 2) ** 0.5")
        (Poly(power=0.5, k=2.0), 90.0)
    """
    if found := _COSINE.fullmatch(text):
        return Cosine(_of(found, "k", 1.0)), _length(found)
    if found := _POLY.fullmatch(text):
        return Poly(_of(found, "power", 1.0), _of(found, "k", 1.0)), _length(found)
    if found := _TANH.fullmatch(text):
        low = _of(found, "low", 0.0)
        return Tanh(low, low + _of(found, "rise", 0.0)), float(found["length"])
    return None


def _length(found: re.Match[str]) -> float:
    return float(found["length"] or found["whole"])


def _of(found: re.Match[str], name: str, default: float) -> float:
    return default if found[name] is None else float(found[name])
