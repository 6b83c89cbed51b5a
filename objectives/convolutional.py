"""Convolutional networks for images."""

from collections.abc import Iterator

import torch
from torch import nn

from objectives.dense import dense_layers
from objectives.errors import ObjectiveError
from objectives.hyperparameters import Config
from objectives.layers import Dropout


class ChannelsLast(nn.Module):
    """Lay images out in memory pixel by pixel, as convolutions are fastest on: values and shape stay."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(batch, channels, height, width) in and out."""
        return x.contiguous(memory_format=torch.channels_last)


def cnn(config: Config, shape: tuple[int, ...], outputs: int) -> nn.Module:
    """(Conv 3x3 → [BatchNorm] → ReLU → max-pool 2) for each of `filters`, then the dense layers `hidden`."""
    channels, height, width = _image(config, shape)
    layers: list[nn.Module] = [ChannelsLast()]
    for filters in config.filters:
        layers += convolution(channels, filters, config.batch_norm)
        layers += [nn.ReLU(), nn.MaxPool2d(2)]
        channels, height, width = filters, height // 2, width // 2
    _check_size(config, shape, height, width)
    dense = dense_layers(
        channels * height * width,
        config.hidden,
        outputs,
        batch_norm=config.batch_norm,
        dropout=config.dropout,
    )
    return nn.Sequential(*layers, nn.Flatten(), *dense)


def smallnet(config: Config, shape: tuple[int, ...], outputs: int) -> nn.Module:
    """SmallNet: three times Conv 3x3 → BatchNorm → ReLU → Dropout → max-pool 2, then 420 dense units.

    996,376 parameters on (3, 32, 32) with 100 classes; its convolutions keep their biases before BatchNorm.
    """
    channels, height, width = _image(config, shape)
    layers: list[nn.Module] = [ChannelsLast()]
    for filters in (32, 64, 128):
        layers += [nn.Conv2d(channels, filters, 3, padding=1), nn.BatchNorm2d(filters), nn.ReLU()]
        layers += [Dropout(config.conv_dropout), nn.MaxPool2d(2)]
        channels, height, width = filters, height // 2, width // 2
    _check_size(config, shape, height, width)
    dense = dense_layers(channels * height * width, (420,), outputs, batch_norm=False, dropout=config.dropout)
    return nn.Sequential(*layers, nn.Flatten(), *dense)


def convolution(channels: int, filters: int, batch_norm: bool) -> Iterator[nn.Module]:
    """A 3x3 convolution that keeps the size, with BatchNorm and then without bias where asked."""
    yield nn.Conv2d(channels, filters, 3, padding=1, bias=not batch_norm)
    if batch_norm:
        yield nn.BatchNorm2d(filters)


def _image(config: Config, shape: tuple[int, ...]) -> tuple[int, int, int]:
    if len(shape) != 3:
        raise ObjectiveError(
            f"model = {config.model!r} needs images, and this data has {shape[0]} features", 'take model = "mlp"'
        )
    channels, height, width = shape
    return channels, height, width


def _check_size(config: Config, shape: tuple[int, ...], height: int, width: int) -> None:
    if min(height, width) < 1:
        raise ObjectiveError(
            f"images of {shape[1]}x{shape[2]} are too small for the poolings of model = {config.model!r}",
            "take fewer poolings or larger images",
        )
