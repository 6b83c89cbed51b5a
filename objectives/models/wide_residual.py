"""WideResNet: residual blocks of few layers and many filters, norms and activations before convolutions."""

import torch
from torch import nn

from winnow.objectives.models.architectures import WideResNet
from winnow.objectives.models.convolutional import ChannelsLast
from winnow.objectives.models.layers import Dropout
from winnow.objectives.models.shapes import Shape


class WideBlock(nn.Module):
    """shortcut(x) + body(x), where both begin after the block's first norm and activation if the width changes."""

    def __init__(self, inputs: int, filters: int, stride: int, dropout: float) -> None:
        super().__init__()
        self.before = nn.Sequential(nn.BatchNorm2d(inputs), nn.ReLU(inplace=True))
        self.body = nn.Sequential(
            nn.Conv2d(inputs, filters, 3, stride, 1, bias=False),
            nn.BatchNorm2d(filters),
            nn.ReLU(inplace=True),
            Dropout(dropout),
            nn.Conv2d(filters, filters, 3, 1, 1, bias=False),
        )
        changes = inputs != filters or stride > 1
        self.shortcut = nn.Conv2d(inputs, filters, 1, stride, bias=False) if changes else None

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(batch, inputs, height, width) in, (batch, filters, height / stride, width / stride) out."""
        ready = self.before(x)
        return self.body(ready) + (x if self.shortcut is None else self.shortcut(ready))  # type: ignore[no-any-return]


def wide_resnet(options: WideResNet, shape: Shape, outputs: int) -> nn.Module:
    """Three groups of blocks of 16, 32 and 64 filters, times `widen` (Zagoruyko and Komodakis, 2016)."""
    layers: list[nn.Module] = [ChannelsLast(), nn.Conv2d(shape[0], 16, 3, 1, 1, bias=False)]
    inputs = 16
    for filters, stride in ((16, 1), (32, 2), (64, 2)):
        for place in range(options.wide_blocks):
            layers += [WideBlock(inputs, filters * options.widen, stride if place == 0 else 1, options.conv_dropout)]
            inputs = filters * options.widen
    layers += [nn.BatchNorm2d(inputs), nn.ReLU(inplace=True), nn.AdaptiveAvgPool2d(1), nn.Flatten()]
    return nn.Sequential(*layers, nn.Linear(inputs, outputs))
