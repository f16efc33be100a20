"""The constructors by name: what text may call, and what the documentation lists."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from cadence._registry import Registry

F = TypeVar("F", bound=Callable[..., Any])


@dataclass(frozen=True)
class Entry:
    """A constructor with what people want to know about it.

    Attributes:
        name: as written in text.
        make: the constructor.
        formula: the value as a multiple of the base, as people write it.
        source: author, year, identifier, equation.
        when, avoid: when to use it and when not.
        example: text that shows it on a whole run.
        family: ``"scheduled"``, ``"adaptive"`` (follows a metric) or ``"custom"``.
    """

    name: str
    make: Callable[..., Any]
    formula: str
    source: str
    when: str
    avoid: str
    example: str
    family: str


class _Catalogue(Registry[Entry]):
    """The registry, which is also the decorator that fills it."""

    def __call__(
        self, *, formula: str, source: str, when: str, avoid: str, example: str, family: str = "scheduled"
    ) -> Callable[[F], F]:
        """Register the decorated function under its own name; the arguments are `Entry`'s fields."""

        def register(make: F) -> F:
            self.add(make.__name__, Entry(make.__name__, make, formula, source, when, avoid, example, family))
            return make

        return register


constructor = _Catalogue("schedule", package="cadence.spec.constructors")
