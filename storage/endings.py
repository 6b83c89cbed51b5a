"""How an attempt at a trial ends: finished, given back, or taken from a worker whose lease ran out."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Connection, bindparam, insert, select, update

from winnow.records import OUTCOME, REASON, FinalState, Outcome
from winnow.storage import content, workers
from winnow.storage.budget import spend
from winnow.storage.clock import database_now, optuna_now
from winnow.storage.database import Database
from winnow.storage.errors import ContentRefused
from winnow.storage.leases import MOST_CRASHES, Lease, history, retries
from winnow.storage.notifications import ring
from winnow.storage.optuna_tables import stored, trial_user_attributes, trials, values
from winnow.storage.tables import attempts
from winnow.storage.upserts import HELD, put_all

_CLOSE_HELD = update(attempts).where(HELD).values(ended_at=database_now())
_END = update(trials).where(trials.c.trial_id == bindparam("trial"))


def finish(
    database: Database,
    lease: Lease,
    outcome: Outcome,
    value: float | None = None,
    attributes: Mapping[str, Any] | None = None,
    cost: float | None = None,
    state: FinalState | None = None,
) -> None:
    """End the trial for good with its last user attributes and give up the lease; raise LeaseLost.

    All in one transaction: a finished trial has its outcome and its value, or is not finished. `cost` is the value of
    the second objective, where the study has one; `state` replaces the outcome's own. Raise ContentRefused for a trial
    that is COMPLETE without a value.
    """
    final = state or outcome.final_state
    if final == "COMPLETE":
        try:
            content.result(math.nan if value is None else value)
        except ContentRefused as error:
            raise error.of_trial(lease.number) from None

    def work(connection: Connection) -> None:
        _close_held(connection, lease, outcome)
        told = {**(attributes or {}), OUTCOME: outcome}
        end_trial(connection, lease.trial_id, final, (value, cost), told)
        if lease.until is not None:
            ring(connection)  # its scheduler may have waited for it

    database.write(work)


def give_back(database: Database, lease: Lease, outcome: Outcome, attributes: Mapping[str, Any] | None = None) -> None:
    """Return the trial to WAITING in place, for whoever asks next; raise LeaseLost."""

    def work(connection: Connection) -> None:
        _close_held(connection, lease, outcome)
        put_attributes(connection, lease.trial_id, attributes or {})
        _put_back(connection, lease.trial_id)
        ring(connection)

    database.write(work)


def reap(database: Database, study_id: int | None, quiet_seconds: float = 0.0) -> list[int]:
    """Return trials whose lease ran out to WAITING, of one study or of all; give their numbers.

    After MOST_CRASHES crashes a trial FAILs.
    Nothing is done before this process has been in touch with the database for `quiet_seconds` without a break: after
    an outage, or where its clock was set or has slept with its machine, the owners come first. A trial that runs
    without any lease belongs to somebody else's `study.optimize` and is left alone; one that somebody is writing for at
    this moment is not expired.
    """
    now = database.scalar(select(database_now()))
    longest_step = max(1.0, quiet_seconds / 2)
    database.contact.tell_time(now, longest_step)
    if database.contact.seconds < quiet_seconds:
        return []
    # A lease that ends later than any that is given now: the clock was set back since, and its owner, who has had one
    # whole lease to renew it by the new time, is gone.
    too_late = database_now() + 2 * attempts.c.lease_seconds + longest_step
    was_there = attempts.c.lease_seconds < database.contact.seconds
    lost = (attempts.c.expires_at < now) | was_there & (attempts.c.expires_at > too_late)
    if study_id is not None:
        lost &= attempts.c.study_id == study_id
    return database.write(_requeue, lost, Outcome.LEASE_EXPIRED)


def requeue_of(database: Database, worker: str) -> list[int]:
    """Sign off a worker that is known to be dead, and return its trials to WAITING at once; as `reap`."""
    workers.sign_off(database, worker)
    return database.write(_requeue, attempts.c.worker == worker, Outcome.WORKER_KILLED)


def _requeue(connection: Connection, lost: ColumnElement[bool], outcome: Outcome) -> list[int]:
    rows = connection.execute(
        select(attempts.c.trial_id, attempts.c.token, trials.c.number, trials.c.state)
        .join(trials, trials.c.trial_id == attempts.c.trial_id)
        .where(attempts.c.ended_at.is_(None), lost)
        .with_for_update(of=attempts, skip_locked=True)
    ).all()
    for trial_id, token, _, state in rows:
        _, earlier = history(connection, trial_id)  # this attempt is not among those that have ended yet
        close_attempt(connection, trial_id, token, outcome)
        if state != "RUNNING":
            continue
        if retries(outcome, earlier):
            _put_back(connection, trial_id)
        else:
            why: dict[str, Any] = {OUTCOME: outcome, REASON: f"{MOST_CRASHES} attempts at it crashed: {outcome}"}
            end_trial(connection, trial_id, "FAIL", (), why)
    if rows:
        ring(connection)
    return [number for _, _, number, state in rows if state == "RUNNING"]


def end_trial(
    connection: Connection,
    trial_id: int,
    state: FinalState,
    results: Sequence[float | None],
    attributes: Mapping[str, Any],
) -> None:
    """End a trial that the caller has locked; a result that is None or NaN is none."""
    for objective, result in enumerate(results):
        if result is not None and not math.isnan(result):
            number, kind = stored(result)
            row = {"trial_id": trial_id, "objective": objective, "value": number, "value_type": kind}
            connection.execute(insert(values), row)
    put_attributes(connection, trial_id, attributes)
    connection.execute(_END, {"trial": trial_id, "state": state, "datetime_complete": optuna_now()})


def put_attributes(connection: Connection, trial_id: int, attributes: Mapping[str, Any]) -> None:
    """Write user attributes of a trial, in place of those it had; raise ContentRefused."""
    dialect = connection.dialect.name
    rows = [
        {"trial_id": trial_id, "key": key, "value_json": content.as_json(key, value, dialect)}
        for key, value in attributes.items()
    ]
    put_all(connection, trial_user_attributes, ["trial_id", "key"], rows)


def close_attempt(connection: Connection, trial_id: int, token: int, outcome: Outcome) -> None:
    """Close an attempt that the caller has locked, and book what it has used."""
    this = update(attempts).where(attempts.c.trial_id == trial_id, attempts.c.token == token)
    connection.execute(this.values(ended_at=database_now(), outcome=outcome))
    spend(connection, trial_id, token)


def _close_held(connection: Connection, lease: Lease, outcome: Outcome) -> None:
    """Close the attempt by which a trial is held and book what it has used; raises LeaseLost."""
    if connection.execute(_CLOSE_HELD, {**lease.holder.values, "outcome": outcome}).rowcount != 1:
        raise lease.lost()
    spend(connection, lease.trial_id, lease.token)


def _put_back(connection: Connection, trial_id: int) -> None:
    connection.execute(update(trials).where(trials.c.trial_id == trial_id).values(state="WAITING"))
