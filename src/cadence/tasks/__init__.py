"""What is trained: data, a model, a loss and a metric under one name.

`digits` and `bytes` are embedded; anything else comes from an importable function that returns a `Task`. Data are numpy
arrays, so that every framework trains on the same rows in the same order.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from cadence.tasks.base import Batch, Data, Split, Task
from cadence.tasks.find import embedded_tasks, resolve_task, task

if TYPE_CHECKING:
    from cadence.tasks.arrays import ArrayData
    from cadence.tasks.stream import TokenData

__all__ = ["ArrayData", "Batch", "Data", "Split", "Task", "TokenData", "embedded_tasks", "resolve_task", "task"]

_HOMES = {"ArrayData": "cadence.tasks.arrays", "TokenData": "cadence.tasks.stream"}


def __getattr__(name: str) -> Any:
    # These two need numpy, which the command line's help and the recipe reader do without.
    if name not in _HOMES:
        raise AttributeError(f"module 'cadence.tasks' has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)
