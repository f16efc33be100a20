"""Rules executed by paddle's own operations: at once, in pieces that stay in a cache, or as part of a static program.

The formula is traced, as for a kernel: numbers are computed in double precision, elements in that of the tensors.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Any, NamedTuple, TypeAlias, final

import paddle

from cadence.optim.kernels.symbols import Operand, Symbol, given
from cadence.optim.kernels.trace import SCALE, trace
from cadence.optim.rules.rule import Rule
from cadence.optim.stepping.paddle_operations import OPERATIONS, exactly

Tensor: TypeAlias = Any
"""A tensor of paddle, or a value of a static program."""

Number: TypeAlias = Any
"""A float, or a tensor of one float64 where no float is known yet."""

PIECE = 65536
"""Elements that are gone through together on a processor: what is computed in between stays in its cache."""


_VIEWS = "FLAGS_use_stride_kernel"


def norm_of_all(x: Tensor) -> Number:
    """Norm of a tensor; a float where that is known at once."""
    squares = _squares(x)
    if paddle.in_dynamic_mode() and squares.place.is_cpu_place():
        return float(squares.item()) ** 0.5
    return paddle.sqrt(paddle.cast(squares, "float64"))


def norms_of_rows(x: Tensor) -> Number:
    """Norm of each row."""
    return paddle.sqrt(paddle.cast(paddle.sum(x * x, axis=1, keepdim=True), "float64"))


def new_values(
    rule: Rule,
    tensors: Mapping[str, Tensor],
    numbers: Mapping[str, Number],
    norm: Callable[[Tensor], Number] = norm_of_all,
) -> tuple[dict[str, Tensor], Number]:
    """What one update makes of a tensor; may be part of a static program, and waits for no device.

    Args:
        rule: with its choice of variants.
        tensors: ``x``, ``g`` and the states, of one dtype.
        numbers: the rule's, and ``t``.
        norm: takes the norms; `norms_of_rows` where each row is a tensor for itself.

    Returns:
        What is to be put into ``x`` and the states, and what the step was multiplied by.
    """
    passes, known = _passes(rule, tuple(name for name in numbers if name != "t")), Numbers(numbers)
    if not rule.measures:
        return passes.together.run(tensors, passes.together.read(known, tensors))[0], 1.0
    made, vectors = passes.first.run(tensors, passes.first.read(known, tensors))
    for i, vector in enumerate(vectors):
        known.give(f"norm{i}", norm(vector))
    scale = known[passes.scale]
    known.give(SCALE, scale)
    tensors = {**tensors, **made, **{f"vector{i}": vector for i, vector in enumerate(vectors)}}
    return {**made, **passes.finish.run(tensors, passes.finish.read(known, tensors))[0]}, scale


def numbers_in_program(rule: Rule, settings: Mapping[str, Any], rate: Tensor) -> dict[str, Number]:
    """The numbers of a rule where the rate is a value of a static program, of one float64."""
    known = Numbers({"lr": rate})
    numbers = rule.numbers({**settings, "lr": given("lr", elementwise=False)})
    return {name: known[number] for name, number in numbers.items()}


def fits_pieces(*tensors: Tensor) -> bool:
    """Whether tensors are such as `update_in_pieces` takes, and so large that they are more than one piece."""
    return (
        math.prod(tensors[0].shape) > PIECE
        and all(tensor.place.is_cpu_place() and tensor.is_contiguous() for tensor in tensors)
        and bool(paddle.get_flags(_VIEWS)[_VIEWS])
    )


def update_in_pieces(rule: Rule, tensors: Mapping[str, Tensor], numbers: Mapping[str, float]) -> float:
    """Update one tensor in place, on a processor. All tensors are contiguous, of one dtype and shape.

    Args:
        rule: with its choice of variants.
        tensors: ``x``, ``g`` and the states.
        numbers: the rule's, and ``t``.

    Returns:
        What the step was multiplied by.
    """
    passes, known = _passes(rule, tuple(name for name in numbers if name != "t")), Numbers(numbers)
    pieces = _cut({name: tensor.reshape([-1]) for name, tensor in tensors.items()})
    if not rule.measures:
        given = passes.together.read(known, tensors)
        for piece in pieces:
            _put_all(passes.together.run(piece, given)[0], piece)
        return 1.0
    given, squares = passes.first.read(known, tensors), [0.0] * 2
    for piece in pieces:
        made, vectors = passes.first.run(piece, given)
        for i, vector in enumerate(vectors):
            squares[i] += float(_squares(vector).item())
            piece[f"vector{i}"] = vector
        _put_all(made, piece)
    for i, square in enumerate(squares):
        known.give(f"norm{i}", square**0.5)
    scale: float = known[passes.scale]
    known.give(SCALE, scale)
    given = passes.finish.read(known, tensors)
    for piece in pieces:
        _put_all(passes.finish.run(piece, given)[0], piece)
    return scale


def _cut(rows: Mapping[str, Tensor]) -> list[dict[str, Tensor]]:
    """Rows as pieces, which are views."""
    size = rows["x"].shape[0]
    return [{name: row[begin : begin + PIECE] for name, row in rows.items()} for begin in range(0, size, PIECE)]


def _put_all(made: Mapping[str, Tensor], piece: Mapping[str, Tensor]) -> None:
    for name, value in made.items():
        put(value, piece[name])


def put(value: Tensor, into: Tensor) -> None:
    """Put a value where another is, in the dtype that is there; or append that to the program that is being made."""
    value = value if value.dtype == into.dtype else paddle.cast(value, into.dtype)
    if paddle.in_dynamic_mode():
        into.copy_(value, True)
    else:
        paddle.assign(value, output=into)


def _squares(x: Tensor) -> Tensor:
    """Sum of squares. Not paddle's norms, which add one element after another: in single precision they are 5 % off for
    a tensor of 40 million."""
    return paddle.sum(x * x)


# ---- elements --------------------------------------------------------------------------------------------------------


@final
class _Pass:
    """Operations in order, each of which puts its result where one is not needed any more.

    Args:
        new: what is made, by the name of the tensor that it goes to.
        measured: further values that are wanted, in this order.
    """

    def __init__(self, new: Mapping[str, Operand], measured: Sequence[Operand] = ()) -> None:
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
            if not free:
                free.append(fixed + self._registers)
                self._registers += 1
            places[_key(x)] = free.pop()
            self._steps.append((OPERATIONS[x.operation], operands, places[_key(x)]))
        return places


def _key(x: Operand) -> object:
    """What tells values apart: given tensors by name, numbers that are written in the formula by themselves."""
    if not isinstance(x, Symbol):
        return float(x)
    return x.name if x.elementwise and x.operation == "given" else id(x)


class _Passes(NamedTuple):
    """The ways through a rule: in one pass; or in two, with the scale between them."""

    together: _Pass
    first: _Pass
    scale: Operand
    finish: _Pass


@cache
def _passes(rule: Rule, numbers: tuple[str, ...]) -> _Passes:
    traced = trace(rule, numbers)
    return _Passes(
        _Pass(traced.together),
        _Pass(traced.first, traced.measured),
        traced.scale,
        _Pass(traced.finish),
    )


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
