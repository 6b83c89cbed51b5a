"""Convolutional networks without shortcuts: SmallNet, and a CNN with every option."""

import torch
from torch import nn

from objectives.errors import ObjectiveError
from objectives.hyperparameters import Config
from objectives.models.blocks import activated, convolution, dense, image_dropout, repeated
from objectives.models.layers import Dropout


class ChannelsLast(nn.Module):
    """Lay images out in memory pixel by pixel, as convolutions are fastest on: values and shape stay."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(batch, channels, height, width) in and out."""
        return x.contiguous(memory_format=torch.channels_last)


def smallnet(config: Config, shape: tuple[int, ...], outputs: int) -> nn.Module:
    """SmallNet: three times Conv 3x3 → BatchNorm → ReLU → Dropout → max-pool 2, then 420 dense units.

    996,376 parameters on (3, 32, 32) with 100 classes; its convolutions keep their biases before BatchNorm.
    """
    channels = image_channels(config, shape)
    layers: list[nn.Module] = [ChannelsLast()]
    for filters in (32, 64, 128):
        layers += [nn.Conv2d(channels, filters, 3, padding=1), nn.BatchNorm2d(filters), nn.ReLU(inplace=True)]
        layers += [Dropout(config.conv_dropout), nn.MaxPool2d(2)]
        channels = filters
    features = nn.Sequential(*layers, nn.Flatten())
    hidden = [nn.Linear(count_features(config, features, shape), 420), nn.ReLU(inplace=True), Dropout(config.dropout)]
    return nn.Sequential(features, *hidden, nn.Linear(420, outputs))


def cnn(config: Config, shape: tuple[int, ...], outputs: int) -> nn.Module:
    """[(Conv → activation) x pool_every → pool] for all `filters`, then (Linear → activation) for `hidden`, Linear.

    Convolutions that are left over after the last full `pool_every` are not pooled.
    """
    channels = image_channels(config, shape)
    layers: list[nn.Module] = [ChannelsLast()]
    for number, filters in enumerate(repeated(config, config.filters), start=1):
        layers += convolution(config, channels, filters, config.kernel, config.stride, config.padding)
        layers += activated(config, image_dropout(config))
        if number % config.pool_every == 0:
            layers += [pooling(config)]
        channels = filters
    features = nn.Sequential(*layers, nn.Flatten())
    return nn.Sequential(features, *dense(config, count_features(config, features, shape), config.hidden, outputs))


def pooling(config: Config) -> nn.Module:
    """The pooling of the config, without overlap."""
    return (nn.MaxPool2d if config.pooling == "max" else nn.AvgPool2d)(config.pool_size)


def image_channels(config: Config, shape: tuple[int, ...]) -> int:
    """The channels of an image's shape; raises ObjectiveError where the data is not images."""
    if len(shape) != 3:
        raise ObjectiveError(
            f"model = {config.model!r} needs images, and this data has {shape[0]} features", 'take model = "mlp"'
        )
    return shape[0]


def count_features(config: Config, features: nn.Module, shape: tuple[int, ...]) -> int:
    """The values per image that come out of `features` on device "meta", from the shape of an image.

    Raises ObjectiveError where convolutions and poolings leave nothing of the image.
    """
    try:
        with torch.no_grad():
            return int(features.eval()(torch.empty(1, *shape, device="meta")).shape[1])
    except RuntimeError as error:
        raise ObjectiveError(
            f"images of {shape[1]}x{shape[2]} are too small for the convolutions and poolings of "
            f"model = {config.model!r}",
            "take fewer or smaller ones, or larger images",
        ) from error
    finally:
        features.train()
