"""Digits and photographs: to be told apart, and to be cleaned of noise."""

from __future__ import annotations

import math

import numpy as np
import torch
from benchmarks.advice.models import Mixer, NoiseFinder, bottleneck, convolutions, convolutions_normed, denoiser
from benchmarks.advice.task import Task, cross_entropy, noisy_passes, passes, pieces, square_error, with_noise
from sklearn.datasets import load_digits, load_sample_image
from torch import Tensor


def digits(count: int, seed: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """So many digits to train on, all others held out; standardised with those that are trained on."""
    found = load_digits()
    order = torch.from_numpy(np.random.RandomState(seed).permutation(len(found.target)))
    train, rest = order[:count], order[count:]
    x, y = torch.tensor(found.images, dtype=torch.float32).unsqueeze(1) / 16.0, torch.tensor(found.target)
    x = (x - x[train].mean()) / x[train].std()
    return x[train], y[train], x[rest], y[rest]


def photograph(number: int) -> Tensor:
    """(3, 427, 640) in [0, 1]."""
    name = ("china.jpg", "flower.jpg")[number]
    return torch.tensor(load_sample_image(name).astype("float32") / 255.0).permute(2, 0, 1)


def patches(picture: Tensor, count: int, size: int, seed: int) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    rows = torch.randint(0, picture.shape[1] - size, (count,), generator=generator).tolist()
    columns = torch.randint(0, picture.shape[2] - size, (count,), generator=generator).tolist()
    return torch.stack([picture[:, r : r + size, c : c + size] for r, c in zip(rows, columns, strict=True)])


TRAINED, HELD_OUT = slice(None, 440), slice(460, None)
"""Columns of a photograph: left and right, with a gap that no patch crosses."""


def digits_cnn() -> Task:
    """1,000 digits, convolutions without normalisation."""
    x, y, vx, vy = digits(1000, seed=5)
    return Task(
        "classification", 800, 32, 1000, convolutions, passes(x, y, 32), cross_entropy, pieces(vx, vy), math.log(10)
    )


def digits_mixer() -> Task:
    """500 digits, a mixer of dense layers."""
    x, y, vx, vy = digits(500, seed=22)
    return Task("classification", 600, 32, 500, Mixer, passes(x, y, 32), cross_entropy, pieces(vx, vy), math.log(10))


def few_digits_cnn() -> Task:
    """200 digits, convolutions with batch normalisation."""
    x, y, vx, vy = digits(200, seed=77)
    return Task(
        "classification", 600, 32, 200, lambda: convolutions_normed(1, 2, 10, bias=False), passes(x, y, 32),
        cross_entropy, pieces(vx, vy), math.log(10),
    )  # fmt: skip


def which_photo() -> Task:
    """800 patches of two photographs: from which one?"""
    both = [photograph(0), photograph(1)]
    x = torch.cat([patches(photo[:, :, TRAINED], 400, 12, 11 + i) for i, photo in enumerate(both)])
    vx = torch.cat([patches(photo[:, :, HELD_OUT], 300, 12, 13 + i) for i, photo in enumerate(both)])
    y, vy = torch.arange(2).repeat_interleave(400), torch.arange(2).repeat_interleave(300)
    return Task(
        "classification", 500, 32, 800, lambda: convolutions_normed(3, 1, 2, bias=True),
        passes((x - 0.5) * 3, y, 32), cross_entropy, pieces((vx - 0.5) * 3, vy), math.log(2),
    )  # fmt: skip


def digits_ae() -> Task:
    """900 digits under noise, through a bottleneck."""
    x, _, vx, _ = (part.flatten(1) if part.ndim > 1 else part for part in digits(900, seed=7))
    return Task(
        "denoising", 1000, 64, 900, bottleneck, noisy_passes(x, 64, 0.7), square_error,
        pieces(with_noise(vx, 0.7), vx), float(vx.var()),
    )  # fmt: skip


def photo_denoise() -> Task:
    """1,500 patches of a photograph under noise, convolutions."""
    photo = photograph(0)
    x, vx = patches(photo[:, :, TRAINED], 1500, 16, 1), patches(photo[:, :, HELD_OUT], 300, 16, 2)
    return Task(
        "denoising", 600, 16, 1500, NoiseFinder, noisy_passes(x, 16, 0.2), square_error,
        pieces(with_noise(vx, 0.2), vx), float(vx.var()),
    )  # fmt: skip


def photo_ae() -> Task:
    """2,000 small patches of a photograph under noise, dense layers."""
    photo = photograph(1)
    x = patches(photo[:, :, TRAINED], 2000, 8, 21).flatten(1) * 4 - 2
    vx = patches(photo[:, :, HELD_OUT], 400, 8, 22).flatten(1) * 4 - 2
    return Task(
        "denoising", 900, 32, 2000, lambda: denoiser(192, 96), noisy_passes(x, 32, 0.6), square_error,
        pieces(with_noise(vx, 0.6), vx), float(vx.var()),
    )  # fmt: skip
