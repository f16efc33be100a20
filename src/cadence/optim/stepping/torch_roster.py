"""The tensors of one launch, kept from update to update."""

from __future__ import annotations

from array import array
from collections.abc import Mapping, Sequence
from itertools import repeat
from operator import attrgetter, is_
from typing import Any, NamedTuple, TypeAlias, final

import torch
from torch import Tensor

from cadence.optim.kernels.cuda import CudaKernel, Launch, layout
from cadence.optim.kernels.values import Values
from cadence.optim.rules.rule import Rule
from cadence.optim.stepping.torch_memory import Group, Slot

_ADDRESS, _STRIDE = Tensor.data_ptr, Tensor.stride
_SHAPE, _DTYPE, _LAYOUT = attrgetter("shape"), attrgetter("dtype"), attrgetter("layout")


Variant: TypeAlias = tuple[Rule, tuple[str, ...]]


class Prepared(NamedTuple):
    """What updates tensors on a GPU in one stream.

    Attributes:
        stream: handle of the stream.
        table: what the kernel is told of an update.
        scales: what it tells.
        launches: of the kernel.
        others: memory that they use besides.
    """

    stream: int
    table: Tensor
    scales: Tensor
    launches: list[Launch]
    others: tuple[Tensor, ...]


@final
class Roster:
    """Tensors of one GPU and precision that are updated together, and where they lay at the last update.

    What stays as it was from one update to the next is looked at by calls that go through all tensors at once: asking
    each of a few hundred tensors one after the other takes longer than updating them.

    Args:
        run: updates them.
        variant: the rule, and the names of its numbers.
        xs: the parameters.
        places: of each among all parameters that have gradients.
        groups: of each.
        slots: of each.
        states: of each: what the optimizer holds of it. Its counter of updates is put beside those of the others.

    Attributes:
        run: updates them.
        variant: the rule, and the names of its numbers.
        xs: the parameters.
        places: of each.
        groups: those that they are of, each once.
        counters: of updates, one for each parameter, on the processor.
    """

    def __init__(
        self,
        run: CudaKernel,
        variant: Variant,
        xs: Sequence[Tensor],
        places: Sequence[int],
        groups: Sequence[Group],
        slots: Sequence[Slot],
        states: Sequence[dict[str, Any]],
    ) -> None:
        self.run, self.variant, self.xs, self.places = run, variant, list(xs), list(places)
        names = variant[0].state
        self.groups = list({id(group): group for group in groups}.values())
        self._group_of = [id(group) for group in groups]
        self.counters = torch.stack([slot.step for slot in slots])
        self._states, self._held = list(states), dict[str, list[Tensor]]()
        for state, counter in zip(states, self.counters.unbind(), strict=True):
            state["step"] = counter
        for name in (*names, "step"):
            self._held[name] = [state[name] for state in states]
        self._at = {name: list(map(_ADDRESS, held)) for name, held in self._held.items()}
        self._x, self._shapes = list(map(_ADDRESS, xs)), list(map(_SHAPE, xs))
        self._strides, self._dtype = list(map(_STRIDE, xs)), xs[0].dtype
        self._words = 5 + len(names)
        self._laid = laid = layout([slot.size for slot in slots])
        columns = [self._x, repeat(0), *(self._at[name] for name in names), [s.size for s in slots], laid.firsts]
        self._table = array("q", [word for row in zip(*columns, repeat(0)) for word in row])
        self._prepared: Prepared | None = None

    def prepared(self, words: int, stream: int) -> Prepared:
        """Memory of the GPU for the next update: that of the last one, where the stream is the same.

        In another stream the last one may not be done yet, and what it is told must stand until it is.
        """
        there = self._prepared
        if there is None or there.stream != stream or there.table.numel() != words:
            there = self._prepared = self._prepare(words, stream)
        return there

    def _prepare(self, words: int, stream: int) -> Prepared:
        laid, device = self._laid, self.xs[0].device
        count = len(laid.pieces) // 2
        numbers = torch.frombuffer(bytearray(laid.pieces.tobytes() or bytes(8)), dtype=torch.int32)
        pieces = numbers.pin_memory().to(device, non_blocking=True)
        table = pieces.new_empty(words, dtype=torch.int64)
        sums = pieces.new_empty(self.run.norms * count + 1, dtype=torch.float64)
        scales = pieces.new_ones(len(self.xs), dtype=torch.float64)
        begin = table.data_ptr()
        launches = self.run.launches(
            count, begin, pieces.data_ptr(), begin + 8 * len(self._table), sums.data_ptr(), scales.data_ptr()
        )
        return Prepared(stream, table, scales, launches, (pieces, sums))

    def same(self, xs: Sequence[Tensor], gradients: Sequence[Tensor], state: Mapping[Tensor, Any]) -> bool:
        """Whether these are the same parameters, and they, their states and gradients lie as those before.

        Args:
            xs: as many parameters.
            gradients: of each.
            state: of the optimizer.
        """
        shapes, strides = self._shapes, self._strides
        return (
            all(map(is_, xs, self.xs))
            and set(map(_LAYOUT, gradients)) == {torch.strided}
            and list(map(_ADDRESS, xs)) == self._x
            and list(map(_SHAPE, xs)) == shapes
            and list(map(_STRIDE, xs)) == strides
            and list(map(_SHAPE, gradients)) == shapes
            and list(map(_STRIDE, gradients)) == strides
            and {*map(_DTYPE, xs), *map(_DTYPE, gradients)} == {self._dtype}
            and all(map(is_, map(state.get, xs), self._states))
            and all(self._stays(name) for name in self._held)
        )

    def _stays(self, name: str) -> bool:
        held = self._held[name]
        there = map(dict[str, Any].get, self._states, repeat(name))
        return all(map(is_, there, held)) and list(map(_ADDRESS, held)) == self._at[name]

    def told(self, gradients: Sequence[Tensor], numbers: Mapping[int, Mapping[str, float]]) -> bytes:
        """Count an update; returns what the kernel is told of it: the table, and behind it the constants.

        Args:
            gradients: as dense as their parameters are.
            numbers: id of a group -> its numbers.
        """
        rows, constants = dict[tuple[int, float], int](), array("d")
        self.counters += 1
        places = array("q")
        for key in zip(self._group_of, self.counters.tolist(), strict=True):
            row = rows.get(key)
            if row is None:
                row = rows[key] = len(constants)
                known = Values({**numbers[key[0]], "t": key[1]})
                constants.extend([known[one] for one in self.run.constants])
            places.append(row)
        table = self._table
        table[1 :: self._words] = array("q", map(_ADDRESS, gradients))
        table[self._words - 1 :: self._words] = places
        return table.tobytes() + constants.tobytes()
