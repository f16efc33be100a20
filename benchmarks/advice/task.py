"""What a benchmark task is, and the losses."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TypeAlias

import torch
from torch import Tensor, nn
from torch.nn import functional

Batch: TypeAlias = tuple[Tensor, Tensor]

Stream: TypeAlias = Callable[[int], Iterator[Batch]]
"""Seed -> endless training batches."""


@dataclass(frozen=True)
class Task:
    """A small training on real data.

    Attributes:
        kind: as `cadence.recommend` calls it.
        updates: of the optimizer, pilots not counted.
        batch_size: rows of an update.
        rows: to train on; for texts, pieces that do not overlap.
        model: makes one with the random numbers of torch, which the caller seeds.
        stream: the training batches.
        loss: what is minimised, and what the held-out rows are judged by.
        held_out: rows that no training and no pilot sees.
        blind: loss of the best answer that does not look at its input.
        clip_norm: at which every training of it is clipped.
        fine_tuning: whether the model has been trained before.
    """

    kind: str
    updates: int
    batch_size: int
    rows: int
    model: Callable[[], nn.Module]
    stream: Stream
    loss: Callable[[Tensor, Tensor], Tensor]
    held_out: tuple[Batch, ...]
    blind: float
    clip_norm: float | None = None
    fine_tuning: bool = False


def cross_entropy(outputs: Tensor, targets: Tensor) -> Tensor:
    """Mean over all targets, those of sequences too."""
    return functional.cross_entropy(outputs.flatten(0, -2), targets.flatten())


square_error = functional.mse_loss


def pieces(x: Tensor, y: Tensor, size: int = 400) -> tuple[Batch, ...]:
    """Held-out rows in batches."""
    return tuple(zip(x.split(size), y.split(size), strict=True))


def spread(targets: Tensor) -> float:
    """Square error of the training mean, 0, on targets that were standardised with it."""
    return float(targets.square().mean())


def passes(x: Tensor, y: Tensor, batch_size: int) -> Stream:
    """Shuffled passes over the rows; what is left of one at its end is dropped."""

    def stream(seed: int) -> Iterator[Batch]:
        for rows in _orders(len(x), batch_size, torch.Generator().manual_seed(seed)):
            yield x[rows], y[rows]

    return stream


def noisy_passes(clean: Tensor, batch_size: int, noise: float) -> Stream:
    """Shuffled passes over clean rows, with noise that is drawn anew; the clean row is the target."""

    def stream(seed: int) -> Iterator[Batch]:
        generator = torch.Generator().manual_seed(seed)
        for rows in _orders(len(clean), batch_size, generator):
            target = clean[rows]
            yield target + noise * torch.randn(target.shape, generator=generator), target

    return stream


def with_noise(clean: Tensor, noise: float) -> Tensor:
    """Held-out rows with noise that is the same in every run."""
    return clean + noise * torch.randn(clean.shape, generator=torch.Generator().manual_seed(3))


def _orders(rows: int, batch_size: int, generator: torch.Generator) -> Iterator[Tensor]:
    while True:
        order = torch.randperm(rows, generator=generator)
        yield from order[: rows // batch_size * batch_size].split(batch_size)
