"""What a search has saved so far by pruning, what it has left to spend, and how long it will take."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean

from winnow.search.analysis import study_record
from winnow.search.analysis.pruning import savings
from winnow.search.analysis.status import Status
from winnow.search.analysis.study_record import TrialRecord
from winnow.search.study.study import WinnowStudy

LATEST = 50
"""So many of the trials that ended last say how long a trial takes now."""
SILENT_SECONDS = 60.0


@dataclass(frozen=True)
class Outlook:
    """Estimates, in seconds; None where nothing can be said."""

    saved_device_seconds: float
    """What pruned trials would have taken, had nobody stopped them."""
    device_seconds_left: float | None
    """Of the budget."""
    seconds_left: float | None
    """Until the budget is spent, at the pace of the trials that ended last and with the workers that are there."""


def look_ahead(study: WinnowStudy, now: Status) -> Outlook:
    """What can be said of the rest of a study. Its cost grows with the study."""
    record = study_record.read(study.optuna, {})
    limit = now.spent.budget.device_hours
    left = None if limit is None else max(0.0, limit * 3600 - now.spent.device_seconds)
    return Outlook(savings(record).saved, left, _seconds_left(now, record.finished, left))


def _seconds_left(now: Status, finished: Sequence[TrialRecord], device_seconds_left: float | None) -> float | None:
    if now.is_done:
        return 0.0
    at_work = sum(worker.age < SILENT_SECONDS and worker.state != "paused" for worker in now.workers)
    budget = now.spent.budget
    estimates = [] if budget.hours is None else [max(0.0, budget.hours * 3600 - now.spent.seconds)]
    latest = sorted(finished, key=lambda trial: trial.number)[-LATEST:]
    if at_work and device_seconds_left is not None:
        estimates.append(device_seconds_left / at_work)
    if at_work and latest and budget.trials is not None:
        # Those under way have on average half of their time before them.
        trials = budget.trials - now.finished - now.states.get("RUNNING", 0) / 2
        estimates.append(trials * fmean(trial.seconds for trial in latest) / at_work)
    return min(estimates, default=None)
