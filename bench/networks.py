"""The networks of the comparisons from PyTorch's own layers, as a person writes them."""

from collections.abc import Sequence

from torch import nn


def smallnet(channels: int = 3, side: int = 32, classes: int = 100, dropout: float = 0.2) -> nn.Module:
    """SmallNet from PyTorch's own layers."""
    layers: list[nn.Module] = []
    for inputs, filters in ((channels, 32), (32, 64), (64, 128)):
        layers += [nn.Conv2d(inputs, filters, 3, padding=1), nn.BatchNorm2d(filters), nn.ReLU()]
        layers += [nn.Dropout(dropout), nn.MaxPool2d(2)]
    dense = [nn.Linear(128 * (side // 8) ** 2, 420), nn.ReLU(), nn.Dropout(dropout), nn.Linear(420, classes)]
    return nn.Sequential(*layers, nn.Flatten(), *dense)


def mlp(inputs: int = 3072, widths: Sequence[int] = (256, 256), classes: int = 10, dropout: float = 0.2) -> nn.Module:
    """An MLP from PyTorch's own layers."""
    layers: list[nn.Module] = [nn.Flatten()]
    for width in widths:
        layers += [nn.Linear(inputs, width), nn.ReLU(), nn.Dropout(dropout)]
        inputs = width
    return nn.Sequential(*layers, nn.Linear(inputs, classes))


def cnn(filters: Sequence[int] = (16, 32), dense: int = 64, side: int = 8, dropout: float = 0.2) -> nn.Module:
    """A small CNN of images of one channel."""
    layers: list[nn.Module] = []
    for inputs, outputs in zip((1, *filters), filters, strict=False):
        layers += [nn.Conv2d(inputs, outputs, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)]
    flat = filters[-1] * (side // 2 ** len(filters)) ** 2
    head = [nn.Flatten(), nn.Linear(flat, dense), nn.ReLU(), nn.Dropout(dropout), nn.Linear(dense, 10)]
    return nn.Sequential(*layers, *head)
