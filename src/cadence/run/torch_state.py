"""State of torch objects as arrays and plain data: what safetensors and JSON can hold, and nothing that runs code."""

from __future__ import annotations

import random
from collections.abc import Mapping
from pathlib import Path
from typing import Any, final

import numpy as np
import safetensors.torch
import torch

from cadence._errors import StateError
from cadence.record.files import write_atomically

Tensors = dict[str, torch.Tensor]

_CONTIGUOUS = torch.contiguous_format


def write_tensors(path: Path, tensors: Tensors) -> None:
    """Write tensors to a safetensors file, atomically.

    Raises:
        RecordError: it cannot be written.
    """
    write_atomically(path, safetensors.torch.save(tensors))


def read_tensors(path: Path) -> Tensors:
    """What `write_tensors` wrote, on the CPU.

    Raises:
        StateError: no safetensors file.
    """
    try:
        return safetensors.torch.load_file(path)
    except (OSError, safetensors.SafetensorError) as fault:
        raise StateError(f"{path} holds no tensors ({fault}); use an earlier checkpoint") from None


@final
class Parts:
    """Tensors by name, each piece of memory once.

    Attributes:
        tensors: what `write_tensors` takes.
    """

    def __init__(self) -> None:
        self.tensors: Tensors = {}
        self._names: dict[tuple[Any, ...], str] = {}
        self._storages: set[int] = set()

    def enter(self, name: str, tensor: torch.Tensor) -> str:
        """Enter a tensor; returns the name it is found under, which is another's where both are one (tied weights)."""
        if tensor.layout is not torch.strided:
            raise StateError(f"{name} is a tensor of layout {tensor.layout}; a checkpoint takes dense ones")
        tensor = tensor.detach()
        key = (tensor.data_ptr(), tensor.shape, tensor.stride(), tensor.dtype)
        if tensor.numel() and key in self._names:
            return self._names[key]
        self._names[key] = name
        storage = tensor.untyped_storage().data_ptr()
        # The file format refuses overlapping memory; parts of one buffer are copied out of it.
        tensor = tensor.contiguous() if storage not in self._storages else tensor.clone(memory_format=_CONTIGUOUS)
        self.tensors[name] = tensor
        self._storages.add(storage)
        return name


def take_apart(state: Any, name: str, parts: Parts) -> Any:
    """Put every tensor of a nested state into `parts`, and return the rest as JSON data that says where they were.

    Args:
        state: of mappings, lists, tuples, tensors, numbers, text, None.
        name: what the tensors' names begin with; empty at the top.
        parts: is added to.

    Raises:
        StateError: another kind of object.

    Example:
        >>> parts = Parts()
        >>> take_apart({0: {"step": 3, "mean": torch.zeros(2)}, "betas": (0.9, 0.99)}, "o", parts)
        {'items': [[0, {'map': {'step': 3, 'mean': {'tensor': 'o.0.mean'}}}], ['betas', {'tuple': [0.9, 0.99]}]]}
        >>> list(parts.tensors)
        ['o.0.mean']
    """
    match state:
        case torch.Tensor():
            return {"tensor": parts.enter(name, state)}
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


def put_together(rest: Any, tensors: Mapping[str, torch.Tensor]) -> Any:
    """The state that `take_apart` took apart; tuples come back as tuples."""
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


def random_state() -> dict[str, Any]:
    """The state of every generator that a model, a loss or a task may draw from: python's, numpy's, torch's."""
    version, words, gauss = random.getstate()
    kind, keys, *counters = np.random.get_state()
    state: dict[str, Any] = {
        "python": [version, torch.tensor(words, dtype=torch.int64), gauss],
        "numpy": [kind, torch.from_numpy(np.asarray(keys, dtype=np.int64)), *counters],
        "torch": torch.get_rng_state(),
    }
    if torch.cuda.is_available() and torch.cuda.is_initialized():
        state["cuda"] = torch.cuda.get_rng_state_all()
    return state


def set_random_state(state: Mapping[str, Any]) -> None:
    """Go on drawing as from the moment of `random_state`."""
    version, words, gauss = state["python"]
    random.setstate((version, tuple(words.tolist()), gauss))
    kind, keys, *counters = state["numpy"]
    np.random.set_state((kind, keys.numpy().astype(np.uint32), *counters))
    torch.set_rng_state(state["torch"])
    if "cuda" in state and torch.cuda.is_available():
        torch.cuda.set_rng_state_all(state["cuda"])


def plain_state(state: Mapping[str, Any]) -> dict[str, Any]:
    """The state of `random_state` as JSON data, to be sent to another process."""
    parts = Parts()
    rest = take_apart(state, "", parts)
    return {"rest": rest, "numbers": {name: tensor.tolist() for name, tensor in parts.tensors.items()}}


def tensor_state(plain: Mapping[str, Any]) -> dict[str, Any]:
    """What `plain_state` was made of."""
    words = {name: torch.tensor(numbers, dtype=torch.int64) for name, numbers in plain["numbers"].items()}
    state = put_together(plain["rest"], words)
    # Torch counts its own state in bytes, the others in words.
    for key in state.keys() & {"torch", "cuda"}:
        own = state[key]
        state[key] = [one.to(torch.uint8) for one in own] if isinstance(own, list) else own.to(torch.uint8)
    return state
