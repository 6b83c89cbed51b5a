"""Test data, read. Only `winnow confirm` imports this, after it has written in the ledger that it will."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from winnow.objectives import decision, snapshots, trained_model
from winnow.objectives.data import loading
from winnow.objectives.data.catalog import DataSpec
from winnow.objectives.data.streaming import parts
from winnow.objectives.evaluation import EVALUATION_BATCH
from winnow.objectives.trained_model import Judgement


def examples(spec: DataSpec) -> list[str]:
    """Return every test example's print, sorted: the same for the same examples, whatever data set holds them.

    16 hexadecimal digits of the SHA-256 over an example's input and target. Raises DataError.
    """
    test = loading.load_test(spec)
    inputs = (one for part in parts(test.inputs, EVALUATION_BATCH) for one in part.numpy())
    pairs = zip(inputs, test.targets.numpy(), strict=True)
    return sorted(hashlib.sha256(inputs.tobytes() + target.tobytes()).hexdigest()[:16] for inputs, target in pairs)


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
        judged = trained_model.judge(model, values, data, test, resample=True)
        chosen = None
        if judged.probabilities is not None:
            on_validation = decision.probabilities(model, values, data, data.validation)
            threshold = decision.roc(on_validation, data.validation.targets.cpu().numpy()).threshold
            chosen = decision.accuracy(judged.probabilities, test.targets.cpu().numpy(), threshold)
        found.append(TestScore(judged, chosen))
    return found
