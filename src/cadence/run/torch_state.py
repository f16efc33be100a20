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
from cadence.record.files import write_atomically
from cadence.run.nested import Holder

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
class Parts(Holder):
    """Tensors by name, each piece of memory once.

    Attributes:
        tensors: what `write_tensors` takes.
    """

    def __init__(self) -> None:
        self.tensors: Tensors = {}
        self._names: dict[tuple[Any, ...], str] = {}
        self._storages: set[int] = set()

    def takes(self, value: object) -> bool:
        return isinstance(value, torch.Tensor)

    def enter(self, name: str, tensor: torch.Tensor) -> str:
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
