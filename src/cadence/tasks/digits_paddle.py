"""The model of `digits` for paddle: architecture, names and start are those of the one for torch."""

from __future__ import annotations

from paddle import Tensor, nn

from cadence.tasks.starts_paddle import convolution, linear


class ResidualBlock(nn.Layer):
    """Two 3x3 convolutions with batch normalisation around a shortcut.

    Args:
        inputs, outputs: channels.
        stride: of the first convolution; with more than 1, or other channels, the shortcut is a 1x1 convolution.

    Source: He et al. 2016, arXiv:1512.03385, figure 2 and section 4.2, option B.
    """

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            convolution(inputs, outputs, 3, stride, 1),
            nn.BatchNorm2D(outputs),
            nn.ReLU(),
            convolution(outputs, outputs, 3, 1, 1),
            nn.BatchNorm2D(outputs),
        )
        self.shortcut: nn.Layer = nn.Identity()
        if stride != 1 or inputs != outputs:
            self.shortcut = nn.Sequential(convolution(inputs, outputs, 1, stride, 0), nn.BatchNorm2D(outputs))

    def forward(self, x: Tensor) -> Tensor:
        """Shape (rows, inputs, height, width) -> (rows, outputs, height / stride, width / stride)."""
        return nn.functional.relu(self.shortcut(x) + self.body(x))


def residual_network() -> nn.Layer:
    """A residual network of 44,014 parameters for 8x8 images: (rows, 1, 8, 8) float32 -> (rows, 10) logits."""
    return nn.Sequential(
        convolution(1, 12, 3, 1, 1),
        nn.BatchNorm2D(12),
        nn.ReLU(),
        ResidualBlock(12, 12, 1),
        ResidualBlock(12, 24, 2),
        ResidualBlock(24, 48, 2),
        nn.AdaptiveAvgPool2D(1),
        nn.Flatten(),
        linear(48, 10),
    )
