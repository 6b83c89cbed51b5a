"""The trainer: the process that holds the device, imports torch and runs objectives.

It takes one job after another from its supervisor and knows no database.
"""

import gc
import os
import resource
import signal
import sys
import threading
import time
import traceback
from contextlib import AbstractContextManager, suppress
from dataclasses import replace
from multiprocessing.connection import Connection

import optuna

from winnow.objectives import user_code
from winnow.objectives.errors import Diverged, Infeasible, OutOfTime
from winnow.objectives.space import baseline
from winnow.objectives.training_objective import TrainingObjective
from winnow.records import Outcome
from winnow.search.study.objective import Objective, code_of, load
from winnow.search.study.spec import Spec
from winnow.search.study.validation import check
from winnow.search.worker import error_kinds, plain_data
from winnow.search.worker.channels import Channel, Channels
from winnow.search.worker.fusing import Fusing, at_once, of_shape
from winnow.search.worker.messages import Answer, Ended, Job, Measure, Pipe, Prepare, Ready
from winnow.search.worker.printed import Output
from winnow.search.worker.ranks import take_rank
from winnow.search.worker.remote_trial import RemoteTrial, Stopped

_OF_PRUNED = {Diverged: Outcome.DIVERGED, Infeasible: Outcome.INFEASIBLE}
"""What else ends a trial as pruned: the causes that the built-in objective gives."""


def run(objective: Objective, trial: RemoteTrial, job: Job) -> Ended:
    """Run one trial from its first message to its last; whatever it does, it ends with an outcome and a reason."""
    started, process = time.perf_counter(), os.getpid()
    value, reason, trace = None, "", ""
    try:
        returned = objective(trial, job.resume)
        try:
            value, outcome = plain_data.result(returned) if trial.speaks else None, Outcome.COMPLETE
        except ValueError as error:
            outcome, reason = Outcome.INVALID_VALUE, plain_data.text(error)
    except optuna.TrialPruned as error:
        outcome, reason = _OF_PRUNED.get(type(error.__cause__), Outcome.PRUNED), plain_data.text(error)
    except Stopped:
        outcome = Outcome.STOPPED
    except BaseException as error:  # sys.exit and a KeyboardInterrupt of the objective's own too
        outcome, reason = _outcome_of(error), plain_data.reason(error)
        trace = plain_data.trace(traceback.format_exc())
    if os.getpid() != process:  # a child that the objective forked, and that came back here
        os._exit(0)
    # Kernels fail after they are asked for, and an objective may have caught the error, or never have waited for one.
    fault = _fault_of_device()
    if fault and outcome not in (Outcome.DEVICE_ERROR, Outcome.STOPPED):
        outcome, value, reason = Outcome.DEVICE_ERROR, None, fault
    trial.end()
    return Ended(
        outcome,
        value,
        reason,
        trace,
        seconds=time.perf_counter() - started,
        peak_memory=_peak_memory(),
        versions={name: str(module.__version__) for name in ("torch", "optuna") if (module := sys.modules.get(name))},
        broken=bool(fault),
    )


def _outcome_of(error: BaseException) -> Outcome:
    if error_kinds.is_device_error(error):
        return Outcome.DEVICE_ERROR
    if error_kinds.is_out_of_memory(error):
        return Outcome.OUT_OF_MEMORY
    return Outcome.TIME_LIMIT if isinstance(error, OutOfTime) else Outcome.EXCEPTION


def _fault_of_device() -> str:
    """Wait for all that a GPU was asked for; return what is wrong with it, empty where nothing is."""
    torch = sys.modules.get("torch")
    try:
        if torch is not None and torch.cuda.is_initialized():
            with _nobody_recording():
                torch.cuda.synchronize()
    except Exception as error:
        if error_kinds.is_device_error(error):
            return plain_data.reason(error)
    return ""


def _nobody_recording() -> AbstractContextManager[object]:
    """Hold off stacks of other threads that would record a CUDA graph, which no wait for the whole device survives."""
    from winnow.objectives.cuda_graphs import RECORDING

    return RECORDING


def _peak_memory() -> int:
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_initialized():
        with suppress(RuntimeError), _nobody_recording():  # the device may be of no use any more
            peak = int(torch.cuda.max_memory_reserved())  # as the allocator holds it, gaps and all
            torch.cuda.empty_cache()  # the next trial may be smaller, and others need the room
            torch.cuda.reset_peak_memory_stats()
            return peak
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def prepare(message: Prepare, spec: Spec) -> tuple[Objective, Ready]:
    """Import the objective and load its data."""
    objective = load(spec, message.device)
    objective.devices_per_trial = spec.fleet.devices_per_trial
    ready = Ready(code=code_of(spec))
    if isinstance(objective, TrainingObjective):
        objective.patience_seconds = 60 * message.progress_minutes / 2  # before all of them are taken to hang
        objective.prepare()
        if message.calibrate:
            ready = replace(ready, precision=objective.calibrate(baseline(spec.space, spec.fixed, spec.baseline)[1]))
    fuse, why, measures_shapes = at_once(message.fuse, spec, objective)
    return objective, replace(ready, fuse=fuse, fuse_why=why, measures_shapes=measures_shapes)


class Trainer:
    """What serves jobs, once all is loaded that they need."""

    def __init__(self, message: Prepare, rank: int, output: Output) -> None:
        """Load it, and have the other ranks do so where this is one of several; raises what goes wrong."""
        self._spec = check(message.spec, "the study's spec")
        count = self._spec.fleet.devices_per_trial
        self._ranks = take_rank(rank, count, message, self._spec.built_in) if count > 1 else None
        self._objective, ready = prepare(message, self._spec)
        self.ready = ready if self._ranks is None else self._ranks.ready(ready)
        self._code = self.ready.code
        self._output = output
        self._is_used = False

    def serve(self, pipe: Pipe) -> None:
        """Run one job, or answer one question; raises EOFError or ConnectionError where nobody wants any."""
        job: Job | Measure = pipe.recv()
        if isinstance(job, Measure):
            pipe.send(Answer(self._measured(job)))
            return
        self._output.take()
        if isinstance(self._objective, TrainingObjective):
            self._objective.precision = job.precision
        trial = RemoteTrial(pipe, job) if self._ranks is None else self._ranks.begin(pipe, job)
        ended = run(self._objective, trial, job)
        # What was imported once is what still runs, whatever lies on the disk by now.
        self._code = {**code_of(self._spec), **self._code}
        alone = self.ready.fuse == 1
        printed = plain_data.text(self._output.take(), plain_data.TRACEBACK_CHARACTERS) if alone else ""
        if ended.reason.startswith(SystemExit.__name__) and printed.strip():  # argparse says there what it misses
            ended = replace(ended, reason=plain_data.text(f"{ended.reason}: {printed.strip().splitlines()[-1]}"))
        failed_early = ended.outcome is Outcome.EXCEPTION and not trial.has_reported
        left_over = self._is_used and failed_early and self._ranks is None and not self._spec.built_in
        self._is_used = True
        ended = replace(ended, code=self._code, printed=printed, left_over=left_over)
        if self._ranks is None:
            pipe.send(ended)
        else:
            self._ranks.end(pipe, ended)
        gc.collect()

    def _measured(self, asked: Measure) -> Fusing:
        """Find how many trials of a shape to train at once; what is wrong with it, its trials will say."""
        assert isinstance(self._objective, TrainingObjective)
        values = {"precision": asked.precision, **asked.values}
        try:
            return of_shape(self._spec, self._objective, values, self.ready.fuse)
        except Exception as error:
            return Fusing(1, f"one trial at a time: {plain_data.reason(error)}")

    def serve_all(self, pipe: Pipe) -> None:
        """Run one job after another, or with `fuse` those of all channels at once, their trainings as stacks."""
        if self.ready.fuse > 1 and isinstance(self._objective, TrainingObjective):
            from winnow.objectives.stack import Stacks

            self._objective.stacks = Stacks()
            Channels(pipe, self._accept).reader.join()
            return
        with suppress(EOFError, ConnectionError):
            while True:
                self.serve(pipe)

    def _accept(self, channel: Channel) -> None:
        def serve_and_close() -> None:
            try:
                with suppress(EOFError, ConnectionError):
                    self.serve(channel)
            except BaseException:  # not the trial's own, which is an answer: as it would end a trainer of one trial
                traceback.print_exc()
                os._exit(1)
            channel.close()

        threading.Thread(target=serve_and_close, name="a trial", daemon=True).start()


def main() -> None:
    """Serve jobs until the supervisor closes the pipe, of which the first argument is the descriptor.

    With another rank than 0 as the second, serve rank 0.
    """
    file_descriptor, rank = int(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 0
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the supervisor decides what an interrupt means
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    pipe: Pipe = Connection(file_descriptor)
    output = Output()
    with suppress(ConnectionError):
        try:
            trainer = Trainer(pipe.recv(), rank, output)
        except BaseException as error:
            problem = plain_data.text(
                getattr(error, "problem", f"{plain_data.reason(error)}{user_code.line_of(error)}")
            )
            frames = [each for each in traceback.extract_tb(error.__traceback__) if not each.filename.startswith("<")]
            where = f"raised in {frames[-1].filename}, line {frames[-1].lineno}"
            remedy = plain_data.text(getattr(error, "remedy", where))
            trace = plain_data.trace(traceback.format_exc())
            # Also a device that others have filled: those beside it may have room.
            at_fault = error_kinds.is_device_error(error) or error_kinds.is_out_of_memory(error)
            pipe.send(Ready(problem=problem, remedy=remedy, traceback=trace, device=at_fault))
            return
        pipe.send(trainer.ready)
        gc.freeze()  # or the collection after each trial would look through all that the libraries are made of
        trainer.serve_all(pipe)
    os._exit(0)


if __name__ == "__main__":
    main()
