"""Where a study stands: numbers for `winnow status` and the live table."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from sqlalchemy import func, select

from winnow.records import BASELINE, REASON, STOPPING, TRACEBACK
from winnow.search.study.stopping import is_result
from winnow.search.study.study import WinnowStudy
from winnow.storage import workers
from winnow.storage.activity import State
from winnow.storage.budget import Spent, spent
from winnow.storage.optuna_tables import trials
from winnow.storage.upserts import OPEN_STATES
from winnow.storage.workers import Worker


@dataclass(frozen=True)
class Best:
    """The best feasible trial so far."""

    number: int
    value: float
    parameters: dict[str, Any]


@dataclass(frozen=True)
class Status:
    """A study at one moment."""

    study: str
    direction: str
    states: dict[str, int]
    best: Best | None
    baseline: float | None
    spent: Spent
    workers: list[Worker]
    failures: dict[str, int]
    """How many trials failed for each reason."""
    stopped: str
    """Why the study's own rule stopped it; empty where it did not."""
    tracebacks: dict[str, str]
    """The traceback of the first failure for each reason that has one."""

    @property
    def finished(self) -> int:
        """Trials that have ended."""
        return count_ended(self.states)

    @property
    def active(self) -> int:
        """Trials under way, or waiting to go on."""
        return self.states.get("RUNNING", 0) + self.states.get("WAITING", 0)

    @property
    def state(self) -> State:
        """Whether its workers shall work, wait or leave."""
        return self.spent.state

    @property
    def is_done(self) -> bool:
        """Whether there is nothing left to do within the budget."""
        return bool(self.spent.exhausted) and self.active == 0

    def as_dict(self) -> dict[str, Any]:
        """All of it as JSON has it."""
        return {**asdict(self), "state": self.state, "finished": self.finished, "done": self.is_done}


def count_ended(states: Mapping[str, int]) -> int:
    """How many trials have ended, of those counted by state."""
    return sum(states.get(state, 0) for state in ("COMPLETE", "PRUNED", "FAIL"))


def end_of(study: WinnowStudy) -> str:
    """Why there is nothing left to do in a study; empty while there is something."""
    database, of_study = study.storage.database, trials.c.study_id == study.study_id
    open_ones = select(func.count()).where(of_study, trials.c.state.in_(OPEN_STATES))
    if database.scalar(open_ones):
        return ""
    used = database.read(spent, study.study_id)
    return str(study.optuna.user_attrs.get(STOPPING, {}).get("reason") or used.exhausted) if used.exhausted else ""


def read(study: WinnowStudy) -> Status:
    """The study as the storage shows it now."""
    states = select(trials.c.state, func.count()).where(trials.c.study_id == study.study_id).group_by(trials.c.state)
    counted = study.storage.database.rows(states)
    used = study.storage.database.read(spent, study.study_id)
    everything = study.optuna.get_trials(deepcopy=False)
    baseline = next((t for t in everything if BASELINE in t.user_attrs and t.state.is_finished()), None)
    failed = [(str(t.user_attrs.get(REASON, "unknown")), t) for t in everything if t.state.name == "FAIL"]
    return Status(
        study=study.name,
        direction=study.spec.optimises,
        states={str(state): int(count) for state, count in counted},
        best=_best(study),
        baseline=baseline.values[0] if baseline and baseline.values else None,
        spent=used,
        workers=workers.present(study.storage.database, study.study_id),
        failures=dict(Counter(reason for reason, _ in failed)),
        stopped=study.optuna.user_attrs.get(STOPPING, {}).get("reason", ""),
        tracebacks={reason: t.user_attrs[TRACEBACK] for reason, t in reversed(failed) if TRACEBACK in t.user_attrs},
    )


def _best(study: WinnowStudy) -> Best | None:
    """The best feasible trial by the first objective."""
    ranked = [trial for trial in study.optuna.get_trials(deepcopy=False) if is_result(trial)]
    if not ranked:
        return None
    sign = 1 if study.spec.optimises == "maximize" else -1
    best = max(ranked, key=lambda trial: sign * trial.values[0])
    return Best(best.number, best.values[0], best.params)
