"""New trials of a worker that trains several at once: so many in a row have the shape of the first, to be one stack."""

import threading
import warnings
from collections.abc import Mapping
from typing import Any

import optuna
from optuna.samplers import PartialFixedSampler

from winnow.objectives.space import shaping, suggest
from winnow.search.study.study import WinnowStudy
from winnow.storage.claims import FIXED_PARAMETERS
from winnow.storage.leases import Lease


class ShapeRuns:
    """Draws each new trial before the next is claimed, so that each is drawn knowing what the others take."""

    def __init__(self, study: WinnowStudy, in_a_row: int, sampler_lock: threading.Lock) -> None:
        self._study = study
        self._in_a_row = in_a_row
        self._sampler_lock = sampler_lock
        self._names = shaping(study.spec.space)
        # What a sampler draws at random before it models anything is to be as varied as it can.
        self._first: int = getattr(study.spec.sampler, "n_startup_trials", 0)
        self._shape: Mapping[str, Any] = {}
        self._left = 0

    def draw(self, lease: Lease) -> None:
        """Draw the parameters of a trial of which nothing is known yet; raises what the storage and the sampler do.

        That is one that this lease has made, or an earlier one that was lost before it could draw.
        """
        if not lease.made_trial and self._is_known(lease):
            return
        sampler = self._study.sampler_of(lease.number)
        if self.shape:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
                sampler = PartialFixedSampler(dict(self.shape), sampler)
        with self._study.storage.holding(lease), self._sampler_lock:
            study = optuna.load_study(study_name=self._study.name, storage=self._study.storage, sampler=sampler)
            trial = optuna.trial.Trial(study, lease.trial_id)
            suggest(trial, self._study.spec.space, {})
        self.began(lease.number, trial.params)

    @property
    def shape(self) -> Mapping[str, Any]:
        """What the next new trial is to have of its shape; nothing where it decides on one."""
        return self._shape if self._left > 0 else {}

    def began(self, number: int, parameters: Mapping[str, Any]) -> None:
        """Count a new trial into its row, or begin the next row with it."""
        shape = {name: parameters[name] for name in self._names if name in parameters}
        if self._left > 0 and shape.items() >= self._shape.items():
            self._left -= 1
        elif number >= self._first:
            self._shape, self._left = shape, self._in_a_row - 1

    def _is_known(self, lease: Lease) -> bool:
        trial = self._study.storage.get_trial(lease.trial_id)
        return bool(trial.params) or FIXED_PARAMETERS in trial.system_attrs
