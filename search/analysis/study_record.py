"""A study as plain data: what every number, picture and page of Winnow is drawn from.

A study that stock Optuna made has no configurations and no epoch rows: its intermediate values are its curves.
"""

import json
import math
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import Any, Literal

from optuna.distributions import BaseDistribution

from winnow.errors import StudyError
from winnow.records import (
    Epoch,
    Outcome,
)
from winnow.search.analysis.statistics import Scale, scale_of
from winnow.storage.trial_summaries import note_code


@dataclass(frozen=True)
class TrialRecord:
    """One trial: what was asked of it, what came of it, and what it cost."""

    number: int
    state: str
    """Optuna's name of the state: COMPLETE, PRUNED, FAIL, RUNNING or WAITING."""
    value: float | None
    """Its result; of a pruned trial, the last value that it reported."""
    parameters: Mapping[str, Any]
    """What was searched, as Optuna holds it (lists as labels)."""
    distributions: Mapping[str, BaseDistribution]
    config: Mapping[str, Any]
    """The configuration that was trained, in full; empty where none was recorded."""
    reason: str
    """Why it was pruned or failed; empty where nobody said."""
    baseline: bool
    feasible: bool
    started: datetime | None
    ended: datetime | None
    worker: str
    host: str
    device: str
    seconds: float
    """Training time over all its attempts where that was recorded, else the time from start to end."""
    curve: tuple[Epoch, ...] = ()
    training: Mapping[str, Any] = field(default_factory=dict)
    """What the trial recorded of itself: parameters counted, threads, precision, data fingerprint."""
    run: Mapping[str, Any] = field(default_factory=dict)
    """What its worker recorded: versions, commit, wall and training seconds, peak memory."""

    outcome: str = ""
    """How its last attempt ended, an `Outcome`; empty where no Winnow worker ran it."""
    log: str = ""
    """Where it did not go on from its newest checkpoint, the end of what it printed, and its failure's traceback."""
    would_prune: int | None = None
    """The epoch after which the pruner would have stopped it, had it not been let finish to audit the pruner."""

    layers: Sequence[Mapping[str, Any]] = ()
    """The weights of its layers after a few epochs, as `objectives.recording` has them; empty where not asked for."""
    outputs: Mapping[str, Any] = field(default_factory=dict)
    """What its network answers over one feature or two; empty where not asked for."""

    @property
    def finished(self) -> bool:
        """Whether it has ended, in whatever way."""
        return self.state in ("COMPLETE", "PRUNED", "FAIL")

    @property
    def diverged(self) -> bool:
        """Whether its training could not recover: an outcome of its own that Optuna holds as PRUNED."""
        return self.outcome == Outcome.DIVERGED

    @property
    def cut_short(self) -> bool:
        """Whether the pruner stopped a training that was under way."""
        return self.state == "PRUNED" and bool(self.curve) and not self.diverged

    @property
    def trained(self) -> dict[str, Any]:
        """Its configuration, whatever the seed."""
        return {name: value for name, value in self.config.items() if name != "seed"}

    def setting(self, name: str) -> Any:
        """Return a searched value as it was trained: the configuration's, for a baseline's may be out of range."""
        return self.config.get(name, self.parameters.get(name))

    @property
    def best_epoch(self) -> Epoch | None:
        """The epoch whose value lies nearest to its result: the one whose weights were kept, where it stopped early."""
        value = self.value
        known = [epoch for epoch in self.curve if math.isfinite(epoch.value)]
        return min(known, key=lambda epoch: abs(epoch.value - value)) if known and value is not None else None


@dataclass(frozen=True, eq=False)
class StudyRecord:
    """A study, by its first objective, and all its trials, in order of their numbers."""

    study: str
    direction: Literal["maximize", "minimize"]
    metric: str
    """What a value is, in words: `validation accuracy`."""
    trials: tuple[TrialRecord, ...]
    sampler: str = ""
    """As the spec names it; empty of a study that stock Optuna made, whose sampler nobody recorded."""
    objectives: int = 1
    """How many a study of stock Optuna has, of which this is the first; a spec's second one is the cost."""
    against: str = ""
    """What a spec sets the value against: its second objective."""
    is_analysis: bool = False
    """Whether its trainings were planned, to confirm or to ablate a search: it is no search itself."""

    @property
    def of_several(self) -> str:
        """Which of several objectives all numbers are of, in a sentence; empty where there is one."""
        if self.against:
            return (
                f"It was searched for few {self.against} too, and what is said here is of the {self.metric} alone; "
                f"winnow front {shlex.quote(self.study)} lists the trials that no other beats in both."
            )
        if self.objectives == 1:
            return ""
        return (
            f"The study has {self.objectives} objectives, and all that is said and shown here is of the first alone; "
            f"winnow front {shlex.quote(self.study)} lists the trials that no other beats in all of them."
        )

    @cached_property
    def finished(self) -> tuple[TrialRecord, ...]:
        """The trials that have ended."""
        return tuple(trial for trial in self.trials if trial.finished)

    @cached_property
    def ranked(self) -> tuple[TrialRecord, ...]:
        """The feasible COMPLETE trials, best first; the earlier of two equals goes first."""
        complete = [t for t in self.trials if t.state == "COMPLETE" and t.feasible and t.value is not None]
        return tuple(sorted(complete, key=lambda trial: self.loss(trial.value)))

    @property
    def best(self) -> TrialRecord | None:
        """The trial that `study.best_trial` names; None while there is none."""
        return self.ranked[0] if self.ranked else None

    @cached_property
    def baseline(self) -> TrialRecord | None:
        """The trial marked as the baseline; None where there is none."""
        return next((trial for trial in self.trials if trial.baseline), None)

    @cached_property
    def candidates(self) -> tuple[TrialRecord, ...]:
        """The completed trials that trained neither what the baseline did nor what a better one of them did."""
        first: dict[str, TrialRecord] = {}
        baseline = self.baseline
        for trial in ([baseline] if baseline in self.ranked and baseline else []) + list(self.ranked):
            if trial.config:
                first.setdefault(json.dumps(trial.trained, sort_keys=True, default=repr), trial)
        return tuple(trial for trial in first.values() if trial is not baseline)

    @cached_property
    def parameter_names(self) -> tuple[str, ...]:
        """Every searched name, in the order of first appearance."""
        return tuple(dict.fromkeys(name for trial in self.trials for name in trial.parameters))

    @cached_property
    def scale(self) -> Scale:
        """What a value can be; counted on as many validation examples as a trial recorded."""
        recorded = (trial.training.get("validation_examples") for trial in self.trials)
        return self.scale_on(next((int(count) for count in recorded if count), 0))

    def scale_on(self, examples: int) -> Scale:
        """Return what a value can be where it is counted on so many examples; 0 where that is unknown."""
        values = [trial.value for trial in self.trials if trial.value is not None and math.isfinite(trial.value)]
        return scale_of(self.metric, self.direction, examples, values)

    def trial(self, number: int) -> TrialRecord:
        """Return the trial of a number; raises StudyError where there is none."""
        refuse_other_number(self.study, number, len(self.trials))
        return self.trials[number]

    def loss(self, value: float | None) -> float:
        """Return `value` turned so that less is better; what is unknown is worse than anything."""
        if value is None or math.isnan(value):
            return math.inf
        return -value if self.direction == "maximize" else value

    def gain(self, trial: TrialRecord, over: TrialRecord) -> float:
        """Return by how much `trial` is better than `over` (negative: worse), in the metric's unit."""
        return self.loss(over.value) - self.loss(trial.value)

    def count(self, state: str) -> int:
        """Return how many trials are in `state`."""
        return sum(trial.state == state for trial in self.trials)


def refuse_other_number(study: str, number: int, count: int) -> None:
    """Raise StudyError unless `number` is that of one of so many trials."""
    if not 0 <= number < count:
        known = f"it has trials 0 to {count - 1}" if count else "it has none yet"
        raise StudyError(f"the study {study!r} has no trial {number}", known)


def elapsed(trials: Sequence[TrialRecord]) -> float:
    """Return the seconds from the first start to the last end."""
    starts = [trial.started for trial in trials if trial.started]
    ends = [trial.ended for trial in trials if trial.ended]
    return (max(ends) - min(starts)).total_seconds() if starts and ends else 0.0


def mixed_code(record: StudyRecord) -> dict[str, int]:
    """Return the modules of which trials ran different versions, and how many versions of each."""
    versions: dict[str, set[str]] = {}
    for trial in record.trials:
        note_code(versions, trial.run)
    return several(versions)


def several(versions: Mapping[str, set[str]]) -> dict[str, int]:
    """Return the modules that have more than one version, in order, and how many."""
    return {module: len(versions[module]) for module in sorted(versions) if len(versions[module]) > 1}


def mixed_code_words(modules: Mapping[str, int]) -> str:
    """Return in a sentence what `mixed_code` found; empty where it found nothing."""
    named = ", ".join(f"{module} ({count} versions)" for module, count in modules.items())
    return f"The trials did not all run the same code, so they compare only so far: {named}." if named else ""
