"""A rule as functions of a GPU: a few launches update many tensors.

Source: NVIDIA, CUDA Driver API, modules and execution control.
"""

from __future__ import annotations

import ctypes
from array import array
from collections.abc import Sequence
from functools import cache
from typing import Any, NamedTuple, final

from cadence._errors import CompilerError
from cadence.optim.kernels.cuda_source import PIECE, THREADS, cuda_source
from cadence.optim.kernels.nvrtc import machine_code
from cadence.optim.kernels.source import Precision
from cadence.optim.kernels.symbols import Operand
from cadence.optim.rules.rule import Rule


class Layout(NamedTuple):
    """How tensors of given sizes are gone through: all pieces of all of them by one launch.

    (To have LAMB's second pass follow its first over a few megabytes at a time, which the cache holds, was tried: the
    launches cost more than the memory that they save, 1.4 to 1.9 times as long on an H200.)

    Attributes:
        pieces: number of a tensor and of its piece, for each piece.
        firsts: number of each tensor's first piece.
    """

    pieces: array[int]
    firsts: list[int]


def layout(sizes: Sequence[int]) -> Layout:
    """Lay out tensors; an empty one has no pieces.

    Example:
        >>> found = layout([3, 10_000, 5])
        >>> found.pieces.tolist(), found.firsts
        ([0, 0, 1, 0, 1, 1, 2, 0], [0, 1, 3])
    """
    pieces, firsts = array("i"), list[int]()
    for number, size in enumerate(sizes):
        firsts.append(len(pieces) // 2)
        for piece in range(-(-size // PIECE)):
            pieces.extend((number, piece))
    return Layout(pieces, firsts)


@final
class CudaKernel:
    """One update of many tensors by one rule, in place, on one GPU. All addresses are those of its memory.

    Args:
        rule: with its choice of variants.
        numbers: names of the numbers of each tensor.
        precision: of all tensors.
        capability: of the GPU.
        cuda: version of CUDA that the framework is built with.

    Attributes:
        constants: what each tensor's row holds, in order.
        norms: how many sums are kept for each piece.

    Raises:
        CompilerError: there is no compiler, or it or the driver refuses.
    """

    def __init__(
        self, rule: Rule, numbers: tuple[str, ...], precision: Precision, capability: tuple[int, int], cuda: str
    ) -> None:
        written = cuda_source(rule, numbers, precision)
        self.constants: tuple[Operand, ...] = written.constants
        self.norms = written.norms
        module = ctypes.c_void_p()
        _check(_driver().cuModuleLoadData(ctypes.byref(module), machine_code(written.code, capability, cuda)))
        self._module = module
        names = ("first", "second") if written.norms else ("only",)
        self._functions = [_function(module, name) for name in names]

    def launches(self, count: int, table: int, pieces: int, constants: int, sums: int, scales: int) -> list[Launch]:
        """What updates tensors, in order.

        Args:
            count: of pieces.
            table, pieces, constants, sums, scales: addresses in the memory of the GPU.
        """
        if not count:
            return []
        if not self.norms:
            return [Launch(self._functions[0], count, (table, pieces, constants))]
        first, second = self._functions
        given = (table, pieces, constants, sums)
        return [Launch(first, count, given), Launch(second, count, (*given, scales))]


@final
class Launch:
    """One call of a kernel, as it is made at each update.

    Args:
        function: of a module that is loaded.
        blocks: that it is executed by.
        addresses: its arguments.
    """

    def __init__(self, function: ctypes.c_void_p, blocks: int, addresses: Sequence[int]) -> None:
        values = [ctypes.c_void_p(address) for address in addresses]
        places = (ctypes.c_void_p * len(values))(*(ctypes.addressof(value) for value in values))
        self._values = values  # what the places point to
        self._call = _driver().cuLaunchKernel
        shape = [ctypes.c_uint(n) for n in (blocks, 1, 1, THREADS, 1, 1, 0)]
        self._before, self._after = (function, *shape), (places, None)

    def begin(self, stream: ctypes.c_void_p) -> None:
        """Have it executed after all that the stream has before; returns at once."""
        status = self._call(*self._before, stream, *self._after)
        if status:
            _check(status)


@cache
def cuda_kernel(
    rule: Rule, numbers: tuple[str, ...], precision: Precision, device: int, capability: tuple[int, int], cuda: str
) -> CudaKernel:
    """The kernel of a rule on a GPU, which is the current one; made at most once per process."""
    del device  # a module is loaded into the context of one GPU
    return CudaKernel(rule, numbers, precision, capability, cuda)


def _function(module: ctypes.c_void_p, name: str) -> ctypes.c_void_p:
    function = ctypes.c_void_p()
    _check(_driver().cuModuleGetFunction(ctypes.byref(function), module, name.encode()))
    return function


@cache
def _driver() -> Any:
    try:
        return ctypes.CDLL("libcuda.so.1")
    except OSError as fault:
        raise CompilerError(f"the driver of the GPU cannot be loaded ({fault}); see cadence env") from fault


def _check(status: int) -> None:
    if status:
        said = ctypes.c_char_p()
        _driver().cuGetErrorString(status, ctypes.byref(said))
        told = (said.value or b"").decode() or f"error {status}"
        raise CompilerError(f"the driver refuses the code of a rule ({told}); make the optimizer with compiled=False")
