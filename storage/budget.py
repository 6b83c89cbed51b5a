"""What a study may spend: trials, hours, device-hours, whichever comes first.

A budget is reserved in the database, in the transaction that makes a trial (see `leases.claim`): N trials are N
trials however many workers ask. Every trial counts once, whatever became of it.
"""

from dataclasses import dataclass

from sqlalchemy import Connection, Engine, func, insert, select, update
from sqlalchemy.exc import IntegrityError

from storage.tables import attempts, budgets, database_now, trials


@dataclass(frozen=True)
class Budget:
    """Limits of a study; None is no limit."""

    trials: int | None = None
    hours: float | None = None
    device_hours: float | None = None


@dataclass(frozen=True)
class Spent:
    """What a study has used, and what it may."""

    trials: int
    seconds: float
    """Since the study's first trial was claimed, by the database's clock."""
    device_seconds: float
    """Of all attempts, those under way included."""
    budget: Budget
    draining: bool = False

    @property
    def exhausted(self) -> str:
        """Which limit is reached, in words; empty while there is something left."""
        if self.draining:
            return "the study was stopped"
        if self.budget.trials is not None and self.trials >= self.budget.trials:
            return f"all {self.budget.trials} trials are given out"
        if self.budget.hours is not None and self.seconds >= self.budget.hours * 3600:
            return f"{self.budget.hours:g} hours are over"
        if self.budget.device_hours is not None and self.device_seconds >= self.budget.device_hours * 3600:
            return f"{self.budget.device_hours:g} device-hours are spent"
        return ""


def set_budget(engine: Engine, study_id: int, budget: Budget) -> bool:
    """Give a study its limits, in place of those that it had; lifts a stop. Returns whether these are its first."""
    limits = {
        "trials": budget.trials,
        "seconds": None if budget.hours is None else budget.hours * 3600,
        "device_seconds": None if budget.device_hours is None else budget.device_hours * 3600,
        "draining": False,
    }
    change = update(budgets).where(budgets.c.study_id == study_id).values(**limits)
    try:
        with engine.begin() as connection:
            if connection.execute(change).rowcount == 1:
                return False
            connection.execute(insert(budgets).values(study_id=study_id, **limits))
            return True
    except IntegrityError:  # another process was first by a moment
        with engine.begin() as connection:
            connection.execute(change)
        return False


def spent(connection: Connection, study_id: int) -> Spent:
    """What the study has used so far."""
    row = connection.execute(
        select(
            budgets.c.trials,
            budgets.c.seconds,
            budgets.c.device_seconds,
            budgets.c.draining,
            (database_now() - budgets.c.started_at).label("age"),
        ).where(budgets.c.study_id == study_id)
    ).one_or_none()
    used = connection.execute(select(func.count()).where(trials.c.study_id == study_id)).scalar_one()
    on_devices = connection.execute(
        select(func.sum(func.coalesce(attempts.c.ended_at, database_now()) - attempts.c.started_at)).where(
            attempts.c.study_id == study_id
        )
    ).scalar_one()
    limits = Budget()
    if row is not None:
        limits = Budget(
            row.trials,
            None if row.seconds is None else row.seconds / 3600,
            None if row.device_seconds is None else row.device_seconds / 3600,
        )
    return Spent(
        trials=used,
        seconds=0.0 if row is None or row.age is None else float(row.age),
        device_seconds=float(on_devices or 0.0),
        budget=limits,
        draining=bool(row is not None and row.draining),
    )
