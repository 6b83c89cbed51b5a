"""A trained model again: built from its configuration and weights, and scored."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import nn

from winnow.objectives import snapshots
from winnow.objectives.augmentation.batches import Augmentation
from winnow.objectives.compatibility import input_shape
from winnow.objectives.data.catalog import DataSpec
from winnow.objectives.data.loading import Data, Split, load
from winnow.objectives.decision import Decision, measure
from winnow.objectives.evaluation import evaluate, value_of
from winnow.objectives.hyperparameters import make_config
from winnow.objectives.metrics import named
from winnow.objectives.models.building import build


def restore(values: Mapping[str, Any], weights: Mapping[str, torch.Tensor], data: Data) -> nn.Module:
    """Return the model of the configuration `values` for `data`, on its device, with `weights`."""
    config = make_config({**values, "weights": ""})  # nothing of a file's: all comes from `weights`
    model = build(config, input_shape(config, data.shape), data.classes or 1, data.train.inputs.device)
    model.load_state_dict(weights)
    return model


def judge(model: nn.Module, values: Mapping[str, Any], data: Data, split: Split) -> tuple[float, list[bool]]:
    """Return its metric on `split`, and whether it is right, example by example; nothing of that in a regression.

    The metric is accuracy, in a regression the mean squared error, or what its configuration names. In the precision
    in which it was trained.
    """
    config = make_config(values)
    outputs: list[torch.Tensor] = []
    loss, accuracy = evaluate(model, split, Augmentation(config, data), config.precision, kept=outputs)
    right = [] if accuracy is None else (torch.cat(outputs).argmax(1) == split.targets).tolist()
    return value_of(named(config.metric) if config.metric else None, loss, accuracy, outputs, split.targets)[0], right


def score(model: nn.Module, values: Mapping[str, Any], data: Data, split: Split) -> float:
    """Return its metric on `split`, as `judge` does."""
    return judge(model, values, data, split)[0]


def decide(spec: DataSpec, values: Mapping[str, Any], weights: bytes) -> Decision:
    """How the trained model decides on the validation data of `spec`, which must have two classes."""
    data = load(spec)
    return measure(restore(values, snapshots.from_bytes(weights), data), values, data)
