"""Whether gradients may reach the weights."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from typing import Any, TypeAlias

import paddle
from paddle.nn.clip import get_tensor_from_selected_rows, merge_selected_rows

Guard: TypeAlias = Callable[[paddle.nn.Layer], tuple[str, ...]]
"""Names the parameters of a model whose gradients must not reach the weights."""


def finite(model: paddle.nn.Layer) -> tuple[str, ...]:
    """Lets every gradient pass: nothing is computed."""
    del model
    return ()


def overflowed(model: paddle.nn.Layer) -> tuple[str, ...]:
    """Names of the parameters whose gradients are not finite.

    Example:
        >>> line = paddle.nn.Linear(2, 1)
        >>> line(paddle.full([1, 2], float("inf"))).sum().backward()
        >>> overflowed(line)
        ('weight',)
    """
    gradients = {name: _values(p.grad) for name, p in model.named_parameters() if p.grad is not None}
    if not gradients:
        return ()
    lengths = paddle.stack([paddle.linalg.norm(gradient) for gradient in gradients.values()])
    if math.isfinite(float(paddle.linalg.norm(lengths))):
        return ()
    # Squares of finite numbers overflow too, so a length that is not finite is a reason to look, and no more.
    return tuple(name for name, gradient in gradients.items() if not bool(paddle.isfinite(gradient).all()))


def within(loss: paddle.Tensor | float, ceiling: float | None) -> bool:
    """Whether an update may be done as far as its loss goes.

    Args:
        loss: of the update.
        ceiling: largest loss, infinity for every finite one; None: the loss is not looked at.

    Example:
        >>> within(paddle.to_tensor(2.0), 1.5), within(paddle.to_tensor(float("nan")), None)
        (False, True)
    """
    if ceiling is None:
        return True
    value = float(loss)
    return value <= ceiling and math.isfinite(value)


def _values(gradient: Any) -> Any:
    if not gradient.is_selected_rows():
        return gradient
    with warnings.catch_warnings():
        # To its own developers: how the operation is reached.
        warnings.filterwarnings("ignore", "Op `[a-z_]+` is executed through `append_op`", DeprecationWarning)
        return get_tensor_from_selected_rows(merge_selected_rows(gradient))
