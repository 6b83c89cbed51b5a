"""Configurations of a mixed search space as vectors: what a model of them compares, and what a search draws from.

A point has one coordinate in 0 to 1 for each parameter, active or not. Its features are what a kernel measures
distances in: a range is one column on its own scale, a choice one column an option, and what is inactive rests.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from winnow.objectives.space import (
    Choice,
    Range,
    Scalar,
    Space,
    conditions,
    hyperparameter,
    label,
    only_active,
    ordered,
)

Floats = NDArray[np.float64]


class Encoding:
    """A search space between its parameters, points of the unit cube, and features."""

    def __init__(self, space: Space) -> None:
        self.space = space
        self.names = ordered(space)
        sizes = [len(entry.choices) if isinstance(entry, Choice) else 1 for entry in self._entries]
        self.group = np.repeat(np.arange(len(self.names)), sizes)
        """Which parameter each column of the features is of."""
        self._first = np.concatenate([[0], np.cumsum(sizes)[:-1]]).astype(int)

    @property
    def _entries(self) -> list[Range | Choice]:
        return [self.space[name] for name in self.names]

    def draw(self, count: int, random: np.random.Generator) -> Floats:
        """Return points all over the space, (count, parameters)."""
        return random.random((count, len(self.names)))

    def near(self, point: Floats, count: int, random: np.random.Generator) -> Floats:
        """Return points around one: some of its coordinates moved, by steps of several sizes; (count, parameters)."""
        width = random.choice([0.02, 0.06, 0.15, 0.3], size=(count, 1))
        moved = random.random((count, len(point))) < random.choice([0.2, 0.5, 1.0], size=(count, 1))
        stepped = point + width * random.standard_normal((count, len(point)))
        stepped = np.where((stepped < 0) | (stepped > 1), point, stepped)
        for place, entry in enumerate(self._entries):
            if isinstance(entry, Choice):  # there is no small step between options
                moved[:, place] &= random.random(count) < 0.5
                stepped[:, place] = random.random(count)
        return np.where(moved, stepped, point)

    def held(self, points: Floats, parameters: Mapping[str, Any]) -> Floats:
        """Return points (count, parameters) with some parameters as they are given."""
        places = [place for place, name in enumerate(self.names) if name in parameters]
        points[:, places] = self.point(parameters)[places]
        return points

    def parameters(self, point: Floats) -> dict[str, Scalar]:
        """Return the parameters of a trial at this point: only those that are drawn."""
        return only_active(self.space, self.values(point))

    def values(self, point: Floats) -> dict[str, Scalar]:
        """Return the value of every parameter at this point, drawn or not."""
        return {name: self._value(*pair) for name, *pair in zip(self.names, self._entries, point, strict=True)}

    def point(self, parameters: Mapping[str, Any]) -> Floats:
        """Return where a trial stands; what it did not draw is in the middle."""
        found = np.full(len(self.names), 0.5)
        for place, (name, entry) in enumerate(zip(self.names, self._entries, strict=True)):
            if name in parameters:
                found[place] = _coordinate(entry, parameters[name])
        return found

    def features(self, points: Floats) -> Floats:
        """Return what the kernel sees of points, (count, columns)."""
        found = np.zeros((len(points), len(self.group)))
        known: dict[str, list[tuple[NDArray[np.bool_], str, Floats]]] = {}
        for place, (name, entry) in enumerate(zip(self.names, self._entries, strict=True)):
            column, at = points[:, place], self._first[place]
            drawn = np.ones(len(points), dtype=bool)
            for earlier, _, _ in known.get(hyperparameter(name), []):
                drawn &= ~earlier
            for parent, allowed in conditions(self.space, name).items():
                drawn &= self._holds(known.get(parent, []), {label(value) for value in allowed}, len(points))
            known.setdefault(hyperparameter(name), []).append((drawn, name, column))
            if isinstance(entry, Choice):
                options = len(entry.choices)
                rows = np.flatnonzero(drawn)
                found[:, at : at + options] = np.sqrt(0.5) / options
                found[rows, at : at + options] = 0.0
                found[rows, at + _option(entry, column[rows])] = np.sqrt(0.5)
            else:
                found[:, at] = np.where(drawn, column, 0.5)
        return found

    def _holds(
        self, parents: list[tuple[NDArray[np.bool_], str, Floats]], allowed: set[Scalar], count: int
    ) -> NDArray[np.bool_]:
        """Return where a searched parent is drawn and has one of the allowed values."""
        holds = np.zeros(count, dtype=bool)
        for drawn, name, column in parents:
            entry = self.space[name]
            if isinstance(entry, Choice):
                fits = np.array([value in allowed for value in entry.labels])[_option(entry, column)]
            else:
                fits = np.array([self._value(entry, float(x)) in allowed for x in column])
            holds |= drawn & fits
        return holds

    @staticmethod
    def _value(entry: Range | Choice, coordinate: float) -> Scalar:
        if isinstance(entry, Choice):
            return entry.labels[int(_option(entry, np.array([coordinate]))[0])]
        if entry.log:
            value = float(np.exp(np.log(entry.low) + coordinate * (np.log(entry.high) - np.log(entry.low))))
        else:
            value = entry.low + coordinate * (entry.high - entry.low)
        return entry.nearest(round(value) if entry.whole and not entry.step else value)


def _option(entry: Choice, column: Floats) -> NDArray[np.int_]:
    option: NDArray[np.int_] = np.minimum((column * len(entry.choices)).astype(int), len(entry.choices) - 1)
    return option


def _coordinate(entry: Range | Choice, value: Any) -> float:
    if isinstance(entry, Choice):
        return (entry.labels.index(value) + 0.5) / len(entry.choices) if value in entry.labels else 0.5
    low, high, value = (np.log(x) if entry.log else float(x) for x in (entry.low, entry.high, max(value, entry.low)))
    return float(np.clip((value - low) / (high - low), 0, 1)) if high > low else 0.5
