"""What one hyperparameter does, and what two do only together, averaged over all others: functional ANOVA.

After Hutter, Hoos and Leyton-Brown (ICML 2014): a forest is fitted to the trials, and its predictions are averaged
over the searched ranges. Its trees split at random (Geurts et al., 2006), for a greedy tree is blind to two that only
work together. Where few trials lie, a forest guesses the mean: what it finds is less than what there is.
"""

import itertools
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from winnow.errors import StudyError
from winnow.search.analysis import coverage
from winnow.search.analysis.axes import Axis
from winnow.search.analysis.importance import deviation
from winnow.search.analysis.importance_trials import for_a_forest, survivors, usable_trials
from winnow.search.analysis.statistics import ERROR, fenced
from winnow.search.analysis.study_record import StudyRecord

if TYPE_CHECKING:
    from sklearn.ensemble import ExtraTreesRegressor

Array = NDArray[np.float64]

POINTS = 16
"""At so many places of its range a hyperparameter's mean is told."""
_PAIR_POINTS = 8
_DRAWS = 32
"""Settings of all other hyperparameters that a mean is taken over."""
_TREES = 32
_SAMPLES = 20
_MOST_PAIRED = 5
"""Pairs are looked for among so many hyperparameters, those with the largest effects of their own."""
_SHUFFLES = 10
"""Studies without interactions, made of the same effects and shuffled residuals: what forests find there is noise."""


@dataclass(frozen=True)
class Marginal:
    """The mean value over one hyperparameter's range, all others varied evenly over theirs.

    Of choices, those with which a trial completed: of others a forest knows nothing.
    """

    name: str
    positions: Array
    """(points,) in the hyperparameter's own unit; a choice stands at its place in the list."""
    means: Array
    """(points,) in the unit of the value."""
    samples: Array
    """(samples, points): the same from other trials, each deviating from the mean as another study's would."""

    @property
    def low(self) -> Array:
        """The lower end of the 95 % interval at each point."""
        return self.means - self._half

    @property
    def high(self) -> Array:
        """The upper end."""
        return self.means + self._half

    @property
    def _half(self) -> Array:
        half: Array = 1.96 * self.samples.std(axis=0, ddof=1)
        return half


@dataclass(frozen=True)
class Interaction:
    """What two hyperparameters do only together, as a share of all that the value varies by."""

    names: tuple[str, str]
    share: float
    low: float
    high: float
    certain: bool
    """Whether the interval lies above what forests find in studies with the same effects and no interaction."""


@dataclass(frozen=True)
class FunctionalAnova:
    """What a forest made of a study's trials."""

    trials: int
    marginals: tuple[Marginal, ...]
    """Of the hyperparameters that every trial searched, the one that moves the value most first."""
    interactions: tuple[Interaction, ...]
    """Of each two of the first few whose plane the search visited, the largest share first."""
    of_survivors: bool = False
    """Whether a pruner chose which trials completed: the values that it stopped early are not among them."""

    def marginal(self, name: str) -> Marginal | None:
        """Return that of one hyperparameter; None where it was not searched in every trial."""
        return next((marginal for marginal in self.marginals if marginal.name == name), None)


def decompose_if_enough(record: StudyRecord) -> FunctionalAnova | None:
    """Return the anova of completed trials; None where they are too few, or their design tells nothing.

    None too where scikit-learn is not installed, which only training needs.
    """
    with suppress(StudyError, ModuleNotFoundError):
        return decompose(record)
    return None


def decompose(record: StudyRecord) -> FunctionalAnova:
    """Return the marginals and interactions over completed trials.

    Values beyond `worse_fence` count as that. Intervals come from samples of half the trials, as in
    `winnow.search.analysis.importance`. Of two hyperparameters together it tells only where trials lie in all corners
    of their plane, are enough (`coverage`), and were not chosen by a pruner; they are clear where the forest and a test
    of what no additive model explains, with Bonferroni's correction, both say so. Needs scikit-learn. Raises StudyError
    where there are too few trials, or they moved one hyperparameter at a time.
    """
    generator = np.random.default_rng(0)
    records = for_a_forest(usable_trials(record), generator)
    trials = len(records)
    axes = [
        Axis(record, name) for name in record.parameter_names if all(name in record.parameters for record in records)
    ]
    if not axes:
        return FunctionalAnova(trials, (), (), survivors(record))
    inputs = np.column_stack([axis.unit(records) for axis in axes])
    values = fenced(np.array([trial.value for trial in records], dtype=np.float64), record.direction)
    forest = _grow(inputs, values)
    strongest = np.argsort(-forest.feature_importances_, kind="stable")[:_MOST_PAIRED]
    pairs = [
        (first, second)
        for first, second in itertools.combinations(sorted(strongest.tolist()), 2)
        if coverage.enough(inputs) and not survivors(record) and coverage.visited(inputs[:, first], inputs[:, second])
    ]
    explained = [coverage.together_p(inputs, values, pair) <= ERROR / len(pairs) for pair in pairs]
    grids = _Grids(axes, inputs, pairs, generator)
    curves, shares = grids.evaluate(forest)
    shuffled = _without_interactions(axes, inputs, values, curves, generator)
    floors = np.max([grids.evaluate(_grow(inputs, values_without))[1] for values_without in shuffled], axis=0)
    size = trials // 2
    halves = [generator.permutation(trials)[:size] for _ in range(_SAMPLES)]
    others = [grids.evaluate(_grow(inputs[half], values[half])) for half in halves]
    marginals = []
    for index, (axis, means) in enumerate(zip(axes, curves, strict=True)):
        places = axis.positions_at(axis.grid(POINTS, inputs[:, index]))
        drawn = np.array([curves[index] for curves, _ in others])
        samples = means + np.sqrt(size / (trials - size)) * (drawn - drawn.mean(axis=0))
        marginals.append(Marginal(axis.name, places, means, samples))
    deviations = deviation(np.array([shares for _, shares in others]), size, trials)
    interactions = [
        Interaction(
            (axes[first].name, axes[second].name),
            float(share),
            max(0.0, float(share - 1.96 * spread)),
            min(1.0, float(share + 1.96 * spread)),
            bool(share - 1.96 * spread > floor) and clear,
        )
        for (first, second), share, spread, floor, clear in zip(
            pairs, shares, deviations, floors, explained, strict=True
        )
    ]
    return FunctionalAnova(
        trials,
        tuple(sorted(marginals, key=lambda marginal: -float(np.ptp(marginal.means)))),
        tuple(sorted(interactions, key=lambda interaction: -interaction.share)),
        survivors(record),
    )


def _without_interactions(
    axes: Sequence[Axis], inputs: Array, values: Array, curves: Sequence[Array], generator: np.random.Generator
) -> list[Array]:
    """Return values (trials,) of studies in which each hyperparameter does as here, and none hangs on another."""
    sum_of_effects = curves[0].mean() + sum(
        np.interp(inputs[:, index], axis.grid(POINTS, inputs[:, index]), curve - curve.mean())
        for index, (axis, curve) in enumerate(zip(axes, curves, strict=True))
    )
    return [sum_of_effects + generator.permutation(values - sum_of_effects) for _ in range(_SHUFFLES)]


def _grow(inputs: Array, values: Array) -> "ExtraTreesRegressor":
    from sklearn.ensemble import ExtraTreesRegressor

    return ExtraTreesRegressor(_TREES, random_state=0).fit(inputs, values)


class _Grids:
    """The places at which every forest is asked, built once: grids over one and over two, all others at random."""

    def __init__(
        self, axes: Sequence[Axis], inputs: Array, pairs: Sequence[tuple[int, int]], generator: np.random.Generator
    ) -> None:
        columns = list(zip(axes, inputs.T, strict=True))
        self._draws = np.column_stack([generator.choice(axis.grid(_DRAWS, seen), _DRAWS) for axis, seen in columns])
        self._shapes: list[tuple[int, ...]] = []
        rows = []
        for index, (axis, seen) in enumerate(columns):
            grid = axis.grid(POINTS, seen)
            self._shapes.append((len(grid),))
            rows.append(self._rows((index,), grid[:, None]))
        for pair in pairs:
            first, second = (axes[index].grid(_PAIR_POINTS, inputs[:, index]) for index in pair)
            self._shapes.append((len(first), len(second)))
            rows.append(self._rows(pair, np.array(list(itertools.product(first, second)))))
        self._curves = len(axes)
        self._asked = np.concatenate(rows)

    def evaluate(self, forest: "ExtraTreesRegressor") -> tuple[list[Array], Array]:
        """Return the curve of each hyperparameter, and each pair's share of the variance."""
        told = forest.predict(self._asked).reshape(-1, _DRAWS)
        means, variance = told.mean(axis=1), float(told.var()) or 1.0
        ends = np.cumsum([np.prod(shape) for shape in self._shapes])[:-1]
        tables = [part.reshape(shape) for part, shape in zip(np.split(means, ends), self._shapes, strict=True)]
        curves, pairs = tables[: self._curves], tables[self._curves :]
        return curves, np.array([_beyond_the_sum(table) / variance for table in pairs])

    def _rows(self, columns: Sequence[int], places: Array) -> Array:
        """Return (places · draws, columns): every draw at each of the places."""
        rows = np.tile(self._draws, (len(places), 1))
        rows[:, list(columns)] = np.repeat(places, _DRAWS, axis=0)
        return rows


def _beyond_the_sum(table: Array) -> float:
    """Return the variance of a table that no sum of its rows' and columns' effects explains."""
    rest = table - table.mean(axis=0) - table.mean(axis=1, keepdims=True) + table.mean()
    return float((rest**2).mean())
