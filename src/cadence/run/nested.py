"""Nested state as tensors by name and plain data: what safetensors and JSON can hold, and nothing that runs code."""

from __future__ import annotations

import abc
from collections.abc import Mapping
from typing import Any

import numpy as np

from cadence._errors import StateError


class Holder(abc.ABC):
    """Tensors of one framework by name, each piece of memory once."""

    @abc.abstractmethod
    def takes(self, value: object) -> bool:
        """Whether a value is a tensor that can be entered."""

    @abc.abstractmethod
    def enter(self, name: str, tensor: Any) -> str:
        """Enter a tensor; returns the name it is found under, which is another's where both are one (tied weights).

        Raises:
            StateError: a tensor that no checkpoint holds.
        """


def take_apart(state: Any, name: str, parts: Holder) -> Any:
    """Put every tensor of a nested state into `parts`, and return the rest as JSON data that says where they were.

    Args:
        state: of mappings, lists, tuples, tensors, numbers, text, None.
        name: what the tensors' names begin with; empty at the top.
        parts: is added to.

    Raises:
        StateError: another kind of object.

    Example:
        >>> import torch
        >>> from cadence.run.torch_state import Parts
        >>> parts = Parts()
        >>> take_apart({0: {"step": 3, "mean": torch.zeros(2)}, "betas": (0.9, 0.99)}, "o", parts)
        {'items': [[0, {'map': {'step': 3, 'mean': {'tensor': 'o.0.mean'}}}], ['betas', {'tuple': [0.9, 0.99]}]]}
        >>> list(parts.tensors)
        ['o.0.mean']
    """
    if parts.takes(state):
        return {"tensor": parts.enter(name, state)}
    match state:
        case Mapping():
            inside = [(key, take_apart(value, f"{name}.{key}".lstrip("."), parts)) for key, value in state.items()]
            if all(isinstance(key, str) for key, _ in inside):
                return {"map": dict(inside)}
            if all(isinstance(key, (int, str)) for key, _ in inside):
                return {"items": [[key, value] for key, value in inside]}
        case tuple() | list():
            items = [take_apart(value, f"{name}.{i}", parts) for i, value in enumerate(state)]
            return {"tuple": items} if isinstance(state, tuple) else items
        case None | bool() | int() | float() | str():
            return state
        case np.generic():
            return state.item()
        case _:
            pass
    raise StateError(
        f"{name} is {state!r:.60}, a {type(state).__name__}, which a checkpoint cannot hold; let its state_dict give "
        f"tensors, numbers, text, lists and mappings"
    )


def put_together(rest: Any, tensors: Mapping[str, Any]) -> Any:
    """The state that `take_apart` took apart; tuples come back as tuples.

    Raises:
        StateError: a tensor is missing, or the data are none that `take_apart` gave.
    """
    if isinstance(rest, list):
        return [put_together(value, tensors) for value in rest]
    if not isinstance(rest, dict):
        return rest
    match rest:
        case {"tensor": name}:
            if name not in tensors:
                raise StateError(f"the checkpoint has no tensor {name!r}; use an earlier checkpoint")
            return tensors[name]
        case {"map": inside}:
            return {key: put_together(value, tensors) for key, value in inside.items()}
        case {"items": inside}:
            return {key: put_together(value, tensors) for key, value in inside}
        case {"tuple": inside}:
            return tuple(put_together(value, tensors) for value in inside)
        case _:
            raise StateError(f"the checkpoint holds {str(rest)!r:.60}, which means nothing; use an earlier checkpoint")
