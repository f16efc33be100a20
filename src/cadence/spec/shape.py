"""The registry of shapes: how a phase goes from its start to its end.

A shape is one function of progress. Decorated with `shape` it has a name in specs and in text, a constructor
(`cadence.cosine(...)`), a row in the documentation, and stands under every property test.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from cadence._errors import SpecError, UnknownNameError, neighbours
from cadence._registry import Registry
from cadence._typing import Numbers, Progress
from cadence.spec.value import number_of

F = TypeVar("F", bound=Callable[..., Any])


COMMON = ("length", "to", "start", "shape", "ends")
"""What phases take besides the parameters of their shape."""


@dataclass(frozen=True)
class Shape:
    """A registered shape.

    Attributes:
        name: as it is written in specs.
        make: the function `(u, v, xp, **parameters) -> weight of the starting value`.
        rise: the same for the weight of the end value, 1 - `make`, without the cancellation of that subtraction;
            None where turning the phase round (`make(v, u, xp)`) gives it.
        mixes: ``"linear"``: start * w + to * (1 - w); ``"geometric"``: start ** w * to ** (1 - w).
        source, formula, when, avoid: for the documentation.
        parameters: keyword parameters of `make` with their defaults.
    """

    name: str
    make: Callable[..., Any]
    rise: Callable[..., Any] | None
    mixes: str
    source: str
    formula: str
    when: str
    avoid: str
    parameters: Mapping[str, float]

    def fall(self, u: Progress, v: Progress, xp: Numbers, parameters: Mapping[str, float]) -> Progress:
        """Weight of the starting value at `u` done, `v` left."""
        return self.make(u, v, xp, **parameters)

    def climb(self, u: Progress, v: Progress, xp: Numbers, parameters: Mapping[str, float]) -> Progress:
        """Weight of the end value at `u` done, `v` left."""
        if self.rise is None:
            return self.make(v, u, xp, **parameters)
        return self.rise(u, v, xp, **parameters)

    def check(self, given: Mapping[str, object]) -> tuple[tuple[str, float], ...]:
        """Parameters in the order of the signature, those that keep their default left out.

        Raises:
            UnknownNameError: a parameter that the shape does not have.
            SpecError: a parameter that is no positive finite number.
        """
        for key in given:
            if key not in self.parameters:
                raise UnknownNameError(
                    f"a phase along {self.name!r} has no argument {key!r}; "
                    + neighbours(key, [*self.parameters, *COMMON])
                )
        numbers = {key: number_of(given[key], f"{key} of {self.name!r}", least=-1e6) for key in given}
        _check_ends(self, numbers)
        return tuple(
            (key, numbers[key]) for key in self.parameters if key in numbers and numbers[key] != self.parameters[key]
        )


def _check_ends(shape: Shape, parameters: Mapping[str, float]) -> None:
    """A shape must run from 1 to 0 with these parameters, else joints would jump."""
    import math

    from cadence._xp import scalars

    try:
        first, last = shape.make(0.0, 1.0, scalars, **parameters), shape.make(1.0, 0.0, scalars, **parameters)
    except (ArithmeticError, ValueError):
        first = last = math.nan
    if not (abs(first - 1) < 1e-9 and abs(last) < 1e-9):
        given = ", ".join(f"{k}={v:g}" for k, v in parameters.items())
        raise SpecError(
            f"the shape {shape.name!r} with {given} runs from {first:g} to {last:g} where it must run from 1 to 0; "
            f"choose other parameters"
        )


class _Shapes(Registry[Shape]):
    """The registry, which is also the decorator that fills it."""

    def __call__(
        self,
        *,
        source: str,
        formula: str,
        when: str,
        avoid: str,
        name: str | None = None,
        rise: Callable[..., Any] | None = None,
        mixes: str = "linear",
    ) -> Callable[[F], F]:
        """Register the decorated function as a shape.

        Args:
            source: author, year, identifier, equation.
            formula: the weight of the starting value, as people write it.
            when: when to use it.
            avoid: when not.
            name: as written in specs; the function's own name where it is left out.
            rise: see `Shape.rise`.
            mixes: see `Shape.mixes`.
        """

        def register(make: F) -> F:
            called = name or make.__name__
            parameters = {
                p.name: float(p.default)
                for p in inspect.signature(make).parameters.values()
                if p.kind is p.KEYWORD_ONLY
            }
            self.add(called, Shape(called, make, rise, mixes, source, formula, when, avoid, parameters))
            return make

        return register


shape = _Shapes("shape", package="cadence.spec.shapes")
