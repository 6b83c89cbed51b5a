"""What a trial came to, written down in one transaction: its state, value, reason, and where and how it ran."""

import logging
import platform
from dataclasses import dataclass
from typing import Any

import optuna
from optuna.trial import FrozenTrial, TrialState

from winnow.records import PRINTED, REASON, RUN, TRACEBACK, TRAINING, FinalState, Outcome
from winnow.search.worker.context import WorkerContext
from winnow.search.worker.messages import Ended
from winnow.search.worker.provenance import git_commit, winnow_version
from winnow.search.worker.retention import make_room
from winnow.storage import checkpoints, leases
from winnow.storage.errors import LeaseLost, StorageUnreachable
from winnow.storage.leases import Lease

_log = logging.getLogger("winnow")


@dataclass(frozen=True)
class Ending:
    """How a trial ended, as its supervisor knows it."""

    outcome: Outcome
    value: float | None
    reason: str
    ended: Ended | None
    """What its trainer said last; None where that can say nothing any more."""
    wall_seconds: float
    """Of this attempt."""

    def write(self, context: WorkerContext, study: optuna.Study, lease: Lease) -> None:
        """End the trial; its checkpoints go. Raises LeaseLost."""
        storage = context.study.storage
        frozen = storage.get_trial(lease.trial_id)
        state: FinalState = self.outcome.final_state
        value = self.value
        if state == "PRUNED" and frozen.last_step is not None:
            if context.study.spec.against:
                state = "FAIL"  # Optuna's samplers stumble over a pruned trial with a curve and two objectives
            else:
                value = frozen.intermediate_values[frozen.last_step]
        cost = self._cost(context, frozen) if state == "COMPLETE" else None
        values = None if value is None else [value] if cost is None else [value, cost]
        try:
            study.sampler.after_trial(study, frozen, TrialState[state], values)
        except (LeaseLost, StorageUnreachable):
            raise
        except Exception as error:  # the result is worth more than what a sampler makes of it
            _log.warning("trial %d: its sampler failed after it: %s", lease.number, error)
        attributes = self._attributes(context, lease, frozen)
        leases.finish(storage.database, lease, self.outcome, value, attributes, cost, state)
        checkpoints.prune_files(storage.store, lease, keep=0)

    def pause(self, context: WorkerContext, lease: Lease) -> None:
        """Leave the trial at its newest checkpoint, with where and how it ran so far. Raises LeaseLost."""
        storage = context.study.storage
        attributes = self._attributes(context, lease, storage.get_trial(lease.trial_id))
        leases.give_back(storage.database, lease, self.outcome, attributes)
        checkpoints.prune_files(storage.store, lease, keep=1)
        make_room(context.study)

    def _attributes(self, context: WorkerContext, lease: Lease, frozen: FrozenTrial) -> dict[str, Any]:
        attributes: dict[str, Any] = {}
        if self.reason and REASON not in frozen.user_attrs:
            attributes[REASON] = self.reason
        if self.ended is not None:
            before = RUN.of(frozen.user_attrs) or {}  # to where it was paused
            attributes[RUN] = {
                "worker": context.name,
                "host": platform.node(),
                "device": context.options.device.name,
                "threads": context.options.threads,
                "attempts": lease.token,
                "wall_seconds": round(self.wall_seconds + before.get("wall_seconds", 0.0), 3),
                "device_seconds": round(self.ended.seconds + before.get("device_seconds", 0.0), 3),
                "peak_memory_bytes": self.ended.peak_memory,
                "versions": {"winnow": winnow_version(), "python": platform.python_version(), **self.ended.versions},
                "git_commit": git_commit(),
                "code": self.ended.code,
            }
            if self.ended.printed.strip():
                attributes[PRINTED] = self.ended.printed
            if self.ended.traceback:
                attributes[TRACEBACK] = self.ended.traceback
        return attributes

    def _cost(self, context: WorkerContext, frozen: FrozenTrial) -> float | None:
        """Return the value of the second objective, where the study has one."""
        match context.study.spec.against:
            case "parameters":
                return float(frozen.user_attrs[TRAINING]["parameters"])
            case "seconds" if self.ended is not None:
                return self.ended.seconds
        return None
