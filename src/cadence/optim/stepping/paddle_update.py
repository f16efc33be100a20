"""Updates by paddle's own operations: of tensors that are there, or as operations of a static program."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import paddle

from cadence.optim.rules.rule import Rule
from cadence.optim.stepping.paddle_groups import HALVES, Tensor
from cadence.optim.stepping.paddle_memory import Piece, misfit
from cadence.optim.stepping.paddle_operations import exactly
from cadence.optim.stepping.paddle_plain import fits_pieces, new_values, numbers_in_program, put, update_in_pieces


def update_here(piece: Piece, rule: Rule) -> Any:
    """Update one tensor by paddle's own operations; returns what the step was multiplied by."""
    x, g, (*states, step), numbers = piece
    for what, tensor in [("gradient", g), *zip(rule.state, states, strict=True)]:
        if tensor.shape != x.shape:
            raise misfit(what, tensor, x)
    put(step + 1.0, step)
    numbers = {**numbers, "t": float(step.item())}
    inner = paddle.float32 if x.dtype in HALVES else x.dtype
    places = {"x": x, **dict(zip(rule.state, states, strict=True))}
    given = {name: _as(inner, tensor) for name, tensor in {**places, "g": g}.items()}
    if inner == x.dtype and fits_pieces(*given.values()):
        ratio = update_in_pieces(rule, given, numbers)
    else:
        made, ratio = new_values(rule, given, numbers)
        for name, value in made.items():
            put(value, places[name])
    x._bump_inplace_version()
    return ratio


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
