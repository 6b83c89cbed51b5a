"""One attempt at one trial, as its supervisor sees it: the trainer is answered, watched, stopped, and its end written.

Whatever the trial's outcome is, it has a type, a reason and, for an exception, the end of its traceback.
"""

import logging
import time
from contextlib import suppress
from typing import Any

import optuna
from optuna.trial import FrozenTrial, TrialState

from winnow.records import ARTIFACT, GIVEN, KEEP_WEIGHTS, RESTARTED, Outcome, restarted
from winnow.search.study.samplers import PlannedSampler
from winnow.search.worker import outcomes, plain_data
from winnow.search.worker.calls import answer
from winnow.search.worker.context import WorkerContext
from winnow.search.worker.messages import Answer, Artifact, Call, Ended, Job, Pipe, Report, Verdict
from winnow.search.worker.outages import wait_out
from winnow.search.worker.recorder import Recorder
from winnow.search.worker.retention import make_room
from winnow.storage import artifacts, checkpoints, designs, endings, epochs, outbox
from winnow.storage.errors import LeaseLost, StorageError, StorageUnreachable
from winnow.storage.leases import Lease

LOOK_SECONDS = 0.5
LARGEST = 2**32 - 1
"""Of the numbers in a design's rows: seeds have 32 bits."""
_log = logging.getLogger("winnow")


class AttemptBroken(Exception):
    """The trainer's process ended, or has to be killed, in the middle of a trial."""

    def __init__(self, reason: str, outcome: Outcome = Outcome.TRAINER_DIED) -> None:
        super().__init__(reason)
        self.outcome = outcome


class Attempt:
    """One attempt at one trial; `run` returns when the trial has ended or was handed back."""

    def __init__(self, context: WorkerContext, lease: Lease) -> None:
        self.context = context
        self.lease = lease
        self.storage = context.study.storage
        self.database = self.storage.database
        with context.sampler_lock:
            self.study = context.study.handle(lease.number)
            self.trial = optuna.trial.Trial(self.study, lease.trial_id)
        self.started = time.monotonic()
        self.heard = self.started
        self.training = False
        self.interruption: Outcome | None = None
        self.reason = ""
        """What the device was at fault with."""
        self.trainer_number = 0
        """Of this worker's trainers, the one that trained it."""
        self.code: dict[str, str] = {}
        """What ran, by module."""
        self.stop_asked: float | None = None
        self.pipe: Pipe | None = None
        self.recorder = Recorder(context, self.study, self.trial, lease)

    def run(self) -> Outcome:
        """Send the trial to the trainer and see it through; returns how the attempt ended, and raises LeaseLost.

        The trainer is then free, or gone.
        """
        try:
            if Outcome.OUT_OF_MEMORY in self.lease.earlier:
                return self._see_through_alone()
            return self._see_through()
        except (LeaseLost, StorageUnreachable):
            if self.training:
                self._kill_trainer()
            raise
        except StorageError as error:  # it refused what the trial said, and nothing else is wrong with it
            return self._give_up(Outcome.REFUSED, plain_data.text(error))
        except Exception as error:  # of the study's sampler or pruner
            _log.debug("trial %d", self.lease.number, exc_info=True)
            return self._give_up(Outcome.EXCEPTION, plain_data.reason(error))
        finally:
            self.recorder.close()

    def _kill_trainer(self) -> None:
        """Kill this attempt's trainer, where it had one and there is no other already."""
        if self.pipe is not None:
            self.context.trainer.kill(self.pipe)

    def _give_up(self, outcome: Outcome, reason: str) -> Outcome:
        if self.training:
            self._kill_trainer()
        return self._finish(outcome, None, reason, None)

    def _see_through_alone(self) -> Outcome:
        """Return the second chance of a trial that ran out of memory: with no other trainer on its device."""
        with self.context.share.alone(self._can_wait) as is_alone:
            if is_alone:
                outcome = self._see_through()
                self._kill_trainer()  # it may keep what it had, and others come back
                return outcome
            self._raise_if_lost()
            return self._give_back(self._interrupted() or Outcome.STOPPED)

    def _can_wait(self) -> bool:
        self.recorder.watch()
        return not self._interrupted() and self.recorder.lost is None and self.recorder.failure is None

    def _raise_if_lost(self) -> None:
        if error := self.recorder.lost or self.recorder.failure:
            raise error

    def _see_through(self) -> Outcome:
        found = checkpoints.Found()
        if self.lease.token > 1:
            what = f"trial {self.lease.number} waits for what its last attempt left"
            left = wait_out(self._what_was_left, self._can_wait, what)
            if left is None:
                self._raise_if_lost()
                return self._give_back(self._interrupted() or Outcome.STOPPED)
            found = left
        known = self.trial.user_attrs  # an attempt before this one may have died at any point
        if self.context.design and GIVEN not in known:
            self._take_design_row()
        if KEEP_WEIGHTS not in known and self.context.wants_weights:
            self.trial.set_user_attr(KEEP_WEIGHTS, True)
        job = self._job(found)
        if job.resume is not None and self.recorder.is_to_pause(job.last_epoch):
            return self._pause(None)  # an attempt before this one came as far, and died before it could say so
        self.training = True
        try:
            ended = self._listen(job)
            self.recorder.flush()
        except AttemptBroken as gone:
            self._kill_trainer()
            return self._end_without_trainer(str(gone), gone.outcome)
        except StorageUnreachable:
            why = self._interrupted()
            if why is None:
                raise
            self._kill_trainer()
            with suppress(StorageError):  # who cannot be told finds the lease run out, and what is on disk
                self._give_back(why)
            return why
        return self._end(ended)

    def _what_was_left(self) -> checkpoints.Found:
        """Deliver, in this attempt's name, what the last one trained and could not; return its newest checkpoint."""
        for epoch, checkpoint in outbox.leftovers(self.storage.files, self.lease):
            epochs.record(self.database, self.lease, epoch, checkpoint)
            self.storage.note_intermediate_value(self.lease.trial_id, epoch.epoch, epoch.value)
        outbox.clear_leftovers(self.storage.files, self.lease)
        return checkpoints.newest(self.database, self.storage.store, self.lease)

    def _take_design_row(self) -> None:
        """Show the row of the design as this trial's parameters, and give its configuration to the objective."""
        design = self.context.design
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

    def _job(self, found: checkpoints.Found) -> Job:
        if found.damaged:
            where = f"after epoch {found.epoch}" if found.content else "from the start"
            said = f"attempt {self.lease.token}: {found.damaged}, so it trained again {where}"
            self.trial.set_user_attr(RESTARTED, restarted(self.trial.user_attrs, said))
        frozen = self._frozen()
        return Job(
            self.lease.number,
            self.lease.trial_id,
            frozen.user_attrs,
            frozen.params,
            frozen.distributions,
            resume=found.content,
            last_epoch=frozen.last_step,
            precision=self.context.precision,
        )

    # --- while the trial trains

    def _listen(self, job: Job) -> Ended:
        """Give the trainer its job, and answer it until the trial has ended.

        Raises AttemptBroken, LeaseLost, StorageUnreachable.
        """
        trainer = self.context.trainer
        pipe = self.pipe = trainer.conversation()
        self.trainer_number = trainer.number
        if pipe is None:
            raise self._gone()
        self._tell(pipe, job)
        self.started = self.heard = time.monotonic()  # it may have waited for its device, or for its checkpoint
        while True:
            # What a dead trainer has forked may hold its end of the pipe open.
            ended = not trainer.alive
            if pipe.poll(0.0 if ended else LOOK_SECONDS):
                try:
                    message: Any = pipe.recv()
                except (EOFError, ConnectionError):
                    raise self._gone() from None
                except Exception as error:
                    said = f"its trainer sent what nobody can read: {plain_data.reason(error)}"
                    raise AttemptBroken(said, Outcome.EXCEPTION) from None  # it would again
                if isinstance(message, Ended):
                    if message.outcome is Outcome.TRAINER_DIED:  # one of its ranks did
                        raise AttemptBroken(message.reason)
                    if message.left_over:
                        _log.warning("trial %d: %s; tried once more in a new process", job.number, message.reason)
                        self._kill_trainer()
                        trainer.wait_until_ready(lambda: not self._can_wait())
                        return self._listen(job)
                    self.training = False
                    return message
                self._tell(pipe, self._answer(message))
                self.heard = time.monotonic()  # its answer may have waited for a store
            elif ended:
                raise self._gone()
            self._look_after()

    def _tell(self, pipe: Pipe, message: Job | Verdict | Answer) -> None:
        try:
            pipe.send(message)
        except ConnectionError:  # it died while its answer was made
            raise self._gone() from None

    def _gone(self) -> AttemptBroken:
        return AttemptBroken(f"its trainer {self.context.trainer.how_it_ended()}")

    def _answer(self, message: Any) -> Verdict | Answer:
        match message:
            case Report():
                verdict = self.recorder.report(message)
                return Verdict.STOP if self._interrupted() or self.recorder.lost else verdict
            case Call():
                return answer(message, self.study, self.trial, self.lease.trial_id, self.context.sampler_lock)
            case Artifact():
                return self._keep(message)
        raise TypeError(f"a trainer does not say {message!r}")

    def _keep(self, artifact: Artifact) -> Answer:
        def write() -> str:
            return artifacts.write(self.storage.store, self.lease.home, artifact.content)

        if self.context.design:  # it was trained for them
            what = f"trial {self.lease.number} waits for its {artifact.kind} to be kept"
            if (kept := wait_out(write, self._can_wait, what)) is None:
                self._raise_if_lost()
                raise AttemptBroken(what, self._interrupted() or Outcome.STOPPED)
            name = kept
        else:
            try:
                name = write()
            except OSError as error:  # the trial's result is worth more than this
                _log.warning("trial %d: its %s are not kept: %s", self.lease.number, artifact.kind, error)
                return Answer("")
        self.trial.set_user_attr(f"{ARTIFACT}{artifact.kind}", name)
        return Answer(name)

    def _look_after(self) -> None:
        """Between messages: mind the limits, hear of a stop or a lost lease; raises AttemptBroken, LeaseLost."""
        self.recorder.watch()
        if self.recorder.failure is not None:
            raise self.recorder.failure
        now = time.monotonic()
        silence = now - self.heard
        limit = self.context.study.spec.limits.trial_minutes
        why = self._interrupted()
        if (why or self.recorder.lost) and self.stop_asked is None:
            self.stop_asked = now
        if self.stop_asked is not None and now - self.stop_asked > self.context.options.grace_seconds:
            raise self.recorder.lost or AttemptBroken(f"{why} in the middle of an epoch", why or Outcome.STOPPED)
        if silence > self.context.options.progress_minutes * 60:
            raise AttemptBroken(f"its trainer gave no sign for {silence / 60:.1f} minutes", Outcome.PROGRESS_LIMIT)
        if limit is not None and now - self.started > limit * 60:
            raise AttemptBroken(f"it ran longer than trial_minutes = {limit:g}", Outcome.TIME_LIMIT)

    def _interrupted(self) -> Outcome | None:
        """Return why the trial is to be handed back; a change of mind comes too late for this attempt."""
        self.interruption = self.interruption or self.context.steering.interruption
        return self.interruption

    # --- when it has ended

    def _end(self, ended: Ended) -> Outcome:
        outcome, self.code = ended.outcome, ended.code
        if ended.broken:
            self._kill_trainer()
        if outcome is Outcome.STOPPED:
            if self.recorder.lost is not None:
                raise self.recorder.lost
            if self.recorder.paused:
                return self._pause(ended)
            return self._give_back(self._interrupted() or outcome)
        if outcome in (Outcome.OUT_OF_MEMORY, Outcome.DEVICE_ERROR):
            self._kill_trainer()  # nothing of the failed attempt stays on the device
            self.reason = ended.reason
        if self.lease.retries(outcome):
            _log.warning("trial %d: %s; it is tried once more", self.lease.number, ended.reason)
            return self._give_back(outcome)
        return self._finish(outcome, ended.value, ended.reason, ended)

    def _end_without_trainer(self, reason: str, outcome: Outcome) -> Outcome:
        if why := self._interrupted():
            return self._give_back(why)
        if self.lease.retries(outcome):
            _log.warning("trial %d: %s; it goes on from its last checkpoint", self.lease.number, reason)
            return self._give_back(outcome)
        return self._finish(outcome, None, reason, None)

    def _pause(self, ended: Ended | None) -> Outcome:
        """Leave the trial at its newest checkpoint, until its scheduler goes on with it."""
        endings.give_back(self.database, self.lease, Outcome.RUNG, self._attributes(self._frozen(), "", ended))
        checkpoints.prune_files(self.storage.store, self.lease, keep=1)
        make_room(self.context.study)
        return Outcome.RUNG

    def _give_back(self, outcome: Outcome) -> Outcome:
        endings.give_back(self.database, self.lease, outcome)
        return outcome

    def _finish(self, outcome: Outcome, value: float | None, reason: str, ended: Ended | None) -> Outcome:
        """End the trial for good; its checkpoints go."""
        frozen = self._frozen()
        result = outcomes.result(outcome, value, ended, frozen, self.context.study.spec.against)
        try:
            self.study.sampler.after_trial(self.study, frozen, TrialState[result.state], result.values)
        except (LeaseLost, StorageUnreachable):
            raise
        except Exception as error:  # the result is worth more than what a sampler makes of it
            _log.warning("trial %d: its sampler failed after it: %s", self.lease.number, error)
        attributes = self._attributes(frozen, reason, ended)
        endings.finish(self.database, self.lease, outcome, result.value, attributes, result.cost, result.state)
        checkpoints.prune_files(self.storage.store, self.lease, keep=0)
        return outcome

    def _attributes(self, frozen: FrozenTrial, reason: str, ended: Ended | None) -> dict[str, Any]:
        wall_seconds = time.monotonic() - self.started
        return outcomes.attributes(self.context, self.lease, frozen, reason, ended, wall_seconds)

    def _frozen(self) -> FrozenTrial:
        return self.storage.get_trial(self.lease.trial_id)
