"""How weights move: the optimisers."""

import torch
from torch import nn

from objectives.hyperparameters import Config


def make_optimizer(config: Config, model: nn.Module) -> torch.optim.Optimizer:
    """The config's optimiser over all parameters that require a gradient, as one fused kernel a step.

    A fused kernel walks gradient and weight in memory order and never looks at strides: both must lie alike.
    `backward()` lays gradients out as their weights, so go through it, not through `torch.autograd.grad`.
    """
    parameters = [p for p in model.parameters() if p.requires_grad]
    decay = config.weight_decay
    match config.optimizer:
        case "sgd":
            return torch.optim.SGD(parameters, config.lr, momentum=config.momentum, weight_decay=decay, fused=True)
        case "adam":
            return torch.optim.Adam(parameters, config.lr, weight_decay=decay, fused=True)
        case "adamw":
            return torch.optim.AdamW(parameters, config.lr, weight_decay=decay, fused=True)
    raise ValueError(f"no optimiser {config.optimizer!r}")
