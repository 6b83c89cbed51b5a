"""A coordinate-wise search as the steps that it took: what each changed of the best so far, and whether it stayed."""

import math
from dataclasses import dataclass

from winnow.objectives.space import hyperparameter
from winnow.search.analysis.comparisons import setting, written
from winnow.search.analysis.study_record import StudyRecord, TrialRecord


@dataclass(frozen=True)
class Step:
    """One trial of a coordinate-wise search: what it changed of the best so far, and what came of it."""

    trial: TrialRecord
    name: str
    before: str
    after: str
    gain: float
    """NaN where it came to no value: a network over a limit of the study, a training that failed."""
    kept: bool

    @property
    def change(self) -> str:
        """What changed, in words."""
        return f"{self.name} {self.before} → {self.after}"


def steps(record: StudyRecord) -> list[Step]:
    """Return the steps of a search that changes one hyperparameter of its best so far at a time, in their order."""
    names = [hyperparameter(name) for name in record.parameter_names]
    best, found = record.baseline, list[Step]()
    if best is None or best.value is None:
        return []
    for trial in record.finished:
        if trial is record.baseline or not trial.config:
            continue
        moved = [name for name in dict.fromkeys(names) if setting(trial, [name]) != setting(best, [name])]
        if len(moved) != 1:
            continue  # it drew a cell at random, or met another best than this
        gain = math.nan if trial.value is None else record.gain(trial, best)
        kept = gain > 0 and trial.state == "COMPLETE" and trial.feasible
        before, after = (written(setting(each, moved)[0]) for each in (best, trial))
        found.append(Step(trial, moved[0], before, after, gain, kept))
        best = trial if kept else best
    return found
