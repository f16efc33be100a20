"""ResNet-50 for torch, with the names of parameters that published weights have."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from cadence.tasks.images.start_torch import Standardise, load_weights


class Bottleneck(nn.Module):
    """Three convolutions, 1x1, 3x3 and 1x1, around a shortcut; four times as many channels come out as are inside.

    Args:
        inputs: channels that come in.
        inside: channels of the 3x3 convolution.
        stride: of the 3x3 convolution; with more than 1, or other channels, the shortcut is a 1x1 convolution.

    Source: He et al. 2016, arXiv:1512.03385, figure 5, right; the stride in the 3x3 convolution instead of the first
    one, as torchvision, timm and NVIDIA train it ("version 1.5").
    """

    def __init__(self, inputs: int, inside: int, stride: int) -> None:
        super().__init__()
        outputs = 4 * inside
        self.conv1 = nn.Conv2d(inputs, inside, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(inside)
        self.conv2 = nn.Conv2d(inside, inside, 3, stride, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(inside)
        self.conv3 = nn.Conv2d(inside, outputs, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(outputs)
        self.relu = nn.ReLU(inplace=True)
        self.downsample: nn.Module | None = None
        if stride != 1 or inputs != outputs:
            self.downsample = nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs))

    def forward(self, x: Tensor) -> Tensor:
        """Shape (rows, inputs, height, width) -> (rows, 4 * inside, height / stride, width / stride)."""
        shortcut = x if self.downsample is None else self.downsample(x)
        y = self.relu(self.bn1(self.conv1(x)))
        y = self.relu(self.bn2(self.conv2(y)))
        return self.relu(self.bn3(self.conv3(y)) + shortcut)


class ResNet(nn.Module):
    """A residual network of bottleneck blocks.

    Args:
        blocks: of each of the four stages.
        width: channels inside the first stage; each further one has twice as many.
        classes: to tell apart.
    """

    def __init__(self, blocks: tuple[int, int, int, int], width: int, classes: int) -> None:
        super().__init__()
        self.standardise = Standardise()
        self.conv1 = nn.Conv2d(3, width, 7, 2, 3, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = nn.MaxPool2d(3, 2, 1)
        self.layer1 = _stage(width, width, blocks[0], 1)
        self.layer2 = _stage(4 * width, 2 * width, blocks[1], 2)
        self.layer3 = _stage(8 * width, 4 * width, blocks[2], 2)
        self.layer4 = _stage(16 * width, 8 * width, blocks[3], 2)
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(32 * width, classes)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, x: Tensor) -> Tensor:
        """Images (rows, 3, height, width), standardised float32 or uint8 -> logits (rows, classes)."""
        x = self.maxpool(self.relu(self.bn1(self.conv1(self.standardise(x)))))
        x = self.layer4(self.layer3(self.layer2(self.layer1(x))))
        return self.fc(torch.flatten(self.avgpool(x), 1))


def resnet50(
    classes: int = 1000,
    *,
    width: int = 64,
    zero_last: bool = False,
    channels_last: bool = False,
    weights: str | None = None,
) -> nn.Module:
    """A ResNet-50; with 1,000 classes it has 25,557,032 parameters.

    Args:
        classes: to tell apart, 1 or more.
        width: channels inside the first stage; less than 64 for trials.
        zero_last: whether each block begins as its shortcut alone: the last normalisation of each begins with weight 0.
            Goyal et al. 2017, arXiv:1706.02677, section 5.1, which large batches start better with.
        channels_last: whether weights lie in memory with the channels last, and so all that is computed from them: on a
            GPU convolutions in half precision are faster then. The numbers are those of the same formula.
        weights: safetensors file of weights to start from: published ones with torchvision's or timm's names, or a
            checkpoint of cadence. A last layer for other classes is left as it begins. None: all begin at random.

    Returns:
        Images (rows, 3, height, width), standardised float32 or uint8 -> logits (rows, classes).

    Raises:
        TaskError: the file of weights does not fit.

    Example:
        >>> sum(p.numel() for p in resnet50().parameters())
        25557032
    """
    model = ResNet((3, 4, 6, 3), width, classes)
    if zero_last:
        for module in model.modules():
            if isinstance(module, Bottleneck):
                nn.init.zeros_(module.bn3.weight)
    if weights is not None:
        load_weights(model, weights, head="fc")
    if channels_last:
        model.to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
    return model


def _stage(inputs: int, inside: int, blocks: int, stride: int) -> nn.Sequential:
    first = Bottleneck(inputs, inside, stride)
    return nn.Sequential(first, *[Bottleneck(4 * inside, inside, 1) for _ in range(blocks - 1)])
