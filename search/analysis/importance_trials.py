"""Which trials importance is drawn from, and as what each of them counts."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from winnow.errors import StudyError
from winnow.search.analysis import coverage
from winnow.search.analysis.commands import methods_command
from winnow.search.analysis.study_record import StudyRecord, TrialRecord

MINIMUM_TRIALS = 10
"""Below this, PED-ANOVA compares a handful of trials with their own half: its shares are then noise."""
TOP_TRIALS = 5
"""How many trials the group of the best must hold; what Optuna's documentation asks of PED-ANOVA."""
MOST_TRIALS = 300
"""What forests are given of a larger study."""
_MOST_STOPPED = 0.25
"""Where the pruner stopped a larger share of the trials, forests see a selection."""
# A value beyond this is taken for infinite: its square is.
_UNBOUNDED = 1e150


def usable_trials(record: StudyRecord, pruned: bool = False) -> list[TrialRecord]:
    """Return the trials that importance is drawn from, by number: completed and, where `pruned`, those with a value.

    Raises StudyError below MINIMUM_TRIALS.
    """
    records = [trial for trial in record.ranked if abs(record.loss(trial.value)) < _UNBOUNDED]
    if pruned:
        records += [t for t in record.trials if t.state == "PRUNED" and abs(record.loss(t.value)) < _UNBOUNDED]
    return _checked(record, records, "completed or pruned" if pruned else "completed")


def by_rank(record: StudyRecord) -> list[TrialRecord]:
    """Return the completed trials, and behind the last of them all that were pruned or diverged; raises StudyError."""
    completed = [trial for trial in record.ranked if abs(record.loss(trial.value)) < _UNBOUNDED]
    worst = completed[-1].value if completed else None
    stopped = [trial for trial in record.trials if trial.state == "PRUNED" and trial.feasible and _began(trial)]
    best = sum(not trial.baseline for trial in completed)
    if stopped and best < TOP_TRIALS:  # the best would be a guess among those that were stopped
        raise StudyError(
            f"importance needs {MINIMUM_TRIALS} completed or pruned trials besides the baseline, {TOP_TRIALS} of them "
            f"completed, and of study {record.study!r} {best} completed",
            f"let {TOP_TRIALS - best} more complete, with a larger budget where it is used up",
        )
    return _checked(record, [*completed, *(replace(trial, value=worst) for trial in stopped)], "completed or pruned")


def _began(trial: TrialRecord) -> bool:
    """Return whether a trial was trained at all; of a page's outline no curve is known."""
    return bool(trial.curve) or trial.diverged or trial.value is not None


def in_order(record: StudyRecord) -> list[TrialRecord]:
    """Return the trials of `by_rank` with their place as their value, the worst at 0; equals share one."""
    said = {trial.number: trial for trial in record.trials}

    def key(trial: TrialRecord) -> tuple[int, float]:
        own = said[trial.number]
        stage = 0 if own.diverged else 1 if own.state == "PRUNED" else 2
        return stage, -record.loss(own.value) if stage else 0.0

    records = by_rank(record)
    places = {known: float(place) for place, known in enumerate(sorted({key(trial) for trial in records}))}
    return [replace(trial, value=places[key(trial)]) for trial in records]


def without(record: StudyRecord) -> str:
    """Return which completed trials tell nothing, in words that end a sentence; empty where all do."""
    telling = sum(abs(record.loss(trial.value)) < _UNBOUNDED for trial in record.ranked)
    odd = record.count("COMPLETE") - telling
    return f" beside {odd} that {'is' if odd == 1 else 'are'} infeasible or infinite" if odd else ""


def _checked(record: StudyRecord, trials: Sequence[TrialRecord], kind: str) -> list[TrialRecord]:
    """Return those beside the baseline, by number; raises StudyError where they tell nothing."""
    if record.is_analysis:
        raise StudyError(
            f"the trials of {record.study!r} are the planned trainings of a confirmation or an ablation, and searched "
            "nothing",
            "the page and the report of the search itself say what they show",
        )
    records = sorted((trial for trial in trials if not trial.baseline), key=lambda trial: trial.number)
    if len(records) < MINIMUM_TRIALS:
        raise StudyError(
            f"importance needs {MINIMUM_TRIALS} {kind} trials besides the baseline, and study {record.study!r} has "
            f"{len(records)}{without(record)}",
            f"let {MINIMUM_TRIALS - len(records)} more end, with a larger budget where it is used up",
        )
    hub = [trial for trial in record.ranked if trial.baseline]  # what a coordinate-wise search moved from
    if coverage.one_at_a_time(record, [*records, *hub]):
        raise StudyError(
            f"the trials of {record.study!r} moved one hyperparameter at a time, so a share would say how often and "
            "how far each was moved, not what it does",
            f"train again what it tried: {command}" if (command := methods_command(record)) else "search more trials",
        )
    return records


def survivors(record: StudyRecord) -> bool:
    """Return whether a pruner chose which trials completed."""
    stopped = sum(trial.cut_short for trial in record.trials)
    return stopped > _MOST_STOPPED * (stopped + len(record.ranked))


def refuse_survivors(record: StudyRecord, pruned: bool) -> None:
    """Raise StudyError where a forest would explain a pruner's survivors."""
    if not pruned and survivors(record):
        raise StudyError(
            f"the pruner chose which trials of {record.study!r} completed, and what the survivors vary with is not "
            "what trials vary with",
            "ask the others, or search without a pruner",
        )


def for_a_forest(records: Sequence[TrialRecord], generator: np.random.Generator) -> list[TrialRecord]:
    """Draw as many of the records as a forest is given: time grows with their square in fANOVA."""
    if len(records) <= MOST_TRIALS:
        return list(records)
    return [records[index] for index in sorted(generator.permutation(len(records))[:MOST_TRIALS])]
