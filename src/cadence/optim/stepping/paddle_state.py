"""State of cadence's optimizers for paddle, as it is saved: paddle's own form, and one entry that says whose it is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import paddle
from paddle.optimizer.lr import LambdaDecay, LRScheduler

from cadence._errors import StateError
from cadence.optim.stepping.paddle_checks import HALVES, Tensor

OURS = "cadence"
"""Key of the entry that is not paddle's."""

SCHEDULER = "LR_Scheduler"
MASTERS = "master_weights"

Kept: TypeAlias = "dict[tuple[str, str], Tensor]"
"""Tensors by the name of the state and that of the parameter."""


class Saved(NamedTuple):
    """What a state holds, checked against an optimizer's parameters.

    Attributes:
        kept: fresh tensors.
        masters: parameters in single precision, by the names of those in half.
        scheduler: state of the scheduler, or None.
        bases: base rate of each group.
    """

    kept: Kept
    masters: dict[str, Tensor]
    scheduler: Mapping[str, Any] | None
    bases: list[float]


def entry(method: str, bases: Sequence[float], tensors: int) -> dict[str, Any]:
    """Our entry of a state.

    Args:
        method: whose state it is.
        bases: base rate of each group.
        tensors: how many the state has.
    """
    return {"method": method, "bases": list(bases), "tensors": tensors}


def tensor_name(parameter: str, state: str) -> str:
    """Name of a state, as paddle's accumulators have it in a process that makes one optimizer."""
    return f"{parameter}_{state}_0"


def read(
    saved: Mapping[str, Any],
    method: str,
    states: Sequence[str],
    counter: str,
    parameters: Sequence[Tensor],
    rate: Any,
    groups: int,
) -> Saved:
    """Read a state; nothing is changed.

    Args:
        saved: as `state_dict` returned it, or as it was loaded from a file.
        method: of the optimizer.
        states: names of all the states that its parameters may have, but for the counter of updates.
        counter: its name.
        parameters: of the optimizer.
        rate: its learning rate.
        groups: how many it has.

    Raises:
        StateError: it is that of another method, of other parameters, or without that of the scheduler.
    """
    ours = _ours(saved, method)
    kept: Kept = {}
    for x in parameters:
        for state in (*states, counter):
            value = saved.get(tensor_name(x.name, state))
            if value is not None:
                kept[state, x.name] = (_count if state == counter else _fresh)(value, x, state)
    if len(kept) != ours["tensors"]:
        name = parameters[0].name
        raise StateError(
            f"the state holds {ours['tensors']} tensors, of which {len(kept)} belong to parameters of this optimizer; "
            f"they go by name (e.g. {name}), so build the model first in a fresh process, or within "
            f"paddle.utils.unique_name.guard()"
        )
    bases = [float(base) for base in ours["bases"]]
    if len(bases) != groups:
        raise StateError(
            f"the state is that of {len(bases)} parameter groups, and the optimizer has {groups}; make it with as many"
        )
    scheduler = saved.get(SCHEDULER)
    if isinstance(rate, LRScheduler) and scheduler is None and not isinstance(rate, LambdaDecay):
        raise StateError(
            f"the optimizer has a {type(rate).__name__}, and the state has none ({SCHEDULER} is missing); save it from "
            f"an optimizer with the same scheduler"
        )
    by_name = {x.name: x for x in parameters}
    masters = {
        name: _fresh(value, by_name[name], "master weight")
        for name, value in (saved.get(MASTERS) or {}).items()
        if name in by_name
    }
    return Saved(kept, masters, scheduler if isinstance(rate, LRScheduler) else None, bases)


def _ours(saved: Mapping[str, Any], method: str) -> Mapping[str, Any]:
    if not isinstance(saved, Mapping):
        raise StateError(f"{type(saved).__name__} is no state of an optimizer; load what its state_dict() returned")
    ours = saved.get(OURS)
    whose = ours.get("method") if isinstance(ours, Mapping) else None  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
    if whose != method:
        what = f"the state of {whose!r}" if whose else "no state of one of cadence's methods"
        raise StateError(
            f"this is {what}, and the optimizer is {method!r}; load a state that was saved by {method!r}, or begin "
            f"without one"
        )
    return ours  # pyright: ignore[reportUnknownVariableType, reportReturnType]


def _count(value: Any, x: Tensor, counter: str) -> Tensor:
    """A counter of updates."""
    found = _array(value)
    if found.size != 1:
        raise StateError(f"the counter of updates of {x.name} has shape {found.shape}; it must have one element")
    made = paddle.to_tensor(found.reshape(1), dtype="float32", place=paddle.CPUPlace())
    return named(made, tensor_name(x.name, counter))


def _fresh(value: Any, x: Tensor, state: str) -> Tensor:
    """A tensor of its own, such as the optimizer would have made it."""
    found = _array(value)
    if list(found.shape) != list(x.shape):
        raise StateError(
            f"the state {state!r} of {x.name} has shape {tuple(found.shape)}, and the parameter {tuple(x.shape)}; load "
            f"the state of the same model"
        )
    made = paddle.to_tensor(found, dtype="float32" if x.dtype in HALVES else x.dtype, place=x.place)
    return named(made, tensor_name(x.name, state))


def _array(value: Any) -> np.ndarray:
    return value.numpy() if isinstance(value, paddle.Tensor) else np.asarray(value)


def named(tensor: Tensor, name: str) -> Tensor:
    """Give a state its name."""
    tensor.name, tensor.persistable, tensor.stop_gradient = name, True, True
    return tensor
