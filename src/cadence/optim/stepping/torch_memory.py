"""Where tensors of torch lie in memory, and whether they may be written there directly."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from cadence._errors import OptimizerError
from cadence.optim.kernels.source import Precision

Group = dict[str, Any]

_PRECISIONS: dict[torch.dtype, Precision] = {torch.float32: "float", torch.float64: "double"}

_PLAIN = (torch.nn.Parameter, Tensor)
"""Kinds of tensors that are what they seem: not spread over processes, not made on demand."""


class Item(NamedTuple):
    """One tensor to update."""

    x: Tensor
    g: Tensor
    group: Group


class Slot:
    """Where one parameter and its state lie.

    Attributes:
        filled: whether the parameter fills a piece of memory, in whatever order.
        dense: whether it does so in the processor's memory.

    Args:
        x: the parameter.
        state: of the optimizer; tensors that lie in memory in another way than the parameter are laid out anew.
        names: of the states.
    """

    __slots__ = (
        "address",
        "addresses",
        "counter",
        "dense",
        "filled",
        "names",
        "shape",
        "size",
        "states",
        "step",
        "stride",
    )

    def __init__(self, x: Tensor, state: dict[str, Tensor], names: tuple[str, ...]) -> None:
        self.filled = _filled(x)
        self.dense = self.filled and x.is_cpu
        for name in names:
            there = state[name]
            if there.stride() != x.stride() or there.dtype != x.dtype or there.device != x.device:
                state[name] = torch.empty_like(x, requires_grad=False).copy_(there)
        if not state["step"].is_cpu or state["step"].dtype != torch.float32:
            state["step"] = state["step"].to("cpu", torch.float32)
        self.names, self.shape, self.stride, self.size = names, x.shape, x.stride(), x.numel()
        self.step, self.states = state["step"], [state[name] for name in names]
        self.address, self.counter = x.data_ptr(), self.step.data_ptr()
        self.addresses = [each.data_ptr() for each in self.states]


def precision(item: Item) -> Precision | None:
    """The precision of a kernel that can update this tensor where it lies, or None."""
    x, group = item.x, item.group
    if not (x.is_cpu or x.is_cuda) or group["capturable"]:
        return None
    return _PRECISIONS.get(x.dtype) if _filled(x) else None


def portions(items: list[tuple[Item, Slot]], most: int) -> Iterator[list[tuple[Item, Slot]]]:
    """The items in turn, together at most so many elements."""
    portion, size = list[tuple[Item, Slot]](), 0
    for item, slot in items:
        if portion and size + slot.size > most:
            yield portion
            portion, size = [], 0
        portion.append((item, slot))
        size += slot.size
    if portion:
        yield portion


def counted(slots: Sequence[Slot]) -> list[float]:
    """Count this update of each tensor; returns its number."""
    if not slots:
        return []
    steps = [slot.step for slot in slots]
    torch._foreach_add_(steps, 1)  # pyright: ignore[reportPrivateUsage, reportPrivateImportUsage]
    return torch.stack(steps).tolist()


def _filled(x: Tensor) -> bool:
    return type(x) in _PLAIN and (x.is_contiguous() or _dense(x))


def _dense(x: Tensor) -> bool:
    """Whether the elements of a tensor fill a piece of memory, in whatever order."""
    expected = 1
    for stride, size in sorted((stride, size) for stride, size in zip(x.stride(), x.shape, strict=True) if size != 1):
        if stride != expected:
            return False
        expected *= size
    return True


def misfit(what: str, there: object, x: Tensor) -> OptimizerError:
    """The error for something that has another shape than its parameter, or is no tensor."""
    told = f"has shape {tuple(there.shape)}" if isinstance(there, Tensor) else f"is a {type(there).__name__}"
    return OptimizerError(
        f"the {what} of a parameter of shape {tuple(x.shape)} {told}; make the optimizer anew where a parameter was "
        f"given another shape"
    )
