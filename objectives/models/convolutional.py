"""Convolutional networks without shortcuts: SmallNet, and a CNN with every option."""

import math

import torch
from torch import nn

from winnow.objectives.fits_data import SMALLNET_FILTERS, feature_shape, repeated
from winnow.objectives.hyperparameters import Config
from winnow.objectives.models.blocks import activated, convolution, dense, image_dropout
from winnow.objectives.models.layers import Dropout


class ChannelsLast(nn.Module):
    """Lay images out in memory pixel by pixel, as convolutions are fastest on: values and shape stay."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(batch, channels, height, width) in and out."""
        return x.contiguous(memory_format=torch.channels_last)


def smallnet(config: Config, shape: tuple[int, ...], outputs: int) -> nn.Module:
    """SmallNet: three times Conv 3x3 → BatchNorm → ReLU → Dropout → max-pool 2, then 420 dense units.

    996,376 parameters on (3, 32, 32) with 100 classes; its convolutions keep their biases before BatchNorm.
    """
    channels = shape[0]
    layers: list[nn.Module] = [ChannelsLast()]
    for filters in SMALLNET_FILTERS:
        layers += [nn.Conv2d(channels, filters, 3, padding=1), nn.BatchNorm2d(filters), nn.ReLU(inplace=True)]
        layers += [Dropout(config.conv_dropout), nn.MaxPool2d(2)]
        channels = filters
    features = nn.Sequential(*layers, nn.Flatten())
    hidden = [nn.Linear(math.prod(feature_shape(config, shape)), 420), nn.ReLU(inplace=True), Dropout(config.dropout)]
    return nn.Sequential(features, *hidden, nn.Linear(420, outputs))


def cnn(config: Config, shape: tuple[int, ...], outputs: int) -> nn.Module:
    """[(Conv → activation) x pool_every → pool] for all `filters`, then (Linear → activation) for `hidden`, Linear.

    Convolutions that are left over after the last full `pool_every` are not pooled.
    """
    channels = shape[0]
    layers: list[nn.Module] = [ChannelsLast()]
    for number, filters in enumerate(repeated(config, config.filters), start=1):
        layers += convolution(config, channels, filters, config.kernel, config.stride, config.padding)
        layers += activated(config, image_dropout(config))
        if number % config.pool_every == 0:
            layers += [pooling(config)]
        channels = filters
    features = nn.Sequential(*layers, nn.Flatten())
    return nn.Sequential(features, *dense(config, math.prod(feature_shape(config, shape)), config.hidden, outputs))


def pooling(config: Config) -> nn.Module:
    """The pooling of the config, without overlap."""
    return (nn.MaxPool2d if config.pooling == "max" else nn.AvgPool2d)(config.pool_size)
