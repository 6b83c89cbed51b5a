"""Test data, read. Only `winnow confirm` imports this, after it has written in the ledger that it will."""

from collections.abc import Mapping, Sequence
from typing import Any

from objectives import data as data_module
from objectives import snapshots, trained
from objectives.catalog import DataSpec


def scores(spec: DataSpec, models: Sequence[tuple[Mapping[str, Any], bytes]], device: str = "cpu") -> list[float]:
    """The test score of each trained model, given as (config, weights as snapshots.to_bytes wrote them).

    Accuracy in a classification, mean squared error in a regression. Raises SnapshotError, DataError.
    """
    data = data_module.load(spec, device)
    test = data_module.load_test(spec, device)
    return [
        trained.score(trained.restore(values, snapshots.from_bytes(weights), data), values, data, test)
        for values, weights in models
    ]
