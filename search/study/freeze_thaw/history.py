"""The history of a search as its model sees it: of each trial its last rungs and its end, read once while it rests.

So a decision costs little more after thousands of trials than after hundreds: of most of them nothing has changed since
the last one.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from winnow.search.study.encoding import Encoding, Floats
from winnow.search.study.freeze_thaw.curve_model import Observations
from winnow.search.study.freeze_thaw.scores import scores
from winnow.search.study.schedulers import Direction, Outline, Standing

SHOWN = 3
"""Values of a trial that the model is shown at most: at its last two rungs, and the last of all."""


@dataclass(frozen=True)
class Seen:
    """All trials at one moment: a row each, in their order."""

    rows: NDArray[Any]
    epochs: int
    """Of a whole training."""

    @property
    def looked(self) -> int:
        """How many came to the first rung and showed something finite."""
        return int(self.rows["looked"].sum())

    @property
    def spent(self) -> int:
        """Epochs of all trials, those ordered included."""
        return int(self.rows["ordered"].sum())

    @property
    def on_looks(self) -> int:
        """Epochs of first looks, those ordered included."""
        return int(self.rows["first"].sum())

    @property
    def begun(self) -> Floats:
        """The features of all trials that have drawn something."""
        features: Floats = self.rows["features"][self.rows["begun"]]
        return features

    def observed(self) -> tuple[Observations, NDArray[np.bool_]]:
        """Return what the model is shown, and which of it are ends.

        Of a training that showed nothing finite that is the worst of all others, halfway between first and last epoch.
        """
        known = self.rows[~self.rows["failed"]]
        place, column = np.nonzero(np.isfinite(known["value"]))
        value, epoch = known["value"][place, column], known["epoch"][place, column]
        silent = np.flatnonzero(known["silent"])
        place = np.concatenate([place, silent])
        value = np.concatenate([value, np.full(len(silent), value.min(initial=np.inf) if len(value) else 0.0)])
        epoch = np.concatenate([epoch, np.full(len(silent), math.sqrt(self.epochs))])
        remaining = 1 - np.log(epoch) / math.log(max(self.epochs, 2))
        of = known[place]
        return Observations(of["features"], remaining, of["number"], scores(value)), epoch == self.epochs

    def running(self) -> Observations:
        """Return the ends of the trials under way, whose scores nobody knows yet."""
        under_way = self.rows[self.rows["running"]]
        unknown = np.zeros(len(under_way))
        return Observations(under_way["features"], unknown, under_way["number"], unknown)


class History:
    """What is known of trials, by number."""

    def __init__(self, encoding: Encoding, rungs: Sequence[int], epochs: int, direction: Direction) -> None:
        self._encoding, self._rungs, self._epochs = encoding, rungs, epochs
        self._sign = 1.0 if direction == "maximize" else -1.0
        flags = [(name, bool) for name in ("looked", "begun", "failed", "silent", "running")]
        numbers = [(name, int) for name in ("number", "ordered", "first")]
        wide = [("point", float, len(encoding.names)), ("features", float, len(encoding.group))]
        shown = [(name, float, SHOWN) for name in ("epoch", "value")]
        self._rows = np.zeros(64, [*flags, *numbers, *((name, kind, (size,)) for name, kind, size in [*wide, *shown])])
        self._places: dict[int, int] = {}
        self._read: dict[int, tuple[object, ...]] = {}

    def take(self, trials: Sequence[Outline]) -> Seen:
        """Read what has changed of the trials."""
        return Seen(self.of(trials), self._epochs)

    def of(self, trials: Sequence[Outline]) -> NDArray[Any]:
        """Return the rows of trials, in their order."""
        changed = []
        for trial in trials:
            state = trial.standing, len(trial.curve), trial.until, len(trial.parameters)
            if self._read.get(trial.number) != state:
                self._read[trial.number] = state
                changed.append(trial)
        if changed:
            self._take_in(changed)
        return self._rows[[self._places[trial.number] for trial in trials]]

    def points(self, numbers: Sequence[int]) -> Floats:
        """Return where trials of these numbers stand, (count, parameters)."""
        points: Floats = self._rows["point"][[self._places[number] for number in numbers]]
        return points

    def _take_in(self, trials: Sequence[Outline]) -> None:
        for trial in trials:
            self._places.setdefault(trial.number, len(self._places))
        while len(self._rows) < len(self._places):
            self._rows = np.concatenate([self._rows, np.zeros_like(self._rows)])
        points = np.array([self._encoding.point(trial.parameters) for trial in trials])
        for trial, point, features in zip(trials, points, self._encoding.features(points), strict=True):
            finite = [(epoch, self._sign * value) for epoch, value in trial.curve if math.isfinite(value)]
            ordered = trial.epoch
            if trial.standing is Standing.RUNNING:
                ordered = max(ordered, trial.until or self._epochs)
            row = self._rows[self._places[trial.number]]
            row["number"], row["point"], row["features"] = trial.number, point, features
            row["ordered"], row["first"] = ordered, min(ordered, self._rungs[0])
            row["looked"] = bool(finite) and trial.epoch >= self._rungs[0]
            row["begun"] = bool(trial.curve or trial.parameters)
            row["failed"], row["running"] = trial.standing is Standing.FAILED, trial.standing is Standing.RUNNING
            row["silent"] = not finite and bool(trial.curve or trial.standing.ended)
            row["epoch"], row["value"] = self._epochs, np.nan
            for column, (epoch, value) in enumerate(self._shown(finite, trial.standing)):
                row["epoch"][column], row["value"][column] = epoch, value

    def _shown(self, finite: list[tuple[int, float]], standing: Standing) -> list[tuple[int, float]]:
        """Return (epoch, value) of what the model is shown of a curve; what is complete is at its last epoch."""
        last = [pair for pair in finite if pair[0] in self._rungs][-2:] or finite[-1:]
        if finite and finite[-1] not in last:
            last.append(finite[-1])
        if finite and standing is Standing.COMPLETE:
            last[-1] = (self._epochs, last[-1][1])
        return last
