"""What a running average of weights needs of paddle."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, final

import paddle

from cadence.run.average import Live


@final
class PaddleLive(Live):
    """The weights of a paddle model.

    Args:
        model: whose weights are averaged.
    """

    def __init__(self, model: paddle.nn.Layer) -> None:
        self._model = model

    def named(self) -> dict[str, Any]:
        found: dict[int, tuple[str, Any]] = {}
        for name, x in self._model.state_dict().items():
            if x.is_floating_point():
                # By the tensor: one that is tied has several names.
                found.setdefault(id(x), (name, x))
        return dict(found.values())

    def bits(self, x: Any) -> int:
        return paddle.finfo(x.dtype).bits

    @paddle.no_grad()
    def copy(self, x: Any, like: Any) -> Any:
        return x.detach().to(like.place).astype(like.dtype).clone()

    @paddle.no_grad()
    def move(self, kept: Sequence[Any], live: Sequence[Any], share: float) -> None:
        # Without dimensions: a number would become an array of one, and a weight that is a number one with it.
        shares = {kind: paddle.full([], share, dtype=kind) for kind in {one.dtype for one in kept}}
        for one, x in zip(kept, live, strict=True):
            one.lerp_(x, shares[one.dtype])

    @paddle.no_grad()
    def exchange(self, one: Any, other: Any) -> None:
        before = one.detach().clone()
        paddle.assign(other, one)
        paddle.assign(before, other)
