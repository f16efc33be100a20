"""Further networks, of kinds that `models` has not."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class Vit(nn.Module):
    """A vision transformer on digits of 8 x 8, with a class token, learned places and torch's own attention."""

    def __init__(self, width: int = 48, layers: int = 2, heads: int = 4, classes: int = 10) -> None:
        super().__init__()
        self.patch = nn.Conv2d(1, width, 2, 2)
        self.cls_token = nn.Parameter(torch.zeros(1, 1, width))
        self.places = nn.Parameter(torch.randn(1, 17, width) * 0.02)
        layer = nn.TransformerEncoderLayer(width, heads, 2 * width, 0.1, "gelu", batch_first=True, norm_first=True)
        self.layers = nn.TransformerEncoder(layer, layers, enable_nested_tensor=False)
        self.norm, self.head = nn.LayerNorm(width), nn.Linear(width, classes)

    def forward(self, x: Tensor) -> Tensor:
        """(rows, 1, 8, 8) -> logits (rows, classes)."""
        x = self.patch(x).flatten(2).transpose(1, 2)
        x = torch.cat([self.cls_token.expand(len(x), -1, -1), x], 1) + self.places
        return self.head(self.norm(self.layers(x))[:, 0])


class ResidualLayer(nn.Module):
    """Two dense layers beside a way around them."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.inside = nn.Sequential(
            nn.LayerNorm(width), nn.Linear(width, width), nn.GELU(), nn.Dropout(0.1), nn.Linear(width, width)
        )

    def forward(self, x: Tensor) -> Tensor:
        """(rows, width) -> the same."""
        return x + self.inside(x)


def residual_dense(inputs: int, width: int, layers: int, outputs: int) -> nn.Sequential:
    """A dense net of many residual layers."""
    return nn.Sequential(
        nn.Flatten(), nn.Linear(inputs, width), *[ResidualLayer(width) for _ in range(layers)], nn.LayerNorm(width),
        nn.Linear(width, outputs),
    )  # fmt: skip


class Unet(nn.Module):
    """Down twice and up again, with ways across."""

    def __init__(self, channels: int, width: int = 8) -> None:
        super().__init__()
        self.enter = _normed(channels, width)
        self.down1, self.down2 = _normed(width, 2 * width, 2), _normed(2 * width, 3 * width, 2)
        self.up2 = nn.ConvTranspose2d(3 * width, 2 * width, 2, 2)
        self.joined2 = _normed(4 * width, 2 * width)
        self.up1 = nn.ConvTranspose2d(2 * width, width, 2, 2)
        self.joined1 = _normed(2 * width, width)
        self.leave = nn.Conv2d(width, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        """(rows, channels, height, width) -> the same; sides are multiples of 4."""
        a = self.enter(x)
        b = self.down1(a)
        c = self.joined2(torch.cat([b, self.up2(self.down2(b))], 1))
        return self.leave(self.joined1(torch.cat([a, self.up1(c)], 1)))


def _normed(before: int, after: int, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(before, after, 3, stride, 1), nn.GroupNorm(2, after), nn.SiLU())


def filler() -> nn.Sequential:
    """Convolutions down to a few numbers and up again: 16 x 16 to 96 to 16 x 16."""
    return nn.Sequential(
        nn.Conv2d(1, 12, 3, 2, 1), nn.BatchNorm2d(12), nn.ReLU(), nn.Conv2d(12, 24, 3, 2, 1), nn.BatchNorm2d(24),
        nn.ReLU(), nn.Flatten(), nn.Linear(384, 96), nn.ReLU(), nn.Linear(96, 384), nn.ReLU(),
        nn.Unflatten(1, (24, 4, 4)), nn.ConvTranspose2d(24, 12, 2, 2), nn.ReLU(), nn.ConvTranspose2d(12, 1, 2, 2),
    )  # fmt: skip


def frames(before: int) -> nn.Sequential:
    """From a few frames to the next, by convolutions that keep the size; some of them of each channel alone."""
    return nn.Sequential(
        nn.Conv2d(before, 16, 5, 1, 2), nn.ReLU(), nn.Conv2d(16, 16, 5, 1, 2, groups=16), nn.Conv2d(16, 16, 1),
        nn.ReLU(), nn.Conv2d(16, 16, 5, 1, 2, groups=16), nn.Conv2d(16, 16, 1), nn.ReLU(), nn.Conv2d(16, 1, 3, 1, 1),
    )  # fmt: skip


def series(channels: int, length: int, outputs: int) -> nn.Sequential:
    """Convolutions over time, then a dense layer."""
    return nn.Sequential(
        nn.Conv1d(channels, 24, 5, 1, 2), nn.ReLU(), nn.Conv1d(24, 24, 5, 2, 2), nn.ReLU(), nn.Conv1d(24, 24, 5, 2, 2),
        nn.ReLU(), nn.Flatten(), nn.Linear(24 * (length // 4), outputs),
    )  # fmt: skip


class LineReader(nn.Module):
    """An embedding, an LSTM, and a head on its last state."""

    def __init__(self, vocabulary: int, classes: int, width: int = 32) -> None:
        super().__init__()
        self.embedding = nn.Embedding(vocabulary, width)
        self.memory = nn.LSTM(width, 48, batch_first=True)
        self.head = nn.Linear(48, classes)

    def forward(self, tokens: Tensor) -> Tensor:
        """(rows, length) int64 -> logits (rows, classes)."""
        return self.head(self.memory(self.embedding(tokens))[0][:, -1])


class Tagger(nn.Module):
    """An embedding, a GRU in both directions, and a head at each place."""

    def __init__(self, vocabulary: int, classes: int, width: int = 24) -> None:
        super().__init__()
        self.embedding = nn.Embedding(vocabulary, width)
        self.memory = nn.GRU(width, 24, batch_first=True, bidirectional=True)
        self.head = nn.Linear(48, classes)

    def forward(self, tokens: Tensor) -> Tensor:
        """(rows, length) int64 -> logits (rows, length, classes)."""
        return self.head(self.memory(self.embedding(tokens))[0])


class Columns(nn.Module):
    """A table of each column that holds names, dense layers behind them."""

    def __init__(self, sizes: list[int], classes: int, width: int = 8) -> None:
        super().__init__()
        self.tables = nn.ModuleList([nn.Embedding(size, width) for size in sizes])
        self.layers = nn.Sequential(
            nn.Linear(width * len(sizes), 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, classes)
        )

    def forward(self, x: Tensor) -> Tensor:
        """(rows, columns) int64 -> logits (rows, classes)."""
        return self.layers(torch.cat([table(x[:, i]) for i, table in enumerate(self.tables)], 1))
