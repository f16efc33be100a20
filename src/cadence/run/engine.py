"""What the loop needs of a framework. One engine per framework, each in a file `<name>_engine.py` beside this one."""

from __future__ import annotations

import abc
import importlib
import pkgutil
import warnings
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

from cadence._errors import RecipeError, neighbours
from cadence._lazy import need
from cadence.optim.groups.groups import Groups
from cadence.recipe.recipe import Recipe
from cadence.tasks import Batch, Task


class Update(NamedTuple):
    """What one update tells of itself.

    Attributes:
        loss: mean over all targets of the update, before the weights were changed.
        examples: rows.
        grad_norm: global norm of the gradients before clipping; None where nothing is clipped.
        overflowed: names of the parameters whose gradient was not finite, where the recipe says what becomes of such an
            update: then no weight was changed.
    """

    loss: float
    examples: int
    grad_norm: float | None
    overflowed: tuple[str, ...] = ()


class Engine(abc.ABC):
    """Model, optimizers and arithmetic of one framework. Counts nothing, decides nothing, writes no record."""

    @property
    @abc.abstractmethod
    def optimizers(self) -> list[Any]:
        """The optimizers, as `drive` takes them: at least one."""

    @property
    @abc.abstractmethod
    def groups(self) -> Groups:
        """What the model's parameters were divided into."""

    @property
    @abc.abstractmethod
    def scaler(self) -> Any:
        """The loss scaler, as `drive` takes it; None where there is none."""

    @property
    @abc.abstractmethod
    def device(self) -> dict[str, Any]:
        """Where it computes, in plain data, for the record: ``{"type": "cpu", "threads": 1}``."""

    @abc.abstractmethod
    def update(self, batches: Sequence[Batch]) -> Update:
        """One update from one or more micro-batches.

        The gradient is that of the mean over all their targets, so that micro-batches of different size count as
        they should. Nothing is raised where the loss is not finite: that is the loop's matter.
        """

    @abc.abstractmethod
    def evaluate(self, batches: Iterable[Batch]) -> dict[str, float]:
        """Means over all targets: ``"loss"`` and the task's metric by its name. Leaves random numbers as they were.

        Raises:
            TaskError: there is no target.
        """

    @abc.abstractmethod
    def save(self, tensors: Path) -> dict[str, Any]:
        """Save weights, optimizer, loss scaler and random numbers.

        Args:
            tensors: file to write the arrays to, atomically.

        Returns:
            The rest, as plain JSON data.

        Raises:
            StateError: something cannot be saved as arrays and plain data.
            RecordError: the file cannot be written.
        """

    @abc.abstractmethod
    def load(self, tensors: Path, rest: dict[str, Any]) -> None:
        """Go on from what `save` wrote, to the bit on a CPU.

        Raises:
            StateError: it belongs to another model or optimizer.
        """

    def average(self, share: float) -> None:
        """Move a running average of the weights towards them; see `average` in `docs/formats.md`.

        Where the recipe has it judged, `evaluate` and `save` put it in the place of the weights.

        Args:
            share: of the way, in (0, 1]; the first time the weights are taken as they are.

        Raises:
            RecipeError: this engine keeps no average.
        """
        raise RecipeError(f"{type(self).__name__} keeps no average of the weights; leave the key average out")

    @abc.abstractmethod
    def reduce(self, metrics: dict[str, float]) -> dict[str, float]:
        """The mean of each metric over all processes that train together; as it is where there is one."""


OpenEngine: TypeAlias = Callable[[Recipe, Task], AbstractContextManager[Engine]]
"""Builds an engine for one training: seeds, sets threads, builds model and optimizer; puts back what it changed in the
process when the block ends. In each `<name>_engine.py` it is called `open_engine`."""

_SUFFIX = "_engine"


def engine_names() -> list[str]:
    """Names of all engines, sorted. Loads no framework.

    Example:
        >>> "torch" in engine_names()
        True
    """
    modules = pkgutil.iter_modules(importlib.import_module("cadence.run").__path__)
    return sorted(m.name.removesuffix(_SUFFIX) for m in modules if m.name.endswith(_SUFFIX))


def find_engine(name: str) -> OpenEngine:
    """The engine of a framework.

    Raises:
        RecipeError: there is none of that name.
        MissingExtraError: the framework is not installed.
    """
    return engine_module(name).open_engine


def engine_module(name: str) -> Any:
    """The file of an engine: `open_engine`, and `initial_weights`, which gives those of a recipe on a task.

    Raises:
        RecipeError: there is none of that name.
        MissingExtraError: the framework is not installed.
    """
    if name not in engine_names():
        raise RecipeError(f"there is no engine called {name!r}; {neighbours(name, engine_names())}")
    with warnings.catch_warnings():
        # Paddle says so whenever it is imported; it matters to those who build extensions.
        warnings.filterwarnings("ignore", "No ccache found")
        need(name, extra=name)
    return importlib.import_module(f"cadence.run.{name}{_SUFFIX}")
