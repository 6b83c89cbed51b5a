"""A hyperparameter as an axis: its scale over the whole search, and where each trial stands on it."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

from winnow.errors import StudyError
from winnow.search.analysis.study_record import StudyRecord, TrialRecord


class Axis:
    """The searched range of one hyperparameter, or its choices, which stand at 0, 1, 2, …: numbers by their size."""

    def __init__(self, record: StudyRecord, name: str) -> None:
        """Raise StudyError where the study searched no hyperparameter of this name."""
        self.name = name
        kinds = [trial.distributions[name] for trial in record.trials if name in trial.distributions]
        if not kinds:
            known = ", ".join(record.parameter_names) or "none"
            raise StudyError(f"study {record.study!r} searched no {name!r}", f"searched were: {known}")
        self.log = any(isinstance(kind, FloatDistribution | IntDistribution) and kind.log for kind in kinds)
        self.choices: list[Any] = []
        for kind in kinds:
            if isinstance(kind, CategoricalDistribution):
                self.choices += [choice for choice in kind.choices if choice not in self.choices]
        if all(isinstance(choice, int | float) and not isinstance(choice, bool) for choice in self.choices):
            self.choices.sort()
        numeric = [kind for kind in kinds if isinstance(kind, FloatDistribution | IntDistribution)]
        self.low = float(min((kind.low for kind in numeric), default=0))
        self.high = float(max((kind.high for kind in numeric), default=len(self.choices) - 1))
        self.whole = all(isinstance(kind, IntDistribution) for kind in numeric)

    def positions(self, trials: Sequence[TrialRecord]) -> NDArray[np.float64]:
        """Return where each trial stands in the axis's own unit; NaN where it did not have the hyperparameter."""
        return np.array([self._position(trial.parameters.get(self.name)) for trial in trials], dtype=np.float64)

    def unit(self, trials: Sequence[TrialRecord]) -> NDArray[np.float64]:
        """Return the same from 0 to 1 over the searched range, in its scale."""
        if self.log:
            return scaled(np.log(self.positions(trials)), np.log(self.low), np.log(self.high))
        return scaled(self.positions(trials), self.low, self.high)

    def positions_at(self, unit: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the inverse of `unit`."""
        low, high = (np.log(self.low), np.log(self.high)) if self.log else (self.low, self.high)
        positions: NDArray[np.float64] = low + unit * (high - low)
        return np.exp(positions) if self.log else positions

    def grid(self, points: int, seen: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return places from 0 to 1 for the whole range: each choice of those `seen`, or middles of equal parts."""
        if self.choices:
            return np.unique(seen)
        return (np.arange(points) + 0.5) / points

    def _position(self, value: Any) -> float:
        if value is None and None not in self.choices:
            return np.nan
        return float(self.choices.index(value)) if self.choices else float(value)


def scaled(values: NDArray[np.float64], low: float, high: float) -> NDArray[np.float64]:
    """Return `values` with `low` at 0 and `high` at 1; in the middle where the two are one."""
    return (values - low) / (high - low) if high > low else values * 0 + 0.5
