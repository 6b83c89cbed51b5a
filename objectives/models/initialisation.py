"""Initial weights, drawn from the trial's own generator."""

import math

import torch
from torch import nn

from winnow.objectives.errors import ObjectiveError


@torch.no_grad()
def initialise(model: nn.Module, scheme: str, generator: torch.Generator) -> None:
    """Fill a model without values (after `to_empty`) with its initial weights, layer after layer.

    Of dense and convolutional layers: `pytorch`, weights and biases uniform in ±1/sqrt(fan in); or with biases at
    0 `he`, normal with variance 2 / fan in (He et al., 2015, for ReLU), `glorot`, uniform with variance
    2 / (fan in + fan out) (Glorot and Bengio, 2010, for tanh), `orthogonal` (Saxe et al., 2014). Norms at 1 and 0.
    """
    for module in model.modules():
        if isinstance(module, nn.Linear | nn.Conv2d):
            initialise_layer(module.weight, module.bias, scheme, generator)
        elif isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d | nn.GroupNorm | nn.LayerNorm):
            module.reset_parameters()
        elif next(module.parameters(recurse=False), None) is not None:
            raise ObjectiveError(
                f"nobody says how a {type(module).__name__} begins",
                "build the model of Linear, Conv2d and norms, or give its parts that have weights",
            )


def initialise_layer(weight: torch.Tensor, bias: torch.Tensor | None, scheme: str, generator: torch.Generator) -> None:
    """Fill one layer's weight (outputs, inputs, ...) and bias (outputs,) in place."""
    bound = 1 / math.sqrt(weight[0].numel())
    match scheme:
        case "pytorch":
            weight.uniform_(-bound, bound, generator=generator)
        case "he":
            nn.init.kaiming_normal_(weight, nonlinearity="relu", generator=generator)
        case "glorot":
            nn.init.xavier_uniform_(weight, generator=generator)
        case "orthogonal":
            nn.init.orthogonal_(weight, generator=generator)
        case _:
            raise ValueError(f"no initialisation {scheme!r}")
    if bias is not None:
        bias.uniform_(-bound, bound, generator=generator) if scheme == "pytorch" else bias.zero_()
