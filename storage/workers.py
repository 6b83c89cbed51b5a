"""Who is at work: one row a worker, refreshed while it lives."""

from dataclasses import dataclass

from sqlalchemy import insert, select, update

from winnow.storage.clock import database_now
from winnow.storage.database import Database
from winnow.storage.tables import workers

GONE = "gone"
FORGOTTEN_SECONDS = 600.0


@dataclass(frozen=True)
class Worker:
    """A worker as the database last heard of it."""

    worker: str
    host: str
    process: int
    device: str
    state: str
    trial_number: int | None
    epoch: int | None
    value: float | None
    age: float
    """Seconds since it last gave a sign of life."""


def register(database: Database, study_id: int, worker: str, host: str, process: int, device: str) -> None:
    """Write down that a worker has started, under a name that no other ever had."""
    row = insert(workers).values(
        worker=worker,
        study_id=study_id,
        host=host,
        process=process,
        device=device,
        state="starting",
        started_at=database_now(),
        seen_at=database_now(),
    )
    database.add(row)


def sign_of_life(
    database: Database,
    worker: str,
    state: str,
    trial_number: int | None = None,
    epoch: int | None = None,
    value: float | None = None,
) -> None:
    """Say what a worker does now."""
    change = (
        update(workers)
        .where(workers.c.worker == worker)
        .values(state=state, trial_number=trial_number, epoch=epoch, value=value, seen_at=database_now())
    )
    database.execute(change)


def sign_off(database: Database, worker: str) -> None:
    """Say that a worker ends in order. One that is killed stays as it was, and its age tells."""
    sign_of_life(database, worker, GONE)


def present(database: Database, study_id: int) -> list[Worker]:
    """The workers of a study that have not signed off, in the order in which they started.

    One that has been silent for FORGOTTEN_SECONDS is not there any more.
    """
    columns = [workers.c[name] for name in Worker.__dataclass_fields__ if name != "age"]
    query = (
        select(*columns, (database_now() - workers.c.seen_at).label("age"))
        .where(
            workers.c.study_id == study_id,
            workers.c.state != GONE,
            workers.c.seen_at > database_now() - FORGOTTEN_SECONDS,
        )
        .order_by(workers.c.started_at)
    )
    rows = database.mappings(query)
    return [Worker(**row) for row in rows]
