"""A study on this machine: a fleet works on it, and a person watches, until it is done or stopped."""

import logging
import math
import os
import platform
from collections.abc import Callable, Sequence

from winnow.errors import WorkerFailed
from winnow.search.analysis.formatting import counted
from winnow.search.analysis.status import Status
from winnow.search.analysis.study_view import StudyView
from winnow.search.launch.fleet import Fleet
from winnow.search.launch.packer import Packer
from winnow.search.launch.placement import Place
from winnow.search.study.study import WinnowStudy
from winnow.search.worker.steering import refuse_deleted
from winnow.search.worker.supervision import Farewell
from winnow.storage import leases, workers
from winnow.storage.activity import State

ENOUGH_FAILURES = 5
"""When the first so many trials all failed, the rest would too."""

_log = logging.getLogger("winnow")


class LocalRun:
    """One study on a fleet of this machine."""

    def __init__(
        self,
        study: WinnowStudy,
        places: Sequence[Place],
        grace_seconds: float,
        more: Sequence[str] = (),
        pack_to: int | None = None,
    ) -> None:
        """With `pack_to`, each place's device gets more workers like it while that pays, and so many at most."""
        self.study = study
        self.places = list(places)
        self._view = StudyView.of(study)
        self.now = self._view.status()
        database, files = study.storage.database, study.storage.files
        self.fleet = Fleet(
            [study.name, *more],
            places,
            database,
            files / "logs",
            grace_seconds=grace_seconds,
            built_in=study.spec.built_in,
        )
        self.leaves_others = False
        """Whether it has ended before trials that are left, since no worker of Winnow's runs them."""
        self._given_up: list[Farewell | None] = []
        self._packer = None if pack_to is None else Packer(self.fleet, places, pack_to)
        study.storage.database.patience = math.inf  # an outage of the database ends no search
        study.storage.database.give_up = lambda: self.fleet.stopped_by is not None

    def run(self, show: Callable[[Status], None]) -> Status:
        """Work until the study is done or is stopped, here or from elsewhere; `show` gets the state of things.

        Raises WorkerFailed where no worker can be kept alive, or where every trial fails; StudyError where the study is
        deleted meanwhile.
        """

        def trials_left() -> float:
            self._write_given_up()
            self.now = self._view.status()
            refuse_to_waste(self.now)
            show(self.now)
            if self._packer is not None:
                self._packer.look(self.now, self.study.optuna.get_trials(deepcopy=False))
            if self.now.is_done or self.now.state is State.STOPPED or self._has_others_left():
                return 0
            budget = self.now.spent.budget.trials
            return math.inf if budget is None else max(1, budget - self.now.finished)

        try:
            self.fleet.run(trials_left)
            self.now = self._view.status()
        except KeyError:
            refuse_deleted(self.study)
            raise
        refuse_to_waste(self.now)
        show(self.now)
        return self.now

    def _has_others_left(self) -> bool:
        """Return whether all that is left are trials that stock Optuna runs, or has left running."""
        idle = bool(self.fleet.slots) and all(slot.supervisor.idle for slot in self.fleet.slots)
        if not (idle and self.now.spent.exhausted) or self.now.states.get("WAITING", 0):
            return False
        if leases.count_held(self.study.storage.database, self.study.study_id):
            return False
        _log.warning("not waited for: %s that no worker of Winnow's runs", counted(self.now.active, "trial"))
        self.leaves_others = True
        return True

    def _write_given_up(self) -> None:
        """Write down each place that the fleet has given up since the last look, for whoever watches the study."""
        now = [(slot.place.device.name, slot.supervisor.given_up) for slot in self.fleet.slots]
        known, self._given_up = self._given_up, [farewell for _, farewell in now]
        for device, farewell in now:
            if farewell is not None and not any(farewell is each for each in known):
                reason, database = farewell.problem, self.study.storage.database
                workers.give_up(database, self.study.study_id, platform.node(), os.getpid(), device, reason)


def refuse_to_waste(now: Status) -> None:
    """Raise WorkerFailed where every trial failed: before a mistake uses up the whole budget, or at its end."""
    if now.all_failed and (now.finished >= ENOUGH_FAILURES or now.is_done):
        reason = max(now.failures, key=lambda reason: now.failures[reason])
        raise WorkerFailed(
            f"{'its' if now.is_done else 'the first'} {counted(now.finished, 'trial')} all failed: {reason}"
            f"{now.place_of_failure(reason)}",
            f"fix that and run it again; winnow status {now.study} --json has the tracebacks",
        )
