"""The architectures, built from a config and the shape of its data."""

import math
from collections.abc import Callable

import torch
from torch import nn

from winnow.objectives.fits_data import Shape, check_architecture, repeated
from winnow.objectives.hyperparameters import Config
from winnow.objectives.models.blocks import dense
from winnow.objectives.models.convolutional import cnn, smallnet
from winnow.objectives.models.initialisation import initialise
from winnow.objectives.models.pretrained import ResNet18, load_weights, resnet18
from winnow.objectives.models.residual import resnet
from winnow.objectives.randomness import generator


def build(config: Config, shape: Shape, outputs: int, device: torch.device | str = "cpu") -> nn.Module:
    """The model for examples of `shape` with its initial weights, drawn from the config's seed (or read from a file).

    It takes (batch, *shape) and returns (batch, outputs): logits, or the predicted number. On device "meta" nothing
    is allocated or drawn. Raises ObjectiveError where the architecture does not fit the shape.
    """
    check_architecture(config, shape)
    with torch.device("meta"):
        model = ARCHITECTURES[config.model](config, shape, outputs)
    if torch.device(device).type == "meta":
        return model
    model.to_empty(device="cpu")  # initialised on the CPU: the same seed gives the same weights on every device
    initialise(model, config.initialisation, generator(config.seed, "initialisation"))
    if isinstance(model, ResNet18):
        load_weights(model, config)
    return model.to(device).to(memory_format=torch.channels_last)


def mlp(config: Config, shape: Shape, outputs: int) -> nn.Module:
    """(Linear → activation) for all `widths` on the flattened example, then Linear."""
    return nn.Sequential(nn.Flatten(), *dense(config, math.prod(shape), repeated(config, config.widths), outputs))


ARCHITECTURES: dict[str, Callable[[Config, Shape, int], nn.Module]] = {
    "mlp": mlp,
    "cnn": cnn,
    "smallnet": smallnet,
    "resnet": resnet,
    "resnet18": resnet18,
}
