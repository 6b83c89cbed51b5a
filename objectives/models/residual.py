"""ResNet: convolutions with shortcuts around them (He et al., 2016)."""

import math
from collections.abc import Sequence

import torch
from torch import nn

from winnow.objectives.models.architectures import ResNet
from winnow.objectives.models.blocks import activated, convolution, dense, image_dropout
from winnow.objectives.models.convolutional import ChannelsLast, pooling
from winnow.objectives.models.shapes import Shape


class Residual(nn.Module):
    """activation(body(x) + shortcut(x)), each part given."""

    def __init__(self, body: nn.Module, shortcut: nn.Module, after: nn.Module) -> None:
        super().__init__()
        self.body = body
        self.shortcut = shortcut
        self.after = after

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(batch, channels, height, width) in; the same height and width out."""
        return self.after(self.body(x) + self.shortcut(x))  # type: ignore[no-any-return]


def resnet(options: ResNet, shape: Shape, outputs: int) -> nn.Module:
    """[Residual block of `pool_every` convolutions → pool] for all `filters`, then as the CNN ends.

    Convolutions that are left over make a last block, which is not pooled.
    """
    channels = shape[0]
    layers: list[nn.Module] = [ChannelsLast()]
    filters = options.repeated(options.filters)
    for start in range(0, len(filters), options.pool_every):
        block = filters[start : start + options.pool_every]
        layers += [residual_block(options, channels, block)]
        if len(block) == options.pool_every:
            layers += [pooling(options)]
        channels = block[-1]
    features = nn.Sequential(*layers, nn.Flatten())
    return nn.Sequential(features, *dense(options, math.prod(options.features(shape)), options.hidden, outputs))


def residual_block(options: ResNet, channels: int, filters: Sequence[int]) -> Residual:
    """(Conv → [BatchNorm] → activation → dropout) for all but the last of `filters`, Conv → [BatchNorm], shortcut.

    A bottleneck does the same at a quarter of the filters between two 1x1 convolutions. The shortcut is the
    identity, or a 1x1 convolution where the number of channels changes.
    """
    plan = [(outputs, options.kernel) for outputs in filters]
    if options.bottleneck:
        inner = [(max(1, outputs // 4), options.kernel) for outputs in filters]
        plan = [(inner[0][0], 1), *inner, (filters[-1], 1)]
    body: list[nn.Module] = []
    inputs = channels
    for number, (outputs, kernel) in enumerate(plan, start=1):
        body += convolution(options, inputs, outputs, kernel, 1, kernel // 2)
        if number < len(plan):
            body += activated(options, image_dropout(options))
        inputs = outputs
    shortcut = convolution(options, channels, inputs, 1, 1, 0) if channels != inputs else []
    after = activated(options, image_dropout(options))
    return Residual(nn.Sequential(*body), nn.Sequential(*shortcut), nn.Sequential(*after))
