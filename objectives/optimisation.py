"""How weights move: which parameters an optimiser is given, and what is done to gradients before it sees them."""

import re
from collections.abc import Iterator, Sequence
from typing import Any, Protocol

import torch
from torch import nn

from winnow.objectives.hyperparameters import Config
from winnow.objectives.registry import optimizer


class Optimizer(Protocol):
    """What a training asks of an optimiser: Winnow's fused ones have it, and every `torch.optim.Optimizer`."""

    param_groups: list[dict[str, Any]]
    state: Any

    def step(self) -> Any:
        """Move the weights."""

    def zero_grad(self) -> None:
        """Forget the gradients."""

    def state_dict(self) -> dict[str, Any]:
        """Return the state of each weight by its place, under `state`."""

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take what `state_dict` gave."""


def make_optimizer(config: Config, model: nn.Module) -> Optimizer:
    """Make the config's optimiser over all parameters that require a gradient."""
    made: Optimizer = optimizer.chosen(config)(decay_groups(config, model), config.lr)
    set_training(made, True)
    return made


class Descent:
    """How the weights of one training move at each step."""

    def __init__(self, config: Config, model: nn.Module) -> None:
        """Give all parameters that require a gradient to the config's optimiser."""
        self.optimizer = make_optimizer(config, model)
        self._config = config
        self._parameters = list(model.parameters())
        self._weights = trained_weights(model)

    def set_lr(self, lr: float) -> None:
        """Have the next step taken at a learning rate."""
        for group in self.optimizer.param_groups:
            scaled = lr * group.get("lr_scale", 1.0)
            if isinstance(group["lr"], torch.Tensor):
                group["lr"].fill_(scaled)
            else:
                group["lr"] = scaled

    def begin(self) -> None:
        """Forget the gradients of the last step."""
        self.optimizer.zero_grad()

    def step(self, gathered: int) -> None:
        """Move the weights by the gradients of so many batches."""
        config = self._config
        if gathered > 1:
            divide_gradients(self._parameters, gathered)
        if config.l1 or config.l2:
            add_penalties(config, self._weights)
        if config.clip_norm:
            nn.utils.clip_grad_norm_(self._parameters, config.clip_norm)
        self.optimizer.step()


def set_training(optimizer: Optimizer, training: bool) -> None:
    """Put the weights where the next gradient is taken, or where they are judged: a schedule-free optimiser has two."""
    switch = getattr(optimizer, "train" if training else "eval", None)
    if switch is not None:
        switch()


def needs_norms_measured(optimizer: Optimizer, model: nn.Module) -> bool:
    """Return whether other weights are judged than those in whose training norms gathered their statistics."""
    batch_norms = any(isinstance(each, nn.modules.batchnorm._BatchNorm) for each in model.modules())
    return batch_norms and hasattr(optimizer, "eval")


def numbers_of_groups(optimizer: Optimizer) -> list[dict[str, float]]:
    """Return the numbers that each group holds: some optimisers count there, and not in a weight's state.

    The learning rate is not among them: it is set at each step.
    """
    return [
        {name: value for name, value in group.items() if isinstance(value, bool | int | float) and name != "lr"}
        for group in optimizer.param_groups
    ]


def restore_state(optimizer: Optimizer, state: dict[int, Any], groups: Sequence[dict[str, float]] = ()) -> None:
    """Give the optimiser an earlier one's state, each tensor laid out in memory as its weight is.

    A fused kernel takes state and weight in memory order, whatever their strides: laid out otherwise, the next step
    would be wrong without an error.
    """
    optimizer.load_state_dict({**optimizer.state_dict(), "state": state})
    for parameter, kept in optimizer.state.items():
        for name, value in kept.items():
            if isinstance(value, torch.Tensor) and value.shape == parameter.shape:
                kept[name] = torch.empty_like(parameter, dtype=value.dtype).copy_(value)
    for group, numbers in zip(optimizer.param_groups, groups, strict=False):
        group.update({name: number for name, number in numbers.items() if name != "lr"})


def decay_groups(config: Config, model: nn.Module) -> list[dict[str, object]]:
    """Return the parameters that require a gradient, with the weight decay of each."""
    if config.layer_decay < 1:
        return [{**group, "lr_scale": scale} for group, scale in _scaled(config, model)]
    return _decayed(config, [p for p in model.parameters() if p.requires_grad])


def _decayed(config: Config, parameters: Sequence[nn.Parameter]) -> list[dict[str, object]]:
    if config.decay_norms_and_biases:
        return [{"params": list(parameters), "weight_decay": config.weight_decay}]
    return [
        {"params": [p for p in parameters if p.dim() > 1], "weight_decay": config.weight_decay},
        {"params": [p for p in parameters if p.dim() < 2], "weight_decay": 0.0},
    ]


def _scaled(config: Config, model: nn.Module) -> Iterator[tuple[dict[str, object], float]]:
    """Yield the groups of each part of the network, with its share of the learning rate (Clark et al., 2020; BEiT).

    A part is what stands before a number in its parameters' names: `layer1` of a ResNet, `blocks.3` of a ViT.
    """
    parts: dict[str, list[nn.Parameter]] = {}
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            found = re.match(r"(network\.)?([^.]*\.)*?[^.]*\d(?=\.|$)|(network\.)?[^.]+", name)
            parts.setdefault(found.group() if found else name, []).append(parameter)
    for place, parameters in enumerate(parts.values()):
        for group in _decayed(config, parameters):
            if group["params"]:
                yield group, config.layer_decay ** (len(parts) - 1 - place)


def trained_weights(model: nn.Module) -> list[nn.Parameter]:
    """Return the weights of dense and convolutional layers that are trained: no biases, no norms."""
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


@torch.no_grad()
def divide_gradients(parameters: Sequence[nn.Parameter], count: int) -> None:
    """Make of the sum of `count` batches' gradients their mean."""
    for parameter in parameters:
        if parameter.grad is not None:
            parameter.grad.div_(count)
