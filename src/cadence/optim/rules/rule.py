"""What a method is: settings, state, and the formula of one update of one tensor."""

from __future__ import annotations

import abc
from collections.abc import Mapping
from typing import Any, ClassVar, Protocol, Self, TypeAlias

from cadence.optim.rules.settings import Setting

Value: TypeAlias = Any
"""A tensor, a number, or a symbol that stands for one: formulas are written with operators, and do not ask."""


class Numbers(Protocol):
    """What is no operator. Arguments are tensors, or one tensor and numbers."""

    def sqrt(self, x: Value) -> Value:
        """Square root of a tensor. Of a number it is written ``x**0.5``."""
        ...

    def mix(self, a: Value, b: Value, share: Value) -> Value:
        """``a + share * (b - a)``."""
        ...

    def clip(self, x: Value, low: Value, high: Value) -> Value:
        """`x` within bounds; what is not a number stays so."""
        ...

    def minimum(self, x: Value, y: Value) -> Value:
        """The smaller of a tensor and a tensor or number; what is not a number stays so."""
        ...

    def maximum(self, x: Value, y: Value) -> Value:
        """The larger of both, likewise."""
        ...

    def where(self, condition: Value, x: Value, y: Value) -> Value:
        """`x` where the condition holds, else `y`."""
        ...


class Point:
    """One parameter tensor at one moment: ``x``, ``g`` (its gradient), and what the method remembers, by name."""

    def __init__(self, values: Mapping[str, Value]) -> None:
        self.__dict__.update(values)

    def __getattr__(self, name: str) -> Value:
        raise AttributeError(name)

    def then(self, changed: Mapping[str, Value]) -> Point:
        """The same with some of it changed."""
        return Point({**self.__dict__, **changed}) if changed else self


class Rule(abc.ABC):
    """The formula of one method with one choice of its variants.

    Subclasses are frozen dataclasses whose fields are that choice: what is decided before any number is known.
    Everything else comes as numbers `k`: what `numbers` gives, and ``t``, the number of this update of this tensor,
    from 1.

    One update is

        1. state = `advance`(point)
        2. vectors = `vectors`(point with that state)
        3. scale = `scale`(Euclidean norms of those vectors), where the rule `measures`
        4. x, and state that changes with it = `step`(point, vectors, scale)

    Stages 2 and 4 may be computed more than once, from what stage 1 has left in memory.
    """

    name: ClassVar[str]
    """As `cadence.optimizer` knows it."""

    settings: ClassVar[tuple[Setting, ...]]
    """Of a parameter group, in the order of the signature; the first is ``lr``."""

    @classmethod
    @abc.abstractmethod
    def of(cls, group: Mapping[str, Any]) -> Self:
        """The variant that the settings of a group ask for."""

    @property
    @abc.abstractmethod
    def state(self) -> tuple[str, ...]:
        """Names of what is remembered per tensor: tensors of its shape."""

    @property
    def measures(self) -> bool:
        """Whether a step needs the norm of a whole tensor."""
        return False

    @abc.abstractmethod
    def numbers(self, group: Mapping[str, Any]) -> dict[str, float]:
        """The numbers of a group, in an order that does not depend on their values."""

    def start(self, group: Mapping[str, Any]) -> dict[str, float]:
        """What each state holds before the first update, where that is not 0."""
        return {}

    def advance(self, p: Point, k: Any, xp: Numbers) -> dict[str, Value]:
        """State that is updated before anything is measured."""
        return {}

    def vectors(self, p: Point, k: Any, xp: Numbers) -> tuple[Value, ...]:
        """What the step is made of, and what is measured."""
        return ()

    def scale(self, norms: tuple[Value, ...], k: Any, xp: Numbers) -> Value:
        """What the whole tensor's step is multiplied by; a number. Is asked only where the rule `measures`."""
        return 1.0

    @abc.abstractmethod
    def step(self, p: Point, vectors: tuple[Value, ...], scale: Value, k: Any, xp: Numbers) -> dict[str, Value]:
        """``{"x": the new parameter, ...}`` and the state that changes with it."""


def defaults(rule: type[Rule]) -> dict[str, Any]:
    """Settings of a method that nobody has said anything about."""
    return {setting.name: setting.default for setting in rule.settings}


def check(rule: type[Rule], group: Mapping[str, Any]) -> None:
    """Raise OptimizerError for a setting that is out of its range."""
    for setting in rule.settings:
        setting.check(group[setting.name], rule.name)
