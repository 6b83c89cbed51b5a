"""Keeping a lease and writing down what its attempt reports, in a thread of its own: training does not wait for it.

While the database is away, reports are kept on disk and delivered in order when it is back. The thread stops renewing
the lease when its supervisor no longer looks after the trainer.
"""

import logging
import math
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial

import optuna

from winnow.records import BASELINE, CONFIG, WOULD_PRUNE, Epoch
from winnow.search.study import pruners
from winnow.search.worker.context import WorkerContext
from winnow.search.worker.messages import Report, Verdict
from winnow.storage import checkpoints, leases, workers
from winnow.storage.errors import LeaseLost, StorageUnreachable
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

    def __init__(self, context: WorkerContext, study: optuna.Study, trial: optuna.trial.Trial, lease: Lease) -> None:
        self.lost: LeaseLost | None = None
        self.failure: Exception | None = None
        self._context = context
        self._study = study
        self._trial = trial
        self.paused = False
        """Whether the trial has come to where it is to pause."""
        self._prunable = BASELINE not in trial.user_attrs
        self._storage = context.study.storage
        # One try at a time: between two, the lease is renewed, which somebody's lock on other rows does not hinder.
        self._database = replace(self._storage.database, patience=0.0)
        self._lease = lease
        self._trusted_seconds = 60 * context.options.progress_minutes
        self._renewed_at = self._watched_at = time.monotonic()
        self._outbox = Outbox(self._storage.files, lease)
        self._waiting: deque[_Report] = deque()
        self._changed = threading.Condition()
        self._closing = False
        self._thread = threading.Thread(target=self._work, name=f"recorder of trial {lease.number}", daemon=True)
        self._thread.start()

    def watch(self) -> None:
        """Say that the supervisor looks after its trainer; the lease is renewed only while it does."""
        self._watched_at = time.monotonic()

    def is_to_pause(self, epoch: int | None) -> bool:
        """Return whether the trial is to pause after an epoch that is not its last; the baseline never is."""
        if epoch is None or self._lease.until is None or epoch < self._lease.until or not self._prunable:
            return False
        return not self._is_last(epoch)

    def _is_last(self, epoch: int | None) -> bool:
        """Return whether a trial is known to have no epochs left."""
        fixed = self._context.study.spec.fixed  # what draws by itself records its configuration at its end
        config = {**fixed, **(CONFIG.of(self._trial.user_attrs) or {})}
        return epoch is not None and bool(epoch >= config.get("epochs", math.inf))

    def report(self, said: Report) -> Verdict:
        """Hand over an epoch. The verdict of one that cannot be delivered at once is to go on."""
        report = _Report(said.epoch, self._stored(said))
        with self._changed:
            if self.lost is not None:
                return Verdict.STOP
            behind = bool(self._waiting)
            self._waiting.append(report)
            self._changed.notify_all()
        if not behind:
            self._wait_for_delivery(report)
        with self._changed:
            if not report.delivered.is_set() and self.lost is None:
                self._keep(report)
            return report.verdict

    @staticmethod
    def _wait_for_delivery(report: _Report) -> None:
        for _ in range(PATIENCE_SLICES):
            if report.delivered.wait(PATIENCE_SECONDS / PATIENCE_SLICES):
                return

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
        while (due := self._next()) is not None:
            try:
                due()
            except LeaseLost as lost:
                return self._stop(lost, None)
            except StorageUnreachable as error:
                if self._storage.database.give_up():
                    return None
                tries += 1
                if tries == 2:
                    _log.warning("trial %d trains on: %s", self._lease.number, error)
                self._pause(tries)
            except Exception as error:  # what the storage refuses, or the study's pruner cannot judge
                return self._stop(None, error)
            else:
                tries = 0

    def _next(self) -> Callable[[], None] | None:
        """Return the next thing to do: a renewal when it is due, else a report to deliver, or None for the end."""
        with self._changed:
            while not self._closing:
                due_in = self._renewed_at + self._lease.seconds / 3 - time.monotonic()
                if due_in <= 0:
                    return self._renew
                if self._waiting:
                    return partial(self._deliver, self._waiting[0])
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
            self._look_around()
            self._context.steering.reap()

    def _deliver(self, report: _Report) -> None:
        epoch = report.epoch
        self._context.commit.record(self._lease, epoch, report.checkpoint)
        self._renewed_at = time.monotonic()
        self._storage.note_intermediate_value(self._lease.trial_id, epoch.epoch, epoch.value)
        if report.checkpoint is not None:
            checkpoints.prune_files(self._storage.store, self._lease)
        with self._context.sampler_lock:
            report.verdict = self._verdict()
        if report.checkpoint is not None and self.is_to_pause(epoch.epoch):
            self.paused, report.verdict = True, Verdict.STOP
        with self._changed:
            self._waiting.popleft()
            report.delivered.set()
            if not self._waiting:
                self._outbox.clear()
            self._changed.notify_all()

    def _stored(self, said: Report) -> checkpoints.Stored | None:
        """Write the checkpoint after an epoch to the store."""
        if said.checkpoint is None:
            return None
        try:
            return checkpoints.write(self._storage.store, self._lease, said.epoch.epoch, said.checkpoint)
        except OSError as error:  # training is worth more than the epochs that a crash would now redo
            _log.warning("trial %d: epoch %d has no checkpoint: %s", self._lease.number, said.epoch.epoch, error)
            return None

    def _verdict(self) -> Verdict:
        """Ask the study's pruner whether the trial goes on; after its last epoch it is complete, whatever the answer.

        The pruner is asked then too: to others it may matter what this one came to.
        """
        self._look_around()
        frozen = self._storage.get_trial(self._lease.trial_id)
        if not self._prunable or not self._study.pruner.prune(self._study, frozen) or self._is_last(frozen.last_step):
            return Verdict.CONTINUE
        if not pruners.is_audited(self._context.study.spec, self._lease.number):
            return Verdict.PRUNE
        if WOULD_PRUNE not in frozen.user_attrs:
            self._trial.set_user_attr(WOULD_PRUNE, frozen.last_step)
        return Verdict.CONTINUE

    def _look_around(self) -> None:
        """Now and then see what the study is to do, and say that its worker lives."""
        if self._context.steering.look():
            frozen = self._storage.get_trial(self._lease.trial_id)
            epoch = frozen.last_step
            value = None if epoch is None else frozen.intermediate_values[epoch]
            load = self._context.device_load.sample()
            name, number = self._context.name, self._lease.number
            workers.sign_of_life(self._database, name, "training", number, epoch, value, load)

    def _stop(self, lost: LeaseLost | None, failure: Exception | None) -> None:
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
