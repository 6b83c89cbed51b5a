"""Importance: Optuna's numbers, and a refusal where they would be noise."""

import logging

import optuna
import pytest
from example_search import searched

from search import importance
from search.errors import StudyError
from search.history import History, read


def plain(objective: optuna.study.study.ObjectiveFuncType, trials: int, direction: str = "minimize") -> History:
    study = optuna.create_study(study_name="plain", sampler=optuna.samplers.RandomSampler(seed=1), direction=direction)
    study.optimize(objective, n_trials=trials)
    return read(study, {})


@pytest.mark.parametrize("direction", ["minimize", "maximize"])
def test_the_parameter_that_decides_has_the_largest_share(direction: str) -> None:
    sign = 1 if direction == "minimize" else -1

    def objective(trial: optuna.Trial) -> float:
        strong, weak = trial.suggest_float("strong", -1, 1), trial.suggest_float("weak", -1, 1)
        return sign * (strong**2 + 0.01 * weak)

    found = importance.assess(plain(objective, 60, direction))
    assert [share.name for share in found.shares] == ["strong", "weak"]
    assert sum(share.share for share in found.shares) == pytest.approx(1)
    assert found.shares[0].share > 0.8
    assert found.question == "what sets the best 6 of 60 completed trials apart"


def test_too_few_trials_are_refused_with_the_number_that_is_missing() -> None:
    with pytest.raises(StudyError, match="study 'plain' has 4; let 6 more complete"):
        importance.assess(plain(lambda trial: trial.suggest_float("x", 0, 1), 4))


def test_only_completed_trials_other_than_the_baseline_count() -> None:
    history = searched(60)
    found = importance.assess(history)
    assert found.trials == len(history.ranked) - 1 < 59


def test_a_conditional_parameter_says_in_how_many_trials_it_was_searched() -> None:
    found = importance.assess(searched(60))
    searches = {share.name: share.trials for share in found.shares}
    assert 0 < searches["momentum"] < searches["lr"] == found.trials


def test_equal_values_give_no_parameter_a_share() -> None:
    def objective(trial: optuna.Trial) -> float:
        return 0.0 * trial.suggest_float("x", 0, 1)

    (share,) = importance.assess(plain(objective, 12)).shares
    assert share.share == 0


def test_optuna_announces_no_study_of_ours(caplog: pytest.LogCaptureFixture) -> None:
    history = plain(lambda trial: trial.suggest_float("x", 0, 1), 12)
    caplog.clear()
    with caplog.at_level(logging.INFO):
        importance.assess(history)
    assert not caplog.records
