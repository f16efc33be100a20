"""The order of a range test: which sweep comes next, and when it is over.

First a scout goes through the whole range in a few updates; then every repeat goes through the part of it where
something happens. What a scout finds is not mixed with the repeats: it has given each rate less time.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from cadence._errors import SpecError
from cadence.finder.losses import FEWEST, table
from cadence.finder.smoothing import WIDTHS, Numbers, smoother

LEAST = 24
"""Updates of a whole test: a scout and two repeats of eight."""

LOWEST, HIGHEST = 1e-6, 10.0
"""The range, where nothing else is said: it holds the best rate of every common method, and is widened so that it holds
three decades on both sides of the optimizer's own."""

AROUND = 1e3

SCOUT = 0.2
"""Share of the updates that the scout may take."""

BEFORE, BEYOND = 2.0, 1.3
"""Decades before and beyond the bottom that the scout has found, for the repeats. They give each rate more time, so
their own bottom lies before the scout's."""

REPEAT = 13
"""Updates that a repeat should have; the number of repeats follows."""

MOST = 4
"""Repeats at most, unless more are asked for: beyond, longer ones tell more than more of them."""


@dataclass(frozen=True)
class Asked:
    """What a test is to be.

    Attributes:
        updates: of the whole test, scout and repeats together.
        low, high: the range; None: it is looked for.
        repeats: of the sweep; None: as many as fit.
        own: the optimizer's own rate.
    """

    updates: int
    low: float | None
    high: float | None
    repeats: int | None
    own: float


@dataclass(frozen=True)
class Swept:
    """What was measured.

    Attributes:
        rates: of one repeat.
        losses: one row for each repeat: the loss before the update with that rate; shorter where it diverged.
        scout_rates, scout_losses: likewise, of the scout; empty where the range was given.
        updates: done altogether.
    """

    rates: Numbers
    losses: tuple[tuple[float, ...], ...]
    scout_rates: Numbers
    scout_losses: tuple[float, ...]
    updates: int


Sweeps: TypeAlias = Generator[list[float], list[float], Swept]
"""Gives the rates of the next sweep, before which the state is put back; takes the loss of each of its updates, fewer
where it ended early (see `cadence.finder.watch.Watch`)."""


def check(asked: Asked) -> None:
    """Refuse what no test can be made of.

    Raises:
        SpecError: too few updates, or no range.
    """
    low, high = limits(asked)
    if not (0 < low < np.inf and 0 < high < np.inf):
        raise SpecError(f"the range is {low:g} to {high:g}; rates of a test are positive numbers")
    if low >= high:
        raise SpecError(f"the range {low:g} to {high:g} is upside down; write the smaller rate as start")
    if asked.repeats is not None and asked.repeats < 1:
        raise SpecError(f"repeats is {asked.repeats}; write at least 1, better 3")
    least = LEAST if asked.repeats is None else asked.repeats * (FEWEST + 1)
    if asked.updates < least:
        raise SpecError(f"a range test of {asked.updates} updates says nothing; give it at least {least}")


def limits(asked: Asked) -> tuple[float, float]:
    """The whole range."""
    low = min(LOWEST, asked.own / AROUND) if asked.low is None else asked.low
    high = max(HIGHEST, asked.own * AROUND) if asked.high is None else asked.high
    return low, high


def sweeps(asked: Asked) -> Sweeps:
    """A whole test.

    Args:
        asked: checked.
    """
    low, high = limits(asked)
    scouted: list[float] = []
    scout_rates = np.empty(0)
    left = asked.updates
    if asked.low is None or asked.high is None:
        decades = float(np.log10(high / low))
        count = round(min(max(SCOUT * asked.updates, 1.5 * decades), 3 * decades)) + 1
        scout_rates = np.geomspace(low, high, max(FEWEST + 1, count))
        scouted = yield scout_rates.tolist()
        left -= len(scouted)
        low, high = _part(scout_rates, scouted)
    repeats = asked.repeats or min(max(round(left / REPEAT), 2), MOST)
    rates = np.geomspace(low, high, max(FEWEST + 1, left // repeats))
    losses: list[tuple[float, ...]] = []
    # Repeats that end early leave updates for others.
    most = 2 * repeats if asked.repeats is None else repeats
    while left >= len(rates) and len(losses) < most:
        row = yield rates.tolist()
        losses.append(tuple(row))
        left -= len(row)
    return Swept(rates, tuple(losses), scout_rates, tuple(scouted), asked.updates - left)


def _part(rates: Numbers, losses: list[float]) -> tuple[float, float]:
    """The part of the range where something happens."""
    low, high = float(rates[0]), float(rates[-1])
    top = float(rates[len(losses) - 1])
    known = table(rates, [losses])
    if max(known.reached) < 2:
        return low, high
    x = np.log10(known.rates)
    curve = smoother(x, x, WIDTHS[-1]).values @ known.repeats[0]
    bottom = float(x[int(np.argmin(curve))])
    begin, end = 10.0 ** (bottom - BEFORE), 10.0 ** (bottom + BEYOND)
    return max(low, begin), min(end, top)
