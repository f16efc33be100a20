"""Rules executed by paddle's own operations: at once, in pieces that stay in a cache, or as part of a static program.

The formula is traced, as for a kernel: numbers are computed in double precision, elements in that of the tensors.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import paddle

from cadence.optim.kernels.symbols import given
from cadence.optim.kernels.trace import SCALE
from cadence.optim.rules.rule import Rule
from cadence.optim.stepping.paddle_passes import Number, Numbers, Tensor, passes_in_place, passes_of

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
    ways, known = passes_of(rule, numbers), Numbers(numbers)
    if not rule.measures:
        return ways.together.run(tensors, ways.together.read(known, tensors))[0], 1.0
    made, vectors = ways.first.run(tensors, ways.first.read(known, tensors))
    for i, vector in enumerate(vectors):
        known.give(f"norm{i}", norm(vector))
    scale = known[ways.scale]
    known.give(SCALE, scale)
    tensors = {**tensors, **made, **{f"vector{i}": vector for i, vector in enumerate(vectors)}}
    return {**made, **ways.finish.run(tensors, ways.finish.read(known, tensors))[0]}, scale


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
    ways, known = passes_in_place(rule, numbers), Numbers(numbers)
    pieces = _cut({name: tensor.reshape([-1]) for name, tensor in tensors.items()})
    if not rule.measures:
        given = ways.together.read(known, tensors)
        for piece in pieces:
            _put_all(ways.together.run(piece, given)[0], piece)
        return 1.0
    given, squares = ways.first.read(known, tensors), [0.0] * 2
    for piece in pieces:
        made, vectors = ways.first.run(piece, given)
        for i, vector in enumerate(vectors):
            squares[i] += float(_squares(vector).item())
            piece[f"vector{i}"] = vector
        _put_all(made, piece)
    for i, square in enumerate(squares):
        known.give(f"norm{i}", square**0.5)
    scale: float = known[ways.scale]
    known.give(SCALE, scale)
    given = ways.finish.read(known, tensors)
    for piece in pieces:
        _put_all(ways.finish.run(piece, given)[0], piece)
    return scale


def _cut(rows: Mapping[str, Tensor]) -> list[dict[str, Tensor]]:
    """Rows as pieces, which are views."""
    size = rows["x"].shape[0]
    return [{name: row[begin : begin + PIECE] for name, row in rows.items()} for begin in range(0, size, PIECE)]


def _put_all(made: Mapping[str, Tensor], piece: Mapping[str, Tensor]) -> None:
    for name, value in made.items():
        if value is not piece[name]:
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
