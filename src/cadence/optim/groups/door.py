"""The way in: `parameter_groups` takes a model of torch or paddle."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from cadence._errors import OptimizerError
from cadence.optim.groups.divide import ONE, divide
from cadence.optim.groups.groups import Groups
from cadence.optim.groups.tree import Tree
from cadence.optim.trained import kind_of
from cadence.spec.groups import division
from cadence.spec.shown import shown


def parameter_groups(
    model: Any,
    groups: Mapping[str, Mapping[str, Any]] | None = None,
    *,
    no_decay: bool = False,
    layer_decay: float | None = None,
    optimizers: Mapping[str, Mapping[str, Any]] | None = None,
    **own: Any,
) -> Groups:
    """Divide the trainable parameters of a model into groups, as an optimizer takes them.

    A parameter that no group claims belongs to ``"rest"``. Of two groups that claim one, the group whose pattern points
    closer gets it: a full name before a pattern of names, that before a module type, that before a role or a depth; two
    that point equally closely are an error.

    Args:
        model: a torch module or a paddle layer.
        groups: name -> what the group holds: `parameters`, a pattern or a list of them (a name; a glob,
            ``"head.*"``; ``"re:..."``, a regular expression for the whole name; ``"type:LayerNorm"``, the class of the
            module that owns the parameter; ``"role:bias"``, or norm, vector, embedding, matrix, stem, head;
            ``"depth:0-3"``); `without`, patterns that are left out; `frozen`, for how long `drive` keeps it from being
            trained (``"3 epochs"``, or true for always); `layer_decay` and `no_decay`, where they differ from those of
            the whole; `optimizer`, which of several trains it, else the first; all else is a value of its own, as a
            number or as a multiple of the optimizer's: ``lr="x0.1"``.
        no_decay: no weight decay for biases, normalisation, and other vectors and single numbers (gains).
        layer_decay: factor of the rate from one depth to the one before, in (0, 1]: the last depth has the whole rate.
        optimizers: where there are several: name of each -> its values, as in `own`.
        own: the optimizer's values (`lr`, `weight_decay`, ...), which every group gets that has none of its own.

    Returns:
        The groups; give them to an optimizer in place of parameters, to one of several those `of` its name. `table()`
        shows them.

    Raises:
        SpecError: a key, a pattern or a value that cannot be meant.
        OptimizerError: a pattern that matches nothing, a parameter claimed twice, a group that gets nothing, or a
            multiple of a value that is not given.
        MissingExtraError: the model's framework is not installed.

    Source:
        Decay by depth: Howard & Ruder 2018, Universal Language Model Fine-tuning, arXiv:1801.06146, section 3.2; Bao et
        al. 2021, BEiT, arXiv:2106.08254.

    Example:
        >>> import torch
        >>> model = torch.nn.Sequential(torch.nn.Linear(2, 8), torch.nn.ReLU(), torch.nn.Linear(8, 1))
        >>> groups = parameter_groups(model, no_decay=True, layer_decay=0.5, lr=0.1, weight_decay=0.01)
        >>> print(groups.table())
        group            depth  numbers  lr    weight_decay  parameters
        rest:0           0      16       0.05  0.01          0.weight
        rest:0:no_decay  0      8        0.05  0             0.bias
        rest:1           1      8        0.1   0.01          2.weight
        rest:1:no_decay  1      1        0.1   0             2.bias
        >>> optimizer = torch.optim.AdamW(groups)
        >>> groups = parameter_groups(
        ...     model,
        ...     {"body": {"parameters": "role:matrix", "optimizer": "sgd"}},
        ...     optimizers={"adamw": {"lr": 1e-3}, "sgd": {"lr": 0.02}},
        ... )
        >>> both = [torch.optim.AdamW(groups.of("adamw")), torch.optim.SGD(groups.of("sgd"))]
        >>> [group["name"] for optimizer in both for group in optimizer.param_groups]
        ['rest', 'body']
    """
    wanted = division(groups, no_decay=no_decay, layer_decay=layer_decay)
    return divide(tree_of(model), wanted, _several(optimizers, own)).filled()


def _several(optimizers: object, own: Mapping[str, Any]) -> Mapping[str, Mapping[str, Any]]:
    """The values of each optimizer by its name."""
    if optimizers is None:
        return {ONE: own}
    if own:
        raise OptimizerError(
            f"{', '.join(own)} and optimizers are both given; with several optimizers each has its own values, e.g. "
            f"optimizers={{'adamw': {{'lr': 0.001}}, 'muon': {{'lr': 0.02}}}}"
        )
    if not isinstance(optimizers, Mapping) or not optimizers:
        raise OptimizerError(
            f"optimizers maps names to values, e.g. {{'adamw': {{'lr': 0.001}}}}, not {shown(optimizers)}"
        )
    named = cast("Mapping[object, object]", optimizers)
    for name, values in named.items():
        if not isinstance(name, str) or not isinstance(values, Mapping):
            raise OptimizerError(f"optimizers has {shown(name)}: {shown(values)}; write e.g. 'adamw': {{'lr': 0.001}}")
    return cast("Mapping[str, Mapping[str, Any]]", optimizers)


def tree_of(model: Any) -> Tree:
    """The tree of a model of any framework.

    Raises:
        OptimizerError: it is no model.
    """
    kind = kind_of(model)
    if kind == "torch" and hasattr(model, "named_modules"):
        from cadence.optim.groups.torch_tree import torch_tree

        return torch_tree(model)
    if kind == "paddle" and hasattr(model, "named_sublayers"):
        from cadence.optim.groups.paddle_tree import paddle_tree

        return paddle_tree(model)
    told = f"the class {model.__name__}; make one" if isinstance(model, type) else f"a {type(model).__name__}"
    raise OptimizerError(f"parameters are found in a torch module or a paddle layer, not in {told}")
