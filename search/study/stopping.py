"""When to stop a search before its budget is spent: `[budget] stagnation`.

A stopped search keeps its reason, and the trials under way finish.
"""

import optuna
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState

from winnow.search.study.spec import BudgetSection
from winnow.storage.trial_summaries import is_feasible


def reason_to_stop(study: optuna.Study, rule: BudgetSection) -> str:
    """Return why the study should end now, in words; empty while it should go on."""
    if rule.stagnation is None:
        return ""
    trials = study.get_trials(deepcopy=False)
    complete = [trial for trial in trials if is_result(trial)]
    if not complete:
        return ""
    sign = 1 if study.direction == StudyDirection.MAXIMIZE else -1
    best = max(complete, key=lambda trial: (sign * trial.values[0], -trial.number))
    since = sum(trial.state.is_finished() and trial.number > best.number for trial in trials)
    return (
        f"none of the {since} trials after trial {best.number} was better than it" if since >= rule.stagnation else ""
    )


def is_result(trial: FrozenTrial) -> bool:
    """Return whether the trial completed and keeps every limit."""
    return trial.state == TrialState.COMPLETE and trial.values is not None and is_feasible(trial)
