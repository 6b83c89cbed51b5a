"""TPE at a cost that stays flat: from some thousands of trials on, it looks at an excerpt of them.

TPE (Bergstra et al., 2011) models the best trials, at most 25 in Optuna, by one density and all others by a second, and
goes over every trial in Python each time. The excerpt holds the very trials that Optuna counts among the best, so the
first density is the same. Of the others it holds the better ones, near which TPE draws, and an even sample of the rest,
each standing for those that were left out: it weighs as much more as there are fewer (Horvitz and Thompson, 1952), on
top of Optuna's own weights by age. The mean over all samples is then Optuna's second density.

A trial is in the sample when the fractional part of its number times the golden ratio is small. Such points spread
evenly (Kronecker's sequence): the sample runs evenly through the study's history, is the same for every worker, and
loses members one by one as the study grows.
"""

import math
from bisect import insort
from collections.abc import Container, Mapping
from typing import Any, cast

import numpy as np
import optuna
from optuna.distributions import BaseDistribution
from optuna.samplers import TPESampler
from optuna.samplers._tpe.sampler import default_weights
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState

WHOLE = 3000
"""Up to so many finished trials TPE sees all of them, as Optuna's own does."""
GOOD = 500
"""So many of the best are all seen. Optuna's TPE counts at most 25 of them among the best."""
SAMPLE = 500
"""So many of the rest are seen."""
GOLDEN = (math.sqrt(5) - 1) / 2
_FINISHED = (TrialState.COMPLETE, TrialState.PRUNED)


class BoundedTPESampler(TPESampler):
    """Optuna's TPE, which sees the `good` best trials and a sample of the others once there are more than `whole`."""

    def __init__(self, *, whole: int = WHOLE, good: int = GOOD, sample: int = SAMPLE, **options: Any) -> None:
        super().__init__(**options)
        self._whole = whole
        self._good = good
        self._size = sample
        self._seen: set[int] = set()
        self._best: list[FrozenTrial] = []

    def sample_relative(
        self, study: optuna.Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """As Optuna's."""
        return super().sample_relative(self._excerpt(study), trial, search_space)

    def sample_independent(
        self, study: optuna.Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution
    ) -> Any:
        """As Optuna's."""
        return super().sample_independent(self._excerpt(study), trial, param_name, param_distribution)

    def _excerpt(self, study: optuna.Study) -> optuna.Study:
        if len(study.directions) > 1:
            return study
        finished = study.get_trials(deepcopy=False, states=_FINISHED)
        if len(finished) <= self._whole:
            return study
        self._learn(finished, study.direction)
        best = {trial.number for trial in self._best}
        share = self._size / (len(finished) - len(best))
        rest = {trial.number for trial in finished if trial.number * GOLDEN % 1.0 < share} - best
        stands_for = (len(finished) - len(best)) / max(1, len(rest))
        by_age = default_weights(len(finished))
        chosen, weights = [], {}
        for trial, weight in zip(finished, by_age, strict=True):
            if trial.number in best or trial.number in rest:
                chosen.append(trial)
                weights[trial.number] = float(weight) * (1.0 if trial.number in best else stands_for)
        return cast(optuna.Study, _Excerpt(study, chosen, weights))

    def _learn(self, finished: list[FrozenTrial], direction: StudyDirection) -> None:
        """Let each trial that has not been seen compete for a place among the best."""
        sign = -1.0 if direction is StudyDirection.MAXIMIZE else 1.0
        for trial in finished:
            if trial.number not in self._seen:
                self._seen.add(trial.number)
                insort(self._best, trial, key=lambda trial: rank(trial, sign))
                del self._best[self._good :]

    def _build_parzen_estimator(
        self,
        study: optuna.Study,
        search_space: dict[str, BaseDistribution],
        trials: list[FrozenTrial],
        handle_below: bool,
    ) -> Any:
        """As Optuna's, but that each of the others has the weight of those that it stands for."""
        if handle_below or not isinstance(study, _Excerpt):
            return super()._build_parzen_estimator(study, search_space, trials, handle_below)
        observations = self._get_internal_repr(trials, search_space, study)
        weights = [
            study.weights.get(trial.number, 1.0)  # one that runs is as young as can be
            for trial in trials
            if search_space.keys() <= self._get_params(trial, study).keys()
        ]
        return self._parzen_estimator_cls(
            observations, search_space, self._parzen_estimator_parameters, np.array(weights)
        )


def rank(trial: FrozenTrial, sign: float) -> tuple[int, float, float, int]:
    """Where a finished trial stands among all by TPE's order, the best first; `sign` is -1 where more is better.

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


class _Excerpt:
    """A study that shows only some of its finished trials, and everything else as it is."""

    def __init__(self, study: optuna.Study, finished: list[FrozenTrial], weights: Mapping[int, float]) -> None:
        self._study = study
        self._finished = finished
        self.weights = weights
        """By trial number."""

    def __getattr__(self, name: str) -> Any:
        return getattr(self._study, name)

    def _get_trials(
        self, deepcopy: bool = True, states: Container[TrialState] | None = None, use_cache: bool = False
    ) -> list[FrozenTrial]:
        """The trials that TPE asks for, in Optuna's way of asking."""
        wanted = [state for state in TrialState if states is None or state in states]
        shown = [trial for trial in self._finished if trial.state in wanted]
        others = [state for state in wanted if state not in _FINISHED]
        if others:
            shown += self._study._get_trials(deepcopy=deepcopy, states=others, use_cache=use_cache)
        return shown
