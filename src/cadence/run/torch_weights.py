"""Weights of a torch model as arrays under names that all frameworks share."""

from __future__ import annotations

import numpy as np
import torch

from cadence.run.initial import Weights, check_same

COUNTERS = "num_batches_tracked"
"""Of batch normalisation in torch alone; with the usual momentum nothing reads it."""


def taken(model: torch.nn.Module) -> Weights:
    """Copies of a model's parameters and running statistics.

    Example:
        >>> {name: array.shape for name, array in taken(torch.nn.Linear(3, 2)).items()}
        {'weight': (2, 3), 'bias': (2,)}
    """
    return {
        name: np.array(tensor.detach().cpu().numpy())
        for name, tensor in model.state_dict().items()
        if name.rpartition(".")[2] != COUNTERS
    }


def put(model: torch.nn.Module, weights: Weights, task: str) -> None:
    """Let a model begin with these.

    Raises:
        RecipeError: they are those of another architecture.
    """
    own = {n: tensor for n, tensor in model.state_dict().items() if n.rpartition(".")[2] != COUNTERS}
    check_same({n: tuple(x.shape) for n, x in own.items()}, {n: x.shape for n, x in weights.items()}, task)
    model.load_state_dict({name: torch.from_numpy(array) for name, array in weights.items()}, strict=False)
