"""Trials that a person asks for: hyperparameters that a worker is to try next."""

from collections.abc import Mapping
from typing import Any

from winnow.errors import StudyError
from winnow.search.study.spec import SearchEntry
from winnow.search.study.study import WinnowStudy
from winnow.storage.budget import spent


def enqueue(study: WinnowStudy, parameters: Mapping[str, Any]) -> None:
    """Queue a trial with these hyperparameters, the others being sampled; raises StudyError."""
    for name, value in parameters.items():
        if name not in study.spec.search:
            known = ", ".join(study.spec.search) or "nothing by name"
            raise StudyError(f"{name} is not searched in the study {study.name!r}, which searches {known}")
        entries = study.spec.entries(name)
        if not any(_holds(each, value) for each in entries):
            raise StudyError(
                f"{name} = {value} lies outside of what the study {study.name!r} searches",
                " or ".join(_range(each) for each in entries),
            )
    used = study.storage.database.read(spent, study.study_id)
    if used.exhausted:
        raise StudyError(f"the study {study.name!r} gives out no more trials: {used.exhausted}")
    study.optuna.enqueue_trial(dict(parameters))


def _holds(entry: SearchEntry, value: Any) -> bool:
    if entry.choices is not None:
        return any(type(choice) is type(value) and choice == value for choice in entry.choices)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    assert entry.low is not None
    assert entry.high is not None
    return entry.low <= value <= entry.high


def _range(entry: SearchEntry) -> str:
    if entry.choices is not None:
        return f"choose one of {', '.join(map(str, entry.choices))}"
    return f"give a number from {entry.low:g} to {entry.high:g}"
