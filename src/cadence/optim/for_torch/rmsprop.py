"""RMSprop for torch."""

from __future__ import annotations

from cadence.optim.rules.rmsprop import RMSpropRule
from cadence.optim.stepping.torch_method import TorchMethod


class RMSprop(TorchMethod):
    """RMSprop: steps divided by the root of a running mean of squared gradients.

    With g the gradient plus weight_decay * x:

        v = alpha * v + (1 - alpha) * g^2
        b = momentum * b + g / (sqrt(v) + eps)
        x = x - lr * b

    The numbers are those of torch.optim.RMSprop, except that a centered v - a^2 that rounding makes negative counts as
    0, where torch's parameter is not a number from then on.

    Args:
        params: parameters, or dicts that describe groups of them. Real numbers, dense gradients.
        lr: learning rate, 0 or more; a float or a tensor with one element, which is read at every step and never
            replaced.
        alpha: decay of the mean of squares, in [0, 1).
        eps: added to the root, 0 or more.
        weight_decay: share of x that is added to the gradient, 0 or more.
        momentum: decay of the accumulated steps, in [0, 1); 0: there are none.
        centered: True: the steps are divided by the standard deviation of the gradients.
        eps_in_root: True: eps is added under the root, as tensorflow and paddle do.
        rate_in_momentum: True: b = momentum * b + lr * (...), and x moves by b, as tensorflow and paddle do.
        initial_square: what v begins with, 0 or more; 1 in tensorflow.
        maximize: True: ascend.
        compiled, capturable: see `cadence.optim.stepping.torch_method.TorchMethod`.

    Raises:
        OptimizerError: a setting out of its range, no parameters, or parameters that are complex.

    Source:
        Hinton 2012, "Neural networks for machine learning", lecture 6e.

    Example:
        >>> import torch
        >>> x = torch.nn.Parameter(torch.tensor([1.0, 1.0]))
        >>> optimizer = RMSprop([x], lr=0.01, alpha=0.75)
        >>> (x * torch.tensor([4.0, -0.1])).sum().backward()
        >>> optimizer.step()  # the first step is lr / sqrt(1 - alpha) along the sign of the gradient
        >>> [round(value, 4) for value in x.tolist()]
        [0.98, 1.02]
    """

    rule = RMSpropRule
