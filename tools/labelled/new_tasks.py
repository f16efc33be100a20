"""Tasks of other kinds than those of `tasks`: photographs, prose, categories, pairs, several labels, a bottleneck."""
# torch and scikit-learn say too little of their types.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# pyright: reportArgumentType=false, reportMissingParameterType=false, reportUnknownParameterType=false

from __future__ import annotations

import functools
import sysconfig
from pathlib import Path
from typing import Any

import numpy as np
import torch
from sklearn.datasets import load_sample_images, make_multilabel_classification
from torch import Tensor, nn
from torch.nn import functional as F

from labelled.tasks import Block, Halves, Task, digits


@functools.cache
def _photographs() -> Halves:
    """Squares of two photographs, and the same with a square hole: what is missing is to be painted."""
    draw = np.random.default_rng(11)
    found: list[np.ndarray] = []
    for image in load_sample_images().images:
        grey = np.asarray(image, dtype=np.float32).mean(-1)[::2, ::2] / 255
        for _ in range(1400):
            i, j = int(draw.integers(0, grey.shape[0] - 12)), int(draw.integers(0, grey.shape[1] - 12))
            found.append(grey[i : i + 12, j : j + 12])
    whole = torch.tensor(np.stack(found)[draw.permutation(len(found))])[:, None]
    whole = (whole - whole.mean()) / whole.std()
    seen = whole.clone()
    seen[:, :, 4:8, 4:8] = 0
    return (seen[400:], whole[400:]), (seen[:400], whole[:400])


def painting() -> Task:
    """What is missing in squares of photographs, by convolutions."""

    def model() -> nn.Module:
        return nn.Sequential(
            nn.Conv2d(1, 16, 5, padding=2), nn.GELU(), nn.Conv2d(16, 16, 5, padding=2), nn.GELU(),
            nn.Conv2d(16, 16, 5, padding=2), nn.GELU(), nn.Conv2d(16, 1, 3, padding=1),
        )  # fmt: skip

    return Task(model, *_photographs(), F.mse_loss)


class _Deep(nn.Module):
    """A depthwise convolution and two pointwise ones, beside the way around them."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.way = nn.Sequential(
            nn.Conv2d(width, width, 3, padding=1, groups=width), nn.BatchNorm2d(width),
            nn.Conv2d(width, 2 * width, 1), nn.ReLU(), nn.Conv2d(2 * width, width, 1),
        )  # fmt: skip

    def forward(self, x: Tensor) -> Tensor:
        return x + self.way(x)


class _Shifted(nn.Module):
    """Digits a little to the side, and noisy, while it is trained."""

    def forward(self, x: Tensor) -> Tensor:
        x = x.view(-1, 1, 8, 8)
        if self.training:
            a, b = (int(torch.randint(-1, 2, ())) for _ in range(2))
            x = torch.roll(x, (a, b), (2, 3)) + 0.2 * torch.randn(x.shape)
        return x


def depthwise(few: bool = False) -> Task:
    """Digits with augmentation, by depthwise convolutions."""

    def model() -> nn.Module:
        return nn.Sequential(
            nn.Identity() if few else _Shifted(), nn.Unflatten(1, (1, 8, 8)) if few else nn.Identity(),
            nn.Conv2d(1, 16, 2, stride=2), _Deep(16), _Deep(16), nn.AdaptiveAvgPool2d(2), nn.Flatten(),
            nn.Linear(64, 10),
        )  # fmt: skip

    (x, y), held = digits()
    return Task(model, (x[:200], y[:200]) if few else (x, y), held, F.cross_entropy, _right)


def _right(output: Tensor, target: Tensor) -> Tensor:
    return (output.argmax(-1) == target).float().mean()


@functools.cache
def _prose(context: int) -> Halves:
    text = (Path(sysconfig.get_path("stdlib")) / "pydoc_data" / "topics.py").read_bytes()[5000:405_000]
    tokens = np.frombuffer(text.replace(b"\\n", b" ").replace(b"  ", b" "), dtype=np.uint8) % 128
    rows = tokens[: len(tokens) // (context + 1) * (context + 1)].reshape(-1, context + 1).astype(np.int64)
    rows = rows[np.random.default_rng(2).permutation(len(rows))]
    x, y = torch.tensor(rows[:, :-1]), torch.tensor(rows[:, 1:])
    return (x[150:], y[150:]), (x[:150], y[:150])


class _Reader(nn.Module):
    """Two blocks over letters, the head's weights those of the embedding."""

    def __init__(self, width: int, context: int) -> None:
        super().__init__()
        self.token, self.place = nn.Embedding(128, width), nn.Embedding(context, width)
        self.blocks, self.norm = nn.Sequential(Block(width), Block(width)), nn.LayerNorm(width)
        nn.init.normal_(self.token.weight, std=0.05)

    def forward(self, x: Tensor) -> Tensor:
        h = self.norm(self.blocks(self.token(x) + self.place.weight[: x.shape[1]]))
        return h @ self.token.weight.T


def _token_loss(output: Tensor, target: Tensor) -> Tensor:
    return F.cross_entropy(output.flatten(0, 1), target.flatten())


def prose(few: bool = False, part: slice = slice(None)) -> Task:
    """The next letter of English prose, by a transformer."""
    (x, y), held = _prose(32)
    if few:
        x, y = x[:60], y[:60]
    return Task(lambda: _Reader(40, 32), (x[part], y[part]), held, _token_loss)


class _Categories(nn.Module):
    """Embeddings of columns, and what is dropped from them."""

    def __init__(self, columns: int, values: int) -> None:
        super().__init__()
        self.embeddings = nn.ModuleList(nn.Embedding(values, 6) for _ in range(columns))
        self.head = nn.Sequential(nn.Linear(6 * columns, 48), nn.ReLU(), nn.Dropout(0.1), nn.Linear(48, 4))

    def forward(self, x: Tensor) -> Tensor:
        rows = x.long()
        return self.head(torch.cat([e(rows[:, i]) for i, e in enumerate(self.embeddings)], dim=1))


@functools.cache
def _counted(n: int) -> Halves:
    """Columns of categories, four classes, some answers wrong."""
    draw = np.random.default_rng(6)
    x = draw.integers(0, 12, (n + 600, 8))
    weights = draw.normal(size=(8, 12, 4))
    score = sum(weights[i][x[:, i]] for i in range(8)) + 1.2 * weights[0][x[:, 1]] * np.sign(weights[1][x[:, 2]])
    y = np.argmax(score + draw.gumbel(size=score.shape), axis=1)
    xs, ys = torch.tensor(x, dtype=torch.float32), torch.tensor(y)
    return (xs[600:], ys[600:]), (xs[:600], ys[:600])


def categories(n: int = 4000) -> Task:
    """A class from a table of categories, by embeddings."""
    return Task(lambda: _Categories(8, 12), *_counted(n), F.cross_entropy, _right)


class _Views(nn.Module):
    """An image, and a second view of it, drawn anew each time, as unit vectors."""

    def __init__(self) -> None:
        super().__init__()
        self.net = nn.Sequential(nn.Linear(64, 96), nn.LayerNorm(96), nn.ReLU(), nn.Linear(96, 32))

    def forward(self, x: Tensor) -> Tensor:
        def view(a: Tensor) -> Tensor:
            kept = (torch.rand(a.shape) > 0.4).float()
            return F.normalize(self.net(a * kept + 0.2 * torch.randn(a.shape)), dim=1)

        return torch.stack([view(x), view(x)])


def _contrast(output: Tensor, target: Tensor) -> Tensor:
    a, b = output
    # Chunks of the same size, so that an evaluation is on the same scale as a batch.
    size = 50
    parts = [F.cross_entropy(p @ q.T / 0.2, torch.arange(len(p))) for p, q in zip(a.split(size), b.split(size),
                                                                                 strict=True)]  # fmt: skip
    return torch.stack(parts).mean()


def pairs(few: bool = False) -> Task:
    """Which two views are of one digit."""
    (x, y), held = digits()
    return Task(_Views, (x[:100], y[:100]) if few else (x, y), held, _contrast)


@functools.cache
def _labels(n: int) -> Halves:
    drawn: Any = make_multilabel_classification(
        n + 500, n_features=30, n_classes=12, n_labels=3, length=60, random_state=8
    )
    x, y = np.sqrt(drawn[0]).astype(np.float32), drawn[1].astype(np.float32)
    x = (x - x.mean(0)) / x.std(0)
    xs, ys = torch.tensor(x), torch.tensor(y)
    return (xs[500:], ys[500:]), (xs[:500], ys[:500])


def labels(n: int = 3000) -> Task:
    """Several labels at once."""

    def model() -> nn.Module:
        return nn.Sequential(nn.Linear(30, 64), nn.BatchNorm1d(64), nn.ReLU(), nn.Linear(64, 12))

    return Task(model, *_labels(n), F.binary_cross_entropy_with_logits)


def bottleneck(few: bool = False) -> Task:
    """Digits through eight numbers."""
    (x, _), (vx, _) = digits()
    x = x[:150] if few else x

    def model() -> nn.Module:
        return nn.Sequential(
            nn.Linear(64, 48), nn.Tanh(), nn.Linear(48, 8), nn.Linear(8, 48), nn.Tanh(), nn.Linear(48, 64), nn.Sigmoid()
        )

    return Task(model, (x, x), (vx, vx), F.mse_loss)
