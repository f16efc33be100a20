"""Updates by a compiled kernel, in the memory of paddle's tensors on a processor.

What lies where is asked anew for every update: paddle lets anyone put another tensor, of another size, where one was.
"""

from __future__ import annotations

import math
import os
from array import array
from collections.abc import Mapping, Sequence
from itertools import chain
from operator import attrgetter
from typing import Any, NamedTuple, TypeAlias

import paddle

from cadence._errors import OptimizerError
from cadence.optim.kernels.kernel import Addresses, Kernel
from cadence.optim.kernels.source import Precision

Tensor: TypeAlias = Any

_PRECISIONS: dict[int, Precision] = {4: "float", 8: "double"}
"""By the bytes of an element."""

_ONE = [1]

_TENSOR: Any = paddle.Tensor
_shape, _address = attrgetter("shape"), _TENSOR.data_ptr

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
    xs, gs, states, numbers = zip(*pieces, strict=True)
    *own, steps = zip(*states, strict=True)
    shapes, size = list(map(_shape, xs)), xs[0].element_size()
    if not _all_lie_well(gs, shapes, size):
        gs = [_gradient(g, x) for g, x in zip(gs, xs, strict=True)]
    for column in own:
        if not _all_lie_well(column, shapes, size):
            raise _first_misfit("state", column, xs, shapes, size)
    if not _all_lie_well(steps, [_ONE] * len(steps), 4):
        raise _first_misfit("counter of updates", steps, xs, [_ONE] * len(steps), 4)
    at = Addresses()
    at.sizes.extend(map(math.prod, shapes))
    at.x.extend(map(_address, xs))
    at.g.extend(map(_address, gs))
    at.state.extend(chain.from_iterable(zip(*(map(_address, column) for column in own), strict=True)))
    at.step.extend(map(_address, steps))
    rows = {id(row): row for row in numbers}
    places = {key: at.row(list(row.values())) for key, row in rows.items()}
    at.numbers.extend([places[id(row)] for row in numbers])
    return Laid(at, pieces, list(gs))


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


def _gradient(g: Tensor, x: Tensor) -> Tensor:
    """A gradient that lies well; a copy where it does not."""
    if g.shape != x.shape:
        raise misfit("gradient", g, x)
    return g if _lies_well(g, x.element_size()) else paddle.cast(g, x.dtype).cpu().contiguous()


def _first_misfit(
    what: str, tensors: Sequence[Tensor], xs: Sequence[Tensor], shapes: Sequence[list[int]], element_size: int
) -> OptimizerError:
    """The error for the first of some tensors that does not go with its parameter."""
    return next(
        misfit(what, tensor, x)
        for tensor, x, shape in zip(tensors, xs, shapes, strict=True)
        if tensor.shape != shape or not _lies_well(tensor, element_size)
    )


def _all_lie_well(tensors: Sequence[Tensor], shapes: Sequence[list[int]], element_size: int) -> bool:
    """Whether each has its shape and lies well. Column by column: that takes a third of the time."""
    return (
        all(map(_TENSOR.is_dense, tensors))
        and list(map(_shape, tensors)) == shapes
        and set(map(_TENSOR.element_size, tensors)) == {element_size}
        and all(map(_TENSOR.is_contiguous, tensors))
        and (_PROCESSOR_ONLY or all(tensor.place.is_cpu_place() for tensor in tensors))
    )


def _lies_well(tensor: Tensor, element_size: int) -> bool:
    """Whether it lies in the processor's memory, one element after another, each as large as is said."""
    return (
        tensor.is_dense()
        and tensor.element_size() == element_size
        and tensor.is_contiguous()
        and (_PROCESSOR_ONLY or tensor.place.is_cpu_place())
    )
