"""How torch computes forward and backward: plain float32, or mixed precision with or without loss scaling."""

from __future__ import annotations

import abc
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any, Literal, Protocol, cast

import torch

from cadence._errors import RecipeError

Precision = Literal["fp32", "bf16", "fp16"]


class Stepped(Protocol):
    """What is stepped: an optimizer, or several that step as one."""

    @property
    def param_groups(self) -> list[dict[str, Any]]:
        """The groups of parameters."""
        ...

    def step(self) -> Any:
        """Change the weights."""
        ...


class Arithmetic(abc.ABC):
    """The part of an update that differs between precisions."""

    @property
    @abc.abstractmethod
    def scaler(self) -> torch.amp.GradScaler | None:
        """The loss scaler, where there is one."""

    @abc.abstractmethod
    def forward(self) -> AbstractContextManager[Any]:
        """In force while model and loss are computed."""

    @abc.abstractmethod
    def backward(self, loss: torch.Tensor) -> None:
        """Add the gradients of this loss to those that are there."""

    @abc.abstractmethod
    def clip(self, optimizer: Stepped, weights: Sequence[torch.Tensor], norm: float) -> torch.Tensor:
        """Clip the gradients to a global norm; returns the norm before, in the loss's own scale."""

    @abc.abstractmethod
    def skip(self, optimizer: Stepped) -> None:
        """In the place of `step`, where gradients are known not to be finite: no weight is changed."""

    @abc.abstractmethod
    def step(self, optimizer: Stepped) -> None:
        """Change the weights; an update with gradients that are not finite may be skipped where a scaler is at work."""


class Plain(Arithmetic):
    """float32 throughout: nothing between torch and the loop."""

    @property
    def scaler(self) -> torch.amp.GradScaler | None:
        return None

    def forward(self) -> AbstractContextManager[Any]:
        return _NOTHING

    def backward(self, loss: torch.Tensor) -> None:
        loss.backward()

    def clip(self, optimizer: Stepped, weights: Sequence[torch.Tensor], norm: float) -> torch.Tensor:
        return torch.nn.utils.clip_grad_norm_(weights, norm)

    def skip(self, optimizer: Stepped) -> None:
        pass

    def step(self, optimizer: Stepped) -> None:
        optimizer.step()


class Mixed(Arithmetic):
    """bfloat16: its range is that of float32, so no loss needs scaling."""

    def __init__(self, device: torch.device, dtype: torch.dtype) -> None:
        self._kind, self._dtype = device.type, dtype

    @property
    def scaler(self) -> torch.amp.GradScaler | None:
        return None

    def forward(self) -> AbstractContextManager[Any]:
        # A new one each time: an autocast keeps casts of the weights, which are stale after an update.
        return torch.autocast(self._kind, self._dtype)

    def backward(self, loss: torch.Tensor) -> None:
        loss.backward()

    def clip(self, optimizer: Stepped, weights: Sequence[torch.Tensor], norm: float) -> torch.Tensor:
        return torch.nn.utils.clip_grad_norm_(weights, norm)

    def skip(self, optimizer: Stepped) -> None:
        pass

    def step(self, optimizer: Stepped) -> None:
        optimizer.step()


class Scaled(Arithmetic):
    """float16: the loss is scaled up so that small gradients survive, and an update that overflowed is skipped."""

    def __init__(self, device: torch.device, dtype: torch.dtype) -> None:
        self._kind, self._dtype = device.type, dtype
        self._scaler = torch.amp.GradScaler(device.type)

    @property
    def scaler(self) -> torch.amp.GradScaler | None:
        return self._scaler

    def forward(self) -> AbstractContextManager[Any]:
        return torch.autocast(self._kind, self._dtype)

    def backward(self, loss: torch.Tensor) -> None:
        self._scaler.scale(loss).backward()

    def clip(self, optimizer: Stepped, weights: Sequence[torch.Tensor], norm: float) -> torch.Tensor:
        # Unscaled first: a limit on the norm of scaled gradients would mean something else at every scale.
        self._scaler.unscale_(cast("torch.optim.Optimizer", optimizer))
        return torch.nn.utils.clip_grad_norm_(weights, norm)

    def skip(self, optimizer: Stepped) -> None:
        # The scaler sees it as well, skips, and lowers its scale.
        self.step(optimizer)

    def step(self, optimizer: Stepped) -> None:
        self._scaler.step(cast("torch.optim.Optimizer", optimizer))
        self._scaler.update()


_NOTHING = nullcontext()


def arithmetic(precision: Precision, device: torch.device) -> Arithmetic:
    """The arithmetic of a recipe's `precision` on a device.

    Raises:
        RecipeError: the device does not have it.
    """
    if precision == "fp32":
        return Plain()
    dtype = torch.bfloat16 if precision == "bf16" else torch.float16
    if not torch.amp.is_autocast_available(device.type):
        raise RecipeError(f"precision {precision} is not available on {device.type}; write precision: fp32")
    if precision == "bf16" and device.type == "cuda" and not torch.cuda.is_bf16_supported():
        raise RecipeError("precision bf16 is not available on this GPU; write precision: fp16 or fp32")
    return Mixed(device, dtype) if precision == "bf16" else Scaled(device, dtype)
