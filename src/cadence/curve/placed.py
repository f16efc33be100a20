"""Phases on a run: whole numbers for where they begin and end, and a value for every update.

Every `at` takes update numbers as an int64 array (or a traced integer) and gives values of the same shape. Before its
beginning a phase has its first value, past its end its last; so composites need not cut exactly.
"""

from __future__ import annotations

import abc
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import islice, takewhile
from typing import Any, TypeAlias

import numpy as np

from cadence._errors import SpecError
from cadence._xp import scalars
from cadence.spec.formula import Expression
from cadence.spec.shape import Shape
from cadence.spec.span import LONGEST
from cadence.spec.value import Absolute, Value

MOST_EVENTS = 10_000
"""A curve without end has events without end; this many are told."""

Times: TypeAlias = Any
Values: TypeAlias = Any


@dataclass(frozen=True)
class Event:
    """Something that happens to a curve at a known update.

    Attributes:
        t: the first update that it governs.
        kind: ``"phase"``, ``"warmup ends"``, ``"cooldown starts"``, ``"milestone"``, ``"restart"``, ``"end"``.
        text: for people.
    """

    t: int
    kind: str
    text: str


@dataclass(frozen=True)
class Scene:
    """What a placed schedule is evaluated in.

    Attributes:
        base: the number that relative values are multiples of.
        cuts: rule -> times from which its cuts are in force, rising.
        xp: number namespace of the times: numpy, jax.numpy, ...
        memo: values at joints, computed once for a scene.
    """

    base: float
    cuts: Mapping[int, tuple[float, ...]]
    xp: Any = np
    memo: dict[tuple[int, str], Any] = field(default_factory=dict[tuple[int, str], Any], compare=False, repr=False)

    def resolve(self, value: Value) -> float:
        """A relative or absolute value as a number."""
        return value.number if isinstance(value, Absolute) else value * self.base

    @property
    def unit(self) -> Scene:
        """The same with base 1: what the pure factors of a product are evaluated in."""
        return self._other(
            "unit", lambda: self if self.base == 1.0 and self.xp is np else Scene(1.0, self.cuts, self.xp)
        )

    @property
    def concrete(self) -> Scene:
        """The same on numpy: joints are numbers also where the times are traced."""
        return self._other("concrete", lambda: self if self.xp is np else Scene(self.base, self.cuts))

    def _other(self, name: str, make: Callable[[], Scene]) -> Scene:
        key = (0, name)
        if key not in self.memo:
            self.memo[key] = make()
        return self.memo[key]


class Placed(abc.ABC):
    """A schedule on a run. `begin` is its first update, `end` the one after its last (None: it never ends)."""

    begin: int
    end: int | None

    @abc.abstractmethod
    def at(self, t: Times, scene: Scene) -> Values:
        """The value in force during update `t`."""

    @abc.abstractmethod
    def events(self) -> Iterator[Event]:
        """What happens, in order; without end where the phase has none."""

    def events_before(self, end: int | None, most: int = MOST_EVENTS) -> list[Event]:
        """The first `most` of the events before `end`."""
        # They come in order; what lies behind the end may go on for ever and is not looked at.
        return list(islice(takewhile(lambda e: end is None or e.t < end, self.events()), most))

    def first(self, scene: Scene) -> float:
        """The value at the beginning."""
        return self._joint("first", self.begin, scene)

    def last(self, scene: Scene) -> float:
        """The value at the end, one update after the last."""
        if self.end is None:
            raise AssertionError("a phase without an end has no last value")
        return self._joint("last", self.end, scene)

    def _joint(self, name: str, t: int, scene: Scene) -> float:
        here = scene.concrete
        key = (id(self), name)
        if key not in here.memo:
            here.memo[key] = float(self.at(np.array([t]), here)[0])
        return here.memo[key]


Joint: TypeAlias = Callable[[Scene], float]


def clamp(t: Times, begin: int, end: int | None, xp: Any) -> Times:
    """Times inside a phase, its end included."""
    t = xp.maximum(t, begin)
    return t if end is None else xp.minimum(t, end)


def whole_cycles(x: Times, p: int, q: int) -> Times:
    """How many whole stretches of p/q updates lie behind update `x`, where boundary k is k p/q rounded half up.

    Boundary k <= x means k p/q + 1/2 < x + 1, so k is the ceiling of (x + 1/2) q/p, less one. (A time between two
    updates, as a stretched clock has them, lies behind the boundaries that the update before it lies behind.)
    """
    return x // p if q == 1 else ((2 * (x // 1) + 1) * q - 1) // (2 * p)


def boundary(k: Times, p: int, q: int) -> Times:
    """k stretches of p/q updates, rounded half up."""
    return k * p if q == 1 else (2 * k * p + q) // (2 * q)


def ratio(length: Fraction, end: int | None) -> tuple[int, int]:
    """A length as p/q; exact, unless products with update numbers up to `end` would then not fit 64 bits."""
    largest = (LONGEST if end is None else end) + math.ceil(length) + 1
    finest = max(2**61 // largest, 1)
    exact = max(length.limit_denominator(finest), Fraction(1, finest))
    return exact.numerator, exact.denominator


def powers(x: float, n: int) -> Any:
    """x ** 0 to x ** n, each as python computes it: the same to the bit on every machine and array length."""
    return np.array([x**k for k in range(n + 1)])


@dataclass(frozen=True)
class PlacedConstant(Placed):
    """One value."""

    begin: int
    end: int | None
    value: Value

    def at(self, t: Times, scene: Scene) -> Values:
        return scene.xp.full(t.shape, scene.resolve(self.value))

    def events(self) -> Iterator[Event]:
        yield Event(self.begin, "phase", "constant")


@dataclass(frozen=True)
class PlacedPhase(Placed):
    """Between two values along a shape; either may be a neighbour's."""

    begin: int
    end: int  # pyright: ignore[reportIncompatibleVariableOverride]
    shape: Shape
    parameters: Mapping[str, float]
    start: Value | Joint
    to: Value | Joint
    closed: bool
    kind: str

    def at(self, t: Times, scene: Scene) -> Values:
        xp = scene.xp
        start, to = self._value(self.start, scene), self._value(self.to, scene)
        # 1. Whole numbers of updates done and left; a closed phase has done all at its last update.
        n = self.end - self.begin - self.closed
        if n == 0:
            return xp.where(t < self.begin, start, to) * 1.0
        done = clamp(t - self.begin, 0, n, xp)
        if xp is np:
            # As floats, which hold them exactly: dividing whole numbers would convert each of them twice.
            done = done * 1.0
        left = n - done
        # 2. Mixed so that the smaller value is approached without cancellation.
        values = self._mix(done, left, n, start, to, xp)
        # 3. The promised value at the ends, to the bit.
        if self._exact(start, to):
            return values
        return xp.where(left == 0, to, xp.where(done == 0, start, values))

    def _mix(self, done: Times, left: Times, n: int, start: float, to: float, xp: Any) -> Values:
        u, v = done / n, left / n
        if self.shape.mixes == "geometric":
            if min(start, to) <= 0:
                raise SpecError(
                    f"a phase along {self.shape.name!r} goes from {start:g} to {to:g}, and a constant ratio never "
                    f"reaches 0; let it begin and end above 0, or choose another shape"
                )
            return start * (to / start) ** self.shape.climb(u, v, xp, self.parameters)
        if abs(to) <= abs(start):
            return _between(to, start, self.shape.fall(u, v, xp, self.parameters))
        return _between(start, to, self.shape.climb(u, v, xp, self.parameters))

    def _exact(self, start: float, to: float) -> bool:
        if self.shape.mixes == "geometric":
            return False
        high, low = (start, to) if abs(to) <= abs(start) else (to, start)
        weigh = self.shape.fall if abs(to) <= abs(start) else self.shape.climb
        ends = (0.0, 1.0) if abs(to) <= abs(start) else (1.0, 0.0)
        at_high: float = weigh(ends[0], ends[1], scalars, self.parameters)
        at_low: float = weigh(ends[1], ends[0], scalars, self.parameters)
        return at_high == 1.0 and at_low == 0.0 and low + (high - low) == high

    def _value(self, x: Value | Joint, scene: Scene) -> float:
        return x(scene) if callable(x) else scene.resolve(x)

    def events(self) -> Iterator[Event]:
        if self.kind == "decay":
            yield Event(self.begin, "cooldown starts", f"{self.shape.name} decay")
        else:
            yield Event(self.begin, "phase", "warmup" if self.kind == "warmup" else self.shape.name)
        if self.kind == "warmup":
            yield Event(self.end, "warmup ends", "warmup ends")


def _between(low: float, high: float, w: Values) -> Values:
    """From `low` at weight 0 to `high` at weight 1."""
    # From 0 there is nothing to add, and no rounding from adding it.
    if low == 0.0:
        return high * w
    values = (high - low) * w
    values += low
    return values


@dataclass(frozen=True)
class PlacedSteps(Placed):
    """A factor for each position passed: a sorted list, or one every p/q updates of the clock."""

    begin: int
    end: int | None
    positions: tuple[int, ...] | None
    every: tuple[int, int] | None
    origin: int
    gamma: float
    start: Value

    def at(self, t: Times, scene: Scene) -> Values:
        xp, start = scene.xp, scene.resolve(self.start)
        t = clamp(t, self.begin, self.end, xp)
        if self.positions is not None:
            passed = xp.searchsorted(np.array(self.positions, dtype=np.int64), t, side="right")
            return xp.asarray(start * powers(self.gamma, len(self.positions)))[passed]
        assert self.every is not None
        return start * self.gamma ** (whole_cycles(xp.maximum(t - self.origin, 0), *self.every) * 1.0)

    def events(self) -> Iterator[Event]:
        yield Event(self.begin, "phase", "steps")
        k = 0
        while True:
            k += 1
            if self.positions is not None and k > len(self.positions):
                return
            if self.positions is not None:
                t = self.positions[k - 1]
            else:
                assert self.every is not None
                t = self.origin + boundary(k, *self.every)
            if self.end is not None and t >= self.end:
                return
            if t > self.begin:
                yield Event(t, "milestone", f"x {self.gamma:g}")


@dataclass(frozen=True)
class PlacedGeometric(Placed):
    """A factor over every p/q updates, smoothly."""

    begin: int
    end: int | None
    gamma: float
    every: tuple[int, int]
    start: Value

    def at(self, t: Times, scene: Scene) -> Values:
        xp, (p, q) = scene.xp, self.every
        done = (clamp(t, self.begin, self.end, xp) - self.begin) * q
        # The whole stretches and the rest apart: the error of a power grows with its exponent.
        whole = self.gamma ** ((done // p) * 1.0)
        return scene.resolve(self.start) * (whole if p == 1 else whole * self.gamma ** ((done % p) / p))

    def events(self) -> Iterator[Event]:
        yield Event(self.begin, "phase", "exponential")


@dataclass(frozen=True)
class PlacedInverse(Placed):
    """An inverse power of the updates since the beginning."""

    begin: int
    end: int | None
    timescale: float
    power: float
    start: Value

    def at(self, t: Times, scene: Scene) -> Values:
        done = clamp(t, self.begin, self.end, scene.xp) - self.begin
        return scene.resolve(self.start) * (1.0 + done / self.timescale) ** -self.power

    def events(self) -> Iterator[Event]:
        yield Event(self.begin, "phase", "inverse power")


@dataclass(frozen=True)
class PlacedPiecewise(Placed):
    """Through given points."""

    begin: int
    end: int | None
    positions: tuple[int, ...]
    points: tuple[Value, ...]
    shape: Shape | None

    def at(self, t: Times, scene: Scene) -> Values:
        xp = scene.xp
        t = clamp(t, self.begin, self.end, xp)
        where = np.array(self.positions, dtype=np.int64)
        heights = np.array([scene.resolve(v) for v in self.points])
        k = xp.searchsorted(where, t, side="right")
        held = xp.asarray(np.concatenate([heights[:1], heights]))[k]
        if self.shape is None or len(where) == 1:
            return held
        # Between point k - 1 and point k, where there are both.
        k = xp.minimum(xp.maximum(k, 1), len(where) - 1)
        a, b = xp.asarray(where)[k - 1], xp.asarray(where)[k]
        start, to = xp.asarray(heights)[k - 1], xp.asarray(heights)[k]
        n = xp.maximum(b - a, 1)
        t_in = xp.minimum(xp.maximum(t, a), b)
        u, v = (t_in - a) / n, (b - t_in) / n
        if self.shape.mixes == "geometric":
            between = start * (to / start) ** self.shape.climb(u, v, xp, {})
        else:
            falling = to + (start - to) * self.shape.fall(u, v, xp, {})
            between = xp.where(abs(to) <= abs(start), falling, start + (to - start) * self.shape.climb(u, v, xp, {}))
        return xp.where((t <= a) | (t >= b), held, between)

    def events(self) -> Iterator[Event]:
        yield Event(self.begin, "phase", "piecewise")
        for t in self.positions:
            if t > self.begin and (self.end is None or t < self.end):
                yield Event(t, "milestone", "next point")


@dataclass(frozen=True)
class PlacedFormula(Placed):
    """A formula on its clock, which began at `origin` and runs `scale` times as slowly as the updates."""

    begin: int
    end: int | None
    expression: Expression
    text: str
    origin: int
    scale: Fraction
    steps_per_epoch: int | None
    total: float | None

    def at(self, t: Times, scene: Scene) -> Values:
        xp, names = scene.xp, self.expression.names
        t = clamp(t, self.begin, self.end, xp)
        ticks = t - self.origin if self.scale == 1 else (t - self.origin) / float(self.scale)
        known: dict[str, Any] = {"t": ticks * 1.0, "total": self.total}
        if self.steps_per_epoch is not None:
            known["epoch_float"] = ticks / self.steps_per_epoch
            known["epoch"] = ticks // self.steps_per_epoch * 1.0
        if "u" in names and self.end is not None:
            known["u"] = (t - self.begin) / (self.end - self.begin)
        return scene.base * (self.expression(known, xp) + xp.zeros(t.shape))

    def events(self) -> Iterator[Event]:
        yield Event(self.begin, "phase", "formula")
