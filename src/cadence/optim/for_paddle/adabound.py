"""AdaBound for paddle."""

from __future__ import annotations

from cadence.optim.rules.adabound import AdaBoundRule
from cadence.optim.stepping.paddle_method import PaddleMethod


class AdaBound(PaddleMethod):
    """Adam whose step per element is kept between two bounds that close on that of SGD.

    With Adam's moments m and v, and f = final_lr * lr / base:

        low = f * (1 - 1 / (gamma * t + 1)), high = f * (1 + 1 / (gamma * t))
        x = x - clip(lr * sqrt(1 - beta2^t) / (1 - beta1^t) / (sqrt(v) + eps), low, high) * m

    That is the authors' own code. The base is what a schedule multiplies: that of a driver, else the ``base_lr`` of the
    scheduler (within `LinearWarmup`, of what follows the warmup), else the learning rate given here. It is saved with
    the state, and each group has its own.

    Args:
        learning_rate: rate of the Adam that it begins as, above 0; or a scheduler with a base above 0.
        parameters, grad_clip, multi_precision, compiled, name: see
            `cadence.optim.stepping.paddle_method.PaddleMethod`.
        betas: decay of the two moments, each in [0, 1).
        final_lr: rate of the SGD that it ends as, at the group's base rate; above 0.
        gamma: speed at which the bounds close, per update; above 0.
        eps: added to the root of the second moment, 0 or more.
        weight_decay: share of x that is added to the gradient, 0 or more.
        amsbound: True: the largest second moment so far takes the second moment's place (AMSBound).
        eps_root: added to the second moment, under the root; 0 or more.
        decoupled_decay: True: x is multiplied by 1 - lr * weight_decay instead.
        independent_decay: True: x is multiplied by 1 - weight_decay instead, as in the authors' AdaBoundW.
        paper: True: the printed algorithm 2, without bias correction and with the clipped rate divided by sqrt(t).
        maximize: True: ascend.

    Raises:
        OptimizerError: a setting out of its range, no parameters, or parameters that are complex.

    Source:
        Luo et al. 2019, "Adaptive gradient methods with dynamic bound of learning rate", arXiv:1902.09843, algorithms 2
        and 3.

    Example:
        >>> import paddle
        >>> x = paddle.create_parameter([1], "float32", default_initializer=paddle.nn.initializer.Constant(1.0))
        >>> optimizer = AdaBound(0.001, [x], final_lr=0.1)
        >>> x.sum().backward()
        >>> optimizer.step()  # m = 0.1, and a rate of 0.001 * sqrt(0.001) / 0.1 / sqrt(0.001) = 0.01 is within bounds
        >>> round(x.item(), 6)
        0.999
    """

    rule = AdaBoundRule
