"""What pruning saved: only trainings that a pruner stopped count, at their own pace."""

import optuna
import pytest

from winnow.search.analysis.pruning import savings
from winnow.search.analysis.study_record import read


def test_missing_epochs_count_at_the_trials_own_pace() -> None:
    study = optuna.create_study()

    def objective(trial: optuna.Trial) -> float:
        epochs = 2 if trial.number else 8
        for epoch in range(epochs):
            trial.report(1.0, epoch)
        trial.set_user_attr("winnow:run", {"device_seconds": 3.0 * epochs})
        if trial.number == 2:
            trial.set_user_attr("winnow:outcome", "diverged")
        if trial.number:
            raise optuna.TrialPruned
        return 1.0

    study.optimize(objective, n_trials=3)
    found = savings(read(study, {}))
    assert (found.trials, found.epochs, found.spent, found.saved) == (1, 8, 36, 18)
    assert found.share == pytest.approx(1 / 3)


def test_nothing_is_claimed_where_no_trial_completed() -> None:
    study = optuna.create_study()
    trial = study.ask()
    trial.report(1.0, 1)
    study.tell(trial, state=optuna.trial.TrialState.PRUNED)
    found = savings(read(study, {}))
    assert (found.trials, found.saved, found.share) == (1, 0, 0)
