"""Test data, read. Only `winnow confirm` imports this, after it has written in the ledger that it will."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from winnow.objectives import decision, snapshots, trained_model
from winnow.objectives.data import loading
from winnow.objectives.data.catalog import DataSpec
from winnow.objectives.data.image_files import digest_of
from winnow.objectives.data.rows import chunks
from winnow.objectives.trained_model import Judgement


def examples(spec: DataSpec) -> list[str]:
    """Return every test example's print, sorted: the same for the same examples, whatever data set holds them.

    Of 16 hexadecimal digits. Images are known by their pixels, as they were before a folder's were cut and resized,
    whatever their labels and formats; features by the SHA-256 over them and their target. Raises DataError.
    """
    test = loading.read(spec, "test")
    rows = (row for chunk in chunks(test.inputs) for row in chunk)
    if test.digests is not None or test.inputs.dtype == np.uint8:
        digests = (digest_of(row.transpose(1, 2, 0)) for row in rows) if test.digests is None else test.digests.tolist()
        return sorted(f"{digest % 2**64:016x}" for digest in digests)
    pairs = zip(rows, test.targets, strict=True)
    return sorted(hashlib.sha256(row.tobytes() + target.tobytes()).hexdigest()[:16] for row, target in pairs)


@dataclass(frozen=True)
class TestScore:
    """What test data say of one trained model."""

    judgement: Judgement
    at_threshold: float | None
    """Of two classes, the accuracy at the threshold that the model's own validation ROC curve chose."""


def scores(spec: DataSpec, models: Sequence[tuple[Mapping[str, Any], bytes]]) -> list[TestScore]:
    """Score each trained model, given as (config, weights as snapshots.to_bytes wrote them), on test data, once.

    Raises SnapshotError, DataError.
    """
    data = loading.load(spec)
    test = loading.load_test(spec)
    found = []
    for values, weights in models:
        model = trained_model.restore(values, snapshots.from_bytes(weights), data)
        judged = trained_model.judge(model, values, data, test)
        chosen = None
        if judged.probabilities is not None:
            on_validation = decision.probabilities(model, values, data, data.validation)
            threshold = decision.roc(on_validation, data.validation.targets.cpu().numpy()).threshold
            chosen = decision.accuracy(judged.probabilities, test.targets.cpu().numpy(), threshold)
        found.append(TestScore(judged, chosen))
    return found
