"""State of torch objects: tensors in a safetensors file, and the random numbers of a process."""

from __future__ import annotations

import random
from collections.abc import Mapping
from pathlib import Path
from typing import Any, final

import numpy as np
import safetensors.torch
import torch

from cadence._errors import StateError
from cadence.run.nested import Holder, put_together, take_apart
from cadence.run.tensor_file import Array, file_of

Tensors = dict[str, torch.Tensor]

KINDS = {
    torch.float64: "F64",
    torch.float32: "F32",
    torch.float16: "F16",
    torch.bfloat16: "BF16",
    torch.float8_e4m3fn: "F8_E4M3",
    torch.float8_e5m2: "F8_E5M2",
    torch.complex64: "C64",
    torch.int64: "I64",
    torch.int32: "I32",
    torch.int16: "I16",
    torch.int8: "I8",
    torch.uint64: "U64",
    torch.uint32: "U32",
    torch.uint16: "U16",
    torch.uint8: "U8",
    torch.bool: "BOOL",
}
"""What a safetensors file calls the types that it can hold."""


def file_of_tensors(tensors: Tensors) -> list[bytes | memoryview]:
    """The content of a safetensors file, in pieces that are the memory of the tensors.

    Args:
        tensors: dense ones on the CPU, of a type in `KINDS`, none of which shares memory with another.
    """
    return file_of({name: Array(KINDS[x.dtype], tuple(x.shape), _bytes(x)) for name, x in tensors.items()})


def _bytes(tensor: torch.Tensor) -> memoryview:
    return tensor.reshape(-1).view(torch.uint8).numpy().data


def read_tensors(path: Path) -> Tensors:
    """The tensors of a safetensors file, on the CPU.

    Raises:
        StateError: no safetensors file.
    """
    try:
        return safetensors.torch.load_file(path)
    except (OSError, safetensors.SafetensorError) as fault:
        raise StateError(f"{path} holds no tensors ({fault}); use an earlier checkpoint") from None


@final
class Shelf:
    """Copies of tensors in memory that is kept: asking the system for it anew takes several times as long as a copy.

    It holds as much as what is copied into it.
    """

    def __init__(self) -> None:
        self._copies: Tensors = {}

    def copy(self, name: str, tensor: torch.Tensor) -> torch.Tensor:
        """A copy on the CPU, its elements in order, that stands until the next one of this name."""
        there = self._copies.get(name)
        if there is None or there.shape != tensor.shape or there.dtype != tensor.dtype:
            there = torch.empty(tensor.shape, dtype=tensor.dtype)
        self._copies[name] = there.copy_(tensor)
        return there


@final
class Parts(Holder):
    """Tensors by name, each piece of memory once.

    Args:
        shelf: where their copies stand.

    Attributes:
        tensors: what `file_of_tensors` takes.
    """

    def __init__(self, shelf: Shelf) -> None:
        self.tensors: Tensors = {}
        self._shelf = shelf
        self._names: dict[tuple[Any, ...], str] = {}

    def takes(self, value: object) -> bool:
        return isinstance(value, torch.Tensor)

    def enter(self, name: str, tensor: torch.Tensor) -> str:
        """Enter a tensor; returns the name it is found under, which is another's where both are one (tied weights)."""
        if tensor.layout is not torch.strided or tensor.dtype not in KINDS:
            raise StateError(
                f"{name} is a tensor of layout {tensor.layout} and type {tensor.dtype}; a checkpoint takes dense ones "
                f"of plain numbers"
            )
        tensor = tensor.detach()
        key = (tensor.data_ptr(), tensor.shape, tensor.stride(), tensor.dtype, tensor.device)
        if tensor.numel() and key in self._names:
            return self._names[key]
        self._names[key] = name
        self.tensors[name] = self._shelf.copy(name, tensor)
        return name


@torch.no_grad()
def lay_out(optimizer: torch.optim.Optimizer) -> None:
    """Lay the state of an optimizer out in memory as its parameters are.

    A file holds elements in order, whatever the layout was. Fused optimizers of torch go through memory as it lies, and
    where state and parameter lie differently they refuse, or mix up elements without a word.
    """
    for parameter, state in optimizer.state.items():
        for name, value in state.items():
            if not isinstance(value, torch.Tensor) or value.shape != parameter.shape:
                continue
            if value.stride() != parameter.stride() and value.layout is parameter.layout is torch.strided:
                state[name] = torch.empty_like(parameter, dtype=value.dtype, requires_grad=False).copy_(value)


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
    parts = Parts(Shelf())
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
