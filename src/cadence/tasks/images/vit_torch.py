"""Vision transformers for torch, with the names of parameters that timm's published weights have."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from cadence._errors import TaskError
from cadence.tasks.images.start_torch import Standardise, load_weights


class Attention(nn.Module):
    """Self-attention over all patches.

    Args:
        width: of the embedding.
        heads: of the attention.
    """

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(width, 3 * width)
        self.proj = nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        """Shape (rows, tokens, width) -> the same."""
        rows, tokens, width = x.shape
        query, key, value = self.qkv(x).view(rows, tokens, 3, self.heads, -1).permute(2, 0, 3, 1, 4).unbind()
        seen = functional.scaled_dot_product_attention(query, key, value)
        return self.proj(seen.transpose(1, 2).reshape(rows, tokens, width))


class Feed(nn.Module):
    """The layer between two attentions, four times as wide inside."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.fc1 = nn.Linear(width, 4 * width)
        self.fc2 = nn.Linear(4 * width, width)

    def forward(self, x: Tensor) -> Tensor:
        """Shape (rows, tokens, width) -> the same."""
        return self.fc2(functional.gelu(self.fc1(x)))


class Block(nn.Module):
    """Attention and a feed-forward layer, each added to what came in, normalised before."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(width, eps=1e-6)
        self.attn = Attention(width, heads)
        self.norm2 = nn.LayerNorm(width, eps=1e-6)
        self.mlp = Feed(width)

    def forward(self, x: Tensor) -> Tensor:
        """Shape (rows, tokens, width) -> the same."""
        x = x + self.attn(self.norm1(x))
        return x + self.mlp(self.norm2(x))


class Patches(nn.Module):
    """An image as a row of square patches, each a vector."""

    def __init__(self, width: int, patch: int) -> None:
        super().__init__()
        self.proj = nn.Conv2d(3, width, patch, patch)

    def forward(self, x: Tensor) -> Tensor:
        """Shape (rows, 3, height, width) -> (rows, patches, width of the embedding)."""
        return self.proj(x).flatten(2).transpose(1, 2)


class VisionTransformer(nn.Module):
    """A transformer over the patches of an image, which answers from a token of its own.

    Args:
        size: width and height of the images.
        patch: of a patch.
        width, depth, heads: of the transformer.
        classes: to tell apart.

    Source: Dosovitskiy et al. 2021, arXiv:2010.11929, equations 1 to 4; Touvron et al. 2021, arXiv:2012.12877, table 1
    for the small sizes.
    """

    def __init__(self, size: int, patch: int, width: int, depth: int, heads: int, classes: int) -> None:
        super().__init__()
        if size % patch:
            raise TaskError(f"size is {size}, which patches of {patch} do not fill; write a multiple of {patch}")
        self.standardise = Standardise()
        self.cls_token = nn.Parameter(torch.zeros(1, 1, width))
        self.pos_embed = nn.Parameter(torch.zeros(1, (size // patch) ** 2 + 1, width))
        self.patch_embed = Patches(width, patch)
        self.blocks = nn.Sequential(*[Block(width, heads) for _ in range(depth)])
        self.norm = nn.LayerNorm(width, eps=1e-6)
        self.head = nn.Linear(width, classes)
        nn.init.normal_(self.cls_token, std=1e-6)
        nn.init.trunc_normal_(self.pos_embed, std=0.02)
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.trunc_normal_(module.weight, std=0.02)
                nn.init.zeros_(module.bias)

    def forward(self, x: Tensor) -> Tensor:
        """Images (rows, 3, size, size), standardised float32 or uint8 -> logits (rows, classes)."""
        x = self.patch_embed(self.standardise(x))
        x = torch.cat([self.cls_token.expand(len(x), -1, -1), x], 1) + self.pos_embed
        return self.head(self.norm(self.blocks(x))[:, 0])


def vit_small(
    classes: int = 1000,
    *,
    size: int = 224,
    patch: int = 16,
    width: int = 384,
    depth: int = 12,
    weights: str | None = None,
) -> nn.Module:
    """A small vision transformer (ViT-S/16); with 1,000 classes it has 22,050,664 parameters.

    Args:
        classes: to tell apart, 1 or more.
        size: width and height of the images in pixels, a multiple of `patch`.
        patch: width and height of a patch in pixels.
        width: of the embedding, a multiple of 64, which is the width of a head; 192 is ViT-Ti.
        depth: number of blocks.
        weights: safetensors file of weights to start from, with timm's names, or a checkpoint of cadence. A last layer
            for other classes is left as it begins. None: all begin at random.

    Returns:
        Images (rows, 3, size, size), standardised float32 or uint8 -> logits (rows, classes).

    Raises:
        TaskError: sizes that do not fit each other, or a file of weights that does not fit.

    Example:
        >>> sum(p.numel() for p in vit_small().parameters()), sum(p.numel() for p in vit_small(width=192).parameters())
        (22050664, 5717416)
    """
    if width % 64 or width < 64:
        raise TaskError(f"width is {width}; write a multiple of 64, e.g. 384")
    model = VisionTransformer(size, patch, width, depth, width // 64, classes)
    if weights is not None:
        load_weights(model, weights, head="head")
    return model
