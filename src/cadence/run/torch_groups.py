"""Parameter groups by patterns of parameter names."""

from __future__ import annotations

from collections.abc import Mapping
from fnmatch import fnmatchcase
from typing import Any

import torch

from cadence._errors import RecipeError
from cadence.recipe.parts import GroupRecipe

REST = "rest"
"""Group of the parameters that no pattern matches."""


def parameter_groups(model: torch.nn.Module, groups: Mapping[str, GroupRecipe]) -> list[dict[str, Any]]:
    """Groups as torch's optimizers take them, each with its `name`.

    Args:
        model: whose trainable parameters are divided.
        groups: name -> patterns and own values. A parameter goes to the first group with a pattern that matches.

    Returns:
        The groups in the order given, then ``"rest"`` where anything is left; only that one where there are none.

    Raises:
        RecipeError: a group that gets no parameter, or one called ``"rest"``.

    Example:
        >>> layer = torch.nn.Linear(2, 1)
        >>> groups = parameter_groups(layer, {"offset": GroupRecipe(parameters="bias", weight_decay=0)})
        >>> [(g["name"], len(g["params"]), g.get("weight_decay")) for g in groups]
        [('offset', 1, 0), ('rest', 1, None)]
    """
    if REST in groups:
        raise RecipeError(f"groups: {REST!r} is the group of all that no pattern matches; call yours otherwise")
    found: dict[str, list[torch.nn.Parameter]] = {name: [] for name in [*groups, REST]}
    trainable = [(name, p) for name, p in model.named_parameters() if p.requires_grad]
    if not trainable:
        raise RecipeError(f"the model {type(model).__name__} has no trainable parameters; set requires_grad on some")
    for name, parameter in trainable:
        owner = next((g for g, group in groups.items() if any(fnmatchcase(name, p) for p in group.patterns)), REST)
        found[owner].append(parameter)
    for name, group in groups.items():
        if not found[name]:
            known = ", ".join(n for n, _ in trainable[:6])
            raise RecipeError(
                f"groups: no parameter is left for the patterns {group.patterns} of {name!r}; parameters are called "
                f"{known}{', ...' if len(trainable) > 6 else ''}"
            )
    return [
        {"name": name, "params": parameters, **(groups[name].values if name in groups else {})}
        for name, parameters in found.items()
        if parameters
    ]
