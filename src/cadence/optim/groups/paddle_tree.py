"""A paddle model as a tree, and groups as paddle's optimizers take them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from paddle import nn

from cadence._errors import OptimizerError
from cadence.optim.groups.tree import Module, Parameter, Tree

SERIES = (nn.Sequential, nn.LayerList)


def paddle_tree(model: nn.Layer) -> Tree:
    """The layers and parameters of a paddle model.

    Example:
        >>> tree = paddle_tree(nn.Sequential(nn.Linear(2, 3), nn.ReLU(), nn.Linear(3, 1)))
        >>> [(p.name, p.shape, p.owner.types) for p in tree.parameters][:2]
        [('0.weight', (2, 3), ('Linear',)), ('0.bias', (3,), ('Linear',))]
    """
    modules: dict[str, Module] = {}
    names, found = dict[int, list[str]](), dict[int, tuple[Module, Any]]()
    seen = set[int]()

    def walk(path: str, layer: Any) -> None:
        here = _module(path, layer)
        if id(layer) not in seen:
            seen.add(id(layer))
            modules[path] = here
        for name, parameter in layer._parameters.items():
            if parameter is not None:
                names.setdefault(id(parameter), []).append(f"{path}.{name}" if path else name)
                found.setdefault(id(parameter), (here, parameter))
        for name, child in layer.named_children():
            walk(f"{path}.{name}" if path else name, child)

    walk("", model)
    parameters = tuple(
        Parameter(tuple(names[key]), tuple(p.shape), owner, not p.stop_gradient, p) for key, (owner, p) in found.items()
    )
    return Tree(type(model).__name__, "paddle", tuple(modules.values()), parameters)


def paddle_entries(entries: Iterable[Mapping[str, Any]], lr: float | None) -> list[dict[str, Any]]:
    """Groups as paddle takes them: their rate is a multiple of the optimizer's, and their decay a float.

    Args:
        entries: as torch takes them.
        lr: the optimizer's own rate, above 0; None where no group has one of its own.

    Raises:
        OptimizerError: a group has a rate, and the optimizer's is not known or 0.
    """
    spelled: list[dict[str, Any]] = []
    for entry in entries:
        group = {key: value for key, value in entry.items() if key != "lr"}
        if "lr" in entry:
            if not lr:
                raise OptimizerError(
                    f"the group {entry.get('name')!r} has the rate {entry['lr']:g}, which paddle takes as a multiple "
                    f"of the optimizer's; give that one too, e.g. lr=0.001"
                )
            group["learning_rate"] = float(entry["lr"]) / lr
        if isinstance(group.get("weight_decay"), int):
            # Paddle takes a whole number for a regularizer of somebody's own.
            group["weight_decay"] = float(group["weight_decay"])
        spelled.append(group)
    return spelled


def _module(path: str, layer: Any) -> Module:
    kinds = [kind for kind in type(layer).__mro__ if kind is not nn.Layer and issubclass(kind, nn.Layer)]
    return Module(path, tuple(kind.__name__ for kind in kinds), isinstance(layer, SERIES))
