"""What a trial's page shows beside its curve: its other seeds, what it gets wrong, the end of its log."""

from collections.abc import Sequence
from dataclasses import dataclass

from winnow.errors import StudyError
from winnow.search.analysis import confirm, repetitions
from winnow.search.analysis.seeds import Purpose
from winnow.search.analysis.study_record import StudyRecord, TrialRecord
from winnow.search.report import confirmation
from winnow.search.report.chapters import Chapter, Picture
from winnow.search.study import study as studies
from winnow.storage import Storage

_OF_A_MODEL = ("confusion", "mistakes", "roc", "boundary")
"""The pictures of a confirmation that show what the winner does."""


@dataclass(frozen=True)
class Seed:
    """One training of a trial's configuration."""

    seed: int
    what: str
    score: float | None
    """On validation data; None where it did not complete."""


def seeds(storage: Storage, record: StudyRecord, trial: TrialRecord) -> list[Seed]:
    """Return the seeds with which a configuration was trained: the search's own, then those of a confirmation."""
    own = trial.config.get("seed")
    found = [] if own is None else [Seed(own, "in the search", trial.value)]
    study = studies.load(storage, record.study)
    plan = repetitions.recorded_plan(study, record)
    if plan is None:
        return found
    choosing = set(plan.seeds_for(Purpose.CHOOSING))
    scores = repetitions.read_scores(plan)
    return found + [
        Seed(seed, "to choose the winner" if seed in choosing else "to measure the winner", score)
        for (number, seed), score in scores.items()
        if number == trial.number
    ]


def mistakes(storage: Storage, record: StudyRecord, trial: TrialRecord) -> list[Chapter]:
    """Return the pictures of what the confirmed winner gets wrong, where this trial is the one; else nothing."""
    try:
        found = confirm.recorded(studies.load(storage, record.study), record)
    except StudyError:  # nothing that can be concluded yet
        return []
    if found is None or found.winner_number != trial.number:
        return []
    pictures: Sequence[Picture] = [p for p in confirmation.chapter(found).pictures if p.name.startswith(_OF_A_MODEL)]
    return [Chapter("What it gets wrong", pictures=pictures)] if pictures else []
