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


def _values(gradient: Any) -> Any:
    if not gradient.is_selected_rows():
        return gradient
    with warnings.catch_warnings():
        # To its own developers: how the operation is reached.
        warnings.filterwarnings("ignore", "Op `[a-z_]+` is executed through `append_op`", DeprecationWarning)
        return get_tensor_from_selected_rows(merge_selected_rows(gradient))
