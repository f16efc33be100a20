"""A placed schedule as torch's schedulers see it: numbers for each group, on a clock that begins at 0."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from cadence.curve.combined import PlacedCut, PlacedPastEnd, PlacedProduct, PlacedSequence, PlacedStaircase
from cadence.curve.placed import Joint, Placed, PlacedConstant, PlacedFormula, Scene
from cadence.spec.value import Absolute, Value


@dataclass(frozen=True)
class View:
    """What a part of a curve is looked at for.

    Attributes:
        bases: base rate of each group.
        begin: the tick at which its scheduler's clock shows 0.
        limit: the tick of that clock from which nothing matters; None: all do.
    """

    bases: tuple[float, ...]
    begin: int
    limit: int | None

    def until(self, tick: int) -> bool:
        """Whether nothing beyond a tick of the clock matters."""
        return self.limit is not None and self.limit <= tick + 1

    def slot(self, begin: int, end: int | None) -> View:
        """The same for one part of a sequence; at `end` the next one begins."""
        if end is None:
            last = None if self.limit is None else self.begin + self.limit - begin
            return replace(self, begin=begin, limit=last)
        return replace(self, begin=begin, limit=end - begin)

    def numbers(self, x: Value | Joint) -> list[float]:
        """A value in the optimizer's unit, for each group."""
        scenes = [Scene(base, {}) for base in self.bases]
        return [tidy(x(scene) if callable(x) else scene.resolve(x)) for scene in scenes]

    def common(self, x: Value | Joint) -> float | None:
        """A value in the optimizer's unit, where all groups have the same."""
        numbers = self.numbers(x)
        return numbers[0] if all(_near(n, numbers[0]) for n in numbers) else None

    def multiple(self, x: Value | Joint) -> float | None:
        """A value as a multiple of the base, where all groups have the same."""
        if isinstance(x, float):
            return x
        if 0 in self.bases:
            return None
        shares = [n / base for n, base in zip(self.numbers(x), self.bases, strict=True)]
        return tidy(shares[0]) if all(_near(s, shares[0]) for s in shares) else None

    def is_base(self, x: Value | Joint) -> bool:
        """Whether a value is the base, in every group."""
        return self.multiple(x) == 1


def _near(a: float, b: float) -> bool:
    return math.isclose(a, b, rel_tol=1e-13, abs_tol=0.0)


def tidy(x: float) -> float:
    """Without the digits that a division or a product left: 0.01 instead of 0.010000000000000002."""
    short = float(f"{x:.12g}")
    return short if math.isclose(x, short, rel_tol=1e-15, abs_tol=0.0) else float(x)


def written(node: Placed) -> str | None:
    """The formula that is all there is, in the optimizer's unit."""
    match plain(node):
        case PlacedProduct(
            carrier=PlacedConstant(value=Absolute(1.0)),
            factors=(PlacedFormula(begin=0, origin=0, text=text),),
            rules=(),
        ):
            return text
        case _:
            return None


def plain(node: Placed) -> Placed:
    """A node without what changes nothing: stairs of one tick, holding at the end, a sequence in a sequence."""
    match node:
        case PlacedStaircase(every=(1, 1), inner=inner):
            return plain(inner)
        case PlacedPastEnd(then="hold", inner=inner):
            return plain(inner)
        case PlacedCut(end=None, inner=inner):
            return plain(inner)
        case PlacedSequence(parts=parts):
            flat: list[Placed] = []
            for part in map(plain, parts):
                flat += part.parts if isinstance(part, PlacedSequence) else (part,)
            return PlacedSequence(node.begin, node.end, tuple(flat))
        case _:
            return node


def both(numbers: Sequence[float | None]) -> Any:
    """One number where all groups have the same, else the list that torch takes."""
    return numbers[0] if all(n == numbers[0] for n in numbers) else list(numbers)
