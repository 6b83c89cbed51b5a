"""The Pareto front of a study: the trials that no other beats in all objectives at once, or in value and in cost.

Parameters and seconds are recorded of every trial, so a pruned study with one objective has a front too; a pruned
trial has no result and is not on it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import optuna

from winnow.errors import StudyError
from winnow.search.analysis.formatting import count_or_score
from winnow.search.analysis.study_record import StudyRecord, TrialRecord
from winnow.search.study.sections import Cost

_NONE_YET = "run it on: none has completed"


@dataclass(frozen=True)
class Point:
    """One trial of the front."""

    number: int
    value: float
    cost: float


@dataclass(frozen=True)
class Objective:
    """One of several objectives of a study, with the best that it has reached; None where no trial has completed."""

    metric: str
    direction: str
    value: float | None = None
    number: int | None = None
    """Of the trial that reached it."""

    @property
    def shown(self) -> str:
        """Its best as people read it."""
        return count_or_score(self.value)


def best_of_each(
    objectives: Sequence[Objective], results: Mapping[int, Sequence[float]]
) -> tuple[list[Objective], list[int]]:
    """Return the objectives with the best of each, and the numbers of the trials on their front, in order.

    `results` holds the values of each trial that may be on it, by its number. Of equal trials all are on it, as in
    Optuna's `study.best_trials`.
    """
    if not results:
        return list(objectives), []
    signs = [-1.0 if each.direction == "maximize" else 1.0 for each in objectives]
    ordered = sorted(results, key=lambda number: [s * value for s, value in zip(signs, results[number], strict=True)])
    losses = np.array([results[number] for number in ordered]) * signs
    on_front: list[int] = []
    for place, loss in enumerate(losses):  # whatever beats a trial goes before it
        before = losses[on_front]
        if not ((before <= loss).all(axis=1) & (before < loss).any(axis=1)).any():
            on_front.append(place)
    leaders = [min(on_front, key=lambda place: (losses[place, column], ordered[place])) for column in range(len(signs))]
    best = [
        replace(each, value=float(results[ordered[place]][column]), number=ordered[place])
        for column, (each, place) in enumerate(zip(objectives, leaders, strict=True))
    ]
    return best, sorted(ordered[place] for place in on_front)


def front_of_all(study: optuna.Study) -> list[dict[str, Any]]:
    """Return the front of all objectives of a study, each trial with its values by the objectives' names.

    Raises StudyError while no trial has completed.
    """
    names = objective_names(study.metric_names or (), len(study.directions))
    if not study.best_trials:
        raise StudyError(f"no trial of {study.study_name!r} has completed", _NONE_YET)
    best = sorted(study.best_trials, key=lambda trial: trial.number)
    return [{"number": each.number, "values": dict(zip(names, each.values, strict=True))} for each in best]


def objective_names(named: Sequence[str], count: int) -> list[str]:
    """Return the names of several objectives, which Optuna keeps where somebody gave them."""
    return list(named) or [f"objective {place}" for place in range(count)]


def front(record: StudyRecord, cost: Cost) -> list[Point]:
    """Return the front of value against parameters or training time, the cheapest first.

    Raises StudyError without costs, and where the study has a front of its own.
    """
    if record.objectives > 1:
        raise StudyError(
            f"{record.study!r} has {record.objectives} objectives, and its front is of these, not of value and {cost}",
            "leave --against out",
        )
    known = costs(record, cost)
    if not known:
        remedy = _NONE_YET
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
