"""Whether gradients may reach the weights."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TypeAlias

import torch

Guard: TypeAlias = Callable[[torch.nn.Module], tuple[str, ...]]
"""Names the parameters of a model whose gradients must not reach the weights."""


def finite(model: torch.nn.Module) -> tuple[str, ...]:
    """Lets every gradient pass: nothing is computed."""
    del model
    return ()


def overflowed(model: torch.nn.Module) -> tuple[str, ...]:
    """Names of the parameters whose gradients are not finite.

    Example:
        >>> line = torch.nn.Linear(2, 1)
        >>> line(torch.full((1, 2), float("inf"))).sum().backward()
        >>> overflowed(line)
        ('weight',)
    """
    gradients = {name: _values(p.grad) for name, p in model.named_parameters() if p.grad is not None}
    if torch.isfinite(_whole(torch.nn.utils.get_total_norm(list(gradients.values())))):
        return ()
    # Squares of finite numbers overflow too, so a length that is not finite is a reason to look, and no more.
    return tuple(name for name, gradient in gradients.items() if not torch.isfinite(_whole(gradient)).all())


def within(loss: torch.Tensor | float, ceiling: float | None) -> bool:
    """Whether an update may be done as far as its loss goes.

    Args:
        loss: of the update.
        ceiling: largest loss, infinity for every finite one; None: the loss is not looked at.

    Example:
        >>> within(torch.tensor(2.0), 1.5), within(torch.tensor(float("nan")), None)
        (False, True)
    """
    if ceiling is None:
        return True
    value = loss.item() if isinstance(loss, torch.Tensor) else loss
    return value <= ceiling and math.isfinite(value)


def _values(gradient: torch.Tensor) -> torch.Tensor:
    return gradient._values() if gradient.is_sparse else gradient


def _whole(tensor: torch.Tensor) -> torch.Tensor:
    """The tensor itself; of one that is spread over processes all of it."""
    full = getattr(tensor, "full_tensor", None)
    return tensor if full is None else full()
