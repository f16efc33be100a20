"""Tensors of torch on a GPU updated by a kernel."""

from __future__ import annotations

import ctypes
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from cadence._errors import CompilerError, OptimizerError
from cadence.optim.kernels.cuda import CudaKernel, cuda_kernel
from cadence.optim.kernels.source import Precision
from cadence.optim.rules.rule import Rule
from cadence.optim.stepping.torch_roster import Roster


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


def update_on_gpu(roster: Roster, gradients: Sequence[Tensor], numbers: Mapping[int, Mapping[str, float]]) -> Tensor:
    """Update tensors of one GPU and precision; waits for nothing.

    Args:
        roster: of the tensors.
        gradients: of each, as dense as it is.
        numbers: id of a group -> its numbers.

    Returns:
        What the step of each was multiplied by, on the GPU.

    Raises:
        OptimizerError: a CUDA graph is being captured.
    """
    device = roster.xs[0].device
    with torch.cuda.device(device):
        if torch.cuda.is_current_stream_capturing():
            raise OptimizerError(
                "a CUDA graph is being captured, and would do update 1 for ever; make the optimizer with "
                "capturable=True, and with a tensor as its rate"
            )
        stream = torch.cuda.current_stream().cuda_stream
        content = torch.frombuffer(bytearray(roster.told(gradients, numbers)), dtype=torch.int64)
        # From pinned memory: for any other the processor would wait.
        there = roster.prepared(content.numel(), stream)
        there.table.copy_(content.pin_memory(), non_blocking=True)
        at = ctypes.c_void_p(stream)
        for launch in there.launches:
            launch.begin(at)
    # Memory was written behind torch's back; what autograd has kept of these tensors must be known to be stale.
    torch.autograd.graph.increment_version(roster.xs)
    return there.scales
