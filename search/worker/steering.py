"""What a worker is asked to do: by a signal to leave, by its study's state to pause or stop."""

import logging
import time

from winnow.errors import StudyError
from winnow.records import Outcome
from winnow.search.study.study import WinnowStudy
from winnow.search.worker.reaper import bring_back
from winnow.search.worker.shutdown import Shutdown
from winnow.storage.activity import State, state_of

LOOK_SECONDS = 2.0
"""How often, at most, a worker reads its study's state."""
_log = logging.getLogger("winnow")


class Steering:
    """What the worker of one study is asked to do now; and the reaping that all workers do for each other."""

    def __init__(self, study: WinnowStudy, shutdown: Shutdown, lease_seconds: float) -> None:
        self.state = State.ACTIVE
        self._study = study
        self._database = study.storage.database
        self._shutdown = shutdown
        self._lease_seconds = lease_seconds
        self._next_look = self._next_reap = 0.0

    @property
    def stopping(self) -> bool:
        """Whether the worker is to leave."""
        return self._shutdown.requested.is_set() or self.state is State.STOPPED

    @property
    def interruption(self) -> Outcome | None:
        """Why the worker is to hand its trial back; None while it is not."""
        if self._shutdown.requested.is_set():
            return Outcome.PREEMPTED
        return {State.STOPPED: Outcome.STOPPED, State.PAUSED: Outcome.PAUSED}.get(self.state)

    def look(self) -> bool:
        """Read the study's state where it was not read for a while; returns whether it was."""
        if time.monotonic() < self._next_look:
            return False
        self.look_now()
        return True

    def look_now(self) -> None:
        """Read the study's state."""
        self._next_look = time.monotonic() + LOOK_SECONDS
        self.state = state_of(self._database, self._study.study_id)

    def reap(self) -> None:
        """Now and then, bring back the trials of workers that are gone."""
        if time.monotonic() >= self._next_reap:
            self._next_reap = time.monotonic() + self._lease_seconds / 2
            for number in bring_back(self._database, self._study.study_id, self._lease_seconds):
                _log.warning("trial %d: its worker is gone; the trial goes on elsewhere", number)

    def refuse_deleted(self) -> None:
        """Raise StudyError where the study is not there any more."""
        refuse_deleted(self._study)


def refuse_deleted(study: WinnowStudy) -> None:
    """Raise StudyError where a study is not there any more."""
    try:
        study.storage.get_study_name_from_id(study.study_id)
    except KeyError:
        raise StudyError(
            f"the study {study.name!r} was deleted while it was worked on", "make it again: winnow create"
        ) from None
