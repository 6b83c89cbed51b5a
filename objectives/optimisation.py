"""How weights move: the optimisers, and what is done to gradients before they see them."""

from collections.abc import Sequence

import torch
from torch import nn

from winnow.objectives.hyperparameters import Config


def make_optimizer(config: Config, model: nn.Module) -> torch.optim.Optimizer:
    """The config's optimiser over all parameters that require a gradient, as one fused kernel a step if there is one.

    A fused kernel walks gradient and weight in memory order and never looks at strides: both must lie alike, or
    the update is scrambled without an error. `backward()` lays gradients out as their weights; so go through it,
    not through `torch.autograd.grad`.
    """
    lr, betas = config.lr, (config.beta1, config.beta2)
    groups = decay_groups(config, model)
    match config.optimizer:
        case "sgd":
            nesterov = config.nesterov and config.momentum > 0
            return torch.optim.SGD(groups, lr, config.momentum, nesterov=nesterov, fused=True)
        case "rmsprop":
            return torch.optim.RMSprop(groups, lr, config.alpha, config.eps, momentum=config.momentum)
        case "adam":
            return torch.optim.Adam(groups, lr, betas, config.eps, fused=True)
        case "adamw":
            return torch.optim.AdamW(groups, lr, betas, config.eps, fused=True)
    raise ValueError(f"no optimiser {config.optimizer!r}")


def decay_groups(config: Config, model: nn.Module) -> list[dict[str, object]]:
    """The parameters that require a gradient, with the weight decay of each."""
    parameters = [p for p in model.parameters() if p.requires_grad]
    if config.decay_norms_and_biases:
        return [{"params": parameters, "weight_decay": config.weight_decay}]
    rest = [p for p in parameters if p.dim() < 2]
    return [
        {"params": trained_weights(model), "weight_decay": config.weight_decay},
        {"params": rest, "weight_decay": 0.0},
    ]


def trained_weights(model: nn.Module) -> list[nn.Parameter]:
    """The weights of dense and convolutional layers that are trained: no biases, no norms."""
    return [p for p in model.parameters() if p.requires_grad and p.dim() > 1]


@torch.no_grad()
def add_penalties(config: Config, weights: Sequence[nn.Parameter]) -> None:
    """Add to the gradients those of the penalties l1 Σ|w| and l2 Σw², without a pass through the graph."""
    for weight in weights:
        assert weight.grad is not None
        if config.l1:
            weight.grad.add_(weight.sign(), alpha=config.l1)
        if config.l2:
            weight.grad.add_(weight, alpha=2 * config.l2)
