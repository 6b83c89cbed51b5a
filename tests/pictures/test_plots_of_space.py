"""Pictures of the search space: scales, choices, what was unused, what diverged."""

import itertools
import json

import numpy as np
import optuna
import pytest

from example_search import searched
from winnow.errors import StudyError
from winnow.search.analysis.formatting import number
from winnow.search.analysis.study_reader import read
from winnow.search.analysis.study_record import StudyRecord
from winnow.search.report.figures import space


@pytest.fixture(scope="module")
def history() -> StudyRecord:
    return searched(40)


def test_a_slice_shows_every_trial_that_searched_the_name_in_its_scale(history: StudyRecord) -> None:
    drawn = space.parameter_slice(history, "lr")
    numbers = {number for trace in drawn.data for number in trace.customdata}
    assert numbers == set(range(40))
    assert drawn.layout.xaxis.type == "log"
    momentum = {number for trace in space.parameter_slice(history, "momentum").data for number in trace.customdata}
    assert momentum == {trial.number for trial in history.trials if "momentum" in trial.parameters}


def test_choices_stand_at_their_names(history: StudyRecord) -> None:
    drawn = space.parameter_slice(history, "flip")
    assert list(drawn.layout.xaxis.ticktext) == ["on", "off"]
    assert {float(x) for trace in drawn.data for x in trace.x} == {0.0, 1.0}


def test_choices_are_called_as_in_tables() -> None:
    study, choices = optuna.create_study(), [None, True, "sgd", ""]
    for choice in choices:
        study.enqueue_trial({"choice": choice})
    study.optimize(lambda trial: trial.number + (trial.suggest_categorical("choice", choices) is None), n_trials=4)
    drawn = space.parameter_slice(read(study, {}), "choice")
    assert list(drawn.layout.xaxis.ticktext) == [number(choice) for choice in choices] == ["—", "on", "sgd", "—"]


def test_choices_that_are_numbers_stand_in_their_order() -> None:
    study = optuna.create_study()
    study.optimize(lambda trial: trial.suggest_categorical("lr", [100.0, 1.0, 0.001]), n_trials=9)
    assert list(space.parameter_slice(read(study, {}), "lr").layout.xaxis.ticktext) == ["0.001", "1", "100"]


def test_a_few_whole_numbers_have_a_tick_each() -> None:
    study = optuna.create_study()
    study.optimize(lambda trial: trial.suggest_int("depth", 1, 4) / trial.suggest_int("width", 8, 512), n_trials=3)
    assert space.parameter_slice(read(study, {}), "depth").layout.xaxis.dtick == 1
    assert space.parameter_slice(read(study, {}), "width").layout.xaxis.dtick is None


def test_a_diverged_trial_is_a_cross_at_the_worse_edge() -> None:
    study = optuna.create_study(direction="maximize", sampler=optuna.samplers.RandomSampler(seed=0))

    def objective(trial: optuna.Trial) -> float:
        lr = trial.suggest_float("lr", 1e-3, 10, log=True)
        if lr > 1:
            trial.report(float("nan"), 1)
            trial.set_user_attr("winnow:outcome", "diverged")
            raise optuna.TrialPruned
        return lr

    study.optimize(objective, n_trials=20)
    drawn = space.parameter_slice(read(study, {}), "lr")
    (crosses,) = [trace for trace in drawn.data if trace.name == "diverged"]
    (completed,) = [trace for trace in drawn.data if trace.name == "completed"]
    assert min(crosses.x) > 1
    np.testing.assert_allclose(crosses.y, min(completed.y))


def test_a_contour_finds_the_good_region_and_leaves_the_unseen_blank() -> None:
    study = optuna.create_study(direction="minimize", sampler=optuna.samplers.RandomSampler(seed=0))

    def objective(trial: optuna.Trial) -> float:
        x, y = trial.suggest_float("x", 0, 1), trial.suggest_float("y", 1e-4, 1, log=True)
        if x > 0.5:
            raise optuna.TrialPruned
        return (x - 0.2) ** 2 + (np.log10(y) / 4 + 0.5) ** 2

    study.optimize(objective, n_trials=120)
    surface = space.contour(read(study, {}), "x", "y").data[0]
    row, column = np.unravel_index(np.nanargmin(surface.z), surface.z.shape)
    assert surface.x[column] == pytest.approx(0.2, abs=0.1)
    assert np.log10(surface.y[row]) == pytest.approx(-2, abs=0.4)
    assert np.isnan(surface.z[:, -1]).all()


def test_a_contour_needs_two_numbers_that_were_searched_together(history: StudyRecord) -> None:
    with pytest.raises(StudyError, match="flip is a choice"):
        space.contour(history, "lr", "flip")
    with pytest.raises(StudyError, match=r"searched no 'depth'; searched were: lr, weight_decay"):
        space.contour(history, "lr", "depth")
    study = optuna.create_study()
    study.optimize(lambda trial: trial.suggest_float("x" if trial.number else "y", 0, 1), n_trials=2)
    with pytest.raises(StudyError, match="no completed trial searched both x and y"):
        space.contour(read(study, {}), "x", "y")


def test_parallel_coordinates_lead_each_trial_to_its_value(history: StudyRecord) -> None:
    drawn = space.parallel_coordinates(history, history.parameter_names)
    lines = [trace for trace in drawn.data if trace.name]
    points = sum(len(trace.x) for trace in lines)
    assert points == len(history.ranked) * (len(history.parameter_names) + 2)
    (best,) = [trace for trace in lines if trace.name == "best 1"]
    assert best.x[len(history.parameter_names)] == 1
    assert list(drawn.layout.xaxis.ticktext) == ["unused"]


def test_words_of_parallel_coordinates_do_not_collide_on_a_telephone() -> None:
    layers = [[16, 32], [32, 64], [64, 128], [16, 32, 64], [32, 64, 128], [64, 128, 256]]
    study = optuna.create_study(direction="maximize", sampler=optuna.samplers.RandomSampler(seed=0))
    study.optimize(
        lambda trial: (
            len(trial.suggest_categorical("filters", list(map(json.dumps, layers))))
            + trial.suggest_float("weight_decay", 1e-6, 1e-2, log=True)
            + len(trial.suggest_categorical("optimizer", ["sgd", "adam", "adamw", "rmsprop", "lion"]))
        ),
        n_trials=30,
    )
    lines: dict[tuple[int, int], list[tuple[float, float]]] = {}
    record = read(study, {})
    for words in space.parallel_coordinates(record, record.parameter_names).layout.annotations:
        assert words.textangle is None
        if words.xanchor is None:  # the name of an axis is alone on its line
            middle, half = 240 * words.x, 6.5 * len(words.text) / 2  # pixels of a screen 400 wide
            lines.setdefault((words.y, words.yshift), []).append((middle - half, middle + half))
    assert len(lines) == 5, "filters have two"
    for line in lines.values():
        assert all(before[1] < after[0] for before, after in itertools.pairwise(sorted(line)))


def test_parallel_coordinates_of_nothing_are_empty() -> None:
    assert not space.parallel_coordinates(read(optuna.create_study(), {}), ()).data
