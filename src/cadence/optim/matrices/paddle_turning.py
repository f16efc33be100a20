"""Muon's update of matrices in paddle, those of one shape at once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import paddle

from cadence.optim.matrices.rule import COEFFICIENTS, ITERATIONS, step_size
from cadence.optim.stepping.paddle_checks import HALVES, Tensor
from cadence.optim.stepping.paddle_plain import put


class Matrix(NamedTuple):
    """One matrix to update.

    Attributes:
        x: the parameter, or its copy in single precision.
        g: its gradient.
        momentum: its state, of the same shape; in single precision at least.
        settings: of its group, with the rate.
    """

    x: Tensor
    g: Tensor
    momentum: Tensor
    settings: dict[str, Any]


def orthogonal(u: Tensor) -> Tensor:
    """The nearest matrices with all singular values near 1; see `cadence.optim.matrices.torch_turning.orthogonal`.

    Args:
        u: matrices, shape (n, rows, columns).

    Example:
        >>> import paddle
        >>> u = orthogonal(paddle.to_tensor([[[3.0, 0.0], [0.0, -2.0]]]))
        >>> [0.65 < abs(u[0, i, i].item()) < 1.2 for i in (0, 1)]
        [True, True]
    """
    a, b, c = COEFFICIENTS
    tall = u.shape[1] > u.shape[2]
    x = u.transpose([0, 2, 1]) if tall else u
    x = x / (paddle.sqrt(paddle.sum(x * x, axis=[1, 2], keepdim=True)) + 1e-7)
    for _ in range(ITERATIONS):
        square = paddle.bmm(x, x.transpose([0, 2, 1]))
        x = a * x + paddle.bmm(b * square + c * paddle.bmm(square, square), x)
    return x.transpose([0, 2, 1]) if tall else x


def turn(matrices: Sequence[Matrix]) -> None:
    """Update matrices; tensors of more dimensions count as matrices whose rows are their first.

    A weight of paddle's linear layers has its inputs in its rows: to the update it makes no difference.
    """
    alike: dict[tuple[int, tuple[int, ...], Any], list[Matrix]] = {}
    for matrix in matrices:
        alike.setdefault((id(matrix.settings), tuple(matrix.x.shape), matrix.x.dtype), []).append(matrix)
    for some in alike.values():
        _turn_alike(some)


def _turn_alike(matrices: list[Matrix]) -> None:
    settings = matrices[0].settings
    xs = paddle.stack([_single(matrix.x) for matrix in matrices])
    g = paddle.stack([_single(matrix.g) for matrix in matrices])
    g = -g if settings["maximize"] else g
    share = settings["momentum"]
    moments = paddle.lerp(paddle.stack([matrix.momentum for matrix in matrices]), g, 1.0 - share)
    # Nesterov's: what the average will be once this gradient is in it as often as the one before.
    ahead = paddle.lerp(g, moments, share).flatten(2)
    rate = settings["lr"]
    steps = orthogonal(ahead) * (rate * step_size(*ahead.shape[1:]))
    new = xs * (1 - rate * settings["weight_decay"]) - steps.reshape(xs.shape)
    for i, matrix in enumerate(matrices):
        put(moments[i], matrix.momentum)
        put(new[i].astype(matrix.x.dtype), matrix.x)
        matrix.x._bump_inplace_version()


def _single(x: Tensor) -> Tensor:
    return x.astype("float32") if x.dtype in HALVES else x
