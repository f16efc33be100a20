"""Adagrad for torch."""

from __future__ import annotations

from cadence.optim.rules.adagrad import AdagradRule
from cadence.optim.stepping.torch_method import TorchMethod


class Adagrad(TorchMethod):
    """Adagrad: steps divided by the root of the sum of all squared gradients so far.

    With g the gradient plus weight_decay * x:

        s = s + g^2
        x = x - lr / (1 + (t - 1) * lr_decay) * g / (sqrt(s) + eps)

    The numbers are those of torch.optim.Adagrad; sparse gradients, which torch's takes, are refused.

    Args:
        params: parameters, or dicts that describe groups of them. Real numbers, dense gradients.
        lr: learning rate, 0 or more; a float or a tensor with one element, which is read at every step and never
            replaced.
        lr_decay: share of the first rate by which its divisor grows with every update, 0 or more.
        weight_decay: share of x that is added to the gradient, 0 or more.
        initial_accumulator_value: what s begins with, 0 or more.
        eps: added to the root of the sum, 0 or more.
        eps_in_root: True: eps is added under the root, as optax and keras do.
        maximize: True: ascend.
        compiled, capturable: see `cadence.optim.stepping.torch_method.TorchMethod`.

    Raises:
        OptimizerError: a setting out of its range, no parameters, or parameters that are complex.

    Source:
        Duchi, Hazan, Singer 2011, "Adaptive subgradient methods for online learning and stochastic optimization",
        Journal of Machine Learning Research 12, figure 1.

    Example:
        >>> import torch
        >>> x = torch.nn.Parameter(torch.tensor([1.0]))
        >>> optimizer = Adagrad([x], lr=0.1)
        >>> for gradient in (3.0, 4.0):
        ...     x.grad = torch.tensor([gradient])
        ...     optimizer.step()  # 0.1 * 3 / 3, then 0.1 * 4 / 5
        >>> round(x.item(), 4)
        0.82
    """

    rule = AdagradRule
