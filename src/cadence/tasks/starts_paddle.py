"""Layers of paddle that begin as torch's do: paddle's own start has other variances."""

from __future__ import annotations

from paddle import ParamAttr, nn
from paddle.nn.initializer import Uniform


def convolution(inputs: int, outputs: int, side: int, stride: int, padding: int) -> nn.Conv2D:
    """A convolution without bias; its weights begin uniformly within 1 / sqrt(inputs to one output).

    Source: torch.nn.Conv2d, `reset_parameters`: He et al. 2015, arXiv:1502.01852, eq. 14, with a slope of sqrt(5).

    Example:
        >>> float(convolution(4, 8, 3, 1, 1).weight.abs().max()) <= 36**-0.5
        True
    """
    return nn.Conv2D(inputs, outputs, side, stride, padding, weight_attr=_within(inputs * side**2), bias_attr=False)


def linear(inputs: int, outputs: int) -> nn.Linear:
    """A linear layer; weights and bias begin uniformly within 1 / sqrt(inputs), as in torch.nn.Linear."""
    return nn.Linear(inputs, outputs, weight_attr=_within(inputs), bias_attr=_within(inputs))


def _within(inputs: int) -> ParamAttr:
    bound = inputs**-0.5
    return ParamAttr(initializer=Uniform(-bound, bound))
