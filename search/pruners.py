"""Pruners: Optuna's own, from the spec. A step is an epoch, counted from 1."""

from typing import Any

import optuna
from optuna.pruners import BasePruner

from search.spec import ASHAPruner, HyperbandPruner, MedianPruner, PatientPruner, PercentilePruner, Spec


def build(spec: Spec) -> BasePruner:
    """The spec's pruner."""
    section = spec.pruner
    options: dict[str, Any] = section.model_dump(exclude={"name"})
    match section:
        case MedianPruner():
            return optuna.pruners.MedianPruner(**options)
        case PercentilePruner():
            return optuna.pruners.PercentilePruner(options.pop("percentile"), **options)
        case ASHAPruner():
            return optuna.pruners.SuccessiveHalvingPruner(**options)
        case HyperbandPruner():
            longest = options.pop("max_resource") or spec.fixed.get("epochs", "auto")
            return optuna.pruners.HyperbandPruner(max_resource=longest, **options)
        case PatientPruner():
            judge = None if section.alone else optuna.pruners.MedianPruner()
            return optuna.pruners.PatientPruner(judge, patience=section.patience, min_delta=section.min_delta)
        case _:
            return optuna.pruners.NopPruner()
