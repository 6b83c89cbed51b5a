"""The pruners of a spec: Optuna's own, those that pause trials, and who is let finish to see how often they err."""

import random
from typing import ClassVar

import optuna
from optuna.pruners import BasePruner
from pydantic import Field

from winnow.objectives.hyperparameters import DEFINITIONS
from winnow.objectives.space import Choice, hyperparameter
from winnow.search.study.percentile import IndexedPercentilePruner
from winnow.search.study.schedulers import AsynchronousHalving, Scheduler, SynchronousHyperband, rungs_between
from winnow.search.study.sections import PrunerSection, StudyContext, pruner


@pruner("none")
class NoPruner(PrunerSection):
    """Let every trial finish."""

    stops: ClassVar[bool] = False
    audit: float = Field(0.0, ge=0, le=0)

    def build(self, study: StudyContext) -> BasePruner:
        """Make one that never prunes."""
        return optuna.pruners.NopPruner()


@pruner("median")
class MedianPruner(PrunerSection):
    """Prune below the median of finished trials at the same epoch."""

    n_startup_trials: int = Field(5, ge=0)
    n_warmup_steps: int = Field(2, ge=0)
    interval_steps: int = Field(1, ge=1)
    n_min_trials: int = Field(1, ge=1)

    def build(self, study: StudyContext) -> BasePruner:
        """Make one that decides as Optuna's does, at a cost that does not grow with the study."""
        return IndexedPercentilePruner(50.0, **self.options)


@pruner("percentile")
class PercentilePruner(PrunerSection):
    """Keep the best `percentile` per cent at the same epoch."""

    percentile: float = Field(25.0, ge=0, le=100)
    n_startup_trials: int = Field(5, ge=0)
    n_warmup_steps: int = Field(2, ge=0)
    interval_steps: int = Field(1, ge=1)
    n_min_trials: int = Field(1, ge=1)

    def build(self, study: StudyContext) -> BasePruner:
        """Make one that decides as Optuna's does, at a cost that does not grow with the study."""
        return IndexedPercentilePruner(**self.options)


@pruner("asha")
class ASHAPruner(PrunerSection):
    """Asynchronous successive halving (Li et al. 2020): one in `reduction_factor` passes each rung."""

    min_resource: int | None = Field(None, ge=1)
    """Epochs before the first rung; None is a tenth of them, and at least 2 (one epoch says little)."""
    reduction_factor: int = Field(3, ge=2)
    min_early_stopping_rate: int = Field(0, ge=0)

    def first_rung(self, study: StudyContext) -> int:
        """Return the epochs before the first rung."""
        return self.min_resource or _first_of(most_epochs(study))

    def build(self, study: StudyContext) -> BasePruner:
        """Make Optuna's."""
        return optuna.pruners.SuccessiveHalvingPruner(**{**self.options, "min_resource": self.first_rung(study)})


@pruner("hyperband")
class HyperbandPruner(PrunerSection):
    """Hyperband (Li et al. 2018): several successive halvings side by side."""

    min_resource: int = Field(1, ge=1)
    max_resource: int | None = Field(None, ge=1)
    reduction_factor: int = Field(3, ge=2)

    def build(self, study: StudyContext) -> BasePruner:
        """Make Optuna's."""
        return optuna.pruners.HyperbandPruner(
            **{**self.options, "max_resource": self.max_resource or most_epochs(study)}
        )


class _Scheduled(PrunerSection):
    """A method that pauses trials instead of ending them."""

    stops: ClassVar[bool] = False
    audit: float = Field(0.0, ge=0, le=0)
    max_resource: int | None = Field(None, ge=1)
    """Epochs of a whole training; None is what `epochs` says."""
    reduction_factor: int = Field(3, ge=2)

    def whole(self, study: StudyContext) -> int:
        """Return the epochs of a whole training."""
        return self.max_resource or most_epochs(study)


@pruner("asha_promotion")
class ASHAPromotion(_Scheduled):
    """ASHA that pauses trials at each rung and goes on with the best of those that came as far (Li et al. 2020)."""

    min_resource: int | None = Field(None, ge=1)
    """Epochs before the first rung; None is a tenth of them, and at least 2 (one epoch says little)."""

    def scheduler(self, study: StudyContext) -> Scheduler:
        """Make one with rungs up to a whole training."""
        whole = self.whole(study)
        rungs = rungs_between(self.min_resource or _first_of(whole), whole, self.reduction_factor)
        return AsynchronousHalving(rungs, self.reduction_factor, study.optimises)


@pruner("hyperband_synchronous")
class HyperbandSynchronous(_Scheduled):
    """Hyperband whose rungs are judged once they are whole: brackets one after another (Li et al. 2018)."""

    min_resource: int = Field(1, ge=1)

    def scheduler(self, study: StudyContext) -> Scheduler:
        """Make one whose brackets end with a whole training."""
        whole = self.whole(study)
        return SynchronousHyperband(min(self.min_resource, whole), whole, self.reduction_factor, study.optimises)


@pruner("patient")
class PatientPruner(PrunerSection):
    """Prune (by the median, as `median` does, unless `alone`) only what has not improved for `patience` epochs."""

    patience: int = Field(3, ge=0)
    min_delta: float = Field(0.0, ge=0)
    alone: bool = False

    def build(self, study: StudyContext) -> BasePruner:
        """Make Optuna's."""
        judge = None if self.alone else MedianPruner(name="median").build(study)
        return optuna.pruners.PatientPruner(judge, patience=self.patience, min_delta=self.min_delta)


def _first_of(epochs: int) -> int:
    """Return the first rung of so many epochs: a tenth of them, and at least 2, for one epoch says little."""
    return max(2, epochs // 10)


def is_audited(study: StudyContext, number: int) -> bool:
    """Return whether trial `number` finishes even where the pruner would stop it: drawn beforehand, so by no result."""
    return random.Random(f"audit {study.seed} {number}").random() < study.pruner.audit


def most_epochs(study: StudyContext) -> int:
    """Return how many epochs a trial trains at most."""
    entries = [entry for parameter, entry in study.space.items() if hyperparameter(parameter) == "epochs"]
    if entries:
        return int(max(max(entry.choices) if isinstance(entry, Choice) else entry.high for entry in entries))
    return int(study.fixed.get("epochs", DEFINITIONS["epochs"].default))
