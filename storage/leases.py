"""Who may work on a trial: leases with a fencing token, in the database and by its clock alone.

A worker claims a trial for some seconds and renews the claim while its trainer makes progress. A trial whose lease
ran out goes back to WAITING in place (same row, number, parameters and curve) and may be claimed again with a higher
token. Every write for a trial locks its open attempt in the same transaction and finds none when the token is no
longer the trial's: a worker that lost its lease can write nothing more (`LeaseLost`). A lease that ran out and was
claimed by nobody is still its owner's, who may renew it.
"""

from dataclasses import dataclass, field

from optuna.trial import FrozenTrial
from sqlalchemy import Connection, bindparam, func, select

from winnow.records import Outcome, Retry
from winnow.storage.database import Database
from winnow.storage.errors import LeaseLost
from winnow.storage.tables import attempts
from winnow.storage.upserts import RENEWAL, Holder

MOST_CRASHES = 5
_HISTORY = (
    select(attempts.c.claim, attempts.c.outcome)
    .where(attempts.c.trial_id == bindparam("trial"))
    .order_by(attempts.c.token)
)


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
    trial: FrozenTrial | None = field(default=None, compare=False, repr=False)
    """The trial as its holder knows it, who made it by this claim or has drawn it; None where it is to be read."""
    until: int | None = None
    """The epoch at which this attempt is to pause; None: it goes on to the trial's end."""

    @property
    def holder(self) -> Holder:
        """By what its rows are written."""
        return Holder(self.trial_id, self.token, self.seconds)

    def retries(self, outcome: Outcome) -> bool:
        """Return whether the trial goes on after this attempt has ended so."""
        return retries(outcome, self.earlier)

    def lost(self) -> LeaseLost:
        """Return what to raise when the trial is no longer this lease's."""
        return LeaseLost(
            f"trial {self.number} no longer belongs to this worker (attempt {self.token})",
            "it was given to another worker, told by hand or deleted; what is left of this attempt is dropped",
        )


def renew(database: Database, lease: Lease) -> None:
    """Hold the trial for another `lease.seconds` from now; raises LeaseLost."""
    database.change(hold, lease)


def hold(connection: Connection, lease: Lease) -> None:
    """Renew the lease and lock it until this transaction ends; raises LeaseLost."""
    if connection.execute(RENEWAL, lease.holder.values).rowcount != 1:
        raise lease.lost()


def count_held(database: Database, study_id: int) -> int:
    """Count the trials that are held by a lease now: an idle worker waits for them before it goes home."""
    query = select(func.count()).where(attempts.c.study_id == study_id, attempts.c.ended_at.is_(None))
    return int(database.scalar(query))


def history(connection: Connection, trial_id: int) -> tuple[tuple[str, ...], tuple[Outcome, ...]]:
    """Return the claims of a trial's attempts, and how those ended that have."""
    rows = connection.execute(_HISTORY, {"trial": trial_id}).all()
    return tuple(claim for claim, _ in rows), tuple(Outcome(outcome) for _, outcome in rows if outcome is not None)


def retries(outcome: Outcome, earlier: tuple[Outcome, ...]) -> bool:
    """Return whether a trial goes on after an attempt that ended so, and others before it."""
    match outcome.retry:
        case Retry.FEW:
            return 1 + sum(before.crashed for before in earlier) < MOST_CRASHES
        case Retry.ONCE:
            return outcome not in earlier
    return outcome.retry is Retry.ALWAYS
