"""A coordinate-wise search as the steps that it took: what each changed of the best so far, and whether it stayed."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from winnow.objectives.space import hyperparameter
from winnow.search.analysis.comparisons import setting
from winnow.search.analysis.formatting import number
from winnow.search.analysis.study_record import StudyRecord, TrialRecord


def change(names: Sequence[str], before: TrialRecord, after: TrialRecord) -> str:
    """Return in words what these hyperparameters were in one trial and are in another."""
    values = [(name, *(number(setting(each, [name])[0]) for each in (before, after))) for name in names]
    return ", ".join(f"{name} {first} → {other}" for name, first, other in values)


def moved(record: StudyRecord, before: TrialRecord, after: TrialRecord) -> list[str]:
    """Return the searched hyperparameters in which two trials differ."""
    names = dict.fromkeys(hyperparameter(name) for name in record.parameter_names)
    return [name for name in names if setting(before, [name]) != setting(after, [name])]


@dataclass(frozen=True)
class Step:
    """One trial of a coordinate-wise search: what it changed of the best so far, and what came of it."""

    trial: TrialRecord
    change: str
    """In words."""
    gain: float
    """NaN where it came to no value: a network over a limit of the study, a training that failed."""
    kept: bool


def steps(record: StudyRecord) -> list[Step]:
    """Return the steps of a search that changes one hyperparameter of its best so far at a time, in their order."""
    best, found = record.baseline, list[Step]()
    if best is None or best.value is None:
        return []
    for trial in record.finished:
        if trial is record.baseline or not trial.config:
            continue
        names = moved(record, best, trial)
        if len(names) != 1:
            continue  # it drew a cell at random, or met another best than this
        gain = math.nan if trial.value is None else record.gain(trial, best)
        kept = gain > 0 and trial.state == "COMPLETE" and trial.feasible
        found.append(Step(trial, change(names, best, trial), gain, kept))
        best = trial if kept else best
    return found
