"""TPE in a fraction of the time: the draws of Optuna's own, without its loops over all trials.

Optuna's TPE (Bergstra et al., 2011) sorts every trial anew for each draw and converts each of its parameters, in
Python. Finished trials do not change: here each is converted once and ranked once. The density of the trials that are
not among the best has a kernel for each; their distances from all candidates are here one product of matrices for each
parameter, which rounds otherwise (some 1e-12) and so chooses another candidate only where two are equally good.
"""

import copy
import math
from array import array
from bisect import insort
from collections.abc import Iterable, Mapping, Sequence
from itertools import islice
from typing import Any, cast

import numpy as np
import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution
from optuna.samplers import TPESampler
from optuna.samplers._lazy_random_state import LazyRandomState
from optuna.samplers._tpe.parzen_estimator import _ParzenEstimator
from optuna.samplers._tpe.sampler import default_gamma
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState
from scipy.special import ndtr

BEST = 25
"""Optuna counts at most so many trials among the best."""
SMALLEST = 1e-300
"""In place of a share that is too small for a number."""
_States = (TrialState.COMPLETE, TrialState.PRUNED, TrialState.RUNNING)


class QuickTPESampler(TPESampler):
    """Optuna's TPE with a memory. Of two objectives, and with options that Optuna deprecates, it is Optuna's own."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._tables: dict[tuple[str, ...], _Table] = {}

    def seeded(self, seed: int) -> "QuickTPESampler":
        """Return one that draws from another seed and shares what this one has learnt."""
        made = copy.copy(self)
        made._random_sampler = copy.copy(self._random_sampler)
        made._rng = made._random_sampler._rng = _Seeded(seed)  # a trial draws by one of them alone
        return made

    def _sample(
        self, study: optuna.Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """Draw by the better of Optuna's candidates, as Optuna's own method of this name does."""
        if len(study.directions) > 1 or self._group:
            return super()._sample(study, trial, search_space)
        states = _States if self._constant_liar else _States[:2]
        table = self._tables.setdefault(tuple(search_space), _Table(search_space, study.direction))
        new = table.unknown(study._get_trials(deepcopy=False, states=states, use_cache=True))
        study._thread_local.cached_all_trials = None  # what is drawn later goes by what there is by then
        running = [other for other in new if other.state is TrialState.RUNNING and other.number != trial.number]
        told = [other for other in new if other.state is not TrialState.RUNNING]
        table.learn(other for other in told if other.datetime_complete is not None)
        paused = [other for other in told if other.datetime_complete is None]
        below, above = table.observations({other.number: self._get_params(other, study) for other in running}, paused)
        good = self._parzen_estimator_cls(below, search_space, self._parzen_estimator_parameters)
        others = self._parzen_estimator_cls(above, search_space, self._parzen_estimator_parameters)
        candidates = good.sample(self._rng.rng, self._n_ei_candidates)
        found = self._compare(candidates, good.log_pdf(candidates) - log_density(others, candidates))
        return {name: kind.to_external_repr(found[name]) for name, kind in search_space.items()}


class _Seeded(LazyRandomState):
    """A random state made when it is first drawn from: who goes on with a drawn trial draws nothing."""

    def __init__(self, seed: int) -> None:
        super().__init__()
        self._seed = seed

    def _set_rng(self) -> None:
        self._rng = np.random.RandomState(self._seed)


class _Table:
    """The finished trials of a study as columns of numbers, for one search space."""

    def __init__(self, search_space: Mapping[str, BaseDistribution], direction: StudyDirection) -> None:
        self._space = dict(search_space)
        self._sign = -1.0 if direction is StudyDirection.MAXIMIZE else 1.0
        self._known: set[int] = set()
        self._best: list[tuple[int, float, float, int]] = []
        self._numbers = array("q")
        self._columns = {name: array("d") for name in search_space}

    def unknown(self, trials: Sequence[FrozenTrial]) -> list[FrozenTrial]:
        """Return those of all trials that were not learnt yet, which are among the last."""
        missing = max(0, len(trials) - len(self._known))
        new = (trial for trial in reversed(trials) if trial.number not in self._known)
        return list(islice(new, missing))

    def learn(self, trials: Iterable[FrozenTrial]) -> None:
        """Take finished trials in, for good."""
        for trial in trials:
            self._known.add(trial.number)
            insort(self._best, rank(trial, self._sign))
            del self._best[BEST:]
            if self._space.keys() <= trial.params.keys():
                self._numbers.append(trial.number)
                for name, kind in self._space.items():
                    self._columns[name].append(kind.to_internal_repr(trial.params[name]))

    def observations(
        self, running: Mapping[int, Mapping[str, Any]], paused: Sequence[FrozenTrial] = ()
    ) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
        """Return the parameters of the best and of all others with those that run, each by trial number, by column.

        Trials that are paused count by what they have shown so far. Those that lack a parameter of the search space are
        left out.
        """
        ranks = sorted([*self._best, *(rank(trial, self._sign) for trial in paused)])
        best = [number for *_, number in ranks[: default_gamma(len(self._known) + len(paused))]]
        unsettled = {**running, **{trial.number: trial.params for trial in paused}}
        complete = {number: values for number, values in unsettled.items() if self._space.keys() <= values.keys()}
        numbers = np.concatenate([np.array(self._numbers), np.array(list(complete), dtype=np.int64)])
        by_age = np.argsort(numbers)
        is_best = np.isin(numbers, best)[by_age]
        below, above = {}, {}
        for name, kind in self._space.items():
            late = [float(kind.to_internal_repr(values[name])) for values in complete.values()]
            column = np.concatenate([np.array(self._columns[name]), late])[by_age]
            below[name], above[name] = column[is_best], column[~is_best]
        return below, above


def rank(trial: FrozenTrial, sign: float) -> tuple[int, float, float, int]:
    """Return where a finished trial stands among all by TPE's order, the best first; `sign` is -1 where more is better.

    The complete ones come by value, then the pruned ones by how far they came and by their last value, then those that
    broke a constraint, by how much.
    """
    excess = sum(value for value in trial.constraints.values() if value > 0)
    if excess > 0:
        return 2, excess, 0.0, trial.number
    if trial.state is TrialState.COMPLETE:
        assert trial.value is not None
        return 0, sign * trial.value, 0.0, trial.number
    if not trial.intermediate_values:
        return 1, 1.0, 0.0, trial.number
    step, value = max(trial.intermediate_values.items())
    return 1, -step, math.inf if math.isnan(value) else sign * value, trial.number


def log_density(estimator: _ParzenEstimator, points: Mapping[str, np.ndarray]) -> np.ndarray:
    """Return the logarithm of a density at some points: what the estimator's own `log_pdf` gives, but for rounding."""
    mixture = estimator._mixture_distribution
    logs = np.log(mixture.weights)[np.newaxis, :]  # of each kernel's share at each point
    for (name, kind), kernels in zip(estimator._search_space.items(), mixture.distributions, strict=True):
        if isinstance(kind, CategoricalDistribution):
            logs = logs + _of_choices(kernels, points[name])
        else:
            logs = logs + (_on_lattice if cast(Any, kernels).step else _continuous)(kernels, points[name])
    most = logs.max(axis=1, keepdims=True)
    found: np.ndarray = np.log(np.exp(logs - most).sum(axis=1)) + most[:, 0]
    return found


def _of_choices(kernels: Any, at: np.ndarray) -> np.ndarray:
    chosen: np.ndarray = np.log(kernels.weights).T[at.astype(int)]
    return chosen


def _continuous(kernels: Any, at: np.ndarray) -> np.ndarray:
    """Return the log density of normal kernels, cut off at the ends of the range, by one product of matrices."""
    middle = (kernels.adapted_low + kernels.adapted_high) / 2
    at, mu = (np.log(at) if kernels.is_log else at) - middle, kernels.mu - middle
    steepness = -0.5 / kernels.sigma**2
    height = steepness * mu * mu - np.log(kernels.sigma * math.sqrt(2 * math.pi)) - np.log(_mass(kernels))
    product: np.ndarray = np.stack([at * at, at, np.ones_like(at)], 1) @ np.stack(
        [steepness, -2 * steepness * mu, height]
    )
    return product


def _on_lattice(kernels: Any, at: np.ndarray) -> np.ndarray:
    """Return the log mass of normal kernels around each value of a lattice."""
    values, place = np.unique(at, return_inverse=True)
    low, high = values - kernels.step / 2, values + kernels.step / 2
    if kernels.is_log:
        low, high = np.log(low), np.log(high)
    around = ndtr((high[:, np.newaxis] - kernels.mu) / kernels.sigma) - ndtr(
        (low[:, np.newaxis] - kernels.mu) / kernels.sigma
    )
    shares: np.ndarray = np.log(np.maximum(around / _mass(kernels), SMALLEST))[place]
    return shares


def _mass(kernels: Any) -> np.ndarray:
    """Return how much of each kernel lies in the range: its middle does, so that is never little."""
    inside: np.ndarray = ndtr((kernels.adapted_high - kernels.mu) / kernels.sigma) - ndtr(
        (kernels.adapted_low - kernels.mu) / kernels.sigma
    )
    return inside
