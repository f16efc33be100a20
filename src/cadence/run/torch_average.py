"""What a running average of weights needs of torch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, final

import torch

from cadence.run.average import Live


@final
class TorchLive(Live):
    """The weights of a torch model.

    Args:
        model: whose weights are averaged.
    """

    def __init__(self, model: torch.nn.Module) -> None:
        self._model = model

    def named(self) -> dict[str, Any]:
        saved = self._model.state_dict().keys()
        named = [*self._model.named_parameters(), *self._model.named_buffers()]
        return {name: x for name, x in named if name in saved and x.is_floating_point()}

    def bits(self, x: Any) -> int:
        return torch.finfo(x.dtype).bits

    def copy(self, x: Any, like: Any) -> Any:
        return x.detach().to(like, copy=True)

    @torch.no_grad()
    def move(self, kept: Sequence[Any], live: Sequence[Any], share: float) -> None:
        # One call for all of a kind: weights that are divided among processes do not mix with buffers that are not.
        for kind in dict.fromkeys(map(type, kept)):
            pairs = [(one, x) for one, x in zip(kept, live, strict=True) if type(one) is kind]
            mine, now = zip(*pairs, strict=True)
            torch._foreach_lerp_(mine, now, share)  # pyright: ignore[reportPrivateUsage, reportPrivateImportUsage]

    @torch.no_grad()
    def exchange(self, one: Any, other: Any) -> None:
        before = one.detach().clone()
        one.copy_(other)
        other.copy_(before)
