"""A study as its live page knows it: all trials in outline, a few in full, and what is new at each look.

A look reads what changed since the last one. Curves are read of the best trials and of an even sample of the others,
so that a page about 10,000 trials costs no more than one about 200.
"""

import math
import threading
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

import optuna
from sqlalchemy import Connection, func, select

from winnow.records import SPEC, STOPPING, Outcome
from winnow.search.analysis import study_record
from winnow.search.analysis.pruning import savings
from winnow.search.analysis.status import Best
from winnow.search.analysis.study_record import StudyRecord, TrialRecord
from winnow.search.dashboard.snapshot import Snapshot, WorkerNow
from winnow.storage import Storage, deletions, trial_summaries, workers
from winnow.storage.budget import spent
from winnow.storage.optuna_tables import studies, trials
from winnow.storage.trial_summaries import Outline
from winnow.storage.workers import Worker

TOP = 5
"""Trials whose curves are shown one by one."""
SAMPLE = 150
"""Trials whose curves make the band."""
_SCATTER = 2_654_435_761


class StudyView:
    """One study, looked at again and again. May be shared by threads."""

    def __init__(self, storage: Storage, study_id: int) -> None:
        self.study_id = study_id
        self._storage = storage
        self._lock = threading.Lock()
        self._outlines = trial_summaries.Outlines(study_id)
        self._detailed: dict[int, TrialRecord] = {}
        """By trial id: trials that have ended, in full."""
        self._plain: dict[int, TrialRecord] = {}
        self._searched_since = 0
        self._history: StudyRecord | None = None
        self._trials_version = 0

    def look(self) -> Snapshot:
        """The study as it stands now; raises KeyError where it is gone, StorageError."""
        with self._lock:
            name = self._storage.database.read(deletions.shown_name, self.study_id)
            study = optuna.load_study(study_name=name, storage=self._storage)
            attributes = study.user_attrs
            ended, used, conclusions = self._storage.database.read(self._read, study)
            if ended or self._history is None:
                self._history = self._make_history(study)
                self._trials_version += 1
            record = self._history
            present = workers.present(self._storage.database, self.study_id)
            curves = self._running_curves(
                [worker.trial_number for worker in present if worker.trial_number is not None]
            )
            sampled = self._sampled_history(record)
            saved = savings(sampled)
            counts = Counter(outline.state for outline in self._outlines.known.values())
            return Snapshot(
                study_id=self.study_id,
                study=record.study,
                direction=record.direction,
                metric=record.metric,
                states=dict(sorted(counts.items())),
                budget=used.budget,
                exhausted=used.exhausted,
                state=str(used.state),
                stopped=attributes.get(STOPPING, {}).get("reason", ""),
                seconds=used.seconds,
                device_seconds=used.device_seconds,
                saved_seconds=saved.saved * counts["PRUNED"] / saved.trials if saved.trials else 0.0,
                best=_best(record),
                baseline=record.baseline.value if record.baseline else None,
                workers=[_worker_now(worker, curves) for worker in present],
                failures=dict(Counter(o.reason or "no reason given" for o in self._known("FAIL")).most_common()),
                pruned=dict(Counter(_kind(o) for o in self._known("PRUNED")).most_common()),
                trials_version=self._trials_version,
                conclusions_version=conclusions,
                has_spec=SPEC in attributes,
            )

    def record(self) -> StudyRecord:
        """All trials, the best and the sampled ones in full."""
        with self._lock:
            if self._history is None:
                raise KeyError(f"study {self.study_id} was not looked at yet")
            return self._history

    def sample(self) -> StudyRecord:
        """The trials that are known in full: for pictures of curves."""
        return self._sampled_history(self.record())

    def with_details(self, numbers: Iterable[int]) -> StudyRecord:
        """All trials, those of these numbers in full too."""
        wanted = set(numbers)
        with self._lock:
            assert self._history is not None
            known = self._outlines.known.values()
            missing = [o.trial_id for o in known if o.number in wanted and o.trial_id not in self._detailed]
            extra = {trial.number: trial for trial in self._read_details(missing).values()}
            trials = tuple(extra.get(trial.number, trial) for trial in self._history.trials)
            return replace(self._history, trials=trials)

    def searched(self) -> StudyRecord:
        """All trials with their parameters: for importance and for tables."""
        with self._lock:
            since = self._searched_since
            found = self._storage.database.read(trial_summaries.searched, self.study_id, since)
            for trial_id, (parameters, distributions) in found.items():
                for known in (self._plain, self._detailed):
                    if trial_id in known:
                        known[trial_id] = replace(known[trial_id], parameters=parameters, distributions=distributions)
            open_ids = [o.trial_id for o in self._outlines.known.values() if o.state in ("RUNNING", "WAITING")]
            self._searched_since = min([*(i - 1 for i in open_ids), max(self._outlines.known, default=0)])
            assert self._history is not None
            self._history = self._with(self._history)
            return self._history

    def trial(self, number: int) -> TrialRecord | None:
        """One trial in full, with its curve."""
        with self._lock:
            outline = next((o for o in self._outlines.known.values() if o.number == number), None)
        if outline is None:
            return None
        return self._read_details([outline.trial_id]).get(outline.trial_id)

    def _read(self, connection: Connection, study: optuna.Study) -> tuple[list[Outline], Any, int]:
        ended = self._outlines.refresh(connection)
        return ended, spent(connection, self.study_id), _concluded(connection, study.study_name)

    def _make_history(self, study: optuna.Study) -> StudyRecord:
        known = self._outlines.known
        for outline in known.values():
            before = self._plain.get(outline.trial_id)
            if before is None or before.state != outline.state:
                self._plain[outline.trial_id] = _plain(outline, before)
        maximised = study.directions[0] == optuna.study.StudyDirection.MAXIMIZE
        record = self._with(StudyRecord(study.study_name, "maximize" if maximised else "minimize", "", ()))
        wanted = {trial.number for trial in record.ranked[:TOP]} | _spread(record.finished)
        if record.baseline is not None:
            wanted.add(record.baseline.number)
        missing = [o.trial_id for o in known.values() if o.number in wanted and o.trial_id not in self._detailed]
        self._detailed |= self._read_details(missing)
        kept = [trial for trial in self._detailed.values() if trial.number in wanted]
        metric = study.metric_names[0] if study.metric_names else study_record.metric_of(kept)
        return replace(self._with(record), metric=metric)

    def _with(self, record: StudyRecord) -> StudyRecord:
        """The same study with the trials as they are known now."""
        everything = {**self._plain, **self._detailed}.values()
        return replace(record, trials=tuple(sorted(everything, key=lambda trial: trial.number)))

    def _sampled_history(self, record: StudyRecord) -> StudyRecord:
        return replace(record, trials=tuple(trial for trial in record.trials if trial.curve))

    def _read_details(self, ids: Sequence[int]) -> dict[int, TrialRecord]:
        if not ids:
            return {}

        def ask(connection: Connection) -> dict[int, TrialRecord]:
            curves = trial_summaries.curves(connection, ids)
            found = trial_summaries.details(connection, ids)
            return {
                trial_id: study_record.read_trial(trial, curves.get(trial_id, ())) for trial_id, trial in found.items()
            }

        return self._storage.database.read(ask)

    def _running_curves(self, numbers: Sequence[int]) -> dict[int, tuple[float, ...]]:
        ids = {o.trial_id: o.number for o in self._outlines.known.values() if o.number in set(numbers)}
        if not ids:
            return {}
        found = self._storage.database.read(trial_summaries.curves, list(ids))
        return {
            ids[trial_id]: tuple(epoch.value for epoch in curve if not math.isnan(epoch.value))
            for trial_id, curve in found.items()
        }

    def _known(self, state: str) -> Iterable[Outline]:
        return (outline for outline in self._outlines.known.values() if outline.state == state)


def _plain(outline: Outline, before: TrialRecord | None) -> TrialRecord:
    seconds = (outline.ended - outline.started).total_seconds() if outline.started and outline.ended else 0.0
    return TrialRecord(
        number=outline.number,
        state=outline.state,
        value=outline.value,
        parameters=before.parameters if before else {},
        distributions=before.distributions if before else {},
        config={},
        reason=outline.reason,
        baseline=outline.baseline,
        feasible=outline.feasible,
        started=outline.started,
        ended=outline.ended,
        worker="",
        host="",
        device="",
        seconds=seconds,
        outcome=outline.outcome,
    )


def _spread(finished: Sequence[TrialRecord]) -> set[int]:
    """Numbers of SAMPLE trials, evenly from all; as the study grows, most stay chosen."""
    ordered = sorted((trial.number for trial in finished), key=lambda number: number * _SCATTER % 2**32)
    return set(ordered[:SAMPLE])


def _best(record: StudyRecord) -> Best | None:
    best = record.best
    if best is None or best.value is None:
        return None
    return Best(best.number, best.value, dict(best.parameters))


def _worker_now(worker: Worker, curves: dict[int, tuple[float, ...]]) -> WorkerNow:
    curve = curves.get(worker.trial_number, ()) if worker.trial_number is not None else ()
    return WorkerNow(
        worker=worker.worker,
        host=worker.host,
        device=worker.device,
        state=worker.state,
        trial=worker.trial_number,
        epoch=len(curve) or worker.epoch,  # epochs are written as they end, signs of life every few seconds
        value=curve[-1] if curve else worker.value,
        age=worker.age,
        curve=curve,
    )


def _kind(outline: Outline) -> str:
    """Return why a trial was pruned, without the numbers that are its own."""
    return outline.outcome if outline.outcome in (Outcome.DIVERGED, Outcome.INFEASIBLE) else "by the pruner"


def _concluded(connection: Connection, name: str) -> int:
    """How many trainings of the study's analyses have ended: changes when there is something new to conclude."""
    query = (
        select(func.count())
        .select_from(trials.join(studies, studies.c.study_id == trials.c.study_id))
        .where(
            studies.c.study_name.startswith(f"{name}-", autoescape=True),
            trials.c.state.in_(["COMPLETE", "PRUNED", "FAIL"]),
        )
    )
    return int(connection.execute(query).scalar_one())
