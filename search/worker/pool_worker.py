"""A worker of a pool: it serves every active study of a storage, each in proportion to its priority."""

import logging
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import replace

from winnow.errors import DeviceError, WinnowError
from winnow.records import SPEC
from winnow.search.study import study as studies
from winnow.search.worker.numerics import settled_threads
from winnow.search.worker.reaper import bring_back
from winnow.search.worker.shutdown import Shutdown
from winnow.search.worker.supervision import Supervision
from winnow.search.worker.trainer_process import WorkerOptions
from winnow.search.worker.worker import IDLE_SECONDS, Worker
from winnow.storage import Storage
from winnow.storage.errors import StorageUnreachable
from winnow.storage.notifications import Bell
from winnow.storage.pool import Pool, Wanting

LISTENING_SECONDS = 30.0
BLIND_SECONDS = 2.0
"""An idle worker looks for studies so often at least: where the database can wake it, and where it cannot."""
STAY_SECONDS = 2.0
"""A worker thinks about another study so often at most, between two trials."""
SLICE_SECONDS = 60.0
"""A study that is behind by less device time than this takes no worker from another with the same right."""
SHUN_SECONDS = 60.0
"""A study that could not be served here is tried again after so long."""
_log = logging.getLogger("winnow")


class PoolWorker:
    """One worker of all studies, until it is asked to leave."""

    def __init__(
        self, storage: Storage, options: WorkerOptions, shutdown: Shutdown, supervision: Supervision | None = None
    ) -> None:
        """Serve by `options`; a study that has settled its CPU threads is served with those."""
        self._storage = storage
        self._options = options
        self._shutdown = shutdown
        self._supervision = supervision
        self._pool = Pool(storage.database, SPEC)
        self._bell = Bell(storage.database, shutdown.requested.is_set)
        self._shunned: dict[int, float] = {}

    def run(self) -> None:
        """Serve whichever study comes next, and wait at the bell while none does."""
        most = self._options.longest_wait
        while not self._shutdown.requested.is_set():
            try:
                chosen = choose(self._wanting())
                if chosen is None:
                    self._reap()
            except StorageUnreachable:  # asked to leave while the database is away
                break
            if chosen is None:
                self._bell.wait(min(LISTENING_SECONDS, most), min(BLIND_SECONDS, most))
            else:
                self._bell.close()
                self._serve(chosen)
        self._bell.close()

    def _reap(self) -> None:
        """Bring back the trials of workers that are gone: a study that has given all out has no worker to do it."""
        for number in bring_back(self._storage.database, None, self._options.lease_seconds):
            _log.warning("trial %d: its worker is gone; the trial goes on elsewhere", number)

    def _wanting(self, besides: str = "") -> list[Wanting]:
        now = time.monotonic()
        found = self._pool.wanting(besides)
        return [each for each in found if now >= self._shunned.get(each.study_id, -math.inf)]

    def _serve(self, wanting: Wanting) -> None:
        try:
            study = studies.load(self._storage, wanting.name)
            threads = settled_threads(study) or self._options.threads
            options = replace(self._options, threads=threads)
            worker = Worker(study, options, self._shutdown, self._stays(wanting), self._supervision)
            worker.run()
            if not worker.has_claimed and study.spec.scheduler is not None:
                # Its paused trials wait for one under way, which says whether they go on.
                self._shunned[wanting.study_id] = time.monotonic() + IDLE_SECONDS
        except DeviceError:  # which is as bad for every study
            raise
        except WinnowError as error:  # what is wrong with one study is no reason to leave the others
            _log.warning("the study %r cannot be served here: %s", wanting.name, error)
            self._shunned[wanting.study_id] = time.monotonic() + SHUN_SECONDS

    def _stays(self, wanting: Wanting) -> Callable[[str], bool]:
        next_thought = time.monotonic() + STAY_SECONDS

        def stays(name: str) -> bool:
            nonlocal next_thought
            if time.monotonic() < next_thought:
                return True
            next_thought = time.monotonic() + STAY_SECONDS
            best = choose(self._wanting(besides=name), mine=wanting.study_id)
            return best is None or best.study_id == wanting.study_id

        return stays


def choose(wanting: Sequence[Wanting], mine: int | None = None) -> Wanting | None:
    """Return the study that a worker serves next: with it there, the fewest workers for its priority.

    Of equals the one that has used the least device time for its priority; the worker's own study, `mine`, is left
    only for one that is behind by a slice.
    """

    def right(each: Wanting) -> tuple[float, float]:
        used = each.device_seconds - (SLICE_SECONDS if each.study_id == mine else 0.0)
        return (each.workers + 1) / each.priority, used / each.priority

    return min(wanting, key=right, default=None)
