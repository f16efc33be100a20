"""Tensors of torch on a GPU updated by a kernel."""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

import torch
from torch import Tensor

from cadence._errors import CompilerError, OptimizerError
from cadence.optim.kernels.cuda import CudaKernel, Portion, cuda_kernel, layout
from cadence.optim.kernels.source import Precision
from cadence.optim.kernels.values import Values
from cadence.optim.rules.rule import Rule
from cadence.optim.stepping.torch_memory import Item, Slot, counted
from cadence.optim.stepping.torch_numbers import Variants


class Laid(NamedTuple):
    """A layout in the memory of a GPU."""

    pieces: Tensor
    firsts: list[int]
    portions: list[Portion]


def kernel_of(rule: Rule, numbers: tuple[str, ...], precision: Precision, device: torch.device) -> CudaKernel:
    """The kernel of a rule on a GPU.

    Raises:
        CompilerError: see `cadence.optim.kernels.cuda.CudaKernel`.
    """
    built = torch.version.cuda
    if built is None:
        raise CompilerError("this torch is built for GPUs of another kind, for which there is no kernel")
    with torch.cuda.device(device):
        # A module is loaded into the context of the current GPU, which torch makes when it is first needed.
        torch.cuda.current_stream()
        capability = torch.cuda.get_device_capability(device)
        return cuda_kernel(rule, numbers, precision, torch.cuda.current_device(), capability, built)


def update_on_gpu(
    run: CudaKernel, rule: Rule, items: Sequence[Item], slots: Sequence[Slot], variants: Variants
) -> Tensor:
    """Update tensors of one GPU and precision; waits for nothing.

    Returns:
        What the step of each was multiplied by, on the GPU.

    Raises:
        OptimizerError: a CUDA graph is being captured.
    """
    x = items[0].x
    with torch.cuda.device(x.device):
        if torch.cuda.is_current_stream_capturing():
            raise OptimizerError(
                "a CUDA graph is being captured, and would do update 1 for ever; make the optimizer with "
                "capturable=True, and with a tensor as its rate"
            )
        laid = _laid(tuple(slot.size for slot in slots), x.device)
        copies, words = list[Tensor](), array("q")
        rows, constants = dict[tuple[int, float], int](), array("d")
        for (x, g, group), slot, t, first in zip(items, slots, counted(slots), laid.firsts, strict=True):
            if g.stride() != slot.stride or g.dtype != x.dtype:
                g = torch.empty_like(x).copy_(g)
                copies.append(g)
            row = rows.get((id(group), t))
            if row is None:
                row = rows[id(group), t] = len(constants)
                known = Values({**variants.of(group)[1], "t": t})
                constants.extend([known[one] for one in run.constants])
            words.extend((slot.address, g.data_ptr(), *slot.addresses, slot.size, first, row))
        table = _sent(words.tobytes() + constants.tobytes(), items[0].x.device)
        sums = table.new_empty(run.norms * (laid.pieces.numel() // 2) + 1, dtype=torch.float64)
        scales = table.new_ones(len(items), dtype=torch.float64)
        begin = table.data_ptr()
        run.update(
            laid.portions, begin, laid.pieces.data_ptr(), begin + 8 * len(words), sums.data_ptr(), scales.data_ptr(),
            torch.cuda.current_stream().cuda_stream,
        )  # fmt: skip
    # Memory was written behind torch's back; what autograd has kept of these tensors must be known to be stale.
    torch.autograd.graph.increment_version([item.x for item in items])
    return scales


@lru_cache(maxsize=64)
def _laid(sizes: tuple[int, ...], device: torch.device) -> Laid:
    found = layout(sizes)
    return Laid(_sent(found.pieces.tobytes(), device, torch.int32), found.firsts, found.portions)


def _sent(content: bytes, device: torch.device, dtype: torch.dtype = torch.int64) -> Tensor:
    """Bytes on a GPU, in the order of its stream. From pinned memory: from any other the processor would wait."""
    there = torch.frombuffer(bytearray(content), dtype=dtype)
    return there.pin_memory().to(device, non_blocking=True)
