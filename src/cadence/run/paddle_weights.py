"""Weights of a paddle model as arrays under names that all frameworks share, which are torch's."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from paddle import nn

from cadence.run.initial import Weights, check_same

STATISTICS = {"_mean": "running_mean", "_variance": "running_var"}
"""Of batch normalisation: paddle's names and torch's."""


def taken(model: nn.Layer) -> Weights:
    """Copies of a model's parameters and running statistics.

    Example:
        >>> {name: array.shape for name, array in taken(nn.Linear(3, 2)).items()}
        {'weight': (2, 3), 'bias': (2,)}
    """
    return {name: np.array(x.numpy().T if turned else x.numpy()) for name, x, turned in _entries(model)}


def put(model: nn.Layer, weights: Weights, task: str) -> None:
    """Let a model begin with these.

    Raises:
        RecipeError: they are those of another architecture.
    """
    entries = list(_entries(model))
    wanted = {name: tuple(reversed(x.shape)) if turned else tuple(x.shape) for name, x, turned in entries}
    check_same(wanted, {name: array.shape for name, array in weights.items()}, task)
    for name, tensor, turned in entries:
        tensor.set_value(np.ascontiguousarray(weights[name].T if turned else weights[name]))


def _entries(model: nn.Layer) -> Iterator[tuple[str, Any, bool]]:
    """Name, tensor, and whether torch has it the other way round."""
    layers = (layer for layer in model.sublayers(include_self=True) if isinstance(layer, nn.Linear))
    # By the tensor, because a layer that is used twice is listed once.
    linear = {id(layer.weight) for layer in layers}
    for name, tensor in model.state_dict().items():
        path, _, last = name.rpartition(".")
        shared = f"{path}.{STATISTICS.get(last, last)}" if path else STATISTICS.get(last, last)
        yield shared, tensor, id(tensor) in linear
