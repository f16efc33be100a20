"""Losses and metrics for paddle, each a mean over the targets."""

from __future__ import annotations

import math

from paddle import Tensor
from paddle.nn import functional


def cross_entropy(outputs: Tensor, targets: Tensor) -> Tensor:
    """Mean cross-entropy in nats.

    Args:
        outputs: logits; the last axis counts classes, shape (*targets.shape, classes).
        targets: classes, int64, any shape.

    Returns:
        A scalar of the dtype of `outputs`.

    Example:
        >>> import paddle
        >>> round(float(cross_entropy(paddle.zeros([2, 3, 10]), paddle.ones([2, 3], dtype="int64"))), 4)
        2.3026
    """
    return functional.cross_entropy(outputs.reshape([-1, outputs.shape[-1]]), targets.reshape([-1]))


def accuracy(outputs: Tensor, targets: Tensor) -> Tensor:
    """Share of targets whose class has the largest logit, in [0, 1]; float32 scalar.

    Args:
        outputs: logits; the last axis counts classes.
        targets: classes, int64, shape of `outputs` without its last axis.

    Example:
        >>> import paddle
        >>> float(accuracy(paddle.eye(4), paddle.to_tensor([0, 1, 2, 0])))
        0.75
    """
    return (outputs.argmax(-1) == targets).astype("float32").mean()


def bits_per_byte(outputs: Tensor, targets: Tensor) -> Tensor:
    """Mean cross-entropy in bits: what a byte costs when the model's answers compress the text.

    Args:
        outputs: logits; the last axis counts byte values.
        targets: bytes, int64, shape of `outputs` without its last axis.

    Example:
        >>> import paddle
        >>> float(bits_per_byte(paddle.zeros([3, 128]), paddle.to_tensor([0, 5, 127])))
        7.0
    """
    return cross_entropy(outputs, targets) / math.log(2)
