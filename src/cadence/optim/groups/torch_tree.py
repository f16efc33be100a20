"""A torch model as a tree."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from cadence._errors import OptimizerError
from cadence.optim.groups.tree import Module, Parameter, Tree

SERIES = (nn.Sequential, nn.ModuleList)


def torch_tree(model: nn.Module) -> Tree:
    """The modules and parameters of a torch model.

    Raises:
        OptimizerError: a parameter has no shape before the first batch.

    Example:
        >>> tree = torch_tree(nn.Sequential(nn.Linear(2, 3), nn.ReLU(), nn.Linear(3, 1)))
        >>> [(p.name, p.shape, p.owner.types) for p in tree.parameters][:2]
        [('0.weight', (3, 2), ('Linear',)), ('0.bias', (3,), ('Linear',))]
    """
    modules = {path: _module(path, module) for path, module in model.named_modules()}
    names, found = dict[int, list[str]](), dict[int, tuple[Module, nn.Parameter]]()
    for path, module in model.named_modules(remove_duplicate=False):
        for name, parameter in module.named_parameters(recurse=False, remove_duplicate=False):
            names.setdefault(id(parameter), []).append(f"{path}.{name}" if path else name)
            found.setdefault(id(parameter), (modules.get(path) or _module(path, module), parameter))
    parameters = tuple(
        Parameter(tuple(names[key]), _shape(names[key][0], p), owner, p.requires_grad, p)
        for key, (owner, p) in found.items()
    )
    return Tree(type(model).__name__, "torch", tuple(modules.values()), parameters)


def _module(path: str, module: nn.Module) -> Module:
    kinds = [kind for kind in type(module).__mro__ if kind is not nn.Module and issubclass(kind, nn.Module)]
    return Module(path, tuple(kind.__name__ for kind in kinds), isinstance(module, SERIES))


def _shape(name: str, parameter: Any) -> tuple[int, ...]:
    if isinstance(parameter, nn.parameter.UninitializedParameter):
        raise OptimizerError(
            f"the parameter {name!r} has no shape before the first batch; put one batch through the model first"
        )
    shape: torch.Size = parameter.shape
    return tuple(shape)
