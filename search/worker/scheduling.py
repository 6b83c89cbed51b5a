"""What a worker claims where its study has a scheduler: that is shown the trials, and its decision is claimed."""

import logging

import numpy as np
from optuna.trial import FrozenTrial, TrialState

from winnow.records import BASELINE
from winnow.search.study.schedulers import ANY, Begin, GoOn, Outline, Scheduler, Standing
from winnow.search.study.study import WinnowStudy
from winnow.search.worker.shape_runs import ShapeRuns
from winnow.storage import checkpoints, claims, pauses
from winnow.storage.activity import State
from winnow.storage.budget import spent
from winnow.storage.claims import Wish
from winnow.storage.errors import Overtaken
from winnow.storage.leases import Lease
from winnow.storage.pauses import Attempted, Had

_log = logging.getLogger("winnow")
_ENDED = {
    TrialState.COMPLETE: Standing.COMPLETE,
    TrialState.PRUNED: Standing.PRUNED,
    TrialState.FAIL: Standing.FAILED,
}


class Scheduling:
    """The scheduler of a study, as one worker asks it."""

    def __init__(self, study: WinnowStudy, scheduler: Scheduler, worker: str, lease_seconds: float) -> None:
        self._study = study
        self._scheduler = scheduler
        self._worker = worker
        self._seconds = lease_seconds
        self.is_done = False
        """Whether the study has nothing left to give."""
        self._ended: dict[int, Outline] = {}

    @classmethod
    def of(cls, study: WinnowStudy, worker: str, lease_seconds: float) -> "Scheduling | None":
        """Return that of a study; None where it has no scheduler."""
        scheduler = study.spec.scheduler
        return None if scheduler is None else cls(study, scheduler, worker, lease_seconds)

    def claim(self, rows: ShapeRuns | None = None) -> Lease | None:
        """Claim what the scheduler decides; None where it has nothing to do now, or the study gives nothing.

        What it begins is of the shape of its row, in a worker that has `rows`. A study that has nothing left for its
        paused trials ends them.
        """
        database, study_id = self._study.storage.database, self._study.study_id
        rather = rows.mates if rows else ()
        while True:
            had, outlines = self._look()
            begun = sum(outline.standing is not Standing.QUEUED for outline in outlines)
            random = np.random.default_rng([self._study.spec.seed, begun, had[0]])
            used = database.read(spent, study_id)
            if used.state is not State.ACTIVE:
                return None
            queued = begun < len(outlines)
            shape = rows.shape if rows else ANY
            decision = self._scheduler.next(outlines, random, queued or not used.exhausted, shape)
            match decision:
                case Begin():
                    drawn = None if decision.parameters is None or queued else len(outlines)
                    wish = Wish(begins=True, until=decision.until, parameters=decision.parameters, number=drawn)
                case GoOn():
                    may = (decision.number, *decision.others)
                    mates = (each for each in may if rows and rows.goes_on_with(outlines[each].parameters))
                    wish = Wish(paused=next(mates, decision.number), until=decision.until)
                case None:
                    wish = Wish()
            try:
                lease = claims.claim(database, study_id, self._worker, self._seconds, wish=wish, rather=rather)
                if lease is None and (decision is None or used.exhausted):
                    self._end(had)
                    return None
            except Overtaken:
                continue
            if lease is not None:
                if rows and wish.parameters is not None and lease.number == wish.number:
                    rows.began(lease.number, wish.parameters)
                return lease

    def _end(self, had: Had) -> None:
        """End what is paused, unless a trial under way may yet be a reason to go on with it; raises Overtaken."""
        database = self._study.storage.database
        ended = pauses.end_all(database, self._study.study_id, had)
        self.is_done = ended is not None
        if ended:
            _log.info("%d paused trials are not taken up again", len(ended))
            checkpoints.sweep(database, self._study.storage.store)

    def _look(self) -> tuple[Had, list[Outline]]:
        """Return how many attempts of the study have begun and ended, and all of its trials in outline."""
        storage, study_id = self._study.storage, self._study.study_id
        had, attempted = storage.database.read(pauses.attempted, study_id)
        trials = storage.get_all_trials(study_id, deepcopy=False)
        return had, [self._outline(trial, attempted.get(trial.number)) for trial in trials]

    def _outline(self, trial: FrozenTrial, attempt: Attempted | None) -> Outline:
        if trial.number in self._ended:
            return self._ended[trial.number]
        if trial.datetime_complete is not None:
            standing = _ENDED[trial.state]
        elif attempt is None:
            standing = Standing.QUEUED if trial.state is TrialState.WAITING else Standing.RUNNING
        else:
            standing = Standing.PAUSED if attempt.paused else Standing.RUNNING
        outline = Outline(
            trial.number,
            standing,
            trial.params,
            sorted(trial.intermediate_values.items()),
            None if attempt is None else attempt.until,
            BASELINE in trial.user_attrs,
        )
        if standing.ended:
            self._ended[trial.number] = outline
        return outline
