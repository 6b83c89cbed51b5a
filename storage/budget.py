"""What a study may spend: trials, epochs, hours, device-hours, whichever comes first.

A budget is reserved in the database, in the transaction that makes a trial (see `claims.claim`): N trials are N
trials however many workers ask. Every trial counts once, whatever became of it, and every epoch once, whoever trained
it. Of epochs and hours, what is under way when they are spent goes on to its end, or to where it pauses.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Integer,
    Label,
    ScalarSelect,
    Select,
    Update,
    bindparam,
    case,
    func,
    insert,
    select,
    update,
)
from sqlalchemy.exc import IntegrityError

from winnow.records import Budget
from winnow.storage.activity import State
from winnow.storage.clock import database_now
from winnow.storage.database import Database
from winnow.storage.optuna_tables import last_number, studies, trials
from winnow.storage.tables import attempts, budgets, epochs

_EPOCHS = select(func.count()).where(epochs.c.trial_id == bindparam("trial"))


@dataclass(frozen=True)
class Spent:
    """What a study has used, and what it may."""

    trials: int
    seconds: float
    """Since the study's first trial was claimed, by the database's clock."""
    device_seconds: float
    """Of all attempts, those under way included."""
    budget: Budget
    state: State = State.ACTIVE
    epochs: int = 0
    """Of all attempts that Winnow's workers made, those under way included."""

    @property
    def may_go_on(self) -> bool:
        """Whether a paused trial may go on: it has its place among the trials, and what it costs may be spent."""
        return not self._resources

    @property
    def seconds_left(self) -> float | None:
        """Until no more is begun, by the limit of `hours`; None where there is no such limit."""
        return None if self.budget.hours is None else max(0.0, self.budget.hours * 3600 - self.seconds)

    @property
    def device_seconds_left(self) -> float | None:
        """Device time that the budget leaves; None where it has no such limit."""
        limit = self.budget.device_hours
        return None if limit is None else max(0.0, limit * 3600 - self.device_seconds)

    @property
    def exhausted(self) -> str:
        """Which limit is reached, in words that hold while its last trials train and after; empty before that."""
        if self.budget.trials is not None and self.trials >= self.budget.trials:
            return f"its budget of {self.budget.trials} trial{'s' * (self.budget.trials != 1)} is used up"
        return self._resources

    @property
    def _resources(self) -> str:
        if self.budget.epochs is not None and self.epochs >= self.budget.epochs:
            return f"its budget of {self.budget.epochs} epochs is used up"
        if self.budget.hours is not None and self.seconds >= self.budget.hours * 3600:
            return f"its budget of {self.budget.hours:g} hours is used up"
        if self.budget.device_hours is not None and self.device_seconds >= self.budget.device_hours * 3600:
            return f"its budget of {self.budget.device_hours:g} device-hours is used up"
        return ""


def set_budget(database: Database, study_id: int, budget: Budget, priority: float = 1.0) -> bool:
    """Give a study its limits in place of those it had, and make it active. Returns whether these are its first.

    A pool gives a study workers in proportion to its `priority`.
    """
    limits = {
        "trials": budget.trials,
        "epochs": budget.epochs,
        "seconds": None if budget.hours is None else budget.hours * 3600,
        "device_seconds": None if budget.device_hours is None else budget.device_hours * 3600,
        "state": State.ACTIVE,
        "priority": priority,
    }
    change = update(budgets).where(budgets.c.study_id == study_id).values(**limits)

    def work(connection: Connection) -> bool:
        if connection.execute(change).rowcount == 1:
            return False
        connection.execute(insert(budgets).values(study_id=study_id, **limits))
        return True

    try:
        return database.write(work)
    except IntegrityError:  # another process was first by a moment
        database.execute(change)
        return False


def end_now(database: Database, study_id: int) -> int:
    """Make the trials that a study has its whole budget of trials; returns how many these are."""
    count = select(func.count()).where(trials.c.study_id == study_id).scalar_subquery()

    def work(connection: Connection) -> int:
        connection.execute(update(budgets).where(budgets.c.study_id == study_id).values(trials=count))
        limit = select(budgets.c.trials).where(budgets.c.study_id == study_id)
        return int(connection.execute(limit).scalar_one())

    return database.write(work)


def spent(connection: Connection, study_id: int) -> Spent:
    """Return what the study has used so far. The cost of asking does not grow with the study."""
    return spent_as(connection.execute(_spent(), {"study": study_id}).mappings().one())


@cache
def _spent() -> Select[Any]:
    return (
        select(
            budgets.c.trials,
            budgets.c.seconds,
            budgets.c.device_seconds,
            budgets.c.used_device_seconds,
            budgets.c.epochs,
            budgets.c.used_epochs,
            budgets.c.state,
            (database_now() - budgets.c.started_at).label("age"),
            last_number(bindparam("study", type_=Integer)).label("last_number"),
            *under_way(studies.c.study_id),
        )
        .select_from(studies.outerjoin(budgets, budgets.c.study_id == studies.c.study_id))
        .where(studies.c.study_id == bindparam("study"))
    )


def under_way(study_id: ColumnElement[int]) -> tuple[Label[Any], Label[Any]]:
    """Return what the attempts under way of a study have used so far, as columns: seconds and epochs."""
    open_ones = (attempts.c.study_id == study_id) & attempts.c.ended_at.is_(None)
    seconds = select(func.sum(database_now() - attempts.c.started_at)).where(open_ones)
    new_epochs = select(func.sum(_epochs_of(attempts.c.trial_id) - attempts.c.earlier_epochs)).where(open_ones)
    return seconds.scalar_subquery().label("under_way"), new_epochs.scalar_subquery().label("epochs_under_way")


def epochs_of(connection: Connection, trial_id: int) -> int:
    """Return how many epochs of a trial are recorded."""
    return int(connection.execute(_EPOCHS, {"trial": trial_id}).scalar_one())


def _epochs_of(trial_id: ColumnElement[int]) -> ScalarSelect[int]:
    return select(func.count()).where(epochs.c.trial_id == trial_id).scalar_subquery()


def spent_as(row: Mapping[Any, Any]) -> Spent:
    """Return what a study has used, from its row of `budgets` with `age`, `last_number` and `under_way` beside it."""
    seconds, device_seconds = row["seconds"], row["device_seconds"]
    return Spent(
        trials=0 if row["last_number"] is None else row["last_number"] + 1,
        seconds=float(row["age"] or 0.0),
        device_seconds=float(row["used_device_seconds"] or 0.0) + float(row["under_way"] or 0.0),
        budget=Budget(
            row["trials"],
            None if seconds is None else seconds / 3600,
            None if device_seconds is None else device_seconds / 3600,
            row["epochs"],
        ),
        state=State(row["state"] or State.ACTIVE),
        epochs=int(row["used_epochs"] or 0) + int(row["epochs_under_way"] or 0),
    )


def note_started(connection: Connection, study_id: int) -> None:
    """Let the study's hours begin, unless they have."""
    connection.execute(
        update(budgets)
        .where(budgets.c.study_id == study_id, budgets.c.started_at.is_(None))
        .values(started_at=database_now())
    )


def spend(connection: Connection, trial_id: int, token: int) -> None:
    """Add the seconds and the epochs of an attempt that has ended to what its study has used."""
    connection.execute(_spending(), {"trial": trial_id, "token": token})


@cache
def _spending() -> Update:
    attempt = (attempts.c.trial_id == bindparam("trial")) & (attempts.c.token == bindparam("token"))
    lasted = attempts.c.ended_at - attempts.c.started_at
    lasted = case((lasted > 0, lasted), else_=0.0)  # the clock may be set back
    seconds = select(lasted).where(attempt).scalar_subquery()
    new_epochs = select(_epochs_of(attempts.c.trial_id) - attempts.c.earlier_epochs).where(attempt).scalar_subquery()
    study = select(attempts.c.study_id).where(attempt).scalar_subquery()
    return (
        update(budgets)
        .where(budgets.c.study_id == study)
        .values(
            used_device_seconds=budgets.c.used_device_seconds + seconds,
            used_epochs=budgets.c.used_epochs + new_epochs,
        )
    )
