"""Test data, read. Only `winnow confirm` imports this, after it has written in the ledger that it will."""

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

from winnow.objectives import decision, snapshots, trained_model
from winnow.objectives.data import loading
from winnow.objectives.data.catalog import DataSpec
from winnow.objectives.data.streaming import parts
from winnow.objectives.evaluation import EVALUATION_BATCH


def examples(spec: DataSpec) -> list[str]:
    """The print of every test example, sorted: the same for the same examples, whatever data set or split holds them.

    16 hexadecimal digits of the SHA-256 over an example's input and target. Raises DataError.
    """
    test = loading.load_test(spec)
    inputs = (one for part in parts(test.inputs, EVALUATION_BATCH) for one in part.numpy())
    pairs = zip(inputs, test.targets.numpy(), strict=True)
    return sorted(hashlib.sha256(inputs.tobytes() + target.tobytes()).hexdigest()[:16] for inputs, target in pairs)


def scores(
    spec: DataSpec, models: Sequence[tuple[Mapping[str, Any], bytes]], device: str = "cpu"
) -> list[tuple[float, list[bool]]]:
    """Return the test score of each trained model, given as (config, weights as snapshots.to_bytes wrote them).

    Accuracy in a classification, mean squared error in a regression; with it, whether the model is right, test example
    by test example, which is empty in a regression. Raises SnapshotError, DataError.
    """
    data = loading.load(spec, device)
    test = loading.load_test(spec, device)
    return [
        trained_model.judge(trained_model.restore(values, snapshots.from_bytes(weights), data), values, data, test)
        for values, weights in models
    ]


def scores_at_threshold(spec: DataSpec, models: Sequence[tuple[Mapping[str, Any], bytes]]) -> list[float]:
    """Return the test accuracy of each model of two classes at the threshold that its own validation ROC curve chose.

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
