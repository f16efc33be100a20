"""The model of `bytes` for torch."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from cadence.tasks.embedded.bytes import CONTEXT, VOCABULARY


class Block(nn.Module):
    """Causal self-attention and a feed-forward layer, each added to what came in.

    Args:
        width: of the embedding.
        heads: of the attention.
        hidden: width of the feed-forward layer.

    Source: Radford et al. 2019, "Language models are unsupervised multitask learners", section 2.3 (normalisation
    before each part).
    """

    def __init__(self, width: int, heads: int, hidden: int) -> None:
        super().__init__()
        self.heads = heads
        self.before_attention = nn.LayerNorm(width)
        self.query_key_value = nn.Linear(width, 3 * width, bias=False)
        self.attended = nn.Linear(width, width, bias=False)
        self.before_feed = nn.LayerNorm(width)
        self.feed = nn.Sequential(nn.Linear(width, hidden, bias=False), nn.GELU(), nn.Linear(hidden, width, bias=False))

    def forward(self, x: Tensor) -> Tensor:
        """Shape (rows, tokens, width) -> the same."""
        x = x + self.attended(self._attention(self.before_attention(x)))
        return x + self.feed(self.before_feed(x))

    def _attention(self, x: Tensor) -> Tensor:
        rows, tokens, width = x.shape
        parts = self.query_key_value(x).view(rows, tokens, 3, self.heads, width // self.heads)
        query, key, value = parts.permute(2, 0, 3, 1, 4).unbind()
        seen = functional.scaled_dot_product_attention(query, key, value, is_causal=True)
        return seen.transpose(1, 2).reshape(rows, tokens, width)


class ByteModel(nn.Module):
    """A small GPT that says which byte comes next.

    Args:
        width, layers, heads, hidden: its size.
    """

    def __init__(self, width: int, layers: int, heads: int, hidden: int) -> None:
        super().__init__()
        self.byte = nn.Embedding(VOCABULARY, width)
        self.place = nn.Embedding(CONTEXT, width)
        self.blocks = nn.Sequential(*[Block(width, heads, hidden) for _ in range(layers)])
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, VOCABULARY, bias=False)
        # With torch's own start, embeddings of size 1 drown what the layers add for the first hundreds of updates.
        for module in self.modules():
            if isinstance(module, (nn.Linear, nn.Embedding)):
                torch.nn.init.normal_(module.weight, std=0.02)

    def forward(self, tokens: Tensor) -> Tensor:
        """Bytes (rows, tokens) int64, at most `CONTEXT` tokens -> logits (rows, tokens, `VOCABULARY`)."""
        x = self.byte(tokens) + self.place.weight[: tokens.shape[1]]
        return self.head(self.norm(self.blocks(x)))


def small_gpt() -> nn.Module:
    """A GPT of 71,136 parameters, small enough that hundreds of updates take seconds on one core.

    Bytes (rows, tokens) int64 -> logits (rows, tokens, `VOCABULARY`).
    """
    return ByteModel(width=48, layers=2, heads=3, hidden=192)
