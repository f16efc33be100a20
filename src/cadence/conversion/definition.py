"""What a framework's scheduler means: one function for each, whose parameters are the scheduler's own.

    @native("torch", "torch.optim.lr_scheduler.CosineAnnealingLR")
    def cosine_annealing_lr(on: Setting, T_max: int, eta_min: float = 0.0, last_epoch: int = -1) -> Schedule:
        ...

The signature is the table: names, order and defaults are those of the framework, so that a call is bound, checked and
printed as the framework would. The body returns the schedule in ticks of `on`, or refuses with a reason.
"""

from __future__ import annotations

import inspect
import pkgutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from cadence._errors import CadenceError, ConversionError, UnknownNameError, neighbours
from cadence._registry import Registry
from cadence.conversion.native import Native
from cadence.conversion.setting import Setting
from cadence.spec.nodes import Schedule
from cadence.spec.plan import Plan
from cadence.spec.shown import shown

F = TypeVar("F", bound=Callable[..., "Schedule | Plan"])


@dataclass(frozen=True)
class Definition:
    """One scheduler of one framework.

    Attributes:
        framework: ``"torch"``, ...
        name: as people write it: ``"CosineAnnealingLR"``, ``"cosine_with_restarts"``.
        path: where it lives: ``"torch.optim.lr_scheduler.CosineAnnealingLR"``.
        meaning: the function; its first parameter is the setting.
        note: a sentence for the table of the documentation where something about it surprises; else empty.
        aliases: other names it goes by.
        base: the parameter that is the base rate itself, where a scheduler carries its own (``"learning_rate"``); a
            call may leave it out, and it is that of the setting then. Else empty.
    """

    framework: str
    name: str
    path: str
    meaning: Callable[..., Schedule | Plan]
    note: str
    aliases: tuple[str, ...]
    base: str = ""

    @property
    def parameters(self) -> list[inspect.Parameter]:
        """The scheduler's own parameters."""
        return list(inspect.signature(self.meaning).parameters.values())[1:]

    def bind(self, first: list[Any], by_name: Mapping[str, Any]) -> Native:
        """A call as data, with what was given under the parameters' names.

        Raises:
            UnknownNameError: a keyword that the scheduler does not have.
            ConversionError: too many values, one twice, or one missing.
        """
        positional = [p for p in self.parameters if p.kind is p.POSITIONAL_OR_KEYWORD]
        if len(first) > len(positional):
            raise ConversionError(f"{self.name} takes {len(positional)} values at most, not {len(first)}")
        given = dict(zip((p.name for p in positional), first, strict=False))
        names = [p.name for p in self.parameters]
        for key, value in by_name.items():
            if key not in names:
                raise UnknownNameError(f"{self.framework}'s {self.name} has no argument {key!r}; {self._near(key)}")
            if key in given:
                raise ConversionError(f"{self.name} is given {key} twice; write it once")
            given[key] = value
        for p in self.parameters:
            if p.default is p.empty and p.name not in given and p.name != self.base:
                raise ConversionError(f"{self.framework}'s {self.name} needs {p.name}; write {p.name}=...")
        return Native(self.framework, self.name, given)

    def read(self, native: Native, on: Setting) -> Schedule | Plan:
        """The schedule that the call means.

        Raises:
            ConversionError: arguments that the framework refuses, or a meaning that no schedule has.
        """
        own = {self.base: on.base} if self.base else {}
        try:
            return self.meaning(on, **{**own, **native.arguments})
        except CadenceError:
            raise
        except (TypeError, ValueError, ArithmeticError) as fault:
            # A value of a kind that the framework's own arithmetic would stumble over, too.
            raise ConversionError(f"{native} cannot be read: {fault}; check its arguments") from fault

    def full(self, native: Native) -> dict[str, Any]:
        """All arguments, with the defaults of those that were not given; a base rate that was not is left out."""
        given = native.arguments
        return {p.name: given.get(p.name, p.default) for p in self.parameters if p.name in given or p.name != self.base}

    def call(self, arguments: Mapping[str, Any]) -> Native:
        """The call with these arguments, in the scheduler's own order, those that are its default left out."""
        said = {p.name: arguments[p.name] for p in self.parameters if arguments.get(p.name, p.default) != p.default}
        return Native(self.framework, self.name, said)

    def _near(self, key: str) -> str:
        return neighbours(key, [p.name for p in self.parameters])


class _Definitions(Registry[Definition]):
    """Definitions of one framework."""

    def __init__(self, framework: str) -> None:
        # The objects' own module imports the framework; definitions are read without it.
        super().__init__(
            f"scheduler of {framework}", package=f"cadence.conversion.frameworks.{framework}", without=("objects",)
        )


_OF: dict[str, _Definitions] = {}


def definitions(framework: str) -> Registry[Definition]:
    """The definitions of one framework, by name."""
    return _OF.setdefault(framework, _Definitions(framework))


def owners() -> list[str]:
    """The frameworks that have definitions here."""
    from cadence.conversion import frameworks

    return [module.name for module in pkgutil.iter_modules(frameworks.__path__)]


def native(
    framework: str, path: str, *, name: str = "", note: str = "", aliases: tuple[str, ...] = (), base: str = ""
) -> Callable[[F], F]:
    """Register the decorated function as the meaning of the scheduler at `path`.

    Args:
        framework: whose it is.
        path: dotted name of the class or function.
        name: where people write another name than the last part of `path`.
        note: see `Definition`.
        aliases: other names it goes by.
        base: see `Definition`.
    """

    def register(meaning: F) -> F:
        called = name or path.rpartition(".")[2]
        made = Definition(framework, called, path, meaning, note, aliases, base)
        registry = definitions(framework)
        for each in (called, *aliases):
            registry.add(each, made)
        return meaning

    return register


def integer(x: object, what: str, *, least: int | None = None) -> int:
    """Check a whole number that a framework requires."""
    if isinstance(x, bool) or not hasattr(x, "__index__"):
        raise ConversionError(f"{what} is a whole number, not {shown(x)}")
    whole = int(x)  # type: ignore[call-overload]
    if least is not None and whole < least:
        raise ConversionError(f"{what} is {whole}; it must be at least {least}")
    return whole
