"""Rules executed by torch's own operations."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, final

import torch
from torch import Tensor

from cadence.optim.rules.rule import Point, Rule

HALVES = (torch.float16, torch.bfloat16)
"""What is stored, not what is computed in."""


@final
class TorchNumbers:
    """`cadence.optim.rules.rule.Numbers` for tensors of torch."""

    def sqrt(self, x: Tensor) -> Tensor:
        return torch.sqrt(x)

    def mix(self, a: Tensor, b: Tensor, share: Any) -> Tensor:
        return torch.lerp(a, b, share)

    def clip(self, x: Tensor, low: Any, high: Any) -> Tensor:
        return torch.clamp(x, low, high)

    def minimum(self, x: Tensor, y: Any) -> Tensor:
        return torch.clamp(x, max=y)

    def maximum(self, x: Tensor, y: Any) -> Tensor:
        return torch.clamp(x, min=y)

    def where(self, condition: Tensor, x: Any, y: Any) -> Tensor:
        return torch.where(condition, x, y)


XP = TorchNumbers()


def norm(x: Tensor, dtype: torch.dtype | None = None) -> Tensor:
    """Norm of a tensor; of one that is spread over processes that of all its parts, as a plain number on each.

    Arithmetic with a number that waits to be added up over processes is refused by torch in some places.
    """
    found = torch.linalg.vector_norm(x, dtype=dtype)
    whole = getattr(found, "full_tensor", None)
    return found if whole is None else whole()


def update_whole(rule: Rule, x: Tensor, g: Tensor, state: Mapping[str, Tensor], numbers: Mapping[str, Any]) -> Any:
    """Update one tensor as a whole, in place; waits for no device. Returns the scale of its step."""
    k = Point(numbers)
    half = x.dtype in HALVES
    tensors = {"x": x, "g": g, **state}
    # Half precision is what is stored, not what is computed in: rounding once per update is rounding enough.
    p = Point({name: tensor.float() for name, tensor in tensors.items()} if half else tensors)
    advanced = rule.advance(p, k, XP)
    p = p.then(advanced)
    vectors = rule.vectors(p, k, XP)
    scale = rule.scale(tuple(norm(v) for v in vectors), k, XP) if rule.measures else 1.0
    if isinstance(scale, Tensor):
        scale = scale.to(p.x.dtype)
    for name, value in {**advanced, **rule.step(p, vectors, scale, k, XP)}.items():
        tensors[name].copy_(value)
    return scale
