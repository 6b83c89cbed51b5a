"""What a supervisor and its trainer say to each other over their pipe.

The trainer asks and reports; the supervisor answers each message with one of its own. Nothing else passes between
them: the trainer knows no database.
"""

from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Literal, Protocol

from optuna.distributions import BaseDistribution

from winnow import defaults
from winnow.records import Epoch, Outcome

# --- supervisor to trainer


@dataclass(frozen=True)
class Prepare:
    """Import and load what the study's trials need, before the first comes."""

    spec: dict[str, Any]
    device: str
    calibrate: bool
    """Whether to measure which precision is faster; once a study has settled that, nobody does."""
    fuse: int | Literal["auto"] = 1
    """How many trials to train at once; `auto` is to be measured, once in a worker's life."""
    progress_minutes: float = defaults.PROGRESS_MINUTES
    """After so long without a word the supervisor takes the trainer to hang."""


@dataclass(frozen=True)
class Job:
    """Run one trial."""

    number: int
    trial_id: int
    user_attributes: dict[str, Any]
    parameters: dict[str, Any] = field(default_factory=dict)
    """What it has drawn already."""
    distributions: dict[str, BaseDistribution] = field(default_factory=dict)
    resume: bytes | None = None
    last_epoch: int | None = None
    """The last epoch that the storage holds; None where it holds none."""
    precision: str = "fp32"
    """The study's precision, for trials whose configuration says nothing of it."""
    port: int = 0
    """Where the ranks of a trial find each other, if there are several."""


@dataclass(frozen=True)
class Measure:
    """Find how many trainings of the shape of these values are done at once. Answered by an Answer with a Fusing."""

    values: dict[str, Any]
    precision: str
    """The study's, as in Job."""


class Verdict(Enum):
    """The answer to a report."""

    CONTINUE = "continue"
    PRUNE = "prune"
    STOP = "stop"


@dataclass(frozen=True)
class Answer:
    """What a call on the trial returned, or the error that it raised."""

    value: Any = None
    error: Exception | None = None


# --- trainer to supervisor


@dataclass(frozen=True)
class Ready:
    """The answer to Prepare: what went wrong, if anything did."""

    precision: str = "fp32"
    """The faster one, where it was to be measured."""
    problem: str = ""
    remedy: str = ""
    traceback: str = ""
    code: dict[str, str] = field(default_factory=dict)
    """What the objective is made of: a fingerprint of each module (see `winnow.search.study.objective.code_of`)."""
    device: bool = False
    """Whether the device is at fault."""
    fuse: int = 1
    """How many trials it trains at once; where it is more than one, each has a channel of its own."""
    fuse_why: str = ""
    """Why as many, where it was measured."""
    measures_shapes: bool = False
    """Whether as many are but the most, and it is to be asked of each shape by `Measure`."""


@dataclass(frozen=True)
class Call:
    """Call a method of the Optuna trial or, as `study.METHOD`, of its study; or read a property."""

    method: str
    arguments: tuple[Any, ...]
    options: dict[str, Any]


@dataclass(frozen=True)
class Decision:
    """Ask for what rank 0 was told the time of this `number`, from 0, that it asked whether the trial is pruned.

    Said by another rank of a trial, to rank 0. Answered by a Verdict.
    """

    number: int


@dataclass(frozen=True)
class Report:
    """One epoch, and the checkpoint after it. Answered by a Verdict."""

    epoch: Epoch
    checkpoint: bytes | None = None


@dataclass(frozen=True)
class Artifact:
    """A file that shall outlive the trial. Answered by an Answer with its name."""

    kind: str
    content: bytes


@dataclass(frozen=True)
class Ended:
    """The last message about a trial."""

    outcome: Outcome
    """STOPPED where the supervisor wanted it back."""
    value: float | None = None
    reason: str = ""
    traceback: str = ""
    seconds: float = 0.0
    peak_memory: int = 0
    """Bytes: of the process on a CPU, of the device on a GPU."""
    versions: dict[str, str] = field(default_factory=dict)
    code: dict[str, str] = field(default_factory=dict)
    printed: str = ""
    """The end of what it printed; empty of trainings that went on beside others in one process."""
    broken: bool = False
    """Whether the trainer is of no more use: others of its ranks wait for one that has failed, or its device fails."""
    left_over: bool = False
    """Whether it failed before its first epoch where other trials had run: what these left there may be why."""


class Pipe(Protocol):
    """Either end: a multiprocessing connection."""

    def send(self, obj: Any) -> None:
        """Pickle and send a message."""

    def recv(self) -> Any:
        """Return the next message; raises EOFError where the other end is gone."""

    def poll(self, timeout: float) -> bool:
        """Wait up to `timeout` seconds for a message."""

    def close(self) -> None:
        """Close this end."""
