"""Test data, read. Only `winnow confirm` imports this, after it has written in the ledger that it will."""

from collections.abc import Mapping, Sequence
from typing import Any

from objectives import data as data_module
from objectives import snapshots
from objectives.augment import Augmentation, output_shape
from objectives.catalog import DataSpec
from objectives.evaluation import evaluate
from objectives.hyperparameters import make_config
from objectives.models import build


def scores(spec: DataSpec, trained: Sequence[tuple[Mapping[str, Any], bytes]], device: str = "cpu") -> list[float]:
    """The test score of each trained model, given as (config, weights as snapshots.to_bytes wrote them).

    Accuracy in a classification, mean squared error in a regression. Raises SnapshotError, DataError.
    """
    data = data_module.load(spec, device)
    test = data_module.load_test(spec, device)
    results = []
    for values, weights in trained:
        config = make_config(values)
        model = build(config, output_shape(config, data.shape), data.classes or 1, device)
        model.load_state_dict(snapshots.from_bytes(weights))
        loss, accuracy = evaluate(model, test, Augmentation(config, data))
        results.append(loss if accuracy is None else accuracy)
    return results
