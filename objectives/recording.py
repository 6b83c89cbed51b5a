"""What a training leaves of its network for pictures: its layers' weights at a few epochs, and what it answers.

All of it plain numbers, small enough for attributes of the trial: about 150 bytes a layer and epoch, 10 kB of answers.
"""

from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Any

import numpy as np
import torch

from winnow.objectives import decision, trained_model
from winnow.objectives.augmentation.batches import Augmentation
from winnow.objectives.data.loading import Data
from winnow.objectives.data.streaming import parts
from winnow.objectives.hyperparameters import Config, config_values
from winnow.objectives.snapshots import Snapshot
from winnow.records import LAYERS, OUTPUTS

NEAR_ZERO = 1e-3
"""A weight no larger counts as none: steps of gradient descent leave hardly any at zero itself."""
BINS = 24
_MOST_LAYERS = 12
_MOST_POINTS = 100
_LINE = 61
_PLANE = 31
_KINDS = {2: "dense", 4: "convolution"}


def epochs(wanted: int, all_of_them: int) -> list[int]:
    """Return after which epochs of a training to record: so many, evenly from the first to the last."""
    places = np.linspace(1, all_of_them, min(wanted, all_of_them)) if wanted > 1 else np.array([all_of_them])
    return sorted(set(places.round().astype(int).tolist())) if wanted else []


def layers(state: Mapping[str, torch.Tensor]) -> list[dict[str, Any]]:
    """Return of each dense and convolutional layer its number of weights, their norm, and how they are spread.

    `shares` are thousandths of them in BINS equal bins from -`reach` to `reach`; `near_zero` is the share within
    NEAR_ZERO. Of more than 12 layers, the first, the last, and some evenly between.
    """
    named, seen = {}, dict.fromkeys(_KINDS.values(), 0)
    for weights in state.values():
        if weights.dim() in _KINDS:
            kind = _KINDS[weights.dim()]
            seen[kind] += 1
            named[f"{kind} {seen[kind]}"] = weights.detach().float().cpu().numpy().ravel()
    kept = np.linspace(0, len(named) - 1, min(_MOST_LAYERS, len(named))).round().astype(int)
    return [_layer(*list(named.items())[place]) for place in kept]


def _layer(name: str, weights: Any) -> dict[str, Any]:
    reach = max(float(np.abs(weights).max()), NEAR_ZERO)
    counts, _ = np.histogram(weights, BINS, (-reach, reach))
    return {
        "name": name,
        "weights": weights.size,
        "norm": round(float(np.linalg.norm(weights)), 4),
        "near_zero": round(float(np.mean(np.abs(weights) <= NEAR_ZERO)), 4),
        "reach": round(reach, 5),
        "shares": np.round(1000 * counts / weights.size).astype(int).tolist(),
    }


class NetworkRecorder:
    """Record one training with its trial, going on where an attempt before it left off."""

    def __init__(self, trial: Any, config: Config, data: Data, layers_at: int, outputs_at: int) -> None:
        self._trial, self._config, self._data = trial, config, data
        self._values = config_values(config)
        self._layers_at = epochs(layers_at, config.epochs)
        self._line_at = epochs(outputs_at, config.epochs) if data.shape == (1,) and not data.classes else []
        self._parts_plane = outputs_at > 0 and data.shape == (2,) and data.classes == 2

    def __call__(self, epoch: int, snapshot: Callable[[], Snapshot]) -> None:
        """Record after an epoch, where it is one of those that are wanted."""
        if epoch in self._layers_at:
            earlier = [row for row in self._trial.user_attrs.get(LAYERS, []) if row["epoch"] < epoch]
            row = {"epoch": epoch, "layers": layers(snapshot()["model"])}
            self._trial.set_user_attr(LAYERS, [*earlier, row])
        if epoch in self._line_at:
            self._trial.set_user_attr(OUTPUTS, self._with_line(epoch, snapshot()["model"]))

    def conclude(self, weights: Mapping[str, torch.Tensor]) -> None:
        """Record how the network that a training ended with parts the plane between two classes."""
        if self._parts_plane:
            model = trained_model.restore(self._values, weights, self._data)
            found = decision.boundary(model, self._values, self._data, _PLANE, _MOST_POINTS, digits=2)
            self._trial.set_user_attr(OUTPUTS, asdict(found))

    def _with_line(self, epoch: int, weights: Mapping[str, torch.Tensor]) -> dict[str, Any]:
        """Return the fitted curves so far, that of this epoch with them, and the examples that they are fitted to."""
        train = self._data.train
        inputs = next(iter(parts(train.inputs, _MOST_POINTS))).cpu().numpy()
        x = np.linspace(inputs.min(), inputs.max(), _LINE)
        model = trained_model.restore(self._values, weights, self._data).eval()
        augmentation = Augmentation(self._config, self._data)
        with torch.inference_mode():
            y = model(augmentation.evaluate(torch.from_numpy(x[:, None]).float().to(train.targets.device)))
        known = self._trial.user_attrs.get(OUTPUTS, {"epochs": [], "y": []})
        earlier = [pair for pair in zip(known["epochs"], known["y"], strict=True) if pair[0] < epoch]
        found = [*earlier, (epoch, y[:, 0].double().cpu().numpy().round(3).tolist())]
        points = np.column_stack([inputs[:, 0], train.targets[:_MOST_POINTS, 0].cpu().numpy()]).astype(np.float64)
        return {
            "x": x.round(4).tolist(),
            "points": points.round(4).tolist(),
            "epochs": [number for number, _ in found],
            "y": [curve for _, curve in found],
        }
