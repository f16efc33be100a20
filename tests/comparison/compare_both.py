"""A task for torch and paddle that trains in milliseconds, as a user's own module would bring it."""

from __future__ import annotations

import dataclasses
from typing import Any

import paddle
from compare_tasks import rows  # type: ignore[import-not-found]

from cadence.tasks import Task


def square(outputs: Any, targets: Any) -> Any:
    return ((outputs.squeeze(-1) - targets) ** 2).mean()


def lines() -> Task:
    """The straight line of `compare_tasks`, in both frameworks."""
    there = rows()
    return dataclasses.replace(
        there, models={**there.models, "paddle": lambda: paddle.nn.Linear(3, 1)},
        losses={**there.losses, "paddle": square}, metrics={**there.metrics, "paddle": square},
    )  # fmt: skip
