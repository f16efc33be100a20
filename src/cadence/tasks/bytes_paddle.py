"""The model of `bytes` for paddle: architecture, names and start are those of the one for torch."""

from __future__ import annotations

from paddle import ParamAttr, Tensor, nn
from paddle.nn import functional
from paddle.nn.initializer import Normal

from cadence.tasks.embedded.bytes import CONTEXT, VOCABULARY


class Block(nn.Layer):
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
        self.query_key_value = _linear(width, 3 * width)
        self.attended = _linear(width, width)
        self.before_feed = nn.LayerNorm(width)
        self.feed = nn.Sequential(_linear(width, hidden), nn.GELU(), _linear(hidden, width))

    def forward(self, x: Tensor) -> Tensor:
        """Shape (rows, tokens, width) -> the same."""
        x = x + self.attended(self._attention(self.before_attention(x)))
        return x + self.feed(self.before_feed(x))

    def _attention(self, x: Tensor) -> Tensor:
        rows, tokens, width = x.shape
        parts = self.query_key_value(x).reshape([rows, tokens, 3, self.heads, width // self.heads])
        # Paddle wants (rows, tokens, heads, width of a head), and gives the same.
        query, key, value = parts.unbind(2)
        seen = functional.scaled_dot_product_attention(query, key, value, is_causal=True)
        return seen.reshape([rows, tokens, width])


class ByteModel(nn.Layer):
    """A small GPT that says which byte comes next.

    Args:
        width, layers, heads, hidden: its size.
    """

    def __init__(self, width: int, layers: int, heads: int, hidden: int) -> None:
        super().__init__()
        self.byte = nn.Embedding(VOCABULARY, width, weight_attr=_small())
        self.place = nn.Embedding(CONTEXT, width, weight_attr=_small())
        self.blocks = nn.Sequential(*[Block(width, heads, hidden) for _ in range(layers)])
        self.norm = nn.LayerNorm(width)
        self.head = _linear(width, VOCABULARY)

    def forward(self, tokens: Tensor) -> Tensor:
        """Bytes (rows, tokens) int64, at most `CONTEXT` tokens -> logits (rows, tokens, `VOCABULARY`)."""
        x = self.byte(tokens) + self.place.weight[: tokens.shape[1]]
        return self.head(self.norm(self.blocks(x)))


def small_gpt() -> nn.Layer:
    """A GPT of 71,136 parameters, small enough that hundreds of updates take seconds on one core.

    Bytes (rows, tokens) int64 -> logits (rows, tokens, `VOCABULARY`).
    """
    return ByteModel(width=48, layers=2, heads=3, hidden=192)


def _small() -> ParamAttr:
    # As in the model for torch, with the same reason.
    return ParamAttr(initializer=Normal(0.0, 0.02))


def _linear(inputs: int, outputs: int) -> nn.Linear:
    return nn.Linear(inputs, outputs, weight_attr=_small(), bias_attr=False)
