"""Optuna's own importance evaluators, asked of any selection of a study's trials."""

import warnings
from collections.abc import Container, Mapping, Sequence
from typing import TYPE_CHECKING, Literal

import numpy as np
import optuna
from numpy.typing import NDArray
from optuna.distributions import BaseDistribution, FloatDistribution, IntDistribution
from optuna.trial import FrozenTrial, TrialState

from winnow.search.analysis.importance_trials import TOP_TRIALS
from winnow.search.analysis.study_record import StudyRecord, TrialRecord

if TYPE_CHECKING:  # it imports scikit-learn, which no worker and no start of a run waits for
    from optuna.importance import BaseImportanceEvaluator

_TREES = 16
_RANDOM_NAMES = ("random number 1", "random number 2", "random number 3")
"""What forests are given to search beside the hyperparameters: the share of these is what nothing at all is given."""
_NUMBERS = (FloatDistribution, IntDistribution)

Method = Literal["PED-ANOVA", "fANOVA", "MDI"]
METHODS: tuple[Method, ...] = ("PED-ANOVA", "fANOVA", "MDI")


class Shares:
    """The shares that a method finds in any selection of the records, in the order of `names`."""

    def __init__(
        self, method: Method, record: StudyRecord, records: Sequence[TrialRecord], generator: np.random.Generator
    ) -> None:
        self.evaluator = _evaluator(method, top_share(len(records)))
        self.study = _Sample(record.direction)
        self.random_names = () if method == "PED-ANOVA" else _RANDOM_NAMES
        ranges = _ranges(records)
        self.trials = [
            _frozen(record, ranges, {name: generator.random() for name in self.random_names}) for record in records
        ]
        names = [
            name
            for name in record.parameter_names
            if any(name in record.parameters for record in records)
            and (method == "PED-ANOVA" or all(name in record.parameters for record in records))
        ]
        drawn = {name for record in records for name, kind in record.distributions.items() if not kind.single()}
        self.names = [name for name in names if name in drawn] or names  # the others had no choice

    def __call__(self, selection: Sequence[int] | range) -> tuple[NDArray[np.float64], float]:
        """Return the shares, and what a random number was given on the mean."""
        from optuna.importance import get_param_importances

        trials = [self.trials[index] for index in selection]
        self.study.trials_given = trials
        found: Mapping[str, float] = {}
        if len({trial.value for trial in trials}) > 1:
            with warnings.catch_warnings():
                # Optuna warns where a conditional name has few trials, which `Share.trials` says, and that raw
                # values are experimental.
                warnings.simplefilter("ignore")
                found = get_param_importances(self.study, evaluator=self.evaluator, normalize=False)
        raw = np.array([float(found.get(name, 0.0)) for name in self.names])
        total = raw.sum() if raw.sum() > 0 else 1.0
        random = [float(found.get(name, 0.0)) / total for name in self.random_names]
        return raw / total, float(np.mean(random)) if random else 0.0


def top_share(trials: int) -> float:
    """Return which share of so many trials are the best, to PED-ANOVA."""
    return max(0.1, TOP_TRIALS / trials)


def _evaluator(method: Method, top: float) -> "BaseImportanceEvaluator":
    from optuna import importance

    match method:
        case "PED-ANOVA":
            return importance.PedAnovaImportanceEvaluator(target_quantile=top)
        case "fANOVA":
            return importance.FanovaImportanceEvaluator(n_trees=_TREES, seed=0)
        case "MDI":
            return importance.MeanDecreaseImpurityImportanceEvaluator(n_trees=_TREES, seed=0)


class _Sample(optuna.Study):
    """A study of just the trials it is given: what evaluators need of one, without a storage that copies them all."""

    def __init__(self, direction: Literal["maximize", "minimize"]) -> None:
        verbosity = optuna.logging.get_verbosity()
        optuna.logging.set_verbosity(optuna.logging.WARNING)  # or each one is announced as a new study
        try:
            study = optuna.create_study(direction=direction)
        finally:
            optuna.logging.set_verbosity(verbosity)
        super().__init__(study.study_name, study._storage)
        self.trials_given: list[FrozenTrial] = []

    def get_trials(self, deepcopy: bool = True, states: Container[TrialState] | None = None) -> list[FrozenTrial]:
        return list(self.trials_given)


def _ranges(records: Sequence[TrialRecord]) -> dict[str, BaseDistribution]:
    """Return what each hyperparameter was drawn from: where its range moved from trial to trial, all of them together.

    Optuna leaves out of a forest what was not drawn from the same range by all trials.
    """
    found: dict[str, BaseDistribution] = {}
    for record in records:
        for name, kind in record.distributions.items():
            known = found.setdefault(name, kind)
            if known != kind and isinstance(known, _NUMBERS) and isinstance(kind, _NUMBERS):
                low, high = min(known.low, kind.low), max(known.high, kind.high)
                found[name] = FloatDistribution(low, high, log=known.log)
    return found


def _frozen(record: TrialRecord, ranges: Mapping[str, BaseDistribution], random: Mapping[str, float]) -> FrozenTrial:
    return FrozenTrial(
        number=record.number,
        trial_id=record.number,
        state=TrialState.COMPLETE,
        value=record.value,
        params={**record.parameters, **random},
        distributions={
            **{name: ranges[name] for name in record.distributions},
            **{name: FloatDistribution(0.0, 1.0) for name in random},
        },
        datetime_start=record.started,
        datetime_complete=record.ended,
        user_attrs={},
        system_attrs={},
        intermediate_values={},
    )
