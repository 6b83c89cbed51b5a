"""Where a study stands: the numbers behind `winnow status`, the progress of a run, the live pages and the API."""

import os
import re
import sysconfig
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import fmean
from typing import Any

from sqlalchemy import func, select

from winnow.errors import StudyError
from winnow.records import STOPPING
from winnow.search.analysis.formatting import counted, duration, listed, score
from winnow.search.analysis.json_numbers import finite_object
from winnow.search.analysis.pareto import Objective
from winnow.search.study.study import WinnowStudy
from winnow.storage.activity import State
from winnow.storage.budget import Spent, spent
from winnow.storage.optuna_tables import trials
from winnow.storage.upserts import OPEN_STATES
from winnow.storage.workers import SILENT_SECONDS, GivenUp, Worker

LATEST = 50
"""So many of the trials that ended last say how long a trial takes now."""
FRAME = re.compile(r'^ +File "(.+)", line (\d+)', re.MULTILINE)
INSTALLED = ("site-packages", "dist-packages", f"{sysconfig.get_path('stdlib')}{os.sep}", "<")
"""What the file of code that is not the user's own has in its path."""


@dataclass(frozen=True)
class Best:
    """The best feasible trial so far."""

    number: int
    value: float
    parameters: dict[str, Any]


@dataclass(frozen=True)
class Status:
    """A study at one moment. Times are in seconds."""

    study: str
    direction: str
    states: dict[str, int]
    best: Best | None
    """By the first objective, where there are several."""
    baseline: float | None
    spent: Spent
    workers: list[Worker]
    failures: dict[str, int]
    """How many trials failed for each reason, the most frequent first."""
    stopped: str
    """Why the study's own rule stopped it; empty where it did not."""
    tracebacks: dict[str, str]
    """The traceback of the first failure for each reason that has one."""
    study_id: int = 0
    metric: str = "objective value"
    objectives: list[Objective] = field(default_factory=list)
    """Of a study with several: each with its best."""
    front: list[int] = field(default_factory=list)
    """The trials on the Pareto front of several objectives."""
    given_up: list[GivenUp] = field(default_factory=list)
    """The places of fleets where no worker is started for now, with the reason."""
    curves: dict[int, tuple[float, ...]] = field(default_factory=dict)
    """What each trial that a worker holds has reported so far, by its number."""
    paused: int = 0
    """How many of the waiting trials their scheduler has paused."""
    pruned: dict[str, int] = field(default_factory=dict)
    """How many trials were pruned, diverged or were infeasible."""
    saved_training_seconds: float = 0.0
    """What pruned trials would have taken, had nobody stopped them: an estimate from a sample of them."""
    seconds_left: float | None = None
    """Until the budget is spent, at the pace of the trials that ended last with the workers there; None: unknown."""
    mixed_code: dict[str, int] = field(default_factory=dict)
    """The modules of which trials ran different versions, and how many versions of each."""
    shares_devices: bool = False
    """Whether trials may share a device: the time of each counts in full."""
    has_spec: bool = True
    """Whether Winnow made the study."""
    trials_version: int = 0
    """Grows when trials have ended: the pictures of the search are then to be drawn anew."""
    conclusions_version: int = 0
    """Grows when trainings of a confirmation or an ablation have ended."""

    @property
    def finished(self) -> int:
        """Trials that have ended."""
        return count_ended(self.states)

    @property
    def looked_at(self) -> int:
        """Trials that have ended, or are paused and may go on."""
        return self.finished + self.paused

    @property
    def active(self) -> int:
        """Trials under way, or waiting to go on."""
        return self.states.get("RUNNING", 0) + self.states.get("WAITING", 0)

    @property
    def all_failed(self) -> bool:
        """Whether trials have ended, and every one of them failed."""
        return 0 < self.finished == self.states.get("FAIL", 0)

    @property
    def state(self) -> State:
        """Whether its workers shall work, wait or leave."""
        return self.spent.state

    @property
    def is_done(self) -> bool:
        """Whether there is nothing left to do within the budget."""
        return bool(self.spent.exhausted) and self.active == 0

    @property
    def standing(self) -> str:
        """What goes on, in one word: done, paused, stopped, running, waiting or idle."""
        if self.is_done:
            return "done"
        if self.state is not State.ACTIVE:
            return str(self.state)
        if self.states.get("RUNNING", 0):
            return "running"
        return "waiting" if self.workers else "idle"

    @property
    def device_seconds_left(self) -> float | None:
        """Device time that the budget leaves; None where it has no such limit."""
        return self.spent.device_seconds_left

    @property
    def time_left(self) -> str:
        """When it will be done, where that can be foretold, or how long it may take at most; empty without either."""
        if self.is_done or self.seconds_left == 0:
            return ""
        if self.seconds_left is not None:
            return f"done in about {duration(self.seconds_left)}"
        return f"at most {duration(self.spent.seconds_left)} more" if self.spent.seconds_left else ""

    @property
    def best_words(self) -> str:
        """The best trial, or the best of each of several objectives; empty while no trial has completed."""
        if self.best is None:
            return ""
        if not self.objectives:
            return f"best {score(self.best.value)} (trial {self.best.number})"
        best = [f"{each.metric} {each.shown} (trial {each.number})" for each in self.objectives]
        return f"Pareto front of {counted(len(self.front), 'trial')}, best {listed(best)}"

    def place_of_failure(self, reason: str) -> str:
        """Say in brackets which line of the user's own code a failure passed last; empty where none is known."""
        frames = FRAME.findall(self.tracebacks.get(reason, ""))
        own = [frame for frame in frames if not any(part in frame[0] for part in INSTALLED)]
        return f" ({Path(own[-1][0]).name}, line {own[-1][1]})" if own else ""

    def as_dict(self) -> dict[str, Any]:
        """Return all of it as JSON has it; what is not finite is null."""
        derived = ("finished", "looked_at", "active", "state", "standing", "device_seconds_left")
        content = asdict(self) | {name: getattr(self, name) for name in derived}
        return finite_object(content | {"done": self.is_done, "exhausted": self.spent.exhausted})


def count_ended(states: Mapping[str, int]) -> int:
    """Return how many trials have ended, of those counted by state."""
    return sum(states.get(state, 0) for state in ("COMPLETE", "PRUNED", "FAIL"))


def seconds_left(
    used: Spent, states: Mapping[str, int], workers: Sequence[Worker], latest: Sequence[float], paused: int = 0
) -> float | None:
    """Forecast when the budget is spent; `latest` holds the seconds of the trials that ended last.

    None while nobody can say how fast it is spent: what is left of `hours` alone bounds that, and foretells nothing.
    """
    running, finished = states.get("RUNNING", 0), count_ended(states)
    if used.exhausted and running + states.get("WAITING", 0) == 0:
        return 0.0
    at_work = sum(worker.age < SILENT_SECONDS and worker.state != "paused" for worker in workers)
    budget = used.budget
    if budget.trials is budget.epochs is budget.device_hours is None:
        return used.seconds_left
    if not (at_work and latest):
        return None
    work = [] if used.device_seconds_left is None else [used.device_seconds_left]
    if budget.trials is not None:
        # Those under way have on average half of their time before them.
        work.append((budget.trials - finished - paused - running / 2) * fmean(latest))
    if budget.epochs is not None:
        work.append((budget.epochs - used.epochs) * used.device_seconds / max(1, used.epochs))
    at_once = max(at_work, running)  # a worker may train several trials at once
    forecast = min(max(0.0, seconds) / at_once for seconds in work)
    return forecast if used.seconds_left is None else min(forecast, used.seconds_left)


def end_of(study: WinnowStudy) -> str:
    """Return why there is nothing left to do in a study; empty while there is something."""
    database, of_study = study.storage.database, trials.c.study_id == study.study_id
    open_ones = select(func.count()).where(of_study, trials.c.state.in_(OPEN_STATES))
    used = database.read(spent, study.study_id)  # first: whatever begins meanwhile is counted among the open ones
    if database.scalar(open_ones):
        return ""
    return str(study.optuna.user_attrs.get(STOPPING, {}).get("reason") or used.exhausted) if used.exhausted else ""


def refuse_finished(study: WinnowStudy) -> None:
    """Raise StudyError where nothing is left to do in a study."""
    if why := end_of(study):
        raise StudyError(f"the study {study.name!r} is finished: {why}", "give it a larger budget: winnow create SPEC")
