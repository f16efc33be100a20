"""Updates by a compiled kernel, in the memory of paddle's tensors on a processor.

What lies where is asked anew for every update: paddle lets anyone put another tensor, of another size, where one was.
"""

from __future__ import annotations

import math
import os
from array import array
from collections.abc import Mapping
from typing import Any, NamedTuple, TypeAlias

import paddle

from cadence._errors import OptimizerError
from cadence.optim.kernels.kernel import Addresses, Kernel
from cadence.optim.kernels.source import Precision

Tensor: TypeAlias = Any

_PRECISIONS: dict[int, Precision] = {4: "float", 8: "double"}
"""By the bytes of an element."""

_ONE = [1]

_PROCESSOR_ONLY = not (
    paddle.device.is_compiled_with_cuda()
    or paddle.device.is_compiled_with_xpu()
    or paddle.device.get_all_custom_device_type()
)
"""Where there is no other memory, no tensor needs to be asked: that takes half of the time of all questions."""


class Piece(NamedTuple):
    """One tensor to update, with all that goes with it.

    Attributes:
        x, g: parameter and gradient.
        states: in the order of the rule, and then the counter of updates.
        numbers: the rule's.
    """

    x: Tensor
    g: Tensor
    states: list[Tensor]
    numbers: Mapping[str, float]


class Laid(NamedTuple):
    """Where tensors lie, and what must not go away before they are updated."""

    addresses: Addresses
    pieces: list[Piece]
    kept: list[Tensor]


def precision_of(x: Tensor) -> Precision | None:
    """The precision of a kernel that can update this tensor of real numbers where it lies, or None."""
    size = x.element_size()
    return _PRECISIONS[size] if size in _PRECISIONS and _lies_well(x, size) else None


def lay_out(pieces: list[Piece]) -> Laid:
    """Look where everything lies.

    Args:
        pieces: of one precision, which `precision_of` has found in their parameters.

    Raises:
        OptimizerError: a gradient or state does not fit its parameter.
    """
    at, rows, kept = Addresses(), dict[int, int](), list[Tensor]()
    for x, g, states, numbers in pieces:
        shape, size = x.shape, x.element_size()
        if g.shape != shape:
            raise misfit("gradient", g, x)
        if not _lies_well(g, size):
            g = paddle.cast(g, x.dtype).cpu().contiguous()
            kept.append(g)
        *own, step = states
        for state in own:
            if state.shape != shape or not _lies_well(state, size):
                raise misfit("state", state, x)
        if step.shape != _ONE or not _lies_well(step, 4):
            raise misfit("counter of updates", step, x)
        key = id(numbers)
        if key not in rows:
            rows[key] = at.row(list(numbers.values()))
        at.sizes.append(math.prod(shape))
        at.x.append(x.data_ptr())
        at.g.append(g.data_ptr())
        at.state.extend([state.data_ptr() for state in own])
        at.step.append(step.data_ptr())
        at.numbers.append(rows[key])
    return Laid(at, pieces, kept)


def update_in_memory(run: Kernel, laid: Laid, threads: int) -> array[float]:
    """Update tensors of one precision in place, with so many threads at most; returns the factor of each step."""
    ratios = run.update(laid.addresses, threads)
    for piece in laid.pieces:
        # Memory was written behind paddle's back; what autograd has kept of it must be known to be stale.
        piece.x._bump_inplace_version()
    return ratios


def threads() -> int:
    """How many threads paddle itself computes with: it reads and sets this variable when it is loaded."""
    try:
        return max(int(os.environ.get("OMP_NUM_THREADS", "1")), 1)
    except ValueError:
        return 1


def misfit(what: str, there: Tensor, x: Tensor) -> OptimizerError:
    """The error for something that does not go with a parameter."""
    return OptimizerError(
        f"the {what} of the parameter {x.name} ({tuple(x.shape)}, {x.dtype}) has shape {tuple(there.shape)} and is "
        f"{there.dtype}; make the optimizer anew where a parameter was given another shape or dtype"
    )


def _lies_well(tensor: Tensor, element_size: int) -> bool:
    """Whether it lies in the processor's memory, one element after another, each as large as is said."""
    return (
        tensor.is_dense()
        and tensor.element_size() == element_size
        and tensor.is_contiguous()
        and (_PROCESSOR_ONLY or tensor.place.is_cpu_place())
    )
