"""Constructors of cadence's optimizers for torch: their signature, and what they refuse."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Mapping
from typing import Any

import torch
from torch import Tensor

from cadence._errors import OptimizerError, StateError
from cadence.optim.rules.rule import Rule, defaults


def signature(rule: type[Rule]) -> inspect.Signature:
    """Of the constructor: the settings of the rule with their defaults, and how it is executed."""
    kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
    parameters = [inspect.Parameter("params", kind)]
    parameters += [inspect.Parameter(s.name, kind, default=s.default) for s in rule.settings]
    keyword = inspect.Parameter.KEYWORD_ONLY
    parameters.append(inspect.Parameter("compiled", keyword, default=None))
    parameters.append(inspect.Parameter("capturable", keyword, default=False))
    return inspect.Signature(parameters)


def bound(rule: type[Rule], args: tuple[Any, ...], settings: dict[str, Any]) -> dict[str, Any]:
    """Settings by name, with defaults; a TypeError for what the signature does not have, as for any function."""
    try:
        bound = signature(rule).bind(None, *args, **settings)
    except TypeError as fault:
        raise TypeError(f"{rule.name}: {fault}") from None
    return {**defaults(rule), **{k: v for k, v in bound.arguments.items() if k != "params"}}


def check_modes(compiled: object, capturable: object) -> None:
    """Raise OptimizerError for a way of execution that there is not."""
    if compiled is not None and not isinstance(compiled, bool):
        raise OptimizerError(f"compiled={compiled!r} must be True, False or None")
    if not isinstance(capturable, bool):
        raise OptimizerError(f"capturable={capturable!r} must be True or False")


def sparse(x: Tensor, method: str) -> OptimizerError:
    """The error for a parameter with a sparse gradient."""
    return OptimizerError(
        f"the gradient of a parameter of shape {tuple(x.shape)} is sparse, and {method} works on whole tensors; "
        f"make the embedding with sparse=False, or train it with torch.optim.SparseAdam"
    )


def listed(params: object) -> list[Any]:
    """Parameters or groups as a list with something in it."""
    if isinstance(params, Tensor):
        raise OptimizerError("the parameters are one tensor; write them as a list: [parameter]")
    if isinstance(params, (set, frozenset)) or not isinstance(params, Iterable) or isinstance(params, (str, Mapping)):
        raise OptimizerError(
            f"the parameters are given as {type(params).__name__}; write a list of parameters or of groups, which "  # pyright: ignore[reportUnknownArgumentType]
            f"keeps its order: list(model.parameters())"
        )
    listed: list[Any] = list(params)  # pyright: ignore[reportUnknownArgumentType, reportUnknownVariableType]
    if not listed:
        raise OptimizerError("there are no parameters to train; pass list(model.parameters()) of a model that has some")
    return listed


def check_parameter(x: object, method: str) -> None:
    """Raise OptimizerError for what cannot be trained."""
    if isinstance(x, Tensor) and not x.is_floating_point():
        raise OptimizerError(
            f"a parameter of shape {tuple(x.shape)} is {x.dtype}, and {method} works with real numbers; "
            f"pass complex parameters as torch.view_as_real(parameter), and leave whole numbers out"
        )
    if isinstance(x, Tensor) and x.layout is torch.strided and 0 in x.stride() and _is_expanded(x):
        raise OptimizerError(
            f"several elements of a parameter of shape {tuple(x.shape)} lie in one place (it was expanded), and cannot "
            f"be updated apart; pass what was expanded, or a clone()"
        )


def check_shapes(state_dict: Mapping[str, Any], groups: list[dict[str, Any]]) -> None:
    """Raise StateError where what was saved of a parameter has another shape. (torch takes it, and fails later.)"""
    for saved, own in zip(state_dict.get("param_groups", []), groups, strict=False):
        for key, x in zip(saved.get("params", []), own["params"], strict=False):
            for name, value in state_dict.get("state", {}).get(key, {}).items():
                if name != "step" and isinstance(value, Tensor) and value.shape != x.shape:
                    raise StateError(
                        f"the state {name!r} of a parameter has shape {tuple(value.shape)}, and the parameter "
                        f"{tuple(x.shape)}; load the state into an optimizer of the model that it was saved with"
                    )


def _is_expanded(x: Tensor) -> bool:
    return any(size > 1 and stride == 0 for size, stride in zip(x.shape, x.stride(), strict=True))
