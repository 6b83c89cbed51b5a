"""A worker's supervisor: it claims trials, has its trainer run them, and survives what befalls the database.

The supervisor holds the lease and the database; the trainer (a process of its own, without either) holds the device.
A trainer that hangs is killed here, and a supervisor that dies takes its trainer along: nothing is left that could
keep a trial or a device.
"""

import logging
import math
import os
import platform
import secrets
import signal
import threading
import time
from contextlib import suppress
from types import FrameType

from search.attempt import Attempt, Workplace
from search.errors import StudyError
from search.messages import Ready
from search.stopping import STOPPED, reason_to_stop
from search.study import WinnowStudy, match_source
from search.trainer_process import NUMERICS, Trainer, WorkerOptions
from storage import designs, leases, once, workers
from storage.budget import end_now
from storage.errors import LeaseLost, StorageError, StorageUnreachable
from storage.leases import Lease

STOP_SECONDS = 9.5
"""After so long a worker that was asked to stop leaves as it is: whoever preempts it does not wait for a database."""
IDLE_SECONDS = 1.0
FRESH_SECONDS = 1.0
_log = logging.getLogger("winnow")


class Worker:
    """One worker of one study, from its first claim to its last."""

    def __init__(self, study: WinnowStudy, options: WorkerOptions) -> None:
        self.study = study
        self.options = options
        self.name = f"{platform.node()}:{os.getpid()}:{secrets.token_hex(3)}"
        self.trainer = Trainer(study, options)
        self._stopping = threading.Event()
        self._next_reap = 0.0
        study.storage.link.patience = math.inf
        study.storage.link.give_up = self._stopping.is_set
        study.storage.link.contact.longest_gap = options.lease_seconds / 2
        study.storage.freshness = FRESH_SECONDS
        self.engine = study.storage.engine

    def run(self) -> None:
        """Work until the study has nothing left to give, or until SIGTERM or SIGINT."""
        match_source(self.study)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._stop)
        try:
            self.trainer.start()  # it imports torch while the rest gets ready
            node, process = platform.node(), os.getpid()
            workers.register(self.engine, self.study.study_id, self.name, node, process, self.options.device)
            self._work(self._settle_numerics(self.trainer.wait_until_ready()))
        except StorageUnreachable:
            if not self._stopping.is_set():
                raise
        finally:
            self.trainer.kill()
            self._stopping.set()  # one try is enough for what remains
            with suppress(StorageError):
                workers.sign_off(self.engine, self.name)

    def _work(self, precision: str) -> None:
        place = Workplace(
            self.study,
            self.options,
            self.trainer,
            self.name,
            designs.read(self.engine, self.study.study_id),
            precision,
            self._stopping.is_set,
            self.reap,
        )
        while not self._stopping.is_set():
            self.reap()
            lease = self._claim()
            if lease is not None:
                self._attempt(place, lease)
                self._stop_early()
            elif leases.waits_for(self.engine, self.study.study_id):
                # The budget is given out, but a trial under way may come back if its worker dies.
                workers.sign_of_life(self.engine, self.name, "idle")
                self._stopping.wait(IDLE_SECONDS)
            else:
                return

    def _settle_numerics(self, ready: Ready) -> str:
        """The study's precision. Precision and threads are one for all its trials, or they could not be compared."""
        mine = {"threads": self.options.threads, "precision": ready.precision}
        study = once.settle(self.engine, self.study.study_id, NUMERICS, mine)
        if study["threads"] != self.options.threads:
            raise StudyError(
                f"the study {self.study.name!r} trains with {study['threads']} threads a worker, "
                f"not {self.options.threads}",
                f"give --threads {study['threads']}",
            )
        return str(study["precision"])

    def _claim(self) -> Lease | None:
        study_id = self.study.study_id
        since = self.study.storage.oldest_unfinished(study_id)
        return leases.claim(self.engine, study_id, self.name, self.options.lease_seconds, since)

    def _attempt(self, place: Workplace, lease: Lease) -> None:
        """One attempt at one trial: whatever happens to it, the worker goes on."""
        try:
            with self.study.storage.holding(lease):
                Attempt(place, lease).run()
        except LeaseLost as lost:
            _log.warning("%s", lost)
        if not self._stopping.is_set() and not self.trainer.alive:
            self.trainer.wait_until_ready()

    def _stop_early(self) -> None:
        """Give out no more trials where the study's rule says that enough are done."""
        reason = reason_to_stop(self.study.optuna, self.study.spec.budget)
        if reason:
            trials = end_now(self.engine, self.study.study_id)
            self.study.optuna.set_user_attr(STOPPED, {"reason": reason, "trials": trials})

    def reap(self) -> None:
        """Now and then, bring back the trials of workers that are gone."""
        if time.monotonic() >= self._next_reap:
            self._next_reap = time.monotonic() + self.options.lease_seconds / 2
            for number in leases.reap(self.engine, self.study.study_id, self.options.lease_seconds):
                _log.warning("trial %d: its worker is gone; the trial goes on elsewhere", number)

    def _stop(self, number: int, frame: FrameType | None) -> None:
        if not self._stopping.is_set():
            self._stopping.set()
            last_resort = threading.Timer(STOP_SECONDS, self._leave)
            last_resort.daemon = True
            last_resort.start()

    def _leave(self) -> None:
        self.trainer.kill()
        os._exit(1)
