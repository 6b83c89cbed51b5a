"""Which trainings an ablation needs next, and what those that it has allow to say. It starts no training itself.

Every question begins with the same few seeds, in all sets of methods that it needs. Its seeds are doubled while it is
open, not answered, and might be with twice as many: effort goes where it decides something. What may be said at each
look is decided for the whole table at once (`multiplicity`).

The greedy path is chosen on the first seeds and measured on the following: a step chosen for being largest would look
larger than it is.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from winnow.search.analysis import contrasts
from winnow.search.analysis.contrasts import Contrast, MethodSet, Weights
from winnow.search.analysis.effects import Effect, OrderedEffect
from winnow.search.analysis.multiplicity import Question, Table
from winnow.search.analysis.statistics import (
    ANY,
    Sample,
    Scale,
    broken_down,
    error_of_look,
    largest_spread,
    seeds_at_look,
)

_SINGLE = ("whole", "alone", "removed")
_FEW = 4
"""A question over so many sets goes without a seed of which one is missing; over more, the missing is filled in."""
_LUCK = 1.5
"""By so many standard errors twice as many seeds may show more of a question of few sets; of many, by none."""
_ENOUGH = 40
"""Of so many differences the skewness is taken as known."""
Training = tuple[MethodSet, int]
"""A set of methods that are on, and a seed."""
Results = Mapping[Training, float | None]
"""The score of each training that has ended, the higher the better; None where it gave none."""


@dataclass(frozen=True)
class SequentialDesign:
    """The methods, the seeds, and how far to go."""

    methods: tuple[str, ...]
    seeds: Sequence[int]
    """In the order in which they are used; as many as the last look has, and those of the first once more."""
    first: int = 5
    """Seeds of the first look."""
    looks: int = 3
    trainings: int | None = None
    """No more than so many in all; None is no limit."""
    scale: Scale = ANY
    """Of the scores, the higher the better."""

    @cached_property
    def fixed_contrasts(self) -> list[Contrast]:
        """All but those of the path, in order of precedence."""
        return [
            contrasts.whole(self.methods),
            *contrasts.alone(self.methods),
            *contrasts.removed(self.methods),
            *contrasts.together(self.methods),
            *contrasts.order(self.methods),
        ]

    def next_trainings(self, results: Results) -> list[Training]:
        """Return the trainings to do next, together; none when nothing more is open, or nothing more may be spent."""
        found: dict[Training, None] = {}
        left = math.inf if self.trainings is None else self.trainings - len(results)
        for group in self._open(results):
            missing = [training for training in dict.fromkeys(group) if training not in results]
            new = [training for training in missing if training not in found]
            if len(new) <= left - len(found):
                found.update(dict.fromkeys(new))
        return list(found)

    def path(self, results: Results) -> list[str]:
        """Return the methods in the order in which the greedy path adds them, as far as the results tell."""
        chosen: list[str] = []
        while len(chosen) < len(self.methods):
            step = {method: self._tried(chosen, method) for method in self._rest(chosen)}
            if any(training not in results for group in step.values() for training in group):
                break
            means = {method: _mean([results[training] for training in group]) for method, group in step.items()}
            chosen.append(max(means, key=lambda method: means[method]))
        return chosen

    def answers(self, results: Results) -> "Answers":
        """Return what the results so far allow to say."""
        order = self.path(results)
        steps = contrasts.path(order)
        found = Answers(order, Table(self.methods))
        asked = [*self.fixed_contrasts, *steps]
        told = _Scores(results, self.scale)
        samples = {(contrast.kind, contrast.name): self._samples(contrast, told) for contrast in asked}
        for look in range(1, self.looks + 1):
            p = {question: drawn[look - 1].p for question, drawn in samples.items() if len(drawn) >= look}
            found.table.look(look, p)
        for contrast in asked:
            question = (contrast.kind, contrast.name)
            if drawn := [sample for sample in samples[question] if sample.scores]:
                look, sample = len(samples[question]), drawn[-1]
                low, high = sample.interval_at(error_of_look(look))
                runs = len({(on, seed) for seed in self._seeds(contrast, look) for on in contrast.weights(seed)})
                answered, idle = question in found.table.answered, not any(sample.scores)
                found.effects[question] = Effect(contrast.name, sample.mean, low, high, runs, answered, idle)
                found.samples[question] = sample
            found.looks[question] = len(samples[question])
        return found

    def _open(self, results: Results) -> Iterator[list[Training]]:
        """Yield groups of trainings that make sense only whole, the most important first.

        A first look at everything comes before a second look at anything. Where trainings are limited, the path is
        chosen before they go into pairs and orders, which cost most.
        """
        found = self.answers(results)
        undecided = sorted(self._undecided(found), key=lambda entry: entry[0])
        yield from (group for look, kind, group in undecided if look == 0 and kind in _SINGLE)
        yield from (self._tried(found.path, method) for method in self._rest(found.path))
        if self.trainings is None or not self._rest(found.path):
            yield from (group for look, kind, group in undecided if look > 0 or kind not in _SINGLE)

    def _undecided(self, found: "Answers") -> Iterator[tuple[int, str, list[Training]]]:
        """Yield every contrast that needs more seeds and may have them: its looks so far, kind, and trainings.

        The path is measured where something is seen of any method, and always where trainings are limited.
        """
        single = [contrast for contrast in self.fixed_contrasts if contrast.kind in _SINGLE]
        joint = [contrast for contrast in self.fixed_contrasts if contrast.kind not in _SINGLE]
        asked = found.table.anything or self.trainings is not None
        steps = contrasts.path(found.path) if asked and not self._rest(found.path) else []
        for contrast in [*single, *steps, *joint]:
            look = found.looks[contrast.kind, contrast.name]
            if look < self.looks and (not look or found.may_be_answered((contrast.kind, contrast.name))):
                seeds = self._seeds(contrast, look + 1)
                yield look, contrast.kind, [(on, seed) for seed in seeds for on in contrast.weights(seed)]

    def _samples(self, contrast: Contrast, told: "_Scores") -> list[Sample]:
        """Return one number a seed, at each look whose trainings have all ended."""
        found = []
        for look in range(1, self.looks + 1):
            seeds = self._seeds(contrast, look)
            if any((on, seed) not in told.results for seed in seeds for on in contrast.weights(seed)):
                break
            found.append(self._sample(contrast, seeds, told))
        return found

    def _sample(self, contrast: Contrast, seeds: Sequence[int], told: "_Scores") -> Sample:
        """Leave out each seed of which a training gave no score, or broke down."""
        rows = [contrast.weights(seed) for seed in seeds]
        same = all(row == rows[0] for row in rows)
        if same:
            scores = np.column_stack([told.of(on, seeds) for on in rows[0]])
            if len(rows[0]) > _FEW:
                _fill(scores)
            values = scores @ np.array(list(rows[0].values()))
        else:
            known = [[told.results[on, seed] for on in row] for row, seed in zip(rows, seeds, strict=True)]
            weights = [list(row.values()) for row in rows]
            values = np.array([_sum(ones, others) for ones, others in zip(known, weights, strict=True)])
        spread = math.sqrt(sum(weight**2 for weight in rows[0].values()) / 2)
        reach = sum(weight for weight in rows[0].values() if weight > 0)
        differences = self.scale.differences
        scale = Scale(differences.low * reach, differences.high * reach, differences.step * spread)
        return Sample(tuple(values[~np.isnan(values)].tolist()), scale, self._skewness(contrast, seeds, rows[0], told))

    def _skewness(self, contrast: Contrast, seeds: Sequence[int], weights: Weights, told: "_Scores") -> float | None:
        """Return that of one number of a contrast, from all pairs of sets that switch its method; None of too few."""
        if contrast.kind == "whole":
            known = [told.skewness(method, seeds) for method in self.methods]
            return max((each for each in known if each is not None), key=abs, default=None)
        method = contrast.name if contrast.kind != "together" else contrast.name.partition(" and ")[0]
        of_one = told.skewness(method, seeds)
        with_it = [weight for on, weight in weights.items() if method in on]
        return None if of_one is None else of_one * sum(w**3 for w in with_it) / sum(w**2 for w in with_it) ** 1.5

    def _seeds(self, contrast: Contrast, look: int) -> Sequence[int]:
        start = self.first if contrast.kind == "path" else 0
        return self.seeds[start : start + seeds_at_look(look, self.first)]

    def _rest(self, chosen: Sequence[str]) -> list[str]:
        return [method for method in self.methods if method not in chosen]

    def _tried(self, chosen: Sequence[str], method: str) -> list[Training]:
        """Return the trainings that say what `method` does as the path's next step."""
        return [(frozenset([*chosen, method]), seed) for seed in self.seeds[: self.first]]


@dataclass
class Answers:
    """What an ablation's results allow to say."""

    path: list[str]
    """The methods in the order of the greedy path, as far as it is chosen."""
    table: Table
    effects: dict[Question, Effect] = field(default_factory=dict)
    """The answer to every question that has one, at the last look whose trainings have all ended."""
    samples: dict[Question, Sample] = field(default_factory=dict)
    looks: dict[Question, int] = field(default_factory=dict)

    def kind(self, kind: contrasts.Kind) -> list[Effect]:
        """Return the answers to all questions of a kind; those of the path in its order."""
        return [effect for (asked, _), effect in self.effects.items() if asked == kind]

    @property
    def ordered(self) -> list[OrderedEffect]:
        """How each method's effect hangs on the order, for those of which it is known."""
        first, last = ({effect.method: effect.effect for effect in self.kind(kind)} for kind in ("alone", "removed"))
        return [
            OrderedEffect(shapley, first[shapley.method], last[shapley.method])
            for shapley in self.kind("order")
            if shapley.method in first and shapley.method in last
        ]

    def may_be_answered(self, question: Question) -> bool:
        """Return whether it is open, not answered, and might be with twice as many seeds."""
        if question in self.table.answered or question not in self.samples:
            return False
        level = self.table.level(question, self.looks[question] + 1)
        return self.samples[question].p_if_doubled(0.0 if question[0] == "order" else _LUCK) <= level


class _Scores:
    """The scores of each set of methods over some seeds, looked up once."""

    def __init__(self, results: Results, scale: Scale) -> None:
        self.results, self._scale = results, scale
        self._known: dict[tuple[MethodSet, tuple[int, ...]], NDArray[np.float64]] = {}
        self._spreads: dict[tuple[int, ...], float] = {}
        self._skewness: dict[tuple[str, tuple[int, ...]], float | None] = {}

    def of(self, on: MethodSet, seeds: Sequence[int]) -> NDArray[np.float64]:
        """Return (seeds,); NaN where a training gave no score, or broke down among those of its set."""
        key = (on, tuple(seeds))
        if key not in self._known:
            told = [self.results[on, seed] for seed in seeds]
            known = iter(broken_down([score for score in told if score is not None], self._scale, self.spread(seeds)))
            kept = [math.nan if score is None or next(known) else score for score in told]
            self._known[key] = np.array(kept, dtype=np.float64)
        return self._known[key]

    def spread(self, seeds: Sequence[int]) -> float:
        """Return the largest spread of any set's scores over these seeds."""
        key = tuple(seeds)
        if key not in self._spreads:
            told = ([self.results.get((on, seed)) for seed in seeds] for on in {on for on, _ in self.results})
            known = ([score for score in scores if score is not None] for scores in told)
            self._spreads[key] = largest_spread(known, self._scale)
        return self._spreads[key]

    def skewness(self, method: str, seeds: Sequence[int]) -> float | None:
        """Return the skewness of what `method` changes with one seed, over all sets of the others that were trained.

        Third cumulant and variance are the means of their unbiased estimates in each pair of sets.
        """
        key = (method, tuple(seeds))
        if key not in self._skewness:
            known = {on for on, seed in self.results if seed == seeds[0]}
            second, third, many = 0.0, 0.0, 0
            for on in known:
                if method not in on or on - {method} not in known:
                    continue
                both = [seed for seed in seeds if (on, seed) in self.results and (on - {method}, seed) in self.results]
                values = self.of(on, both) - self.of(on - {method}, both)
                values = values[~np.isnan(values)]
                if (n := len(values)) > 2:
                    deviations = values - values.mean()
                    second += n * float((deviations**2).sum()) / (n - 1)
                    third += n * float((deviations**3).sum()) * n / ((n - 1) * (n - 2))
                    many += n
            enough = many >= _ENOUGH and second > 0
            self._skewness[key] = (third / many) / (second / many) ** 1.5 if enough else None
        return self._skewness[key]


def _fill(scores: NDArray[np.float64]) -> None:
    """Fill in what is missing of (seeds, sets) by what its set and its seed give, where most of its set is there."""
    missing = np.isnan(scores)
    if not missing.any() or (missing.mean(axis=0) > 0.5).any():
        return
    by_set = np.nanmean(scores, axis=0)
    by_seed = np.nanmean(scores - by_set, axis=1) if not missing.all(axis=1).any() else np.zeros(len(scores))
    scores[missing] = (by_set + by_seed[:, None])[missing]


def _sum(values: Sequence[float | None], weights: Sequence[float]) -> float:
    """Return their weighted sum; NaN where one is missing."""
    return math.fsum(math.nan if v is None else w * v for v, w in zip(values, weights, strict=True))


def _mean(values: Sequence[float | None]) -> float:
    """Return their mean over what is known; a method of which most trainings gave no score is chosen last."""
    known = [value for value in values if value is not None]
    return math.fsum(known) / len(known) if 2 * len(known) > len(values) else -math.inf
