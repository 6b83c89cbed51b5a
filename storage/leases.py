"""Who may work on a trial: leases with a fencing token, in the database and by its clock alone.

A worker claims a trial for some seconds and renews the claim while its trainer makes progress. A trial whose lease
ran out goes back to WAITING in place (same row, number, parameters and curve) and may be claimed again with a higher
token. Every write for a trial locks its open attempt in the same transaction and finds none when the token is no
longer the trial's: a worker that lost its lease can write nothing more (`LeaseLost`). A lease that ran out and was
claimed by nobody is still its owner's, who may renew it.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, func, insert, literal, select, update

from winnow.defaults import LEASE_SECONDS
from winnow.records import OUTCOME, REASON, FinalState, Outcome, Retry
from winnow.storage import content, endings, identities
from winnow.storage.budget import epochs_of, note_started, spend, spent
from winnow.storage.claims import Wish, choose
from winnow.storage.clock import database_now
from winnow.storage.database import Database
from winnow.storage.errors import ContentRefused, LeaseLost
from winnow.storage.notifications import ring
from winnow.storage.optuna_tables import trials
from winnow.storage.studies import lock
from winnow.storage.tables import attempts
from winnow.storage.upserts import HELD, RENEWAL, Holder

MOST_CRASHES = 5


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
    home: str
    """The folder of its study's files: DATABASE/STUDY, random identities of both."""
    claim: str
    """Random, and like no other attempt's, in any database: what this one writes to files is known by it."""
    earlier: tuple[Outcome, ...] = ()
    """How the attempts before this one ended."""
    earlier_claims: tuple[str, ...] = ()
    made_trial: bool = False
    """Whether the trial was made by this claim, so that nothing is known of it yet."""
    until: int | None = None
    """The epoch at which this attempt is to pause; None: it goes on to the trial's end."""

    @property
    def holder(self) -> Holder:
        """By what its rows are written."""
        return Holder(self.trial_id, self.token, self.seconds)

    def retries(self, outcome: Outcome) -> bool:
        """Return whether the trial goes on after this attempt has ended so."""
        return _retries(outcome, self.earlier)

    def lost(self) -> LeaseLost:
        """Return what to raise when the trial is no longer this lease's."""
        return LeaseLost(
            f"trial {self.number} no longer belongs to this worker (attempt {self.token})",
            "it was given to another worker, told by hand or deleted; what is left of this attempt is dropped",
        )


def claim(
    database: Database,
    study_id: int,
    worker: str,
    seconds: float = LEASE_SECONDS,
    since: int = 0,
    wish: Wish | None = None,
) -> Lease | None:
    """The next trial of a study: one that waits, or a new one while the budget lasts; None when there is neither.

    A paused or stopped study gives none, and a trial that its scheduler paused goes on by its wish only. Whoever has a
    scheduler says its `wish`: what a worker left behind comes before it. Raises Overtaken where the scheduler is to be
    asked again. `since` is a trial id before which no trial waits, where the caller knows one: it keeps the search
    short.
    """

    def work(connection: Connection) -> Lease | None:
        lock(connection, study_id)
        used = spent(connection, study_id)
        chosen = choose(connection, study_id, used, since, wish)
        if chosen is None:
            return None
        claims, earlier = _history(connection, chosen.trial_id)
        lease = Lease(
            study_id,
            chosen.trial_id,
            chosen.number,
            len(claims) + 1,
            worker,
            seconds,
            identities.home(connection, study_id),
            identities.new(),
            earlier,
            claims,
            made_trial=chosen.is_bare,
            until=chosen.until,
        )
        connection.execute(
            insert(attempts).values(
                trial_id=lease.trial_id,
                token=lease.token,
                study_id=study_id,
                worker=worker,
                claim=lease.claim,
                started_at=database_now(),
                expires_at=database_now() + seconds,
                until=lease.until,
                earlier_epochs=epochs_of(connection, lease.trial_id),
            )
        )
        if used.seconds == 0.0:
            note_started(connection, study_id)
        return lease

    return database.write(work)


def renew(database: Database, lease: Lease) -> None:
    """Hold the trial for another `lease.seconds` from now; raises LeaseLost."""
    database.change(hold, lease)


def hold(connection: Connection, lease: Lease) -> None:
    """Renew the lease and lock it until this transaction ends; raises LeaseLost."""
    if connection.execute(RENEWAL, lease.holder.values).rowcount != 1:
        raise lease.lost()


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
        _end_held(connection, lease, outcome)
        spend(connection, lease.trial_id, lease.token)
        told = {**(attributes or {}), OUTCOME: outcome}
        endings.end(connection, lease.trial_id, final, (value, cost), told)
        if lease.until is not None:
            ring(connection)  # its scheduler may have waited for it

    database.write(work)


def give_back(database: Database, lease: Lease, outcome: Outcome, attributes: Mapping[str, Any] | None = None) -> None:
    """Return the trial to WAITING in place, for whoever asks next; raise LeaseLost."""

    def work(connection: Connection) -> None:
        _end_held(connection, lease, outcome)
        spend(connection, lease.trial_id, lease.token)
        endings.put_attributes(connection, lease.trial_id, attributes or {})
        _put_back(connection, lease.trial_id)
        ring(connection)

    database.write(work)


def reap(database: Database, study_id: int | None, quiet_seconds: float = 0.0) -> list[int]:
    """Return trials whose lease ran out to WAITING, of one study or of all; give their numbers.

    After MOST_CRASHES crashes a trial FAILs.
    Nothing is done before this process has been in touch with the database for `quiet_seconds` without a break: after
    an outage the owners come first. A trial that runs without any lease belongs to somebody else's `study.optimize`
    and is left alone; one that somebody is writing for at this moment is not expired.
    """
    if database.contact.seconds < quiet_seconds:
        database.scalar(select(literal(1)))  # contact begins, or goes on
        return []

    lost = attempts.c.expires_at < database_now()
    if study_id is not None:
        lost &= attempts.c.study_id == study_id
    return database.write(_requeue, lost, Outcome.LEASE_EXPIRED)


def requeue_of(database: Database, worker: str) -> list[int]:
    """Return the trials of a worker that is known to be dead to WAITING, without waiting for its lease; as `reap`."""
    return database.write(_requeue, attempts.c.worker == worker, Outcome.WORKER_KILLED)


def _requeue(connection: Connection, lost: ColumnElement[bool], outcome: Outcome) -> list[int]:
    rows = connection.execute(
        select(attempts.c.trial_id, attempts.c.token, trials.c.number, trials.c.state)
        .join(trials, trials.c.trial_id == attempts.c.trial_id)
        .where(attempts.c.ended_at.is_(None), lost)
        .with_for_update(of=attempts, skip_locked=True)
    ).all()
    for trial_id, token, _, state in rows:
        _, earlier = _history(connection, trial_id)  # this attempt is not among those that have ended yet
        end(connection, trial_id, token, outcome)
        if state != "RUNNING":
            continue
        if _retries(outcome, earlier):
            _put_back(connection, trial_id)
        else:
            why: dict[str, Any] = {OUTCOME: outcome, REASON: f"{MOST_CRASHES} attempts at it crashed: {outcome}"}
            endings.end(connection, trial_id, "FAIL", (), why)
    if rows:
        ring(connection)
    return [number for _, _, number, state in rows if state == "RUNNING"]


def count_held(database: Database, study_id: int) -> int:
    """Count the trials that are held by a lease now: an idle worker waits for them before it goes home."""
    query = select(func.count()).where(attempts.c.study_id == study_id, attempts.c.ended_at.is_(None))
    return int(database.scalar(query))


def end(connection: Connection, trial_id: int, token: int, outcome: Outcome) -> None:
    """Close an attempt that the caller has locked, and book what it has used."""
    this = update(attempts).where(attempts.c.trial_id == trial_id, attempts.c.token == token)
    connection.execute(this.values(ended_at=database_now(), outcome=outcome))
    spend(connection, trial_id, token)


def _end_held(connection: Connection, lease: Lease, outcome: Outcome) -> None:
    """Close the attempt by which a trial is held, and lock it until this transaction ends; raises LeaseLost."""
    ending = update(attempts).where(HELD).values(ended_at=database_now(), outcome=outcome)
    if connection.execute(ending, lease.holder.values).rowcount != 1:
        raise lease.lost()


def _put_back(connection: Connection, trial_id: int) -> None:
    connection.execute(update(trials).where(trials.c.trial_id == trial_id).values(state="WAITING"))


def _history(connection: Connection, trial_id: int) -> tuple[tuple[str, ...], tuple[Outcome, ...]]:
    """Return the claims of a trial's attempts, and how those ended that have."""
    query = select(attempts.c.claim, attempts.c.outcome).where(attempts.c.trial_id == trial_id)
    rows = connection.execute(query.order_by(attempts.c.token)).all()
    return tuple(claim for claim, _ in rows), tuple(Outcome(outcome) for _, outcome in rows if outcome is not None)


def _retries(outcome: Outcome, earlier: tuple[Outcome, ...]) -> bool:
    match outcome.retry:
        case Retry.FEW:
            return 1 + sum(before.crashed for before in earlier) < MOST_CRASHES
        case Retry.ONCE:
            return outcome not in earlier
    return outcome.retry is Retry.ALWAYS
