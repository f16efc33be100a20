"""How timm gets from 1 to 0: one object for each form, in the algebra, as a formula and as a number."""

from __future__ import annotations

import abc
import math
from collections.abc import Callable
from dataclasses import dataclass

from cadence._errors import ConversionError, SpecError
from cadence.conversion.arithmetic import written
from cadence.conversion.setting import Setting
from cadence.spec.constructors.phases import constant, formula, piecewise, ramp
from cadence.spec.nodes import Schedule
from cadence.spec.value import Value


class Fall(abc.ABC):
    """A factor that falls while x goes from 0 to the length of its phase."""

    @abc.abstractmethod
    def factor(self, x: float, length: float) -> float:
        """The factor at x, as timm computes it."""

    @abc.abstractmethod
    def text(self, x: str, length: float) -> str:
        """The same as a formula in x."""

    def between(self, on: Setting, length: int, start: Value, to: Value) -> Schedule | None:
        """A phase from one value to another; None where no shape says it, or it does not run from 1 to 0."""
        return None

    def affine(self, on: Setting, length: int, unit: Callable[[float], Value]) -> Schedule | None:
        """A phase whose value is `unit(factor)`, an affine function; None where no shape says it."""
        return self.between(on, length, unit(1.0), unit(0.0))

    def at_end(self) -> float:
        """The factor at the end."""
        return self.factor(1.0, 1.0)

    def phase(self, on: Setting, length: int, floor: float, *, local: bool, clock: str) -> Schedule:
        """factor * base + (1 - factor) * floor, over `length` ticks.

        Args:
            on: the run.
            length: ticks.
            floor: absolute.
            local: whether a formula counts from the beginning of the phase.
            clock: the name under which a formula knows the tick.
        """
        made = self.between(on, length, 1.0, on.value(floor)) if floor else None
        if made is not None:
            return made
        falling = self.falling(on, length, local=local, clock=clock)
        return falling + self.rising(on, length, floor, local=local, clock=clock) if floor else falling

    def falling(self, on: Setting, length: int, *, local: bool, clock: str) -> Schedule:
        """The factor alone."""
        made = self.affine(on, length, lambda f: f)
        return formula(self.text(clock, length), on.span(length), local=local) if made is None else made

    def rising(self, on: Setting, length: int, floor: float, *, local: bool, clock: str) -> Schedule:
        """(1 - factor) * floor."""
        made = self.affine(on, length, lambda f: on.value(floor * (1 - f)))
        if made is not None:
            return made
        text = f"1 - {self.text(clock, length)}"
        return formula(text, on.span(length), local=local) * constant(start=on.value(floor))


def _power(x: str, length: float, k: float) -> str:
    """The share that is done, to the power of k-decay."""
    share = f"{x} / {written(length)}"
    return share if k == 1 else f"({share}) ** {written(k)}"


@dataclass(frozen=True)
class Cosine(Fall):
    """Half a cosine; `k` is the k-decay."""

    k: float = 1.0

    def factor(self, x: float, length: float) -> float:
        return 0.5 * (1 + math.cos(math.pi * (x / length) ** self.k))

    def text(self, x: str, length: float) -> str:
        return f"0.5 * (1 + cos(pi * {_power(x, length, self.k)}))"

    def between(self, on: Setting, length: int, start: Value, to: Value) -> Schedule | None:
        return ramp(on.span(length), shape="cosine", start=start, to=to) if self.k == 1 else None


@dataclass(frozen=True)
class Poly(Fall):
    """A power of what is left; `k` is the k-decay."""

    power: float
    k: float = 1.0

    def factor(self, x: float, length: float) -> float:
        return float(max(0.0, 1 - (x / length) ** self.k) ** self.power)

    def text(self, x: str, length: float) -> str:
        left = f"(1 - {_power(x, length, self.k)})"
        return left if self.power == 1 else f"{left} ** {written(self.power)}"

    def between(self, on: Setting, length: int, start: Value, to: Value) -> Schedule | None:
        # Near a power of 0 the fall jumps at its end, where a phase does not.
        if self.k != 1 or self.power < 1e-3:
            return None
        if self.power == 1:
            return ramp(on.span(length), shape="linear", start=start, to=to)
        return ramp(on.span(length), shape="power", start=start, to=to, exponent=self.power)


@dataclass(frozen=True)
class Tanh(Fall):
    """A hyperbolic tangent from its argument `low` to `high`, which neither begins at 1 nor ends at 0."""

    low: float
    high: float

    def factor(self, x: float, length: float) -> float:
        done = x / length
        return 0.5 * (1 - math.tanh(self.low * (1.0 - done) + self.high * done))

    def text(self, x: str, length: float) -> str:
        # (1 - tanh(z)) / 2 is the logistic function of -2 z.
        return f"1 / (1 + exp(2 * ({written(self.low)} + {written(self.high - self.low)} * {x} / {written(length)})))"

    def affine(self, on: Setting, length: int, unit: Callable[[float], Value]) -> Schedule | None:
        start, to = unit(self.factor(0.0, 1.0)), unit(self.factor(1.0, 1.0))
        try:
            return ramp(on.span(length), shape="tanh", start=start, to=to, low=self.low, high=self.high)
        except SpecError:
            # Arguments so far apart, or out, that the shape has no digits left.
            return None


@dataclass(frozen=True)
class Root(Fall):
    """1 - a power of what is done."""

    power: float

    def factor(self, x: float, length: float) -> float:
        return 1.0 - float((x / length) ** self.power)

    def text(self, x: str, length: float) -> str:
        return f"(1 - ({x} / {written(length)}) ** {written(self.power)})"

    def between(self, on: Setting, length: int, start: Value, to: Value) -> Schedule | None:
        shape = {0.5: "1-sqrt", 1.0: "linear"}.get(self.power)
        return None if shape is None else ramp(on.span(length), shape=shape, start=start, to=to)


@dataclass(frozen=True)
class Ratio(Fall):
    """An exponential down to a ratio, moved so that it ends at 0."""

    ratio: float

    def factor(self, x: float, length: float) -> float:
        return float((self.ratio ** (x / length) - self.ratio) / (1.0 - self.ratio))

    def text(self, x: str, length: float) -> str:
        r = written(self.ratio)
        return f"(({r} ** ({x} / {written(length)}) - {r}) / {written(1 - self.ratio)})"


@dataclass(frozen=True)
class Called(Fall):
    """A function of the share that is done, as a table; where nothing is done yet timm does not call it."""

    function: Callable[[float], float]

    def factor(self, x: float, length: float) -> float:
        if x <= 0:
            return 1.0
        try:
            return float(self.function(min(x / length, 1.0)))
        except Exception as fault:
            raise ConversionError(
                f"decay_fn fails at {x / length:g}: {type(fault).__name__}: {fault}; repair it"
            ) from fault

    def text(self, x: str, length: float) -> str:
        raise ConversionError("decay_fn is a function, which is read for lengths that are whole; write whole numbers")

    def affine(self, on: Setting, length: int, unit: Callable[[float], Value]) -> Schedule | None:
        values = [unit(self.factor(j, length)) for j in range(length + 1)]
        return piecewise([(on.span(j), value) for j, value in enumerate(values)], on.span(length), local=True)
