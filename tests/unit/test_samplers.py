"""Samplers and pruners from a spec: each runs in real Optuna studies, and those that go by number keep their plan."""

from typing import Any

import optuna
import pytest

from objectives.space import suggest
from search import checking, pruners, samplers
from search.spec import Spec

SEARCH: dict[str, Any] = {
    "optimizer": {"choices": ["sgd", "adam"]},
    "momentum": {"low": 0.0, "high": 0.9},
    "lr": {"low": 1e-4, "high": 1e-1, "log": True},
}


def spec_with(**changes: Any) -> Spec:
    content = {"name": "s", "data": {"name": "digits"}, "search": SEARCH, "budget": {"trials": 5}}
    return checking.check({**content, **changes}, "s.toml")


def run(spec: Spec, trials: int) -> optuna.Study:
    def objective(trial: optuna.Trial) -> float:
        values = suggest(trial, spec.space, spec.fixed)
        for epoch in range(1, 4):
            trial.report(values["lr"] * epoch, epoch)
            if trial.should_prune():
                raise optuna.TrialPruned
        return float(values["lr"])

    study = optuna.create_study(
        sampler=samplers.build(spec, worker_seed=1), pruner=pruners.build(spec), direction="maximize"
    )
    study.optimize(objective, n_trials=trials)
    return study


@pytest.mark.parametrize("name", ["random", "tpe", "cmaes", "qmc", "coordinate"])
@pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")
def test_each_sampler_searches(name: str) -> None:
    study = run(spec_with(sampler={"name": name}), 5)
    assert len(study.trials) == 5
    assert all(trial.state.is_finished() for trial in study.trials)


@pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")
def test_the_gaussian_process_searches() -> None:
    study = run(spec_with(sampler={"name": "gp", "n_startup_trials": 2}, pruner={"name": "none"}), 4)
    assert [trial.state.name for trial in study.trials] == ["COMPLETE"] * 4


@pytest.mark.parametrize("name", ["none", "median", "percentile", "asha", "hyperband", "patient"])
@pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")
def test_each_pruner_judges(name: str) -> None:
    study = run(spec_with(sampler={"name": "random"}, pruner={"name": name}), 12)
    pruned = [trial for trial in study.trials if trial.state == optuna.trial.TrialState.PRUNED]
    # Every curve here rises, so the patient pruner, too, lets all of them finish.
    assert bool(pruned) == (name not in ("none", "patient"))


def test_the_grid_gives_every_cell_once_whoever_asks() -> None:
    spec = spec_with(sampler={"name": "grid", "points": 3}, budget={})
    assert spec.storage_budget.trials == 13  # (3 momenta with sgd, and adam) x 3 learning rates, and the baseline
    study = run(spec, 13)
    seen = [tuple(sorted(trial.params.items())) for trial in study.trials[1:]]
    assert len(set(seen)) == 12


def test_coordinate_wise_moves_one_hyperparameter_from_the_best_so_far() -> None:
    search = {"dropout": {"low": 0.0, "high": 0.4}, "lr": {"low": 1e-3, "high": 1e-1, "log": True}}
    spec = spec_with(search=search, sampler={"name": "coordinate", "points": 3}, pruner={"name": "none"})
    trials = run(spec, 8).trials
    assert [trial.params["dropout"] for trial in trials[1:4]] == pytest.approx([0.0, 0.2, 0.4])
    start = {trial.params["lr"] for trial in trials[1:4]}
    assert len(start) == 1
    assert [trial.params["lr"] for trial in trials[4:7]] == pytest.approx([1e-3, 1e-2, 1e-1])
    best = max(trials[:4], key=lambda trial: trial.value or 0.0)
    assert {trial.params["dropout"] for trial in trials[4:7]} == {best.params["dropout"]}
    assert trials[7].params["lr"] == pytest.approx(1e-1), "the second round begins at the best of the first"


def test_asha_judges_no_trial_by_its_first_epoch() -> None:
    study = run(spec_with(sampler={"name": "random"}), 20)
    pruned = [trial for trial in study.trials if trial.state == optuna.trial.TrialState.PRUNED]
    assert pruned
    assert min(len(trial.intermediate_values) for trial in pruned) == 2
