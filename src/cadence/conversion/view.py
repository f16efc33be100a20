"""A placed curve as a framework that carries its own rates is told it: absolute numbers, constants folded in."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import count, islice, takewhile

from cadence._errors import ConversionError
from cadence.conversion.rates import added, times
from cadence.curve.combined import PlacedPastEnd, PlacedProduct, PlacedSequence, PlacedSum
from cadence.curve.curve import Curve
from cadence.curve.placed import (
    Joint,
    Placed,
    PlacedConstant,
    PlacedGeometric,
    PlacedPiecewise,
    PlacedSteps,
    Scene,
    boundary,
    whole_cycles,
)
from cadence.spec.nodes import Plateau
from cadence.spec.value import Absolute, Value


@dataclass(frozen=True)
class View:
    """How the values of a part are seen: times `factor`, plus `shift`, up to update `end`."""

    scene: Scene
    end: int | None
    factor: float = 1.0
    shift: float = 0.0

    def value(self, x: Value | Joint) -> float:
        """A value of a placed schedule as the framework is told it."""
        if isinstance(x, (int, float)):
            # As on paper: a tenth of 0.1 is 0.01.
            plain = times(x, self.scene.base)
        else:
            plain = x.number if isinstance(x, Absolute) else x(self.scene)
        seen = times(self.factor, plain) if self.factor != 1 else float(plain)
        return added(seen, self.shift) if self.shift else seen


def the_rate(curve: Curve, what: str) -> tuple[Placed, View]:
    """The one schedule of a curve, and how it is seen.

    Raises:
        ConversionError: it governs several values, or groups of different bases; `what` holds one.
    """
    governed = {(curve.plan.governing(curve.groups[g], value), curve.bases[value][g]) for g, value in curve.pairs}
    if len(governed) > 1:
        raise ConversionError(
            f"{what} is one function, and {curve.spec} governs {len(governed)} different values or groups; "
            f"convert each by itself"
        )
    ((entry, base),) = governed
    assert entry is not None
    assert base is not None
    return curve.placed[entry], View(Scene(base, {}), curve.total)


def lifted(placed: PlacedSum, view: View) -> tuple[Placed | None, View] | None:
    """The one part of a sum that moves, seen with the constants added; no part where all are constant.

    None where several move.
    """
    moving = [p for p in placed.parts if not isinstance(p, PlacedConstant)]
    if len(moving) > 1:
        return None
    for p in placed.parts:
        if isinstance(p, PlacedConstant):
            view = replace(view, shift=view.value(p.value))
    return (moving[0] if moving else None), view


def scaled(placed: PlacedProduct, view: View) -> tuple[Placed, View] | None:
    """The one part of a product that moves, seen times the constants; None where several move, or a rule acts."""
    moving = [p for p in placed.factors if not isinstance(p, PlacedConstant)]
    still = [p for p in placed.factors if isinstance(p, PlacedConstant)]
    if placed.rules or len(moving) > 1:
        return None
    for p in still:
        view = replace(view, factor=times(view.factor, view.scene.unit.resolve(p.value)))
    if not moving:
        return placed.carrier, view
    if not isinstance(placed.carrier, PlacedConstant):
        return None
    height = View(view.scene, view.end).value(placed.carrier.value)
    return moving[0], replace(view, scene=view.scene.unit, factor=times(view.factor, height))


def jumps(placed: Placed) -> bool:
    """Whether a schedule is constant but for its jumps."""
    match placed:
        case PlacedConstant() | PlacedSteps():
            return True
        case PlacedPiecewise(shape=shape):
            return shape is None
        case PlacedSequence(parts=parts):
            return all(jumps(part) for part in parts)
        case _:
            return False


def changes(placed: Placed, end: int | None, most: int) -> list[int]:
    """The updates after its first, up to `end`, at which a schedule that jumps may change; at most `most` + 1."""
    last = placed.end if end is None or (placed.end is not None and placed.end < end) else end
    match placed:
        case PlacedSteps(positions=None, every=every) if every is not None:
            first = whole_cycles(max(placed.begin - placed.origin, 0), *every) + 1
            where = (placed.origin + boundary(k, *every) for k in count(first))
            return list(islice(takewhile(lambda t: last is None or t <= last, where), most + 1))
        case PlacedSteps(positions=positions) | PlacedPiecewise(positions=positions):
            inside = sorted({t for t in positions or () if t > placed.begin and (last is None or t <= last)})
            return inside[: most + 1]
        case PlacedSequence(parts=parts):
            found: list[int] = []
            for part, after in zip(parts, [*parts[1:], None], strict=True):
                found += [part.begin, *changes(part, last if after is None else after.begin - 1, most)]
            return sorted(t for t in set(found) if t > placed.begin and (last is None or t <= last))[: most + 1]
        case _:
            return []


def the_plateau(placed: PlacedProduct, name: str, cannot: Callable[[Placed, str], ConversionError]) -> Plateau:
    """The one rule of a constant rate at the base, which is all that `name` follows.

    Raises:
        ConversionError: something else moves or is multiplied; `cannot` makes the sentence.
    """
    carrier, rule = placed.carrier, placed.rules[0].rule
    alone = len(placed.rules) == 1 and not placed.factors
    if not alone or not isinstance(carrier, PlacedConstant) or not isinstance(rule, Plateau):
        raise cannot(placed, f"follows a metric; {name} does that for a constant rate and one rule")
    if carrier.value != 1.0:
        raise cannot(placed, f"starts from another rate than the base, which {name} multiplies")
    return rule


def goes_past_its_end(placed: PlacedPastEnd, view: View) -> bool:
    """Whether what comes again after the end of a schedule is seen before the run ends."""
    end = placed.inner.end
    if end is None or placed.then not in ("repeat", "mirror"):
        return False
    # At its end a mirror is there, and a repetition at its beginning.
    return view.end is None or view.end > end or (placed.then == "repeat" and view.end == end)


def gamma_of_stair(placed: PlacedGeometric, stair: tuple[int, int]) -> float:
    """The factor of one stair of so many updates (a fraction) that an exponential is cut into."""
    (a, b), (p, q) = placed.every, stair
    return placed.gamma if (a, b) == (p, q) else placed.gamma ** (p * b / (q * a))


def unsayable(framework: str, placed: Placed, why: str, instead: str) -> ConversionError:
    """The error for a part that a framework has no equal for."""
    name = type(placed).__name__.removeprefix("Placed").lower()
    end = "on" if placed.end is None else f"to {placed.end}"
    return ConversionError(
        f"{framework} cannot say this schedule: its {name} from update {placed.begin} {end} {why}; {instead}"
    )
