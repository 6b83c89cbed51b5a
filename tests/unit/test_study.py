"""A study in the storage: everything that a worker needs lies with it, and comes back as it was."""

from pathlib import Path
from typing import Any

import optuna
import pytest

from winnow import storage
from winnow.errors import StudyError
from winnow.records import BASELINE, GIVEN
from winnow.search.study import study as studies
from winnow.search.study import validation
from winnow.search.study.spec import Spec


@pytest.fixture
def opened(tmp_path: Path) -> storage.Storage:
    return storage.open(f"sqlite:///{tmp_path}/winnow.db")


def spec_with(**changes: Any) -> Spec:
    content = {
        "name": "s",
        "data": {"name": "digits"},
        "search": {"lr": {"low": 1e-4, "high": 1e-1, "log": True}, "dropout": {"low": 0.1, "high": 0.5}},
        "budget": {"trials": 5},
    }
    return validation.check({**content, **changes}, "s.toml")


def test_sampler_and_pruner_come_back_with_their_parameters(opened: storage.Storage) -> None:
    spec = spec_with(
        sampler={"name": "qmc", "qmc_type": "halton"},
        pruner={"name": "percentile", "percentile": 40.0, "n_warmup_steps": 3},
        search={"dropout": {"low": 0.1, "high": 0.5}, "flip": {"choices": [True, False]}},
        limits={"trial_minutes": 2.5},
    )
    studies.create(opened, spec)
    loaded = studies.load(opened, "s")
    assert loaded.spec == spec
    with pytest.warns(optuna.exceptions.ExperimentalWarning):
        assert isinstance(loaded.optuna.sampler, optuna.samplers.QMCSampler)
    assert isinstance(loaded.optuna.pruner, optuna.pruners.PercentilePruner)


def test_a_study_draws_by_its_prior_and_other_draws_stay_as_they_are(opened: storage.Storage) -> None:
    search = {"lr": {"low": 1e-4, "high": 1e-1, "log": True}, "dropout": {"low": 0.1, "high": 0.5}}
    believed = {**search, "lr": {**search["lr"], "prior": 3e-2, "confidence": 0.99}}
    drawn: dict[str, list[Any]] = {}
    for name, searched in (("plain", search), ("believing", believed)):
        study = studies.create(opened, spec_with(name=name, search=searched, sampler={"name": "random"}))
        drawn[name] = []
        for number in range(6):
            trial = optuna.load_study(study_name=name, storage=opened, sampler=study.sampler_of(number)).ask()
            drawn[name].append(
                (trial.suggest_float("lr", 1e-4, 1e-1, log=True), trial.suggest_float("dropout", 0.1, 0.5))
            )
    assert drawn["plain"][0] == drawn["believing"][0], "the baseline"
    assert sum(1e-2 < lr < 1e-1 for lr, _ in drawn["believing"][1:]) >= 4
    assert sum(lr != other for (lr, _), (other, _) in zip(*drawn.values(), strict=True)) >= 3


def test_the_baseline_is_made_once(opened: storage.Storage) -> None:
    for _ in range(2):
        study = studies.create(opened, spec_with())
    (baseline,) = study.optuna.get_trials()
    assert baseline.user_attrs[BASELINE] is True
    assert baseline.system_attrs["fixed_params"] == {"lr": 1e-3, "dropout": 0.1}
    assert baseline.user_attrs[GIVEN] == {"lr": 1e-3, "dropout": 0.0}


def test_a_study_goes_on_with_the_file_of_weights_that_it_began_with(opened: storage.Storage, tmp_path: Path) -> None:
    file = tmp_path / "resnet18.pth"
    file.write_bytes(b"weights")
    spec = spec_with(fixed={"model": "resnet18", "weights": str(file)}, search={"lr": {"low": 1e-4, "high": 1e-1}})
    pin = studies.create(opened, spec).spec.fixed["weights_sha256"]
    assert studies.create(opened, spec).spec.fixed["weights_sha256"] == pin
    file.write_bytes(b"other weights")
    with pytest.raises(StudyError, match="is not the file that the study 's' began with"):
        studies.create(opened, spec)
    file.unlink()  # a machine that trains nothing need not have it
    studies.create(opened, spec)
    assert studies.load(opened, "s").spec.fixed["weights_sha256"] == pin


def test_the_budget_may_change_and_nothing_else(opened: storage.Storage) -> None:
    studies.create(opened, spec_with())
    assert studies.create(opened, spec_with(budget={"trials": 9})).spec.storage_budget.trials == 9
    assert studies.load(opened, "s").spec.storage_budget.trials == 9
    for key, value in {
        "data": {"name": "fashion_mnist"},
        "fixed": {"epochs": 3},
        "search": {"lr": {"low": 1e-4, "high": 1e-2, "log": True}},
        "seed": 3,
        "baseline": {"lr": 0.01},
    }.items():
        with pytest.raises(StudyError, match=rf"exists with another \[{key}\]"):
            studies.create(opened, spec_with(**{key: value}))


def test_what_differs_from_a_study_of_that_name_is_said_alone(opened: storage.Storage) -> None:
    studies.create(opened, spec_with())
    search = {"lr": {"low": 1e-4, "high": 1e-2, "log": True}, "dropout": {"low": 0.1, "high": 0.5}}
    with pytest.raises(StudyError, match=r'\[search\]: \{"lr": \{"high": 0.1\}\}, not \{"lr": \{"high": 0.01\}\};'):
        studies.create(opened, spec_with(search=search))


def test_a_study_of_stock_optuna_is_taken_over_with_its_trials(opened: storage.Storage) -> None:
    stock = optuna.create_study(study_name="s", storage=opened, direction="maximize")
    stock.optimize(lambda trial: trial.suggest_float("lr", 1e-4, 1e-1, log=True), n_trials=2)
    with pytest.raises(StudyError, match="was not made by Winnow"):
        studies.load(opened, "s")
    taken = studies.create(opened, spec_with())
    assert [BASELINE in trial.user_attrs for trial in taken.optuna.get_trials()] == [False, False, True]


def test_a_study_of_other_objectives_is_refused(opened: storage.Storage) -> None:
    optuna.create_study(study_name="s", storage=opened, directions=["maximize", "minimize"])
    with pytest.raises(StudyError, match="was made to maximize and minimize, and this spec's values are to maximize"):
        studies.create(opened, spec_with())
