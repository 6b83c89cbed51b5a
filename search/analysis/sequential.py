"""Which trainings an ablation needs next, and what those that it has allow to say. It starts no training itself.

Every contrast begins with the same few seeds. Where its interval still holds zero, its seeds are doubled, again and
again, until the answer is clear or the trainings run out: effort goes where it decides something. The intervals are
made for being looked at so (`statistics.error_of_look`).

The greedy path is chosen on the first seeds and measured on others: a step chosen for being largest would look larger
than it is.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from winnow.search.analysis import contrasts
from winnow.search.analysis.contrasts import Contrast, MethodSet
from winnow.search.analysis.effects import Effect, OrderedEffect
from winnow.search.analysis.statistics import Sample, error_of_look, seeds_at_look

_SINGLE = ("whole", "alone", "removed")
Training = tuple[MethodSet, int]
"""A set of methods that are on, and a seed."""
Results = Mapping[Training, float | None]
"""The score of each training that has ended, the higher the better; None where it gave none."""


@dataclass(frozen=True)
class SequentialDesign:
    """The methods, the seeds, and how far to go."""

    methods: tuple[str, ...]
    seeds: Sequence[int]
    """In the order in which they are used; as many as the last look has."""
    path_seeds: Sequence[int]
    """As many others, for measuring the path."""
    first: int = 5
    """Seeds of the first look."""
    looks: int = 3
    trainings: int | None = None
    """No more than so many in all; None is no limit."""

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
        """The trainings to do next, together; none when every contrast is answered or nothing more may be spent."""
        found: dict[Training, None] = {}
        left = math.inf if self.trainings is None else self.trainings - len(results)
        for group in self._open(results):
            missing = [training for training in dict.fromkeys(group) if training not in results]
            new = [training for training in missing if training not in found]
            if len(new) <= left - len(found):
                found.update(dict.fromkeys(new))
        return list(found)

    def path(self, results: Results) -> list[str]:
        """The methods in the order in which the greedy path adds them, as far as the results tell."""
        chosen: list[str] = []
        while len(chosen) < len(self.methods):
            step = {method: self._tried(chosen, method) for method in self._rest(chosen)}
            if any(training not in results for group in step.values() for training in group):
                break
            means = {method: _mean([results[training] for training in group]) for method, group in step.items()}
            chosen.append(max(means, key=lambda method: means[method]))
        return chosen

    def effect(self, contrast: Contrast, results: Results) -> Effect | None:
        """The answer at the last look whose trainings have all ended; None before the first, or without a score."""
        look = self._looks_done(contrast, results)
        if not look:
            return None
        seeds = self._seeds(contrast)[: seeds_at_look(look, self.first)]
        scores: list[float] = []
        trainings: set[Training] = set()
        for seed in seeds:
            weights = contrast.weights(seed)
            trainings.update((on, seed) for on in weights)
            values = [(weight, results[on, seed]) for on, weight in weights.items()]
            if all(value is not None for _, value in values):
                scores.append(math.fsum(weight * (value or 0.0) for weight, value in values))
        if not scores:
            return None
        sample = Sample(tuple(scores))
        low, high = sample.interval_at(error_of_look(look))
        return Effect(contrast.name, sample.mean, low, high, len(trainings))

    def effects(self, kind: contrasts.Kind, results: Results) -> list[Effect]:
        """The answers to all questions of a kind that have one; those of the path in its order."""
        asked = contrasts.path(self.path(results)) if kind == "path" else self.fixed_contrasts
        answers = [self.effect(contrast, results) for contrast in asked if contrast.kind == kind]
        return [answer for answer in answers if answer is not None]

    def ordered(self, results: Results) -> list[OrderedEffect]:
        """How each method's effect hangs on the order, for those of which it is known."""
        first = {effect.method: effect.effect for effect in self.effects("alone", results)}
        last = {effect.method: effect.effect for effect in self.effects("removed", results)}
        return [
            OrderedEffect(shapley, first[shapley.method], last[shapley.method])
            for shapley in self.effects("order", results)
            if shapley.method in first and shapley.method in last
        ]

    def _open(self, results: Results) -> Iterator[list[Training]]:
        """Groups of trainings that make sense only whole, the most important first.

        A first look at everything comes before a second look at anything. Where trainings are limited, the path is
        chosen before they go into pairs and orders, which cost most.
        """
        chosen = self.path(results)
        undecided = sorted(self._undecided(chosen, results), key=lambda entry: entry[0])
        yield from (group for look, kind, group in undecided if look == 0 and kind in _SINGLE)
        yield from (self._tried(chosen, method) for method in self._rest(chosen))
        if self.trainings is None or not self._rest(chosen):
            yield from (group for look, kind, group in undecided if look > 0 or kind not in _SINGLE)

    def _undecided(self, chosen: Sequence[str], results: Results) -> Iterator[tuple[int, str, list[Training]]]:
        """Every contrast that needs more seeds and may have them: its looks so far, its kind, and all its trainings."""
        steps = [] if self._rest(chosen) else contrasts.path(chosen)
        single = [contrast for contrast in self.fixed_contrasts if contrast.kind in _SINGLE]
        joint = [contrast for contrast in self.fixed_contrasts if contrast.kind not in _SINGLE]
        for contrast in [*single, *steps, *joint]:
            look = self._looks_done(contrast, results)
            answer = self.effect(contrast, results)
            if look < self.looks and (answer is None or answer.verdict == "inconclusive"):
                seeds = self._seeds(contrast)[: seeds_at_look(look + 1, self.first)]
                yield look, contrast.kind, [(on, seed) for seed in seeds for on in contrast.weights(seed)]

    def _looks_done(self, contrast: Contrast, results: Results) -> int:
        seeds = self._seeds(contrast)
        look = 0
        while look < self.looks and all(
            (on, seed) in results
            for seed in seeds[: seeds_at_look(look + 1, self.first)]
            for on in contrast.weights(seed)
        ):
            look += 1
        return look

    def _seeds(self, contrast: Contrast) -> Sequence[int]:
        return self.path_seeds if contrast.kind == "path" else self.seeds

    def _rest(self, chosen: Sequence[str]) -> list[str]:
        return [method for method in self.methods if method not in chosen]

    def _tried(self, chosen: Sequence[str], method: str) -> list[Training]:
        """The trainings that say what `method` does as the path's next step."""
        return [(frozenset([*chosen, method]), seed) for seed in self.seeds[: self.first]]


def _mean(values: Sequence[float | None]) -> float:
    """Their mean; a method of which some training gave no score is chosen last."""
    known = [value for value in values if value is not None]
    return math.fsum(known) / len(known) if len(known) == len(values) else -math.inf
