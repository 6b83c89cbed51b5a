"""The storage that Optuna works with: its interface, on Optuna's own tables, with leases, patience and a memory.

What has finished is read from the database once. A trial that a lease of this process holds is kept in memory too:
nobody else may change it, and every change of ours is refused by the database once the lease is lost.
"""

import copy
import math
import os
import threading
import time
import weakref
from collections.abc import Container, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from optuna.distributions import BaseDistribution, check_distribution_compatibility
from optuna.exceptions import DuplicatedStudyError, UpdateFinishedTrialError
from optuna.storages import BaseStorage
from optuna.study import StudyDirection
from optuna.study._frozen import FrozenStudy
from optuna.trial import FrozenTrial, TrialState
from sqlalchemy import URL, make_url
from sqlalchemy.exc import IntegrityError

from winnow.storage import connections, content, identities, stores, studies, trials
from winnow.storage.database import Database
from winnow.storage.errors import ContentRefused
from winnow.storage.leases import Lease
from winnow.storage.optuna_tables import (
    study_system_attributes,
    study_user_attributes,
    trial_system_attributes,
    trial_user_attributes,
)
from winnow.storage.trial_cache import TrialCache, as_pruned, read_one


@dataclass
class _Held:
    """A trial that this process holds by a lease, as this process wrote it."""

    lease: Lease
    trial: FrozenTrial
    drawn: trials.Drawn | None
    """What is to be written together; None where each change is at once."""


class Storage(BaseStorage):
    """An Optuna storage that also holds Winnow's tables. Made by `storage.open`; may be shared by threads."""

    def __init__(self, url: URL) -> None:
        self._url = url
        self.database = Database(connections.make(url))
        weakref.finalize(self, self.database.release)  # a storage that nobody holds any more keeps no connection
        self.freshness = 0.0
        """For how many seconds finished trials may be given as they were last read. A worker's pruner need not know
        within a second what another worker's trial came to."""
        self.shows_paused_as_pruned = False
        """Whether a paused trial is given as PRUNED with its last value, but with no time at which it ended: so a
        sampler learns from what it has shown."""
        self._lock = threading.RLock()
        self._caches: dict[int, TrialCache] = {}
        self._held: dict[int, _Held] = {}
        self._studies: dict[int, int] = {}
        self._directions: dict[int, list[StudyDirection]] = {}
        self._distributions: dict[tuple[int, str], BaseDistribution] = {}

    @property
    def place(self) -> str:
        """The URL without its password."""
        return self._url.render_as_string(hide_password=True)

    @property
    def files(self) -> Path:
        """The folder of this machine's own files, and of all files where they do not lie on S3."""
        return stores.files_of(self._url)

    @cached_property
    def store(self) -> stores.Store:
        """Where checkpoints and artifacts lie: WINNOW_FILES (a folder or s3://BUCKET/PREFIX), or beside an SQLite file.

        Raises StorageError where that cannot be.
        """
        return stores.of(self._url)

    def home(self, study_id: int) -> str:
        """Return the folder of a study's own files, below `files` and in `store`; raise KeyError."""
        return self.database.transaction(identities.home, study_id)

    def __repr__(self) -> str:
        return f"<Winnow storage {self.place}>"

    def __getstate__(self) -> dict[str, Any]:
        """Return what a pickle holds: the URL without its password."""
        return {"url": self._url._replace(password=None).render_as_string(hide_password=False)}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Connect again; a password is taken from OPTUNA_STORAGE where that names the same storage."""
        url = make_url(state["url"])
        known = os.environ.get("OPTUNA_STORAGE", "")
        if url.username is not None and known:
            given = make_url(known)
            if all(getattr(given, part) == getattr(url, part) for part in ("host", "port", "database", "username")):
                url = url.set(password=given.password)
        self.__init__(url)  # type: ignore[misc]

    # --- leases

    @contextmanager
    def holding(self, lease: Lease, draws_together: bool = False) -> Iterator[None]:
        """Make every change of this trial in the name of a lease; once it is lost, changes raise LeaseLost.

        With `draws_together` what is drawn for it is written at the end, in one transaction.
        """
        held = _Held(lease, lease.trial or self.get_trial(lease.trial_id), trials.Drawn() if draws_together else None)
        with self._lock:
            self._studies[lease.trial_id] = lease.study_id
            self._held[lease.trial_id] = held
        try:
            yield
            if held.drawn is not None:
                with self._by_right(lease.trial_id):
                    self.database.transaction(trials.set_drawn, lease, held.drawn)
        finally:
            with self._lock:
                del self._held[lease.trial_id]
                if lease.study_id in self._caches:
                    self._caches[lease.study_id].read_at = -math.inf  # how it ended is news

    def note_intermediate_value(self, trial_id: int, step: int, value: float) -> None:
        """Remember a value of a held trial that was written with its epoch (see `epochs.record`): the first stays."""
        with self._lock:
            held = self._held.get(trial_id)
            if held is not None and step not in held.trial.intermediate_values:
                self._remember(trial_id, "intermediate_values", step, value)

    def oldest_unfinished(self, study_id: int) -> int:
        """Return a trial id before which, as far as this process knows, all trials of the study have finished."""
        with self._lock:
            cache = self._caches.get(study_id)
            return 0 if cache is None else cache.seen.oldest_unfinished

    # --- studies, as Optuna's BaseStorage says

    def create_new_study(self, directions: Sequence[StudyDirection], study_name: str | None = None) -> int:
        """Behave as Optuna's."""
        try:
            return self.database.write(studies.create, directions, study_name)
        except IntegrityError:
            raise DuplicatedStudyError(f"there is a study {study_name!r} already") from None

    def delete_study(self, study_id: int) -> None:
        """Behave as Optuna's."""
        self.database.write(studies.remove, study_id)
        with self._lock:
            self._caches.pop(study_id, None)
            self._directions.pop(study_id, None)
            self._studies = {trial: study for trial, study in self._studies.items() if study != study_id}
            self._distributions = {key: kind for key, kind in self._distributions.items() if key[0] != study_id}

    def set_study_user_attr(self, study_id: int, key: str, value: Any) -> None:
        """Behave as Optuna's."""
        self.database.change(studies.set_attribute, study_user_attributes, study_id, key, value)

    def set_study_system_attr(self, study_id: int, key: str, value: Any) -> None:
        """Behave as Optuna's."""
        self.database.change(studies.set_attribute, study_system_attributes, study_id, key, value)

    def get_study_id_from_name(self, study_name: str) -> int:
        """Behave as Optuna's."""
        return self.database.read(studies.id_of, study_name)

    def get_study_name_from_id(self, study_id: int) -> str:
        """Behave as Optuna's."""
        return self.database.read(studies.name_of, study_id)

    def get_study_directions(self, study_id: int) -> list[StudyDirection]:
        """Behave as Optuna's."""
        if study_id not in self._directions:
            self._directions[study_id] = self.database.read(studies.directions_of, study_id)
        return list(self._directions[study_id])

    def get_study_user_attrs(self, study_id: int) -> dict[str, Any]:
        """Behave as Optuna's."""
        return self.database.read(studies.attributes, study_user_attributes, study_id)

    def get_study_system_attrs(self, study_id: int) -> dict[str, Any]:
        """Behave as Optuna's."""
        return self.database.read(studies.attributes, study_system_attributes, study_id)

    def get_all_studies(self) -> list[FrozenStudy]:
        """Behave as Optuna's."""
        return self.database.read(studies.everything)

    # --- trials, as Optuna's BaseStorage says

    def create_new_trial(self, study_id: int, template_trial: FrozenTrial | None = None) -> int:
        """Behave as Optuna's."""
        trial_id = self.database.write(trials.create, study_id, template_trial)
        self._studies[trial_id] = study_id
        return trial_id

    def set_trial_param(
        self, trial_id: int, param_name: str, param_value_internal: float, distribution: BaseDistribution
    ) -> None:
        """Behave as Optuna's; raises LeaseLost."""
        with self._by_right(trial_id) as lease:
            content.name(param_name, "a parameter")
            known = self._distribution(trial_id, param_name)
            if known is not None:
                if lease is None:
                    self.check_trial_is_updatable(trial_id, self.get_trial(trial_id).state)
                check_distribution_compatibility(known, distribution)
            draw, held = (param_name, param_value_internal, distribution), self._held.get(trial_id)
            if held is None or held.drawn is None:
                self.database.change(trials.set_parameter, trial_id, lease, draw)
            else:
                held.drawn.parameters.append(draw)
        self._distributions.setdefault((self._study_of(trial_id), param_name), distribution)
        self._remember(trial_id, "_params", param_name, distribution.to_external_repr(param_value_internal))
        self._remember(trial_id, "_distributions", param_name, distribution)

    def set_trial_state_values(self, trial_id: int, state: TrialState, values: Sequence[float] | None = None) -> bool:
        """Behave as Optuna's; raises LeaseLost."""
        with self._by_right(trial_id) as lease:
            return self.database.write(trials.set_state, trial_id, lease, state, values)

    def set_trial_intermediate_value(self, trial_id: int, step: int, intermediate_value: float) -> None:
        """Behave as Optuna's; raises LeaseLost."""
        with self._by_right(trial_id) as lease:
            self.database.change(trials.set_intermediate_value, trial_id, lease, step, intermediate_value)
        self._remember(trial_id, "intermediate_values", step, intermediate_value)

    def set_trial_user_attr(self, trial_id: int, key: str, value: Any) -> None:
        """Behave as Optuna's; raises LeaseLost."""
        with self._by_right(trial_id) as lease:
            self.database.change(trials.set_attribute, trial_user_attributes, trial_id, lease, key, value)
        self._remember(trial_id, "_user_attrs", key, value)

    def set_trial_system_attr(self, trial_id: int, key: str, value: Any) -> None:
        """Behave as Optuna's; raises LeaseLost."""
        with self._by_right(trial_id) as lease:
            if (held := self._held.get(trial_id)) is None or held.drawn is None:
                self.database.change(trials.set_attribute, trial_system_attributes, trial_id, lease, key, value)
            else:
                held.drawn.attributes[key] = value
        self._remember(trial_id, "_system_attrs", key, value)

    def get_trial(self, trial_id: int) -> FrozenTrial:
        """Behave as Optuna's. A held trial is given from memory."""
        with self._lock:
            if trial_id in self._held:
                return self._held[trial_id].trial
            cache = self._caches.get(self._studies.get(trial_id, -1))
            if cache is not None and trial_id in cache.finished:
                return cache.finished[trial_id]
        trial = self.database.read(read_one, trial_id)
        if trial is None:
            raise KeyError(f"there is no trial with the id {trial_id}")
        return trial

    def get_all_trials(
        self, study_id: int, deepcopy: bool = True, states: Container[TrialState] | None = None
    ) -> list[FrozenTrial]:
        """Behave as Optuna's. Costs what is new since the last call, not what there is."""
        wanted = frozenset(state for state in TrialState if states is None or state in states)
        if self.shows_paused_as_pruned and TrialState.PRUNED in wanted:
            wanted |= {TrialState.WAITING}
        with self._lock:
            cache = self._caches.get(study_id)
            if cache is None:
                self.database.read(studies.check, study_id)
                cache = self._caches.setdefault(study_id, TrialCache(study_id))
            only_finished = all(state.is_finished() for state in wanted)
            if only_finished and time.monotonic() - cache.read_at < self.freshness:
                unfinished = []
            else:
                held = {trial_id: held.trial for trial_id, held in self._held.items()}
                unfinished = self.database.read(cache.refresh, wanted, held)
            found = cache.of_states(wanted)
            if unfinished:
                if self.shows_paused_as_pruned:
                    paused = {trial_id: as_pruned(trial) for trial_id, (_, trial) in cache.paused.items()}
                    unfinished = [paused.get(trial._trial_id, trial) for trial in unfinished]
                found += [trial for trial in unfinished if states is None or trial.state in states]
                found.sort(key=lambda trial: trial.number)
        return copy.deepcopy(found) if deepcopy else found

    # --- how all of them reach the database

    @contextmanager
    def _by_right(self, trial_id: int) -> Iterator[Lease | None]:
        """Give the lease by which a trial may be changed, and say why where a change was refused."""
        held = self._held.get(trial_id)
        lease = None if held is None else held.lease
        try:
            yield lease
        except ContentRefused as error:
            raise error.of_trial(self.get_trial(trial_id).number) from None
        except trials.Refused:
            if lease is not None:
                raise lease.lost() from None
            trial = self.get_trial(trial_id)
            raise UpdateFinishedTrialError(f"trial {trial.number} has finished and cannot be changed") from None

    def _remember(self, trial_id: int, kind: str, key: Any, value: Any) -> None:
        """Change the memory of a held trial: by a copy, since earlier readers keep what they were given."""
        with self._lock:
            if (held := self._held.get(trial_id)) is None:
                return
            changed = copy.copy(held.trial)
            setattr(changed, kind, {**getattr(changed, kind), key: value})
            held.trial = changed

    def _distribution(self, trial_id: int, name: str) -> BaseDistribution | None:
        key = (self._study_of(trial_id), name)
        if key not in self._distributions:
            found = self.database.read(trials.distribution_in_study, *key)
            if found is None:
                return None
            self._distributions[key] = found
        return self._distributions[key]

    def _study_of(self, trial_id: int) -> int:
        if trial_id not in self._studies:
            self._studies[trial_id] = self.database.read(trials.study_of, trial_id)
        return self._studies[trial_id]
