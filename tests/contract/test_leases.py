"""Who may write for a trial, on every database: its lease's holder, and nobody after that."""

import time
from collections.abc import Callable
from typing import Any

import optuna
import pytest
from optuna.distributions import FloatDistribution
from optuna.trial import TrialState
from sqlalchemy import func, select, update

from winnow.records import Epoch, Outcome
from winnow.storage import Storage, checkpoints, claims, endings, epochs, leases, tables
from winnow.storage.budget import spent
from winnow.storage.clock import database_now
from winnow.storage.database import Database
from winnow.storage.errors import LeaseLost
from winnow.storage.leases import MOST_CRASHES, Lease
from winnow.storage.tables import attempts


def claimed(storage: Storage, study_id: int, worker: str = "one") -> Lease:
    lease = claims.claim(storage.database, study_id, worker)
    assert lease is not None
    return lease


def expire(database: Database, lease: Lease) -> None:
    """Let a lease run out, as time would."""
    change = update(attempts).where(attempts.c.trial_id == lease.trial_id, attempts.c.token == lease.token)
    database.execute(change.values(expires_at=database_now() - 1))


def test_a_budget_is_given_out_exactly(opened: Storage, study_id: int) -> None:
    given = [claims.claim(opened.database, study_id, f"worker {i}") for i in range(5)]
    assert [lease and lease.number for lease in given] == [0, 1, 2, None, None]
    assert [trial.state for trial in opened.get_all_trials(study_id)] == [TrialState.RUNNING] * 3


def test_a_trial_goes_on_in_place_with_a_higher_token(opened: Storage, study_id: int) -> None:
    first = claimed(opened, study_id)
    with opened.holding(first):
        opened.set_trial_param(first.trial_id, "x", 0.5, FloatDistribution(0, 1))
        epochs.record(opened.database, first, Epoch(1, 0.7))
    expire(opened.database, first)
    assert endings.reap(opened.database, study_id) == [0]
    second = claimed(opened, study_id, "two")
    assert (second.trial_id, second.number, second.token) == (first.trial_id, 0, 2)
    assert second.earlier == ("lease expired",)
    trial = opened.get_trial(second.trial_id)
    assert (trial.params, trial.intermediate_values, trial.state) == ({"x": 0.5}, {1: 0.7}, TrialState.RUNNING)


def test_the_first_value_of_an_epoch_stays_for_its_holder_too(opened: Storage, study_id: int) -> None:
    lease = claimed(opened, study_id)
    with opened.holding(lease):
        for value in (0.7, 0.8):
            epochs.record(opened.database, lease, Epoch(1, value))
            opened.note_intermediate_value(lease.trial_id, 1, value)
        assert opened.get_trial(lease.trial_id).intermediate_values == {1: 0.7}
    assert opened.get_trial(lease.trial_id).intermediate_values == {1: 0.7}


def test_an_expired_lease_that_nobody_claimed_is_its_owners(opened: Storage, study_id: int) -> None:
    lease = claimed(opened, study_id)
    expire(opened.database, lease)
    leases.renew(opened.database, lease)
    assert endings.reap(opened.database, study_id) == []


def test_nothing_is_reaped_before_a_lease_of_contact(opened: Storage, study_id: int) -> None:
    lease = claimed(opened, study_id)
    expire(opened.database, lease)
    assert endings.reap(opened.database, study_id, quiet_seconds=30) == []
    opened.database.contact.lost()
    assert endings.reap(opened.database, study_id, quiet_seconds=0.001) == []
    assert opened.database.contact.since is not None


def test_a_clock_that_was_set_back_keeps_no_trial_with_the_dead(opened: Storage, study_id: int) -> None:
    dead, owned = claimed(opened, study_id), claimed(opened, study_id, "two")

    def look(contact_seconds: float) -> list[int]:
        opened.database.contact.since = time.monotonic() - contact_seconds
        return endings.reap(opened.database, study_id, 10.0)

    day = update(attempts).values(expires_at=attempts.c.expires_at + 86_400)  # as if the clock had been set back
    assert look(20) == []
    opened.database.execute(day)
    assert look(20) == [], "its owner has had no time to renew it"
    epochs.record(opened.database, owned, Epoch(1, 0.5))
    assert look(dead.seconds + 1) == [dead.number]
    assert look(dead.seconds + 1) == []


def test_trials_of_a_worker_that_was_killed_go_on_at_once(opened: Storage, study_id: int) -> None:
    first, others = claimed(opened, study_id), claimed(opened, study_id, "two")
    assert endings.requeue_of(opened.database, "one") == [first.number]
    assert endings.requeue_of(opened.database, "one") == []
    again = claimed(opened, study_id, "three")
    assert (again.trial_id, again.token, again.earlier) == (first.trial_id, 2, ("worker killed",))
    leases.renew(opened.database, others)
    with pytest.raises(LeaseLost):
        leases.renew(opened.database, first)


WRITES: dict[str, Callable[[Storage, Lease], Any]] = {
    "parameter": lambda s, lease: s.set_trial_param(lease.trial_id, "y", 0.5, FloatDistribution(0, 1)),
    "user attribute": lambda s, lease: s.set_trial_user_attr(lease.trial_id, "key", 1),
    "system attribute": lambda s, lease: s.set_trial_system_attr(lease.trial_id, "key", 1),
    "intermediate value": lambda s, lease: s.set_trial_intermediate_value(lease.trial_id, 1, 0.5),
    "result": lambda s, lease: s.set_trial_state_values(lease.trial_id, TrialState.COMPLETE, [1.0]),
    "failure": lambda s, lease: s.set_trial_state_values(lease.trial_id, TrialState.FAIL),
    "epoch": lambda s, lease: epochs.record(s.database, lease, Epoch(1, 0.5)),
    "checkpoint": lambda s, lease: epochs.record(
        s.database, lease, Epoch(1, 0.5), checkpoints.Stored("0" * 64, 1, lease.token)
    ),
    "finish": lambda s, lease: endings.finish(s.database, lease, Outcome.COMPLETE, 1.0),
    "return": lambda s, lease: endings.give_back(s.database, lease, Outcome.STOPPED),
    "renewal": lambda s, lease: leases.renew(s.database, lease),
}


def _reaped(storage: Storage, lease: Lease) -> None:
    expire(storage.database, lease)
    endings.reap(storage.database, lease.study_id)


def _claimed_by_another(storage: Storage, lease: Lease) -> None:
    _reaped(storage, lease)
    claimed(storage, lease.study_id, "two")


def _told_by_hand(storage: Storage, lease: Lease) -> None:
    storage.set_trial_state_values(lease.trial_id, TrialState.FAIL)


def _deleted(storage: Storage, lease: Lease) -> None:
    storage.delete_study(lease.study_id)


@pytest.mark.parametrize("loss", [_reaped, _claimed_by_another, _told_by_hand, _deleted])
def test_who_lost_the_lease_writes_nothing_more(
    opened: Storage, study_id: int, loss: Callable[[Storage, Lease], None]
) -> None:
    lease = claimed(opened, study_id)
    with opened.holding(lease):
        other = Storage(opened.database.engine.url)
        loss(other, lease)
        before = other.get_all_studies() and other.get_trial(lease.trial_id)
        for write in WRITES.values():
            with pytest.raises(LeaseLost, match="trial 0 no longer belongs"):
                write(opened, lease)
        assert before == (other.get_all_studies() and other.get_trial(lease.trial_id))
    rows = [opened.database.scalar(select(func.count()).select_from(t)) for t in _OWN]
    assert rows == [0, 0]


_OWN = (tables.epochs, tables.checkpoints)


@pytest.mark.parametrize("write", WRITES.values(), ids=WRITES)
def test_who_holds_the_lease_writes(opened: Storage, study_id: int, write: Callable[[Storage, Lease], Any]) -> None:
    lease = claimed(opened, study_id)
    with opened.holding(lease):
        write(opened, lease)


def test_optunas_own_calls_are_fenced_too(opened: Storage, study_id: int) -> None:
    lease = claimed(opened, study_id)
    study = optuna.load_study(study_name="s", storage=opened)
    with opened.holding(lease):
        trial = optuna.trial.Trial(study, lease.trial_id)
        trial.suggest_float("x", 0, 1)
        trial.report(0.5, 1)
        _reaped(Storage(opened.database.engine.url), lease)
        for call in (
            lambda: trial.suggest_float("y", 0, 1),
            lambda: trial.report(0.6, 2),
            lambda: trial.set_user_attr("key", 1),
            lambda: study.tell(trial, 1.0),
        ):
            with pytest.raises(LeaseLost):
                call()


def test_the_first_value_of_an_epoch_stays(opened: Storage, study_id: int) -> None:
    lease = claimed(opened, study_id)
    epochs.record(opened.database, lease, Epoch(1, 0.5, train_loss=2.0))
    epochs.record(opened.database, lease, Epoch(1, 0.9, train_loss=1.0))
    assert opened.get_trial(lease.trial_id).intermediate_values == {1: 0.5}
    (row,) = epochs.read(opened.database, study_id)[0]
    assert row == Epoch(1, 0.5, train_loss=2.0)


def test_a_trial_that_kills_its_workers_fails_with_its_reason(opened: Storage, study_id: int) -> None:
    for _ in range(MOST_CRASHES):
        _reaped(opened, claimed(opened, study_id))
    trial = opened.get_all_trials(study_id)[0]
    assert trial.state is TrialState.FAIL
    assert trial.user_attrs["winnow:reason"] == "5 attempts at it crashed: lease expired"
    assert trial.user_attrs["winnow:outcome"] == "lease expired"
    assert claimed(opened, study_id).number == 1


def test_trials_handed_back_do_not_count_as_crashes(opened: Storage, study_id: int) -> None:
    for _ in range(MOST_CRASHES + 1):
        endings.give_back(opened.database, claimed(opened, study_id), Outcome.STOPPED)
    assert claimed(opened, study_id).token == MOST_CRASHES + 2


@pytest.mark.parametrize(
    ("outcome", "again"),
    [
        (Outcome.OUT_OF_MEMORY, [True, False]),
        (Outcome.DEVICE_ERROR, [True, False]),
        (Outcome.TRAINER_DIED, [True] * (MOST_CRASHES - 1) + [False]),
        (Outcome.PREEMPTED, [True] * (MOST_CRASHES + 1)),
        (Outcome.EXCEPTION, [False]),
    ],
)
def test_a_trial_goes_on_as_often_as_its_outcome_says(
    opened: Storage, study_id: int, outcome: Outcome, again: list[bool]
) -> None:
    for expected in again:
        lease = claimed(opened, study_id)
        assert lease.retries(outcome) is expected
        endings.give_back(opened.database, lease, outcome)


def test_a_trial_that_is_retried_no_more_has_failed(opened: Storage, study_id: int) -> None:
    endings.finish(opened.database, claimed(opened, study_id), Outcome.OUT_OF_MEMORY)
    (trial,) = opened.get_all_trials(study_id)
    assert (trial.state, trial.user_attrs) == (TrialState.FAIL, {"winnow:outcome": "out of memory"})


def test_device_seconds_are_those_of_all_attempts(opened: Storage, study_id: int) -> None:
    first, _ = claimed(opened, study_id), claimed(opened, study_id)
    long_ago = update(attempts).values(started_at=attempts.c.started_at - 100)
    opened.database.execute(long_ago)
    endings.finish(opened.database, first, Outcome.COMPLETE, 1.0)
    used = opened.database.read(spent, study_id)
    assert used.device_seconds == pytest.approx(200, abs=10)
