"""Freeze-thaw: which trial goes on, or which configuration begins, by a model of all unfinished learning curves.

A share of all epochs goes to first looks at new configurations, the rest to paused trials. It falls: the more was
looked at, the more there is of what only training to the end can judge. New ones are where the model expects the most
improvement after the last epoch and none was begun; the trial that goes on is the one of the most improvement for each
epoch that it still needs. What else runs counts by the model's mean, so that workers spread out. It hedges: some first
looks are drawn at random, and some promotions are those of successive halving, which asks no model; until two trainings
are on their way to the end, all are. Several workers would all at once train on what is best of a handful: they look
first, and then do as asynchronous halving does until half as many trainings as there are workers are on their way.

Of a training that diverged the model is shown what was finite, or, where nothing was, the worst of all others, halfway
between first and last epoch, so that it says something of both: failures far below would flatten what tells those
apart, and their share would be taken for noise.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.random import Generator
from scipy.special import ndtr

from winnow.objectives.space import Space
from winnow.search.study.encoding import Encoding, Floats
from winnow.search.study.freeze_thaw.curve_model import CurveModel, Observations
from winnow.search.study.freeze_thaw.history import History, Seen
from winnow.search.study.prior import Prior, weight
from winnow.search.study.schedulers import (
    ANY,
    AsynchronousHalving,
    Begin,
    Decision,
    Direction,
    GoOn,
    Outline,
    Standing,
)

FACTOR = 3
"""From rung to rung a trial has about so many times the epochs; successive halving promotes one in so many."""
CANDIDATES = 160
"""Points all over the space that are compared for a first look; those around the best trials come beside them."""
FIRST_ENDS = 2
"""Trainings that have ended, or are on their last stretch, before promotions ask the model: it knows of no end."""
START_LOOKS = 0.16
"""Of the epochs of a training, those that each of several workers spends on looks before anything goes on."""
WIDTHS = (1.0, 5.0)
"""Times its deviation, each as likely as the other, that the model may be off about a trial that is paused.

Where it has seen the ends of trials in one corner alone, and there is little left to gain, others so come to theirs.
"""
MOST_OBSERVED = 200
"""Observations of which the model knows: this and the next bound the cost of a decision."""
MOST_COMPARED = 500
"""Paused trials that are compared for a promotion: of more, half are the best by their last value, the others drawn."""
LOOKS_LATER, LOOKS_FALL = 0.4, 4.0
"""To what part of it the share of first looks falls, and after the epochs of how many trainings it is halfway there."""


@dataclass
class FreezeThaw:
    """The scheduler. It keeps what its model has learnt of lengths and noise, which is only a matter of time saved."""

    space: Space
    epochs: int
    """Of a whole training."""
    direction: Direction
    look_share: float = 0.5
    """Of all epochs, those of first looks, as the search begins."""
    random_share: float = 0.2
    """Of the first looks, those drawn at random."""
    halving_share: float = 0.2
    """Of the promotions, those by successive halving."""
    startup: int = 8
    """Trials that are drawn at random, half of them by the prior, before the model is asked."""

    @cached_property
    def rungs(self) -> tuple[int, ...]:
        """The epochs at which trials pause: 2 (one epoch says little), and then about thrice as many each time."""
        first = min(2, self.epochs)
        steps = max(1, round(math.log(self.epochs / first, FACTOR)))
        return tuple(sorted({round(first * (self.epochs / first) ** (step / steps)) for step in range(steps)}))

    @cached_property
    def _encoding(self) -> Encoding:
        return Encoding(self.space)

    @cached_property
    def _history(self) -> History:
        return History(self._encoding, self.rungs, self.epochs, self.direction)

    @cached_property
    def _prior(self) -> Prior:
        return Prior(self.space)

    @cached_property
    def _model(self) -> CurveModel:
        return CurveModel(self._encoding.group)

    @cached_property
    def _halving(self) -> AsynchronousHalving:
        return AsynchronousHalving(self.rungs, FACTOR, self.direction)

    def next(
        self, trials: Sequence[Outline], random: Generator, may_begin: bool = True, shape: Mapping[str, Any] = ANY
    ) -> Decision:
        """Begin a trial or go on with one, by the shares of epochs so far."""
        seen = self._history.take(trials)
        if may_begin and (len(trials) < self.startup or seen.looked < self.startup // 2):
            believed = len(trials) % 2 == 0  # every other one is drawn anywhere, should the prior mislead
            return self._begin((self._prior if believed else self._encoding).draw(1, random)[0])
        paused = [trial for trial in trials if trial.standing is Standing.PAUSED and trial.curve]
        ends = sum(_to_the_end(trial) for trial in trials)
        workers = 1 + sum(trial.standing is Standing.RUNNING for trial in trials)
        starts = ends < workers // 2  # one worker alone can wait for no end
        looked = not may_begin or seen.on_looks >= START_LOOKS * self.epochs * workers
        if starts and looked and (promoted := self._halving.next(trials, random, may_begin=False)) is not None:
            return promoted
        looks = may_begin and (starts or not paused or seen.on_looks <= self._look_share(seen.spent) * seen.spent)
        if not looks and not paused:
            return None
        hedge = random.random() < (self.random_share if looks else self.halving_share)
        if hedge and looks:
            return self._begin(self._encoding.held(self._encoding.draw(1, random), shape)[0])
        asks_halving = not looks and (hedge or ends < FIRST_ENDS)
        if asks_halving and (promoted := self._halving.next(trials, random, may_begin=False)) is not None:
            return promoted
        self._learn(seen, believe_luck=random.random() < 0.5)
        return self._look(seen, random, shape) if looks else self._promote(paused, random)

    def _begin(self, point: Floats) -> Begin:
        return Begin(self.rungs[0] if self.rungs[0] < self.epochs else None, self._encoding.parameters(point))

    def _on(self, trial: Outline) -> GoOn:
        return GoOn(trial.number, next((rung for rung in self.rungs if rung > trial.epoch), None))

    def _look_share(self, spent: int) -> float:
        """Return the share of first looks after so many epochs of all trials."""
        return self.look_share * (LOOKS_LATER + (1 - LOOKS_LATER) / (1 + spent / (LOOKS_FALL * self.epochs)))

    # --- the model

    def _learn(self, seen: Seen, *, believe_luck: bool) -> None:
        """Condition the model on all curves, and on its own mean for the ends of those under way.

        What is to be improved on is the best end as it was observed (`believe_luck`), or as the model believes it: the
        first is the more ambitious where there is no noise, and the second not led astray where there is.
        """
        observed, whole = seen.observed()
        self._model.learn(observed)
        known = observed.excerpt(MOST_OBSERVED)
        self._model.condition(known)
        ends = observed[np.flatnonzero(whole)]
        self._best = float((ends.score if believe_luck else self._believed(ends)).max()) if len(ends) else None
        running = seen.running()
        if len(running):
            known = known.and_(replace(running, score=self._believed(running)))
            self._model.condition(known)
        self._known = known

    def _believed(self, of: Observations) -> Floats:
        return self._model.mean(of.features, of.trial)

    # --- the two decisions

    def _look(self, seen: Seen, random: Generator, shape: Mapping[str, Any]) -> Begin:
        """Begin where the most improvement on the best end is expected."""
        begun, mean = seen.begun, self._believed(self._known)
        threshold = float(mean.max()) if self._best is None else self._best
        promising = list(dict.fromkeys(self._known.trial[np.argsort(-mean)].tolist()))[:5]
        points = np.vstack(
            [self._encoding.draw(CANDIDATES // 2, random), self._prior.draw(CANDIDATES // 2, random)]
            + [self._encoding.near(point, 20, random) for point in self._history.points(promising)]
        )
        points = self._encoding.held(points, shape)
        gain = self._gain(points, threshold, begun)
        for _ in range(2):
            top = np.argsort(-gain)[:2]
            closer = np.vstack([self._encoding.near(points[place], 24, random) for place in top])
            closer = self._encoding.held(closer, shape)
            points, gain = (
                np.vstack([points[top], closer]),
                np.concatenate([gain[top], self._gain(closer, threshold, begun)]),
            )
        return self._begin(points[int(np.argmax(gain))])

    def _gain(self, points: Floats, threshold: float, begun: Floats) -> Floats:
        """Return the expected improvement of new trials by model and prior.

        It is less where one was begun already: that one can go on instead.
        """
        features = self._encoding.features(points)
        gain = expected_improvement(*self._model.predict(features), threshold)
        gain *= self._prior.density(points) ** weight(len(begun))
        unlike: Floats = 1 - self._model.likeness(features, begun) ** 2
        return gain * unlike

    def _promote(self, paused: Sequence[Outline], random: Generator) -> GoOn:
        """Go on with the trial of the most expected improvement for each epoch that it needs to its end."""
        if len(paused) > MOST_COMPARED:
            paused = self._compared(paused, random)
        rows = self._history.of(paused)
        mean, deviation = self._model.predict(rows["features"], rows["number"])
        threshold = float(np.median(mean)) if self._best is None else self._best
        left = np.array([max(self.epochs - trial.epoch, 1) for trial in paused])
        gain = sum(expected_improvement(mean, wide * deviation, threshold) for wide in WIDTHS)
        chosen = paused[int(np.argmax(gain / left))]
        return self._on(chosen)

    def _compared(self, paused: Sequence[Outline], random: Generator) -> list[Outline]:
        """Return those whose last values are best, and as many others."""
        value = np.array([trial.curve[-1][1] for trial in paused])
        order = np.argsort(-value if self.direction == "maximize" else value)
        half = MOST_COMPARED // 2
        return [paused[place] for place in [*order[:half], *random.choice(order[half:], half, replace=False)]]


def expected_improvement(mean: Floats, deviation: Floats, threshold: float) -> Floats:
    """Return how far above the threshold a normal variable is expected to be, 0 where below (Mockus, 1978)."""
    ahead = (mean - threshold) / deviation
    found: Floats = deviation * (ahead * ndtr(ahead) + np.exp(-0.5 * ahead * ahead) / math.sqrt(2 * math.pi))
    return found


def _to_the_end(trial: Outline) -> bool:
    """Whether it has ended, or is trained and pauses no more."""
    return trial.standing is Standing.COMPLETE or (trial.standing is Standing.RUNNING and trial.until is None)
