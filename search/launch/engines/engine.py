"""What every engine of many machines can do, and what it is asked for."""

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from winnow.errors import WinnowError


class EngineError(WinnowError):
    """An engine that is not installed, does not answer, or does not take what is asked of it."""


@dataclass(frozen=True)
class Order:
    """The workers that a study is to get."""

    study: str
    workers: int
    gpus: bool
    """Whether each worker gets a GPU of its own; otherwise each works on a CPU core."""
    grace_seconds: float
    """How long a trainer may take to finish its epoch when its worker is to leave."""
    logs: Path
    """The folder for what the workers say, which all machines share."""

    @property
    def worker_options(self) -> list[str]:
        """What `winnow work` is told."""
        device = "cuda" if self.gpus else "cpu"
        return [self.study, "--device", device, "--grace-seconds", f"{self.grace_seconds:g}"]


class Engine(Protocol):
    """Starts workers on the machines of a cluster. All its methods raise EngineError."""

    @property
    def name(self) -> str:
        """As `--engine` takes it."""

    @property
    def address(self) -> str | None:
        """Which of several clusters it is; None where the machine knows by itself."""

    def describe(self, order: Order) -> str:
        """Return what would be submitted, to be read by a person. Needs no cluster."""

    def refuse_impossible(self, order: Order) -> None:
        """Find out, without starting anything, whether the engine is there and could ever start this."""

    def start(self, order: Order, url: str) -> str:
        """Start the workers, with the storage's URL in their environment; gives the job's name."""

    def under_way(self, job: str) -> str:
        """Return how many workers of a job run and wait, in words; empty where none does."""

    def cancel(self, job: str) -> None:
        """End a job: its workers hand their trials back, and those that wait never start."""
