"""Settings of methods: what each may be, and the sentence for what it may not."""

from __future__ import annotations

import abc
import math
from dataclasses import dataclass
from typing import Any

from cadence._errors import OptimizerError


@dataclass(frozen=True)
class Setting(abc.ABC):
    """One keyword of a method.

    Attributes:
        name: of the keyword.
        default: its value where nobody gives one.
        meaning: for the reference; begins with a small letter, ends without a full stop.
    """

    name: str
    default: Any
    meaning: str

    @property
    @abc.abstractmethod
    def range(self) -> str:
        """What it may be, in words."""

    @abc.abstractmethod
    def check(self, value: object, method: str) -> None:
        """Raise OptimizerError for a value that it may not have."""


@dataclass(frozen=True)
class Rate(Setting):
    """A learning rate: a number, or a tensor with one element, which is read at every step and never replaced.

    Attributes:
        above_zero: whether 0 is refused too.
    """

    above_zero: bool = False

    @property
    def range(self) -> str:
        return "above 0" if self.above_zero else "0 or more"

    def check(self, value: object, method: str) -> None:
        number = value
        if callable(getattr(value, "item", None)) and hasattr(value, "numel"):
            size = int(value.numel())  # pyright: ignore[reportAttributeAccessIssue, reportUnknownMemberType, reportUnknownArgumentType]
            if size != 1:
                shape = tuple(value.shape)  # pyright: ignore[reportAttributeAccessIssue, reportUnknownMemberType, reportUnknownArgumentType]
                raise OptimizerError(
                    f"{self.name} is a tensor of shape {shape}; give one number, or a tensor of one element"
                )
            number = value.item()  # pyright: ignore[reportAttributeAccessIssue, reportUnknownMemberType, reportUnknownVariableType]
        _check_number(self.name, number)
        if self.above_zero and number == 0:
            raise OptimizerError(f"{self.name}=0 leaves {method} without a scale for its bounds; write a rate above 0")


@dataclass(frozen=True)
class Number(Setting):
    """A finite number of at least 0."""

    @property
    def range(self) -> str:
        return "0 or more"

    def check(self, value: object, method: str) -> None:
        _check_number(self.name, value)


@dataclass(frozen=True)
class Share(Setting):
    """A number in [0, 1)."""

    @property
    def range(self) -> str:
        return "[0, 1)"

    def check(self, value: object, method: str) -> None:
        if not _is_number(value) or not 0 <= value < 1:  # pyright: ignore[reportOperatorIssue]
            raise OptimizerError(f"{self.name}={value!r} must lie in [0, 1); write e.g. {self.name}={self.default!r}")


@dataclass(frozen=True)
class Betas(Setting):
    """Two numbers in [0, 1)."""

    @property
    def range(self) -> str:
        return "two in [0, 1)"

    def check(self, value: object, method: str) -> None:
        if not isinstance(value, (tuple, list)) or len(value) != 2:  # pyright: ignore[reportUnknownArgumentType]
            raise OptimizerError(
                f"{self.name}={value!r} must be two numbers; write {self.name}={self.default!r}"  # pyright: ignore[reportUnknownArgumentType]
            )
        for beta in value:  # pyright: ignore[reportUnknownVariableType]
            if not _is_number(beta) or not 0 <= beta < 1:
                raise OptimizerError(
                    f"{self.name}={value!r}: each must lie in [0, 1); write {self.name}={self.default!r}"
                )


@dataclass(frozen=True)
class Bound(Setting):
    """A number above 0, or None for no bound."""

    @property
    def range(self) -> str:
        return "above 0, or None"

    def check(self, value: object, method: str) -> None:
        if value is not None and (not _is_number(value) or not 0 < value < math.inf):  # pyright: ignore[reportOperatorIssue]
            raise OptimizerError(f"{self.name}={value!r} must be a number above 0; write None for no bound")


@dataclass(frozen=True)
class Positive(Setting):
    """A finite number above 0."""

    @property
    def range(self) -> str:
        return "above 0"

    def check(self, value: object, method: str) -> None:
        if not _is_number(value) or not 0 < value < math.inf:  # pyright: ignore[reportOperatorIssue]
            raise OptimizerError(
                f"{self.name}={value!r} must be a finite number above 0; write e.g. {self.name}={self.default!r}"
            )


@dataclass(frozen=True)
class Flag(Setting):
    """True or False."""

    @property
    def range(self) -> str:
        return "True or False"

    def check(self, value: object, method: str) -> None:
        if not isinstance(value, bool):
            raise OptimizerError(f"{self.name}={value!r} must be True or False")


def _check_number(name: str, value: object) -> None:
    if not _is_number(value) or not 0 <= value < math.inf:  # pyright: ignore[reportOperatorIssue]
        raise OptimizerError(f"{name}={value!r} must be a finite number of at least 0")


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)
