"""Marginals and interactions: what was planted is found, and nothing else is called clear."""

import math
from dataclasses import replace

import numpy as np
import optuna
import pytest

from winnow.errors import StudyError
from winnow.search.analysis.functional_anova import decompose, decompose_if_enough
from winnow.search.analysis.study_reader import read
from winnow.search.analysis.study_record import StudyRecord
from winnow.search.report.pictures import chapters
from winnow.search.study.schedulers import Direction


def history(
    objective: optuna.study.study.ObjectiveFuncType, trials: int, direction: Direction = "maximize"
) -> StudyRecord:
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(study_name="plain", sampler=optuna.samplers.RandomSampler(seed=1), direction=direction)
    study.optimize(objective, n_trials=trials)
    return read(study, {})


def planted(trial: optuna.Trial) -> float:
    """A hill over x, a step at a choice, and two that only work together."""
    x, a, b = (trial.suggest_float(name, -1, 1) for name in "xab")
    step = trial.suggest_categorical("step", ["low", "high"])
    scale = trial.suggest_float("scale", 1e-4, 1, log=True)
    return -3 * x**2 + (step == "high") + 3 * a * b + 0.01 * math.log10(scale)


def test_a_marginal_has_the_shape_that_was_planted() -> None:
    found = decompose(history(planted, 200))
    x = found.marginal("x")
    step = found.marginal("step")
    assert x is not None
    assert step is not None
    assert abs(x.positions[np.argmax(x.means)]) < 0.3
    assert x.means.max() - x.means[0] > 1
    assert step.means[1] - step.means[0] > 0.5
    assert (x.low < x.means).all()
    assert (x.means < x.high).all()
    assert [marginal.name for marginal in found.marginals][:1] == ["x"]


def test_a_choice_with_which_nothing_completed_has_no_mean() -> None:
    def fails(trial: optuna.Trial) -> float:
        if trial.suggest_categorical("step", ["low", "never", "high"]) == "never":
            raise optuna.TrialPruned
        return planted_step(trial)

    def planted_step(trial: optuna.Trial) -> float:
        return trial.suggest_float("x", -1, 1) + (trial.params["step"] == "high")

    found = decompose(history(fails, 60)).marginal("step")
    assert found is not None
    assert found.positions.tolist() == [0, 2]
    assert found.means[1] - found.means[0] > 0.5


def test_the_pair_that_works_together_is_clear_and_no_other() -> None:
    found = decompose(history(planted, 200))
    clear = [pair.names for pair in found.interactions if pair.certain]
    assert clear == [("a", "b")]
    assert found.interactions[0].share > 2 * found.interactions[1].share


def test_effects_that_only_add_up_are_not_called_a_pair() -> None:
    def additive(trial: optuna.Trial) -> float:
        x, a, b = (trial.suggest_float(name, -1, 1) for name in "xab")
        return x**2 + a + abs(b)

    assert not [pair for pair in decompose(history(additive, 120)).interactions if pair.certain]


def test_a_training_that_broke_down_does_not_drown_the_others() -> None:
    def breaks(trial: optuna.Trial) -> float:
        x = trial.suggest_float("x", 0, 1)
        return -1e6 if trial.number == 3 else x

    marginal = decompose(history(breaks, 40)).marginals[0]
    assert marginal.means[-1] - marginal.means[0] == pytest.approx(1, abs=0.3)


def test_conditional_hyperparameters_have_no_marginal() -> None:
    def conditional(trial: optuna.Trial) -> float:
        x = trial.suggest_float("x", 0, 1)
        return x + (trial.suggest_float("y", 0, 1) if x > 0.5 else 0.0)

    found = decompose(history(conditional, 30))
    assert [marginal.name for marginal in found.marginals] == ["x"]
    assert found.marginal("y") is None


def test_too_few_trials_are_refused() -> None:
    few = history(lambda trial: trial.suggest_float("x", 0, 1), 4)
    with pytest.raises(StudyError, match="let 6 more end"):
        decompose(few)
    assert decompose_if_enough(few) is None


def test_a_report_shows_the_pairs_the_means_and_the_pair_that_hangs_together() -> None:
    searched = history(planted, 60)
    found = chapters(searched, decompose_if_enough(searched))
    drawn = {picture.name: picture for chapter in found for picture in chapter.pictures}
    assert drawn["contour"].title == "a and b"
    assert list(drawn["interactions"].figure.data[0].y)[-1] == "a &amp; b"
    means = [trace.name for picture in drawn.values() if "slice" in picture.name for trace in picture.figure.data]
    assert means.count("partial dependence") == 5


def test_a_mean_over_what_a_pruner_let_complete_is_not_drawn() -> None:
    found = history(lambda trial: trial.suggest_float("x", 0, 1), 24)
    anova = decompose(found)
    for of_survivors in (False, True):
        shown = chapters(found, anova=replace(anova, of_survivors=of_survivors))[-1].pictures
        (drawn,) = (picture for picture in shown if picture.title.endswith("over x"))
        assert ("In green, the mean" in drawn.caption) is not of_survivors
        assert ("No mean is drawn" in drawn.caption) is of_survivors
        assert len(drawn.figure.data) == (2 if of_survivors else 4)
