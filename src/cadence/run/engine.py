"""What the loop needs of a framework. One engine per framework, each in a file `<name>_engine.py` beside this one."""

from __future__ import annotations

import abc
import importlib
import pkgutil
import warnings
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

from cadence._errors import RecipeError, neighbours
from cadence._lazy import need
from cadence.optim.groups.groups import Groups
from cadence.recipe.recipe import Recipe
from cadence.tasks import Batch, Task

if TYPE_CHECKING:
    from cadence.run.ranks import Ranks


class Update(NamedTuple):
    """What one update tells of itself.

    Attributes:
        loss: mean over all targets of the update, before the weights were changed.
        examples: rows.
        grad_norm: global norm of the gradients before clipping; None where nothing is clipped.
        overflowed: names of the parameters whose gradient was not finite, where the recipe says what becomes of such an
            update.
        left_out: whether no weight was changed, because of `overflowed` or because of the loss. (What a loss scaler
            leaves out by itself is not said here.)
    """

    loss: float
    examples: int
    grad_norm: float | None
    overflowed: tuple[str, ...] = ()
    left_out: bool = False


class Saved(NamedTuple):
    """The state of an engine at one moment; what the engine does later changes nothing in it.

    Attributes:
        file: content of a safetensors file in pieces, one behind the other. They hold until `save` is called again.
        rest: what is no array, as plain JSON data.
    """

    file: Sequence[bytes | memoryview]
    rest: dict[str, Any]


class Judged(NamedTuple):
    """What an evaluation came to, before it is a mean: sums over parts of the data can be added up.

    Attributes:
        sums: of the loss over the targets, ``"loss"``, and of the task's metric by its name.
        targets: how many they were.
    """

    sums: dict[str, float]
    targets: int


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
    def update(self, batches: Sequence[Batch], ceiling: float | None) -> Update:
        """One update from one or more micro-batches, those of all processes together.

        The gradient is that of the mean over all their targets, so that micro-batches of different size count as
        they should. What it returns is the same in every process. Nothing is raised where the loss is not finite: that
        is the loop's matter.

        Args:
            batches: of the update.
            ceiling: largest loss with which weights are changed (infinity: every finite one); None: the loss is not
                looked at. Processes that train together go by the same loss, so that all of them leave an update out,
                or none.
        """

    @abc.abstractmethod
    def evaluate(self, batches: Iterable[Batch]) -> Judged:
        """Judge the model on this process's share of some data. Leaves random numbers as they were."""

    @abc.abstractmethod
    def save(self) -> Saved | None:
        """Weights, optimizer, loss scaler and random numbers as they are now. Collective.

        Returns:
            What is to be written; None where another process writes it, and this one has given its part.

        Raises:
            StateError: something cannot be saved as arrays and plain data.
        """

    @abc.abstractmethod
    def load(self, tensors: Path, rest: dict[str, Any]) -> None:
        """Go on from what `save` gave, to the bit on a CPU.

        Args:
            tensors: the file.
            rest: what is no array.

        Raises:
            StateError: it belongs to another model or optimizer.
        """

    @abc.abstractmethod
    def average(self, share: float) -> None:
        """Move a running average of the weights towards them; see `average` in `docs/formats.md`.

        Where the recipe has it judged, `evaluate` and `save` put it in the place of the weights.

        Args:
            share: of the way, in (0, 1]; the first time the weights are taken as they are.

        Raises:
            RecipeError: weights of half precision, which are too coarse for an average.
        """


OpenEngine: TypeAlias = "Callable[[Recipe, Task, Ranks], AbstractContextManager[Engine]]"
"""Builds an engine for one training, of one process or of several: seeds, sets threads, builds model and optimizer;
puts back what it changed in the process when the block ends. In each `<name>_engine.py` it is called `open_engine`."""

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
