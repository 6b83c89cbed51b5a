"""Reading test data: written in the ledger before it is done, each model once, and every look priced.

Test data are known by their examples, across studies, names and splits of one storage. A model that was read is not
read again: what it gave stands in the ledger.
"""

import base64
import getpass
import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from winnow.errors import StudyError
from winnow.search.analysis import repetitions
from winnow.search.analysis.repetitions import ConfirmationPlan, Repetition
from winnow.search.analysis.statistics import ERROR
from winnow.search.study.study import WinnowStudy
from winnow.storage import ledger
from winnow.storage.designs import Row


@dataclass(frozen=True)
class Reading:
    """What test data gave for some models, one after the other."""

    scores: tuple[float, ...]
    at_threshold: tuple[float, ...]
    """Of models of two classes, at their chosen thresholds; else empty."""
    results: NDArray[np.float64] | None
    """(models, examples) numbers of which the scores are the means; of a metric that is no mean (models, resamples)
    scores over draws of the examples, the same for each model; None where neither is known."""
    resampled: bool
    """Whether it is the second."""
    examples: int
    before: int
    """How often these test data, or some of them, had been read before in this storage."""
    models_before: int
    """How many other models were read then."""


NOTHING_READ = Reading((), (), None, False, 0, 0, 0)
"""Of an objective of the user's that reads no test data."""


def error_of_reading(before: int) -> float:
    """Return how often the verdict of a reading may err after so many others of the same test data.

    All looks together, however many follow and whenever they stop, err at most 5 % · π² / 6, 8 times of 100.
    """
    return ERROR / (before + 1) ** 2


def add_rows(plan: ConfirmationPlan, rows: Sequence[Row]) -> WinnowStudy:
    """Add rows as in repetitions; those that have the user's objective read test data are announced first."""
    tested = [(row.parameters["trial"], row.parameters["seed"]) for row in rows if row.config.get("test")]
    if tested:
        _announce(plan, _examples(plan), tested)
    return repetitions.add_rows(plan, rows)


def read(plan: ConfirmationPlan, models: Sequence[Repetition]) -> Reading:
    """Read test data for those of the models that were not read before; raises StudyError.

    To judge fewer of them, or others together, is another look too, though nothing is read.
    """
    if not plan.reads_test:
        return NOTHING_READ
    database, examples = plan.study.storage.database, _examples(plan)
    names = {model: repetitions.weights_name(plan, *model) for model in models}
    looks = ledger.of_the_same(database, examples)
    if not any(entry.judged == set(names.values()) for entry in looks):
        known = {model["weights"] for entry in looks for model in entry.models}
        new = [model for model in models if names[model] not in known]
        entry = _announce(plan, examples, models)
        told = (_scored if plan.study.spec.built_in else _told)(plan, new) if new else []
        rows = [{"weights": names[model], **result} for model, result in zip(new, told, strict=True)]
        ledger.conclude(database, entry, examples, rows, list(names.values()))
    return recorded(plan, models)


def _examples(plan: ConfirmationPlan) -> ledger.Examples:
    """Return which test examples are read; those of the user's own objective are known by its name alone."""
    if not plan.study.spec.built_in:
        return ledger.Examples(0, (plan.study.spec.objective,))
    from winnow.objectives import held_out

    return ledger.Examples.of(held_out.examples(plan.study.spec.data_spec))


def _announce(plan: ConfirmationPlan, examples: ledger.Examples, models: Sequence[Repetition]) -> int:
    """Write that test data are about to be read, where nothing says so yet; returns the entry."""
    database, name = plan.study.storage.database, plan.study.name
    for entry in ledger.entries(database, name):
        if not (plan.study.spec.built_in or entry.judged or entry.data_fingerprint != examples.fingerprint):
            return entry.entry  # announced when these repetitions were added
    return ledger.announce(
        database,
        name,
        examples,
        reader=f"{getpass.getuser()}@{platform.node()}",
        purpose=f"winnow confirm: trials {', '.join(map(str, dict(models)))}, {len(models)} models",
    )


def _scored(plan: ConfirmationPlan, models: Sequence[Repetition]) -> list[dict[str, Any]]:
    """Return what test data give for models of the built-in objectives."""
    from winnow.objectives import held_out

    data, trained = plan.study.spec.data_spec, [repetitions.weights(plan, *model) for model in models]
    return [
        {
            "score": found.judgement.score,
            "at_threshold": found.at_threshold,
            "each": "" if found.judgement.each is None else _packed(found.judgement.each),
            "resampled": found.judgement.resampled,
        }
        for found in held_out.scores(data, trained)
    ]


def _told(plan: ConfirmationPlan, models: Sequence[Repetition]) -> list[dict[str, Any]]:
    """Return what the user's own objective said of test data while it trained."""
    scores = [repetitions.test_score(plan, *model) for model in models]
    return [{"score": score, "at_threshold": None} for score in scores]


def recorded(plan: ConfirmationPlan, models: Sequence[Repetition]) -> Reading:
    """Return what the ledger holds of these models; raises StudyError where one is missing."""
    if not plan.reads_test:
        return NOTHING_READ
    database = plan.study.storage.database
    names = [repetitions.weights_name(plan, *model) for model in models]
    rows: dict[str, Mapping[str, Any]] = {}
    last = None
    for entry in ledger.entries(database):
        found = {row["weights"]: row for row in entry.models if row["weights"] in names}
        looked = entry if found or entry.judged == set(names) else None
        rows = {**rows, **found}
        last = last if last and last.judged == set(names) else looked or last
    if last is None or set(names) - rows.keys():
        raise StudyError(
            f"the ledger holds no test scores of the confirmation of {plan.study.name!r}",
            f"run winnow confirm {plan.study.name}",
        )
    earlier = [entry for entry in ledger.of_the_same(database, last.examples) if entry.entry < last.entry]
    others = {row["weights"] for entry in earlier for row in entry.models} - set(names)
    told = [rows[name] for name in names]
    thresholds = [row["at_threshold"] for row in told if row["at_threshold"] is not None]
    each = [_unpacked(row["each"], last.examples.count) for row in told if row.get("each")]
    resampled = [row["resampled"] for row in told if row.get("resampled")]
    results = each or resampled
    return Reading(
        tuple(row["score"] for row in told),
        tuple(thresholds),
        np.array(results) if len(results) == len(told) else None,
        not each,
        last.examples.count,
        len(earlier),
        len(others),
    )


def _packed(values: NDArray[np.float64]) -> str:
    """Return one bit an example where all are 0 or 1, else four bytes, as JSON holds them."""
    bits = bool(np.isin(values, (0.0, 1.0)).all())
    return base64.b64encode(np.packbits(values > 0).tobytes() if bits else values.astype("<f4").tobytes()).decode()


def _unpacked(packed: str, examples: int) -> NDArray[np.float64]:
    content = base64.b64decode(packed)
    if len(content) == 4 * examples:
        return np.frombuffer(content, dtype="<f4").astype(np.float64)
    return np.unpackbits(np.frombuffer(content, dtype=np.uint8))[:examples].astype(np.float64)
