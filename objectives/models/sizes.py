"""What a network costs, layer by layer: its parameters, and the multiply-adds of one example."""

import math
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from winnow.objectives.compatibility import Shape, input_shape
from winnow.objectives.hyperparameters import Config
from winnow.objectives.models.building import build


@dataclass(frozen=True)
class Layer:
    """One layer that has weights."""

    name: str
    kind: str
    output: Shape
    """Of one example."""
    parameters: int
    multiply_adds: int
    """Of one example; norms and activations are not counted."""


def layers(config: Config, shape: Shape, outputs: int) -> list[Layer]:
    """Return the layers of the config's model for examples of `shape`, in the order in which they are called.

    Nothing is allocated. Raises ObjectiveError where model and examples do not fit.
    """
    taken = input_shape(config, shape)
    model = build(config, taken, outputs, "meta").eval()
    found: list[Layer] = []

    def note(name: str, layer: nn.Module, result: Any) -> None:
        size = tuple(result.shape[1:])
        weights = sum(parameter.numel() for parameter in layer.parameters(recurse=False))
        found.append(Layer(name, type(layer).__name__, size, weights, _multiply_adds(layer, size)))

    for name, layer in model.named_modules():
        if list(layer.parameters(recurse=False)):
            layer.register_forward_hook(lambda layer, _, result, name=name: note(name, layer, result))
    with torch.inference_mode():
        model(torch.empty(1, *taken, device="meta"))
    return found


def _multiply_adds(layer: nn.Module, output: Shape) -> int:
    """Return a product for each weight and each place at which it is used."""
    if isinstance(layer, nn.Conv2d):
        return layer.weight.numel() * math.prod(output[1:])
    return layer.weight.numel() if isinstance(layer, nn.Linear) else 0
