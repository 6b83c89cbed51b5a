"""What a study found, in words that claim no more than it shows."""

import math

import optuna
import pytest

from example_search import search, searched
from search import history, summary


def words(read: history.History) -> str:
    return " ".join(summary.sentences(read))


def test_a_winner_is_named_with_its_gain_its_doubt_and_its_cost() -> None:
    read = searched(40)
    best, baseline = read.best, read.baseline
    assert best is not None
    assert baseline is not None
    said = words(read)
    gain = summary.number(read.gain(best, baseline))
    assert f"Trial {best.number} won with a validation accuracy of {best.value:.4g}, {gain} better" in said
    assert f"the baseline's {baseline.value:.4g}" in said
    assert "not yet a result to rely on" in said
    assert f"ran 40 trials ({len(read.ranked)} completed, {read.count('PRUNED')} pruned, 0 failed) by 2 workers" in said
    assert summary.confirm_command(read) == "winnow confirm example"


def test_a_baseline_that_nothing_beat_is_said_to_be_the_best() -> None:
    assert "Nothing beat the baseline: its validation accuracy" in words(searched(1))


def test_a_study_without_baseline_or_without_results_says_so() -> None:
    study = optuna.create_study()
    assert "No trial has finished yet" in words(history.read(study, {}))
    trial = study.ask()
    study.tell(trial, state=optuna.trial.TrialState.FAIL)
    assert "No trial has completed" in words(history.read(study, {}))
    study.optimize(lambda trial: 1.0, n_trials=1)
    assert "has no baseline" in words(history.read(study, {}))


def test_the_comparison_shows_what_was_trained_and_leaves_out_what_played_no_part() -> None:
    study, rows = search(40)
    read = history.read(study, rows)
    rows_by_name = {row.name: row for row in summary.comparison(read)}
    assert list(rows_by_name) == list(read.parameter_names)
    assert rows_by_name["weight_decay"].baseline == 0.0
    assert rows_by_name["momentum"].baseline is None


def test_the_comparison_adds_unsearched_hyperparameters_that_differ() -> None:
    study = optuna.create_study(direction="maximize")
    for number, width in enumerate((64, 128)):
        study.enqueue_trial(
            {}, user_attrs={"winnow:baseline": number == 0, "winnow:config": {"width": width, "seed": 1}}
        )
    study.optimize(lambda trial: float(trial.number), n_trials=2)
    assert summary.comparison(history.read(study, {})) == [summary.Compared("width", False, 64, 128)]


@pytest.mark.parametrize(
    ("value", "said"),
    [(None, "—"), (True, "on"), (0.00012345, "0.0001234"), ([64, 128], "64, 128"), ("sgd", "sgd"), (math.nan, "nan")],
)
def test_numbers_are_said_in_four_digits(value: object, said: str) -> None:
    assert summary.number(value) == said


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(4.21, "4.2 s"), (59.97, "1 min 0 s"), (200.4, "3 min 20 s"), (3599.8, "1 h 0 min"), (18720, "5 h 12 min")],
)
def test_durations_are_said_in_two_units(seconds: float, said: str) -> None:
    assert summary.duration(seconds) == said
