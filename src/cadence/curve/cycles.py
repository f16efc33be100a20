"""Repetition: the inner schedule on the clock of each cycle, longer or lower from one to the next."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from cadence._errors import HorizonError
from cadence.curve.placed import Event, Placed, Scene, Times, Values, boundary, clamp, whole_cycles
from cadence.spec.span import LONGEST

MOST_CYCLES = 100_000
"""Cycles that grow or shrink are listed; more of them than this is a slip of the pen."""

TRACED_CYCLES = 200
"""Cycles of different length that a compiler is given, each as code of its own."""

TRACED_UPDATES = 2**31 - 1
"""As far as the counters of jax reach; traced cycles of a run without an end are written out up to here."""

Make = Callable[[int, int], Placed]
"""(number of the cycle, its length in updates) -> the inner schedule on that cycle, which begins at 0."""


@dataclass(frozen=True)
class PlacedRepeat(Placed):
    """Cycles of equal length p/q, the k-th multiplied by decay ** k."""

    begin: int
    end: int | None
    n: int | None
    period: tuple[int, int]
    decay: float
    make: Make
    made: dict[int, Placed] = field(default_factory=dict[int, Placed], compare=False, repr=False)

    def at(self, t: Times, scene: Scene) -> Values:
        xp, (p, q) = scene.xp, self.period
        x = clamp(t, self.begin, self.end, xp) - self.begin
        # At the very end the last cycle is at its end, not the next one at its beginning.
        k = whole_cycles(x if self.end is None else xp.minimum(x, max(self.end - self.begin - 1, 0)), p, q)
        if self.n is not None:
            k = xp.minimum(k, self.n - 1)
        begins = boundary(k, p, q)
        values = self._inside(x - begins, boundary(k + 1, p, q) - begins, scene)
        return values if self.decay == 1 else values * self.decay ** (k * 1.0)

    def cycles(self) -> Iterator[tuple[int, Placed, float]]:
        """Update at which each begins, the inner schedule (which begins at 0), and what it is multiplied with."""
        p, q = self.period
        return _listed(
            self.begin, self.end, self.n, lambda k: boundary(k, p, q), lambda _, length: self._cycle(length), self.decay
        )

    def _inside(self, local: Times, length: Times, scene: Scene) -> Values:
        """Values by the time inside a cycle and its length: of p/q updates, some are one longer than others."""
        p, q = self.period
        short = p // q
        if q == 1:
            return self._cycle(short).at(local, scene)
        if scene.xp is not np:
            return scene.xp.where(
                length > short, self._cycle(short + 1).at(local, scene), self._cycle(short).at(local, scene)
            )
        # Each only where it is asked for: with both everywhere, cycles nested n deep would be computed 2 ** n times.
        values = np.empty(local.shape)
        for n in np.unique(length).tolist():
            chosen = length == n
            values[chosen] = self._cycle(int(n)).at(local[chosen], scene)
        return values

    def _cycle(self, length: int) -> Placed:
        if length not in self.made:
            self.made[length] = self.make(0, length)
        return self.made[length]

    def events(self) -> Iterator[Event]:
        p, q = self.period
        return _restarts(
            self.begin, self.end, self.n, lambda k: boundary(k, p, q), lambda _, length: self._cycle(length)
        )


@dataclass(frozen=True)
class PlacedGrowing(Placed):
    """Cycles of which each is `grow` times as long as the one before."""

    begin: int
    end: int | None
    n: int | None
    first_length: float
    grow: float
    decay: float
    make: Make
    begins: list[int] = field(default_factory=lambda: [0], compare=False, repr=False)
    made: dict[int, Placed] = field(default_factory=dict[int, Placed], compare=False, repr=False)

    def at(self, t: Times, scene: Scene) -> Values:
        if scene.xp is not np:
            return self._traced(t, scene)
        x = clamp(t, self.begin, self.end, np) - self.begin
        inside = x if self.end is None else np.minimum(x, max(self.end - self.begin - 1, 0))
        self._extend(int(inside.max()) if inside.size else 0)
        begins = np.array(self.begins, dtype=np.int64)
        # The last entry is where the last cycle ends: beyond it that cycle is at its end.
        k_of: Any = np.minimum(np.searchsorted(begins, inside, side="right") - 1, len(begins) - 2)
        values = np.empty(x.shape)
        numbers: list[int] = np.unique(k_of).tolist()
        for k in numbers:
            chosen: Any = k_of == k
            values[chosen] = self._cycle(k, self.begins[k + 1] - self.begins[k]).at(x[chosen] - self.begins[k], scene)
        return values if self.decay == 1 else values * self.decay ** (k_of * 1.0)

    def cycles(self) -> Iterator[tuple[int, Placed, float]]:
        """As those of `PlacedRepeat`."""
        return _listed(self.begin, self.end, self.n, self._begin_of, self._cycle, self.decay)

    def _traced(self, t: Times, scene: Scene) -> Values:
        """The same where a compiler reads the formula: every cycle is written out, and the right one chosen."""
        xp, last = scene.xp, TRACED_UPDATES if self.end is None else self.end - self.begin
        x = clamp(t, self.begin, self.end, xp) - self.begin
        self._extend(max(last - 1, 0))
        begins = [b for b in self.begins[:-1] if b < last] or [0]
        if len(begins) > TRACED_CYCLES:
            raise HorizonError(
                f"cycles that grow {self.grow:g} times are written out one by one for a compiler, and {len(begins)} of "
                f"them are too many; write at most {TRACED_CYCLES}, with repeat(n), a longer cycle or a shorter total="
            )
        values = xp.zeros(x.shape)
        for k, begin in enumerate(begins):
            cycle = self._cycle(k, self.begins[k + 1] - begin).at(x - begin, scene) * self.decay**k
            # At the very end the last cycle is at its end, and that is the last one listed.
            values = xp.where(x >= begin, cycle, values) if k else cycle
        return values

    def _extend(self, x: int) -> None:
        """List the cycles up to the one that holds update `x`."""
        begins = self.begins
        while begins[-1] <= x or len(begins) < 2:
            k = len(begins)
            if self.n is not None and k > self.n:
                return
            if k > MOST_CYCLES:
                raise HorizonError(
                    f"more than {MOST_CYCLES} cycles before update {x}; write a longer cycle or a larger grow"
                )
            # Summed first, then rounded; a cycle is at least one update, and one that no run outlasts is long enough.
            exact = min(self.first_length * power_sum(self.grow, k), 4.0 * LONGEST)
            begins.append(max(int(np.floor(exact + 0.5)), begins[-1] + 1))

    def _cycle(self, k: int, length: int) -> Placed:
        if k not in self.made:
            if len(self.made) > 256:
                self.made.clear()
            self.made[k] = self.make(k, length)
        return self.made[k]

    def _begin_of(self, k: int) -> int:
        while len(self.begins) <= k and not (self.n is not None and len(self.begins) > self.n):
            self._extend(self.begins[-1])
        return self.begins[min(k, len(self.begins) - 1)]

    def events(self) -> Iterator[Event]:
        return _restarts(self.begin, self.end, self.n, self._begin_of, self._cycle)


def power_sum(x: float, n: int) -> float:
    """1 + x + ... + x ** (n - 1); inf where that is too large for a float."""
    if x == 1:
        return float(n)
    try:
        return (x**n - 1) / (x - 1)
    except OverflowError:
        return math.inf


def _listed(
    begin: int, end: int | None, n: int | None, begin_of: Callable[[int], int], cycle: Make, decay: float
) -> Iterator[tuple[int, Placed, float]]:
    k = 0
    while (n is None or k < n) and begin + begin_of(k) < (LONGEST if end is None else end):
        yield begin + begin_of(k), cycle(k, begin_of(k + 1) - begin_of(k)), decay**k
        k += 1


def _restarts(begin: int, end: int | None, n: int | None, begin_of: Any, cycle: Any) -> Iterator[Event]:
    """The events of each cycle on the run's clock, with a restart between cycles."""
    k = 0
    while n is None or k < n:
        t = begin + begin_of(k)
        if t >= (LONGEST if end is None else end):
            return
        if k:
            yield Event(t, "restart", f"cycle {k + 1} begins")
        for event in cycle(k, begin_of(k + 1) - begin_of(k)).events():
            if end is not None and t + event.t >= end:
                break
            if event.t or not k:
                yield Event(t + event.t, event.kind, event.text)
        k += 1
