"""The small tasks for paddle, as a user's own module would bring them."""

from __future__ import annotations

import dataclasses
import random
from typing import Any

import numpy as np
import paddle

from cadence.tasks import ArrayData, Task


def square(outputs: Any, targets: Any) -> Any:
    return ((outputs.squeeze(-1) - targets) ** 2).mean()


def miss(outputs: Any, targets: Any) -> Any:
    return (outputs.squeeze(-1) - targets).abs().mean()


class Net(paddle.nn.Layer):
    """Two layers, with everything that keeps state: dropout, batch statistics, tied weights."""

    def __init__(self, dropout: float, norm: bool) -> None:
        super().__init__()
        self.body = paddle.nn.Linear(4, 8)
        self.norm = paddle.nn.BatchNorm1D(8) if norm else paddle.nn.Identity()
        self.drop = paddle.nn.Dropout(dropout)
        self.head = paddle.nn.Linear(8, 1)
        self.same_head = self.head

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        return self.same_head(self.drop(paddle.tanh(self.norm(self.body(x)))))


class Restless(Net):
    """Draws from every source in training."""

    def __init__(self) -> None:
        super().__init__(0.3, True)
        self.to(dtype="float64")

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        y = super().forward(x)
        return y * (1 + 0.1 * np.random.normal() + 0.1 * random.random()) if self.training else y


def jitter(x: Any, rng: np.random.Generator) -> Any:
    return (x + rng.normal(scale=0.1, size=x.shape)).astype(x.dtype)


FAR = 7
"""The training row whose target may be far off."""


def rows(
    n: int = 50,
    dropout: float = 0.0,
    norm: bool = False,
    double: bool = False,
    augment: bool = False,
    far: float | None = None,
) -> Task:
    """A straight line with noise."""
    rng = np.random.default_rng(7)
    x = rng.normal(size=(n + 40, 4))
    y = x @ np.array([1.0, -2.0, 0.5, 0.0]) + 0.1 * rng.normal(size=n + 40)
    kind = np.float64 if double else np.float32
    if far is not None:
        y[40 + FAR] = far
    x, y = x.astype(kind), y.astype(kind)
    data = ArrayData(
        x[40:], y[40:], val=(x[:20], y[:20]), tune=(x[20:40], y[20:40]), default_batch_size=8,
        augment=jitter if augment else None,
    )  # fmt: skip

    def model() -> Any:
        made = Net(dropout, norm)
        return made.to(dtype="float64") if double else made

    return Task(
        "rows", data, models={"paddle": model}, losses={"paddle": square}, metrics={"paddle": miss},
        metric_name="miss", metric_better="min",
    )  # fmt: skip


def alive() -> Task:
    """With everything that a resumed run must get right: random numbers, batch statistics, augmentation."""
    return rows(dropout=0.2, norm=True, augment=True)


def poisoned(far: float = 1e4, lively: bool = False) -> Task:
    """400 rows, one of which has a target that is far off: in batches of 8 an epoch is 50 updates, and one is hit."""
    return rows(n=400, dropout=0.2 * lively, norm=lively, augment=lively, far=far)


def wide(width: int = 16) -> Any:
    return paddle.nn.Sequential(paddle.nn.Linear(4, width), paddle.nn.ReLU(), paddle.nn.Linear(width, 1))


def of_torch() -> Any:
    import torch

    return torch.nn.Linear(4, 1)


def in_half() -> Any:
    """Weights in bfloat16, of which a processor can do little but keep them."""
    return Half()


class Half(paddle.nn.Layer):
    def __init__(self) -> None:
        super().__init__()
        self.line = paddle.nn.Linear(4, 1)
        self.kept = self.create_parameter([3], default_initializer=paddle.nn.initializer.Constant(0.1))
        self.kept = paddle.nn.Parameter(self.kept.astype("bfloat16"))
        self.kept.stop_gradient = True

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        return self.line(x)


class Hiccup(paddle.nn.Layer):
    """Overflows once, in its third batch, as half precision may."""

    def __init__(self) -> None:
        super().__init__()
        self.line = paddle.nn.Linear(4, 1)
        self.calls = 0

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        self.calls += 1
        return self.line(x) * (float("inf") if self.calls == 3 else 1.0)


class Endless(paddle.nn.Layer):
    """A finite loss with a gradient that never is: the derivative of a root at 0."""

    def __init__(self) -> None:
        super().__init__()
        self.line = paddle.nn.Linear(4, 1)

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        return self.line(x) + paddle.sqrt(0 * self.line.weight.sum())


def chance(outputs: Any, targets: Any) -> Any:
    return paddle.rand([]) + np.random.rand() + random.random()


def judged_by_chance() -> Task:
    """A metric that draws random numbers, beside dropout, which draws from the same source."""
    return dataclasses.replace(rows(dropout=0.5), metrics={"paddle": chance}, metric_name="chance")


def in_both() -> Task:
    """The same model for torch, too."""
    import small_tasks  # type: ignore[import-not-found]

    here, there = rows(norm=True), small_tasks.rows(norm=True)
    return dataclasses.replace(
        here, models={**here.models, **there.models}, losses={**here.losses, **there.losses},
        metrics={**here.metrics, **there.metrics},
    )  # fmt: skip


def of_two_kinds() -> Task:
    """Another model for torch."""
    import small_tasks  # type: ignore[import-not-found]

    return dataclasses.replace(in_both(), models={"paddle": lambda: Net(0.0, True), "torch": small_tasks.wide})
