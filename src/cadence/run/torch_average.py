"""A running average of a torch model's weights, beside those that are trained."""

from __future__ import annotations

import contextlib
from collections.abc import Generator, Mapping
from typing import final

import torch

from cadence._errors import RecipeError, StateError


@final
class Average:
    """The average, or nothing until the first weights have entered.

    What is averaged are parameters and buffers of floating point that a checkpoint holds: the statistics of batch
    normalisation belong to the weights they were gathered with, and so go with them. timm does the same, torch's
    `AveragedModel` with ``use_buffers=True``.

    Args:
        model: whose weights are averaged.
        judged: whether the average takes the place of the weights where the model is judged or saved.
    """

    def __init__(self, model: torch.nn.Module, *, judged: bool) -> None:
        self._model = model
        self._judged = judged
        self._kept: list[torch.Tensor] = []

    @torch.no_grad()
    def enter(self, share: float) -> None:
        """Move the average towards the weights.

        Args:
            share: of the way, in (0, 1]; the first time they are taken as they are.

        Raises:
            RecipeError: weights of half precision, which are too coarse for an average.
        """
        live = list(self._live().values())
        if self._kept:
            # One call for all of a kind: weights that are divided among processes do not mix with buffers that are not.
            for kind in dict.fromkeys(map(type, self._kept)):
                pairs = [(kept, x) for kept, x in zip(self._kept, live, strict=True) if type(kept) is kind]
                kept, now = zip(*pairs, strict=True)
                torch._foreach_lerp_(kept, now, share)  # pyright: ignore[reportPrivateUsage, reportPrivateImportUsage]
            return
        coarse = next((name for name, x in self._live().items() if torch.finfo(x.dtype).bits < 32), None)
        if coarse is not None:
            raise RecipeError(
                f"average: the weights {coarse} are {self._live()[coarse].dtype}, too coarse to be averaged; keep the "
                f"model in float32, and write precision: bf16 for its arithmetic"
            )
        self._kept = [x.detach().clone() for x in live]

    @contextlib.contextmanager
    def in_place(self) -> Generator[None, None, None]:
        """Have the average in the model where it is what is judged; what `other` gives is then the weights."""
        if self._judged:
            self._exchange()
        try:
            yield
        finally:
            if self._judged:
                self._exchange()

    def other(self) -> dict[str, torch.Tensor]:
        """What the model does not hold, by name; empty until weights have entered."""
        return dict(zip(self._live(), self._kept, strict=True)) if self._kept else {}

    def load(self, other: Mapping[str, torch.Tensor]) -> None:
        """Go on from a model that is loaded as it was saved, and from what `other` gave.

        Raises:
            StateError: the average of another model.
        """
        live = self._live()
        if other and (other.keys() != live.keys() or any(other[name].shape != x.shape for name, x in live.items())):
            raise StateError(
                "the checkpoint's average is of another model; train anew into another folder, or with fresh=True"
            )
        self._kept = [other[name].to(x, copy=True) for name, x in live.items()] if other else []
        if self._judged:
            self._exchange()

    def _live(self) -> dict[str, torch.Tensor]:
        """What is averaged; of weights that are tied, one."""
        saved = self._model.state_dict().keys()
        named = [*self._model.named_parameters(), *self._model.named_buffers()]
        return {name: x for name, x in named if name in saved and x.is_floating_point()}

    @torch.no_grad()
    def _exchange(self) -> None:
        # Values, not memory: optimizers, compiled code and process groups hold on to the tensors themselves.
        for x, kept in zip(self._live().values(), self._kept, strict=False):
            before = x.detach().clone()
            x.copy_(kept)
            kept.copy_(before)
