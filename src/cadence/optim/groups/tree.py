"""A model as plain data: its modules and parameters, in the order in which they were registered."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cadence.optim.trained import Framework


@dataclass(frozen=True)
class Module:
    """One module.

    Attributes:
        path: from the model, with dots; empty for the model itself.
        types: its class name, then those of the classes it derives from, without the framework's base.
        series: whether it is a container whose members stand one behind the other (`Sequential`, `ModuleList`).
    """

    path: str
    types: tuple[str, ...]
    series: bool


@dataclass(frozen=True)
class Parameter:
    """One parameter.

    Attributes:
        names: its name, and further ones where it is used in several places; at least one.
        shape: its dimensions.
        owner: the module that it was registered in.
        trained: whether gradients are computed for it.
        tensor: the parameter itself.
    """

    names: tuple[str, ...]
    shape: tuple[int, ...]
    owner: Module
    trained: bool
    tensor: Any = field(compare=False, repr=False)

    @property
    def name(self) -> str:
        """The first of its names."""
        return self.names[0]

    @property
    def size(self) -> int:
        """How many numbers it holds."""
        size = 1
        for n in self.shape:
            size *= n
        return size


@dataclass(frozen=True)
class Tree:
    """A model. Made by `torch_tree` or `paddle_tree`.

    Attributes:
        kind: class name of the model.
        framework: ``"torch"`` or ``"paddle"``.
        modules: each after the one that holds it, in the order of registration.
        parameters: likewise.
    """

    kind: str
    framework: Framework
    modules: tuple[Module, ...]
    parameters: tuple[Parameter, ...]

    def children(self, path: str) -> list[Module]:
        """The modules that a module holds directly, in order."""
        return self._children.get(path, [])

    def below(self, path: str) -> list[Parameter]:
        """The parameters of a module and of all that it holds, in order."""
        return self._below.get(path, [])

    def own(self, path: str) -> list[Parameter]:
        """The parameters that were registered in a module itself."""
        return [p for p in self.below(path) if p.owner.path == path]

    @cached_property
    def _children(self) -> dict[str, list[Module]]:
        table: dict[str, list[Module]] = {}
        for module in self.modules:
            if module.path:
                table.setdefault(module.path.rpartition(".")[0], []).append(module)
        return table

    @cached_property
    def _below(self) -> dict[str, list[Parameter]]:
        table: dict[str, list[Parameter]] = {}
        for parameter in self.parameters:
            for path in _upwards(parameter.owner.path):
                table.setdefault(path, []).append(parameter)
        return table


def _upwards(path: str) -> Iterator[str]:
    """The path and those of all modules that hold it."""
    while path:
        yield path
        path = path.rpartition(".")[0]
    yield ""
