"""Pruners: Optuna's own, from the spec. A step is an epoch, counted from 1."""

import random
from typing import Any

import optuna
from optuna.pruners import BasePruner

from winnow.objectives.hyperparameters import DEFINITIONS
from winnow.objectives.space import Choice, hyperparameter
from winnow.search.study.percentile import IndexedPercentilePruner
from winnow.search.study.sections import (
    ASHAPruner,
    HyperbandPruner,
    MedianPruner,
    NoPruner,
    PatientPruner,
    PercentilePruner,
)
from winnow.search.study.spec import Spec


def build(spec: Spec) -> BasePruner:
    """The spec's pruner."""
    section = spec.pruner
    options: dict[str, Any] = section.model_dump(exclude={"name", "audit"})
    match section:
        case MedianPruner():
            return IndexedPercentilePruner(50.0, **options)
        case PercentilePruner():
            return IndexedPercentilePruner(options.pop("percentile"), **options)
        case ASHAPruner():
            options["min_resource"] = options["min_resource"] or max(2, _epochs(spec) // 10)
            return optuna.pruners.SuccessiveHalvingPruner(**options)
        case HyperbandPruner():
            options["max_resource"] = options["max_resource"] or _epochs(spec)
            return optuna.pruners.HyperbandPruner(**options)
        case PatientPruner():
            judge = None if section.alone else optuna.pruners.MedianPruner()
            return optuna.pruners.PatientPruner(judge, patience=section.patience, min_delta=section.min_delta)
        case _:
            return optuna.pruners.NopPruner()


def is_audited(spec: Spec, number: int) -> bool:
    """Whether trial `number` finishes even where the pruner would stop it. Drawn beforehand, so by no result."""
    share = 0.0 if isinstance(spec.pruner, NoPruner) else spec.pruner.audit
    return random.Random(f"audit {spec.seed} {number}").random() < share


def _epochs(spec: Spec) -> int:
    """How many epochs a trial trains at most."""
    if "epochs" in spec.search:
        entries = [entry for parameter, entry in spec.space.items() if hyperparameter(parameter) == "epochs"]
        return int(max(max(entry.choices) if isinstance(entry, Choice) else entry.high for entry in entries))
    return int(spec.fixed.get("epochs", DEFINITIONS["epochs"].default))
