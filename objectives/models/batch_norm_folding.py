"""A network for evaluation alone: the same function with fewer passes over the values between its layers."""

from collections.abc import Iterator
from typing import TypeGuard

import torch
from torch import nn
from torch.nn.utils import fusion

from winnow.objectives.models.imported_network import ImportedNetwork
from winnow.objectives.models.layers import RandomLayer
from winnow.objectives.models.residual import Residual


@torch.no_grad()
def folded(model: nn.Module) -> nn.Module:
    """Return `model`, which must be in evaluation, rebuilt from its layers; it stays as it is and shares weights.

    BatchNorm becomes part of the convolution or dense layer before it (the same but for rounding), dropout is left
    out, and a maximum is taken before a ReLU instead of after it, of a quarter of the values (the same to the bit).
    What is neither a Sequential nor a Residual is taken whole, and so is all of a network with hooks.
    """
    match model:
        case ImportedNetwork():
            hooked = any(each._forward_hooks or each._forward_pre_hooks for each in model.modules())
            return model if hooked else model.around(folded(model.network))
        case nn.Sequential() if _is_plain(model):
            return nn.Sequential(*_folded_layers(model)).eval()
        case Residual():
            return Residual(folded(model.body), folded(model.shortcut), folded(model.after)).eval()
    return model


def _folded_layers(model: nn.Sequential) -> list[nn.Module]:
    layers: list[nn.Module] = []
    for layer in _layers(model):
        match [*layers[-1:], layer]:
            case nn.Conv2d() as convolution, nn.BatchNorm2d() as norm if _foldable(convolution, norm):
                layers[-1] = fusion.fuse_conv_bn_eval(convolution, norm)
            case nn.Linear() as dense, nn.BatchNorm1d() as norm if _foldable(dense, norm):
                layers[-1] = fusion.fuse_linear_bn_eval(dense, norm)
            case nn.ReLU() | nn.LeakyReLU() as activation, nn.MaxPool2d():
                layers[-1:] = [layer, activation]
            case _:
                layers.append(folded(layer))
    return layers


def _layers(model: nn.Sequential) -> Iterator[nn.Module]:
    """Yield all layers one after the other, those of Sequentials inside too, but for dropout and what does nothing."""
    for layer in model:
        if _is_plain(layer):
            yield from _layers(layer)
        elif not isinstance(layer, RandomLayer | nn.Identity | nn.Dropout | nn.Dropout2d):
            yield layer


def _is_plain(module: nn.Module) -> TypeGuard[nn.Sequential]:
    """Return whether it does nothing but one layer after the other: a class of others may do more."""
    return type(module).forward is nn.Sequential.forward


def _foldable(layer: nn.Module, norm: nn.Module) -> bool:
    """Return whether both are torch's own, not parametrised, and the norm knows its statistics."""
    return type(layer) in (nn.Conv2d, nn.Linear) and getattr(norm, "running_var", None) is not None
