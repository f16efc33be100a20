"""What is asked for: a stretch of the run, and how numbers are read and told in it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, NoReturn, cast

from cadence._errors import ConversionError
from cadence.conversion.definition import definitions
from cadence.conversion.native import Native
from cadence.curve.placed import Placed, Scene

NEAR = 1e-12
"""Relative difference of two rates that are one, computed twice."""


@dataclass(frozen=True)
class Part:
    """A stretch of the run that a scheduler is wanted for; the scheduler's own clock shows 0 at its beginning.

    Attributes:
        scene: what relative values are multiples of.
        begin: its first update.
        end: the update at which the run is over; None: it never is.
        scale: what all values are multiplied with.
    """

    scene: Scene
    begin: int
    end: int | None
    scale: float

    def number(self, value: Any) -> float:
        """A value of a node, or what it takes from its neighbour, as a rate."""
        found = cast("float", value(self.scene)) if callable(value) else self.scene.resolve(value)
        return tidy(found * self.scale)

    def first(self, node: Placed) -> float:
        """A node's first value as a rate."""
        return node.first(self.scene) * self.scale

    def over(self, end: int) -> bool:
        """Whether the run is over when this update comes."""
        return self.end is not None and self.end <= end

    def lasts(self, node: Placed) -> bool:
        """Whether a node goes on to the end of the run."""
        return node.end is None or self.over(node.end)

    def at(self, begin: int) -> Part:
        """The same for what begins later."""
        return replace(self, begin=begin)


ADAPTER = "cd.paddle_scheduler(...) takes any schedule"
DRIVER = "cd.drive(optimizer, ...) governs every value of every group"


def refuse(what: str, why: str, instead: str = ADAPTER) -> NoReturn:
    """Say that paddle has no equal, and what does it instead.

    Raises:
        ConversionError: always.
    """
    raise ConversionError(f"paddle has no scheduler for {what}: {why}; {instead}")


def call(name: str, **arguments: Any) -> Native:
    """A scheduler, without what is paddle's default anyway; a gamma is always told."""
    defaults = {p.name: p.default for p in definitions("paddle")[name].parameters if p.name != "gamma"}
    told = {key: x for key, x in arguments.items() if key not in defaults or defaults[key] != x}
    return Native("paddle", name, told)


def near(a: float, b: float) -> bool:
    """Whether two rates are one."""
    return abs(a - b) <= NEAR * max(abs(a), abs(b))


def tidy(x: float) -> float:
    """Without the last digit, which a product of two numbers that people wrote need not have: 0.01, not 0.1 * 0.1."""
    return float(f"{x:.15g}")
