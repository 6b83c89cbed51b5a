"""The spec's `[sampler]` and `[pruner]`: Optuna's own parameters under Optuna's own names."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field


class Section(BaseModel):
    """A table of the spec; unknown keys are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class RandomSampler(Section):
    """Independent draws."""

    name: Literal["random"] = "random"


class GridSampler(Section):
    """Every cell of a grid once: all choices, `points` values of each range."""

    name: Literal["grid"] = "grid"
    points: int = Field(5, ge=2)


class CoordinateSampler(Section):
    """One hyperparameter at a time: its grid values beside the best of the rest so far."""

    name: Literal["coordinate"] = "coordinate"
    points: int = Field(5, ge=2)


class TPESampler(Section):
    """Tree-structured Parzen estimator."""

    name: Literal["tpe"] = "tpe"
    n_startup_trials: int = Field(10, ge=0)
    n_ei_candidates: int = Field(24, ge=1)
    multivariate: bool = True
    constant_liar: bool = True


class GPSampler(Section):
    """Gaussian process; needs torch in the worker's supervisor too."""

    name: Literal["gp"] = "gp"
    n_startup_trials: int = Field(10, ge=0)
    deterministic_objective: bool = False


class CmaEsSampler(Section):
    """CMA evolution strategy over the numbers; choices are drawn at random."""

    name: Literal["cmaes"] = "cmaes"
    n_startup_trials: int = Field(1, ge=0)
    sigma0: float | None = Field(None, gt=0)


class QMCSampler(Section):
    """Quasi-random points that cover the space evenly."""

    name: Literal["qmc"] = "qmc"
    qmc_type: Literal["sobol", "halton"] = "sobol"
    scramble: bool = True


Sampler = Annotated[
    RandomSampler | GridSampler | CoordinateSampler | TPESampler | GPSampler | CmaEsSampler | QMCSampler,
    Field(discriminator="name"),
]

# --- [pruner]; a step is an epoch, counted from 1


class NoPruner(Section):
    """Let every trial finish."""

    name: Literal["none"] = "none"


class _Audited(Section):
    """What all pruners share."""

    audit: float = Field(0.0, ge=0, le=1)
    """The share of trials that are let finish though the pruner would stop them: they say how often it is wrong."""


class MedianPruner(_Audited):
    """Prune below the median of finished trials at the same epoch."""

    name: Literal["median"] = "median"
    n_startup_trials: int = Field(5, ge=0)
    n_warmup_steps: int = Field(2, ge=0)
    interval_steps: int = Field(1, ge=1)
    n_min_trials: int = Field(1, ge=1)


class PercentilePruner(_Audited):
    """Keep the best `percentile` per cent at the same epoch."""

    name: Literal["percentile"] = "percentile"
    percentile: float = Field(25.0, ge=0, le=100)
    n_startup_trials: int = Field(5, ge=0)
    n_warmup_steps: int = Field(2, ge=0)
    interval_steps: int = Field(1, ge=1)
    n_min_trials: int = Field(1, ge=1)


class ASHAPruner(_Audited):
    """Asynchronous successive halving (Li et al. 2020): one in `reduction_factor` passes each rung."""

    name: Literal["asha"] = "asha"
    min_resource: int | None = Field(None, ge=1)
    """Epochs before the first rung; None is a tenth of them, and at least 2 (one epoch says little)."""
    reduction_factor: int = Field(3, ge=2)
    min_early_stopping_rate: int = Field(0, ge=0)


class HyperbandPruner(_Audited):
    """Hyperband (Li et al. 2018): several successive halvings side by side."""

    name: Literal["hyperband"] = "hyperband"
    min_resource: int = Field(1, ge=1)
    max_resource: int | None = Field(None, ge=1)
    reduction_factor: int = Field(3, ge=2)


class PatientPruner(_Audited):
    """Prune (by the median, unless `alone`) only what has not improved for `patience` epochs."""

    name: Literal["patient"] = "patient"
    patience: int = Field(3, ge=0)
    min_delta: float = Field(0.0, ge=0)
    alone: bool = False


Pruner = Annotated[
    NoPruner | MedianPruner | PercentilePruner | ASHAPruner | HyperbandPruner | PatientPruner,
    Field(discriminator="name"),
]
