"""What a trial came to, as it is written down: state, value and cost, its reason, and where and how it ran."""

import platform
from dataclasses import dataclass
from typing import Any

from optuna.trial import FrozenTrial

from winnow.records import PRINTED, REASON, RUN, TRACEBACK, TRAINING, FinalState, Outcome
from winnow.search.study.sections import Cost
from winnow.search.worker.context import WorkerContext
from winnow.search.worker.messages import Ended
from winnow.search.worker.provenance import git_commit, winnow_version
from winnow.storage.leases import Lease


@dataclass(frozen=True)
class Result:
    """What Optuna is told of a trial that has ended."""

    state: FinalState
    value: float | None
    cost: float | None
    """The value of the second objective; None where the study has none."""

    @property
    def values(self) -> list[float] | None:
        """Both, as Optuna has them."""
        return None if self.value is None else [each for each in (self.value, self.cost) if each is not None]


def result(
    outcome: Outcome, value: float | None, ended: Ended | None, frozen: FrozenTrial, against: Cost | None
) -> Result:
    """Return what Optuna is told of a trial; one that is pruned has the last value that it reported.

    `ended` is what its trainer said last, None where that can say nothing any more; `against` the second objective.
    """
    state: FinalState = outcome.final_state
    if state == "PRUNED" and frozen.last_step is not None:
        if against:
            state = "FAIL"  # Optuna's samplers stumble over a pruned trial with a curve and two objectives
        else:
            value = frozen.intermediate_values[frozen.last_step]
    return Result(state, value, _cost(frozen, ended, against) if state == "COMPLETE" else None)


def _cost(frozen: FrozenTrial, ended: Ended | None, against: Cost | None) -> float | None:
    match against:
        case "parameters":
            return float(frozen.user_attrs[TRAINING]["parameters"])
        case "seconds" if ended is not None:
            return ended.seconds
    return None


def attributes(
    context: WorkerContext, lease: Lease, frozen: FrozenTrial, reason: str, ended: Ended | None, wall_seconds: float
) -> dict[str, Any]:
    """Return the user attributes that say why a trial ended, and where and how it ran, attempts before included.

    `wall_seconds` are this attempt's.
    """
    found: dict[str, Any] = {}
    if reason and REASON not in frozen.user_attrs:
        found[REASON] = reason
    if ended is not None:
        before = RUN.of(frozen.user_attrs) or {}  # to where it was paused
        found[RUN] = {
            "worker": context.name,
            "host": platform.node(),
            "device": context.options.device.name,
            "threads": context.options.threads,
            "attempts": lease.token,
            "wall_seconds": round(wall_seconds + before.get("wall_seconds", 0.0), 3),
            "device_seconds": round(ended.seconds + before.get("device_seconds", 0.0), 3),
            "peak_memory_bytes": ended.peak_memory,
            "versions": {"winnow": winnow_version(), "python": platform.python_version(), **ended.versions},
            "git_commit": git_commit(),
            "code": ended.code,
        }
        if ended.printed.strip():
            found[PRINTED] = ended.printed
        if ended.traceback:
            found[TRACEBACK] = ended.traceback
    return found
