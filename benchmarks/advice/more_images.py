"""Further pictures: digits read by other nets, with wrong labels, with several labels, after other digits; a scan, a
portrait and a camera that moves over a photograph.
"""

from __future__ import annotations

import gzip
import math
from collections.abc import Iterator
from copy import deepcopy
from functools import cache
from pathlib import Path

import matplotlib
import numpy as np
import torch
from benchmarks.advice.images import HELD_OUT, TRAINED, digits, patches, photograph
from benchmarks.advice.models import convolutions_normed, dense
from benchmarks.advice.more_models import Unet, Vit, filler, frames, residual_dense
from benchmarks.advice.task import (
    Batch,
    Stream,
    Task,
    cross_entropy,
    noisy_passes,
    passes,
    pieces,
    square_error,
    with_noise,
)
from torch import Tensor, nn
from torch.nn import functional

SAMPLES = Path(matplotlib.get_data_path()) / "sample_data"


def digits_vit() -> Task:
    """600 digits, a vision transformer with dropout."""
    x, y, vx, vy = digits(600, seed=31)
    return Task("classification", 500, 32, 600, Vit, passes(x, y, 32), cross_entropy, pieces(vx, vy), math.log(10))


def deep_dense() -> Task:
    """400 digits, 17 dense layers with ways around them."""
    x, y, vx, vy = digits(400, seed=32)
    return Task(
        "classification", 600, 32, 400, lambda: residual_dense(64, 48, 8, 10), passes(x, y, 32), cross_entropy,
        pieces(vx, vy), math.log(10),
    )  # fmt: skip


def wrong_digits() -> Task:
    """1,000 digits, convolutions; a fifth of the labels is drawn anew, of the held-out ones, too."""
    x, y, vx, vy = digits(1000, seed=33)
    y, vy = _redrawn(y, 0.2, 1), _redrawn(vy, 0.2, 2)
    return Task(
        "classification", 700, 32, 1000, lambda: convolutions_normed(1, 4, 10, bias=False), passes(x, y, 32),
        cross_entropy, pieces(vx, vy), math.log(10),
    )  # fmt: skip


def digits_labels() -> Task:
    """500 digits and four questions to each: odd, prime, above 4, with a loop."""
    asked = torch.tensor([[d % 2, d in (2, 3, 5, 7), d > 4, d in (0, 6, 8, 9)] for d in range(10)]).float()
    x, y, vx, vy = digits(500, seed=34)
    return Task(
        "classification", 600, 32, 500, lambda: dense(64, 80, 80, 4), passes(x, asked[y], 32),
        functional.binary_cross_entropy_with_logits, pieces(vx, asked[vy]), math.log(2),
    )  # fmt: skip


def from_low_to_high_digits() -> Task:
    """150 digits from 5 to 9, by convolutions that have learnt to tell 0 to 4 apart; the head is a new one."""
    x, y, vx, vy = digits(300, seed=35)
    high, held = y >= 5, vy >= 5
    x, y, vx, vy = x[high], y[high] - 5, vx[held], vy[held] - 5
    return Task(
        "classification", 450, 16, len(x), _with_new_head, passes(x, y, 16), cross_entropy, pieces(vx, vy), math.log(5),
        fine_tuning=True,
    )  # fmt: skip


def _with_new_head() -> nn.Module:
    # Whether the weights were trained just now or before: the new head is drawn from the same random numbers.
    with torch.random.fork_rng():
        trained = _of_low_digits()
    model = deepcopy(trained)
    model[-1] = nn.Linear(128, 5)
    return model


@cache
def _of_low_digits() -> nn.Sequential:
    """600 updates on the digits 0 to 4."""
    x, y, _, _ = digits(1000, seed=36)
    x, y = x[y < 5], y[y < 5]
    torch.manual_seed(321)
    model = convolutions_normed(1, 2, 5, bias=False).train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
    falling = torch.optim.lr_scheduler.OneCycleLR(optimizer, 3e-3, total_steps=601, pct_start=0.07)
    for _, (rows, targets) in zip(range(600), passes(x, y, 32)(321), strict=False):
        optimizer.zero_grad()
        cross_entropy(model(rows), targets).backward()
        optimizer.step()
        falling.step()
    model.zero_grad()
    return model


def scan_unet() -> Task:
    """500 patches of a magnetic resonance scan under noise, a small U-net."""
    scan = torch.tensor(np.frombuffer(gzip.decompress((SAMPLES / "s1045.ima.gz").read_bytes()), np.uint16).astype("f4"))
    scan = scan.reshape(1, 256, 256) / scan.std()
    x, vx = patches(scan[:, :, :140], 500, 12, 41), patches(scan[:, :, 150:], 300, 12, 42)
    return Task(
        "denoising", 500, 16, 500, lambda: Unet(1), noisy_passes(x, 16, 0.3), square_error,
        pieces(with_noise(vx, 0.3), vx), float(vx.var()),
    )  # fmt: skip


def portrait_fill() -> Task:
    """1,000 patches of a portrait, a quarter of each covered, another one each time: what is under it?"""
    import matplotlib.image

    picture = matplotlib.image.imread(SAMPLES / "grace_hopper.jpg").astype("float32").mean(2) / 128 - 1
    grey = torch.tensor(picture)[None]
    x, vx = patches(grey[:, :, :330], 1000, 16, 43), patches(grey[:, :, 350:], 400, 16, 44)
    seen = _covered(vx, torch.Generator().manual_seed(3))
    return Task(
        "denoising", 600, 16, 1000, filler, _covering(x, 16), square_error, pieces(seen, vx), float(vx.var())
    )  # fmt: skip


def next_frame() -> Task:
    """1,200 moves of a camera over a photograph: after three frames, which is the fourth?"""
    photo = photograph(0).mean(0, keepdim=True) * 4 - 2
    x, y = _moves(photo[:, :, TRAINED], 1200, 51)
    vx, vy = _moves(photo[:, :, HELD_OUT], 300, 52)
    return Task(
        "regression", 500, 16, 1200, lambda: frames(3), passes(x, y, 16), square_error, pieces(vx, vy), float(vy.var())
    )  # fmt: skip


def _redrawn(y: Tensor, share: float, seed: int) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    drawn = torch.randint(0, 10, y.shape, generator=generator)
    return torch.where(torch.rand(y.shape, generator=generator) < share, drawn, y)


def _covered(x: Tensor, generator: torch.Generator) -> Tensor:
    """Each row with 8 x 8 of its 16 x 16 set to 0."""
    corners = torch.randint(0, 9, (len(x), 2, 1), generator=generator)
    at = torch.arange(16)
    rows, columns = ((at >= corners[:, i]) & (at < corners[:, i] + 8) for i in (0, 1))
    return x * ~(rows[:, None, :, None] & columns[:, None, None, :])


def _covering(clean: Tensor, batch_size: int) -> Stream:
    def stream(seed: int) -> Iterator[Batch]:
        generator = torch.Generator().manual_seed(seed + 1)
        for target, _ in passes(clean, clean, batch_size)(seed):
            yield _covered(target, generator), target

    return stream


def _moves(photo: Tensor, count: int, seed: int) -> tuple[Tensor, Tensor]:
    """Four views of 12 x 12 each, the same step of up to two pixels between them: three, and the fourth."""
    random = np.random.RandomState(seed)
    views = []
    for _ in range(count):
        row, column = random.randint(6, photo.shape[1] - 18), random.randint(6, photo.shape[2] - 18)
        down, right = random.randint(-2, 3, 2)
        views.append(
            torch.cat(
                [
                    photo[:, row + i * down : row + i * down + 12, column + i * right : column + i * right + 12]
                    for i in range(4)
                ]
            )
        )
    found = torch.stack(views)
    return found[:, :3], found[:, 3:]
