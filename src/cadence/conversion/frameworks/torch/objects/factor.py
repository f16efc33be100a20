"""A part of a curve as the function that torch's LambdaLR multiplies the base with."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cadence.curve.placed import Placed, Scene


@dataclass(frozen=True)
class Factor:
    """A multiple of the base at each tick.

    Attributes:
        node: the placed schedule.
        begin: the tick of the run at which the function's clock shows 0.
        end: the tick of the run from which nothing matters; None: all do.
        base: where the schedule says something absolute, the base that the multiple is of; else None.
    """

    node: Placed
    begin: int
    end: int | None
    base: float | None

    def __call__(self, t: int) -> float:
        """The multiple at tick `t`."""
        with np.errstate(all="ignore"):
            value = float(self.node.at(np.array([self.begin + t]), Scene(self.base or 1.0, {}))[0])
        return value if self.base is None else value / self.base

    @property
    def __name__(self) -> str:
        return "factor"
