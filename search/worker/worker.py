"""A worker's supervisor: it claims trials, has its trainer run them, and survives what befalls the database.

The supervisor holds the lease and the database; the trainer (a process of its own, without either) holds the device.
A trainer that hangs is killed here, and a supervisor that dies takes its trainer along: nothing is left that could
keep a trial or a device.
"""

import logging
import os
import platform
import secrets
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import suppress
from dataclasses import replace
from typing import Any

from winnow.errors import DeviceError
from winnow.records import STOPPING, Outcome
from winnow.search.study.stopping import reason_to_stop
from winnow.search.study.study import WinnowStudy
from winnow.search.worker import liveness, numerics
from winnow.search.worker.attempt import Attempt
from winnow.search.worker.context import WorkerContext
from winnow.search.worker.device_faults import DeviceFaults
from winnow.search.worker.device_load import DeviceLoad
from winnow.search.worker.device_share import DeviceShare
from winnow.search.worker.fusing import in_a_row
from winnow.search.worker.lanes import Lanes, renewing
from winnow.search.worker.messages import Measure
from winnow.search.worker.retention import keep_best
from winnow.search.worker.scheduling import Scheduling
from winnow.search.worker.shape_runs import ShapeRuns
from winnow.search.worker.shutdown import Shutdown
from winnow.search.worker.steering import LOOK_SECONDS, Steering
from winnow.search.worker.supervision import Supervision
from winnow.search.worker.trainer_process import TrainerProcess, WorkerOptions, refuse_other_devices
from winnow.storage import checkpoints, claims, designs, endings, leases, pauses, workers
from winnow.storage.activity import State
from winnow.storage.budget import end_now
from winnow.storage.epochs import GroupCommit
from winnow.storage.errors import LeaseLost, StorageError, StorageUnreachable
from winnow.storage.leases import Lease
from winnow.storage.notifications import Bell
from winnow.storage.stores import Store

IDLE_SECONDS = 5.0
"""How long an idle worker waits at the bell."""
TAKES_ALONG = (
    Outcome.TRAINER_DIED,
    Outcome.LEASE_EXPIRED,
    Outcome.WORKER_KILLED,
    Outcome.OUT_OF_MEMORY,
    Outcome.DEVICE_ERROR,
)
"""Ends of an attempt after which its trial goes on alone: it may be the one that took the others of its stack along."""
_log = logging.getLogger("winnow")


class Worker:
    """One worker of one study, from its first claim to its last."""

    def __init__(
        self,
        study: WinnowStudy,
        options: WorkerOptions,
        shutdown: Shutdown,
        stays: Callable[[str], bool] | None = None,
        supervision: Supervision | None = None,
    ) -> None:
        """A worker of a pool is asked after each trial, by its name, whether it `stays`; it waits for nothing."""
        refuse_other_devices(study.spec, options.device)
        self.study = study
        self.options = options
        self.name = f"{platform.node()}:{os.getpid()}:{secrets.token_hex(3)}"
        self.trainer = TrainerProcess(study, options)
        self._share = DeviceShare(options.device)
        self._stays = stays
        self._supervision = supervision or Supervision()
        self._steering = Steering(study, shutdown, options.lease_seconds)
        self.has_claimed = False
        """Whether it got a trial."""
        self._faults = DeviceFaults()
        self._lanes = Lanes(1)
        self._shape_runs: ShapeRuns | None = None
        # One lane at a time looks for a trial, and waits for one.
        self._claiming = threading.Lock()
        # Whoever waits there, one lane at a time writes down an end, starts the trainer or gives it up.
        self._in_turn = threading.Lock()
        self._failed = False
        self._scheduling = Scheduling.of(study, self.name, options.lease_seconds)
        # The sampler learns from a trial that its scheduler has paused as from one that was pruned.
        study.storage.shows_paused_as_pruned = self._scheduling is not None
        self.database = study.storage.database
        self._bell = Bell(self.database, shutdown.requested.is_set)
        shutdown.trainer = self.trainer

    def run(self) -> None:
        """Work until the study has nothing left to give or is stopped, or until the process is asked to leave."""
        store = self.study.storage.store  # one that cannot be is refused before a trial is taken
        try:
            with liveness.shown(self.database, self.name):
                self._serve(store)
        except StorageUnreachable:
            if not self._steering.stopping:
                raise
        finally:
            self.trainer.kill()
            self._share.close()
            self._bell.close()
            with suppress(StorageError):
                database = replace(self.database, patience=0.0)
                workers.sign_off(database, self.name)
                liveness.requeue_of_dead(database)  # what it could not hand back itself

    def _serve(self, store: Store) -> None:
        self._supervision.works_as(self.name)
        self._steering.reap()
        checkpoints.refuse_lost(self.database, store, self.study.study_id, platform.node())
        device = self.options.device
        workers.register(self.database, self.study.study_id, self.name, platform.node(), os.getpid(), device.name)
        # Beside all else: a store that does not answer keeps nobody from training.
        threading.Thread(target=checkpoints.sweep, args=(self.database, store), daemon=True).start()
        if self._join():
            self.trainer.start()
            # While it imports torch: the history that sampler and pruner will ask for, seconds in a large study.
            self.study.storage.get_all_trials(self.study.study_id, deepcopy=False)
            if (ready := self.trainer.wait_until_ready(lambda: self._steering.stopping)) is not None:
                precision = numerics.settle(self.study, self.options.threads, ready.precision)
                numerics.warn_of_emulation(self.study, device, precision)
                self._work(precision)

    def _work(self, precision: str) -> None:
        design = designs.read(self.database, self.study.study_id)
        commit = GroupCommit(replace(self.database, patience=0.0))
        load = DeviceLoad(self.options.device)
        common = (self.study, self.options, self.trainer, self._share, self.name)
        context = WorkerContext(*common, design, precision, self._steering, commit, load)
        self._lanes = Lanes(most := self.trainer.fuse)
        if most == 1:
            self._work_in(context, 0)
            return
        if not design:

            def size_of(lease: Lease, values: Mapping[str, Any]) -> int:
                return self._size_of(lease, Measure(dict(values), precision))

            row = in_a_row(self.study.spec, most)
            self._shape_runs = ShapeRuns(self.study, row, context.sampler_lock, size_of, most)
        with ThreadPoolExecutor(self._lanes.count, "lane") as pool:
            ends = [pool.submit(self._work_in, context, lane) for lane in range(self._lanes.count)]
            for end in as_completed(ends):
                if end.exception() is not None:
                    self._failed = True  # the other lanes end their trials and leave
        if self.trainer.measures_shapes and self._shape_runs is not None:
            found = self._shape_runs.sizes.values()
            paid = sum(size > 1 for size in found)
            _log.info("%s trained in stacks what was of %d of %d shapes", self.options.device.name, paid, len(found))
        for end in ends:
            end.result()

    def _work_in(self, context: WorkerContext, lane: int) -> None:
        """Make one attempt after another, beside the other lanes."""
        while (lease := self._next_trial(lane)) is not None:
            try:
                self._attempt_in_lane(context, lease)
            finally:
                self._lanes.leave(lease.claim)
            with self._in_turn:
                self._stop_early()

    def _goes_on(self) -> bool:
        return not (self._failed or self._steering.stopping) and (self._stays is None or self._stays(self.name))

    def _next_trial(self, lane: int) -> Lease | None:
        """Claim the next trial of a lane, and wait for one; None where there is nothing left to do."""
        while self._goes_on():
            with self._claiming:
                self._lanes.make_way(self._goes_on)
                self._steering.reap()
                if self._share.is_wanted:  # somebody's trial did not fit beside others
                    if self._lanes.busy:
                        self._pause()
                        continue
                    self._leave_device()
                if lane >= self._lanes.count or not self._join() or not self._has_trainer():
                    return None
                if (lease := self._claim()) is not None:
                    self.has_claimed = True
                    self._steering.state = State.ACTIVE  # or nothing would have been given
                    self._bell.close()
                    if (drawn := self._drawn(lease)) is not None:
                        return drawn
                elif self._stays is not None or not self._wait():
                    return None
        return None

    def _drawn(self, lease: Lease) -> Lease | None:
        """Draw a new trial before another lane claims one; None where it is lost already.

        What goes wrong with its sampler, its attempt meets too.
        """
        if self._shape_runs is None:
            return lease
        size, trial = self._lanes.count, None
        try:
            size, trial = self._shape_runs.draw(lease)
        except LeaseLost as lost:
            _log.warning("%s", lost)
            return None
        except StorageUnreachable:
            raise
        except Exception:
            _log.debug("trial %d", lease.number, exc_info=True)
        self._lanes.take(lease.claim, size)
        return replace(lease, trial=trial)

    def _size_of(self, lease: Lease, asked: Measure) -> int:
        """Find how many trials of a new shape are trained at once: `auto` measures it where the search draws it."""
        if not self.trainer.measures_shapes:
            return self._lanes.count
        wait = renewing(lambda: leases.renew(self.database, lease), lease.seconds / 3, self._goes_on)
        found = self.trainer.stack_size(asked, wait)
        _log.debug("of the shape of trial %d: %s", lease.number, found.why)
        return found.trials

    def _attempt_in_lane(self, context: WorkerContext, lease: Lease) -> None:
        """Make an attempt beside others; alone in this worker where the one before took its trainer along."""
        wait = renewing(lambda: leases.renew(self.database, lease), lease.seconds / 3, self._goes_on)
        crashed = bool(lease.earlier) and lease.earlier[-1] in TAKES_ALONG
        try:
            with self._lanes.alone(wait) if crashed else self._lanes.shared(wait) as entered:
                # One that was alone has given the device up, and its trainer with it.
                if entered and self._join() and self._has_trainer():
                    self._attempt(context, lease)
                else:
                    endings.give_back(self.database, lease, self._steering.interruption or Outcome.STOPPED)
        except LeaseLost as lost:
            _log.warning("%s", lost)

    def _wait(self) -> bool:
        """Wait a little for a trial that can be claimed; returns whether there may be one."""
        self._steering.look_now()
        if self._steering.state is State.PAUSED:
            if self._lanes.busy:
                self._pause()
                return True
            self._leave_device()  # a paused study holds no device
            while self._steering.state is State.PAUSED and not self._steering.stopping:
                workers.sign_of_life(self.database, self.name, "paused")
                self._pause()
                self._steering.reap()
                self._steering.look_now()
            return True
        # The budget may be given out, but a trial under way comes back if its worker dies.
        if self._steering.state is not State.ACTIVE:
            return False
        if leases.count_held(self.database, self.study.study_id):
            workers.sign_of_life(self.database, self.name, "idle")
            self._pause()
            return True
        if self._scheduling is not None:
            return not self._scheduling.is_done
        pauses.end_all(self.database, self.study.study_id)  # what a scheduler left that the study had once
        return False

    def _join(self) -> bool:
        """Have a share of the device; False where the worker is to leave before it gets one."""

        def keep_waiting() -> bool:
            if self._steering.look():
                workers.sign_of_life(self.database, self.name, "making room")
            return not self._steering.stopping

        return self._share.join(keep_waiting)

    def _has_trainer(self) -> bool:
        """Have a trainer that can be given a trial; False where the worker is to leave before there is one."""
        if self.trainer.is_ready:
            return True
        with self._in_turn:
            return self.trainer.is_ready or self.trainer.wait_until_ready(lambda: self._steering.stopping) is not None

    def _leave_device(self) -> None:
        with self._in_turn:
            self.trainer.kill()
            self._share.leave()

    def _pause(self) -> None:
        most = self.options.longest_wait
        self._bell.wait(min(IDLE_SECONDS, most), min(LOOK_SECONDS, most))

    def _claim(self) -> Lease | None:
        study_id = self.study.study_id
        since = self.study.storage.oldest_unfinished(study_id)
        try:
            if self._scheduling is not None:
                return self._scheduling.claim(self._shape_runs)
            rather = self._shape_runs.mates if self._shape_runs is not None else ()
            return claims.claim(self.database, study_id, self.name, self.options.lease_seconds, since, rather=rather)
        except StorageUnreachable:
            raise
        except Exception:  # of a study that is not there any more
            self._steering.refuse_deleted()
            raise

    def _attempt(self, context: WorkerContext, lease: Lease) -> None:
        """Make one attempt at one trial: whatever happens to it, the worker goes on."""
        lanes = self._lanes.count
        try:
            with self.study.storage.holding(lease):
                attempt = Attempt(context, lease)
                outcome = attempt.run()
            if outcome is Outcome.OUT_OF_MEMORY and self._lanes.busy > 1:
                self._lanes.halve(lanes)
            with self._in_turn:
                if not lease.retries(outcome):
                    self._supervision.trial_ended()
                keep_best(self.study)
        except LeaseLost as lost:
            self._steering.refuse_deleted()
            _log.warning("%s", lost)
        except KeyError:  # a study or trial that was deleted by other means than Winnow's
            self._steering.refuse_deleted()
            _log.warning("%s", lease.lost())
        except StorageUnreachable:
            raise
        except StorageError as error:  # not even its end can be written: its lease runs out, and others try
            _log.warning("trial %d is left to others: %s", lease.number, error)
        else:
            self._judge_device(attempt, outcome)
            self.trainer.refuse_other_code(attempt.code)  # an objective may import some of it as late as in a trial

    def _judge_device(self, attempt: Attempt, outcome: Outcome) -> None:
        """Raise DeviceError where the device fails one trial after another."""
        with self._in_turn:
            if self._faults.see(attempt.trainer_number, attempt.lease.number, outcome):
                raise DeviceError(
                    f"{self.options.device.name} failed two trials in a row, at last with {attempt.reason}",
                    "look at the device (nvidia-smi), and start the worker again",
                )

    def _stop_early(self) -> None:
        """Give out no more trials where the study's rule says that enough are done."""
        if reason := reason_to_stop(self.study.optuna, self.study.spec.budget):
            trials = end_now(self.database, self.study.study_id)
            self.study.optuna.set_user_attr(STOPPING, {"reason": reason, "trials": trials})
