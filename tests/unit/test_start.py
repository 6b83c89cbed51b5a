"""Beginning with the best of an earlier study, on a real storage."""

from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.trial import TrialState, create_trial

import winnow
from winnow import storage
from winnow.errors import StudyError
from winnow.records import Budget
from winnow.search.api.study import read_spec
from winnow.search.study import study as studies
from winnow.search.study.spec import Spec
from winnow.search.study.validation import check
from winnow.storage import Storage
from winnow.storage.errors import StorageMissing

SPACE: dict[str, BaseDistribution] = {
    "lr": FloatDistribution(1e-5, 1.0, log=True),
    "batch_size": IntDistribution(16, 512),
    "optimizer": CategoricalDistribution(("adam", "sgd")),
    "hidden": CategoricalDistribution(("[16]", "[32, 16]")),
    "dropout": FloatDistribution(0.0, 0.9),
}


@pytest.fixture
def opened(tmp_path: Path) -> Storage:
    return storage.open(f"sqlite:///{tmp_path}/s.db")


def earlier(opened: Storage, trials: list[tuple[float, dict[str, Any]]]) -> None:
    study = optuna.create_study(storage=opened, study_name="old", direction="maximize")
    for value, parameters in trials:
        kinds = {name: SPACE[name] for name in parameters}
        study.add_trial(create_trial(value=value, params=parameters, distributions=kinds))
    study.add_trial(create_trial(value=9.0, state=TrialState.PRUNED))


def spec(**more: Any) -> Spec:
    content: dict[str, Any] = {
        "name": "new",
        "data": {"name": "digits"},
        "fixed": {"model": "cnn"},
        "search": {
            "lr": {"low": 1e-4, "high": 1e-1, "log": True},
            "batch_size": {"low": 32, "high": 128, "step": 32},
            "optimizer": {"choices": ["sgd", "adamw"]},
            "hidden": {"choices": [[16], [64]]},
        },
        "budget": {"trials": 20},
        "start": {"from": "old", "trials": 2},
    }
    return check(content | more, "the test")


def test_a_search_that_begins_at_another_makes_no_storage(tmp_path: Path) -> None:
    with pytest.raises(StorageMissing, match="there is no storage at"):
        winnow.create_study(spec(), f"sqlite:///{tmp_path}/none.db")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("lr", "said"),
    [
        (
            {"low": 0.1, "high": 1.0, "step": 0.4},
            ["its high of 1 is never drawn: steps of 0.4 from 0.1 end at 0.9"],
        ),
        (
            {"low": 1e-5, "high": 0.1},
            ["nine of ten draws lie above 0.010009; with log = true each decade is drawn as often"],
        ),
        (
            {"low": 1e-30, "high": 0.1, "log": True},
            ["1e-30 to 0.1 are 29 decades, of which each is drawn as often as any other"],
        ),
        ({"low": 1e-5, "high": 0.1, "log": True}, []),
        ({"low": 0.0, "high": 0.1}, []),
        ({"low": 0.001, "high": 0.1}, []),
    ],
)
def test_what_can_hardly_be_meant_of_a_range_is_said(
    caplog: pytest.LogCaptureFixture, lr: dict[str, float], said: list[str]
) -> None:
    search = {"lr": lr, "batch_size": {"low": 32, "high": 128, "step": 32}}
    read_spec({"name": "new", "data": {"name": "digits"}, "search": search, "budget": {"trials": 20}})
    assert caplog.messages == [f"[search] lr: {each}" for each in said]


TRIALS: list[tuple[float, dict[str, Any]]] = [
    (0.5, {"lr": 0.02, "dropout": 0.5}),
    (0.9, {"lr": 0.5, "batch_size": 100, "optimizer": "sgd", "hidden": "[16]"}),
    (0.8, {"lr": 0.01, "batch_size": 64, "optimizer": "adam", "hidden": "[32, 16]", "dropout": 0.1}),
    (0.7, {"lr": 0.01, "batch_size": 64, "optimizer": "adam", "hidden": "[32, 16]", "dropout": 0.2}),
]


def test_the_best_are_queued_as_far_as_the_search_offers_their_values(opened: Storage) -> None:
    earlier(opened, TRIALS)
    made = studies.create(opened, spec())
    baseline, *queued = made.optuna.get_trials()
    assert "winnow:baseline" in baseline.user_attrs
    assert [trial.system_attrs["fixed_params"] for trial in queued] == [
        {"optimizer": "sgd", "hidden": "[16]"},
        {"lr": 0.01, "batch_size": 64},
    ]
    assert [trial.user_attrs["winnow:started_from"]["trial"] for trial in queued] == [1, 2]
    assert {trial.state for trial in made.optuna.trials} == {TrialState.WAITING}
    opened.delete_study(opened.get_study_id_from_name("old"))
    assert studies.create(opened, made.spec).study_id == made.study_id, "it goes on without the earlier one"
    assert len(studies.load(opened, "new").optuna.trials) == 3
    assert studies.load(opened, "new").spec.storage_budget == Budget(trials=20)


@pytest.mark.parametrize(
    ("more", "why"),
    [
        ({"start": {"from": "older"}}, "there is no study 'older'"),
        ({"search": {"weight_decay": {"low": 0.0, "high": 0.1}}}, "no parameter whose value"),
        ({"direction": "minimize"}, "are to maximize, and this search's to minimize"),
    ],
)
def test_what_cannot_be_begun_with_is_refused_before_there_is_a_study(
    opened: Storage, more: dict[str, Any], why: str
) -> None:
    earlier(opened, TRIALS)
    with pytest.raises(StudyError, match=why):
        studies.create(opened, spec(**more))
    assert [study.study_name for study in opened.get_all_studies()] == ["old"]
