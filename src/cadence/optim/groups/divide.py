"""A model divided into groups, as it is wanted."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from cadence._errors import OptimizerError, neighbours
from cadence.optim.groups.claims import owners
from cadence.optim.groups.depth import Depths, depths
from cadence.optim.groups.groups import Groups, Part, as_torch
from cadence.optim.groups.roles import without_decay
from cadence.optim.groups.tree import Parameter, Tree
from cadence.spec.groups import REST, Division, Multiple, Wanted, plain_length

ONE = "optimizer"
"""Name of an optimizer that is the only one."""


def divide(tree: Tree, wanted: Division, own: Mapping[str, Mapping[str, Any]]) -> Groups:
    """Divide the trained parameters of a model.

    Args:
        tree: of the model.
        wanted: how.
        own: name of each optimizer -> its own values, of which groups may have multiples; the first takes every group
            that names none.

    Returns:
        The groups in the order given, then ``"rest"``; those of the first optimizer first. A group that is divided
        further (by depth, by what has no decay) has its parts one behind the other.

    Raises:
        OptimizerError: see `owners`; besides, an optimizer that there is not or that gets nothing, and a multiple of a
            value that the optimizer does not have.
    """
    found = depths(tree)
    table = owners(tree, found, wanted.groups)
    parts = [
        part
        for name, group in (*wanted.groups, (REST, Wanted()))
        for part in _parts(name, group, [p for p in tree.parameters if table.get(p.name) == name], found, wanted, own)
    ]
    for name in own:
        if all(part.optimizer != name for part in parts):
            raise OptimizerError(
                f"the optimizer {name!r} gets no parameters; let a group choose it with optimizer: {name!r}, or take "
                f"it out"
            )
    order = list(own)
    ordered = tuple(sorted(parts, key=lambda part: order.index(part.optimizer)))
    return Groups(ordered, own, _as_paddle if tree.framework == "paddle" else as_torch)


def _as_paddle(entries: list[dict[str, Any]], own: Mapping[str, Any]) -> list[dict[str, Any]]:
    from cadence.optim.groups.paddle_tree import paddle_entries

    return paddle_entries(entries, own.get("lr"))


def _parts(
    name: str,
    group: Wanted,
    parameters: list[Parameter],
    found: Depths,
    wanted: Division,
    own: Mapping[str, Mapping[str, Any]],
) -> Iterator[Part]:
    """One group, divided by depth and by what has no weight decay where that is wanted."""
    if not parameters:
        return
    optimizer = _optimizer(name, group, own)
    decay = wanted.layer_decay if group.layer_decay is None else group.layer_decay
    bare = wanted.no_decay if group.no_decay is None else group.no_decay
    values = {key: _resolved(name, key, value, own[optimizer]) for key, value in group.values}
    keyed: dict[tuple[int, bool], list[Parameter]] = {}
    for parameter in parameters:
        depth = 0 if decay is None else found.of[parameter.name]
        keyed.setdefault((depth, bare and without_decay(parameter)), []).append(parameter)
    for (depth, without), members in sorted(keyed.items(), key=lambda item: item[0]):
        here = dict(values)
        if decay is not None:
            here["lr"] = _rate(name, here, own[optimizer]) * decay ** (found.last - depth)
        if without:
            here["weight_decay"] = 0.0
        yield Part(
            name + (f":{depth}" if decay is not None else "") + (":no_decay" if without else ""),
            name,
            optimizer,
            None if decay is None else depth,
            tuple(members),
            here,
            plain_length(group.frozen),
        )


def _optimizer(name: str, group: Wanted, own: Mapping[str, Mapping[str, Any]]) -> str:
    """The optimizer of a group."""
    if group.optimizer is None:
        return next(iter(own))
    if group.optimizer not in own:
        remedy = (
            "there is only one, which takes all groups; name several, in a recipe e.g. optimizer: "
            "{main: {name: adamw, lr: 0.001}, matrices: {name: muon, lr: 0.02}}, else with optimizers="
            if list(own) == [ONE]
            else neighbours(group.optimizer, own)
        )
        raise OptimizerError(
            f"groups: {name!r} chooses the optimizer {group.optimizer!r}, which there is not; {remedy}"
        )
    return group.optimizer


def _resolved(name: str, key: str, value: Any, own: Mapping[str, Any]) -> Any:
    """A group's own value in numbers."""
    if not isinstance(value, Multiple):
        return value
    whole = own.get(key)
    if whole is None or isinstance(whole, (str, bool)) or not hasattr(whole, "__mul__"):
        raise OptimizerError(
            f"groups: {key} of {name!r} is {str(value)!r}, a multiple of the optimizer's {key}, which "
            f"{'is not known' if whole is None else f'is {whole!r}'}; give the optimizer a {key}, or write the number"
        )
    return whole * value.factor


def _rate(name: str, values: Mapping[str, Any], own: Mapping[str, Any]) -> Any:
    rate = values.get("lr", own.get("lr"))
    if rate is None:
        raise OptimizerError(
            f"groups: {name!r} has a layer_decay, which is a factor of its lr, and no lr is known; give the "
            f"optimizer's lr"
        )
    return rate
