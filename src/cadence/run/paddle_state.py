"""State of paddle objects: tensors in a safetensors file, and the random numbers of a process.

Paddle's generator has a state that cannot be written down. So the engine gives it a new seed before every update, drawn
from a generator whose state can: see `Seeds`.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from pathlib import Path
from typing import Any, final

import numpy as np
import paddle
import safetensors
import safetensors.paddle

from cadence._errors import StateError
from cadence.run.nested import Holder

Tensors = dict[str, paddle.Tensor]


def file_of_tensors(tensors: Tensors) -> bytes:
    """The content of a safetensors file: a copy of the tensors."""
    return safetensors.paddle.save(tensors)


def read_tensors(path: Path) -> Tensors:
    """The tensors of a safetensors file, on the CPU.

    Raises:
        StateError: no safetensors file.
    """
    try:
        return safetensors.paddle.load_file(path)
    except (OSError, safetensors.SafetensorError) as fault:
        raise StateError(f"{path} holds no tensors ({fault}); use an earlier checkpoint") from None


@final
class Parts(Holder):
    """Tensors by name, each piece of memory once. Arrays of numpy are entered as tensors.

    Attributes:
        tensors: what `file_of_tensors` takes.
    """

    def __init__(self) -> None:
        self.tensors: Tensors = {}
        self._names: dict[tuple[Any, ...], str] = {}

    def takes(self, value: object) -> bool:
        return isinstance(value, (paddle.Tensor, np.ndarray))

    def enter(self, name: str, tensor: Any) -> str:
        if isinstance(tensor, np.ndarray):
            tensor = paddle.to_tensor(tensor)
        if not tensor.is_dense():
            raise StateError(f"{name} is a tensor that is not dense; a checkpoint takes dense ones")
        tensor = tensor.detach()
        key = (tensor.data_ptr(), tuple(tensor.shape), tensor.dtype)
        if tensor.size and key in self._names:
            return self._names[key]
        self._names[key] = name
        self.tensors[name] = tensor.cpu().contiguous()
        return name


@final
class Seeds:
    """A row of seeds, one for each update, that goes on from where its state says.

    Args:
        seed: of the row.

    Example:
        >>> row = Seeds(0)
        >>> first, state = row.next(), row.state()
        >>> second = row.next()
        >>> row.set_state(state)
        >>> row.next() == second, first == second
        (True, False)
    """

    def __init__(self, seed: int) -> None:
        self._bits: Any = np.random.PCG64(seed)

    def next(self) -> int:
        """The next seed, from 0 to 2 ** 63 - 1."""
        return self._bits.random_raw() >> 1

    def state(self) -> dict[str, Any]:
        """Where the row stands, as plain data."""
        return dict(self._bits.state)

    def set_state(self, state: Mapping[str, Any]) -> None:
        """Go on from what `state` gave."""
        self._bits.state = dict(state)


def plain_random_state() -> dict[str, Any]:
    """The state of python's and numpy's generators, which a model, a loss or a task may draw from."""
    version, words, gauss = random.getstate()
    kind, keys, *counters = np.random.get_state()
    return {
        "python": [version, np.asarray(words, dtype=np.int64), gauss],
        "numpy": [kind, np.asarray(keys, dtype=np.int64), *counters],
    }


def json_of(state: Mapping[str, Any]) -> dict[str, Any]:
    """A state of `plain_random_state` as JSON data, to be sent to another process; it can be set as it is."""
    return {
        kind: [part.tolist() if isinstance(part, np.ndarray) else part for part in parts]
        for kind, parts in state.items()
    }


def set_plain_random_state(state: Mapping[str, Any]) -> None:
    """Go on drawing as from the moment of `plain_random_state`."""
    version, words, gauss = state["python"]
    random.setstate((version, tuple(np.asarray(words).tolist()), gauss))
    kind, keys, *counters = state["numpy"]
    np.random.set_state((kind, np.asarray(keys).astype(np.uint32), *counters))
