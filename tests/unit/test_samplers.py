"""Samplers and pruners from a spec: each runs in real Optuna studies, and those that go by number keep their plan."""

import sys
from collections import Counter
from itertools import groupby
from pathlib import Path
from typing import Any

import optuna
import pytest

from winnow.errors import SpecError
from winnow.objectives.space import suggest
from winnow.search.study import validation
from winnow.search.study.spec import Spec

SEARCH: dict[str, Any] = {
    "optimizer": {"choices": ["sgd", "adam"]},
    "momentum": {"low": 0.0, "high": 0.9},
    "lr": {"low": 1e-4, "high": 1e-1, "log": True},
}


def spec_with(**changes: Any) -> Spec:
    content = {"name": "s", "data": {"name": "digits"}, "search": SEARCH, "budget": {"trials": 5}}
    return validation.check({**content, **changes}, "s.toml")


def run(spec: Spec, trials: int) -> optuna.Study:
    def objective(trial: optuna.Trial) -> float:
        values = suggest(trial, spec.space, spec.fixed)
        for epoch in range(1, 4):
            trial.report(values["lr"] * epoch, epoch)
            if trial.should_prune():
                raise optuna.TrialPruned
        return float(values["lr"])

    study = optuna.create_study(
        sampler=spec.sampler.build(spec, 1), pruner=spec.pruner.build(spec), direction="maximize"
    )
    study.optimize(objective, n_trials=trials)
    return study


@pytest.mark.parametrize("name", ["random", "tpe", "cmaes", "qmc", "coordinate", "nsgaii"])
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


def test_a_grid_that_repeats_gives_every_cell_so_often() -> None:
    spec = spec_with(sampler={"name": "grid", "points": 3, "repeats": 3}, budget={})
    assert spec.storage_budget.trials == 37
    seen = Counter(tuple(sorted(trial.params.items())) for trial in run(spec, 37).trials[1:])
    assert set(seen.values()) == {3}


def test_a_grid_by_shape_gives_the_cells_of_one_shape_in_a_row() -> None:
    search = {
        "model": {"choices": ["mlp"]},
        "widths": {"choices": [[8], [16], [32]]},
        "flip": {"choices": [True, False]},
    }
    fixed = {"lr": 0.01}
    plain, by_shape = (
        run(spec_with(search=search, fixed=fixed, budget={}, sampler={"name": "grid", "repeats": 2, **more}), 13)
        for more in ({}, {"by_shape": True})
    )
    shapes = [trial.params["widths"] for trial in by_shape.trials[1:]]
    assert [len(list(alike)) for _, alike in groupby(shapes)] == [4, 4, 4]
    cells = [Counter(tuple(trial.params.items()) for trial in study.trials[1:]) for study in (plain, by_shape)]
    assert cells[0] == cells[1], "the same cells in another order"


def coordinate(search: dict[str, Any], **changes: Any) -> Spec:
    sampler = {"name": "coordinate", "points": 3}
    return spec_with(search=search, sampler=sampler, pruner={"name": "none"}, **changes)


GENTLE = {"dropout": {"low": 0.0, "high": 0.4}, "lr": {"low": 1e-3, "high": 1e-1, "log": True}}


def test_coordinate_wise_moves_one_hyperparameter_from_the_best_so_far() -> None:
    taken = [(trial.params["dropout"], trial.params["lr"]) for trial in run(coordinate(GENTLE), 9).trials]
    # The value is the learning rate. The baseline is a cell of the grid itself, and is not trained again.
    assert taken[:3] == [(0.0, 1e-3), (0.2, 1e-3), (0.4, 1e-3)]
    assert taken[3:5] == [(0.0, pytest.approx(1e-2)), (0.0, pytest.approx(1e-1))]
    assert taken[5:7] == [(0.2, pytest.approx(1e-1)), (0.4, pytest.approx(1e-1))], (
        "on from the best, the next one moves"
    )
    assert len(set(taken)) == 9, "where all neighbours of the best are trained, cells are drawn that are not"


def test_coordinate_wise_begins_what_it_switches_on_at_its_default() -> None:
    trials = run(coordinate({**SEARCH, "momentum": {"low": 0.0, "high": 0.9}}, baseline={"momentum": 0.9}), 3).trials
    assert [trial.params["optimizer"] for trial in trials[:2]] == ["adam", "sgd"]
    assert "momentum" not in trials[0].params
    assert trials[1].params["momentum"] == 0.9


def test_coordinate_wise_gives_no_configuration_to_two_workers() -> None:
    spec = coordinate(GENTLE)
    study = optuna.create_study(direction="maximize")

    def ask() -> optuna.Trial:
        study.sampler = spec.sampler.build(spec, 1)  # each worker has a sampler of its own
        return study.ask()

    first, second, third = (ask() for _ in range(3))
    drawn = [suggest(trial, spec.space, spec.fixed) for trial in (third, second, first)]
    assert len({tuple(sorted(values.items())) for values in drawn}) == 3


def test_asha_judges_no_trial_by_its_first_epoch() -> None:
    study = run(spec_with(sampler={"name": "random"}), 20)
    pruned = [trial for trial in study.trials if trial.state == optuna.trial.TrialState.PRUNED]
    assert pruned
    assert min(len(trial.intermediate_values) for trial in pruned) == 2


@pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")
def test_any_sampler_and_pruner_are_named_by_their_class() -> None:
    sampler = {"name": "optuna.samplers:BruteForceSampler"}
    pruner = {"name": "optuna.pruners:ThresholdPruner", "lower": 1e9, "audit": 0.5}
    steps = {"dropout": {"low": 0.0, "high": 0.5, "step": 0.25}}
    spec = spec_with(sampler=sampler, pruner=pruner, search=steps)
    assert spec.model_dump(mode="json")["sampler"] == sampler
    assert validation.check(spec.model_dump(mode="json"), "stored") == spec
    built = spec.sampler.build(spec, 1)
    assert isinstance(built, optuna.samplers.BruteForceSampler)
    assert isinstance(spec.sampler.seeded(spec, built, 2), optuna.samplers.BruteForceSampler)
    study = run(spec_with(sampler={"name": "optuna.samplers:NSGAIIISampler", "population_size": 3}, pruner=pruner), 3)
    assert isinstance(study.sampler, optuna.samplers.NSGAIIISampler)
    assert {trial.state.name for trial in study.trials} == {"PRUNED"}


def test_a_sampler_that_cannot_draw_the_space_is_refused_beforehand() -> None:
    steps = {"dropout": {"low": 0.0, "high": 0.5, "step": 0.25}}
    assert spec_with(sampler={"name": "optuna.samplers:BruteForceSampler"}, search=steps).sampler
    with pytest.raises(
        SpecError, match=r"\[sampler\] name: optuna.samplers:BruteForceSampler cannot draw from \[search"
    ):
        spec_with(sampler={"name": "optuna.samplers:BruteForceSampler"}, search={"lr": {"low": 0.1, "high": 0.5}})


class Mine(optuna.samplers.RandomSampler):
    """A sampler with a memory of its own, which takes no seed."""

    def __init__(self, width: int) -> None:
        super().__init__(seed=0)
        self.width = width


def test_ones_own_sampler_that_takes_no_seed_keeps_what_it_knows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "own_sampler_of_test", sys.modules[__name__])
    (tmp_path / "own_sampler_of_test.py").touch()
    monkeypatch.syspath_prepend(str(tmp_path))
    spec = spec_with(sampler={"name": "own_sampler_of_test:Mine", "width": 3})
    built = spec.sampler.build(spec, 1)
    assert (type(built).__name__, vars(built)["width"]) == ("Mine", 3)
    assert spec.sampler.seeded(spec, built, 2) is built


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"sampler": {"name": "nothing_here:Sampler"}}, "'nothing_here:Sampler' is not there"),
        ({"sampler": {"name": "optuna.samplers:Nothing"}}, "the sampler 'optuna.samplers:Nothing' is not there"),
        ({"sampler": {"name": "optuna.pruners:NopPruner"}}, "optuna.pruners:NopPruner is no sampler of Optuna's kind"),
        (
            {"sampler": {"name": "optuna.samplers:NSGAIISampler", "population": 3}},
            "takes no 'population'; did you mean 'population_size'?",
        ),
        ({"sampler": {"name": "optuna.samplers:PartialFixedSampler"}}, "needs fixed_params, base_sampler; give it"),
        (
            {"pruner": {"name": "optuna.pruners:ThresholdPruner", "lowest": 3}},
            "takes no 'lowest'; did you mean 'lower'?",
        ),
    ],
)
def test_a_class_that_cannot_be_made_is_refused(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(SpecError) as error:
        spec_with(**changes)
    assert said in str(error.value)
    assert str(error.value).startswith(f"s.toml: {next(iter(changes))}: ")
