"""One attempt at one trial, as its supervisor sees it: the trainer is answered, watched, stopped, and its end written.

Whatever the trial's outcome is, it has a type, a reason and, for an exception, the end of its traceback.
"""

import logging
import time
from contextlib import suppress
from typing import Any

import optuna
from optuna.trial import FrozenTrial

from winnow.records import ARTIFACT, BASELINE, GIVEN, KEEP_WEIGHTS, WOULD_PRUNE, Outcome
from winnow.search.study import pruners
from winnow.search.study.samplers import PlannedSampler
from winnow.search.worker.context import Workplace
from winnow.search.worker.messages import Answer, Artifact, Call, Ended, Job, Pipe, Report, Verdict
from winnow.search.worker.outcome import Ending
from winnow.search.worker.recorder import Recorder
from winnow.storage import artifacts, checkpoints, designs, epochs, leases, outbox, workers
from winnow.storage.errors import LeaseLost, StorageError, StorageUnreachable
from winnow.storage.leases import Lease

LOOK_SECONDS = 0.5
LIFE_SECONDS = 2.0
"""How often, at most, the table of workers is told what this one does."""
LARGEST = 2**32 - 1
"""Of the numbers in a design's rows: seeds have 32 bits."""
_CALLS = {"suggest_float", "suggest_int", "suggest_categorical", "set_user_attr", "set_constraint"}
_PROPERTIES = {"params", "distributions", "datetime_start"}
_log = logging.getLogger("winnow")


class TrainerGone(Exception):
    """The trainer's process ended, or has to be killed, in the middle of a trial."""

    def __init__(self, reason: str, outcome: Outcome = Outcome.TRAINER_DIED) -> None:
        super().__init__(reason)
        self.outcome = outcome


class Attempt:
    """One attempt at one trial; `run` returns when the trial has ended or was handed back."""

    def __init__(self, place: Workplace, lease: Lease) -> None:
        self.place = place
        self.lease = lease
        self.storage = place.study.storage
        self.database = self.storage.database
        # A handle of its own. Optuna's samplers go by the trials that a handle saw first until `ask` or `tell`, which
        # no worker calls: on one handle for all attempts, TPE would draw at random for ever.
        shared = place.study.optuna
        self.study = optuna.load_study(
            study_name=place.study.name, storage=self.storage, sampler=shared.sampler, pruner=shared.pruner
        )
        self.trial = optuna.trial.Trial(self.study, lease.trial_id)
        self.prunable = BASELINE not in self.trial.user_attrs
        self.started = time.monotonic()
        self.heard = self.started
        self.told = 0.0
        self.training = False
        self.interruption: Outcome | None = None
        self.stop_asked: float | None = None
        self.recorder = Recorder(
            self.storage, lease, self._judge, self._chores, trusted_seconds=60 * place.options.progress_minutes
        )

    def run(self) -> None:
        """Send the trial to the trainer and see it through; raises LeaseLost. The trainer is then free, or gone."""
        try:
            if Outcome.OUT_OF_MEMORY in self.lease.earlier:
                self._see_through_alone()
            else:
                self._see_through()
        except LeaseLost:
            if self.training:
                self.place.trainer.kill()
            raise
        finally:
            self.recorder.close()

    def _see_through_alone(self) -> None:
        """The second chance of a trial that ran out of memory: with no other trainer on its device."""
        with self.place.share.alone(self._can_wait) as is_alone:
            if is_alone:
                self.started = time.monotonic()
                self._see_through()
                self.place.trainer.kill()  # it may keep what it had, and others come back
            else:
                self._raise_if_lost()
                leases.give_back(self.database, self.lease, self._interrupted() or Outcome.STOPPED)

    def _can_wait(self) -> bool:
        self.recorder.watch()
        return not self._interrupted() and self.recorder.lost is None and self.recorder.failure is None

    def _raise_if_lost(self) -> None:
        if error := self.recorder.lost or self.recorder.failure:
            raise error

    def _see_through(self) -> None:
        if self.lease.token > 1:
            self._take_up_leftovers()
        known = self.trial.user_attrs  # an attempt before this one may have died at any point
        if self.place.design and GIVEN not in known:
            self._take_design_row()
        if KEEP_WEIGHTS not in known and self._weights_are_wanted():
            self.trial.set_user_attr(KEEP_WEIGHTS, True)
        pipe = self.place.trainer.start()
        pipe.send(self._job())
        self.training = True
        try:
            ended = self._listen(pipe)
            self.recorder.flush()
        except TrainerGone as gone:
            self.place.trainer.kill()
            self._end_without_trainer(str(gone), gone.outcome)
        except StorageUnreachable:
            why = self._interrupted()
            if why is None:
                raise
            self.place.trainer.kill()
            with suppress(StorageError):  # who cannot be told finds the lease run out, and what is on disk
                leases.give_back(self.database, self.lease, why)
        else:
            self._end(ended)

    def _take_up_leftovers(self) -> None:
        """Deliver, in this attempt's name, what the last one trained and could not deliver any more."""
        for epoch, checkpoint in outbox.leftovers(self.storage.files, self.lease):
            epochs.record(self.database, self.lease, epoch, checkpoint)
            self.storage.note_intermediate_value(self.lease.trial_id, epoch.epoch, epoch.value)
        outbox.clear_leftovers(self.storage.files, self.lease)

    def _take_design_row(self) -> None:
        """Show the row of the design as this trial's parameters, and give its configuration to the objective."""
        design = self.place.design
        if self.lease.number >= len(design):  # rows were added since this worker began
            design[:] = designs.read(self.database, self.lease.study_id)
        self.study.sampler = PlannedSampler([row.parameters for row in design])
        row = design[self.lease.number]
        for name, value in row.parameters.items():
            if isinstance(value, bool):
                self.trial.suggest_categorical(name, [False, True])
            else:
                self.trial.suggest_int(name, 0, LARGEST)
        self.trial.set_user_attr(GIVEN, row.config)

    def _weights_are_wanted(self) -> bool:
        if self.place.design:
            return bool(self.study.user_attrs.get(KEEP_WEIGHTS))
        return self.place.study.spec.keep.weights > 0

    def _job(self) -> Job:
        checkpoint = checkpoints.newest(self.database, self.storage.store, self.lease)
        frozen = self._frozen()
        return Job(
            self.lease.number,
            frozen.user_attrs,
            resume=checkpoint[1] if checkpoint else None,
            last_epoch=frozen.last_step or 0,
            precision=self.place.precision,
        )

    # --- while the trial trains

    def _listen(self, pipe: Pipe) -> Ended:
        """Answer the trainer until the trial has ended; raises TrainerGone, LeaseLost, StorageUnreachable."""
        while True:
            if pipe.poll(LOOK_SECONDS):
                try:
                    message: Any = pipe.recv()
                except (EOFError, ConnectionResetError):
                    raise TrainerGone("its trainer process died") from None
                self.heard = time.monotonic()
                if isinstance(message, Ended):
                    self.training = False
                    return message
                pipe.send(self._answer(message))
            self._look_after()

    def _answer(self, message: Any) -> Verdict | Answer:
        match message:
            case Report():
                return self._record(message)
            case Call():
                return self._call(message)
            case Artifact():
                return self._keep(message)
        raise TypeError(f"a trainer does not say {message!r}")

    def _record(self, report: Report) -> Verdict:
        """Hand an epoch over to be written down, and say whether the trial goes on."""
        stored = None
        if report.checkpoint is not None:
            try:
                stored = checkpoints.write(self.storage.store, self.lease, report.epoch.epoch, report.checkpoint)
            except OSError as error:  # training is worth more than the epochs that a crash would now redo
                _log.warning("trial %d: epoch %d has no checkpoint: %s", self.lease.number, report.epoch.epoch, error)
        verdict = self.recorder.report(report.epoch, stored)
        return Verdict.STOP if self._interrupted() or self.recorder.lost else verdict

    def _keep(self, artifact: Artifact) -> Answer:
        try:
            name = artifacts.write(self.storage.store, self.lease.home, artifact.content)
        except OSError as error:  # the trial's result is worth more than this
            _log.warning("trial %d: its %s are not kept: %s", self.lease.number, artifact.kind, error)
            return Answer("")
        self.trial.set_user_attr(f"{ARTIFACT}{artifact.kind}", name)
        return Answer(name)

    def _call(self, call: Call) -> Answer:
        try:
            if call.method in _PROPERTIES:
                return Answer(getattr(self.trial, call.method))
            if call.method in _CALLS:
                return Answer(getattr(self.trial, call.method)(*call.arguments, **call.options))
            return Answer(error=AttributeError(f"a trial has no {call.method} here"))
        except (LeaseLost, StorageUnreachable):
            raise
        except Exception as error:
            return Answer(error=error)

    def _look_after(self) -> None:
        """Between messages: mind the limits, hear of a stop or a lost lease; raises TrainerGone, LeaseLost."""
        self.recorder.watch()
        if self.recorder.failure is not None:
            raise self.recorder.failure
        now = time.monotonic()
        silence = now - self.heard
        limit = self.place.study.spec.limits.trial_minutes
        why = self._interrupted()
        if (why or self.recorder.lost) and self.stop_asked is None:
            self.stop_asked = now
        if self.stop_asked is not None and now - self.stop_asked > self.place.options.grace_seconds:
            raise self.recorder.lost or TrainerGone(f"{why} in the middle of an epoch", why or Outcome.STOPPED)
        if silence > self.place.options.progress_minutes * 60:
            raise TrainerGone(f"its trainer gave no sign for {silence / 60:.1f} minutes", Outcome.PROGRESS_LIMIT)
        if limit is not None and now - self.started > limit * 60:
            raise TrainerGone(f"it ran longer than trial_minutes = {limit:g}", Outcome.TIME_LIMIT)

    def _interrupted(self) -> Outcome | None:
        """Return why the trial is to be handed back; a change of mind comes too late for this attempt."""
        self.interruption = self.interruption or self.place.interrupted()
        return self.interruption

    # --- in the recorder's thread

    def _judge(self) -> Verdict:
        self._tell_life()
        self.place.look()
        frozen = self._frozen()
        if not self.prunable or not self.study.pruner.prune(self.study, frozen):
            return Verdict.CONTINUE
        if not pruners.is_audited(self.place.study.spec, self.lease.number):
            return Verdict.PRUNE
        if WOULD_PRUNE not in frozen.user_attrs:
            self.trial.set_user_attr(WOULD_PRUNE, frozen.last_step)
        return Verdict.CONTINUE

    def _chores(self) -> None:
        self._tell_life()
        self.place.look()
        self.place.reap()

    def _tell_life(self) -> None:
        if time.monotonic() - self.told > LIFE_SECONDS:
            self.told = time.monotonic()
            frozen = self._frozen()
            epoch = frozen.last_step
            value = None if epoch is None else frozen.intermediate_values[epoch]
            workers.sign_of_life(self.database, self.place.name, "training", self.lease.number, epoch, value)

    # --- when it has ended

    def _end(self, ended: Ended) -> None:
        outcome = ended.outcome
        if outcome is Outcome.STOPPED:
            if self.recorder.lost is not None:
                raise self.recorder.lost
            leases.give_back(self.database, self.lease, self._interrupted() or outcome)
        elif self.lease.retries(outcome):
            self.place.trainer.kill()  # nothing of the failed attempt stays on the device
            leases.give_back(self.database, self.lease, outcome)
        else:
            self._finish(outcome, ended.value, ended.reason, ended)

    def _end_without_trainer(self, reason: str, outcome: Outcome) -> None:
        if why := self._interrupted():
            leases.give_back(self.database, self.lease, why)
        elif self.lease.retries(outcome):
            _log.warning("trial %d: %s; it goes on from its last checkpoint", self.lease.number, reason)
            leases.give_back(self.database, self.lease, outcome)
        else:
            self._finish(outcome, None, reason, None)

    def _finish(self, outcome: Outcome, value: float | None, reason: str, ended: Ended | None) -> None:
        ending = Ending(outcome, value, reason, ended, wall_seconds=time.monotonic() - self.started)
        ending.write(self.place, self.study, self.lease)

    def _frozen(self) -> FrozenTrial:
        return self.storage.get_trial(self.lease.trial_id)
