"""Who may work on a trial: leases with a fencing token, in the database and by its clock alone.

A worker claims a trial for some seconds and renews the claim while its trainer makes progress. A trial whose lease
ran out goes back to WAITING in place (same row, number, parameters and curve) and may be claimed again with a higher
token. Every write for a trial first renews its lease inside the same transaction, which fails when the token is no
longer the trial's: a worker that lost its lease can write nothing more (`LeaseLost`).

Every transaction here begins with a write, so that it holds its lock before it reads: SQLite, PostgreSQL and MariaDB
then behave alike.
"""

import math
from dataclasses import dataclass

from sqlalchemy import Connection, Engine, and_, delete, func, insert, select, update

from storage.budget import spent
from storage.errors import LeaseLost
from storage.tables import attempts, budgets, database_now, leases, optuna_now, studies, trials, values

LEASE_SECONDS = 30.0
MOST_ATTEMPTS = 5


@dataclass(frozen=True)
class Lease:
    """The right to work on one trial."""

    study_id: int
    trial_id: int
    number: int
    token: int
    """Counts the trial's attempts from 1."""
    worker: str
    seconds: float


def claim(engine: Engine, study_id: int, worker: str, seconds: float = LEASE_SECONDS) -> Lease | None:
    """The next trial of a study: one that waits, or a new one while the budget lasts; None when there is neither."""
    with engine.begin() as connection:
        _lock_study(connection, study_id)
        use = spent(connection, study_id)
        waiting = connection.execute(
            select(trials.c.trial_id, trials.c.number)
            .where(trials.c.study_id == study_id, trials.c.state == "WAITING")
            .order_by(trials.c.number)
            .limit(1)
        ).one_or_none()
        if waiting is not None and not use.draining:
            trial_id, number = waiting
            connection.execute(
                update(trials)
                .where(trials.c.trial_id == trial_id)
                .values(state="RUNNING", datetime_start=func.coalesce(trials.c.datetime_start, optuna_now()))
            )
        elif not use.exhausted:
            number = use.trials
            made = connection.execute(
                insert(trials).values(study_id=study_id, number=number, state="RUNNING", datetime_start=optuna_now())
            )
            assert made.inserted_primary_key is not None
            trial_id = made.inserted_primary_key[0]
        else:
            return None
        connection.execute(
            update(budgets)
            .where(budgets.c.study_id == study_id, budgets.c.started_at.is_(None))
            .values(started_at=database_now())
        )
        token = 1 + connection.execute(select(func.count()).where(attempts.c.trial_id == trial_id)).scalar_one()
        connection.execute(
            insert(attempts).values(
                trial_id=trial_id, token=token, study_id=study_id, worker=worker, started_at=database_now()
            )
        )
        connection.execute(
            insert(leases).values(
                trial_id=trial_id,
                study_id=study_id,
                token=token,
                worker=worker,
                expires_at=database_now() + seconds,
            )
        )
    return Lease(study_id, trial_id, number, token, worker, seconds)


def renew(engine: Engine, lease: Lease) -> None:
    """Hold the trial for another `lease.seconds` from now; raises LeaseLost."""
    with engine.begin() as connection:
        hold(connection, lease)


def hold(connection: Connection, lease: Lease) -> None:
    """Renew the lease and lock it until this transaction ends; raises LeaseLost. The first statement of every write."""
    held = connection.execute(
        update(leases)
        .where(leases.c.trial_id == lease.trial_id, leases.c.token == lease.token)
        .values(expires_at=database_now() + lease.seconds)
    )
    running = select(trials.c.trial_id).where(trials.c.trial_id == lease.trial_id, trials.c.state == "RUNNING")
    if held.rowcount != 1 or connection.execute(running).first() is None:
        raise LeaseLost(
            f"trial {lease.number} no longer belongs to this worker (attempt {lease.token})",
            "it was given to another worker, told by hand or deleted; what is left of this attempt is dropped",
        )


def finish(engine: Engine, lease: Lease, state: str, value: float | None, outcome: str) -> None:
    """End the trial as COMPLETE, PRUNED or FAIL and give up the lease, in one transaction; raises LeaseLost."""
    with engine.begin() as connection:
        hold(connection, lease)
        if value is not None and not math.isnan(value):
            kind = "FINITE" if math.isfinite(value) else ("INF_POS" if value > 0 else "INF_NEG")
            connection.execute(
                insert(values).values(
                    trial_id=lease.trial_id,
                    objective=0,
                    value=value if kind == "FINITE" else None,
                    value_type=kind,
                )
            )
        connection.execute(
            update(trials)
            .where(trials.c.trial_id == lease.trial_id)
            .values(state=state, datetime_complete=optuna_now())
        )
        _end_attempt(connection, lease.trial_id, lease.token, outcome)


def give_back(engine: Engine, lease: Lease, outcome: str = "given back") -> None:
    """Return the trial to WAITING in place, for whoever asks next; raises LeaseLost."""
    with engine.begin() as connection:
        hold(connection, lease)
        _set_waiting(connection, lease.trial_id)
        _end_attempt(connection, lease.trial_id, lease.token, outcome)


def reap(engine: Engine, study_id: int) -> list[int]:
    """Return trials whose lease ran out to WAITING; after MOST_ATTEMPTS attempts they FAIL. Gives their numbers.

    A trial that runs without any lease belongs to somebody else's `study.optimize` and is left alone.
    """
    with engine.begin() as connection:
        _lock_study(connection, study_id)
        expired = connection.execute(
            select(leases.c.trial_id, leases.c.token, trials.c.number, trials.c.state)
            .join(trials, trials.c.trial_id == leases.c.trial_id)
            .where(leases.c.study_id == study_id, leases.c.expires_at < database_now())
        ).all()
        for trial_id, token, _, state in expired:
            if state == "RUNNING" and token >= MOST_ATTEMPTS:
                connection.execute(
                    update(trials)
                    .where(trials.c.trial_id == trial_id)
                    .values(state="FAIL", datetime_complete=optuna_now())
                )
            elif state == "RUNNING":
                _set_waiting(connection, trial_id)
            _end_attempt(connection, trial_id, token, "lease expired")
    return [number for _, _, number, state in expired if state == "RUNNING"]


def waits_for(engine: Engine, study_id: int) -> int:
    """How many trials are held by a lease now: what an idle worker waits for before it goes home."""
    with engine.connect() as connection:
        return connection.execute(select(func.count()).where(leases.c.study_id == study_id)).scalar_one()


def _lock_study(connection: Connection, study_id: int) -> None:
    """Take the lock under which Optuna numbers trials: nobody else adds one before this transaction ends."""
    connection.execute(update(studies).where(studies.c.study_id == study_id).values(study_name=studies.c.study_name))


def _set_waiting(connection: Connection, trial_id: int) -> None:
    connection.execute(update(trials).where(trials.c.trial_id == trial_id).values(state="WAITING"))


def _end_attempt(connection: Connection, trial_id: int, token: int, outcome: str) -> None:
    connection.execute(delete(leases).where(leases.c.trial_id == trial_id))
    connection.execute(
        update(attempts)
        .where(and_(attempts.c.trial_id == trial_id, attempts.c.token == token))
        .values(ended_at=database_now(), outcome=outcome)
    )
