"""Reading a study: the same data whether Winnow or stock Optuna made it."""

import math

import optuna
import pytest

from example_search import EPOCHS, search
from winnow.records import Epoch
from winnow.search.analysis import study_reader


def test_a_winnow_study_is_read_with_its_epochs_and_its_record() -> None:
    study, rows = search(12)
    read = study_reader.read(study, rows)
    assert (read.study, read.direction, read.metric) == ("example", "maximize", "validation accuracy")
    assert [trial.number for trial in read.trials] == list(range(12))
    assert read.finished == read.trials
    first = read.trials[1]
    assert [record.epoch for record in first.curve] == list(range(1, EPOCHS + 1))
    assert first.curve[-1].validation_accuracy == first.value == study.trials[1].value
    assert first.curve[0].train_loss == rows[1][0].train_loss
    assert (first.worker, first.host, first.device, first.seconds) == ("worker-1", "node1", "cpu", EPOCHS / 2)
    assert first.training["parameters"] == 9610


def test_the_baseline_is_known_by_its_mark_and_keeps_the_value_that_was_trained() -> None:
    study, rows = search(3)
    baseline = study_reader.read(study, rows).baseline
    assert baseline is not None
    assert baseline.number == 0
    assert baseline.parameters["weight_decay"] == 1e-6
    assert baseline.config["weight_decay"] == 0.0


def test_a_study_of_stock_optuna_has_its_reports_as_curves() -> None:
    study = optuna.create_study(direction="minimize")

    def objective(trial: optuna.Trial) -> float:
        x = trial.suggest_float("x", -1, 1)
        for step in (0, 10, 20):
            trial.report(x * x + 1 / (1 + step), step)
        return x * x

    study.optimize(objective, n_trials=3)
    read = study_reader.read(study, {})
    trial = read.trials[2]
    assert [(record.epoch, record.value) for record in trial.curve] == list(study.trials[2].intermediate_values.items())
    assert (read.metric, read.direction, read.baseline, trial.config) == ("objective value", "minimize", None, {})
    assert read.best is not None
    assert read.best.number == study.best_trial.number


def test_epochs_that_a_plain_trial_kept_in_an_attribute_are_its_curve() -> None:
    study = optuna.create_study(direction="maximize")

    def objective(trial: optuna.Trial) -> float:
        trial.report(0.5, 1)
        trial.set_user_attr("winnow:epochs", [{"epoch": 1, "validation_accuracy": 0.5, "lr": 0.1}])
        return 0.5

    study.optimize(objective, n_trials=1)
    (record,) = study_reader.read(study, {}).trials[0].curve
    assert record == Epoch(1, 0.5, validation_accuracy=0.5, lr=0.1)


def test_best_is_the_feasible_trial_that_optuna_names() -> None:
    study = optuna.create_study(direction="maximize")

    def objective(trial: optuna.Trial) -> float:
        trial.set_constraint("parameters", 1.0 if trial.number == 2 else -1.0)
        return [0.5, 0.7, 0.9, 0.7][trial.number]

    study.optimize(objective, n_trials=4)
    read = study_reader.read(study, {})
    assert [trial.number for trial in read.ranked] == [1, 3, 0]
    assert read.best is not None
    assert read.best.number == study.best_trial.number == 1
    assert not read.trials[2].feasible
    assert read.gain(read.trials[1], over=read.trials[0]) == pytest.approx(0.2)


def test_pruned_failed_and_running_trials_keep_what_they_have() -> None:
    study = optuna.create_study(direction="minimize")
    pruned, failed, diverged, _running = (study.ask() for _ in range(4))
    pruned.report(0.25, 1)
    pruned.set_user_attr("winnow:reason", "below the rung")
    study.tell(pruned, state=optuna.trial.TrialState.PRUNED)
    study.tell(failed, state=optuna.trial.TrialState.FAIL)
    diverged.report(math.nan, 1)
    study.tell(diverged, state=optuna.trial.TrialState.PRUNED)
    read = study_reader.read(study, {})
    assert [trial.state for trial in read.trials] == ["PRUNED", "FAIL", "PRUNED", "RUNNING"]
    assert [trial.value for trial in read.trials[:2]] == [0.25, None]
    assert read.trials[0].reason == "below the rung"
    assert read.loss(read.trials[2].value) == math.inf
    assert len(read.finished) == 3
    assert (read.best, read.count("PRUNED")) == (None, 2)


def test_a_named_metric_keeps_its_name() -> None:
    study = optuna.create_study()
    with pytest.warns(optuna.exceptions.ExperimentalWarning):
        study.set_metric_names(["seconds an epoch"])
    assert study_reader.read(study, {}).metric == "seconds an epoch"
