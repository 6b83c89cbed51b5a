"""The trials of a worker that trains several at once: so many in a row have the shape of the first, to be one stack."""

import threading
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import optuna
from optuna.samplers import PartialFixedSampler
from optuna.trial import FixedTrial, FrozenTrial, TrialState

from winnow.objectives.space import shaping, suggest
from winnow.search.study.study import WinnowStudy
from winnow.storage.claims import FIXED_PARAMETERS
from winnow.storage.leases import Lease

SizeOf = Callable[[Lease, Mapping[str, Any]], int]
"""How many trainings of the shape of these values, which this trial has, are done at once."""


@dataclass
class _Row:
    """What the next trials are to have of the shape of the first."""

    shape: Mapping[str, Any] = field(default_factory=dict)
    left: int = 0

    def takes(self, shape: Mapping[str, Any]) -> bool:
        """Count a trial of this shape into the row; False where it is not of it, or the row is full."""
        if self.left <= 0 or not shape.items() >= self.shape.items():
            return False
        self.left -= 1
        return True


class ShapeRuns:
    """Draws each new trial before the next is claimed, so that each is drawn knowing what the others take."""

    def __init__(
        self, study: WinnowStudy, in_a_row: int, sampler_lock: threading.Lock, size_of: SizeOf, most: int
    ) -> None:
        """Rows of new trials are of at most `in_a_row`; those of given ones, which cost a search nothing, of `most`."""
        self._study = study
        self._in_a_row = in_a_row
        self._sampler_lock = sampler_lock
        self._size_of = size_of
        self._most = most
        self._names = shaping(study.spec.space)
        # What a sampler draws at random before it models anything is to be as varied as it can.
        self._first: int = getattr(study.spec.sampler, "n_startup_trials", 0)
        self._new = _Row()
        self._again = _Row()
        self._mates: list[int] = []
        self.sizes: dict[tuple[Any, ...], int] = {}
        """How many of each shape that has come are trained at once."""

    def draw(self, lease: Lease) -> tuple[int, FrozenTrial]:
        """Draw the parameters of a trial of which nothing is known yet; raises what the storage and the sampler do.

        That is one that this lease has made, or an earlier one that was lost before it could draw. Returns how many of
        its shape are trained at once, and the trial as it is now.
        """
        trial = lease.trial or self._study.storage.get_trial(lease.trial_id)
        if parameters := _parameters(trial):
            size = self._size(lease, parameters)
            if lease.earlier:
                self._went_on(lease, parameters, size)
            elif self._shape_of(parameters) == self._new.shape:
                self._new.left = min(self._new.left, size - 1)
            return size, trial
        study = self._study.handle(lease.number)
        study.pruner = optuna.pruners.NopPruner()  # Hyperband would show some samplers its bracket's trials alone
        if self.shape:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
                study.sampler = PartialFixedSampler(dict(self.shape), study.sampler)
        with self._study.storage.holding(lease, draws_together=True), self._sampler_lock:
            drawn = optuna.trial.Trial(study, lease.trial_id)
            suggest(drawn, self._study.spec.space, {})
            trial = self._study.storage.get_trial(lease.trial_id)
        self.began(lease.number, trial.params)
        size = self._size(lease, trial.params)
        self._new.left = min(self._new.left, size - 1)
        return size, trial

    @property
    def shape(self) -> Mapping[str, Any]:
        """What the next new trial is to have of its shape; nothing where it decides on one."""
        return self._new.shape if self._new.left > 0 else {}

    @property
    def mates(self) -> Sequence[int]:
        """The numbers of trials that wait and are of the shape of the last that went on: of equals, these come next."""
        return self._mates if self._again.left > 0 else []

    def goes_on_with(self, parameters: Mapping[str, Any]) -> bool:
        """Return whether a trial is of the shape of the last that went on, and that one's row has room."""
        return self._again.left > 0 and self._shape_of(parameters) == self._again.shape

    def began(self, number: int, parameters: Mapping[str, Any]) -> None:
        """Count a new trial into its row, or begin the next row with it."""
        shape = self._shape_of(parameters)
        if not self._new.takes(shape) and number >= self._first:
            self._new = _Row(shape, self._in_a_row - 1)

    def _went_on(self, lease: Lease, parameters: Mapping[str, Any], size: int) -> None:
        """Count a trial that was broken off into its row, or begin the next row with it."""
        shape = self._shape_of(parameters)
        if self._again.takes(shape):
            return
        self._again = _Row(shape, min(self._most, size) - 1)
        if self._again.left > 0:
            waiting = self._study.storage.get_all_trials(lease.study_id, False, (TrialState.WAITING,))
            self._mates = [each.number for each in waiting if self._shape_of(_parameters(each)) == shape]

    def _shape_of(self, parameters: Mapping[str, Any]) -> dict[str, Any]:
        return {name: parameters[name] for name in self._names if name in parameters}

    def _size(self, lease: Lease, parameters: Mapping[str, Any]) -> int:
        key = tuple(self._shape_of(parameters).items())
        if key not in self.sizes:
            spec = self._study.spec
            self.sizes[key] = self._size_of(lease, suggest(FixedTrial(dict(parameters)), spec.space, spec.fixed))
        return self.sizes[key]


def _parameters(trial: FrozenTrial) -> dict[str, Any]:
    """Return what a trial takes, as far as it is known: a queued one draws it when it trains."""
    return {**trial.system_attrs.get(FIXED_PARAMETERS, {}), **trial.params}
