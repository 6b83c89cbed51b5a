"""Optuna's percentile and median rules, at a cost that does not grow with the study.

Optuna gathers every finished trial's value of a step again at each question. Finished trials do not change: here each
is put once into a sorted list per step, and a question costs two look-ups. The decisions are Optuna's, to the bit.
"""

import math
from bisect import insort
from collections import Counter, defaultdict

import optuna
from optuna.pruners import PercentilePruner
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState


class IndexedPercentilePruner(PercentilePruner):
    """Prunes a trial whose best value so far is worse than the percentile of the others' values at this step."""

    def __init__(
        self,
        percentile: float,
        n_startup_trials: int = 5,
        n_warmup_steps: int = 0,
        interval_steps: int = 1,
        *,
        n_min_trials: int = 1,
    ) -> None:
        super().__init__(percentile, n_startup_trials, n_warmup_steps, interval_steps, n_min_trials=n_min_trials)
        self._limits = (percentile, n_startup_trials, n_warmup_steps, interval_steps, n_min_trials)
        self._known: set[int] = set()
        self._sorted: dict[int, list[float]] = defaultdict(list)
        self._counted: Counter[int] = Counter()

    def prune(self, study: optuna.Study, trial: FrozenTrial) -> bool:
        """Return whether the trial should end after its last step."""
        percentile, startup, warmup, interval, least = self._limits
        self._learn(study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,)))
        step = trial.last_step
        if not self._known or len(self._known) < startup or step is None or step < warmup:
            return False
        if not _first_of_interval(step, list(trial.intermediate_values), warmup, interval):
            return False
        maximise = study.direction is StudyDirection.MAXIMIZE
        reached = [value for value in trial.intermediate_values.values() if not math.isnan(value)]
        if not reached:
            return True
        if self._counted[step] < least:
            return False
        limit = _percentile(self._sorted[step], 100 - percentile if maximise else percentile)
        return max(reached) < limit if maximise else min(reached) > limit

    def _learn(self, complete: list[FrozenTrial]) -> None:
        missing = max(0, len(complete) - len(self._known))
        for trial in reversed(complete):  # the new ones are among the last
            if missing == 0:
                return
            if trial.number not in self._known:
                missing -= 1
                self._known.add(trial.number)
                for step, value in trial.intermediate_values.items():
                    self._counted[step] += 1
                    if not math.isnan(value):
                        insort(self._sorted[step], value)


def _first_of_interval(step: int, steps: list[int], warmup: int, interval: int) -> bool:
    """Return whether no earlier report fell into the interval that this step belongs to."""
    begins = (step - warmup) // interval * interval + warmup
    return max((other for other in steps if other != step), default=-1) < begins


def _percentile(ordered: list[float], percentile: float) -> float:
    """Return the percentile of sorted values by NumPy's linear interpolation: between infinities there is none."""
    if not ordered:
        return math.nan
    place = (len(ordered) - 1) * (percentile / 100)
    below = math.floor(place)
    low, high = ordered[below], ordered[min(below + 1, len(ordered) - 1)]
    share = place - below
    return high - (high - low) * (1 - share) if share >= 0.5 else low + (high - low) * share
