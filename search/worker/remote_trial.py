"""The trial that an objective gets in the trainer's process: it looks like Optuna's, and the real one answers.

Only the trainer's own process may use it, from any of its threads, and only while the trial runs.
"""

import os
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import datetime
from typing import Any, SupportsFloat

from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.study import StudyDirection
from optuna.trial import BaseTrial, FrozenTrial, TrialState

from winnow.records import Epoch
from winnow.search.worker import plain_data
from winnow.search.worker.messages import Answer, Artifact, Call, Job, Pipe, Report, Verdict


class Stopped(BaseException):
    """The supervisor wants the trial back. No Exception, so that no objective takes it for an error of its own."""


class RemoteStudy:
    """The study of a trial, to be read."""

    def __init__(self, call: Callable[..., Any], storage: "RemoteStorage") -> None:
        self._call = call
        self._storage = storage

    @property
    def directions(self) -> list[StudyDirection]:
        """As Optuna's."""
        return list(self._call("study.directions"))

    @property
    def direction(self) -> StudyDirection:
        """As Optuna's."""
        return StudyDirection(self._call("study.direction"))

    @property
    def study_name(self) -> str:
        """As Optuna's."""
        return str(self._call("study.study_name"))

    @property
    def user_attrs(self) -> dict[str, Any]:
        """As Optuna's."""
        return dict(self._call("study.user_attrs"))

    @property
    def best_trial(self) -> FrozenTrial:
        """As Optuna's."""
        trial: FrozenTrial = self._call("study.best_trial")
        return trial

    @property
    def best_value(self) -> float:
        """As Optuna's."""
        return float(self._call("study.best_value"))

    @property
    def best_params(self) -> dict[str, Any]:
        """As Optuna's."""
        return self.best_trial.params

    @property
    def trials(self) -> list[FrozenTrial]:
        """As Optuna's."""
        return self.get_trials()

    def get_trials(self, deepcopy: bool = True, states: Sequence[TrialState] | None = None) -> list[FrozenTrial]:
        """Behave as Optuna's; always a copy."""
        return list(self._call("study.get_trials", deepcopy=False, states=states))

    def _is_multi_objective(self) -> bool:
        """Behave as Optuna's, which its own integrations ask."""
        return len(self.directions) > 1


class RemoteStorage:
    """What Optuna's own integrations use of a trial's storage: the system attributes of this trial."""

    def __init__(self, trial: "RemoteTrial") -> None:
        self._trial = trial

    def set_trial_system_attr(self, trial_id: int, key: str, value: Any) -> None:
        """Behave as Optuna's; raises ValueError for another trial."""
        self._of_trial(trial_id).set_system_attr(key, value)

    def get_trial_system_attrs(self, trial_id: int) -> dict[str, Any]:
        """Behave as Optuna's; raises ValueError for another trial."""
        return self._of_trial(trial_id).system_attrs

    def _of_trial(self, trial_id: int) -> "RemoteTrial":
        if trial_id != self._trial._trial_id:
            raise ValueError("an objective uses the storage for its own trial only")
        return self._trial


class RemoteTrial(BaseTrial):
    """An Optuna trial whose real one lives in the supervisor."""

    speaks = True
    """Whether what its objective returns is the trial's value."""

    def __init__(self, pipe: Pipe, job: Job) -> None:
        self._pipe = pipe
        self._job = job
        self._user_attributes = dict(job.user_attributes)
        self._verdict = Verdict.CONTINUE
        self._trial_id = job.trial_id
        self._process = os.getpid()
        self._one_at_a_time = threading.RLock()
        self._ended = False
        self._is_answered = True
        self.has_reported = False
        """Whether it has told of an epoch."""

    def end(self) -> None:
        """Let threads that outlive the trial say nothing more, which would be taken for the next one's."""
        with self._one_at_a_time:
            self._ended = True
            with suppress(Stopped):  # too late: the trial has come to its end
                self._wait_for_answer()

    @property
    def study(self) -> RemoteStudy:
        """The trial's study, to be read."""
        return RemoteStudy(self._call, self.storage)

    @property
    def storage(self) -> RemoteStorage:
        """The trial's storage, for its system attributes."""
        return RemoteStorage(self)

    @property
    def number(self) -> int:
        """The trial's number in its study."""
        return self._job.number

    def suggest_float(
        self, name: str, low: float, high: float, *, step: float | None = None, log: bool = False
    ) -> float:
        """Behave as Optuna's."""
        step = None if step is None else float(step)
        return float(
            self._suggest("suggest_float", FloatDistribution, name, float(low), float(high), step=step, log=log)
        )

    def suggest_int(self, name: str, low: int, high: int, *, step: int = 1, log: bool = False) -> int:
        """Behave as Optuna's."""
        return int(self._suggest("suggest_int", IntDistribution, name, int(low), int(high), step=int(step), log=log))

    def suggest_categorical(self, name: str, choices: Sequence[Any]) -> Any:
        """Behave as Optuna's."""
        plain = [plain_data.attribute(name, choice) for choice in choices]
        return list(choices)[plain.index(self._suggest("suggest_categorical", CategoricalDistribution, name, plain))]

    def suggest_uniform(self, name: str, low: float, high: float) -> float:
        """Behave as Optuna's of the newer name."""
        return self.suggest_float(name, low, high)

    def suggest_loguniform(self, name: str, low: float, high: float) -> float:
        """Behave as Optuna's of the newer name."""
        return self.suggest_float(name, low, high, log=True)

    def suggest_discrete_uniform(self, name: str, low: float, high: float, q: float) -> float:
        """Behave as Optuna's of the newer name."""
        return self.suggest_float(name, low, high, step=q)

    def report(
        self, value: float, step: int, checkpoint: Callable[[], bytes] | None = None, **metrics: SupportsFloat
    ) -> None:
        """Behave as Optuna's, with any other metrics by their names, and with what gives the bytes from which to go on.

        What an earlier attempt has reported already is passed over, unless a checkpoint is to be kept again.
        """
        epoch = Epoch.of(plain_data.step(step), float(value), plain_data.metrics(metrics))
        if self._job.last_epoch is None or epoch.epoch > self._job.last_epoch or checkpoint is not None:
            self._report(Report(epoch, checkpoint() if checkpoint else None))

    def report_epoch(self, epoch: Epoch, checkpoint: Callable[[], bytes]) -> Callable[[], None]:
        """Report an epoch with all that is known of it, and with the bytes from which to go on after it.

        What is returned waits for the answer, as does whatever the trial is asked next.
        """
        self._say(Report(epoch, checkpoint()))
        self._is_answered = False
        return self._wait_for_answer

    def should_prune(self) -> bool:
        """Behave as Optuna's; decided when the last value was reported."""
        self._wait_for_answer()
        if self._verdict is Verdict.STOP:  # which was the answer to another thread
            raise Stopped
        return self._verdict is Verdict.PRUNE

    def set_user_attr(self, key: str, value: Any) -> None:
        """Behave as Optuna's."""
        plain = plain_data.attribute(key, value)
        self._call("set_user_attr", plain_data.text(key), plain)
        self._user_attributes[key] = plain

    def set_system_attr(self, key: str, value: Any) -> None:
        """Behave as Optuna's."""
        self._call("set_system_attr", plain_data.text(key), plain_data.attribute(key, value))

    def set_constraint(self, key: str, value: float) -> None:
        """Behave as Optuna's: above 0 is infeasible."""
        self._call("set_constraint", plain_data.text(key), float(value))

    def store_artifact(self, kind: str, content: bytes) -> str:
        """Keep some bytes beyond the trial's life as the user attribute `winnow:artifact:KIND`.

        Gives their name; an empty one where they could not be written, which the worker's log explains.
        """
        return str(self._ask(Artifact(plain_data.text(kind, 100), bytes(content))))

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
    def system_attrs(self) -> dict[str, Any]:
        """As Optuna's."""
        return dict(self._call("system_attrs"))

    @property
    def datetime_start(self) -> datetime | None:
        """As Optuna's."""
        start: datetime | None = self._call("datetime_start")
        return start

    def _suggest(self, method: str, kind: Callable[..., BaseDistribution], name: str, *bounds: Any, **more: Any) -> Any:
        """Return what the trial has drawn before under this name from the same distribution, else what it draws now."""
        known = self._job.distributions.get(name)
        if known is not None and known == kind(*bounds, **more):
            return self._job.parameters[name]
        return self._call(method, name, *bounds, **more)

    def _call(self, method: str, *arguments: Any, **options: Any) -> Any:
        return self._ask(Call(method, arguments, options))

    def _ask(self, message: Call | Artifact) -> Any:
        answer: Answer = self._exchange(message)
        if answer.error is not None:
            raise answer.error
        return answer.value

    def _report(self, report: Report) -> None:
        self._take(self._exchange(report))

    def _wait_for_answer(self) -> None:
        """Hear what the last epoch was answered, where nobody has yet."""
        with self._one_at_a_time:
            if not self._is_answered:
                self._is_answered = True
                self._take(self._pipe.recv())

    def _take(self, verdict: Verdict) -> None:
        self._verdict = verdict
        if self._verdict is Verdict.STOP:
            raise Stopped

    def _exchange(self, message: Call | Artifact | Report) -> Any:
        with self._one_at_a_time:
            self._say(message)
            return self._pipe.recv()

    def _say(self, message: Call | Artifact | Report) -> None:
        if os.getpid() != self._process:
            raise RuntimeError("a trial belongs to the process that its objective began in")
        with self._one_at_a_time:
            if self._ended:
                raise RuntimeError(f"trial {self.number} has ended, and a thread that it left running still uses it")
            self._wait_for_answer()
            self.has_reported |= isinstance(message, Report)
            self._pipe.send(message)
