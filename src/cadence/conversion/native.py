"""A scheduler of some framework as data: its name and its arguments, schedulers inside schedulers included."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, cast


@dataclass(frozen=True)
class Native:
    """What a framework's constructor is called with.

    Attributes:
        framework: ``"torch"``, ``"paddle"``, ...
        name: of the class or function, as registered: ``"CosineAnnealingLR"``.
        arguments: by parameter name, as given; a scheduler inside another is a `Native` too, and so are those in lists.
    """

    framework: str
    name: str
    arguments: Mapping[str, Any] = field(default_factory=dict[str, Any])

    def __repr__(self) -> str:
        """The call, e.g. ``CosineAnnealingLR(T_max=90)``."""
        return f"{self.name}({', '.join(f'{key}={_text(value)}' for key, value in self.arguments.items())})"


def _text(value: Any) -> str:
    if isinstance(value, (list, tuple)):
        inside = ", ".join(map(_text, cast("list[Any]", value)))
        return f"[{inside}]"
    if callable(value):
        return getattr(value, "__name__", "function")
    return repr(value)
