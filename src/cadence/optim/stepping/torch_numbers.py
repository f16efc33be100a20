"""The numbers of a rule at one update of a torch optimizer: read on the host, or left where they are."""

from __future__ import annotations

from typing import Any, final

import torch
from torch import Tensor

from cadence.optim.rules.rule import Rule
from cadence.optim.stepping.torch_memory import Group, Item
from cadence.optim.stepping.torch_plain import norm as norm_of


@final
class Variants:
    """Which variant of a rule each group has at this update, and with which numbers.

    Args:
        method: the rule.
        norm: of all gradients, where a group asks for it.
    """

    def __init__(self, method: type[Rule], norm: Tensor | None) -> None:
        self._method, self._norm = method, norm
        self._known: dict[int, tuple[Rule, dict[str, float]]] = {}

    def of(self, group: Group) -> tuple[Rule, dict[str, float]]:
        """Variant and numbers of a group."""
        known = self._known.get(id(group))
        if known is None:
            rule = self._method.of(group)
            known = self._known[id(group)] = (rule, numbers_of(rule, group, self._norm))
        return known


def numbers_of(rule: Rule, group: Group, norm: Tensor | None) -> dict[str, float]:
    """The numbers of a group, read on the host."""
    lr = group["lr"]
    numbers = rule.numbers({**group, "lr": lr.item()} if isinstance(lr, Tensor) else group)
    return numbers if norm is None else {**numbers, "shrink": _shrunk(group, norm).item()}


def numbers_on_device(rule: Rule, group: Group, step: Tensor, norm: Tensor | None) -> dict[str, Any]:
    """The same, read on no host: what is a tensor stays one."""
    lr = group["lr"]
    here = {**group, "lr": lr.reshape(())} if isinstance(lr, Tensor) else group
    # In single precision 1 - 0.999**t has five digits at first. (Apple's devices have no double.)
    t = step if step.device.type == "mps" else step.double()
    numbers: dict[str, Any] = {**rule.numbers(here), "t": t}
    return numbers if norm is None else {**numbers, "shrink": _shrunk(group, norm)}


def norm_of_all(items: list[Item]) -> Tensor | None:
    """Norm of all gradients as one vector, where a group asks for it."""
    if not items or not any(item.group.get("max_grad_norm") is not None for item in items):
        return None
    home = items[0].g.device
    norms = [_norm(item.g).to(home) for item in items]
    return torch.linalg.vector_norm(torch.stack(norms))


def _shrunk(group: Group, norm: Tensor) -> Tensor:
    """What gradients are divided by."""
    bound = group.get("max_grad_norm")
    return torch.ones_like(norm) if bound is None else (norm / bound).clamp(min=1.0)


def _norm(x: Tensor) -> Tensor:
    """Norm of a tensor; of half-precision tensors in float32, as its digits are the digits of the step."""
    return norm_of(x, torch.float32 if x.dtype in (torch.float16, torch.bfloat16) else None)
