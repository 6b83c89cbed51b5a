"""What a person believes of a search (`prior` in `[search]`): it begins there, and forgets it where it is wrong.

A share `confidence` of the prior's draws lies around the value that is named and the rest all over the range, so that
nothing is ruled out. Samplers of Optuna's draw fewer and fewer trials by it, and none where the best of the trials lie
elsewhere (as PriorBand does: Mallik et al., 2023); a model's expected improvement is multiplied by its density to a
power that falls to 0 (piBO: Hvarfner et al., 2022).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import optuna
from numpy.random import Generator
from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState
from scipy.special import ndtr, ndtri

from winnow.objectives.space import Choice, Scalar, Space, label
from winnow.search.study.encoding import Encoding, Floats
from winnow.search.study.fast_tpe import rank

TRIALS = 10
"""After so many the prior weighs half as much as at first, after twice as many a third."""
WIDTH = 0.1
"""Of a range, on its own scale: the standard deviation of the draws around a value."""
JUDGED_FROM = 8
"""Trials that have ended, before the prior is judged by them."""
_ENDED = (TrialState.COMPLETE, TrialState.PRUNED)


def weight(trials: int) -> float:
    """Return how much the prior counts after so many trials, from 1 down."""
    return TRIALS / (TRIALS + trials)


@dataclass(frozen=True)
class _Believed:
    """One coordinate: its part that is around the value, and the share of draws that fall there."""

    place: int
    low: float
    high: float
    centre: float
    width: float
    share: float

    @property
    def _ends(self) -> tuple[float, float]:
        low, high = ((end - self.centre) / self.width for end in (self.low, self.high))
        return float(ndtr(low)), float(ndtr(high))

    def draw(self, uniform: Floats) -> Floats:
        """Turn uniform numbers into draws around the value."""
        below, above = self._ends
        return np.asarray(self.centre + self.width * ndtri(below + uniform * (above - below)))

    def density(self, at: Floats) -> Floats:
        """Return the density of those draws, in units of a uniform one."""
        below, above = self._ends
        bell = np.exp(-0.5 * ((at - self.centre) / self.width) ** 2) / (self.width * math.sqrt(2 * math.pi))
        return np.where((self.low <= at) & (at <= self.high), bell / (above - below), 0.0)


class Prior:
    """Where the best of a space is believed to be, as a density over the points of its encoding."""

    def __init__(self, space: Space) -> None:
        self.encoding = Encoding(space)
        self.names = [name for name in self.encoding.names if space[name].prior is not None]

    def draw(self, count: int, random: Generator) -> Floats:
        """Return points by the prior, (count, parameters); what has none is all over its range."""
        points = self.encoding.draw(count, random)
        for each in self._believed:
            near = random.random(count) < each.share
            points[near, each.place] = each.draw(points[near, each.place])
        return points

    def density(self, points: Floats) -> Floats:
        """Return the density at points, in units of that of a uniform draw."""
        found = np.ones(len(points))
        for each in self._believed:
            found *= each.share * each.density(points[:, each.place]) + 1 - each.share
        return found

    def values(self, random: Generator) -> dict[str, Scalar]:
        """Draw the parameters that have a prior, active or not."""
        drawn = self.encoding.values(self.draw(1, random)[0])
        return {name: drawn[name] for name in self.names}

    @cached_property
    def _believed(self) -> list[_Believed]:
        space, found = self.encoding.space, []
        at = self.encoding.point({name: label(space[name].prior) for name in self.names})
        for name in self.names:
            entry, place = space[name], self.encoding.names.index(name)
            centre, half, width = float(at[place]), 1.0, WIDTH
            if isinstance(entry, Choice):  # all of the option's part of the coordinate alike
                half, width = 0.5 / len(entry.choices), 1e3
            low, high = max(centre - half, 0.0), min(centre + half, 1.0)
            found.append(_Believed(place, low, high, centre, width, entry.confidence))
        return found


class PriorSampler(BaseSampler):
    """A sampler some of whose trials have the values of a prior instead of its own: fewer and fewer, as it fails."""

    def __init__(self, sampler: BaseSampler, space: Space, seed: int) -> None:
        self._sampler, self._prior, self._seed = sampler, Prior(space), seed
        self._taken: dict[int, dict[str, Scalar]] = {}

    def infer_relative_search_space(self, study: optuna.Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        """Do as the sampler does."""
        return self._sampler.infer_relative_search_space(study, trial)

    def sample_relative(
        self, study: optuna.Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """Draw as the sampler does, but for what this trial takes from the prior."""
        drawn, believed = self._sampler.sample_relative(study, trial, search_space), self._values(study, trial.number)
        return {name: believed.get(name, value) for name, value in drawn.items()}

    def sample_independent(
        self, study: optuna.Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution
    ) -> Any:
        """Draw as the sampler does, unless this trial takes the value from the prior."""
        believed = self._values(study, trial.number)
        if param_name in believed:
            return believed[param_name]
        return self._sampler.sample_independent(study, trial, param_name, param_distribution)

    def before_trial(self, study: optuna.Study, trial: FrozenTrial) -> None:
        """Let the sampler prepare."""
        self._sampler.before_trial(study, trial)

    def after_trial(
        self, study: optuna.Study, trial: FrozenTrial, state: TrialState, values: Sequence[float] | None
    ) -> None:
        """Let the sampler learn."""
        self._sampler.after_trial(study, trial, state, values)

    def reseed_rng(self) -> None:
        """Leave the prior's draws, which go by the trial's number."""
        self._sampler.reseed_rng()

    def _values(self, study: optuna.Study, number: int) -> dict[str, Scalar]:
        """Return what trial `number` takes from the prior; nothing, if it is one of the sampler's."""
        if number not in self._taken:
            random = np.random.default_rng([self._seed, number])
            values, chance = self._prior.values(random), random.random()
            believes = chance < weight(number) and chance < weight(number) * self._trust(study)
            self._taken[number] = values if believes else {}
        return self._taken[number]

    def _trust(self, study: optuna.Study) -> float:
        """Return how much more often than all the best quarter of what has ended lies where the prior has it.

        At most 1.
        """
        ended = [trial for trial in study.get_trials(deepcopy=False, states=_ENDED) if trial.params]
        if len(ended) < JUDGED_FROM or len(study.directions) > 1:
            return 1.0
        sign = -1.0 if study.direction is StudyDirection.MAXIMIZE else 1.0
        ended.sort(key=lambda trial: rank(trial, sign))
        near = self._prior.density(np.array([self._prior.encoding.point(trial.params) for trial in ended])) > 1
        return min(1.0, float(near[: len(ended) // 4].mean()) / max(float(near.mean()), 1e-9))
