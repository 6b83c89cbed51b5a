"""Which hyperparameters the search's results hang on, by Optuna's own evaluators, with how far to believe them."""

import math
import warnings
from collections.abc import Container, Sequence
from dataclasses import dataclass
from typing import Literal

import optuna
from optuna.importance import PedAnovaImportanceEvaluator, get_param_importances
from optuna.trial import FrozenTrial, TrialState

from search.errors import StudyError
from search.history import History, TrialRecord

MINIMUM_TRIALS = 10
"""Below this, PED-ANOVA compares a handful of trials with their own half: its shares are then noise."""
_TOP_TRIALS = 5
"""How many trials the group of the best must hold; what Optuna's documentation asks of PED-ANOVA."""


@dataclass(frozen=True)
class Share:
    """One hyperparameter's share of the importance that was found."""

    name: str
    share: float
    """0 to 1; the shares of a study add up to 1, or are all 0 where nothing was found."""
    trials: int
    """Trials in which it was searched (fewer than all where it is conditional)."""


@dataclass(frozen=True)
class Importance:
    """The shares of every searched hyperparameter, largest first."""

    method: str
    question: str
    """What the shares answer, in words."""
    trials: int
    shares: tuple[Share, ...]


def assess(history: History) -> Importance:
    """Importance by PED-ANOVA (Watanabe et al., 2023, arXiv:2304.10255; conditional: arXiv:2601.20800).

    It asks what sets the best trials apart from all completed ones. The best are the top tenth, or the top five trials
    where a tenth is fewer. The baseline is left out: its parameters may have been clamped into their ranges. Raises
    StudyError below MINIMUM_TRIALS, saying how many more are needed.
    """
    records = [trial for trial in history.ranked if not trial.baseline]
    if len(records) < MINIMUM_TRIALS:
        raise StudyError(
            f"importance needs {MINIMUM_TRIALS} completed trials besides the baseline, and study {history.study!r} has "
            f"{len(records)}",
            f"let {MINIMUM_TRIALS - len(records)} more complete",
        )
    top = max(0.1, _TOP_TRIALS / len(records))
    found = _evaluate(PedAnovaImportanceEvaluator(target_quantile=top), history.direction, records)
    total = sum(found.values())
    shares = tuple(
        Share(name, value / total if total > 0 else 0.0, sum(name in trial.parameters for trial in records))
        for name, value in sorted(found.items(), key=lambda item: (-item[1], item[0]))
    )
    question = f"what sets the best {math.ceil(top * len(records))} of {len(records)} completed trials apart"
    return Importance("PED-ANOVA", question, len(records), shares)


def _evaluate(
    evaluator: PedAnovaImportanceEvaluator, direction: Literal["maximize", "minimize"], records: Sequence[TrialRecord]
) -> dict[str, float]:
    study = _Sample(direction, [_frozen(record) for record in records])
    with warnings.catch_warnings():
        # Optuna warns where a conditional name has few trials, which `Share.trials` says, and that raw values are new.
        warnings.simplefilter("ignore")
        return get_param_importances(study, evaluator=evaluator, normalize=False)


class _Sample(optuna.Study):
    """A study of just these trials: what the evaluators need of one, without a storage that copies every trial."""

    def __init__(self, direction: Literal["maximize", "minimize"], trials: list[FrozenTrial]) -> None:
        verbosity = optuna.logging.get_verbosity()
        optuna.logging.set_verbosity(optuna.logging.WARNING)  # or each one is announced as a new study
        try:
            study = optuna.create_study(direction=direction)
        finally:
            optuna.logging.set_verbosity(verbosity)
        super().__init__(study.study_name, study._storage)
        self._trials = trials

    def get_trials(self, deepcopy: bool = True, states: Container[TrialState] | None = None) -> list[FrozenTrial]:
        return list(self._trials)


def _frozen(record: TrialRecord) -> FrozenTrial:
    return FrozenTrial(
        number=record.number,
        trial_id=record.number,
        state=TrialState.COMPLETE,
        value=record.value,
        params=dict(record.parameters),
        distributions=dict(record.distributions),
        datetime_start=record.started,
        datetime_complete=record.ended,
        user_attrs={},
        system_attrs={},
        intermediate_values={},
    )
