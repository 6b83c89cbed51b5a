"""Samplers: Optuna's own from the spec, and two that go by the trial's number.

Optuna's grid sampler gives parallel workers the same cell and stops `study.optimize` by itself; here a trial's number
says which cell it is, so that every cell comes once whoever asks.
"""

import itertools
import random
from collections.abc import Mapping, Sequence
from typing import Any

import optuna
from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler
from optuna.trial import FrozenTrial, TrialState

from objectives.objective import derived_seed
from objectives.space import Space, baseline, cells, grid
from search.sections import CmaEsSampler, CoordinateSampler, GPSampler, GridSampler, QMCSampler, TPESampler
from search.spec import Spec


def build(spec: Spec, worker_seed: int) -> BaseSampler:
    """The spec's sampler. Samplers with a state of their own draw from `worker_seed`, so that workers differ."""
    section = spec.sampler
    options: dict[str, Any] = section.model_dump(exclude={"name"})
    match section:
        case GridSampler():
            return PlannedSampler(_grid_cells(spec.space, section.points, spec.seed))
        case CoordinateSampler():
            return CoordinateWise(spec, section.points)
        case TPESampler():
            return optuna.samplers.TPESampler(seed=worker_seed, **options)
        case GPSampler():
            return optuna.samplers.GPSampler(seed=worker_seed, **options)
        case CmaEsSampler():
            return optuna.samplers.CmaEsSampler(seed=worker_seed, **options)
        case QMCSampler():
            # One sequence shared by all workers: they take its points in turn.
            return optuna.samplers.QMCSampler(seed=spec.seed, warn_independent_sampling=False, **options)
        case _:
            return optuna.samplers.RandomSampler(seed=worker_seed)


class _ByNumber(BaseSampler):
    """Gives each trial the values that its number stands for, and random ones where it stands for none."""

    def __init__(self) -> None:
        self._random = optuna.samplers.RandomSampler(seed=0)

    def values(self, study: optuna.Study, number: int) -> Mapping[str, Any]:
        """What trial `number` shall take."""
        raise NotImplementedError

    def infer_relative_search_space(self, study: optuna.Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        """None: every value is given when it is asked for."""
        return {}

    def sample_relative(
        self, study: optuna.Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """None, as above."""
        return {}

    def sample_independent(
        self, study: optuna.Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution
    ) -> Any:
        """The planned value of one parameter."""
        planned = self.values(study, trial.number)
        if param_name in planned:
            return planned[param_name]
        return self._random.sample_independent(study, trial, param_name, param_distribution)


class PlannedSampler(_ByNumber):
    """Row N of a plan for trial N."""

    def __init__(self, rows: Sequence[Mapping[str, Any]]) -> None:
        super().__init__()
        self.rows = rows

    def values(self, study: optuna.Study, number: int) -> Mapping[str, Any]:
        """Row `number`; past the last row, nothing."""
        return self.rows[number] if number < len(self.rows) else {}


class CoordinateWise(_ByNumber):
    """Coordinate-wise search: one hyperparameter moves over its grid while the others stay at the best so far.

    A sweep holds as many trials as its hyperparameter has grid values. The others come from the best trial among
    those before the sweep that have finished when it is asked (at first, from the baseline). After the last
    hyperparameter the first comes again.
    """

    def __init__(self, spec: Spec, points: int) -> None:
        super().__init__()
        self.start, _ = baseline(spec.space, spec.fixed, spec.baseline)
        self.sweeps = list(grid(spec.space, points))

    def values(self, study: optuna.Study, number: int) -> Mapping[str, Any]:
        """The best so far with one value moved. Trial 0 is the baseline, so sweeps begin at trial 1."""
        step, first = number - 1, 1
        for name, points in itertools.cycle(self.sweeps):
            if step < len(points):
                return {**self._best_before(study, first), name: points[step]}
            step -= len(points)
            first += len(points)
        return {}

    def _best_before(self, study: optuna.Study, number: int) -> Mapping[str, Any]:
        finished = [
            trial
            for trial in study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
            if trial.number < number and trial.value is not None
        ]
        if not finished:
            return self.start
        sign = 1 if study.direction == optuna.study.StudyDirection.MAXIMIZE else -1
        best = max(finished, key=lambda trial: sign * (trial.value or 0.0))
        return {**self.start, **best.params}


def _grid_cells(space: Space, points: int, seed: int) -> list[dict[str, Any]]:
    """Every cell in an order shuffled by the study's seed; row 0 is left to the baseline."""
    order = cells(space, points)
    random.Random(derived_seed(seed, 0)).shuffle(order)
    return [{}, *order]
