"""What a range test trains in somebody's own loop, and puts back afterwards. One class for each framework."""

from __future__ import annotations

import abc
import copy
import random
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import numpy as np

from cadence._errors import DriverError
from cadence.drivers.writer import Clock

Back: TypeAlias = Callable[[], object]
"""Puts something back as it was when this was made; as often as it is called."""


class Subject(abc.ABC):
    """Models and optimizers of one framework."""

    @property
    @abc.abstractmethod
    def clock(self) -> Clock:
        """Its `done` counts the updates that the first optimizer has really done since `begin`."""

    @abc.abstractmethod
    def begin(self) -> None:
        """Remember everything as it is, and count updates from now on."""

    @abc.abstractmethod
    def again(self) -> None:
        """Put models and optimizers back: for the next repeat, which goes on with other random numbers."""

    @abc.abstractmethod
    def end(self) -> None:
        """Put everything back, random numbers and the count of updates included."""


def plain_numbers() -> Back:
    """Python's and numpy's random numbers."""
    python, plain = random.getstate(), np.random.get_state()

    def back() -> None:
        random.setstate(python)
        np.random.set_state(plain)

    return back


def remembered(thing: Any) -> Back:
    """The state of something that has one: a loss scaler, a sampler, a loader, an average of weights, a generator.

    Raises:
        DriverError: it says of no state.
    """
    for get, put in (("state_dict", "load_state_dict"), ("get_state", "set_state"), ("getstate", "setstate")):
        if callable(read := getattr(thing, get, None)) and callable(getattr(thing, put, None)):
            state: Any = _apart(read())
            return lambda: getattr(thing, put)(_apart(state))
    if isinstance(thing, np.random.Generator):
        bits: Any = thing.bit_generator
        kept = copy.deepcopy(bits.state)
        return lambda: setattr(bits, "state", copy.deepcopy(kept))
    raise DriverError(
        f"a {type(thing).__name__} in also= cannot be put back: it has neither state_dict and load_state_dict nor "
        f"get_state and set_state; leave it out, or give it these"
    )


def _apart(value: Any) -> Any:
    """A copy that shares no memory with what it is made of."""
    clone = getattr(value, "clone", None)
    if callable(clone) and hasattr(value, "dtype"):
        return clone()
    if isinstance(value, dict):
        return {key: _apart(x) for key, x in value.items()}  # pyright: ignore[reportUnknownVariableType]
    if isinstance(value, list):
        return [_apart(x) for x in value]  # pyright: ignore[reportUnknownVariableType]
    return copy.deepcopy(value)


def listed(thing: Any) -> list[Any]:
    """One thing, or several."""
    several: Any = thing
    return list(several) if isinstance(thing, (list, tuple)) else [thing]


def all_back(backs: Sequence[Back]) -> None:
    """Put everything back, the last remembered first."""
    for back in reversed(backs):
        back()
