"""A Winnow study in a real storage whose trials were told, not trained: for what comes after a search."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from optuna.trial import TrialState

from winnow import storage
from winnow.records import GIVEN, WEIGHTS
from winnow.search.study import study as studies
from winnow.search.study.study import WinnowStudy
from winnow.search.study.validation import check
from winnow.storage import artifacts, designs

SPEC: dict[str, Any] = {
    "name": "told",
    "data": {"name": "digits"},
    "fixed": {"model": "mlp"},
    "search": {"lr": {"low": 1e-4, "high": 1e-1, "log": True}, "dropout": {"low": 0.0, "high": 0.5}},
    "budget": {"trials": 100},
}


def told(folder: Path, values: Sequence[float | None], configs: Sequence[Mapping[str, Any]] = ()) -> WinnowStudy:
    """A study whose trial N got `values[N]`, trial 0 being the baseline; None is a trial that failed."""
    opened = storage.open(f"sqlite:///{folder}/winnow.db", create=True)
    study = studies.create(opened, check(SPEC, "SPEC"))
    for number, value in enumerate(values):
        trial = study.optuna.ask()
        given = configs[number] if number < len(configs) else {"lr": 0.001 * (number + 1)}
        lr = trial.suggest_float("lr", 1e-4, 1e-1, log=True)
        dropout = trial.suggest_float("dropout", 0.0, 0.5)
        config = {"model": "mlp", "optimizer": "adam", "lr": lr, "dropout": dropout, "seed": number, **given}
        trial.set_user_attr("winnow:config", {**config, **trial.user_attrs.get(GIVEN, {})})
        study.optuna.tell(trial, value, state=None if value is not None else TrialState.FAIL)
    return study


def work(study: WinnowStudy, value: Any, weights: Callable[[Mapping[str, Any]], bytes] | None = None) -> None:
    """Tell every open row of an analysis's design `value(parameters)`: a score, a reason to prune, or None to fail.

    With `weights`, keep for each what that makes of its configuration.
    """
    rows = designs.read(study.storage.database, study.study_id)
    for row in rows[len(study.optuna.get_trials(deepcopy=False)) :]:
        trial = study.optuna.ask()
        for name, given in row.parameters.items():
            if isinstance(given, bool):
                trial.suggest_categorical(name, [False, True])
            else:
                trial.suggest_int(name, 0, 2**32 - 1)
        assert trial.params == row.parameters
        trial.set_user_attr("winnow:config", row.config)
        name = f"told/artifacts/{sorted(row.parameters.items())}"
        if weights is not None:
            config = {**row.config, "seed": row.parameters["seed"]}
            name = artifacts.write(study.storage.store, "told", weights(config))
        trial.set_user_attr(WEIGHTS, name)
        result = value(row.parameters)
        if isinstance(result, str):
            trial.set_user_attr("winnow:reason", result)
            trial.set_user_attr("winnow:outcome", "diverged" if result.startswith("diverged") else "pruned")
            study.optuna.tell(trial, state=TrialState.PRUNED)
        else:
            study.optuna.tell(trial, result, state=None if result is not None else TrialState.FAIL)
