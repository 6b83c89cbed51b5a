"""What a study's live page says of it at one moment: plain numbers, as the JSON API gives them."""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from winnow.search.analysis.status import Best, count_ended
from winnow.storage.budget import Budget


@dataclass(frozen=True)
class WorkerNow:
    """A worker as the storage last heard of it."""

    worker: str
    host: str
    device: str
    state: str
    trial: int | None
    epoch: int | None
    value: float | None
    age: float
    """Seconds since its last sign of life."""
    curve: tuple[float, ...]
    """The values that its trial has reported so far."""


@dataclass(frozen=True)
class Snapshot:
    """A study at one moment. Times are in seconds."""

    study_id: int
    study: str
    direction: str
    metric: str
    states: dict[str, int]
    budget: Budget
    exhausted: str
    """Which limit of the budget is reached, in words; empty while there is something left."""
    state: str
    """What its workers shall do: active, paused or stopped."""
    stopped: str
    """Why the study's own rule stopped it; empty where it did not."""
    seconds: float
    device_seconds: float
    saved_seconds: float
    """What pruning saved of device time: an estimate from a sample of the pruned trials."""
    best: Best | None
    baseline: float | None
    workers: list[WorkerNow]
    failures: dict[str, int]
    """How many trials failed for each reason, most frequent first."""
    pruned: dict[str, int]
    trials_version: int
    """Grows when trials have ended: the pictures of the search are then to be drawn anew."""
    conclusions_version: int
    """Grows when trainings of a confirmation or an ablation have ended."""
    has_spec: bool
    """Whether Winnow made the study."""

    @property
    def finished(self) -> int:
        """Trials that have ended."""
        return count_ended(self.states)

    @property
    def total(self) -> int | None:
        """Trials of the budget; None where it has no such limit."""
        return self.budget.trials

    @property
    def left_device_seconds(self) -> float | None:
        """Device time that the budget leaves; None where it has no such limit."""
        if self.budget.device_hours is None:
            return None
        return max(0.0, self.budget.device_hours * 3600 - self.device_seconds)

    @property
    def standing(self) -> str:
        """What goes on, in one word: running, paused, stopped, waiting, done or idle."""
        if self.state != "active":
            return self.state
        if self.states.get("RUNNING", 0):
            return "running"
        if self.exhausted and not self.states.get("WAITING", 0):
            return "done"
        return "waiting" if self.workers else "idle"

    def as_dict(self) -> dict[str, Any]:
        """All of it as JSON has it; what is not finite is null."""
        added = {
            "finished": self.finished,
            "left_device_seconds": self.left_device_seconds,
            "standing": self.standing,
        }
        return finite_object(asdict(self) | added)


def finite_object(content: Mapping[str, Any]) -> dict[str, Any]:
    """The same object with null for numbers that JSON does not know."""
    return {key: finite(value) for key, value in content.items()}


def finite(content: Any) -> Any:
    """Content with null for numbers that JSON does not know."""
    if isinstance(content, float):
        return content if math.isfinite(content) else None
    if isinstance(content, dict):
        return {str(key): finite(value) for key, value in content.items()}
    if isinstance(content, list | tuple):
        return [finite(value) for value in content]
    return content
