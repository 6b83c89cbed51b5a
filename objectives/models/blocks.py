"""What networks are made of: layers with their norm, activation and dropout, and the dense end of each."""

from collections.abc import Callable, Iterator, Sequence
from functools import partial

from torch import nn

from winnow.objectives.models.architectures import Convolutions, FreeLayers
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


def activated(options: FreeLayers, dropout: nn.Module) -> list[nn.Module]:
    """What follows a layer: its activation and then `dropout`, or the other way round."""
    parts = [ACTIVATIONS[options.activation](), dropout]
    return parts if options.dropout_position == "after_activation" else parts[::-1]


def dense(options: FreeLayers, inputs: int, widths: Sequence[int], outputs: int) -> Iterator[nn.Module]:
    """(Linear → [BatchNorm] → activation and dropout) for each width, then Linear; no bias before BatchNorm."""
    dropouts = options.dropouts or (options.dropout,) * len(widths)
    for width, p in zip(widths, dropouts, strict=True):
        yield nn.Linear(inputs, width, bias=not options.batch_norm)
        if options.batch_norm:
            yield nn.BatchNorm1d(width)
        yield from activated(options, Dropout(p))
        inputs = width
    yield nn.Linear(inputs, outputs)


def convolution(
    options: FreeLayers, channels: int, filters: int, kernel: int, stride: int, padding: int
) -> list[nn.Module]:
    """Conv → [BatchNorm]; no bias before BatchNorm."""
    layer = nn.Conv2d(channels, filters, kernel, stride, padding, bias=not options.batch_norm)
    return [layer, nn.BatchNorm2d(filters)] if options.batch_norm else [layer]


def image_dropout(options: Convolutions) -> nn.Module:
    """The dropout between convolutions."""
    match options.conv_dropout_kind:
        case "dropout2d":
            return Dropout2d(options.conv_dropout)
        case "dropblock":
            return DropBlock(options.conv_dropout, options.block_size)
    return Dropout(options.conv_dropout)
