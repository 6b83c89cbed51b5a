"""Which studies want workers, for those who serve all of them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import exists, func, select

from winnow.records import Budget
from winnow.storage.activity import State
from winnow.storage.budget import Spent, spent_as, under_way
from winnow.storage.clock import database_now
from winnow.storage.database import Database
from winnow.storage.optuna_tables import last_number, studies, study_user_attributes, trials
from winnow.storage.tables import attempts, budgets, workers
from winnow.storage.workers import AWAY, SILENT_SECONDS


@dataclass(frozen=True)
class Wanting:
    """An active study that has a trial to give."""

    study_id: int
    name: str
    priority: float
    workers: int
    """How many are at it now."""
    device_seconds: float
    """What it has used."""


class Pool:
    """The studies of a storage, as one process of a pool asks for them again and again."""

    def __init__(self, database: Database, ready: str) -> None:
        """Serve studies: one is served once it has the user attribute `ready`."""
        self._database = database
        self._ready = ready
        self._finished: dict[int, tuple[int, Budget]] = {}

    def wanting(self, besides: str = "") -> list[Wanting]:
        """Return the studies that have a trial to give now; the worker `besides` is not counted as at work."""
        rows = self._database.mappings(self._query(besides))
        found = [(row, spent_as(row)) for row in rows]
        return [
            Wanting(row["study_id"], row["study_name"], row["priority"], row["at_it"], used.device_seconds)
            for row, used in found
            if self._has_trials(row, used)
        ]

    def _query(self, besides: str) -> Any:
        study_id = budgets.c.study_id
        open_ones = (attempts.c.study_id == study_id) & attempts.c.ended_at.is_(None)
        at_it = select(func.count()).where(
            workers.c.study_id == study_id,
            workers.c.state.not_in(AWAY),
            workers.c.seen_at > database_now() - SILENT_SECONDS,
            workers.c.worker != besides,
        )
        ready = exists().where(study_user_attributes.c.study_id == study_id, study_user_attributes.c.key == self._ready)
        return (
            select(
                budgets,
                studies.c.study_name,
                (database_now() - budgets.c.started_at).label("age"),
                last_number(study_id).label("last_number"),
                select(func.count()).where(open_ones).scalar_subquery().label("under_way_count"),
                *under_way(study_id),
                at_it.scalar_subquery().label("at_it"),
            )
            .join(studies, studies.c.study_id == study_id)
            .where(budgets.c.state == State.ACTIVE, ready)
            .order_by(study_id)
        )

    def _has_trials(self, row: Mapping[Any, Any], used: Spent) -> bool:
        if not used.exhausted:
            return True
        # All is given out. A trial that waits may be left; where none is, and none is under way, none will come.
        study_id, known = row["study_id"], (used.trials, used.budget)
        if self._finished.get(study_id) == known:
            return False
        waits = exists().where(trials.c.study_id == study_id, trials.c.state == "WAITING")
        if self._database.scalar(select(waits)):
            return True
        if not row["under_way_count"]:
            self._finished[study_id] = known
        return False
