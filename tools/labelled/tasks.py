"""Small tasks of several kinds, each trained in about a second."""
# torch and scikit-learn say too little of their types.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# pyright: reportArgumentType=false, reportMissingParameterType=false, reportUnknownParameterType=false

from __future__ import annotations

import functools
import sysconfig
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from sklearn.datasets import load_breast_cancer, load_digits, make_friedman1, make_moons
from torch import Tensor, nn
from torch.nn import functional as F

Loss = Callable[[Tensor, Tensor], Tensor]
Halves = tuple[tuple[Tensor, Tensor], tuple[Tensor, Tensor]]


@dataclass(frozen=True)
class Task:
    """What is trained on what.

    Attributes:
        model: makes the model; the random numbers are torch's.
        train, validation: inputs and targets.
        loss: mean over the examples of a batch.
        accuracy: share of right answers; None where there is none.
    """

    model: Callable[[], nn.Module]
    train: tuple[Tensor, Tensor]
    validation: tuple[Tensor, Tensor]
    loss: Loss
    accuracy: Callable[[Tensor, Tensor], Tensor] | None = None


def _right(output: Tensor, target: Tensor) -> Tensor:
    return (output.argmax(-1) == target).float().mean()


def _divided(x: np.ndarray, y: np.ndarray, held: int, seed: int = 0) -> Halves:
    order = np.random.default_rng(seed).permutation(len(x))
    x, y = x[order], y[order]
    kind = torch.float32 if y.dtype.kind == "f" else torch.int64
    xs, ys = torch.tensor(x, dtype=torch.float32), torch.tensor(y, dtype=kind)
    return (xs[held:], ys[held:]), (xs[:held], ys[:held])


@functools.cache
def digits(keep: str = "all") -> Halves:
    """Handwritten digits, for training and held out; ``"small"``: few of them."""
    data: Any = load_digits()
    x, y = data.data / 16.0, data.target
    if keep == "small":
        # Few examples: what a network learns by heart.
        x, y = x[:620], y[:620]
    return _divided(x, y, 400)


def digits_mlp(keep: str = "all", width: int = 64) -> Task:
    """Digits, by a perceptron."""

    def model() -> nn.Module:
        return nn.Sequential(nn.Linear(64, width), nn.ReLU(), nn.Linear(width, width), nn.ReLU(), nn.Linear(width, 10))

    return Task(model, *digits(keep), F.cross_entropy, _right)


class _Image(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x.view(-1, 1, 8, 8)


def digits_convnet(norm: bool = True) -> Task:
    """Digits, by convolutions."""

    def model() -> nn.Module:
        def block(a: int, b: int) -> list[nn.Module]:
            return [nn.Conv2d(a, b, 3, padding=1), nn.BatchNorm2d(b) if norm else nn.Identity(), nn.ReLU()]

        return nn.Sequential(
            _Image(), *block(1, 8), nn.MaxPool2d(2), *block(8, 16), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(64, 10)
        )

    return Task(model, *digits(), F.cross_entropy, _right)


def denoising(noise: float = 0.5) -> Task:
    """Digits from noisy digits."""
    (x, _), (vx, _) = digits()
    drawn = torch.Generator().manual_seed(5)

    def noisy(a: Tensor) -> Tensor:
        return a + noise * torch.randn(a.shape, generator=drawn)

    def model() -> nn.Module:
        return nn.Sequential(nn.Linear(64, 96), nn.GELU(), nn.Linear(96, 32), nn.GELU(), nn.Linear(32, 64))

    return Task(model, (noisy(x), x), (noisy(vx), vx), F.mse_loss)


@functools.cache
def friedman(n: int, noise: float) -> Halves:
    """A table whose target is a known function of five of its columns, and noise."""
    x, y = make_friedman1(n + 500, n_features=10, noise=noise, random_state=3)
    y = (y - y.mean()) / y.std()
    return _divided(x, y[:, None], 500)


def table(n: int = 2000, noise: float = 1.0, width: int = 48) -> Task:
    """Regression on a table."""

    def model() -> nn.Module:
        return nn.Sequential(nn.Linear(10, width), nn.Tanh(), nn.Linear(width, width), nn.Tanh(), nn.Linear(width, 1))

    return Task(model, *friedman(n, noise), F.mse_loss)


@functools.cache
def _cancer() -> Halves:
    data: Any = load_breast_cancer()
    x = (data.data - data.data.mean(0)) / data.data.std(0)
    flipped = np.random.default_rng(0).random(len(x)) < 0.1
    return _divided(x, np.where(flipped, 1 - data.target, data.target), 169)


def patients() -> Task:
    """Two classes, one answer in ten wrong."""

    def model() -> nn.Module:
        return nn.Sequential(nn.Linear(30, 32), nn.LayerNorm(32), nn.GELU(), nn.Linear(32, 2))

    return Task(model, *_cancer(), F.cross_entropy, _right)


@functools.cache
def _text(pattern: str, context: int) -> Halves:
    folder = Path(sysconfig.get_path("stdlib"))
    names = sorted(folder.glob(pattern))[:14]
    text = np.frombuffer(b"".join(p.read_bytes()[:40_000] for p in names), dtype=np.uint8) % 128
    rows = text[: len(text) // (context + 1) * (context + 1)].reshape(-1, context + 1).astype(np.int64)
    rows = rows[np.random.default_rng(1).permutation(len(rows))]
    x, y = torch.tensor(rows[:, :-1]), torch.tensor(rows[:, 1:])
    return (x[200:], y[200:]), (x[:200], y[:200])


def _token_loss(output: Tensor, target: Tensor) -> Tensor:
    return F.cross_entropy(output.flatten(0, 1), target.flatten())


class Block(nn.Module):
    """One block of a transformer, normalised before."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.first, self.second = nn.LayerNorm(width), nn.LayerNorm(width)
        self.mix, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.mlp = nn.Sequential(nn.Linear(width, 3 * width), nn.GELU(), nn.Linear(3 * width, width))

    def forward(self, x: Tensor) -> Tensor:
        b, n, d = x.shape
        q, k, v = (a.view(b, n, 2, d // 2).transpose(1, 2) for a in self.mix(self.first(x)).split(d, -1))
        mixed = F.scaled_dot_product_attention(q, k, v, is_causal=True).transpose(1, 2).reshape(b, n, d)
        x = x + self.out(mixed)
        return x + self.mlp(self.second(x))


class GPT(nn.Module):
    """Two blocks over bytes."""

    def __init__(self, width: int, context: int) -> None:
        super().__init__()
        self.token, self.place = nn.Embedding(128, width), nn.Embedding(context, width)
        self.blocks = nn.Sequential(Block(width), Block(width))
        self.norm, self.head = nn.LayerNorm(width), nn.Linear(width, 128)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.norm(self.blocks(self.token(x) + self.place.weight[: x.shape[1]])))


def gpt(pattern: str = "[a-h]*.py", width: int = 32, context: int = 24) -> Task:
    """The next byte of Python's own source, by a small transformer."""
    return Task(lambda: GPT(width, context), *_text(pattern, context), _token_loss)


class Recurrent(nn.Module):
    """A GRU over bytes."""

    def __init__(self) -> None:
        super().__init__()
        self.token, self.cell, self.head = nn.Embedding(128, 24), nn.GRU(24, 48, batch_first=True), nn.Linear(48, 128)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.cell(self.token(x))[0])


def recurrent() -> Task:
    """The next byte, by a recurrent network."""
    return Task(Recurrent, *_text("[i-z]*.py", 16), _token_loss)


def small_table() -> Task:
    """Too few rows for the network: what is learned by heart."""
    task = table(n=90, noise=3.0, width=128)
    return Task(lambda: nn.Sequential(nn.Linear(10, 128), nn.ReLU(), nn.Linear(128, 128), nn.ReLU(), nn.Linear(128, 1)),
                task.train, task.validation, task.loss)  # fmt: skip


def small_digits() -> Task:
    """Few digits, one label in four wrong: what a network learns by heart."""
    (x, y), held = digits("small")
    wrong = torch.rand(len(y), generator=torch.Generator().manual_seed(2)) < 0.25
    y = torch.where(wrong, torch.randint(0, 10, y.shape, generator=torch.Generator().manual_seed(3)), y)
    return Task(digits_mlp(width=128).model, (x, y), held, F.cross_entropy, _right)


class Rows(nn.Module):
    """A transformer that reads an image row by row."""

    def __init__(self) -> None:
        super().__init__()
        self.take, self.place = nn.Linear(8, 32), nn.Parameter(torch.zeros(8, 32))
        self.block, self.norm, self.head = Block(32), nn.LayerNorm(32), nn.Linear(32, 10)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.norm(self.block(self.take(x.view(-1, 8, 8)) + self.place)).mean(1))


def digits_by_rows() -> Task:
    """Digits, by a transformer."""
    return Task(Rows, *digits(), F.cross_entropy, _right)


class Gated(nn.Module):
    """An LSTM over bytes."""

    def __init__(self) -> None:
        super().__init__()
        self.token, self.cell, self.head = nn.Embedding(128, 24), nn.LSTM(24, 48, batch_first=True), nn.Linear(48, 128)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.cell(self.token(x))[0])


def gated() -> Task:
    """The next byte, by an LSTM."""
    return Task(Gated, *_text("[q-z]*.py", 20), _token_loss)


def moons(n: int = 3000) -> Task:
    """Two classes in the plane that no line parts."""
    x, y = make_moons(n, noise=0.25, random_state=0)

    def model() -> nn.Module:
        return nn.Sequential(nn.Linear(2, 32), nn.ReLU(), nn.Linear(32, 32), nn.ReLU(), nn.Linear(32, 2))

    return Task(model, *_divided(x, y, n // 5), F.cross_entropy, _right)


def waves() -> Task:
    """The next value of a noisy wave."""
    draw = np.random.default_rng(4)
    phase, pace = draw.uniform(0, 6.28, (3000, 1)), draw.uniform(0.2, 0.6, (3000, 1))
    seen = np.sin(phase + pace * np.arange(25)) + 0.1 * draw.normal(size=(3000, 25))

    def model() -> nn.Module:
        return nn.Sequential(nn.Linear(24, 64), nn.SiLU(), nn.Linear(64, 64), nn.SiLU(), nn.Linear(64, 1))

    return Task(model, *_divided(seen[:, :24], seen[:, 24:], 500), F.mse_loss)
