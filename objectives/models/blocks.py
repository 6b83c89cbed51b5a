"""What networks are made of: layers with their norm, activation and dropout, and the dense end of each."""

import math
from collections.abc import Callable, Iterator, Sequence
from functools import partial

from torch import nn

from winnow.objectives.models.architectures import Convolutions, FreeLayers
from winnow.objectives.models.layers import DropBlock, Dropout, Dropout2d

GROUPS = 32
"""Of GroupNorm (Wu and He, 2018), or as many as divide both this and the filters."""
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
    """Return what follows a layer: its activation and then `dropout`, or the other way round."""
    parts = [ACTIVATIONS[options.activation](), dropout]
    return parts if options.dropout_position == "after_activation" else parts[::-1]


def dense(options: FreeLayers, inputs: int, widths: Sequence[int], outputs: int) -> Iterator[nn.Module]:
    """(Linear → [norm] → activation and dropout) for each width, then Linear; no bias before a norm."""
    dropouts = options.dropouts or (options.dropout,) * len(widths)
    for width, p in zip(widths, dropouts, strict=True):
        normed = options.batch_norm or options.norm != "none"
        yield nn.Linear(inputs, width, bias=not normed)
        if normed:
            yield nn.BatchNorm1d(width) if options.batch_norm else nn.LayerNorm(width)
        yield from activated(options, Dropout(p))
        inputs = width
    yield nn.Linear(inputs, outputs)


def convolution(
    options: FreeLayers, channels: int, filters: int, kernel: int, stride: int, padding: int
) -> list[nn.Module]:
    """Conv → [norm]; no bias before a norm. LayerNorm is of all values of an image, GroupNorm of one group."""
    normed = options.batch_norm or options.norm != "none"
    layer = nn.Conv2d(channels, filters, kernel, stride, padding, bias=not normed)
    if not normed:
        return [layer]
    groups = math.gcd(filters, GROUPS) if options.norm == "group" else 1
    return [layer, nn.BatchNorm2d(filters) if options.batch_norm else nn.GroupNorm(groups, filters)]


def image_dropout(options: Convolutions) -> nn.Module:
    """Return the dropout between convolutions."""
    match options.conv_dropout_kind:
        case "dropout2d":
            return Dropout2d(options.conv_dropout)
        case "dropblock":
            return DropBlock(options.conv_dropout, options.block_size)
    return Dropout(options.conv_dropout)
