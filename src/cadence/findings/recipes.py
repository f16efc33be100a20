"""A recipe as rules see it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from cadence._errors import CadenceError
from cadence.curve.curve import Floats
from cadence.curve.place import as_plan, place
from cadence.findings.finding import Spot
from cadence.spec.span import Span, span

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

    def in_evaluations(self, length: Span) -> int | None:
        """How many evaluations lie within a length, where that can be told without the data."""
        if length.unit == "evaluations":
            return int(length.amount)
        total, every = span(self.recipe.total), span(self.recipe.evaluate)
        if every.unit == "%":
            every = Span(total.amount * every.amount / 100, total.unit)
        return int(length.amount / every.amount) if length.unit == every.unit and every.amount else None

    @property
    def begins_low(self) -> bool:
        """Whether the learning rate of every group begins below half of its peak; also where that cannot be told."""
        rates = self.rates()
        return rates is None or all(rate[0] < 0.5 * np.max(rate) for rate in rates)

    def rates(self) -> list[Floats] | None:
        """The learning rate of each group over the run, as shares of its base; None where it cannot be told.

        Whatever the length of an epoch, a schedule keeps its shape: a thousand updates stand for one.
        """
        from cadence.recipe.bases import group_names

        groups = group_names(self.recipe)
        try:
            base = dict.fromkeys(as_plan(self.recipe.spec).values(), 1.0)
            curve = place(
                self.recipe.spec, total=self.recipe.total, steps_per_epoch=1000, batch_size=1000, tokens_per_step=10**6,
                base=base, groups=groups,
            )  # fmt: skip
        except CadenceError:
            return None
        end = curve.end or 10**6
        times = np.unique(np.linspace(0, end, 10_000).astype(np.int64))
        return [curve.at(times, group=g, value=value) for g, value in curve.pairs if value == "lr"]
