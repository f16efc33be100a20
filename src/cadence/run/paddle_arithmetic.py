"""How paddle computes forward and backward: plain float32, or mixed precision with or without loss scaling."""

from __future__ import annotations

import abc
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any, Literal, final

import paddle
from paddle.amp import GradScaler
from paddle.device import get_device
from paddle.nn.utils import clip_grad_norm_

from cadence._errors import RecipeError
from cadence.run.paddle_optimizers import Together

Precision = Literal["fp32", "bf16", "fp16"]

Half = Literal["bfloat16", "float16"]

NAMES: dict[str, Half] = {"bf16": "bfloat16", "fp16": "float16"}


class Arithmetic(abc.ABC):
    """The part of an update that differs between precisions."""

    @property
    @abc.abstractmethod
    def scaler(self) -> GradScaler | None:
        """The loss scaler, where there is one."""

    @abc.abstractmethod
    def forward(self) -> AbstractContextManager[Any]:
        """In force while model and loss are computed."""

    @abc.abstractmethod
    def backward(self, loss: paddle.Tensor) -> None:
        """Add the gradients of this loss to those that are there."""

    @abc.abstractmethod
    def clip(self, optimizer: Together, weights: Sequence[paddle.Tensor], norm: float) -> paddle.Tensor:
        """Clip the gradients to a global norm; returns the norm before, in the loss's own scale."""

    @abc.abstractmethod
    def skip(self, optimizer: Together) -> None:
        """In the place of `step`, where gradients are known not to be finite: no weight is changed."""

    @abc.abstractmethod
    def step(self, optimizer: Together) -> None:
        """Change the weights; an update with gradients that are not finite may be skipped where a scaler is at work."""


@final
class Plain(Arithmetic):
    """float32, or bfloat16, whose range is the same: no loss needs scaling.

    Args:
        dtype: of products of matrices; None: float32 throughout, and nothing between paddle and the loop.
    """

    def __init__(self, dtype: Half | None = None) -> None:
        self._dtype: Any = dtype

    @property
    def scaler(self) -> GradScaler | None:
        return None

    def forward(self) -> AbstractContextManager[Any]:
        return _NOTHING if self._dtype is None else paddle.amp.auto_cast(dtype=self._dtype)

    def backward(self, loss: paddle.Tensor) -> None:
        loss.backward()

    def clip(self, optimizer: Together, weights: Sequence[paddle.Tensor], norm: float) -> paddle.Tensor:
        return clip_grad_norm_(weights, norm)

    def skip(self, optimizer: Together) -> None:
        pass

    def step(self, optimizer: Together) -> None:
        optimizer.step()


@final
class Scaled(Arithmetic):
    """float16: the loss is scaled up so that small gradients survive, and an update that overflowed is skipped."""

    def __init__(self) -> None:
        # As torch's: two thousand good updates double the scale. It never lowers it by itself, see `step`.
        self._scaler = GradScaler(init_loss_scaling=2.0**16, incr_every_n_steps=2000, decr_every_n_nan_or_inf=2**31)

    @property
    def scaler(self) -> GradScaler | None:
        return self._scaler

    def forward(self) -> AbstractContextManager[Any]:
        return paddle.amp.auto_cast(dtype="float16")

    def backward(self, loss: paddle.Tensor) -> None:
        self._scaler.scale(loss).backward()

    def clip(self, optimizer: Together, weights: Sequence[paddle.Tensor], norm: float) -> paddle.Tensor:
        # Unscaled first: a limit on the norm of scaled gradients would mean something else at every scale.
        self._scaler.unscale_(optimizer)
        return clip_grad_norm_(weights, norm)

    def skip(self, optimizer: Together) -> None:
        # The scaler sees it as well, skips, and lowers its scale.
        self.step(optimizer)

    def step(self, optimizer: Together) -> None:
        self._scaler.step(optimizer)
        self._scaler.update()
        # As torch's: an update that overflowed halves the scale. Paddle would print it, from an array of one element,
        # which numpy makes no number of any more: it raises.
        told: Any = self._scaler.state_dict()
        if told["decr_count"]:
            # A float, whatever its signature says: below 1 there are scales, too.
            lower: Any = float(told["scale"][0]) / 2
            self._scaler.set_init_loss_scaling(lower)


_NOTHING = nullcontext()


def arithmetic(precision: Precision) -> Arithmetic:
    """The arithmetic of a recipe's `precision` on the device that is set.

    Raises:
        RecipeError: the device does not have it.
    """
    if precision == "fp32":
        return Plain()
    device = get_device()
    if device == "cpu":
        # Its auto_cast would compute in float32 there, with a warning; its operations know neither of the two.
        raise RecipeError(
            f"precision {precision} is not available in paddle on a cpu, where its operations know no "
            f"{NAMES[precision]}; write precision: fp32, or take a GPU"
        )
    known = paddle.amp.is_bfloat16_supported() if precision == "bf16" else paddle.amp.is_float16_supported()
    if not known:
        raise RecipeError(f"precision {precision} is not available on {device}; write another precision, e.g. fp32")
    return Plain(NAMES[precision]) if precision == "bf16" else Scaled()
