"""Tasks that train in milliseconds, as a user's own module would bring them."""

from __future__ import annotations

import dataclasses
import os
import random
import signal
from pathlib import Path
from typing import Any

import numpy as np
import torch

from cadence.tasks import ArrayData, Task

FAR = 7
"""The training row whose target may be far off."""


def square(outputs: Any, targets: Any) -> Any:
    return ((outputs.squeeze(-1) - targets) ** 2).mean()


def miss(outputs: Any, targets: Any) -> Any:
    return (outputs.squeeze(-1) - targets).abs().mean()


class Net(torch.nn.Module):
    """Two layers, with everything that keeps state: dropout, batch statistics, tied weights."""

    def __init__(self, dropout: float, norm: bool, double: bool) -> None:
        super().__init__()
        self.body = torch.nn.Linear(4, 8)
        self.norm = torch.nn.BatchNorm1d(8) if norm else torch.nn.Identity()
        self.drop = torch.nn.Dropout(dropout)
        self.head = torch.nn.Linear(8, 1)
        self.same_head = self.head
        if double:
            self.double()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.same_head(self.drop(torch.tanh(self.norm(self.body(x)))))


def jitter(x: Any, rng: np.random.Generator) -> Any:
    return (x + rng.normal(scale=0.1, size=x.shape)).astype(x.dtype)


def rows(
    n: int = 50,
    dropout: float = 0.0,
    norm: bool = False,
    double: bool = False,
    augment: bool = False,
    scale: float = 1.0,
    far: float | None = None,
    held_out: int = 256,
) -> Task:
    """A straight line with noise."""
    rng = np.random.default_rng(7)
    x = rng.normal(size=(n + 40, 4)) * scale
    y = x @ np.array([1.0, -2.0, 0.5, 0.0]) + 0.1 * rng.normal(size=n + 40)
    kind = np.float64 if double else np.float32
    if far is not None:
        y[40 + FAR] = far
    x, y = x.astype(kind), y.astype(kind)
    data = ArrayData(
        x[40:], y[40:], val=(x[:20], y[:20]), tune=(x[20:40], y[20:40]), default_batch_size=8,
        augment=jitter if augment else None, held_out_batch_size=held_out,
    )  # fmt: skip
    return Task(
        "rows", data, models={"torch": lambda: Net(dropout, norm, double)}, losses={"torch": square},
        metrics={"torch": miss}, metric_name="miss", metric_better="min",
    )  # fmt: skip


def alive() -> Task:
    """With everything that a resumed run must get right: random numbers, batch statistics, augmentation."""
    return rows(dropout=0.2, norm=True, augment=True)


def poisoned(far: float = 1e4, lively: bool = False) -> Task:
    """400 rows, one of which has a target that is far off: in batches of 8 an epoch is 50 updates, and one is hit."""
    return rows(n=400, dropout=0.2 * lively, norm=lively, augment=lively, far=far)


def from_folder(folder: str) -> Task:
    return rows(n=len(list(Path(folder).iterdir())))


def wide(width: int = 16) -> torch.nn.Module:
    return torch.nn.Sequential(torch.nn.Linear(4, width), torch.nn.ReLU(), torch.nn.Linear(width, 1))


def no_model() -> str:
    return "a model"


class Broken(torch.nn.Module):
    """Works a few times, then fails as a fault in somebody's code does."""

    def __init__(self) -> None:
        super().__init__()
        self.line = torch.nn.Linear(4, 1)
        self.calls = 0

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.calls += 1
        if self.calls > 5:
            raise IndexError("row 7 of 7")
        return self.line(x)


class Endless(torch.nn.Module):
    """A finite loss with a gradient that never is: the derivative of a root at 0."""

    def __init__(self) -> None:
        super().__init__()
        self.line = torch.nn.Linear(4, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.line(x) + torch.sqrt(0 * self.line.weight.sum())


class Hiccup(torch.nn.Module):
    """Overflows once, in its third batch, as half precision may."""

    def __init__(self) -> None:
        super().__init__()
        self.line = torch.nn.Linear(4, 1)
        self.calls = 0

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.calls += 1
        return self.line(x) * (float("inf") if self.calls == 3 else 1.0)


class Misjudged(torch.nn.Module):
    """Gives no number in its second evaluation, and only there."""

    def __init__(self) -> None:
        super().__init__()
        self.line = torch.nn.Linear(4, 1)
        self.judged = 0

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.judged += not self.training
        return self.line(x) * (float("inf") if not self.training and self.judged == 2 else 1.0)


def chance(outputs: Any, targets: Any) -> Any:
    return torch.rand(()) + np.random.rand() + random.random()


def judged_by_chance() -> Task:
    """A metric that draws random numbers, beside dropout, which draws from the same source."""
    return dataclasses.replace(rows(dropout=0.5), metrics={"torch": chance}, metric_name="chance")


class HiccupInOne(Hiccup):
    """Overflows once, in the third batch of rank 1 alone."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.calls += torch.distributed.get_rank() == 1 and self.training
        return self.line(x) * (float("inf") if self.calls == 3 and self.training else 1.0)


class Killer(torch.nn.Module):
    """Rank 1 is killed in its fifth batch."""

    def __init__(self) -> None:
        super().__init__()
        self.line = torch.nn.Linear(4, 1)
        self.calls = 0

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.calls += 1
        if self.calls == 5 and torch.distributed.get_rank() == 1:
            os.kill(os.getpid(), signal.SIGKILL)
        return self.line(x)


def folded() -> torch.nn.Module:
    """A convolution whose weights lie with the channels last."""
    model = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.ReLU(), torch.nn.Flatten(), torch.nn.Linear(36, 1))
    return model.to(memory_format=torch.channels_last)


def pictures() -> Task:
    rng = np.random.default_rng(3)
    x = rng.normal(size=(60, 3, 5, 5)).astype(np.float32)
    y = x.mean(axis=(1, 2, 3))
    data = ArrayData(x[20:], y[20:], val=(x[:10], y[:10]), tune=(x[10:20], y[10:20]), default_batch_size=8)
    return Task(
        "pictures", data, models={"torch": folded}, losses={"torch": square}, metrics={"torch": miss},
        metric_name="miss", metric_better="min",
    )  # fmt: skip
