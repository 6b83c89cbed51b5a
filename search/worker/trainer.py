"""The trainer: the process that holds the device, imports torch and runs objectives.

It takes one job after another from its supervisor and knows no database. The objective gets a `RemoteTrial`, which
looks like an Optuna trial and asks the supervisor for everything.
"""

import gc
import inspect
import os
import resource
import signal
import sys
import time
import traceback
from collections.abc import Callable, Sequence
from datetime import datetime
from multiprocessing.connection import Connection
from typing import Any

import optuna
from optuna.distributions import BaseDistribution
from optuna.trial import BaseTrial

from winnow.objectives.errors import Diverged, Infeasible, OutOfTime
from winnow.objectives.objective import TrainingObjective
from winnow.objectives.space import baseline
from winnow.records import Epoch, Outcome
from winnow.search.study import user_code
from winnow.search.study.spec import Spec
from winnow.search.study.validation import check
from winnow.search.worker.messages import (
    Answer,
    Artifact,
    Call,
    Ended,
    Job,
    Pipe,
    Prepare,
    Ready,
    Report,
    Verdict,
)

TRACEBACK_CHARACTERS = 4000
_OF_PRUNED = {Diverged: Outcome.DIVERGED, Infeasible: Outcome.INFEASIBLE}
"""What else ends a trial as pruned: the causes that the built-in objective gives."""
Objective = Callable[..., float]


class Stopped(BaseException):
    """The supervisor wants the trial back. No Exception, so that no objective takes it for an error of its own."""


class RemoteTrial(BaseTrial):
    """An Optuna trial whose real one lives in the supervisor."""

    def __init__(self, pipe: Pipe, job: Job) -> None:
        self._pipe = pipe
        self._job = job
        self._user_attributes = dict(job.user_attributes)
        self._verdict = Verdict.CONTINUE

    @property
    def number(self) -> int:
        """The trial's number in its study."""
        return self._job.number

    def suggest_float(
        self, name: str, low: float, high: float, *, step: float | None = None, log: bool = False
    ) -> float:
        """As Optuna's."""
        return float(self._call("suggest_float", name, low, high, step=step, log=log))

    def suggest_int(self, name: str, low: int, high: int, *, step: int = 1, log: bool = False) -> int:
        """As Optuna's."""
        return int(self._call("suggest_int", name, low, high, step=step, log=log))

    def suggest_categorical(self, name: str, choices: Sequence[Any]) -> Any:
        """As Optuna's."""
        return self._call("suggest_categorical", name, choices)

    def suggest_uniform(self, name: str, low: float, high: float) -> float:
        """As Optuna's, by its newer name."""
        return self.suggest_float(name, low, high)

    def suggest_loguniform(self, name: str, low: float, high: float) -> float:
        """As Optuna's, by its newer name."""
        return self.suggest_float(name, low, high, log=True)

    def suggest_discrete_uniform(self, name: str, low: float, high: float, q: float) -> float:
        """As Optuna's, by its newer name."""
        return self.suggest_float(name, low, high, step=q)

    def report(self, value: float, step: int) -> None:
        """As Optuna's: what an earlier attempt has reported already is passed over."""
        if step > self._job.last_epoch:
            self._report(Report(Epoch(int(step), float(value))))

    def report_epoch(self, epoch: Epoch, checkpoint: Callable[[], bytes]) -> None:
        """Report an epoch with all that is known of it, and with the bytes from which to go on after it."""
        self._report(Report(epoch, checkpoint()))

    def should_prune(self) -> bool:
        """As Optuna's; decided when the last value was reported."""
        return self._verdict is Verdict.PRUNE

    def set_user_attr(self, key: str, value: Any) -> None:
        """As Optuna's."""
        self._call("set_user_attr", key, value)
        self._user_attributes[key] = value

    def set_constraint(self, key: str, value: float) -> None:
        """As Optuna's: above 0 is infeasible."""
        self._call("set_constraint", key, value)

    def store_artifact(self, kind: str, content: bytes) -> str:
        """Keep some bytes beyond the trial's life as the user attribute `winnow:artifact:KIND`.

        Gives their name; an empty one where they could not be written, which the worker's log explains.
        """
        self._pipe.send(Artifact(kind, content))
        return str(self._receive())

    @property
    def params(self) -> dict[str, Any]:
        """As Optuna's."""
        return dict(self._call("params"))

    @property
    def distributions(self) -> dict[str, BaseDistribution]:
        """As Optuna's."""
        return dict(self._call("distributions"))

    @property
    def user_attrs(self) -> dict[str, Any]:
        """As Optuna's."""
        return dict(self._user_attributes)

    @property
    def datetime_start(self) -> datetime | None:
        """As Optuna's."""
        start: datetime | None = self._call("datetime_start")
        return start

    def _call(self, method: str, *arguments: Any, **options: Any) -> Any:
        self._pipe.send(Call(method, arguments, options))
        return self._receive()

    def _receive(self) -> Any:
        answer: Answer = self._pipe.recv()
        if answer.error is not None:
            raise answer.error
        return answer.value

    def _report(self, report: Report) -> None:
        self._pipe.send(report)
        self._verdict = self._pipe.recv()
        if self._verdict is Verdict.STOP:
            raise Stopped


def load_objective(spec: Spec, device: str) -> Objective:
    """The callable that a spec names; a user's own takes the trial and, as keywords, what `[fixed]` holds."""
    if spec.built_in:
        return TrainingObjective(
            spec.data_spec,
            spec.space,
            spec.fixed,
            spec.seed,
            device,
            spec.limits.max_parameters,
            spec.limits.trial_minutes,
        )
    function: Objective = user_code.load(spec.objective)

    def with_fixed(trial: Any, **options: Any) -> float:
        return function(trial, **spec.fixed, **options)

    return with_fixed


def takes_resume(spec: Spec) -> bool:
    """Whether the objective can go on from a checkpoint: a user's own says so by a parameter named `resume`."""
    if spec.built_in:
        return True
    return "resume" in inspect.signature(user_code.load(spec.objective)).parameters


def run(objective: Objective, resumable: bool, trial: RemoteTrial, job: Job) -> Ended:
    """One trial from its first message to its last."""
    started = time.perf_counter()
    value, reason, trace = None, "", ""
    try:
        options = {"resume": job.resume} if resumable and job.resume is not None else {}
        value = float(objective(trial, **options))
        outcome = Outcome.COMPLETE
    except optuna.TrialPruned as error:
        outcome, reason = _OF_PRUNED.get(type(error.__cause__), Outcome.PRUNED), str(error)
    except Stopped:
        outcome = Outcome.STOPPED
    except Exception as error:
        outcome = Outcome.TIME_LIMIT if isinstance(error, OutOfTime) else Outcome.EXCEPTION
        if is_out_of_memory(error):
            outcome = Outcome.OUT_OF_MEMORY
        reason = " ".join(f"{type(error).__name__}: {error}".split()).removesuffix(":")[:500]
        trace = traceback.format_exc()[-TRACEBACK_CHARACTERS:]
    return Ended(
        outcome,
        value,
        reason,
        trace,
        seconds=time.perf_counter() - started,
        peak_memory=_peak_memory(),
        versions={name: module.__version__ for name in ("torch", "optuna") if (module := sys.modules.get(name))},
    )


def is_out_of_memory(error: Exception) -> bool:
    """Whether a device had no memory left: torch says so by a type of its own on a GPU, by words elsewhere."""
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        return True
    words = ("can't allocate memory", "out of memory", "ALLOC_FAILED")
    return isinstance(error, RuntimeError) and any(word in str(error) for word in words)


def _peak_memory() -> int:
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_initialized():
        peak = int(torch.cuda.max_memory_allocated())
        torch.cuda.reset_peak_memory_stats()
        return peak
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def prepare(message: Prepare) -> tuple[Objective, bool, Ready]:
    """Import the objective, load its data, and see whether it can go on from a checkpoint."""
    spec = check(message.spec, "the study's spec")
    objective = load_objective(spec, message.device)
    ready = Ready()
    if isinstance(objective, TrainingObjective):
        objective.prepare()
        if message.calibrate:
            ready = Ready(precision=objective.calibrate(baseline(spec.space, spec.fixed, spec.baseline)[1]))
    return objective, takes_resume(spec), ready


def main(file_descriptor: int) -> None:
    """Serve jobs until the supervisor closes the pipe."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the supervisor decides what an interrupt means
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    pipe: Pipe = Connection(file_descriptor)
    try:
        try:
            objective, resumable, ready = prepare(pipe.recv())
        except Exception as error:
            problem = str(getattr(error, "problem", f"{type(error).__name__}: {error}"))
            remedy = str(getattr(error, "remedy", ""))
            pipe.send(Ready(problem=problem, remedy=remedy, traceback=traceback.format_exc()))
            return
        pipe.send(ready)
        while True:
            job: Job = pipe.recv()
            if isinstance(objective, TrainingObjective):
                objective.precision = job.precision
            pipe.send(run(objective, resumable, RemoteTrial(pipe, job), job))
            gc.collect()
    except (EOFError, BrokenPipeError, ConnectionResetError):
        os._exit(0)


if __name__ == "__main__":
    main(int(sys.argv[1]))
