"""Paused trials: WAITING in place after an attempt that ended at a rung, with their curve and their checkpoint.

Nothing more is written of a pause than how that attempt ended. Such a trial keeps its place in the budget, goes on when
the study's scheduler says so (see `claims.claim`), and ends as PRUNED when the study has nothing left for it.
"""

import math
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, and_, exists, func, select

from winnow.records import OUTCOME, REASON, Outcome
from winnow.storage import endings
from winnow.storage.activity import State
from winnow.storage.budget import spent
from winnow.storage.database import Database
from winnow.storage.errors import Overtaken
from winnow.storage.optuna_tables import intermediate_values, restored, trials
from winnow.storage.studies import lock
from winnow.storage.tables import attempts, checkpoints, epochs
from winnow.storage.upserts import OPEN_STATES

NO_ROOM = "paused, and its checkpoint had to make room for others"
"""The reason of a trial that the limit on the checkpoints of paused trials ended."""
LEFT = "paused, not taken up again"
"""The reason of a trial that was still paused when its study ended."""
_last, _later = attempts.alias("last"), attempts.alias("later")
IS_PAUSED = and_(
    trials.c.state == "WAITING",
    exists().where(
        _last.c.trial_id == trials.c.trial_id,
        _last.c.outcome == Outcome.RUNG,
        ~exists().where(_later.c.trial_id == _last.c.trial_id, _later.c.token > _last.c.token),
    ),
)
"""The condition under which a row of `trials` is paused."""
Had = tuple[int, int]
"""How many attempts of a study have begun, and how many have ended."""


@dataclass(frozen=True)
class Attempted:
    """An unfinished trial as its last attempt left it, or has it now."""

    number: int
    paused: bool
    until: int | None
    token: int


def attempted(connection: Connection, study_id: int) -> tuple[Had, dict[int, Attempted]]:
    """Return what a study has had, and by number each unfinished trial that has had an attempt: that, or newer."""
    had = _had(connection, study_id)
    last = (
        select(trials.c.number, attempts.c.token, attempts.c.outcome, attempts.c.until)
        .join(trials, trials.c.trial_id == attempts.c.trial_id)
        .where(
            attempts.c.study_id == study_id,
            trials.c.state.in_(OPEN_STATES),
            ~exists().where(_later.c.trial_id == attempts.c.trial_id, _later.c.token > attempts.c.token),
        )
    )
    found = {
        row.number: Attempted(row.number, row.outcome == Outcome.RUNG, row.until, row.token)
        for row in connection.execute(last)
    }
    return had, found


def _had(connection: Connection, study_id: int) -> Had:
    of_study = select(func.count(), func.count(attempts.c.ended_at)).where(attempts.c.study_id == study_id)
    begun, ended = connection.execute(of_study).one()
    return int(begun), int(ended)


def tokens(connection: Connection, study_id: int) -> dict[int, int]:
    """Return by trial id how many attempts each paused trial of a study has had: the trial stays while that does."""
    query = select(trials.c.trial_id, func.max(attempts.c.token)).join(attempts).where(attempts.c.study_id == study_id)
    return {
        trial_id: token for trial_id, token in connection.execute(query.where(IS_PAUSED).group_by(trials.c.trial_id))
    }


def end_all(database: Database, study_id: int, seen: Had | None = None) -> list[int] | None:
    """End the paused trials of a study that has nothing left for them; returns their numbers.

    Nothing is done, and None returned, while one of its trials is under way. Raises Overtaken where more has
    begun or ended than the caller has `seen`, if it says: what that brought may be a reason to go on.
    """

    def work(connection: Connection) -> list[int] | None:
        lock(connection, study_id)
        of_study = attempts.c.study_id == study_id
        if spent(connection, study_id).state is not State.ACTIVE:
            return []
        if seen not in (None, _had(connection, study_id)):
            raise Overtaken("a trial was taken up, begun or left meanwhile")
        if connection.execute(select(func.count()).where(of_study, attempts.c.ended_at.is_(None))).scalar_one():
            return None
        query = select(trials.c.trial_id, trials.c.number).where(trials.c.study_id == study_id, IS_PAUSED)
        paused = connection.execute(query.order_by(trials.c.number)).all()
        for trial_id, _ in paused:
            _end(connection, trial_id, LEFT)
        return [number for _, number in paused]

    return database.write(work)


def make_room(database: Database, study_id: int, most: float, maximize: bool) -> list[tuple[int, list[str]]]:
    """End paused trials of a study until the checkpoints of the others take at most so many bytes; one may stay.

    The worst of those that came least far goes first. Returns the numbers of those that ended, and the claims by which
    their files are known.
    """

    def work(connection: Connection) -> list[tuple[int, list[str]]]:
        lock(connection, study_id)
        by_promise = _by_promise(connection, study_id, maximize)
        left = sum(row.size for row in by_promise)
        ended = []
        for row in by_promise[:-1]:
            if left <= most:
                break
            left -= row.size
            _end(connection, row.trial_id, NO_ROOM)
            claims = connection.execute(select(attempts.c.claim).where(attempts.c.trial_id == row.trial_id))
            ended.append((row.number, list(claims.scalars())))
        return ended

    taken = sum(row.size for row in database.read(_by_promise, study_id, maximize))
    return database.write(work) if taken > most else []


def _by_promise(connection: Connection, study_id: int, maximize: bool) -> list[Any]:
    """Return the newest checkpoints of paused trials, those of the least promising first."""
    query = (
        select(trials.c.trial_id, trials.c.number, checkpoints.c.epoch, checkpoints.c.size, epochs.c.value)
        .join(checkpoints, checkpoints.c.trial_id == trials.c.trial_id)
        .join(epochs, and_(epochs.c.trial_id == trials.c.trial_id, epochs.c.epoch == checkpoints.c.epoch))
        .where(trials.c.study_id == study_id, IS_PAUSED)
        .order_by(checkpoints.c.epoch)
    )
    newest = {row.trial_id: row for row in connection.execute(query)}
    sign = 1 if maximize else -1
    return sorted(newest.values(), key=lambda row: (row.epoch, -math.inf if row.value is None else sign * row.value))


def _end(connection: Connection, trial_id: int, reason: str) -> None:
    """End a paused trial as PRUNED with the last value that it reported."""
    last = (
        select(intermediate_values.c.intermediate_value, intermediate_values.c.intermediate_value_type)
        .where(intermediate_values.c.trial_id == trial_id)
        .order_by(intermediate_values.c.step.desc())
        .limit(1)
    )
    found = connection.execute(last).one_or_none()
    result = None if found is None else restored(*found)
    endings.end_trial(connection, trial_id, "PRUNED", (result,), {OUTCOME: Outcome.PRUNED, REASON: reason})
