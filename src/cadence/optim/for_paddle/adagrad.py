"""Adagrad for paddle."""

from __future__ import annotations

from cadence.optim.rules.adagrad import AdagradRule
from cadence.optim.stepping.paddle_method import PaddleMethod


class Adagrad(PaddleMethod):
    """Adagrad: steps divided by the root of the sum of all squared gradients so far.

    With g the gradient plus weight_decay * x:

        s = s + g^2
        x = x - lr / (1 + (t - 1) * lr_decay) * g / (sqrt(s) + eps)

    paddle.optimizer.Adagrad has ``eps=1e-6`` and is the same otherwise.

    Args:
        learning_rate: 0 or more, or a scheduler.
        parameters, grad_clip, multi_precision, compiled, name: see
            `cadence.optim.stepping.paddle_method.PaddleMethod`.
        lr_decay: share of the first rate by which its divisor grows with every update, 0 or more.
        weight_decay: share of x that is added to the gradient, 0 or more.
        initial_accumulator_value: what s begins with, 0 or more.
        eps: added to the root of the sum, 0 or more.
        eps_in_root: True: eps is added under the root.
        maximize: True: ascend.

    Raises:
        OptimizerError: a setting out of its range, no parameters, or parameters that are complex.

    Source:
        Duchi, Hazan, Singer 2011, "Adaptive subgradient methods for online learning and stochastic optimization",
        Journal of Machine Learning Research 12, figure 1.

    Example:
        >>> import paddle
        >>> x = paddle.create_parameter([1], "float32", default_initializer=paddle.nn.initializer.Constant(1.0))
        >>> optimizer = Adagrad(0.1, [x])
        >>> for gradient in (3.0, 4.0):
        ...     optimizer.clear_grad()
        ...     (x * gradient).sum().backward()
        ...     optimizer.step()  # 0.1 * 3 / 3, then 0.1 * 4 / 5
        >>> round(x.item(), 4)
        0.82
    """

    rule = AdagradRule
