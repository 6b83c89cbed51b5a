"""Who is at work: one row a worker, refreshed while it lives."""

from dataclasses import dataclass

from sqlalchemy import Engine, delete, insert, select, update

from storage.tables import database_now, workers


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


def register(engine: Engine, study_id: int, worker: str, host: str, process: int, device: str) -> None:
    """Write down that a worker has started."""
    with engine.begin() as connection:
        connection.execute(delete(workers).where(workers.c.worker == worker))
        connection.execute(
            insert(workers).values(
                worker=worker,
                study_id=study_id,
                host=host,
                process=process,
                device=device,
                state="starting",
                started_at=database_now(),
                seen_at=database_now(),
            )
        )


def sign_of_life(
    engine: Engine,
    worker: str,
    state: str,
    trial_number: int | None = None,
    epoch: int | None = None,
    value: float | None = None,
) -> None:
    """Say what a worker does now."""
    with engine.begin() as connection:
        connection.execute(
            update(workers)
            .where(workers.c.worker == worker)
            .values(state=state, trial_number=trial_number, epoch=epoch, value=value, seen_at=database_now())
        )


def sign_off(engine: Engine, worker: str) -> None:
    """Remove a worker that ends in order. One that is killed stays, and its age tells."""
    with engine.begin() as connection:
        connection.execute(delete(workers).where(workers.c.worker == worker))


def present(engine: Engine, study_id: int) -> list[Worker]:
    """The workers of a study, in the order in which they started."""
    columns = [workers.c[name] for name in Worker.__dataclass_fields__ if name != "age"]
    query = (
        select(*columns, (database_now() - workers.c.seen_at).label("age"))
        .where(workers.c.study_id == study_id)
        .order_by(workers.c.started_at)
    )
    with engine.connect() as connection:
        return [Worker(**row) for row in connection.execute(query).mappings()]
