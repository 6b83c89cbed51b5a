"""Initial weights, drawn from the trial's own generator."""

import math

import torch
from torch import nn


@torch.no_grad()
def initialise(model: nn.Module, generator: torch.Generator) -> None:
    """Fill a model without values (after `to_empty`) with its initial weights, layer after layer.

    PyTorch's own defaults: weights and biases of dense and convolutional layers uniform in ±1/sqrt(fan in),
    norms at 1 and 0.
    """
    for module in model.modules():
        if isinstance(module, nn.Linear | nn.Conv2d):
            bound = 1 / math.sqrt(module.weight[0].numel())
            module.weight.uniform_(-bound, bound, generator=generator)
            if module.bias is not None:
                module.bias.uniform_(-bound, bound, generator=generator)
        elif isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
            module.reset_parameters()
        elif next(module.parameters(recurse=False), None) is not None:
            raise TypeError(f"initialise does not know {type(module).__name__}")
