"""Placed curves taken apart, for those who look for a framework's own schedule in them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from cadence._errors import ConversionError
from cadence.curve.combined import (
    PlacedClip,
    PlacedCut,
    PlacedPastEnd,
    PlacedProduct,
    PlacedSequence,
    PlacedStaircase,
    PlacedSum,
)
from cadence.curve.curve import Curve
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
from cadence.spec.nodes import Schedule
from cadence.spec.value import Value

NEAR = 1e-12
"""Relative difference up to which two numbers are the same one, computed twice."""


@dataclass(frozen=True)
class Groups:
    """The parameter groups of a curve, and what values mean in them.

    Attributes:
        bases: base of each.
    """

    bases: tuple[float, ...]

    def multiple(self, value: Value | Joint) -> float | None:
        """A value as a multiple of the base; None where that is another number in each group."""
        if isinstance(value, float):
            return value
        return _common([_ratio(self._resolved(value, base), base) for base in self.bases])

    def number(self, value: Value | Joint) -> float | None:
        """A value in the optimizer's own unit; None where it is another number in each group."""
        return _common([self._resolved(value, base) for base in self.bases])

    def is_base(self, value: Value | Joint) -> bool:
        """Whether a value is the base itself, in every group."""
        found = self.multiple(value)
        return found is not None and near(found, 1.0)

    def _resolved(self, value: Value | Joint, base: float) -> float:
        scene = Scene(base, {})
        if not callable(value):
            return scene.resolve(value)
        with np.errstate(all="ignore"):
            return value(scene)


def groups_of(curve: Curve) -> Groups:
    """The groups whose rate a curve governs."""
    return Groups(tuple(base for base in curve.bases["lr"] if base is not None))


def only_rates(curve: Curve, framework: str) -> None:
    """Check that a curve governs nothing but learning rates.

    Raises:
        ConversionError: something else; the sentence names it.
    """
    others = [value for value in curve.plan.values() if value != "lr"]
    if others:
        raise ConversionError(
            f"{framework}'s schedules move the learning rate only, and this plan moves {', '.join(others)} too; leave "
            f"that out, or keep the plan: cd.drive(optimizer, plan, ...)"
        )


def schedules_of(curve: Curve, framework: str) -> list[Schedule]:
    """The schedule of each group's rate.

    Raises:
        ConversionError: a group that the plan leaves out.
    """
    found: list[Schedule] = []
    for group in curve.groups:
        entry = curve.plan.governing(group, "lr")
        if entry is None:
            raise ConversionError(
                f"{framework}'s schedules govern all parameter groups, and this plan leaves out {group!r}; give it "
                f"one, or keep the plan: cd.drive(optimizer, plan, ...)"
            )
        found.append(curve.plan.entries[entry][1])
    return found


def phases_of(placed: Placed, end: int | None) -> list[Placed]:
    """The phases one after the other, wrappers that change nothing before `end` left out."""
    match placed:
        case PlacedSequence(parts=parts):
            return [phase for part in parts for phase in phases_of(part, end)]
        case PlacedStaircase(inner=inner, every=(1, 1)):
            return phases_of(inner, end)
        case PlacedCut(inner=inner, end=cut) if (
            cut is None or cut == end or (inner.end is not None and inner.end <= cut)
        ):
            return phases_of(inner, end)
        case PlacedPastEnd(inner=inner, then=then) if then in ("hold", "raise") or _over(inner, end):
            return phases_of(inner, end)
        case _:
            return [placed]


def without_hold(phases: list[Placed], groups: Groups) -> list[Placed]:
    """The phases without a last one that only keeps the value at which the one before ended."""
    if len(phases) < 2 or not isinstance(phases[-1], PlacedConstant):
        return phases
    before, kept = phases[-2], groups.multiple(phases[-1].value)
    ends = None if before.end is None else groups.multiple(before.last)
    return phases[:-1] if kept is not None and ends is not None and near(kept, ends) else phases


def near(a: float, b: float) -> bool:
    """Whether two numbers are the same one, computed twice."""
    return abs(a - b) <= NEAR * max(abs(a), abs(b))


def described(placed: Placed) -> str:
    """A phase in words, for the sentence that says what has no equal."""
    where = f"from {placed.begin} on" if placed.end is None else f"from {placed.begin} to {placed.end}"
    return f"{_kind(placed)} {where}"


def _kind(placed: Placed) -> str:
    match placed:
        case PlacedPhase(shape=shape, closed=closed):
            return f"the {'closed ' if closed else ''}{shape.name} phase"
        case PlacedFormula(text=text):
            return f"the formula {text!r:.60}"
        case _:
            return _NAMES.get(type(placed), "the part")


_NAMES: dict[type[Placed], str] = {
    PlacedConstant: "the constant", PlacedSteps: "the steps", PlacedGeometric: "the exponential",
    PlacedInverse: "the inverse power", PlacedPiecewise: "the table of points", PlacedProduct: "the product",
    PlacedSum: "the sum", PlacedClip: "the clipped part", PlacedPastEnd: "what goes on past its end",
    PlacedCut: "the part that is cut off", PlacedStaircase: "the staircase", PlacedSequence: "the sequence",
    PlacedRepeat: "the cycle", PlacedGrowing: "the growing cycle",
}  # fmt: skip


def _over(placed: Placed, end: int | None) -> bool:
    """Whether what comes after a part lies behind the run's end."""
    return end is not None and placed.end is not None and placed.end >= end


def _common(numbers: Sequence[float]) -> float | None:
    return numbers[0] if all(near(x, numbers[0]) for x in numbers) else None


def _ratio(x: float, base: float) -> float:
    return x / base if base else float("nan")
