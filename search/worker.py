"""A worker's supervisor: it claims trials, has its trainer run them, and writes down what the trainer reports.

The supervisor holds the lease and the database; the trainer (a process of its own, without either) holds the device.
A trainer that hangs is killed here, and a supervisor that dies takes its trainer along: nothing is left that could
keep a trial or a device.
"""

import logging
import os
import platform
import secrets
import signal
import socket
import subprocess
import sys
import time
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from types import FrameType
from typing import Any

import optuna
from optuna.trial import FrozenTrial, TrialState

from search.errors import StudyError, WinnowError, WorkerFailed
from search.messages import Answer, Artifact, Call, End, Ended, Job, Pipe, Prepare, Ready, Report, Verdict
from search.processes import kill_group
from search.provenance import git_commit, winnow_version
from search.samplers import PlannedSampler
from search.study import BASELINE, GIVEN, KEEP_WEIGHTS, WinnowStudy, match_source
from storage import artifacts, checkpoints, designs, epochs, leases, once, workers
from storage.designs import Row
from storage.errors import LeaseLost
from storage.leases import Lease

GRACE_SECONDS = 8.0
"""How long a trainer may go on after a stop was asked for, to reach the end of its epoch."""
IDLE_SECONDS = 1.0
NUMERICS = "winnow:numerics"
LARGEST = 2**32 - 1
"""Of the numbers in a design's rows: seeds have 32 bits."""
_CALLS = {"suggest_float", "suggest_int", "suggest_categorical", "set_user_attr", "set_constraint"}
_PROPERTIES = {"params", "distributions", "datetime_start"}
_log = logging.getLogger("winnow")


@dataclass(frozen=True)
class WorkerOptions:
    """What may be said of a worker when it is started."""

    device: str = "cpu"
    threads: int = 1
    lease_seconds: float = leases.LEASE_SECONDS
    progress_minutes: float = 30.0
    """A trainer that reports nothing for so long is taken to hang."""


class TrainerDied(Exception):
    """The trainer's process ended or was killed in the middle of a trial."""


@dataclass
class Trainer:
    """The trainer's process, started when it is needed and again after it was killed."""

    study: WinnowStudy
    options: WorkerOptions
    process: subprocess.Popen[bytes] | None = None
    pipe: Pipe | None = None
    usable: bool = field(default=False)

    def start(self) -> Pipe:
        """The pipe of a running trainer; raises WorkerFailed where it cannot load the objective or its data."""
        if self.pipe is not None and self.process is not None and self.process.poll() is None:
            return self.pipe
        ours, theirs = socket.socketpair()
        threads = str(self.options.threads)
        environment = {**os.environ, "OMP_NUM_THREADS": threads, "MKL_NUM_THREADS": threads}
        kind, _, index = self.options.device.partition(":")
        if kind == "cuda" and index:
            environment["CUDA_VISIBLE_DEVICES"] = index  # before torch is imported, which then sees this one alone
        self.process = subprocess.Popen(
            [sys.executable, "-m", "search.trainer", str(theirs.fileno())],
            pass_fds=[theirs.fileno()],
            env=environment,
            start_new_session=True,  # a group of its own, to be killed whole
        )
        theirs.close()
        self.pipe = Connection(ours.detach())
        calibrate = "precision" not in {**self.study.spec.fixed, **self.study.spec.search}
        if once.settled(self.study.storage.engine, self.study.study_id, NUMERICS):
            calibrate = False
        self.pipe.send(Prepare(self.study.spec.model_dump(mode="json"), kind, calibrate))
        return self.pipe

    def wait_until_ready(self) -> Ready:
        """Wait for the objective and its data; raises WorkerFailed with what was wrong with them."""
        pipe = self.start()
        try:
            ready: Ready = pipe.recv()
        except (EOFError, ConnectionResetError):
            raise WorkerFailed("the trainer's process died while it started", "see its output above") from None
        if ready.problem:
            _log.debug(ready.traceback)
            raise WinnowError(ready.problem, ready.remedy)
        return ready

    def kill(self) -> None:
        """End the trainer and all that it started; its device is free afterwards."""
        if self.process is not None:
            kill_group(self.process.pid)
            self.process.wait()
        if self.pipe is not None:
            self.pipe.close()
        self.process = self.pipe = None


class Worker:
    """One worker of one study, from its first claim to its last."""

    def __init__(self, study: WinnowStudy, options: WorkerOptions) -> None:
        self.study = study
        self.options = options
        self.engine = study.storage.engine
        self.name = f"{platform.node()}:{os.getpid()}:{secrets.token_hex(3)}"
        self.trainer = Trainer(study, options)
        self.stopping = False
        self.design = designs.read(self.engine, study.study_id)
        self.precision = ""
        self._next_reap = 0.0

    def run(self) -> None:
        """Work until the study has nothing left to give, or until SIGTERM or SIGINT."""
        match_source(self.study)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._stop)
        self.trainer.start()  # it imports torch while the rest gets ready
        workers.register(self.engine, self.study.study_id, self.name, platform.node(), os.getpid(), self.options.device)
        try:
            self.precision = self._settle_numerics(self.trainer.wait_until_ready())
            while not self.stopping:
                self.reap()
                lease = self._claim()
                if lease is not None:
                    self._attempt(lease)
                elif leases.waits_for(self.engine, self.study.study_id):
                    # The budget is given out, but a trial under way may come back if its worker dies.
                    workers.sign_of_life(self.engine, self.name, "idle")
                    time.sleep(IDLE_SECONDS)
                else:
                    return
        finally:
            self.trainer.kill()
            workers.sign_off(self.engine, self.name)

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

    def _stop(self, number: int, frame: FrameType | None) -> None:
        self.stopping = True

    def design_row(self, number: int) -> Row:
        """The row of trial `number`; a design may have grown since this worker began."""
        if number >= len(self.design):
            self.design = designs.read(self.engine, self.study.study_id)
            self.study.optuna.sampler = PlannedSampler([row.parameters for row in self.design])
        return self.design[number]

    def reap(self) -> None:
        """Now and then, bring back the trials of workers that are gone."""
        if time.monotonic() >= self._next_reap:
            for number in leases.reap(self.engine, self.study.study_id, self.options.lease_seconds):
                _log.warning("trial %d: its worker is gone; the trial goes on elsewhere", number)
            self._next_reap = time.monotonic() + self.options.lease_seconds / 2

    def _attempt(self, lease: Lease) -> None:
        """One attempt at one trial: whatever happens to it, the worker goes on."""
        attempt = None
        try:
            with self.study.storage.holding(lease):
                attempt = Attempt(self, lease)
                attempt.run()
        except LeaseLost as lost:
            _log.warning("%s", lost)
            if attempt is not None and attempt.in_trainer:
                self.trainer.kill()
        if not self.stopping and self.trainer.process is None:
            self.trainer.wait_until_ready()


class Attempt:
    """One attempt at one trial, as the supervisor sees it."""

    def __init__(self, worker: Worker, lease: Lease) -> None:
        self.worker = worker
        self.lease = lease
        self.engine = worker.engine
        self.study = worker.study.optuna
        self.files = worker.study.storage.files
        self.trial = optuna.trial.Trial(self.study, lease.trial_id)
        self.prunable = BASELINE not in self.trial.user_attrs
        self.started = time.monotonic()
        self.heard = self.started
        self.renewed = self.started
        self.stop_asked: float | None = None
        self.lost: LeaseLost | None = None
        self.epoch = 0
        self.in_trainer = False

    def run(self) -> None:
        """Send the trial to the trainer and see it through; raises LeaseLost."""
        if self.worker.design and self.lease.token == 1:
            self._take_design_row()
        pipe = self.worker.trainer.start()
        frozen = self._frozen()
        checkpoint = checkpoints.newest(self.engine, self.files, self.lease)
        self.epoch = frozen.last_step or 0
        pipe.send(
            Job(
                self.lease.number,
                frozen.user_attrs,
                resume=checkpoint[1] if checkpoint else None,
                last_epoch=self.epoch,
                precision=self.worker.precision,
            )
        )
        self.in_trainer = True
        try:
            ended = self._listen(pipe)
        except TrainerDied as death:
            self.worker.trainer.kill()
            self._end_without_trainer(str(death))
        else:
            self._end(ended)

    def _take_design_row(self) -> None:
        """Show the row of the design as this trial's parameters, and give its configuration to the objective."""
        row = self.worker.design_row(self.lease.number)
        for name, value in row.parameters.items():
            if isinstance(value, bool):
                self.trial.suggest_categorical(name, [False, True])
            else:
                self.trial.suggest_int(name, 0, LARGEST)
        self.trial.set_user_attr(GIVEN, row.config)
        if self.study.user_attrs.get(KEEP_WEIGHTS):
            self.trial.set_user_attr(KEEP_WEIGHTS, True)

    def _listen(self, pipe: Pipe) -> Ended:
        """Answer the trainer until the trial has ended; raises TrainerDied, LeaseLost."""
        while True:
            if not pipe.poll(IDLE_SECONDS):
                self._look_after()
                continue
            try:
                message: Any = pipe.recv()
            except (EOFError, ConnectionResetError):
                raise TrainerDied("its trainer process died") from None
            self.heard = time.monotonic()
            match message:
                case Ended():
                    self.in_trainer = False
                    if self.lost is not None:
                        raise self.lost
                    return message
                case Report():
                    pipe.send(self._record(message))
                case Call():
                    pipe.send(self._call(message))
                case Artifact():
                    name = artifacts.write(self.files, message.content)
                    self.trial.set_user_attr(f"winnow:artifact:{message.kind}", name)
                    pipe.send(Answer(name))
            self._look_after()

    def _look_after(self) -> None:
        """Between messages: keep the lease, mind the limits, hear of a stop."""
        now = time.monotonic()
        silence = now - self.heard
        limit = self.worker.study.spec.limits.trial_minutes
        if (self.worker.stopping or self.lost is not None) and self.stop_asked is None:
            self.stop_asked = now
        if self.stop_asked is not None and now - self.stop_asked > GRACE_SECONDS:
            raise self.lost or TrainerDied("stopped in the middle of an epoch")
        if silence > self.worker.options.progress_minutes * 60:
            raise TrainerDied(f"its trainer gave no sign for {silence / 60:.0f} minutes")
        if limit is not None and now - self.started > limit * 60:
            raise TrainerDied(f"it ran longer than trial_minutes = {limit:g}")
        if self.lost is None and now - self.renewed > self.lease.seconds / 3:
            try:
                leases.renew(self.engine, self.lease)
            except LeaseLost as lost:
                self.lost = lost
            self._sign_of_life()
            self.worker.reap()

    def _record(self, report: Report) -> Verdict:
        """Write an epoch down, then say whether the trial goes on."""
        stored = None
        if report.checkpoint is not None:
            stored = checkpoints.write(self.files, self.lease, report.epoch, report.checkpoint)
        try:
            epochs.record(self.engine, self.lease, report.epoch, report.value, report.metrics, stored)
        except LeaseLost as lost:
            self.lost = lost
            return Verdict.STOP
        self.worker.study.storage.note_intermediate_value(self.lease.trial_id, report.epoch, report.value)
        if stored is not None:
            checkpoints.prune_files(self.files, self.lease)
        self.epoch = report.epoch
        self._sign_of_life(report.value)
        if self.worker.stopping:
            return Verdict.STOP
        if self.prunable and self.study.pruner.prune(self.study, self._frozen()):
            return Verdict.PRUNE
        return Verdict.CONTINUE

    def _call(self, call: Call) -> Answer:
        try:
            if call.method in _PROPERTIES:
                return Answer(getattr(self.trial, call.method))
            if call.method in _CALLS:
                return Answer(getattr(self.trial, call.method)(*call.arguments, **call.options))
            return Answer(error=AttributeError(f"a trial has no {call.method} here"))
        except Exception as error:
            return Answer(error=error)

    def _end(self, ended: Ended) -> None:
        if ended.how is End.STOPPED:
            leases.give_back(self.engine, self.lease, "stopped")
            return
        if ended.how is End.OUT_OF_MEMORY and self.lease.token == 1:
            self.worker.trainer.kill()  # nothing of the failed attempt stays on the device
            leases.give_back(self.engine, self.lease, "out of memory")
            return
        self._keep_run_record(ended)
        state = {End.COMPLETE: TrialState.COMPLETE, End.PRUNED: TrialState.PRUNED}.get(ended.how, TrialState.FAIL)
        self._finish(state, ended.value, ended.reason, ended.traceback)

    def _end_without_trainer(self, reason: str) -> None:
        if self.worker.stopping:
            leases.give_back(self.engine, self.lease, "stopped")
        elif reason == "its trainer process died" and self.lease.crashes + 1 < leases.MOST_CRASHES:
            _log.warning("trial %d: %s; it goes on from its last checkpoint", self.lease.number, reason)
            leases.give_back(self.engine, self.lease, leases.DIED)
        else:
            self._finish(TrialState.FAIL, None, reason, "")

    def _finish(self, state: TrialState, value: float | None, reason: str, traceback: str) -> None:
        frozen = self._frozen()
        if state is TrialState.PRUNED and frozen.last_step is not None:
            value = frozen.intermediate_values[frozen.last_step]
        if reason and "winnow:reason" not in frozen.user_attrs:
            self.trial.set_user_attr("winnow:reason", reason)
        if traceback:
            self.trial.set_user_attr("winnow:traceback", traceback)
        values = None if value is None else [value]
        self.study.sampler.after_trial(self.study, frozen, state, values)
        leases.finish(self.engine, self.lease, state.name, value, reason or state.name.lower())
        checkpoints.prune_files(self.files, self.lease, keep=0)

    def _keep_run_record(self, ended: Ended) -> None:
        record = {
            "worker": self.worker.name,
            "host": platform.node(),
            "device": self.worker.options.device,
            "threads": self.worker.options.threads,
            "attempts": self.lease.token,
            "wall_seconds": round(time.monotonic() - self.started, 3),
            "device_seconds": round(ended.seconds, 3),
            "peak_memory_bytes": ended.peak_memory,
            "versions": {"winnow": winnow_version(), "python": platform.python_version(), **ended.versions},
            "git_commit": git_commit(),
        }
        self.trial.set_user_attr("winnow:run", record)

    def _frozen(self) -> FrozenTrial:
        return self.worker.study.storage.get_trial(self.lease.trial_id)

    def _sign_of_life(self, value: float | None = None) -> None:
        self.renewed = time.monotonic()
        workers.sign_of_life(self.engine, self.worker.name, "training", self.lease.number, self.epoch, value)
