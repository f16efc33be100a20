"""RMSprop for paddle."""

from __future__ import annotations

from cadence.optim.rules.rmsprop import RMSpropRule
from cadence.optim.stepping.paddle_method import PaddleMethod


class RMSprop(PaddleMethod):
    """RMSprop: steps divided by the root of a running mean of squared gradients.

    With g the gradient plus weight_decay * x:

        v = alpha * v + (1 - alpha) * g^2
        b = momentum * b + g / (sqrt(v) + eps)
        x = x - lr * b

    paddle.optimizer.RMSProp is ``eps_in_root=True, rate_in_momentum=True`` here, with ``alpha=0.95, eps=1e-6``.

    Args:
        learning_rate: 0 or more, or a scheduler.
        parameters, grad_clip, multi_precision, compiled, name: see
            `cadence.optim.stepping.paddle_method.PaddleMethod`.
        alpha: decay of the mean of squares, in [0, 1).
        eps: added to the root, 0 or more.
        weight_decay: share of x that is added to the gradient, 0 or more.
        momentum: decay of the accumulated steps, in [0, 1); 0: there are none.
        centered: True: the steps are divided by the standard deviation of the gradients.
        eps_in_root: True: eps is added under the root.
        rate_in_momentum: True: b = momentum * b + lr * (...), and x moves by b.
        initial_square: what v begins with, 0 or more.
        maximize: True: ascend.

    Raises:
        OptimizerError: a setting out of its range, no parameters, or parameters that are complex.

    Source:
        Hinton 2012, "Neural networks for machine learning", lecture 6e.

    Example:
        >>> import paddle
        >>> x = paddle.create_parameter([2], "float32", default_initializer=paddle.nn.initializer.Constant(1.0))
        >>> optimizer = RMSprop(0.01, [x], alpha=0.75)
        >>> (x * paddle.to_tensor([4.0, -0.1])).sum().backward()
        >>> optimizer.step()  # the first step is lr / sqrt(1 - alpha) along the sign of the gradient
        >>> [round(value, 4) for value in x.tolist()]
        [0.98, 1.02]
    """

    rule = RMSpropRule
