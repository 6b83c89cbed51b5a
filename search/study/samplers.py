"""The samplers of a spec: Optuna's own, two that go by the trial's number, and one that also says which trial goes on.

Optuna's grid sampler gives parallel workers the same cell and stops `study.optimize` by itself; here a trial's number
says which cell it is, so that every cell comes once whoever asks.
"""

import itertools
import math
import random
from collections.abc import Container, Iterator, Mapping, Sequence
from typing import Any, ClassVar, Literal

import optuna
from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState
from pydantic import Field

from winnow.objectives.space import baseline, cells, grid, hyperparameter, label, only_active, resting, shaping
from winnow.objectives.training_objective import derived_seed
from winnow.search.study.pruners import most_epochs
from winnow.search.study.schedulers import Scheduler
from winnow.search.study.sections import SamplerSection, StudyContext, sampler


@sampler("random")
class RandomSampler(SamplerSection):
    """Independent draws."""

    shares_shapes: ClassVar[bool] = True

    def build(self, study: StudyContext, seed: int) -> BaseSampler:
        """Make Optuna's."""
        return optuna.samplers.RandomSampler(seed=seed)


@sampler("grid")
class GridSampler(SamplerSection):
    """Every cell of a grid: all choices, `points` values of each range; each cell `repeats` times, by other seeds."""

    points: int = Field(5, ge=2)
    repeats: int = Field(1, ge=1)
    by_shape: bool = False
    """Whether cells of one shape come one after the other, so that a worker with `fuse` has them as one stack."""

    def build(self, study: StudyContext, seed: int) -> BaseSampler:
        """Shuffle the cells by the study's seed, so that all workers agree which trial takes which."""
        order = list(cells(study.space, self.points)) * self.repeats
        random.Random(derived_seed(study.seed, 0)).shuffle(order)
        if self.by_shape:
            names, of_shape = shaping(study.space), dict[tuple[Any, ...], list[dict[str, Any]]]()
            for cell in order:
                of_shape.setdefault(tuple(cell.get(name) for name in names), []).append(cell)
            order = [cell for alike in of_shape.values() for cell in alike]
        return PlannedSampler([{}, *order] if study.has_baseline else order)  # row 0 is left to the baseline


@sampler("coordinate")
class CoordinateSampler(SamplerSection):
    """One hyperparameter at a time: its grid values beside the best of the rest so far."""

    points: int = Field(5, ge=2)

    def build(self, study: StudyContext, seed: int) -> BaseSampler:
        """Begin at the baseline."""
        return CoordinateWise(study, self.points)


@sampler("tpe")
class TPESampler(SamplerSection):
    """Tree-structured Parzen estimator."""

    shares_shapes: ClassVar[bool] = True
    n_startup_trials: int = Field(10, ge=0)
    n_ei_candidates: int = Field(24, ge=1)
    multivariate: bool = True
    constant_liar: bool = True

    def build(self, study: StudyContext, seed: int) -> BaseSampler:
        """Make one that draws as Optuna's does, in less time."""
        from winnow.search.study.fast_tpe import QuickTPESampler  # imports SciPy, which a trainer needs not

        return QuickTPESampler(seed=seed, **self.options)

    def seeded(self, study: StudyContext, sampler: BaseSampler, seed: int) -> BaseSampler:
        """Make one that shares what it has learnt."""
        from winnow.search.study.fast_tpe import QuickTPESampler

        assert isinstance(sampler, QuickTPESampler)
        return sampler.seeded(seed)


@sampler("gp")
class GPSampler(SamplerSection):
    """Gaussian process; needs torch in the worker's supervisor too."""

    shares_shapes: ClassVar[bool] = True
    n_startup_trials: int = Field(10, ge=0)
    deterministic_objective: bool = False

    def build(self, study: StudyContext, seed: int) -> BaseSampler:
        """Make Optuna's."""
        return optuna.samplers.GPSampler(seed=seed, **self.options)


@sampler("cmaes")
class CmaEsSampler(SamplerSection):
    """CMA evolution strategy over the numbers; choices are drawn at random."""

    n_startup_trials: int = Field(1, ge=0)
    sigma0: float | None = Field(None, gt=0)

    def build(self, study: StudyContext, seed: int) -> BaseSampler:
        """Make Optuna's."""
        return optuna.samplers.CmaEsSampler(seed=seed, **self.options)


@sampler("nsgaii")
class NSGAIISampler(SamplerSection):
    """Elitist genetic algorithm (Deb et al. 2002), for two objectives: `against`."""

    population_size: int = Field(50, ge=2)
    mutation_prob: float | None = Field(None, ge=0, le=1)

    def build(self, study: StudyContext, seed: int) -> BaseSampler:
        """Make Optuna's."""
        return optuna.samplers.NSGAIISampler(seed=seed, **self.options)


@sampler("qmc")
class QMCSampler(SamplerSection):
    """Quasi-random points that cover the space evenly."""

    qmc_type: Literal["sobol", "halton"] = "sobol"
    scramble: bool = True

    def build(self, study: StudyContext, seed: int) -> BaseSampler:
        """Make Optuna's, with one sequence for all workers, who take its points in turn; choices come from `seed`."""
        independent = optuna.samplers.RandomSampler(seed=seed)
        return optuna.samplers.QMCSampler(
            seed=study.seed, independent_sampler=independent, warn_independent_sampling=False, **self.options
        )


@sampler("freeze_thaw")
class FreezeThawSampler(SamplerSection):
    """Freeze-thaw: pauses trials and goes on with the most promising, by a model of their unfinished curves."""

    shares_shapes: ClassVar[bool] = True
    max_resource: int | None = Field(None, ge=1)
    """Epochs of a whole training; None is what `epochs` says."""
    look_share: float = Field(0.5, gt=0, lt=1)
    """Of all epochs, those of first looks at new configurations, as the search begins; later fewer."""
    random_share: float = Field(0.2, ge=0, le=1)
    """Of the first looks, those drawn at random."""
    halving_share: float = Field(0.2, ge=0, le=1)
    """Of the promotions, those by successive halving."""

    def build(self, study: StudyContext, seed: int) -> BaseSampler:
        """Draw at random what the scheduler leaves open."""
        return optuna.samplers.RandomSampler(seed=seed)

    def scheduler(self, study: StudyContext) -> Scheduler:
        """Make one for the study's space."""
        from winnow.search.study.freeze_thaw.scheduler import FreezeThaw

        shares = self.model_dump(exclude={"name", "max_resource"})
        return FreezeThaw(study.space, self.max_resource or most_epochs(study), study.optimises, **shares)


class ByNumber(BaseSampler):
    """Gives each trial the values that its number stands for, and random ones where it stands for none."""

    def __init__(self) -> None:
        self._random = optuna.samplers.RandomSampler(seed=0)

    def values(self, study: optuna.Study, number: int) -> Mapping[str, Any]:
        """Return what trial `number` shall take."""
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
        """Return the planned value of one parameter."""
        planned = self.values(study, trial.number)
        if param_name in planned:
            return planned[param_name]
        return self._random.sample_independent(study, trial, param_name, param_distribution)


class PlannedSampler(ByNumber):
    """Row N of a plan for trial N."""

    def __init__(self, rows: Sequence[Mapping[str, Any]]) -> None:
        super().__init__()
        self.rows = rows

    def values(self, study: optuna.Study, number: int) -> Mapping[str, Any]:
        """Return row `number`; past the last row, nothing."""
        return self.rows[number] if number < len(self.rows) else {}


class CoordinateWise(ByNumber):
    """Coordinate-wise search: one hyperparameter moves over its grid while the others stay at the best so far.

    It begins at the baseline with the first hyperparameter. From a better configuration it goes on with what brought
    it, then with the next one, and after the last comes the first again. What a move switches on begins at its default.
    No configuration is tried twice: where all that differ from the best in one hyperparameter are, cells of the grid
    are drawn at random, and a better one among them is explored in its turn.
    """

    def __init__(self, study: StudyContext, points: int) -> None:
        super().__init__()
        self.space, self.seed = study.space, study.seed
        self.resting = resting(study.space, study.baseline)
        self.start, trained = baseline(study.space, study.fixed, study.baseline)
        self.start_is_a_cell = all(label(trained[hyperparameter(name)]) == self.start[name] for name in self.start)
        self.sweeps = list(grid(study.space, points))
        self.plans: dict[int, Mapping[str, Any]] = {}

    def values(self, study: optuna.Study, number: int) -> Mapping[str, Any]:
        """Return the plan for trial `number`; made once, when its first value is asked for."""
        if number not in self.plans:
            self.plans[number] = self._plan(study, number) if number else self.start
        return self.plans[number]

    def _plan(self, study: optuna.Study, number: int) -> Mapping[str, Any]:
        trials = study.get_trials(deepcopy=False)
        configurations = {trial.number: self._configuration(trial.params) for trial in trials}
        # A baseline whose value its range cannot hold is none of the configurations that its parameters stand for.
        configurations[0] = frozenset(self.start.items()) if self.start_is_a_cell else None
        tried = {configuration for configuration in configurations.values() if configuration}
        # Trials of other workers that have no parameters yet take the first of what is left, each one.
        finished = {trial.number for trial in trials if trial.state.is_finished()}
        ahead = sum(not configurations.get(other) and other not in finished for other in range(1, number))
        moves = (move for move in self._moves(study.direction, trials) if frozenset(move.items()) not in tried)
        return next(itertools.islice(moves, ahead, None), None) or self._random_cell(number, tried)

    def _moves(self, direction: StudyDirection, trials: Sequence[FrozenTrial]) -> Iterator[Mapping[str, Any]]:
        """Yield every configuration that differs from the best in one hyperparameter, and in what that switches on."""
        sign = 1 if direction == StudyDirection.MAXIMIZE else -1
        best, highest, first = {**self.resting, **self.start}, -math.inf, 0
        for trial in trials:
            if trial.state == TrialState.COMPLETE and trial.value is not None and sign * trial.value > highest:
                better, highest = {**self.resting, **trial.params}, sign * trial.value
                moved = [place for place, (name, _) in enumerate(self.sweeps) if better[name] != best[name]]
                best, first = better, moved[0] if moved else 0
        for name, points in [*self.sweeps[first:], *self.sweeps[:first]]:
            if name in only_active(self.space, best):
                yield from (only_active(self.space, {**best, name: value}) for value in points)

    def _random_cell(self, number: int, tried: Container[object]) -> Mapping[str, Any]:
        generator = random.Random(derived_seed(self.seed, number))
        for _ in range(1000):  # of a small space that is used up, a cell comes again
            cell = only_active(self.space, {name: generator.choice(points) for name, points in self.sweeps})
            if frozenset(cell.items()) not in tried:
                break
        return cell

    def _configuration(self, parameters: Mapping[str, Any]) -> frozenset[tuple[str, Any]] | None:
        """Return what a trial trains; None while it has not drawn all of it."""
        active = only_active(self.space, {**self.resting, **parameters})
        return frozenset(active.items()) if active.keys() <= parameters.keys() else None
