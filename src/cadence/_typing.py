"""Named types that several layers share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol, TypeAlias

JSON: TypeAlias = "None | bool | int | float | str | Sequence[JSON] | Mapping[str, JSON]"
"""What `json.dumps` takes and `torch.load(weights_only=True)` gives back."""

Progress: TypeAlias = Any
"""A share of a phase in [0, 1]: a python float, a float64 array, or a traced array of any framework."""


class Numbers(Protocol):
    """A number namespace: numpy, jax.numpy, or `cadence._xp.scalars`. Shapes use nothing else."""

    pi: float

    def sin(self, x: Any, /) -> Any: ...
    def cos(self, x: Any, /) -> Any: ...
    def tanh(self, x: Any, /) -> Any: ...
    def sqrt(self, x: Any, /) -> Any: ...
    def exp(self, x: Any, /) -> Any: ...
    def log(self, x: Any, /) -> Any: ...
    def expm1(self, x: Any, /) -> Any: ...
    def log1p(self, x: Any, /) -> Any: ...
