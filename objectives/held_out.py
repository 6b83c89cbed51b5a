"""Test data, read. Only `winnow confirm` imports this, after it has written in the ledger that it will."""

from collections.abc import Mapping, Sequence
from typing import Any

from winnow.objectives import decision, snapshots, trained_model
from winnow.objectives.data import loading
from winnow.objectives.data.catalog import DataSpec


def scores(spec: DataSpec, models: Sequence[tuple[Mapping[str, Any], bytes]], device: str = "cpu") -> list[float]:
    """The test score of each trained model, given as (config, weights as snapshots.to_bytes wrote them).

    Accuracy in a classification, mean squared error in a regression. Raises SnapshotError, DataError.
    """
    data = loading.load(spec, device)
    test = loading.load_test(spec, device)
    return [
        trained_model.score(trained_model.restore(values, snapshots.from_bytes(weights), data), values, data, test)
        for values, weights in models
    ]


def scores_at_threshold(spec: DataSpec, models: Sequence[tuple[Mapping[str, Any], bytes]]) -> list[float]:
    """The test accuracy of each model of two classes at the threshold that its own validation ROC curve chose.

    Empty where the data have another number of classes.
    """
    data = loading.load(spec)
    if data.classes != 2:
        return []
    test = loading.load_test(spec)
    found = []
    for values, weights in models:
        model = trained_model.restore(values, snapshots.from_bytes(weights), data)
        on_validation = decision.probabilities(model, values, data, data.validation)
        threshold = decision.roc(on_validation, data.validation.targets.numpy()).threshold
        on_test = decision.probabilities(model, values, data, test)
        found.append(decision.accuracy(on_test, test.targets.numpy(), threshold))
    return found
