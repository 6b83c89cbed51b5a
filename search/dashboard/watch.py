"""All that the dashboard watches: each study by its id, and the list of all of them."""

import logging
import threading
from collections import OrderedDict
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, and_, func, select

from winnow.errors import WinnowError
from winnow.search.analysis.status import Status, count_ended
from winnow.search.analysis.study_view import StudyView
from winnow.search.dashboard.live import Channel
from winnow.search.dashboard.own_attributes import OwnAttributes
from winnow.search.study import study as studies_of_winnow
from winnow.search.study.sections import NotifySection
from winnow.storage import Storage, deletions, trial_summaries
from winnow.storage.errors import StorageError, StorageUnreachable
from winnow.storage.optuna_tables import directions, studies
from winnow.storage.tables import budgets
from winnow.storage.tables import deletions as deleted

SECONDS = 2.0
"""Between two looks at a study."""
LIST_SECONDS = 5.0
_WARM = 3
"""Studies that are read when the dashboard starts."""
_MOST = 32
"""Studies that are kept in memory: the longest unseen goes first."""
_log = logging.getLogger("winnow")


@dataclass(frozen=True)
class Entry:
    """One study in the list."""

    study_id: int
    study: str
    direction: str = ""
    states: dict[str, int] = field(default_factory=dict)
    budget: int | None = None
    """Trials; None where it has no such limit."""
    best: float | None = None
    best_number: int | None = None
    objectives: int = 1
    """Of which `direction` and `best` are the first's."""
    fault: str = ""
    """Why no more can be said of the study: its rows are not as Optuna or Winnow writes them."""

    @property
    def finished(self) -> int:
        """Trials that have ended."""
        return count_ended(self.states)


class Watching:
    """What is watched in one storage."""

    def __init__(self, storage: Storage) -> None:
        self.storage = storage
        self.reading = OwnAttributes(storage)
        """The same storage, for what only reads."""
        self.entries: Channel[list[Entry]] = Channel(self._list, LIST_SECONDS)
        self._lock = threading.Lock()
        self._views: OrderedDict[int, StudyView] = OrderedDict()
        self._channels: dict[int, Channel[Status]] = {}
        self._ids: dict[str, int] = {}
        self._counted: dict[int, dict[str, int]] = {}
        self._listed: dict[int, trial_summaries.Outlines] = {}
        self._faults: dict[int, str] = {}
        self._heard: dict[int, NotifySection] = {}
        """By study, what its `[notify]` asks for."""

    def named(self, name: str) -> int:
        """Return the id of a study; raise KeyError. While the database is away, of one that was asked for before."""
        try:
            self._ids[name] = self.storage.get_study_id_from_name(name)
        except StorageUnreachable:
            if name not in self._ids:
                raise
        except KeyError:
            self._ids.pop(name, None)
            raise
        return self._ids[name]

    def view(self, study_id: int) -> StudyView:
        """Return the view of a study, made where nobody looked before; raise KeyError where there is none."""
        with self._lock:
            if study_id not in self._views:
                self.storage.database.read(deletions.shown_name, study_id)
                self._views[study_id] = StudyView(self.storage, study_id)
                self._channels[study_id] = Channel(self._views[study_id].status, SECONDS)
                while len(self._views) > _MOST:
                    gone, _ = self._views.popitem(last=False)
                    del self._channels[gone]
            self._views.move_to_end(study_id)
            return self._views[study_id]

    def forget(self, study_id: int) -> None:
        """Show a study no more: it was deleted."""
        with self._lock:
            self._views.pop(study_id, None)
            self._channels.pop(study_id, None)
        self.entries.expire()

    def channel(self, study_id: int) -> Channel[Status]:
        """Return what a study's page listens to."""
        self.view(study_id)
        return self._channels[study_id]

    def warm(self) -> None:
        """Read the newest studies before anybody asks, and load what draws them: the first page then comes at once."""
        import optuna.importance
        import plotly.graph_objects  # noqa: F401

        optuna.importance.PedAnovaImportanceEvaluator  # noqa: B018 - which loads what it needs at its first use

        with suppress(StorageError):
            newest = sorted(self.storage.database.read(_rows), reverse=True)[:_WARM]
            for study_id in newest:
                with suppress(Exception):  # a study that cannot be read says so in the list
                    self.view(study_id).status()
                    self.storage.get_all_trials(study_id, deepcopy=False)  # for optuna-dashboard's own page

    def asked_for(self) -> list[tuple[NotifySection, Status]]:
        """Return the studies of which a person wants to hear: those with a spec that are not done, or were not."""
        found = []
        for entry in self._list():
            if entry.fault or (entry.study_id not in self._heard and _is_done(entry)):
                continue
            if entry.study_id not in self._heard:
                try:
                    self._heard[entry.study_id] = studies_of_winnow.load(self.storage, entry.study).spec.notify
                except WinnowError:  # made by stock Optuna, or by another version
                    continue
            found.append((self._heard[entry.study_id], self.view(entry.study_id).status()))
        return found

    def _list(self) -> list[Entry]:
        """Return every study; only those whose counts changed are looked at again."""
        counted: dict[int, dict[str, int]] = {}
        for count in self.storage.database.read(trial_summaries.counts):
            counted.setdefault(count.study_id, {})[count.state] = count.trials
        entries = []
        for study_id, row in self.storage.database.read(_rows).items():
            try:
                entries.append(self._entry(row, counted.get(study_id, {})))
            except StorageUnreachable:
                raise
            except Exception as error:
                fault = unreadable(error)
                if self._faults.get(study_id) != fault:
                    _log.warning("study %r: %s", row.study_name, fault)
                    self._faults[study_id] = fault
                self._listed.pop(study_id, None)
                entries.append(Entry(study_id, str(row.study_name), states=counted.pop(study_id, {}), fault=fault))
        self._counted = counted
        return sorted(entries, key=lambda entry: (-entry.states.get("RUNNING", 0), -entry.study_id))

    def _entry(self, row: Any, states: dict[str, int]) -> Entry:
        if row.direction not in ("MAXIMIZE", "MINIMIZE"):
            raise ValueError("it has no direction")
        listed = self._listed.setdefault(row.study_id, trial_summaries.Outlines(row.study_id))
        if states != self._counted.get(row.study_id):
            self.storage.database.read(listed.refresh)
        ranked = [o for o in listed.known.values() if o.state == "COMPLETE" and o.feasible and o.value is not None]
        sign = -1 if row.direction == "MAXIMIZE" else 1
        best = min(ranked, key=lambda o: (sign * (o.value or 0.0), o.number), default=None)
        return Entry(
            study_id=row.study_id,
            study=row.study_name,
            direction=row.direction.lower(),
            states=dict(sorted(states.items())),
            budget=row.trials,
            best=best.value if best else None,
            best_number=best.number if best else None,
            objectives=row.objectives,
        )


def _is_done(entry: Entry) -> bool:
    waiting = entry.states.get("RUNNING", 0) + entry.states.get("WAITING", 0)
    return entry.budget is not None and entry.finished >= entry.budget and not waiting


def unreadable(error: Exception) -> str:
    """Say why a study whose rows are not as Optuna or Winnow writes them cannot be shown."""
    return f"this study cannot be read: {type(error).__name__}: {' '.join(str(error).split())}"[:300]


def _rows(connection: Connection) -> dict[int, Any]:
    """Read name, first direction, budget and number of objectives of all studies that are shown, no attributes."""
    first = and_(directions.c.study_id == studies.c.study_id, directions.c.objective == 0)
    every = directions.alias()
    count = select(func.count()).where(every.c.study_id == studies.c.study_id).scalar_subquery()
    query = (
        select(
            studies.c.study_id,
            studies.c.study_name,
            directions.c.direction,
            budgets.c.trials,
            count.label("objectives"),
        )
        .select_from(studies.outerjoin(directions, first).outerjoin(budgets, budgets.c.study_id == studies.c.study_id))
        .where(studies.c.study_id.not_in(select(deleted.c.study_id)))
    )
    return {row.study_id: row for row in connection.execute(query)}
