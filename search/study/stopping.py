"""When to stop a search before its budget is spent: by stagnation, or when little improvement is to be expected.

Off unless `[budget]` asks for it. A stopped search keeps its reason, and the trials under way finish.
"""

import optuna
from optuna.search_space import intersection_search_space
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState

from winnow.search.study.spec import BudgetSection

FEWEST_TRIALS = 10
"""Before so many completed trials a Gaussian process knows too little to expect anything."""


def reason_to_stop(study: optuna.Study, rule: BudgetSection) -> str:
    """Why the study should end now, in words; empty while it should go on."""
    if rule.stagnation is None and rule.min_improvement is None:
        return ""
    trials = sorted(study.get_trials(deepcopy=False), key=lambda trial: trial.number)
    sign = 1 if study.direction == StudyDirection.MAXIMIZE else -1
    complete = [trial for trial in trials if is_result(trial)]
    if not complete:
        return ""
    if rule.stagnation is not None:
        best = max(complete, key=lambda trial: sign * (trial.value or 0.0))
        since = sum(trial.state.is_finished() and trial.number > best.number for trial in trials)
        if since >= rule.stagnation:
            return f"none of the {since} trials after trial {best.number} was better than it"
    if rule.min_improvement is not None and len(complete) >= FEWEST_TRIALS:
        space = intersection_search_space(complete)
        if space:
            from winnow.search.study.expected_improvement import expected_improvement

            values = [sign * (trial.value or 0.0) for trial in complete]
            expected = expected_improvement(space, [trial.params for trial in complete], values)
            if expected < rule.min_improvement:
                return f"the next trial is expected to be better by {expected:.2g}, below {rule.min_improvement:g}"
    return ""


def is_result(trial: FrozenTrial) -> bool:
    """Whether it completed, and keeps every limit."""
    feasible = all(excess <= 0 for excess in trial.constraints.values())
    return trial.state == TrialState.COMPLETE and feasible and trial.values is not None
