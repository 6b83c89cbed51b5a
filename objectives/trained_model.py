"""A trained model again: built from its configuration and weights, and scored."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import nn

from winnow.objectives import decision, mistakes, snapshots
from winnow.objectives.compatibility import input_shape
from winnow.objectives.data.catalog import DataSpec
from winnow.objectives.data.loading import Data, Split, load
from winnow.objectives.data.sources import class_names
from winnow.objectives.decision import Decision
from winnow.objectives.errors import ObjectiveError
from winnow.objectives.evaluation import passed, value_of
from winnow.objectives.hyperparameters import make_config
from winnow.objectives.metrics import Metric, named
from winnow.objectives.mistakes import Mistakes
from winnow.objectives.models.building import build

RESAMPLES = 100
"""So many bootstrap replications tell a standard error well enough (Efron and Tibshirani, 1993, section 6.4)."""


def restore(values: Mapping[str, Any], weights: Mapping[str, torch.Tensor], data: Data) -> nn.Module:
    """Return the model of the configuration `values` for `data`, on its device, with `weights`."""
    config = make_config({**values, "weights": ""})  # nothing of a file's: all comes from `weights`
    model = build(config, input_shape(config, data.shape), data.classes or 1, data.device)
    model.load_state_dict(weights)
    return model


@dataclass(frozen=True)
class Judgement:
    """What a trained model is worth on a split."""

    score: float
    """Accuracy, in a regression the mean squared error, or the metric that its configuration names."""
    each: NDArray[np.float64] | None
    """(examples,) numbers of which the score is the mean; None of a metric that is no mean over examples."""
    resampled: list[float]
    """Such a metric over RESAMPLES draws of as many examples, the same draws for every model; empty of others."""
    probabilities: NDArray[np.float64] | None
    """(examples,) of the second of two classes; None of more, and in a regression."""


def judge(model: nn.Module, values: Mapping[str, Any], data: Data, split: Split) -> Judgement:
    """Return what the model is worth on `split`, from one pass."""
    name = make_config(values).metric
    metric = named(name) if name else None
    loss, accuracy, outputs = passed(model, values, data, split)
    targets = split.targets.cpu()
    found = value_of(metric, loss, accuracy, outputs, targets)
    each = _each(name, outputs, targets)
    draws = _resampled(metric, outputs, targets) if metric and each is None else []
    second = decision.of_second_class(outputs) if data.classes == 2 else None
    return Judgement(found, None if each is None else each.double().numpy(), draws, second)


def _each(metric: str, outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor | None:
    """Return (examples,) what the metric is the mean of; None where it is no mean."""
    if not metric and targets.is_floating_point():
        return (outputs - targets).square().flatten(1).mean(1)
    if metric in ("", "accuracy"):
        return outputs.argmax(1) == targets
    if metric == "log_loss":
        return F.cross_entropy(outputs, targets, reduction="none")
    if metric == "top5":
        return (outputs.topk(5).indices == targets[:, None]).any(1)
    return None


def _resampled(metric: Metric, outputs: torch.Tensor, targets: torch.Tensor) -> list[float]:
    """Return the metric over draws of the examples with replacement; empty where it cannot be had of all of them."""
    given = outputs[:, 0] if targets.is_floating_point() else outputs.softmax(1)
    right, found = targets.numpy().reshape(len(outputs)), given.numpy()
    draw = np.random.default_rng(0)
    try:
        places = [draw.integers(len(right), size=len(right)) for _ in range(RESAMPLES)]
        return [metric(right[place], found[place]) for place in places]
    except ObjectiveError:
        return []  # a draw lacks a class, for one


def examine(spec: DataSpec, values: Mapping[str, Any], weights: bytes) -> tuple[Decision | None, Mistakes | None]:
    """Return how the trained model decides between two classes, and what it gets wrong: one pass over validation data.

    None of the first for more classes, and of both in a regression.
    """
    data = load(spec)
    if not data.classes:
        return None, None
    model = restore(values, snapshots.from_bytes(weights), data)
    _, _, outputs = passed(model, values, data, data.validation)
    decided = None
    if data.classes == 2:
        decided = decision.measure(model, values, data, decision.of_second_class(outputs))
    return decided, mistakes.measure(class_names(spec), data.validation, outputs)
