"""Keeping a lease and writing down what its attempt reports, in a thread of its own: training does not wait for it.

While the database is away, reports are kept on disk and delivered in order when it is back. The thread stops renewing
the lease when its supervisor no longer looks after the trainer.
"""

import logging
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from winnow.records import Epoch
from winnow.search.worker.messages import Verdict
from winnow.storage import Storage, checkpoints, epochs, leases
from winnow.storage.errors import LeaseLost, StorageError, StorageUnreachable
from winnow.storage.leases import Lease
from winnow.storage.outbox import Outbox
from winnow.storage.retries import LONGEST_PAUSE

PATIENCE_SECONDS = 2.0
"""How long training waits for the database after an epoch, and so for the word whether it is pruned."""
PATIENCE_SLICES = 20
"""A worker that was frozen while it waited has used up one slice, and still hears that its trial is another's."""
_log = logging.getLogger("winnow")


@dataclass
class _Report:
    epoch: Epoch
    checkpoint: checkpoints.Stored | None
    delivered: threading.Event = field(default_factory=threading.Event)
    verdict: Verdict = Verdict.CONTINUE


class Recorder:
    """The database's side of one attempt. Its methods are called by the supervisor's main thread."""

    def __init__(
        self,
        storage: Storage,
        lease: Lease,
        judge: Callable[[], Verdict],
        chores: Callable[[], None],
        trusted_seconds: float,
    ) -> None:
        """`judge` says, after an epoch was written, whether the trial goes on; `chores` are done at each renewal."""
        self.lost: LeaseLost | None = None
        self.failure: StorageError | None = None
        self._storage = storage
        # One try at a time: between two, the lease is renewed, which somebody's lock on other rows does not hinder.
        self._database = replace(storage.database, patience=0.0)
        self._renewed_at = time.monotonic()
        self._lease = lease
        self._judge = judge
        self._chores = chores
        self._trusted_seconds = trusted_seconds
        self._watched_at = time.monotonic()
        self._outbox = Outbox(storage.files, lease)
        self._waiting: deque[_Report] = deque()
        self._changed = threading.Condition()
        self._closing = False
        self._thread = threading.Thread(target=self._work, name=f"recorder of trial {lease.number}", daemon=True)
        self._thread.start()

    def watch(self) -> None:
        """Say that the supervisor looks after its trainer; the lease is renewed only while it does."""
        self._watched_at = time.monotonic()

    def report(self, epoch: Epoch, checkpoint: checkpoints.Stored | None) -> Verdict:
        """Hand over an epoch. The verdict of one that cannot be delivered at once is to go on."""
        report = _Report(epoch, checkpoint)
        with self._changed:
            if self.lost is not None:
                return Verdict.STOP
            behind = bool(self._waiting)
            self._waiting.append(report)
            self._changed.notify_all()
        if not behind:
            any(report.delivered.wait(PATIENCE_SECONDS / PATIENCE_SLICES) for _ in range(PATIENCE_SLICES))
        with self._changed:
            if not report.delivered.is_set() and self.lost is None:
                self._keep(report)
            return report.verdict

    def flush(self) -> None:
        """Wait until everything is delivered; raises LeaseLost, or StorageUnreachable in a worker asked to stop."""
        with self._changed:
            while self._waiting and self.lost is None and self.failure is None and self._thread.is_alive():
                self._changed.wait(0.2)
            if self.lost is not None:
                raise self.lost
            if self.failure is not None:
                raise self.failure
            if self._waiting:
                raise StorageUnreachable("the database is away and the worker was asked to stop")

    def close(self) -> None:
        """End the thread. What was not delivered stays on disk for the next attempt, unless the lease is lost."""
        with self._changed:
            self._closing = True
            self._changed.notify_all()
            if self.lost is not None:
                self._outbox.clear()
        self._thread.join(1.0)

    def _work(self) -> None:
        tries = 0
        while (report := self._next()) is not None:
            try:
                if isinstance(report, _Report):
                    self._deliver(report)
                else:
                    self._renew()
            except LeaseLost as lost:
                return self._stop(lost, None)
            except StorageUnreachable as error:
                if self._storage.database.give_up():
                    return None
                tries += 1
                if tries == 2:
                    _log.warning("trial %d trains on: %s", self._lease.number, error)
                self._pause(tries)
            except StorageError as error:
                return self._stop(None, error)
            else:
                tries = 0

    def _next(self) -> _Report | str | None:
        """The next thing to do: a renewal when it is due, else a report, or None for the end."""
        with self._changed:
            while not self._closing:
                due_in = self._renewed_at + self._lease.seconds / 3 - time.monotonic()
                if due_in <= 0:
                    return "renewal"
                if self._waiting:
                    return self._waiting[0]
                self._changed.wait(min(due_in, 0.5))
            return None

    def _pause(self, tries: int) -> None:
        with self._changed:
            if not self._closing:
                self._changed.wait(min(LONGEST_PAUSE, 0.1 * 2**tries))

    def _renew(self) -> None:
        trusted = time.monotonic() - self._watched_at < self._trusted_seconds
        if trusted:
            leases.renew(self._database, self._lease)
        self._renewed_at = time.monotonic()
        if trusted:
            self._chores()

    def _deliver(self, report: _Report) -> None:
        epoch = report.epoch
        epochs.record(self._database, self._lease, epoch, report.checkpoint)
        self._renewed_at = time.monotonic()
        self._storage.note_intermediate_value(self._lease.trial_id, epoch.epoch, epoch.value)
        if report.checkpoint is not None:
            checkpoints.prune_files(self._storage.store, self._lease)
        report.verdict = self._judge()
        with self._changed:
            self._waiting.popleft()
            report.delivered.set()
            if not self._waiting:
                self._outbox.clear()
            self._changed.notify_all()

    def _stop(self, lost: LeaseLost | None, failure: StorageError | None) -> None:
        with self._changed:
            self.lost, self.failure = lost, failure
            for report in self._waiting:
                report.verdict = Verdict.STOP
                report.delivered.set()
            if lost is not None and self._waiting:
                _log.warning("trial %d: %d epochs are dropped", self._lease.number, len(self._waiting))
            self._changed.notify_all()

    def _keep(self, report: _Report) -> None:
        try:
            self._outbox.keep(report.epoch, report.checkpoint)
        except OSError as error:
            number, epoch = self._lease.number, report.epoch.epoch
            _log.warning("trial %d: epoch %d is kept in memory only: %s", number, epoch, error)
