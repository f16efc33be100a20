"""Placed combinations: one after the other, products, sums, limits, rules, and choices past the end."""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise, takewhile
from typing import Any

import numpy as np

from cadence._errors import HorizonError, SpecError
from cadence.curve.placed import Event, Placed, Scene, Times, Values, boundary, clamp, powers, whole_cycles
from cadence.spec.nodes import Plateau
from cadence.spec.value import Value


@dataclass(frozen=True)
class PlacedSequence(Placed):
    """One part after the other."""

    begin: int
    end: int | None
    parts: tuple[Placed, ...]

    def at(self, t: Times, scene: Scene) -> Values:
        if scene.xp is not np:
            values = self.parts[0].at(t, scene)
            for part in self.parts[1:]:
                values = scene.xp.where(t < part.begin, values, part.at(t, scene))
            return values
        begins = np.array([p.begin for p in self.parts[1:]], dtype=np.int64)
        if len(t) == 1 or bool((t[1:] >= t[:-1]).all()):
            return self._rising(t, begins, scene)
        part_of: Any = np.searchsorted(begins, t, side="right")
        values = np.empty(t.shape)
        for k, part in enumerate(self.parts):
            chosen: Any = part_of == k
            if chosen.any():
                values[chosen] = part.at(t[chosen], scene)
        return values

    def _rising(self, t: Times, begins: Any, scene: Scene) -> Values:
        # Times in order are cut with a few look-ups instead of one for each of them.
        inner: Any = np.searchsorted(t, begins, side="left")
        cuts: list[int] = [0, *inner.tolist(), len(t)]
        busy = [(i, a, b) for i, (a, b) in enumerate(pairwise(cuts)) if a < b]
        if len(busy) == 1:
            return self.parts[busy[0][0]].at(t, scene)
        values = np.empty(t.shape)
        for i, a, b in busy:
            values[a:b] = self.parts[i].at(t[a:b], scene)
        return values

    def events(self) -> Iterator[Event]:
        for part in self.parts:
            yield from part.events()


@dataclass(frozen=True)
class PlacedRule:
    """A metric rule on a run: who it is, and when it listens.

    Attributes:
        index: number of the rule in its plan.
        rule: the spec.
        begin: observations of updates before this one are not its business.
        end: nor those from here on; None: it listens for ever.
    """

    index: int
    rule: Any
    begin: int
    end: int | None

    def hears(self, done: float) -> bool:
        """Whether an observation after `done` updates counts: it belongs to the last of them, or to the beginning."""
        return (done > self.begin or self.begin == 0) and (self.end is None or done <= self.end)


@dataclass(frozen=True)
class PlacedProduct(Placed):
    """A part that carries the unit, times pure factors, lowered by rules."""

    begin: int
    end: int | None
    carrier: Placed
    factors: tuple[Placed, ...]
    rules: tuple[PlacedRule, ...]

    def at(self, t: Times, scene: Scene) -> Values:
        values = self.carrier.at(t, scene)
        for factor in self.factors:
            values = values * factor.at(t, scene.unit)
        for k, rule in enumerate(self.rules):
            if isinstance(rule.rule, Plateau) and scene.cuts.get(rule.index):
                values = self._lowered(values, t, scene, k)
        return values

    def _lowered(self, values: Values, t: Times, scene: Scene, k: int) -> Values:
        xp, rule = scene.xp, self.rules[k].rule
        effective = self._effective(scene, k)
        cuts = xp.searchsorted(np.array(effective), t, side="right")
        lowered = values * xp.asarray(powers(rule.factor, len(effective)))[cuts]
        floor = scene.resolve(rule.minimum)
        # A value that lies below the minimum by itself is left alone: a cut never raises.
        return xp.maximum(lowered, xp.minimum(values, floor)) if floor else lowered

    def _effective(self, scene: Scene, k: int) -> tuple[float, ...]:
        """The cuts that really lower the value: at the minimum, or below the least change, one does nothing."""
        rule, here = self.rules[k].rule, scene.concrete
        cuts, floor = here.cuts[self.rules[k].index], here.resolve(rule.minimum)
        if not floor and not rule.least_change:
            return cuts
        key = (id(self), f"cuts {k}")
        if key not in here.memo:
            without = PlacedProduct(self.begin, self.end, self.carrier, self.factors, self.rules[:k])
            effective: list[float] = []
            for t in cuts:
                plain = float(without.at(np.array([t]), here)[0])
                low = min(plain, floor)
                before = max(plain * rule.factor ** len(effective), low)
                if before - max(plain * rule.factor ** (len(effective) + 1), low) > rule.least_change:
                    effective.append(t)
            here.memo[key] = tuple(effective)
        return here.memo[key]

    def events(self) -> Iterator[Event]:
        return heapq.merge(self.carrier.events(), *(f.events() for f in self.factors), key=_time)


@dataclass(frozen=True)
class PlacedSum(Placed):
    """The sum of its parts, each with the unit."""

    begin: int
    end: int | None
    parts: tuple[Placed, ...]

    def at(self, t: Times, scene: Scene) -> Values:
        values = self.parts[0].at(t, scene)
        for part in self.parts[1:]:
            values = values + part.at(t, scene)
        return values

    def events(self) -> Iterator[Event]:
        return heapq.merge(*(p.events() for p in self.parts), key=_time)


@dataclass(frozen=True)
class PlacedClip(Placed):
    """Kept between two limits."""

    begin: int
    end: int | None
    inner: Placed
    lo: Value | None
    hi: Value | None

    def at(self, t: Times, scene: Scene) -> Values:
        values = self.inner.at(t, scene)
        lo = None if self.lo is None else scene.resolve(self.lo)
        hi = None if self.hi is None else scene.resolve(self.hi)
        if lo is not None and hi is not None and lo > hi:
            raise SpecError(
                f"clip has its lower limit {lo:g} above its upper limit {hi:g} at a base of {scene.base:g}; "
                f"exchange them"
            )
        if lo is not None:
            values = scene.xp.maximum(values, lo)
        return values if hi is None else scene.xp.minimum(values, hi)

    def events(self) -> Iterator[Event]:
        return self.inner.events()


@dataclass(frozen=True)
class PlacedPastEnd(Placed):
    """After its own end: again from the beginning, backwards and forwards, or an error."""

    begin: int
    end: int | None
    inner: Placed
    then: str

    def at(self, t: Times, scene: Scene) -> Values:
        xp, inner_end = scene.xp, self.inner.end
        if inner_end is None or self.then == "hold":
            return self.inner.at(t, scene)
        n, x = inner_end - self.begin, t - self.begin
        if self.then == "raise":
            if xp is np and t.size and int(t.max()) > inner_end:
                raise HorizonError(
                    f"update {int(t.max())} lies past the end of the schedule at {inner_end}, and past_end('raise') "
                    f"forbids it; stop there, or choose past_end('hold')"
                )
            return self.inner.at(t, scene)
        if self.then == "repeat":
            inside = xp.where(x < n, x, x % n)
        else:
            # Mirrored at the end point: as far after it as before it.
            inside = x % (2 * n)
            inside = xp.where(x < n, x, xp.minimum(inside, 2 * n - inside))
        return self.inner.at(self.begin + inside, scene)

    def events(self) -> Iterator[Event]:
        return self.inner.events()


@dataclass(frozen=True)
class PlacedCut(Placed):
    """The first part of what is laid out by itself; after its own end the value at the cut holds."""

    begin: int
    end: int | None
    inner: Placed

    def at(self, t: Times, scene: Scene) -> Values:
        return self.inner.at(clamp(t, self.begin, self.end, scene.xp), scene)

    def events(self) -> Iterator[Event]:
        return takewhile(lambda e: self.end is None or e.t < self.end, self.inner.events())


@dataclass(frozen=True)
class PlacedStaircase(Placed):
    """The inner value at the beginning of each stair, the stairs counted on the clock.

    Past its end it stays on the stair it ends on, unless the inner schedule was told to go on (`holds` False).
    """

    begin: int
    end: int | None
    inner: Placed
    every: tuple[int, int]
    origin: int
    holds: bool

    def at(self, t: Times, scene: Scene) -> Values:
        if self.holds:
            t = clamp(t, self.begin, self.end, scene.xp)
        stair = self.origin + boundary(whole_cycles(t - self.origin, *self.every), *self.every)
        # A stair that began before the phase has the phase's first value.
        return self.inner.at(scene.xp.maximum(stair, self.begin), scene)

    def events(self) -> Iterator[Event]:
        return self.inner.events()


def _time(event: Event) -> int:
    return event.t
