"""A network for evaluation alone: the same function with fewer passes over the values between its layers."""

from collections.abc import Iterator

import torch
from torch import nn
from torch.nn.utils import fusion

from winnow.objectives.models.layers import RandomLayer
from winnow.objectives.models.residual import Residual


@torch.no_grad()
def folded(model: nn.Module) -> nn.Module:
    """`model`, which must be in evaluation, rebuilt from its own layers; it stays as it is and shares its weights.

    BatchNorm becomes part of the convolution or dense layer before it (the same but for rounding), dropout is left
    out, and a maximum is taken before a ReLU instead of after it, of a quarter of the values (the same to the bit).
    What is neither a Sequential nor a Residual is taken whole.
    """
    match model:
        case nn.Sequential():
            return nn.Sequential(*_folded_layers(model)).eval()
        case Residual():
            return Residual(folded(model.body), folded(model.shortcut), folded(model.after)).eval()
    return model


def _folded_layers(model: nn.Sequential) -> list[nn.Module]:
    layers: list[nn.Module] = []
    for layer in _layers(model):
        match [*layers[-1:], layer]:
            case nn.Conv2d() as convolution, nn.BatchNorm2d() as norm:
                layers[-1] = fusion.fuse_conv_bn_eval(convolution, norm)
            case nn.Linear() as dense, nn.BatchNorm1d() as norm:
                layers[-1] = fusion.fuse_linear_bn_eval(dense, norm)
            case nn.ReLU() | nn.LeakyReLU() as activation, nn.MaxPool2d():
                layers[-1:] = [layer, activation]
            case _:
                layers.append(folded(layer))
    return layers


def _layers(model: nn.Sequential) -> Iterator[nn.Module]:
    """All layers one after the other, those of Sequentials inside too, but for dropout and what does nothing."""
    for layer in model:
        if isinstance(layer, nn.Sequential):
            yield from _layers(layer)
        elif not isinstance(layer, RandomLayer | nn.Identity):
            yield layer
