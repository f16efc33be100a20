"""A running average of a model's weights, beside those that are trained: the same for every framework."""

from __future__ import annotations

import abc
import contextlib
from collections.abc import Generator, Mapping, Sequence
from typing import Any, final

from cadence._errors import RecipeError, StateError
from cadence.recipe.recipe import Recipe


class Live(abc.ABC):
    """The weights of a model that are averaged, and what a framework does with them."""

    @abc.abstractmethod
    def named(self) -> dict[str, Any]:
        """Parameters and buffers of floating point that a checkpoint holds, by name; of weights that are tied, one."""

    @abc.abstractmethod
    def bits(self, x: Any) -> int:
        """Of one number of a tensor."""

    @abc.abstractmethod
    def copy(self, x: Any, like: Any) -> Any:
        """A copy of `x`, of the kind of `like` and where that is."""

    @abc.abstractmethod
    def move(self, kept: Sequence[Any], live: Sequence[Any], share: float) -> None:
        """Move each tensor of `kept` a share of the way to that of `live`."""

    @abc.abstractmethod
    def exchange(self, one: Any, other: Any) -> None:
        """Let two tensors change their values, not their memory: optimizers and process groups hold on to that."""


@final
class Average:
    """The average, or nothing until the first weights have entered.

    The statistics of batch normalisation belong to the weights they were gathered with, and so go with them. timm does
    the same, torch's `AveragedModel` with ``use_buffers=True``.

    Args:
        live: what is averaged.
        judged: whether the average takes the place of the weights where the model is judged or saved.
    """

    def __init__(self, live: Live, *, judged: bool) -> None:
        self._live = live
        self._judged = judged
        self._kept: list[Any] = []

    def enter(self, share: float) -> None:
        """Move the average towards the weights.

        Args:
            share: of the way, in (0, 1]; the first time they are taken as they are.

        Raises:
            RecipeError: weights of half precision, which are too coarse for an average.
        """
        live = self._live.named()
        if self._kept:
            self._live.move(self._kept, list(live.values()), share)
            return
        coarse = next((name for name, x in live.items() if self._live.bits(x) < 32), None)
        if coarse is not None:
            raise RecipeError(
                f"average: the weights {coarse} are {live[coarse].dtype}, too coarse to be averaged; keep the model in "
                f"float32, and write precision: bf16 for its arithmetic"
            )
        self._kept = [self._live.copy(x, x) for x in live.values()]

    @contextlib.contextmanager
    def in_place(self) -> Generator[None, None, None]:
        """Have the average in the model where it is what is judged; what `other` gives is then the weights."""
        self.exchange()
        try:
            yield
        finally:
            self.exchange()

    def other(self) -> dict[str, Any]:
        """What the model does not hold, by name; empty until weights have entered."""
        return dict(zip(self._live.named(), self._kept, strict=True)) if self._kept else {}

    def load(self, other: Mapping[str, Any]) -> None:
        """Go on from a model that is loaded as it was saved, and from what `other` gave.

        Raises:
            StateError: the average of another model.
        """
        self.take(other)
        self.exchange()

    def take(self, other: Mapping[str, Any]) -> None:
        """Have beside the model what `other` gave.

        Raises:
            StateError: the average of another model.
        """
        live = self._live.named()
        if other and (other.keys() != live.keys() or any(other[name].shape != x.shape for name, x in live.items())):
            raise StateError(
                "the checkpoint's average is of another model; train anew into another folder, or with fresh=True"
            )
        self._kept = [self._live.copy(other[name], x) for name, x in live.items()] if other else []

    def exchange(self) -> None:
        """Let the model have what is beside it, and the other way round, where the average is what is judged."""
        if self._judged:
            for x, kept in zip(self._live.named().values(), self._kept, strict=False):
                self._live.exchange(x, kept)


def average_of(recipe: Recipe, live: Live, optimizers: Sequence[Any]) -> Average:
    """What averages the weights, if the recipe has them averaged.

    Raises:
        RecipeError: an optimizer does so by itself.
    """
    wanted = recipe.average
    if wanted is None:
        return Average(live, judged=False)
    own = next((type(one).__name__ for one in optimizers if callable(getattr(one, "train", None))), None)
    if own is not None:
        raise RecipeError(f"the optimizer {own} averages weights by itself; leave the key average out")
    return Average(live, judged=wanted.judged)
