"""A traced rule as operations of paddle in order: numbers in double precision, elements in that of the tensors."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache
from typing import Any, NamedTuple, TypeAlias, final

import paddle

from cadence.optim.kernels.symbols import Operand, Symbol
from cadence.optim.kernels.trace import Trace, trace
from cadence.optim.rules.rule import Rule
from cadence.optim.stepping.paddle_operations import IN_PLACE, OPERATIONS, exactly

Tensor: TypeAlias = Any
"""A tensor of paddle, or a value of a static program."""

Number: TypeAlias = Any
"""A float, or a tensor of one float64 where no float is known yet."""


@final
class Pass:
    """Operations in order, each of which puts its result where one is not needed any more.

    Args:
        new: what is made, by the name of the tensor that it goes to.
        measured: further values that are wanted, in this order.
        works: operations that change their first operand. They are taken where that is the tensor that the result goes
            to, and nobody needs it any more as it was.
    """

    def __init__(
        self, new: Mapping[str, Operand], measured: Sequence[Operand], works: Mapping[str, Callable[..., Any]]
    ) -> None:
        self._works = works
        self._homes = {_key(value): name for name, value in new.items()}
        for value in measured:
            self._homes.pop(_key(value), None)
        self._given: list[str] = []
        self._numbers: list[Operand] = []
        self._steps: list[tuple[Callable[..., Any], tuple[int, ...], int]] = []
        ordered: list[Symbol] = []
        for value in (*new.values(), *measured):
            self._order(value, ordered)
        places = self._lay_out(ordered, (*new.values(), *measured))
        self._new = {name: places[_key(value)] for name, value in new.items()}
        self._measured = [places[_key(value)] for value in measured]

    def read(self, numbers: Numbers, tensors: Mapping[str, Tensor]) -> list[Any]:
        """The numbers, as `run` takes them: floats, or what operations with those tensors take."""
        dtype = tensors["x"].dtype
        return [_operand(numbers[number], dtype) for number in self._numbers]

    def run(self, tensors: Mapping[str, Tensor], numbers: Sequence[Any]) -> tuple[dict[str, Tensor], list[Tensor]]:
        """Execute; returns what is made, and what is measured."""
        values = [*(tensors[name] for name in self._given), *numbers, *[None] * self._registers]
        for work, operands, target in self._steps:
            values[target] = work(*[values[place] for place in operands])
        return {name: values[place] for name, place in self._new.items()}, [values[p] for p in self._measured]

    def _order(self, x: Operand, ordered: list[Symbol]) -> None:
        """Enter what a value is made of, each before what is made of it."""
        if not isinstance(x, Symbol) or not x.elementwise:
            if all(_key(x) != _key(there) for there in self._numbers):
                self._numbers.append(x)
        elif x.operation == "given":
            if x.name not in self._given:
                self._given.append(x.name)
        elif all(x is not there for there in ordered):
            for operand in x.operands:
                self._order(operand, ordered)
            ordered.append(x)

    def _lay_out(self, ordered: Sequence[Symbol], wanted: Sequence[Operand]) -> dict[object, int]:
        places: dict[object, int] = {name: i for i, name in enumerate(self._given)}
        places |= {_key(number): len(self._given) + i for i, number in enumerate(self._numbers)}
        fixed = len(places)
        last: dict[object, int] = {_key(o): i for i, x in enumerate(ordered) for o in x.operands}
        last |= {_key(value): len(ordered) for value in wanted}
        free: list[int] = []
        self._registers = 0
        for i, x in enumerate(ordered):
            operands = tuple(places[_key(o)] for o in x.operands)
            free += {places[_key(o)] for o in x.operands if last[_key(o)] == i and places[_key(o)] >= fixed}
            home = self._homes.get(_key(x))
            if home is not None and last.get(home) == i and self._changes(x, home):
                places[_key(x)] = places[home]
                self._steps.append((self._works[x.operation], operands, places[home]))
                continue
            if not free:
                free.append(fixed + self._registers)
                self._registers += 1
            places[_key(x)] = free.pop()
            self._steps.append((OPERATIONS[x.operation], operands, places[_key(x)]))
        return places

    def _changes(self, x: Symbol, home: str) -> bool:
        """Whether there is an operation for this that changes the tensor at home."""
        return x.operation in self._works and _key(x.operands[0]) == home and _is_tensor(x.operands[1])


def _is_tensor(x: Operand) -> bool:
    return isinstance(x, Symbol) and x.elementwise


def _key(x: Operand) -> object:
    """What tells values apart: given tensors by name, numbers that are written in the formula by themselves."""
    if not isinstance(x, Symbol):
        return float(x)
    return x.name if x.elementwise and x.operation == "given" else id(x)


class Passes(NamedTuple):
    """The ways through a rule: in one pass; or in two, with the scale between them."""

    together: Pass
    first: Pass
    scale: Operand
    finish: Pass


def passes_of(rule: Rule, numbers: Iterable[str]) -> Passes:
    """The ways through a rule with these numbers; what they make are other tensors than those that are given."""
    return _passes(rule, _names(numbers))


def passes_in_place(rule: Rule, numbers: Iterable[str]) -> Passes:
    """The same; what they make may be the tensors that are given, changed."""
    return _passes_in_place(rule, _names(numbers))


@cache
def _passes(rule: Rule, numbers: tuple[str, ...]) -> Passes:
    return _through(trace(rule, numbers), {})


@cache
def _passes_in_place(rule: Rule, numbers: tuple[str, ...]) -> Passes:
    return _through(trace(rule, numbers), IN_PLACE)


def _through(traced: Trace, works: Mapping[str, Callable[..., Any]]) -> Passes:
    return Passes(
        Pass(traced.together, (), works),
        Pass(traced.first, traced.measured, works),
        traced.scale,
        Pass(traced.finish, (), works),
    )


def _names(numbers: Iterable[str]) -> tuple[str, ...]:
    """Names of the numbers, as a trace takes them."""
    return tuple(name for name in numbers if name != "t")


# ---- numbers ---------------------------------------------------------------------------------------------------------


@final
class Numbers:
    """Values of numbers, computed once each, some of which no host knows yet: they are tensors of one float64.

    Args:
        given: by name.
    """

    def __init__(self, given: Mapping[str, Number]) -> None:
        self._given: dict[str, Number] = {}
        self._known: dict[int, Number] = {}
        for name, number in given.items():
            self.give(name, number)

    def give(self, name: str, number: Number) -> None:
        """Let it be known."""
        self._given[name] = float(number) if isinstance(number, (int, float)) else number

    def __getitem__(self, x: Operand) -> Number:
        if not isinstance(x, Symbol):
            return float(x)
        if x.operation == "given":
            return self._given[x.name]
        known = self._known.get(id(x))
        if known is None:
            operands = [self[o] for o in x.operands]
            if not all(isinstance(o, (float, bool)) for o in operands):
                operands = [_beside_tensors(o, x.operation) for o in operands]
            known = self._known[id(x)] = OPERATIONS[x.operation](*operands)
        return known


def _operand(number: Number, dtype: Any) -> Any:
    return exactly(number, dtype) if isinstance(number, float) else paddle.cast(number, dtype)


def _beside_tensors(number: Number, operation: str) -> Number:
    """An operand where another is a tensor: of double precision, too, unless it is a condition."""
    if isinstance(number, float):
        return exactly(number, "float64")
    if number.dtype == paddle.bool and operation not in ("or", "where"):
        return paddle.cast(number, "float64")
    return number
