"""Convolutional networks without shortcuts: SmallNet, and a CNN with every option."""

import math

import torch
from torch import nn

from winnow.objectives.models.architectures import CNN, SMALLNET_FILTERS, Convolutions, SmallNet
from winnow.objectives.models.blocks import activated, convolution, dense, image_dropout
from winnow.objectives.models.layers import Dropout
from winnow.objectives.models.shapes import Shape


class ChannelsLast(nn.Module):
    """Lay images out in memory pixel by pixel, as convolutions are fastest on: values and shape stay."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(batch, channels, height, width) in and out."""
        return x.contiguous(memory_format=torch.channels_last)


def smallnet(options: SmallNet, shape: Shape, outputs: int) -> nn.Module:
    """SmallNet: three times Conv 3x3 → BatchNorm → ReLU → Dropout → max-pool 2, then 420 dense units.

    996,376 parameters on (3, 32, 32) with 100 classes; its convolutions keep their biases before BatchNorm.
    """
    channels = shape[0]
    layers: list[nn.Module] = [ChannelsLast()]
    for filters in SMALLNET_FILTERS:
        layers += [nn.Conv2d(channels, filters, 3, padding=1), nn.BatchNorm2d(filters), nn.ReLU(inplace=True)]
        layers += [Dropout(options.conv_dropout), nn.MaxPool2d(2)]
        channels = filters
    features = nn.Sequential(*layers, nn.Flatten())
    hidden = [nn.Linear(math.prod(options.features(shape)), 420), nn.ReLU(inplace=True), Dropout(options.dropout)]
    return nn.Sequential(features, *hidden, nn.Linear(420, outputs))


def cnn(options: CNN, shape: Shape, outputs: int) -> nn.Module:
    """[(Conv → activation) x pool_every → pool] for all `filters`, then (Linear → activation) for `hidden`, Linear.

    Convolutions that are left over after the last full `pool_every` are not pooled.
    """
    channels = shape[0]
    layers: list[nn.Module] = [ChannelsLast()]
    for number, filters in enumerate(options.repeated(options.filters), start=1):
        layers += convolution(options, channels, filters, options.kernel, options.stride, options.padding)
        layers += activated(options, image_dropout(options))
        if number % options.pool_every == 0:
            layers += [pooling(options)]
        channels = filters
    features = nn.Sequential(*layers, nn.Flatten())
    return nn.Sequential(features, *dense(options, math.prod(options.features(shape)), options.hidden, outputs))


def pooling(options: Convolutions) -> nn.Module:
    """Return the pooling of the config, without overlap."""
    return (nn.MaxPool2d if options.pooling == "max" else nn.AvgPool2d)(options.pool_size)
