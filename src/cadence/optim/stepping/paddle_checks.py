"""What cadence's optimizers for paddle take to train, and the sentences for what they do not."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, TypeAlias

import paddle
from paddle.nn.clip import GradientClipBase

from cadence._errors import OptimizerError
from cadence.optim.rules.rule import Rule

Tensor: TypeAlias = Any

HALVES = (paddle.float16, paddle.bfloat16)
FLOATS = (*HALVES, paddle.float32, paddle.float64)


def checked_parameters(parameters: Any, rule: type[Rule]) -> list[Any] | None:
    """Parameters, or groups, as a list; groups are looked at one by one as they are added."""
    if parameters is None and not paddle.in_dynamic_mode():
        return None
    found = listed(parameters)
    if not isinstance(found[0], Mapping):
        if paddle.in_dynamic_mode():
            check_parameters(found, rule.name)
        return found
    for group in found:
        if not isinstance(group, Mapping):
            raise OptimizerError("parameters mixes tensors and groups; write all of them as groups: {'params': [...]}")
        if "params" not in group:
            raise OptimizerError(f"a parameter group needs the key 'params', and has {sorted(group)}; add it")  # pyright: ignore[reportUnknownArgumentType]
    return [{**group, "params": params_of(group["params"])} for group in found]


def params_of(params: Any) -> list[Any]:
    """The parameters of a group."""
    return [params] if isinstance(params, paddle.Tensor) else listed(params, "the params of a group")


def check_modes(multi_precision: object, compiled: object) -> None:
    """Refuse what says neither yes nor no."""
    if not isinstance(multi_precision, bool):
        raise OptimizerError(f"multi_precision={multi_precision!r} must be True or False")
    if compiled is not None and not isinstance(compiled, bool):
        raise OptimizerError(f"compiled={compiled!r} must be True, False or None")


def sparse(x: Tensor, method: str) -> OptimizerError:
    """The error for a gradient of which there are only some rows."""
    return OptimizerError(
        f"the gradient of the parameter {x.name} of shape {tuple(x.shape)} is sparse, and {method} works on whole "
        f"tensors; make the embedding with sparse=False, or train it with paddle.optimizer.Adam(lazy_mode=True)"
    )


def listed(parameters: object, what: str = "parameters") -> list[Any]:
    """Parameters or groups as a list with something in it.

    Raises:
        OptimizerError: there are none, or they have no order.
    """
    if isinstance(parameters, paddle.Tensor):
        raise OptimizerError(f"{what} is one tensor; write it as a list: [parameter]")
    if isinstance(parameters, (str, Mapping, set, frozenset)) or not isinstance(parameters, Iterable):
        raise OptimizerError(
            f"{what} is given as {type(parameters).__name__}; write a list of parameters or of groups, which keeps its "  # pyright: ignore[reportUnknownArgumentType]
            f"order: model.parameters()"
        )
    found: list[Any] = list(parameters)  # pyright: ignore[reportUnknownArgumentType, reportUnknownVariableType]
    if not found:
        raise OptimizerError(f"{what} is empty; pass model.parameters() of a model that has some")
    return found


def check_parameters(parameters: Iterable[Any], method: str, others: Iterable[Any] = ()) -> None:
    """Refuse what cannot be trained, and what would be trained twice.

    Args:
        parameters: to look at.
        method: for the message.
        others: that are there already.
    """
    seen = {x.name: x for x in others}
    for x in parameters:
        if isinstance(x, Mapping):
            raise OptimizerError("parameters mixes tensors and groups; write all of them as groups: {'params': [...]}")
        if not isinstance(x, paddle.Tensor):
            raise OptimizerError(
                f"{type(x).__name__} is no parameter that can be trained; pass model.parameters(), a list of tensors"
            )
        if x.dtype not in FLOATS:
            raise OptimizerError(
                f"the parameter {x.name} of shape {tuple(x.shape)} is {x.dtype}, and {method} works with real numbers; "
                f"keep complex parameters as pairs (paddle.as_real), and leave whole numbers out"
            )
        if seen.get(x.name) is x:
            raise OptimizerError(f"the parameter {x.name} is there twice; name each once")
        if x.name in seen:
            raise OptimizerError(
                f"two parameters are called {x.name}, and states go by name; make all of them within one "
                f"paddle.utils.unique_name.guard()"
            )
        seen[x.name] = x


def check_clip(clip: object) -> None:
    """Refuse what does not clip gradients."""
    if clip is not None and not isinstance(clip, GradientClipBase):
        raise OptimizerError(
            f"grad_clip={clip!r} does not clip gradients; write e.g. grad_clip=paddle.nn.ClipGradByGlobalNorm(1.0)"
        )
