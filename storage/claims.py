"""Claiming a trial: one that waits, a paused one that its scheduler goes on with, or a new one."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from optuna.trial import FrozenTrial, TrialState
from sqlalchemy import Connection, Float, bindparam, case, exists, func, insert, not_, select, update

from winnow.defaults import LEASE_SECONDS
from winnow.storage import content, identities
from winnow.storage.activity import State
from winnow.storage.budget import Spent, epochs_of, note_started, spent
from winnow.storage.clock import database_now, optuna_now
from winnow.storage.database import Database
from winnow.storage.errors import Overtaken
from winnow.storage.leases import Lease, history
from winnow.storage.optuna_tables import trial_system_attributes, trials
from winnow.storage.pauses import IS_PAUSED
from winnow.storage.studies import lock
from winnow.storage.tables import attempts

FIXED_PARAMETERS = "fixed_params"
"""The system attribute in which Optuna keeps what a trial was enqueued with; its `suggest_*` calls give that."""
_LASTS = bindparam("lasts", type_=Float(53))
_ATTEMPT = insert(attempts).values(started_at=database_now(), expires_at=database_now() + _LASTS, lease_seconds=_LASTS)
_ATTEMPTED = exists().where(attempts.c.trial_id == trials.c.trial_id)
_UNTIL = (
    select(attempts.c.until)
    .where(attempts.c.trial_id == trials.c.trial_id)
    .order_by(attempts.c.token.desc())
    .limit(1)
    .scalar_subquery()
)
_WAITING = (
    select(trials.c.trial_id, trials.c.number, _UNTIL.label("until"))
    .where(
        trials.c.study_id == bindparam("study"), trials.c.state == "WAITING", trials.c.trial_id >= bindparam("since")
    )
    .order_by(case((trials.c.number.in_(bindparam("rather", expanding=True)), 0), else_=1), trials.c.number)
    .limit(1)
)
_UNPAUSED = _WAITING.where(not_(IS_PAUSED))
_BROKEN_OFF = _WAITING.where(_ATTEMPTED, not_(IS_PAUSED))
_PAUSED = _WAITING.where(IS_PAUSED, trials.c.number == bindparam("paused"))
_QUEUED = _WAITING.where(not_(_ATTEMPTED))


@dataclass(frozen=True)
class Wish:
    """What a scheduler wants a worker to do: to go on with a paused trial, to begin one, or neither."""

    paused: int | None = None
    """The number of the trial to go on with."""
    begins: bool = False
    """Whether to begin a trial: the first that is queued, or a new one while the budget lasts."""
    until: int | None = None
    """The epoch at which it is to pause; None: it goes on to its end."""
    parameters: Mapping[str, Any] | None = None
    """What a new trial shall take, by Optuna's names and values, as `Study.enqueue_trial` has them."""
    number: int | None = None
    """Of the new trial for which `parameters` were made."""


@dataclass(frozen=True)
class _Chosen:
    """The trial that a claim gives."""

    trial_id: int
    number: int
    until: int | None
    """The epoch at which it is to pause."""
    made: FrozenTrial | None = None
    """All that there is of it, where it was made now and given nothing."""


def claim(
    database: Database,
    study_id: int,
    worker: str,
    seconds: float = LEASE_SECONDS,
    since: int = 0,
    wish: Wish | None = None,
    rather: Sequence[int] = (),
) -> Lease | None:
    """Claim the next trial of a study: one that waits, or a new one while the budget lasts; None when there is neither.

    A paused or stopped study gives none, and a trial that its scheduler paused goes on by its wish only. Whoever has a
    scheduler says its `wish`: what a worker left behind comes before it. Raises Overtaken where the scheduler is to be
    asked again. `since` is a trial id before which no trial waits, where the caller knows one: it keeps the search
    short. Of trials that wait alike, those of the numbers `rather` come first.
    """

    def work(connection: Connection) -> Lease | None:
        lock(connection, study_id)
        used = spent(connection, study_id)
        chosen = _choose(connection, study_id, used, since, wish, rather)
        if chosen is None:
            return None
        claims, earlier = history(connection, chosen.trial_id)
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
            until=chosen.until,
            trial=chosen.made,
        )
        connection.execute(
            _ATTEMPT,
            {
                "trial_id": lease.trial_id,
                "token": lease.token,
                "study_id": study_id,
                "worker": worker,
                "claim": lease.claim,
                "lasts": seconds,
                "until": lease.until,
                "earlier_epochs": epochs_of(connection, lease.trial_id),
            },
        )
        if used.seconds == 0.0:
            note_started(connection, study_id)
        return lease

    return database.write(work)


def _choose(
    connection: Connection, study_id: int, used: Spent, since: int, wish: Wish | None, rather: Sequence[int]
) -> _Chosen | None:
    """Set the trial that comes next to RUNNING, in the transaction of its claim; None where there is none.

    Raises Overtaken where the scheduler whose `wish` it is has to be asked again.
    """
    if used.state is not State.ACTIVE:
        return None
    if (found := _waiting(connection, study_id, since, wish, rather)) is not None:
        if wish is not None and wish.paused == found.number and not used.may_go_on:
            return None
        started = {"datetime_start": func.coalesce(trials.c.datetime_start, optuna_now())}
        change = update(trials).where(trials.c.trial_id == found.trial_id)
        connection.execute(change.values(state="RUNNING", **started))
        return found
    if used.exhausted or not (wish is None or wish.begins):
        return None
    return _make(connection, study_id, used.trials, wish)


def _make(connection: Connection, study_id: int, number: int, wish: Wish | None) -> _Chosen:
    """Make a new trial."""
    if wish is not None and wish.number not in (None, number):
        raise Overtaken(f"trial {wish.number} was begun by another worker")
    row = {"study_id": study_id, "number": number, "state": "RUNNING", "datetime_start": optuna_now()}
    made = connection.execute(insert(trials), row)
    assert made.inserted_primary_key is not None
    trial_id = made.inserted_primary_key[0]
    if wish is None or wish.parameters is None:
        bare = FrozenTrial(number, TrialState.RUNNING, None, datetime.now(), None, {}, {}, {}, {}, {}, trial_id)
        return _Chosen(trial_id, number, None if wish is None else wish.until, bare)
    shown = content.as_json(FIXED_PARAMETERS, dict(wish.parameters), connection.dialect.name)
    attribute = {"trial_id": trial_id, "key": FIXED_PARAMETERS, "value_json": shown}
    connection.execute(insert(trial_system_attributes).values(**attribute))
    return _Chosen(trial_id, number, wish.until)


def _waiting(
    connection: Connection, study_id: int, since: int, wish: Wish | None, rather: Sequence[int]
) -> _Chosen | None:
    """Return the waiting trial that comes next.

    One that was broken off comes first, then what is wished for. Raises Overtaken where that is not paused any more.
    """
    place = {"study": study_id, "since": since, "rather": list(rather) or [-1]}  # no trial has that number
    if wish is None:
        found = connection.execute(_UNPAUSED, place).one_or_none()
        return None if found is None else _Chosen(found.trial_id, found.number, None)
    broken_off = connection.execute(_BROKEN_OFF, place).one_or_none()
    if broken_off is not None:
        return _Chosen(*broken_off)
    if wish.paused is not None:
        found = connection.execute(_PAUSED, {**place, "paused": wish.paused}).one_or_none()
        if found is None:
            raise Overtaken(f"trial {wish.paused} is not paused any more")
    else:
        found = connection.execute(_QUEUED, place).one_or_none() if wish.begins else None
    return None if found is None else _Chosen(found.trial_id, found.number, wish.until)
