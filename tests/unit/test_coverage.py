"""Where a search has been decides what may be said of two hyperparameters together, and of one."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import optuna
import pytest
from numpy.typing import NDArray
from optuna.distributions import BaseDistribution

from winnow.errors import StudyError
from winnow.search.analysis import coverage, importance
from winnow.search.analysis.study_reader import read
from winnow.search.analysis.study_record import StudyRecord

Array = NDArray[np.float64]


def told(rows: Array, value: Callable[[Array], float]) -> StudyRecord:
    study = optuna.create_study(study_name="designed")
    space: dict[str, BaseDistribution] = {
        f"x{column}": optuna.distributions.FloatDistribution(0, 1) for column in range(rows.shape[1])
    }
    for row in rows:
        params = {f"x{column}": float(number) for column, number in enumerate(row)}
        study.add_trial(optuna.trial.create_trial(params=params, distributions=space, value=value(row)))
    record = read(study, {})
    return replace(record, trials=tuple(replace(trial, config=trial.parameters) for trial in record.trials))


def coordinate(random: np.random.Generator) -> Array:
    base, rows = np.full(3, 0.3), []
    for axis in (0, 1, 2, 0):
        tried = np.tile(base, (10, 1))
        tried[:, axis] = random.random(10)
        rows.append(tried)
    return np.concatenate(rows)


def test_a_search_along_one_hyperparameter_at_a_time_has_no_importance() -> None:
    random = np.random.default_rng(0)
    with pytest.raises(StudyError, match=r"moved one hyperparameter at a time.*winnow ablate designed --from 0"):
        importance.assess(told(coordinate(random), lambda row: float(row.sum())))
    found, refusal = importance.assess_if_enough(told(coordinate(random), lambda row: float(row.sum())))
    assert found is None
    assert "one hyperparameter at a time" in refusal


def test_a_search_around_a_baseline_that_nothing_beat_has_none_either() -> None:
    rows = np.zeros((13, 4))
    rows[np.arange(1, 13), np.arange(12) % 4] = np.linspace(0.1, 1, 12)
    star = told(rows, lambda row: float(row.sum()))
    trials = (replace(star.trials[0], baseline=True), *star.trials[1:])
    with pytest.raises(StudyError, match=r"one hyperparameter at a time.*winnow confirm designed --top 12"):
        importance.assess(replace(star, trials=trials))


def test_of_two_that_moved_together_neither_is_clear_and_both_are_named() -> None:
    pytest.importorskip("sklearn")
    rows = np.random.default_rng(2).random((60, 4))
    rows[:, 3] = 1 - rows[:, 0] ** 2
    twins = replace(told(rows, lambda row: float(row[0] + 0.4 * row[1])), sampler="random")
    assert coverage.moved_together(twins) == ["x0", "x3"]
    found = importance.assess(twins, "MDI")
    assert {share.name for share in found.shares if share.certain} <= {"x1"}
    assert importance.doubt([found], twins).startswith("x0 and x3 moved together in these trials")
    apart = replace(told(np.random.default_rng(3).random((60, 4)), lambda row: float(row[0])), sampler="random")
    assert not coverage.moved_together(apart)
    assert not importance.doubt([found], apart)


def test_a_grid_and_a_random_search_move_all_at_once() -> None:
    random = np.random.default_rng(1)
    for rows in (random.random((40, 3)), np.array(np.meshgrid(*[(0.0, 0.5, 1.0)] * 3)).reshape(3, -1).T):
        record = told(rows, lambda row: float(row[0]))
        assert not coverage.one_at_a_time(record, record.trials)
        assert importance.assess(record).shares[0].name == "x0"


def test_a_plane_is_visited_where_trials_lie_in_all_its_corners() -> None:
    random = np.random.default_rng(2)
    everywhere = random.random((60, 2))
    assert coverage.visited(*everywhere.T)
    along = coordinate(random)
    assert not any(coverage.visited(along[:, a], along[:, b]) for a, b in ((0, 1), (0, 2), (1, 2)))


def test_what_only_adds_up_is_seldom_called_a_pair_and_a_pair_is_found() -> None:
    random = np.random.default_rng(3)
    false = found = 0
    for _ in range(100):
        unit = random.random((80, 3))
        noise = random.normal(0, 0.1, 80) - 0.5 * random.exponential(0.1, 80)
        adds = -3 * (unit[:, 0] - 0.6) ** 2 + np.exp(-6 * unit[:, 1]) + noise
        false += coverage.together_p(unit, adds, (0, 1)) < 0.05
        found += coverage.together_p(unit, adds + 3 * unit[:, 0] * unit[:, 1], (0, 1)) < 0.05
    assert false <= 12
    assert found >= 95
    assert not coverage.enough(random.random((20, 5))), "twenty trials tell nothing of five hyperparameters"


def test_pruned_trials_are_not_among_the_best_and_forests_are_not_asked_of_survivors() -> None:
    pytest.importorskip("sklearn")
    random = np.random.default_rng(4)
    study = optuna.create_study(study_name="pruned", direction="maximize")
    space: dict[str, BaseDistribution] = {
        name: optuna.distributions.FloatDistribution(0, 1) for name in ("matters", "little")
    }
    for _ in range(60):
        matters, little = random.random(2)
        final = matters + 0.05 * little + random.normal(0, 0.02)
        done = final > 0.75
        study.add_trial(
            optuna.trial.create_trial(
                params={"matters": matters, "little": little},
                distributions=space,
                value=final if done else None,
                state=optuna.trial.TrialState.COMPLETE if done else optuna.trial.TrialState.PRUNED,
                intermediate_values={1: final / 2},
            )
        )
    record = replace(read(study, {}), sampler="random")
    found = importance.compare(record)
    assert [each.method for each in found] == ["MDI", "PED-ANOVA"]
    for each in found:
        assert each.shares[0].name == "matters"
        assert each.shares[0].share > 0.7
        assert each.pruned == record.count("PRUNED") > 30
    assert "chose which trials of 'pruned' completed" in importance.left_out(record)
    assert [each.method for each in importance.compare(record, pruned=True)] == ["MDI", "PED-ANOVA", "fANOVA"]
