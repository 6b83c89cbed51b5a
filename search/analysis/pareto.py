"""The Pareto front of a study: the trials that no other beats in value and in cost at once.

Parameters and seconds are recorded of every trial, so a pruned study with one objective has a front too; a pruned
trial has no result and is not on it.
"""

import shlex
from dataclasses import dataclass

from winnow.errors import StudyError
from winnow.search.analysis.study_record import StudyRecord, TrialRecord
from winnow.search.study.sections import Cost


@dataclass(frozen=True)
class Point:
    """One trial of the front."""

    number: int
    value: float
    cost: float


def front(record: StudyRecord, cost: Cost) -> list[Point]:
    """Return the front of value against parameters or training time, the cheapest first.

    Raises StudyError without costs, and where the study has a front of its own.
    """
    if record.objectives > 1:
        raise StudyError(
            f"{record.study!r} has {record.objectives} objectives, and its front is of these, not of value and {cost}",
            f"list it: optuna best-trials --study-name {shlex.quote(record.study)}",
        )
    known = costs(record, cost)
    if not known:
        remedy = "run it on: none has completed"
        if record.ranked:
            remedy = "have its objective call trial.keep_model(model), which counts them, or ask for --against seconds"
        raise StudyError(f"no completed trial of {record.study!r} has recorded its {cost}", remedy)
    points: list[Point] = []
    trials = [trial for trial in record.ranked if trial.number in known]
    for trial in sorted(trials, key=lambda trial: (known[trial.number], record.loss(trial.value))):
        if not points or record.loss(trial.value) < record.loss(points[-1].value):
            points.append(Point(trial.number, trial.value or 0.0, known[trial.number]))
    return points


def costs(record: StudyRecord, cost: Cost) -> dict[int, float]:
    """Return what each completed trial cost, by its number, where it recorded that."""
    known = {trial.number: _cost(trial, cost) for trial in record.ranked}
    return {number: spent for number, spent in known.items() if spent is not None}


def _cost(trial: TrialRecord, cost: Cost) -> float | None:
    if cost == "seconds":
        return trial.seconds
    counted = trial.training.get("parameters")
    return None if counted is None else float(counted)
