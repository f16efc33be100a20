"""Learning rates of the baselines, as functions of the update; written out, so that nothing is judged by itself."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TypeAlias

Rate: TypeAlias = Callable[[int], float]

WARMUP = 5 / 70
"""Share of the run."""


def constant(peak: float, updates: int) -> Rate:
    """The same throughout."""
    del updates
    return lambda t: peak


def linear(peak: float, updates: int) -> Rate:
    """A straight line to 0."""
    return lambda t: peak * (1 - t / updates)


def cosine(peak: float, updates: int) -> Rate:
    """Half a period of a cosine to 0."""
    return lambda t: peak * (1 + math.cos(math.pi * t / updates)) / 2


def warmed_cosine(peak: float, updates: int) -> Rate:
    """A straight line up over `WARMUP` of the run, then a cosine to 0."""
    climb = round(WARMUP * updates)
    fall = cosine(peak, updates - climb)
    return lambda t: peak * (t + 1) / climb if t < climb else fall(t - climb)


def steps(peak: float, updates: int) -> Rate:
    """A tenth after each third of the run."""
    return lambda t: peak * 0.1 ** (3 * t // updates)
