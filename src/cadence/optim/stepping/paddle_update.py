"""Updates by paddle's own operations: of tensors that are there, or as operations of a static program."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import paddle

from cadence.optim.rules.rule import Rule
from cadence.optim.stepping.paddle_checks import HALVES, Tensor
from cadence.optim.stepping.paddle_memory import Piece, misfit
from cadence.optim.stepping.paddle_operations import exactly
from cadence.optim.stepping.paddle_plain import (
    fits_pieces,
    new_values,
    norms_of_rows,
    numbers_in_program,
    put,
    update_in_pieces,
)

SMALL = 4096
"""Elements up to which tensors of one shape are put together: for them an operation is nothing but its call."""


def update_here(pieces: Sequence[tuple[Piece, Rule]]) -> list[Any]:
    """Update tensors by paddle's own operations; returns what each step was multiplied by.

    Raises:
        OptimizerError: a gradient or state does not fit its parameter; nothing has been changed.
    """
    for piece, rule in pieces:
        _check(piece, rule)
    alike: dict[object, list[int]] = {}
    times = [_counted(piece) for piece, _ in pieces]
    for i, (piece, rule) in enumerate(pieces):
        shape = tuple(piece.x.shape)
        small = math.prod(shape) <= SMALL
        key = (rule, id(piece.numbers), times[i], shape, piece.x.dtype, piece.g.dtype) if small else i
        alike.setdefault(key, []).append(i)
    ratios: list[Any] = [1.0] * len(pieces)
    for members in alike.values():
        those, rule, t = [pieces[i][0] for i in members], pieces[members[0]][1], times[members[0]]
        own = [_update(those[0], rule, t)] if len(members) == 1 else _update_rows(those, rule, t)
        for i, ratio in zip(members, own, strict=True):
            ratios[i] = ratio
    for piece, _ in pieces:
        piece.x._bump_inplace_version()
    return ratios


def _check(piece: Piece, rule: Rule) -> None:
    shape = piece.x.shape
    for what, tensor in [("gradient", piece.g), *zip(rule.state, piece.states, strict=False)]:
        if tensor.shape != shape:
            raise misfit(what, tensor, piece.x)


def _counted(piece: Piece) -> float:
    """Count an update; returns its number."""
    counted: Any = paddle.increment(piece.states[-1])
    return float(counted.item())


def _update(piece: Piece, rule: Rule, t: float) -> Any:
    """Update one tensor; returns what its step was multiplied by."""
    places = _places(piece, rule)
    x, numbers = piece.x, {**piece.numbers, "t": t}
    inner = _inner(x)
    given = {name: _as(inner, tensor) for name, tensor in {**places, "g": piece.g}.items()}
    if inner == x.dtype and fits_pieces(*given.values()):
        return update_in_pieces(rule, given, numbers)
    made, ratio = new_values(rule, given, numbers)
    for name, value in made.items():
        put(value, places[name])
    return ratio


def _update_rows(pieces: Sequence[Piece], rule: Rule, t: float) -> list[Any]:
    """Update tensors of one shape and with the same numbers together, each as a row."""
    places = [_places(piece, rule) for piece in pieces]
    first, inner = pieces[0], _inner(pieces[0].x)
    gathered = {name: [place[name] for place in places] for name in places[0]} | {"g": [p.g for p in pieces]}
    rows = {name: _as(inner, paddle.stack(those)).reshape([len(pieces), -1]) for name, those in gathered.items()}
    made, ratio = new_values(rule, rows, {**first.numbers, "t": t}, norms_of_rows)
    for name, value in made.items():
        for row, there in zip(value.reshape([len(pieces), *first.x.shape]).unbind(0), gathered[name], strict=True):
            put(row, there)
    return ratio.flatten().unbind(0) if isinstance(ratio, paddle.Tensor) else [ratio] * len(pieces)


def _places(piece: Piece, rule: Rule) -> dict[str, Tensor]:
    return {"x": piece.x, **dict(zip(rule.state, piece.states, strict=False))}


def _inner(x: Tensor) -> Any:
    """What is computed in: half precision is what is stored."""
    return paddle.float32 if x.dtype in HALVES else x.dtype


def append_update(
    rule: Rule,
    settings: Mapping[str, Any],
    rate: Tensor,
    places: Mapping[str, Tensor],
    g: Tensor,
    counter: Tensor,
    norm: Tensor | None,
    skip: Tensor | None,
) -> None:
    """Append the operations of one tensor's update to the static program that is being made.

    Args:
        rule: with its choice of variants.
        settings: of the optimizer.
        rate: of this tensor.
        places: ``x`` and the states.
        g: gradient.
        counter: of updates.
        norm: of all gradients together, where they are to be scaled down.
        skip: where it will be True, nothing is changed.
    """
    numbers = numbers_in_program(rule, settings, paddle.cast(rate, "float64").reshape([]))
    if norm is not None:
        times = norm / exactly(settings["max_grad_norm"], "float64")
        numbers["shrink"] = paddle.maximum(times, exactly(1.0, "float64"))
    counted = counter + 1.0
    numbers["t"] = paddle.cast(counted, "float64").reshape([])
    inner = paddle.float32 if g.dtype in HALVES else g.dtype
    made, _ = new_values(rule, {name: _as(inner, tensor) for name, tensor in {**places, "g": g}.items()}, numbers)
    for value, there in [*((made[name], places[name]) for name in made), (counted, counter)]:
        put(value if skip is None else paddle.where(skip, _as(value.dtype, there), value), there)


def _as(dtype: Any, tensor: Tensor) -> Tensor:
    return tensor if tensor.dtype == dtype else paddle.cast(tensor, dtype)


def norm_of(gradients: Sequence[Tensor]) -> Tensor:
    """Norm of all of them as one vector, in double precision."""
    squares = [
        paddle.cast(paddle.sum(paddle.square(_as(paddle.float32, g) if g.dtype in HALVES else g)), "float64")
        for g in gradients
    ]
    return paddle.sqrt(paddle.add_n(squares))


def shrunk(settings: Mapping[str, Any], norm: float) -> float:
    """What gradients are divided by."""
    bound = settings.get("max_grad_norm")
    # A norm that is not a number stays so.
    return 1.0 if bound is None or norm <= bound else norm / bound
