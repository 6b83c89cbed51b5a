"""Read a study as plain data from its storage, one of stock Optuna included."""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Literal

import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState

from winnow.records import (
    BASELINE,
    CONFIG,
    EPOCHS,
    LAYERS,
    OUTCOME,
    OUTPUTS,
    PRINTED,
    REASON,
    RESTARTED,
    RUN,
    SPEC,
    TRACEBACK,
    TRAINING,
    WOULD_PRUNE,
    Epoch,
)
from winnow.search.analysis.study_record import StudyRecord, TrialRecord
from winnow.search.study import study as studies
from winnow.storage import Storage, designs, epochs
from winnow.storage.trial_summaries import is_feasible


def load(storage: Storage, name: str) -> StudyRecord:
    """Read any study, one of stock Optuna included, with all its epochs; raise StudyError where there is none."""
    study_id = studies.id_of(storage, name)
    found = read(optuna.load_study(study_name=name, storage=storage), epochs.read(storage.database, study_id))
    return replace(found, is_analysis=storage.database.read(designs.is_designed, study_id))


def read(study: optuna.Study, epochs: Mapping[int, Sequence[Epoch]]) -> StudyRecord:
    """Read `study`; `epochs` holds what Winnow's table has of each trial, by its number, in order.

    A study with several objectives is read by its first.
    """
    trials = tuple(
        read_trial(trial, epochs.get(trial.number, ()))
        for trial in sorted(study.get_trials(deepcopy=False), key=lambda trial: trial.number)
    )
    direction: Literal["maximize", "minimize"] = (
        "maximize" if study.directions[0] == StudyDirection.MAXIMIZE else "minimize"
    )
    names = study.metric_names
    spec = study.user_attrs.get(SPEC)
    objectives = 1 if spec else len(study.directions)
    metric = names[0] if names else metric_of(trials, objectives)
    return StudyRecord(study.study_name, direction, metric, trials, sampler_of(spec), objectives, against_of(spec))


def sampler_of(spec: Any) -> str:
    """Return the name of the sampler in a spec as a study keeps it; empty where there is none."""
    sampler = spec.get("sampler") if isinstance(spec, Mapping) else None
    return str(sampler.get("name", "")) if isinstance(sampler, Mapping) else ""


def against_of(spec: Any) -> str:
    """Return what a spec as a study keeps it sets the value against; empty where it has one objective."""
    return str(spec.get("against") or "") if isinstance(spec, Mapping) else ""


def read_trial(trial: FrozenTrial, epochs: Sequence[Epoch]) -> TrialRecord:
    """Return one trial with its epochs as Winnow's table has them, in order."""
    attributes = trial.user_attrs
    parameters, distributions = labelled(trial.params, trial.distributions)
    run, training = _mapping(attributes, RUN), _mapping(attributes, TRAINING)
    curve = tuple(epochs) or _curve(trial)
    seconds = run.get("device_seconds")
    if not isinstance(seconds, int | float):
        seconds = trial.duration.total_seconds() if trial.duration else 0.0
    return TrialRecord(
        number=trial.number,
        state=trial.state.name,
        value=_value(trial, curve),
        parameters=parameters,
        distributions=distributions,
        config=_mapping(attributes, CONFIG),
        reason=str(attributes.get(REASON, "")),
        baseline=attributes.get(BASELINE) is True,
        feasible=is_feasible(trial),
        started=trial.datetime_start,
        ended=trial.datetime_complete,
        worker=str(run.get("worker", "")),
        host=str(run.get("host", "")),
        device=str(run.get("device", training.get("device", ""))),
        seconds=float(seconds),
        curve=curve,
        training=training,
        # What it calls device time is that of its training; a study's holds loading and waiting too.
        run={"training_seconds" if name == "device_seconds" else name: said for name, said in run.items()},
        outcome=attributes.get(OUTCOME, ""),
        log="\n".join(str(attributes[key]).rstrip() for key in (RESTARTED, PRINTED, TRACEBACK) if key in attributes),
        would_prune=attributes.get(WOULD_PRUNE),
        layers=tuple(layers) if isinstance(layers := attributes.get(LAYERS), list) else (),
        outputs=_mapping(attributes, OUTPUTS),
    )


def labelled(
    parameters: Mapping[str, Any], distributions: Mapping[str, BaseDistribution]
) -> tuple[Mapping[str, Any], Mapping[str, BaseDistribution]]:
    """Return the same with labels for choices that are lists or objects, which Optuna keeps but cannot compare."""
    odd = {
        name: CategoricalDistribution([_label(choice) for choice in kind.choices])
        for name, kind in distributions.items()
        if isinstance(kind, CategoricalDistribution) and any(_label(each) is not each for each in kind.choices)
    }
    if not odd:
        return parameters, distributions
    return {**parameters, **{name: _label(parameters[name]) for name in odd}}, {**distributions, **odd}


def _label(choice: Any) -> Any:
    return json.dumps(choice) if isinstance(choice, list | dict | tuple) else choice


def _mapping(attributes: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    """Return an attribute that is an object; an empty one where it is none, for anybody may write attributes."""
    content = attributes.get(key)
    return content if isinstance(content, Mapping) else {}


def _value(trial: FrozenTrial, curve: Sequence[Epoch]) -> float | None:
    """Return its value; for a pruned trial that was told none, the last that it reported."""
    if trial.values is None:
        return curve[-1].value if trial.state == TrialState.PRUNED and curve else None
    return float(trial.values[0])


def _curve(trial: FrozenTrial) -> tuple[Epoch, ...]:
    """Return the curve of a trial that no Winnow worker ran."""
    kept = trial.user_attrs.get(EPOCHS, ())
    rows = {row.get("epoch"): row for row in kept if isinstance(row, Mapping)} if isinstance(kept, list) else {}
    return tuple(
        Epoch.of(epoch, value, {name: number for name, number in rows.get(epoch, {}).items() if name != "epoch"})
        for epoch, value in sorted(trial.intermediate_values.items())
    )


def metric_of(trials: Sequence[TrialRecord], objectives: int = 1) -> str:
    """Return what the values are, in words: named after the recorded quantity that they equal, where there is one."""
    epochs = [epoch for trial in trials for epoch in trial.curve if math.isfinite(epoch.value)]
    for name in ("validation_accuracy", "validation_loss"):
        if epochs and all(getattr(epoch, name) == epoch.value for epoch in epochs):
            return name.replace("_", " ")
    return "objective value" if objectives == 1 else "first objective value"
