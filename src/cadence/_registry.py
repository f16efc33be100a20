"""Names for things that can be added to: shapes, constructors, rules, tasks."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterator
from typing import Generic, TypeVar

from cadence._errors import SpecError, UnknownNameError, neighbours

T = TypeVar("T")


class Registry(Generic[T]):
    """A mapping from name to member that says what was meant when a name is unknown.

    Args:
        kind: what a member is called in messages, e.g. ``"shape"``.
        package: dotted name of a package whose modules are imported before the first look-up, so that a new member
            needs one new file and no list to be entered in; None where members are added by hand.
        without: modules of the package that hold no members, and must not be imported for their sake.

    Example:
        >>> colours: Registry[int] = Registry("colour", package=None)
        >>> colours.add("red", 1)
        >>> colours["red"]
        1
        >>> colours["rd"]
        Traceback (most recent call last):
        cadence._errors.UnknownNameError: there is no colour called 'rd'; did you mean 'red'?
    """

    def __init__(self, kind: str, *, package: str | None, without: tuple[str, ...] = ()) -> None:
        self._kind = kind
        self._package = package
        self._without = without
        self._members: dict[str, T] = {}

    def add(self, name: str, member: T) -> None:
        """Enter a member.

        Raises:
            SpecError: another member has this name already.
        """
        if name in self._members:
            raise SpecError(f"there is a {self._kind} called {name!r} already; choose another name")
        self._members[name] = member

    def names(self) -> list[str]:
        """All names, sorted."""
        self._load()
        return sorted(self._members)

    def __getitem__(self, name: str) -> T:
        self._load()
        try:
            return self._members[name]
        except KeyError:
            raise UnknownNameError(
                f"there is no {self._kind} called {name!r:.80}; {neighbours(name, self._members)}"
            ) from None

    def __contains__(self, name: object) -> bool:
        self._load()
        return name in self._members

    def __iter__(self) -> Iterator[str]:
        return iter(self.names())

    def _load(self) -> None:
        if self._package is None:
            return
        package, self._package = importlib.import_module(self._package), None
        for module in pkgutil.iter_modules(package.__path__):
            if module.name in self._without:
                continue
            importlib.import_module(f"{package.__name__}.{module.name}")
