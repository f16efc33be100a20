"""What a framework's package supplies besides its definitions: objects in, objects and source out."""

from __future__ import annotations

import abc
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy.typing as npt

from cadence._errors import UnknownNameError, neighbours
from cadence._lazy import load
from cadence.conversion.native import Native
from cadence.conversion.setting import Setting
from cadence.curve.curve import Curve

FRAMEWORKS = ("torch", "paddle", "transformers", "timm", "optax", "keras", "ignite", "pytorch_optimizer")


@dataclass(frozen=True)
class Live:
    """A scheduler object as data.

    Attributes:
        native: what it was made with.
        t: calls of its `step()` so far; None where the object keeps no count of them.
        bases: base learning rate of each group.
        factor: what the rates were multiplied with by hand since, one for each group; 1 where nothing was.
        momentum: what its optimizer calls the momentum, see `Setting`.
    """

    native: Native
    t: int | None
    bases: tuple[float, ...]
    factor: tuple[float, ...] = (1.0,)
    momentum: str = "momentum"


class Framework(abc.ABC):
    """One framework. Its package `objects` holds all that reads objects, builds them or writes source.

    That package may import the framework at its top: it is loaded only when one of these is asked for. The definitions,
    which need no framework, stand in the modules beside it.
    """

    @abc.abstractmethod
    def inspect(self, scheduler: object) -> Live:
        """An object of this framework as data.

        Raises:
            ConversionError: of a class that has no definition, or made of parts that cannot be seen.
        """

    @abc.abstractmethod
    def restore(self, name: str, state: Mapping[str, Any], bases: tuple[float, ...]) -> Live:
        """A saved state of the class `name` as data; `bases` where the state does not hold them."""

    @abc.abstractmethod
    def run(self, native: Native, on: Setting, ticks: int) -> Mapping[str, npt.NDArray[Any]]:
        """What the framework itself computes: value (``"lr"``, ``"momentum"``, ...) -> [groups, ticks + 1], float64.

        Column k is in force after k calls of `step()`.
        """

    def bases(self, optimizer: Any) -> tuple[float, ...] | None:
        """Base learning rates of an optimizer's groups; None where it does not say."""
        return None

    @abc.abstractmethod
    def build(self, native: Native, on: Setting, optimizer: Any) -> Any:
        """The object itself, for `optimizer` where the framework wants one."""

    @abc.abstractmethod
    def express(self, curve: Curve) -> Native:
        """The framework's own equal of a placed curve (placed in ticks, see `Setting.placed`).

        Raises:
            ConversionError: which part has no equal, and why.
        """

    @abc.abstractmethod
    def code(self, native: Native, on: Setting) -> str:
        """Readable source that builds `native`: imports, optimizer as ``optimizer``, result as ``scheduler``."""


def framework(name: str) -> Framework:
    """The framework of a name, loaded.

    Raises:
        UnknownNameError: no such framework.
        MissingExtraError: it is not installed.
    """
    known(name)
    made: Framework = load(f"cadence.conversion.frameworks.{name}.objects").FRAMEWORK
    return made


def known(name: str) -> str:
    """Check a framework's name.

    Raises:
        UnknownNameError: no such framework.
    """
    if name not in FRAMEWORKS:
        raise UnknownNameError(f"there is no framework {name!r:.60}; {neighbours(str(name), FRAMEWORKS)}")
    return name
