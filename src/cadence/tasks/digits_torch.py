"""The model of `digits` for torch."""

from __future__ import annotations

from torch import Tensor, nn


class ResidualBlock(nn.Module):
    """Two 3x3 convolutions with batch normalisation around a shortcut.

    Args:
        inputs, outputs: channels.
        stride: of the first convolution; with more than 1, or other channels, the shortcut is a 1x1 convolution.

    Source: He et al. 2016, arXiv:1512.03385, figure 2 and section 4.2, option B.
    """

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False),
            nn.BatchNorm2d(outputs),
            nn.ReLU(),
            nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False),
            nn.BatchNorm2d(outputs),
        )
        self.shortcut: nn.Module = nn.Identity()
        if stride != 1 or inputs != outputs:
            self.shortcut = nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs))

    def forward(self, x: Tensor) -> Tensor:
        """Shape (rows, inputs, height, width) -> (rows, outputs, height / stride, width / stride)."""
        return (self.shortcut(x) + self.body(x)).relu()


def residual_network() -> nn.Module:
    """A residual network of 44,014 parameters for 8x8 images: (rows, 1, 8, 8) float32 -> (rows, 10) logits."""
    return nn.Sequential(
        nn.Conv2d(1, 12, 3, 1, 1, bias=False),
        nn.BatchNorm2d(12),
        nn.ReLU(),
        ResidualBlock(12, 12, 1),
        ResidualBlock(12, 24, 2),
        ResidualBlock(24, 48, 2),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(48, 10),
    )
