"""A study as it is watched: all trials in outline, a few in full, and what is new at each look.

A look reads what changed since the last one. Curves are read of the best trials and of an even sample of the others,
so that a look at 10,000 trials costs no more than one at 200.
"""

import json
import math
import threading
import zlib
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Any, TypeVar

from sqlalchemy import Connection, func, select

from winnow.records import CONCLUSION, SPEC, STOPPING, TRACEBACK, Outcome
from winnow.search.analysis import study_reader, study_record
from winnow.search.analysis.pareto import Objective, best_of_each, objective_names
from winnow.search.analysis.pruning import savings
from winnow.search.analysis.status import LATEST, Best, Status, seconds_left
from winnow.search.analysis.study_record import StudyRecord, TrialRecord
from winnow.search.study.study import WinnowStudy
from winnow.storage import Storage, deletions, designs, pauses, trial_summaries, workers
from winnow.storage import studies as study_rows
from winnow.storage.budget import spent
from winnow.storage.optuna_tables import studies, study_system_attributes, study_user_attributes, trials
from winnow.storage.trial_summaries import Outline
from winnow.storage.workers import Worker

Result = TypeVar("Result")
TOP = 5
"""Trials whose curves are shown one by one."""
SAMPLE = 150
"""Trials whose curves make the band."""
_BY_THE_PRUNER = "by the pruner"
# Optuna's own attribute, which `Study.metric_names` reads together with all others.
_METRIC_NAMES = "study:metric_names"
# Fibonacci hashing: numbers that follow each other are scattered evenly over 32 bits.
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
        self._values: dict[int, tuple[float, ...]] = {}
        """By trial id: the values of completed trials of several objectives."""
        self._objectives: list[Objective] = []
        self._front: list[int] = []
        self._searched_since = 0
        self._paused: set[int] = set()
        """By trial id."""
        self._history: StudyRecord | None = None
        self._tracebacks: dict[str, str | None] = {}
        """By the reason of a failure; None where its first failure left none."""
        self._trials_version = 0

    @classmethod
    def of(cls, study: WinnowStudy) -> "StudyView":
        """Return the view of a study that Winnow made."""
        return cls(study.storage, study.study_id)

    def status(self) -> Status:
        """Return where the study stands now; raise KeyError where it is gone, StorageError."""
        with self._lock:
            about, spec, stopped, aims = self._ask(self._about)
            ended, used, paused, conclusions = self._ask(self._read, about.study)
            if ended or paused != self._paused or self._history is None:
                self._paused = paused
                self._history = self._make_history(about)
                self._trials_version += 1
                if aims and not aims[0].metric:
                    aims[0] = replace(aims[0], metric=self._history.metric)
                self._objectives, self._front = best_of_each(aims, self._results(aims))
            record = self._history
            failures = self._count_failures()
            present = workers.present(self._storage.database, self.study_id)
            curves = self._running_curves(
                [worker.trial_number for worker in present if worker.trial_number is not None]
            )
            saved = savings(self._sampled_history(record))
            pruned = Counter(_kind(outline) for outline in self._known("PRUNED"))
            latest = [trial.seconds for trial in record.finished[-LATEST:]]
            states = dict(sorted(Counter(outline.state for outline in self._outlines.known.values()).items()))
            return Status(
                study_id=self.study_id,
                study=about.study,
                direction=about.direction,
                metric=record.metric,
                objectives=self._objectives,
                front=self._front,
                states=states,
                best=_best(record),
                baseline=record.baseline.value if record.baseline else None,
                spent=used,
                workers=[_as_reported(worker, curves) for worker in present],
                given_up=workers.given_up(self._storage.database, self.study_id),
                curves=curves,
                failures=failures,
                tracebacks={reason: text for reason, text in self._tracebacks.items() if text is not None},
                paused=len(paused),
                pruned=dict(pruned.most_common()),
                stopped=stopped,
                saved_training_seconds=saved.saved * pruned[_BY_THE_PRUNER] / saved.trials if saved.trials else 0.0,
                seconds_left=seconds_left(used, states, present, latest, len(paused)),
                mixed_code=study_record.several(self._outlines.code),
                has_spec=spec is not None,
                shares_devices=_shares_devices(spec),
                trials_version=self._trials_version,
                conclusions_version=conclusions,
            )

    def record(self) -> StudyRecord:
        """Return all trials, the best and the sampled ones in full."""
        with self._lock:
            if self._history is None:
                raise KeyError(f"study {self.study_id} was not looked at yet")
            return self._history

    def sample(self) -> StudyRecord:
        """Return the trials that are known in full: for pictures of curves."""
        return self._sampled_history(self.record())

    def with_details(self, numbers: Iterable[int]) -> StudyRecord:
        """Return all trials, those of these numbers in full too."""
        wanted = set(numbers)
        with self._lock:
            assert self._history is not None
            known = self._outlines.known.values()
            missing = [o.trial_id for o in known if o.number in wanted and o.trial_id not in self._detailed]
            extra = {trial.number: trial for trial in self._read_details(missing).values()}
            trials = tuple(extra.get(trial.number, trial) for trial in self._history.trials)
            return replace(self._history, trials=trials)

    def searched(self) -> StudyRecord:
        """Return all trials with their parameters: for importance and for tables."""
        with self._lock:
            since = self._searched_since
            found = self._ask(trial_summaries.searched, self.study_id, since)
            for trial_id, (parameters, distributions) in found.items():
                plain, kinds = study_reader.labelled(parameters, distributions)
                for known in (self._plain, self._detailed):
                    if trial_id in known:
                        known[trial_id] = replace(known[trial_id], parameters=plain, distributions=kinds)
            self._searched_since = self._outlines.seen.oldest_unfinished - 1
            assert self._history is not None
            self._history = self._with(self._history)
            return self._history

    def trial(self, number: int) -> TrialRecord | None:
        """Return one trial in full, with its curve; None where there is none."""
        with self._lock:
            outline = next((o for o in self._outlines.known.values() if o.number == number), None)
        if outline is None:
            return None
        return self._read_details([outline.trial_id]).get(outline.trial_id)

    def _ask(self, query: Callable[..., Result], *given: Any) -> Result:
        return self._storage.database.read(query, *given)

    def _about(self, connection: Connection) -> tuple[StudyRecord, Any, str, list[Objective]]:
        """Return the study without its trials, its spec, why it was stopped, and its objectives where it has several.

        None of its other attributes is read, however many there are.
        """
        directions = study_rows.directions_of(connection, self.study_id)
        stopped = _attribute(connection, study_user_attributes, self.study_id, STOPPING)
        names = _attribute(connection, study_system_attributes, self.study_id, _METRIC_NAMES)
        spec = _attribute(connection, study_user_attributes, self.study_id, SPEC)
        named = [str(name) for name in names] if isinstance(names, list) else []
        about = StudyRecord(
            study=deletions.shown_name(connection, self.study_id),
            direction="maximize" if directions[0].name == "MAXIMIZE" else "minimize",
            metric=named[0] if named else "",
            trials=(),
            sampler=study_reader.sampler_of(spec),
            objectives=1 if spec else len(directions),
            against=study_reader.against_of(spec),
            is_analysis=designs.is_designed(connection, self.study_id),
        )
        why = str(stopped.get("reason", "")) if isinstance(stopped, dict) else ""
        return about, spec, why, _objectives([each.name.lower() for each in directions], named, spec)

    def _read(self, connection: Connection, name: str) -> tuple[list[Outline], Any, set[int], int]:
        used = spent(connection, self.study_id)  # first: whatever begins meanwhile is among the trials read after it
        ended = self._outlines.refresh(connection)
        some_wait = any(True for _ in self._known("WAITING"))
        paused = set(pauses.tokens(connection, self.study_id)) if some_wait else set()
        return ended, used, paused, _concluded(connection, name)

    def _results(self, aims: Sequence[Objective]) -> dict[int, tuple[float, ...]]:
        """Return the values of the trials that may be on the front of several objectives, by their numbers."""
        if not aims:
            return {}
        known = [outline for outline in self._known("COMPLETE") if outline.feasible]
        missing = [outline.trial_id for outline in known if outline.trial_id not in self._values]
        self._values |= self._ask(trial_summaries.objectives, missing)
        whole = {outline.number: self._values.get(outline.trial_id, ()) for outline in known}
        return {number: values for number, values in whole.items() if len(values) == len(aims)}

    def _count_failures(self) -> dict[str, int]:
        """Count the failures by their reasons, and read the traceback of the first of each new one."""
        failed = [(outline.reason or "no reason given", outline) for outline in self._known("FAIL")]
        first = {reason: outline for reason, outline in reversed(failed) if reason not in self._tracebacks}
        found = self._ask(trial_summaries.details, [outline.trial_id for outline in first.values()])
        for reason, outline in first.items():
            text = found[outline.trial_id].user_attrs.get(TRACEBACK)
            self._tracebacks[reason] = None if text is None else str(text)
        return dict(Counter(reason for reason, _ in failed).most_common())

    def _make_history(self, about: StudyRecord) -> StudyRecord:
        known = self._outlines.known
        for outline in known.values():
            before = self._plain.get(outline.trial_id)
            if before is None or before.state != outline.state or outline.state == "WAITING":
                self._plain[outline.trial_id] = _plain(outline, before, outline.trial_id in self._paused)
        record = self._with(about)
        wanted = {trial.number for trial in record.ranked[:TOP]} | _spread(record.finished)
        if record.baseline is not None:
            wanted.add(record.baseline.number)
        missing = [o.trial_id for o in known.values() if o.number in wanted and o.trial_id not in self._detailed]
        self._detailed |= self._read_details(missing)
        kept = [trial for trial in self._detailed.values() if trial.number in wanted]
        return replace(self._with(record), metric=about.metric or study_reader.metric_of(kept, record.objectives))

    def _with(self, record: StudyRecord) -> StudyRecord:
        """Return the same study with the trials as they are known now."""
        everything = {**self._plain, **self._detailed}.values()
        return replace(record, trials=tuple(sorted(everything, key=lambda trial: trial.number)))

    def _sampled_history(self, record: StudyRecord) -> StudyRecord:
        return replace(record, trials=tuple(trial for trial in record.trials if trial.curve))

    def _read_details(self, ids: Sequence[int]) -> dict[int, TrialRecord]:
        if not ids:
            return {}

        curves, found = self._ask(trial_summaries.curves, ids), self._ask(trial_summaries.details, ids)
        return {trial_id: study_reader.read_trial(trial, curves.get(trial_id, ())) for trial_id, trial in found.items()}

    def _running_curves(self, numbers: Sequence[int]) -> dict[int, tuple[float, ...]]:
        ids = {o.trial_id: o.number for o in self._outlines.known.values() if o.number in set(numbers)}
        if not ids:
            return {}
        found = self._ask(trial_summaries.curves, list(ids))
        return {
            ids[trial_id]: tuple(epoch.value for epoch in curve if not math.isnan(epoch.value))
            for trial_id, curve in found.items()
        }

    def _known(self, state: str) -> Iterable[Outline]:
        return (outline for outline in self._outlines.known.values() if outline.state == state)


def _plain(outline: Outline, before: TrialRecord | None, paused: bool) -> TrialRecord:
    seconds = outline.device_seconds
    if seconds is None:
        seconds = (outline.ended - outline.started).total_seconds() if outline.started and outline.ended else 0.0
    return TrialRecord(
        number=outline.number,
        state=outline.state,
        value=outline.value,
        parameters=before.parameters if before else {},
        distributions=before.distributions if before else {},
        config={},
        reason=outline.reason or (f"paused {Outcome.RUNG}" if paused else ""),
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
    """Return the numbers of SAMPLE trials, evenly from all; as the study grows, most stay chosen."""
    ordered = sorted((trial.number for trial in finished), key=lambda number: number * _SCATTER % 2**32)
    return set(ordered[:SAMPLE])


def _best(record: StudyRecord) -> Best | None:
    best = record.best
    if best is None or best.value is None:
        return None
    return Best(best.number, best.value, dict(best.parameters))


def _as_reported(worker: Worker, curves: dict[int, tuple[float, ...]]) -> Worker:
    """Return a worker with the last epoch of its trial: epochs are written as they end, signs of life less often."""
    curve = curves.get(worker.trial_number, ()) if worker.trial_number is not None else ()
    return replace(worker, epoch=len(curve), value=curve[-1]) if curve else worker


def _objectives(directions: Sequence[str], named: Sequence[str], spec: Any) -> list[Objective]:
    """Return the objectives of a study with several; the first of a spec that names none has no name yet."""
    against = study_reader.against_of(spec)
    names = objective_names(named or (["", against] if against else []), len(directions))
    return [Objective(*each) for each in zip(names, directions, strict=False)] if len(directions) > 1 else []


def _shares_devices(spec: Any) -> bool:
    fleet = spec.get("fleet") if isinstance(spec, dict) else None
    return isinstance(fleet, dict) and fleet.get("fuse", 1) != 1


def _attribute(connection: Connection, table: Any, study_id: int, key: str) -> Any:
    """Return one attribute of a study; None where there is none."""
    query = select(table.c.value_json).where(table.c.study_id == study_id, table.c.key == key)
    content = connection.execute(query).scalar()
    return None if content is None else json.loads(content)


def _kind(outline: Outline) -> str:
    """Return why a trial was pruned, without the numbers that are its own."""
    return outline.outcome if outline.outcome in (Outcome.DIVERGED, Outcome.INFEASIBLE) else _BY_THE_PRUNER


def _concluded(connection: Connection, name: str) -> int:
    """Give a number that changes when trainings of the study's analyses end, and when they are concluded."""
    its_own = studies.c.study_name.startswith(f"{name}-", autoescape=True)
    ended = trials.c.state.in_(["COMPLETE", "PRUNED", "FAIL"])
    trained = select(func.count()).select_from(trials.join(studies)).where(its_own, ended)
    # A confirmation reads test data after its last training.
    said = (
        select(study_user_attributes.c.value_json)
        .select_from(study_user_attributes.join(studies))
        .where(its_own, study_user_attributes.c.key == CONCLUSION)
    )
    words = "".join(sorted(connection.scalars(said)))
    return int(connection.execute(trained).scalar_one()) + zlib.crc32(words.encode())
