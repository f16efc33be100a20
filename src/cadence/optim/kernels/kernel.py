"""A rule as a function over memory: one call updates many tensors."""

from __future__ import annotations

import ctypes
from array import array
from functools import cache
from typing import final

from cadence.optim.kernels.compiler import compiled
from cadence.optim.kernels.source import Precision, source
from cadence.optim.rules.rule import Rule


@final
class Kernel:
    """One update of many tensors by one rule, in place.

    Args:
        rule: with its choice of variants.
        numbers: names of the numbers of each tensor, in their order.
        precision: of all tensors.

    Raises:
        CompilerError: there is no C compiler, or it refuses.
    """

    def __init__(self, rule: Rule, numbers: tuple[str, ...], precision: Precision) -> None:
        self._update = compiled(source(rule, numbers, precision)).update
        self._update.restype = ctypes.c_int
        self._update.argtypes = [ctypes.c_int64, *[ctypes.c_void_p] * 7, ctypes.c_int]

    def update(self, addresses: Addresses, threads: int) -> array[float]:
        """Update, with so many threads at most; returns what the step of each tensor was multiplied by."""
        count = len(addresses.sizes)
        scales = array("d", bytes(8 * count))
        lists = [addresses.sizes, addresses.x, addresses.g, addresses.state, addresses.step, addresses.numbers]
        if self._update(count, *[each.buffer_info()[0] for each in lists], scales.buffer_info()[0], threads):
            raise MemoryError(f"no memory to update {count} tensors")
        return scales


@final
class Addresses:
    """Where tensors lie, as `Kernel` takes it.

    Attributes:
        sizes: elements of each tensor.
        x, g, step: address of each parameter, gradient and counter.
        state: addresses of each tensor's states, one tensor after another.
        numbers: address of each tensor's row of numbers.
    """

    def __init__(self) -> None:
        self.sizes, self.x, self.g, self.state, self.step, self.numbers = (
            array("q"),
            array("Q"),
            array("Q"),
            array("Q"),
            array("Q"),
            array("Q"),
        )
        self._rows: list[array[float]] = []

    def row(self, numbers: list[float]) -> int:
        """Keep a row of numbers; returns its address."""
        kept = array("d", numbers)
        self._rows.append(kept)
        return kept.buffer_info()[0]


@cache
def kernel(rule: Rule, numbers: tuple[str, ...], precision: Precision) -> Kernel:
    """The kernel of a rule, compiled at most once per process."""
    return Kernel(rule, numbers, precision)
