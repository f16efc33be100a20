"""LARS for paddle."""

from __future__ import annotations

from cadence.optim.rules.lars import LarsRule
from cadence.optim.stepping.paddle_method import PaddleMethod


class Lars(PaddleMethod):
    """Momentum whose rate per layer is in proportion to the ratio of the layer's size to that of its gradient.

    For each parameter tensor x with gradient g:

        ratio = trust * |x| / (|g| + weight_decay * |x| + eps)        1 if one of the norms is 0
        b = momentum * b + lr * ratio * (g + weight_decay * x)
        x = x - b

    Biases and normalisation layers are often kept out by a group with ``adapt=False, weight_decay=0.0``.

    paddle.incubate.optimizer.LarsMomentumOptimizer has the ratio 1 where the weight decay is 0, which is
    ``always_adapt=False`` here, and ``lars_weight_decay=0.0005``. Elsewhere the numbers are the same, to single
    precision.

    Args:
        learning_rate: before each layer's ratio; 0 or more, or a scheduler.
        parameters, grad_clip, multi_precision, compiled, name: see
            `cadence.optim.stepping.paddle_method.PaddleMethod`.
        momentum: decay of the accumulated steps, in [0, 1).
        weight_decay: share of x in the update, and in the ratio's denominator; 0 or more.
        trust: the paper's eta: how far a layer may move by one update, as a share of its size; above 0.
        eps: added to the ratio's denominator, 0 or more.
        joint_norm: True: |g + weight_decay * x| is the denominator, as in optax.
        adapt: False: the ratio is 1, and what remains is momentum.
        always_adapt: False: only groups whose weight decay is not 0 are adapted, as paddle does without being asked.
        trust_clip: upper bound of the ratio, above 0; None: no bound.
        clip_by_rate: True: a layer's rate is the smaller of ratio and lr, not their product (LARC; timm's
            ``trust_clip=True``).
        dampening: from the second update on, the step enters b with weight 1 - dampening, as in torch's SGD; in [0, 1).
        rate_in_momentum: False: b = momentum * b + ratio * (...), and x moves by lr * b, as paddle's Momentum does; a
            change of the rate then acts on all of the momentum at once.
        nesterov: True: the step looks one update ahead.
        maximize: True: ascend.

    Raises:
        OptimizerError: a setting out of its range, no parameters, or parameters that are complex.

    Source:
        You, Gitman, Ginsburg 2017, "Large batch training of convolutional networks", arXiv:1708.03888, algorithm 1.

    Example:
        >>> import paddle
        >>> x = paddle.create_parameter([2], "float32")
        >>> x.set_value(paddle.to_tensor([3.0, 4.0]))
        >>> optimizer = Lars(1.0, [x], weight_decay=0.0, trust=0.1)
        >>> (x * paddle.to_tensor([0.0, 2.0])).sum().backward()
        >>> optimizer.step()  # a tenth of |x| = 5 along the gradient
        >>> [round(value, 4) for value in x.tolist()]
        [3.0, 3.5]
    """

    rule = LarsRule
