"""Updates by a compiled kernel, in the memory of paddle's tensors on a processor.

What lies where is asked anew for every update: paddle lets anyone put another tensor, of another size, where one was.
"""

from __future__ import annotations

import os
from array import array
from collections.abc import Mapping
from typing import Any, NamedTuple, TypeAlias

import paddle

from cadence._errors import OptimizerError
from cadence.optim.kernels.kernel import Addresses, Kernel
from cadence.optim.kernels.source import Precision

Tensor: TypeAlias = Any

_PRECISIONS: dict[Any, Precision] = {paddle.float32: "float", paddle.float64: "double"}


class Piece(NamedTuple):
    """One tensor to update, with all that goes with it.

    Attributes:
        x, g, step: parameter, gradient and counter.
        states: in the order of the rule.
        numbers: the rule's.
    """

    x: Tensor
    g: Tensor
    states: list[Tensor]
    step: Tensor
    numbers: Mapping[str, float]


def precision_of(x: Tensor) -> Precision | None:
    """The precision of a kernel that can update this tensor where it lies, or None."""
    if not x.is_dense() or not x.is_contiguous() or not x.place.is_cpu_place():
        return None
    return _PRECISIONS.get(x.dtype)


def update_in_memory(run: Kernel, pieces: list[Piece], threads: int) -> array[float]:
    """Update tensors of one precision in place.

    Args:
        run: the kernel.
        pieces: the tensors; every `x` is such as `precision_of` has accepted.
        threads: at most.

    Returns:
        What each step was multiplied by.

    Raises:
        OptimizerError: a gradient or state does not fit its parameter; nothing has been changed.
    """
    at, rows, kept = Addresses(), dict[int, int](), list[Tensor]()
    for x, g, states, step, numbers in pieces:
        shape, size = x.shape, x.element_size()
        if g.shape != shape:
            raise misfit("gradient", g, x)
        if not _lies_alike(g, size):
            g = paddle.cast(g, x.dtype).cpu().contiguous()
            kept.append(g)
        for state in states:
            if state.shape != shape or not _lies_alike(state, size):
                raise misfit("state", state, x)
        if step.shape != [1] or not _lies_alike(step, 4):
            raise misfit("counter of updates", step, x)
        key = id(numbers)
        if key not in rows:
            rows[key] = at.row(list(numbers.values()))
        at.sizes.append(_elements(shape))
        at.x.append(x.data_ptr())
        at.g.append(g.data_ptr())
        at.state.extend([state.data_ptr() for state in states])
        at.step.append(step.data_ptr())
        at.numbers.append(rows[key])
    ratios = run.update(at, threads)
    for piece in pieces:
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


def _lies_alike(tensor: Tensor, element_size: int) -> bool:
    """Whether it lies in the processor's memory, one element after another, each as large as is said."""
    return (
        tensor.is_dense()
        and tensor.element_size() == element_size
        and tensor.is_contiguous()
        and tensor.place.is_cpu_place()
    )


def _elements(shape: list[int]) -> int:
    size = 1
    for length in shape:
        size *= length
    return size
