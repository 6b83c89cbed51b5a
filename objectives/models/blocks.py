"""What networks are made of: layers with their norm, activation and dropout, and the dense end of each."""

from collections.abc import Callable, Iterator, Sequence
from functools import partial

from torch import nn

from winnow.objectives.hyperparameters import Config
from winnow.objectives.models.layers import DropBlock, Dropout, Dropout2d

ACTIVATIONS: dict[str, Callable[[], nn.Module]] = {
    # In place: no layer or norm before an activation needs its own output for its gradient.
    "relu": partial(nn.ReLU, inplace=True),
    "leaky_relu": partial(nn.LeakyReLU, inplace=True),
    "tanh": nn.Tanh,
    "sigmoid": nn.Sigmoid,
    "gelu": nn.GELU,
    "none": nn.Identity,
}


def activated(config: Config, dropout: nn.Module) -> list[nn.Module]:
    """What follows a layer: its activation and then `dropout`, or the other way round."""
    parts = [ACTIVATIONS[config.activation](), dropout]
    return parts if config.dropout_position == "after_activation" else parts[::-1]


def dense(config: Config, inputs: int, widths: Sequence[int], outputs: int) -> Iterator[nn.Module]:
    """(Linear → [BatchNorm] → activation and dropout) for each width, then Linear; no bias before BatchNorm."""
    dropouts = config.dropouts or (config.dropout,) * len(widths)
    for width, p in zip(widths, dropouts, strict=True):
        yield nn.Linear(inputs, width, bias=not config.batch_norm)
        if config.batch_norm:
            yield nn.BatchNorm1d(width)
        yield from activated(config, Dropout(p))
        inputs = width
    yield nn.Linear(inputs, outputs)


def convolution(config: Config, channels: int, filters: int, kernel: int, stride: int, padding: int) -> list[nn.Module]:
    """Conv → [BatchNorm]; no bias before BatchNorm."""
    layer = nn.Conv2d(channels, filters, kernel, stride, padding, bias=not config.batch_norm)
    return [layer, nn.BatchNorm2d(filters)] if config.batch_norm else [layer]


def image_dropout(config: Config) -> nn.Module:
    """The dropout between convolutions."""
    match config.conv_dropout_kind:
        case "dropout2d":
            return Dropout2d(config.conv_dropout)
        case "dropblock":
            return DropBlock(config.conv_dropout, config.block_size)
    return Dropout(config.conv_dropout)
