"""What all rooms say alike: an epoch, a budget, how a trial ended, and the names of Winnow's attributes in Optuna.

The states are Optuna's by their names, since this file imports nothing: objectives, storage and the service meet here.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from enum import Enum, StrEnum
from typing import Any, Generic, Literal, TypeVar

T = TypeVar("T")
FinalState = Literal["COMPLETE", "PRUNED", "FAIL"]
TrialState = FinalState | Literal["WAITING"]
LARGEST_STEP = 2**31 - 1
"""Of the integers in Optuna's tables."""
LARGEST_ATTRIBUTE = 1_000_000
"""Characters of an attribute as JSON."""
NOTHING_LEARNED = 0.95
"""From this share of the loss of guessing on, a training has learned next to nothing."""


@dataclass(frozen=True)
class Epoch:
    """One epoch of a trial, from the training loop to its row and its picture; None where it was not recorded."""

    epoch: int
    """Counts from 1; a step of `Trial.report` in an objective of one's own, which may count from 0."""
    value: float
    """What the search judges the trial by; NaN where the training had none."""
    train_loss: float | None = None
    """Mean over the epoch's steps, while the weights moved; cross-entropy without smoothing or penalties."""
    train_accuracy: float | None = None
    validation_loss: float | None = None
    validation_accuracy: float | None = None
    lr: float | None = None
    """Learning rate of the epoch's last step."""
    weight_norm: float | None = None
    """Frobenius norm of the weights of all dense and convolutional layers, without biases and norms."""
    seconds: float | None = None
    extra: Mapping[str, float] = field(default_factory=dict, hash=False)
    """What else the objective measured, by its own names."""

    @classmethod
    def of(cls, epoch: int, value: float, measured: Mapping[str, float]) -> "Epoch":
        """Return an epoch with all that was measured: the quantities above by their names, all others as extra."""
        known = {name: number for name, number in measured.items() if name in METRICS}
        return cls(epoch, value, **known, extra={name: measured[name] for name in measured if name not in METRICS})

    def quantity(self, name: str) -> float | None:
        """Return the value, or what was measured under this name; None where nothing was."""
        return getattr(self, name) if name == "value" or name in METRICS else self.extra.get(name)

    @property
    def metrics(self) -> dict[str, float | None]:
        """Every quantity beside the value, by its name."""
        return {**{name: getattr(self, name) for name in METRICS}, **self.extra}


METRICS = tuple(each.name for each in fields(Epoch) if each.name not in ("epoch", "value", "extra"))
"""The quantities that have a name of their own in an epoch."""


@dataclass(frozen=True)
class Budget:
    """Limits of a study; None is no limit."""

    trials: int | None = None
    hours: float | None = None
    device_hours: float | None = None
    epochs: int | None = None


class Retry(Enum):
    """Whether a trial goes on after an attempt ended so."""

    NEVER = "never"
    ONCE = "once"
    """Alone on its device or in a fresh process; the second time it fails."""
    FEW = "few"
    """Until several attempts have crashed: then it fails."""
    ALWAYS = "always"


class Outcome(StrEnum):
    """How an attempt at a trial ended: the table of states, as code. Every trial counts once in the budget."""

    COMPLETE = "complete"
    PRUNED = "pruned"
    INFEASIBLE = "infeasible"
    """A model over a limit of the study, before its first step."""
    DIVERGED = "diverged"
    """A loss that is no number, has exploded, or stays at chance."""

    LEASE_EXPIRED = "lease expired"
    """Its worker was away for longer than its lease, or was killed where nobody saw it."""
    WORKER_KILLED = "worker killed"
    """As the fleet saw that had started its worker."""
    TRAINER_DIED = "trainer died"
    PREEMPTED = "preempted"
    """Its worker was asked to leave by a signal."""
    STOPPED = "stopped"
    """Its study was stopped by a person."""
    PAUSED = "paused"
    """Its study was paused by a person."""
    RUNG = "at a rung"
    """Paused by the study's scheduler, which may go on with it from its checkpoint."""

    OUT_OF_MEMORY = "out of memory"
    DEVICE_ERROR = "device error"
    """An error that outlives the trial in its process: a device-side assert, for one."""

    EXCEPTION = "exception"
    INVALID_VALUE = "invalid value"
    """The objective returned NaN, or no number."""
    REFUSED = "refused"
    """The storage refused what the trial said."""
    TIME_LIMIT = "time limit"
    PROGRESS_LIMIT = "progress limit"

    @property
    def retry(self) -> Retry:
        """Whether the trial goes on from its checkpoint after this."""
        return _RETRIES.get(self, Retry.NEVER)

    @property
    def state(self) -> TrialState:
        """The trial's state after this, as long as it may be retried."""
        return self.final_state if self.retry is Retry.NEVER else "WAITING"

    @property
    def final_state(self) -> FinalState:
        """The trial's state after this, once it is not retried."""
        return _STATES.get(self, "FAIL")

    @property
    def crashed(self) -> bool:
        """Whether the attempt ended without anybody's wish and may do so again."""
        return self.retry is Retry.FEW


_RETRIES = {
    Outcome.LEASE_EXPIRED: Retry.FEW,
    Outcome.WORKER_KILLED: Retry.FEW,
    Outcome.TRAINER_DIED: Retry.FEW,
    Outcome.PREEMPTED: Retry.ALWAYS,
    Outcome.STOPPED: Retry.ALWAYS,
    Outcome.PAUSED: Retry.ALWAYS,
    Outcome.RUNG: Retry.ALWAYS,
    Outcome.OUT_OF_MEMORY: Retry.ONCE,
    Outcome.DEVICE_ERROR: Retry.ONCE,
}
_STATES: dict[Outcome, FinalState] = {
    Outcome.COMPLETE: "COMPLETE",
    Outcome.PRUNED: "PRUNED",
    Outcome.INFEASIBLE: "PRUNED",
    Outcome.DIVERGED: "PRUNED",
}


class Key(str, Generic[T]):
    """The name of an attribute in Optuna's tables, and the type of what is kept under it, as JSON has it."""

    def of(self, attributes: Mapping[str, Any]) -> T | None:
        """Return what is kept under this name; None where nothing is."""
        return attributes.get(self)


RESERVED = "winnow:"
"""What the names of all of them begin with."""

# --- of studies
SPEC = Key[dict[str, Any]]("winnow:spec")
"""The whole study spec: with it, a worker needs nothing but the URL and the study's name."""
CODE = Key[dict[str, str]]("winnow:code")
"""What trained first: each module of the user's by its fingerprint, or the training version of Winnow's own."""
CODE_OF = "winnow:code:"
"""Followed by the name of a module that no trainer had imported when the study's first trial began."""
ACCEPT_CODE = Key[bool]("winnow:accept_code")
"""Whether other code may go on with the study than began it."""
NUMERICS = Key[dict[str, Any]]("winnow:numerics")
"""Precision and CPU threads of all trials, settled by the first worker."""
STOPPING = Key[dict[str, Any]]("winnow:stopped")
"""Why the study's own rule ended the search, and after how many trials."""
ENGINE_JOB = Key[dict[str, Any]]("winnow:job")
ABLATION = Key[dict[str, Any]]("winnow:ablation")
CONCLUSION = Key[dict[str, Any]]("winnow:concluded")
DECISION = Key[dict[str, Any]]("winnow:decision")
MISTAKES = Key[dict[str, Any]]("winnow:mistakes")

# --- of trials
BASELINE = Key[bool]("winnow:baseline")
STARTED_FROM = Key[dict[str, Any]]("winnow:started_from")
"""The study and the trial whose configuration a search began with."""
GIVEN = Key[dict[str, Any]]("winnow:given")
"""The configuration that a trial is to train, where it is not drawn."""
CONFIG = Key[dict[str, Any]]("winnow:config")
"""The configuration in full, as it was trained."""
TRAINING = Key[dict[str, Any]]("winnow:training")
"""Parameters counted, fingerprint of the data, and what must match for a replay to give the same bits."""
TEST_SCORE = Key[float]("winnow:test_score")
"""The score on test data of a repetition whose objective reads them itself."""
LAYERS = Key[list[dict[str, Any]]]("winnow:layers")
"""The weights of each layer at a few epochs, where the spec asks for them (`[keep] layers`)."""
OUTPUTS = Key[dict[str, Any]]("winnow:outputs")
"""What the network answers along its one feature or over its two, where the spec asks for it (`[keep] outputs`)."""
EPOCHS = Key[list[dict[str, Any]]]("winnow:epochs")
"""The curve of a trial that no Winnow worker ran."""
OUTCOME = Key[str]("winnow:outcome")
"""An `Outcome`: how the trial ended."""
REASON = Key[str]("winnow:reason")
"""The same in a sentence."""
TRACEBACK = Key[str]("winnow:traceback")
PRINTED = Key[str]("winnow:printed")
"""The end of what its objective printed."""
RESTARTED = Key[str]("winnow:restarted")
"""Why an attempt could not go on from the newest checkpoint, and from where it trained again; one line for each."""
RUN = Key[dict[str, Any]]("winnow:run")
"""Where and how it ran: worker, host, device, seconds, memory, versions."""
WOULD_PRUNE = Key[int]("winnow:would_prune")
"""Of a trial that audits the pruner: the epoch after which it would have been stopped."""

# --- of both
KEEP_WEIGHTS = Key[bool]("winnow:keep_weights")
ARTIFACT = "winnow:artifact:"
"""Followed by the artifact's kind; the attribute holds its name in the store."""
WEIGHTS = Key[str](f"{ARTIFACT}weights")


def restarted(attributes: Mapping[str, Any], said: str) -> str:
    """Return what is kept of a trial under RESTARTED, with one line more."""
    return "\n".join([*filter(None, [RESTARTED.of(attributes)]), said])
