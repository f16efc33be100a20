"""A recipe as rules see it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cadence.findings.finding import Spot
from cadence.spec.span import span

if TYPE_CHECKING:
    from cadence.recipe.recipe import Recipe


@dataclass(frozen=True)
class RecipeView:
    """A recipe and its source.

    Attributes:
        recipe: checked.
        lines: of its file.
    """

    recipe: Recipe
    lines: tuple[str, ...]

    def spot(self, key: str) -> Spot | None:
        """The line of a top key."""
        for number, line in enumerate(self.lines, 1):
            if re.match(rf"{re.escape(key)}\s*:", line):
                return Spot(number, 1, number, len(line.rstrip()) + 1)
        return None

    @property
    def evaluations(self) -> int | None:
        """How often the run evaluates, where both lengths are in one unit."""
        total, every = span(self.recipe.total), span(self.recipe.evaluate)
        if every.unit == "%":
            return int(100 / every.amount)
        return int(total.amount / every.amount) if total.unit == every.unit else None
