"""How a model of two classes decides: its ROC curve, the threshold to choose by it, and its boundary in the plane.

All of it on validation data. Knows torch only while it measures: what it found is plain numbers.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from torch import Tensor, nn

    from winnow.objectives.data.loading import Data, Split

_GRID = 41
_MOST_POINTS = 300
_MOST_STEPS = 200
_MARGIN = 0.1


@dataclass(frozen=True)
class Curve:
    """A receiver operating characteristic: at each threshold, what share of either class is called the second."""

    thresholds: list[float]
    """Falling; a probability of the second class from here on calls it. The first is above 1 and calls none."""
    false_positives: list[float]
    true_positives: list[float]

    @property
    def area(self) -> float:
        """Under the curve: 0.5 is chance, 1 is perfect."""
        true, false = np.array(self.true_positives), np.array(self.false_positives)
        return float((np.diff(false) * (true[1:] + true[:-1]) / 2).sum())

    @property
    def chosen(self) -> int:
        """Which threshold has the largest share of true less false positives (Youden's J, 1950)."""
        return int(np.argmax(np.subtract(self.true_positives, self.false_positives)))

    @property
    def threshold(self) -> float:
        """That threshold."""
        return self.thresholds[self.chosen]

    def at(self, threshold: float) -> int:
        """Return which step calls what `threshold` calls."""
        return max(place for place, each in enumerate(self.thresholds) if each >= threshold)

    def cheapest(self, miss: float, negatives: int, positives: int) -> int:
        """Return which step costs least where a miss costs `miss` false alarms (Elkan, 2001)."""
        alarms, misses = np.array(self.false_positives) * negatives, (1 - np.array(self.true_positives)) * positives
        return int(np.argmin(alarms + miss * misses))


@dataclass(frozen=True)
class Boundary:
    """The probability of the second class over the plane of two features, and some of the points that were scored."""

    x: list[float]
    y: list[float]
    probability: list[list[float]]
    """A row for each y."""
    points: list[list[float]]
    labels: list[int]


@dataclass(frozen=True)
class Decision:
    """What a model of two classes does on validation data."""

    curve: Curve
    accuracy: float
    """At the threshold 0.5."""
    accuracy_at_threshold: float
    """At the chosen one, which was chosen on the same data."""
    boundary: Boundary | None
    """None where the data are no points in a plane."""
    negatives: int = 0
    positives: int = 0
    """Validation examples of the first and of the second class; 0 where that was not recorded."""

    def confusion(self, place: int) -> list[list[int]]:
        """Return what a step of the curve calls: rows are the true class, columns what it is called."""
        alarms = round(self.curve.false_positives[place] * self.negatives)
        hits = round(self.curve.true_positives[place] * self.positives)
        return [[self.negatives - alarms, alarms], [self.positives - hits, hits]]


def roc(probabilities: NDArray[Any], labels: NDArray[Any]) -> Curve:
    """Return the curve of probabilities (N,) of the second class against labels 0 and 1 (N,).

    Both classes must occur.
    """
    order = np.argsort(-probabilities, kind="stable")
    falling, hits = probabilities[order], labels[order] == 1
    ends = np.append(np.flatnonzero(np.diff(falling)), len(falling) - 1)  # equal probabilities are called together
    true, false = np.cumsum(hits)[ends], np.cumsum(~hits)[ends]
    return Curve(
        thresholds=[1.01, *falling[ends].tolist()],
        false_positives=[0.0, *(false / false[-1]).tolist()],
        true_positives=[0.0, *(true / true[-1]).tolist()],
    )


def accuracy(probabilities: NDArray[Any], labels: NDArray[Any], threshold: float) -> float:
    """Return the share called rightly where the second class is called from `threshold` on."""
    return float(np.mean((probabilities >= threshold) == (labels == 1)))


def probabilities(model: "nn.Module", values: Mapping[str, Any], data: "Data", split: "Split") -> NDArray[np.float64]:
    """Return those of the second class, float64 (N,), for each example of `split`; `values` is the configuration."""
    from winnow.objectives.evaluation import passed

    _, _, outputs = passed(model, values, data, split)
    return of_second_class(outputs)


def of_second_class(outputs: "Tensor") -> NDArray[np.float64]:
    """Return the probability of the second class, float64 (N,), from logits float64 (N, 2) on the CPU."""
    return np.asarray(outputs.softmax(1)[:, 1].numpy())


def measure(model: "nn.Module", values: Mapping[str, Any], data: "Data", found: NDArray[Any]) -> Decision:
    """Return how `model` decides on the validation split of `data`, of two classes; `found` are its `probabilities`."""
    labels = data.validation.targets.cpu().numpy()
    curve = roc(found, labels)
    return Decision(
        curve=_thinned(curve),
        accuracy=accuracy(found, labels, 0.5),
        accuracy_at_threshold=accuracy(found, labels, curve.threshold),
        boundary=boundary(model, values, data) if data.shape == (2,) else None,
        negatives=int((labels == 0).sum()),
        positives=int((labels == 1).sum()),
    )


def boundary(
    model: "nn.Module",
    values: Mapping[str, Any],
    data: "Data",
    grid: int = _GRID,
    most_points: int = _MOST_POINTS,
    digits: int = 4,
) -> Boundary:
    """Return the probability over a square grid that holds all validation points of `data`, which are of a plane."""
    import torch

    from winnow.objectives.data.loading import Split
    from winnow.objectives.data.streaming import parts

    points = next(iter(parts(data.validation.inputs, len(data.validation.targets)))).cpu().numpy()
    low, high = points.min(0) - _MARGIN, points.max(0) + _MARGIN
    x, y = (np.linspace(low[axis], high[axis], grid) for axis in (0, 1))
    places = np.stack([each.ravel() for each in np.meshgrid(x, y)], 1).astype(np.float32)
    device = data.device
    plane = Split(torch.from_numpy(places).to(device), torch.zeros(len(places), dtype=torch.int64, device=device))
    return Boundary(
        x=x.round(4).tolist(),
        y=y.round(4).tolist(),
        probability=probabilities(model, values, data, plane).reshape(grid, grid).round(digits).tolist(),
        points=points[:most_points].astype(np.float64).round(4).tolist(),
        labels=data.validation.targets[:most_points].cpu().tolist(),
    )


def _thinned(curve: Curve) -> Curve:
    """Return the curve with few enough steps to draw and store; its ends, 0.5 and the chosen threshold stay."""
    kept = set(np.linspace(0, len(curve.thresholds) - 1, _MOST_STEPS).round().astype(int).tolist())
    steps = sorted(kept | {curve.chosen, curve.at(0.5)})
    return Curve(
        *([series[i] for i in steps] for series in (curve.thresholds, curve.false_positives, curve.true_positives))
    )
