"""Rules executed by torch's own operations on a processor, in pieces that stay in its cache.

The formula is traced, as for a kernel, and laid out as a list of operations, each of which writes into memory that is
there already: the tensor that is to be changed, or one of a few registers of the size of a piece.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache
from typing import NamedTuple, TypeAlias, final

import torch
from torch import Tensor

from cadence.optim.kernels.symbols import Operand, Symbol
from cadence.optim.kernels.trace import SCALE, trace
from cadence.optim.kernels.values import Values
from cadence.optim.rules.rule import Rule
from cadence.optim.stepping.torch_operations import chosen, copy

LARGEST_PIECE = 65536
"""Elements that are gone through together: with what is computed in between they stay in the cache of a processor."""

SMALLEST_PIECE = 1024
"""The same where there are few parameters, and more would be much beside them."""

_HALVES = (torch.float16, torch.bfloat16)

Place: TypeAlias = "str | int"
"""Where a value lies: in a tensor that was given, by name, or in a register, by number."""

Memory: TypeAlias = dict[Place, Tensor]


@final
class Pieces:
    """A rule at one update of tensors that share their numbers.

    Args:
        rule: with its choice of variants.
        numbers: the rule's, and ``t``.
        registers: memory to compute in.
    """

    def __init__(self, rule: Rule, numbers: Mapping[str, float], registers: Registers) -> None:
        names = tuple(name for name in numbers if name != "t")
        self._measures = rule.measures
        self._trace, self._passes = trace(rule, names), _passes(rule, names)
        self._kept = list(self._trace.kept)
        self._registers = registers
        self._known = Values(numbers)
        self._bound: dict[str, list[_Bound]] = {}

    def update(self, x: Tensor, g: Tensor, state: Mapping[str, Tensor]) -> float:
        """Update one tensor in place, on the CPU. All tensors are dense, of one dtype, and lie alike in memory.

        Returns:
            What the step was multiplied by.
        """
        rows = {name: _row(tensor) for name, tensor in {"x": x, "g": g, **state}.items()}
        registers, work = self._registers, self._passes
        if not self._measures:
            steps = self._steps("together", work.together)
            for memory in registers.around(rows, work.together):
                _run(steps, memory)
            return 1.0
        kept = registers.keep(x, self._kept)
        if kept is None:
            first, second, steps = work.first, work.second, self._steps("first", work.first)
        else:
            first, second, steps = work.keeping, work.finish, self._steps("keeping", work.keeping)
            rows |= kept
        squares = [0.0] * len(first.results)
        for memory in registers.around(rows, first):
            _run(steps, memory)
            for i, place in enumerate(first.results):
                vector = memory[place]
                squares[i] += torch.dot(vector, vector).item()
        norms = {f"norm{i}": square**0.5 for i, square in enumerate(squares)}
        scale = self._known.then(norms)[self._trace.scale]
        steps = second.bound(self._known.then({SCALE: scale}))
        for memory in registers.around(rows, second):
            _run(steps, memory)
        return scale

    def _steps(self, name: str, work: _Pass) -> list[_Bound]:
        """Operations that are the same for all tensors."""
        if name not in self._bound:
            self._bound[name] = work.bound(self._known)
        return self._bound[name]


# ---- elements ------------------------------------------------------------------------------------------------------


class _Step(NamedTuple):
    """One operation: ``work(*tensors, *numbers, out)``."""

    work: Callable[..., object]
    tensors: tuple[Place, ...]
    numbers: tuple[Operand, ...]
    target: Place


@final
class _Pass:
    """Operations in order, laid out over registers.

    Args:
        new: what is written, by the name of the tensor that it goes to.
        results: further values whose places are wanted; in the order given.

    Attributes:
        registers: how many are used.
        results: where those values are.
        changed: names of the tensors that are written.
        read: names of the tensors that are looked at.
    """

    def __init__(self, new: Mapping[str, Operand], results: Sequence[Operand]) -> None:
        layout = _Layout(new, results)
        self._steps = layout.steps
        self.registers = layout.registers
        self.results = layout.results
        self.changed = tuple(new)
        self.read = layout.read

    def bound(self, known: Values) -> list[_Bound]:
        """The operations with their numbers."""
        return [(work, tensors, [known[n] for n in numbers], target) for work, tensors, numbers, target in self._steps]


_Bound: TypeAlias = tuple[Callable[..., object], tuple[Place, ...], list[float], Place]


def _run(steps: Sequence[_Bound], memory: Memory) -> None:
    for work, tensors, numbers, target in steps:
        work(*[memory[place] for place in tensors], *numbers, memory[target])


class _Passes(NamedTuple):
    """The ways through a rule: in one pass, in two, and in two of which the first keeps what it has measured."""

    together: _Pass
    first: _Pass
    second: _Pass
    keeping: _Pass
    finish: _Pass


@cache
def _passes(rule: Rule, numbers: tuple[str, ...]) -> _Passes:
    traced = trace(rule, numbers)
    return _Passes(
        together=_Pass(traced.together, ()),
        first=_Pass(traced.first, traced.measured),
        second=_Pass(traced.second, ()),
        keeping=_Pass({**traced.first, **traced.kept}, traced.measured),
        finish=_Pass(traced.finish, ()),
    )


class _Operation(NamedTuple):
    """An operation before it is laid out: operands are values by number, or names of what is given."""

    work: Callable[..., object]
    tensors: tuple[Place, ...]
    numbers: tuple[Operand, ...]


@final
class _Layout:
    """Finds the operations of a formula, and a place for the result of each."""

    def __init__(self, new: Mapping[str, Operand], results: Sequence[Operand]) -> None:
        self._operations: list[_Operation] = []
        self._numbered: dict[object, int] = {}
        self._found: dict[int, Place] = {}
        finals = {name: self._value(value) for name, value in new.items()}
        wanted = [self._value(value) for value in results]
        self.read = tuple(
            {p for o in self._operations for p in o.tensors if isinstance(p, str)}
            | {p for p in [*finals.values(), *wanted] if isinstance(p, str)}
        )
        self.steps: list[_Step] = []
        self.registers = 0
        places = self._lay_out(finals, wanted)
        self.results = tuple(p if isinstance(p, str) else places[p] for p in wanted)

    # ---- operations ----------------------------------------------------------------------------------------------

    def _value(self, x: Operand) -> Place:
        """Number of an operation, or name of a tensor, that gives this value."""
        assert isinstance(x, Symbol)
        assert x.elementwise
        if x.operation == "given":
            return x.name
        if id(x) not in self._found:
            self._found[id(x)] = self._enter(*chosen(x))
        return self._found[id(x)]

    def _enter(self, work: Callable[..., object], tensors: Sequence[Operand], numbers: Sequence[Operand]) -> int:
        made = _Operation(work, tuple(self._value(t) for t in tensors), tuple(numbers))
        key = (work, made.tensors, tuple(n if not isinstance(n, Symbol) else id(n) for n in numbers))
        if key not in self._numbered:
            self._numbered[key] = len(self._operations)
            self._operations.append(made)
        return self._numbered[key]

    # ---- places --------------------------------------------------------------------------------------------------

    def _lay_out(self, finals: Mapping[str, Place], wanted: Sequence[Place]) -> dict[int, Place]:
        end = len(self._operations)
        last: dict[Place, int] = {}
        for i, operation in enumerate(self._operations):
            last.update(dict.fromkeys(operation.tensors, i))
        last.update(dict.fromkeys([*finals.values(), *wanted], end))
        homes = {value: name for name, value in finals.items() if isinstance(value, int)}
        places: dict[int, Place] = {}
        free: list[int] = []
        for i, operation in enumerate(self._operations):
            at = tuple(p if isinstance(p, str) else places[p] for p in operation.tensors)
            for p in {p for p in operation.tensors if isinstance(p, int) and last[p] == i}:
                if isinstance(register := places[p], int):
                    free.append(register)
            # In place, where what is there is not needed any more; every operation may overwrite its own operands.
            home = homes.get(i)
            if home is not None and last.get(home, -1) <= i:
                places[i] = home
            else:
                if not free:
                    free.append(self.registers)
                    self.registers += 1
                places[i] = free.pop()
            self.steps.append(_Step(operation.work, at, operation.numbers, places[i]))
        for name, value in finals.items():
            source = value if isinstance(value, str) else places[value]
            if source != name:
                self.steps.append(_Step(copy, (source,), (), name))
        return places


# ---- memory --------------------------------------------------------------------------------------------------------


@final
class Registers:
    """Memory to compute in, used again from tensor to tensor; a small share of what the parameters take.

    Args:
        elements: of all parameters together.
    """

    def __init__(self, elements: int) -> None:
        self._piece = min(max(elements // 128, SMALLEST_PIECE), LARGEST_PIECE)
        self._most_kept = elements // 40
        self._all: dict[tuple[str, torch.dtype], Tensor] = {}

    def around(self, rows: Mapping[str, Tensor], work: _Pass) -> Iterator[Memory]:
        """The memory of one piece after another; what is half precision is computed in single, and rounded once."""
        dtype, size = rows["x"].dtype, rows["x"].numel()
        half = dtype in _HALVES
        piece = min(self._piece, size)
        inner = torch.float32 if half else dtype
        registers = [self._some(str(i), inner, piece) for i in range(work.registers)]
        wide = {name: self._some(name, inner, piece) for name, row in rows.items() if row.dtype != inner}
        if size <= piece and not half:
            yield {**rows, **dict(enumerate(registers))}
            return
        for begin in range(0, size, piece):
            end = min(begin + piece, size)
            memory: Memory = {name: row[begin:end] for name, row in rows.items()}
            memory |= {i: register[: end - begin] for i, register in enumerate(registers)}
            if not half:
                yield memory
                continue
            inside = memory | {name: row[: end - begin] for name, row in wide.items()}
            for name in work.read:
                if name in wide:
                    inside[name].copy_(memory[name])
            yield inside
            for name in work.changed:
                if name in wide:
                    memory[name].copy_(inside[name])

    def keep(self, like: Tensor, names: list[str]) -> dict[str, Tensor] | None:
        """Rows as long as a whole tensor; None where that would be too much memory."""
        if like.numel() * len(names) > self._most_kept:
            return None
        inner = torch.float32 if like.dtype in _HALVES else like.dtype
        return {name: self._some(f"kept {name}", inner, like.numel()) for name in names}

    def _some(self, name: str, dtype: torch.dtype, size: int) -> Tensor:
        there = self._all.get((name, dtype))
        if there is None or there.numel() < size:
            there = self._all[(name, dtype)] = torch.empty(size, dtype=dtype)
        return there[:size]


def _row(tensor: Tensor) -> Tensor:
    """The same memory as one row, in the order in which it lies."""
    return tensor.as_strided((tensor.numel(),), (1,), tensor.storage_offset())
