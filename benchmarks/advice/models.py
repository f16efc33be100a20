"""The networks that are trained."""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional


def dense(*widths: int) -> nn.Sequential:
    """Plain layers with ReLU between them."""
    layers: list[nn.Module] = []
    for before, after in pairwise(widths):
        layers += [nn.Linear(before, after), nn.ReLU()]
    return nn.Sequential(nn.Flatten(), *layers[:-1])


def dense_normed(inputs: int, width: int, outputs: int) -> nn.Sequential:
    """Two hidden layers with batch normalisation."""
    return nn.Sequential(
        nn.Linear(inputs, width), nn.BatchNorm1d(width), nn.ReLU(),
        nn.Linear(width, width), nn.BatchNorm1d(width), nn.ReLU(),
        nn.Linear(width, outputs),
    )  # fmt: skip


def denoiser(inputs: int, width: int) -> nn.Sequential:
    """Two hidden layers, the first with layer normalisation; as many outputs as inputs."""
    return nn.Sequential(
        nn.Linear(inputs, width), nn.LayerNorm(width), nn.GELU(),
        nn.Linear(width, width), nn.GELU(),
        nn.Linear(width, inputs),
    )  # fmt: skip


def bottleneck() -> nn.Sequential:
    """An autoencoder of 64 inputs with 32 numbers in its middle."""
    return nn.Sequential(
        nn.Linear(64, 128), nn.ReLU(), nn.Linear(128, 32), nn.ReLU(), nn.Linear(32, 128), nn.ReLU(), nn.Linear(128, 64)
    )


def convolutions() -> nn.Sequential:
    """Two convolutions and two dense layers, without normalisation."""
    return nn.Sequential(
        nn.Conv2d(1, 16, 3, 1, 1), nn.ReLU(), nn.Conv2d(16, 32, 3, 2, 1), nn.ReLU(),
        nn.Flatten(), nn.Linear(512, 64), nn.ReLU(), nn.Linear(64, 10),
    )  # fmt: skip


def convolutions_normed(channels: int, grid: int, classes: int, *, bias: bool) -> nn.Sequential:
    """Two convolutions with batch normalisation, and what is left averaged to a grid."""
    return nn.Sequential(
        nn.Conv2d(channels, 16, 3, 1, 1, bias=bias), nn.BatchNorm2d(16), nn.ReLU(),
        nn.Conv2d(16, 32, 3, 2, 1, bias=bias), nn.BatchNorm2d(32), nn.ReLU(),
        nn.AdaptiveAvgPool2d(grid), nn.Flatten(), nn.Linear(32 * grid * grid, classes),
    )  # fmt: skip


class NoiseFinder(nn.Module):
    """Four convolutions that say what to take away from a picture."""

    def __init__(self) -> None:
        super().__init__()
        self.noise = nn.Sequential(
            nn.Conv2d(3, 16, 3, 1, 1), nn.ReLU(), nn.Conv2d(16, 16, 3, 1, 1), nn.ReLU(),
            nn.Conv2d(16, 16, 3, 1, 1), nn.ReLU(), nn.Conv2d(16, 3, 3, 1, 1),
        )  # fmt: skip

    def forward(self, x: Tensor) -> Tensor:
        """(rows, 3, height, width) -> the same."""
        return x - self.noise(x)


class Mixer(nn.Module):
    """Dense layers over the patches of a digit and over their channels, in turns (Tolstikhin et al. 2021)."""

    def __init__(self, width: int = 40, patches: int = 16, layers: int = 2) -> None:
        super().__init__()
        self.patch = nn.Conv2d(1, width, 2, 2)
        self.layers = nn.ModuleList()
        self.norm, self.head = nn.LayerNorm(width), nn.Linear(width, 10)
        for _ in range(layers):
            over_patches = nn.Sequential(nn.Linear(patches, 32), nn.GELU(), nn.Linear(32, patches))
            over_channels = nn.Sequential(nn.Linear(width, 96), nn.GELU(), nn.Linear(96, width))
            self.layers.append(
                nn.ModuleList([nn.LayerNorm(width), over_patches, nn.LayerNorm(width), over_channels])
            )  # fmt: skip

    def forward(self, x: Tensor) -> Tensor:
        """(rows, 1, 8, 8) -> logits (rows, 10)."""
        x = self.patch(x).flatten(2).transpose(1, 2)
        for first, over_patches, second, over_channels in self.layers:
            x = x + over_patches(first(x).transpose(1, 2)).transpose(1, 2)
            x = x + over_channels(second(x))
        return self.head(self.norm(x).mean(1))


class Recurrent(nn.Module):
    """An embedding, a GRU, and a head that says which token comes next."""

    def __init__(self, vocabulary: int, width: int = 64) -> None:
        super().__init__()
        self.embedding = nn.Embedding(vocabulary, width)
        self.memory = nn.GRU(width, width, batch_first=True)
        self.head = nn.Linear(width, vocabulary)

    def forward(self, tokens: Tensor) -> Tensor:
        """(rows, length) int64 -> logits (rows, length, vocabulary)."""
        return self.head(self.memory(self.embedding(tokens))[0])


class Block(nn.Module):
    """Causal attention and a feed-forward layer, normalised before."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.before, self.between = nn.LayerNorm(width), nn.LayerNorm(width)
        self.query_key_value, self.attended = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.feed = nn.Sequential(nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width))

    def forward(self, x: Tensor) -> Tensor:
        """(rows, length, width) -> the same."""
        rows, length, width = x.shape
        parts = self.query_key_value(self.before(x)).view(rows, length, 3, self.heads, width // self.heads)
        query, key, value = parts.permute(2, 0, 3, 1, 4)
        seen = functional.scaled_dot_product_attention(query, key, value, is_causal=True)
        x = x + self.attended(seen.transpose(1, 2).reshape(rows, length, width))
        return x + self.feed(self.between(x))


class Gpt(nn.Module):
    """A small GPT."""

    def __init__(self, vocabulary: int, length: int, width: int, layers: int = 2, heads: int = 4) -> None:
        super().__init__()
        self.token, self.place = nn.Embedding(vocabulary, width), nn.Embedding(length, width)
        self.blocks = nn.Sequential(*[Block(width, heads) for _ in range(layers)])
        self.norm, self.head = nn.LayerNorm(width), nn.Linear(width, vocabulary, bias=False)
        for module in self.modules():
            if isinstance(module, (nn.Linear, nn.Embedding)):
                torch.nn.init.normal_(module.weight, std=0.02)
                if getattr(module, "bias", None) is not None:
                    torch.nn.init.zeros_(module.bias)

    def forward(self, tokens: Tensor) -> Tensor:
        """(rows, length) int64 -> logits (rows, length, vocabulary)."""
        return self.head(self.norm(self.blocks(self.token(tokens) + self.place.weight[: tokens.shape[1]])))
