"""All that the dashboard watches: each study by its id, and the list of all of them."""

import threading
from collections import OrderedDict
from contextlib import suppress
from dataclasses import dataclass

from optuna.study import StudyDirection

from winnow.records import SPEC
from winnow.search.analysis.status import count_ended
from winnow.search.dashboard.live import Channel
from winnow.search.dashboard.snapshot import Snapshot
from winnow.search.dashboard.view import StudyView
from winnow.storage import Storage, deletions, trial_summaries
from winnow.storage.errors import StorageError, StorageUnreachable

SECONDS = 2.0
"""Between two looks at a study."""
LIST_SECONDS = 5.0
_WARM = 3
"""Studies that are read when the dashboard starts."""
_MOST = 32
"""Studies that are kept in memory: the longest unseen goes first."""


@dataclass(frozen=True)
class Entry:
    """One study in the list."""

    study_id: int
    study: str
    direction: str
    states: dict[str, int]
    budget: int | None
    """Trials; None where it has no such limit."""
    best: float | None
    best_number: int | None

    @property
    def finished(self) -> int:
        """Trials that have ended."""
        return count_ended(self.states)


class Watching:
    """What is watched in one storage."""

    def __init__(self, storage: Storage) -> None:
        self.storage = storage
        self.entries: Channel[list[Entry]] = Channel(self._list, LIST_SECONDS)
        self._lock = threading.Lock()
        self._views: OrderedDict[int, StudyView] = OrderedDict()
        self._channels: dict[int, Channel[Snapshot]] = {}
        self._ids: dict[str, int] = {}
        self._counted: dict[int, dict[str, int]] = {}
        self._listed: dict[int, trial_summaries.Outlines] = {}

    def named(self, name: str) -> int:
        """The id of a study; raises KeyError. While the database is away, of one that was asked for before."""
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
        """The view of a study, made where nobody looked before; raises KeyError where there is none."""
        with self._lock:
            if study_id not in self._views:
                self.storage.database.read(deletions.shown_name, study_id)
                self._views[study_id] = StudyView(self.storage, study_id)
                self._channels[study_id] = Channel(self._views[study_id].look, SECONDS)
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

    def channel(self, study_id: int) -> Channel[Snapshot]:
        """What a study's page listens to."""
        self.view(study_id)
        return self._channels[study_id]

    def warm(self) -> None:
        """Read the newest studies before anybody asks, and load what draws them: the first page then comes at once."""
        import plotly.graph_objects  # noqa: F401

        with suppress(StorageError, KeyError):
            newest = [study._study_id for study in self.storage.get_all_studies()[: -_WARM - 1 : -1]]
            for study_id in newest:
                self.view(study_id).look()
            for study_id in newest:  # whole trials, for optuna-dashboard's own page
                self.storage.get_all_trials(study_id, deepcopy=False)

    def _list(self) -> list[Entry]:
        """Every study; only those whose counts changed are looked at again."""
        counted: dict[int, dict[str, int]] = {}
        for count in self.storage.database.read(trial_summaries.counts):
            counted.setdefault(count.study_id, {})[count.state] = count.trials
        entries = []
        for study in self.storage.get_all_studies():
            states = counted.get(study._study_id, {})
            known = self._listed.setdefault(study._study_id, trial_summaries.Outlines(study._study_id))
            if states != self._counted.get(study._study_id):
                self.storage.database.read(known.refresh)
            maximised = study.directions[0] == StudyDirection.MAXIMIZE
            ranked = [o for o in known.known.values() if o.state == "COMPLETE" and o.feasible and o.value is not None]
            best = min(ranked, key=lambda o: (-o.value if maximised else o.value, o.number), default=None)  # type: ignore[operator]
            entries.append(
                Entry(
                    study_id=study._study_id,
                    study=study.study_name,
                    direction="maximize" if maximised else "minimize",
                    states=dict(sorted(states.items())),
                    budget=study.user_attrs.get(SPEC, {}).get("budget", {}).get("trials"),
                    best=best.value if best else None,
                    best_number=best.number if best else None,
                )
            )
        self._counted = counted
        return sorted(entries, key=lambda entry: (-entry.states.get("RUNNING", 0), -entry.study_id))
