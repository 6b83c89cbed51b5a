"""A commit whose answer was lost has taken place once, whatever was written: it is looked up and not repeated."""

from collections.abc import Callable
from typing import Any

import optuna
import pytest
from optuna.study import StudyDirection
from optuna.trial import TrialState
from sqlalchemy import Connection, event, func, select
from sqlalchemy.exc import OperationalError

from winnow.records import Budget, Outcome
from winnow.storage import (
    Storage,
    audit_log,
    claims,
    deletions,
    designs,
    endings,
    ledger,
    sessions,
    settled,
    tokens,
    workers,
)
from winnow.storage.activity import State, set_state, state_of
from winnow.storage.budget import set_budget
from winnow.storage.leases import Lease
from winnow.storage.optuna_tables import metadata


@pytest.fixture
def lease(opened: Storage) -> Lease:
    study_id = opened.create_new_study([StudyDirection.MAXIMIZE], "s")
    set_budget(opened.database, study_id, Budget(trials=3))
    made = claims.claim(opened.database, study_id, "w")
    assert made is not None
    return made


def _session(s: Storage, lease: Lease) -> None:
    tokens.create(s.database, "ann", "reader", None)
    secret = sessions.begin(s.database, tokens.everything(s.database)[0])
    assert sessions.find(s.database, secret) is not None


def _token(s: Storage, lease: Lease) -> None:
    secret = tokens.create(s.database, "bob", "reader", None)
    assert tokens.find(s.database, secret) is not None, "its secret is not lost"


def _claim(s: Storage, lease: Lease) -> None:
    found = claims.claim(s.database, lease.study_id, "two")
    assert (found and found.number, len(s.get_all_trials(lease.study_id))) == (1, 2)


def _told(s: Storage, lease: Lease) -> None:
    with s.holding(lease):
        assert s.set_trial_state_values(lease.trial_id, TrialState.COMPLETE, [1.0])


WRITES: dict[str, Callable[[Storage, Lease], Any]] = {
    "study": lambda s, lease: s.create_new_study([StudyDirection.MINIMIZE], "other"),
    "study without a name": lambda s, lease: s.create_new_study([StudyDirection.MINIMIZE]),
    "end of a study": lambda s, lease: s.delete_study(lease.study_id),
    "trial": lambda s, lease: s.create_new_trial(lease.study_id),
    "stock trial": lambda s, lease: optuna.load_study(study_name="s", storage=s).enqueue_trial({"x": 1}),
    "claim": _claim,
    "finish": lambda s, lease: endings.finish(s.database, lease, Outcome.COMPLETE, 1.0),
    "return": lambda s, lease: endings.give_back(s.database, lease, Outcome.STOPPED),
    "tell": _told,
    "budget": lambda s, lease: set_budget(s.database, lease.study_id, Budget(trials=4)),
    "state": lambda s, lease: set_state(s.database, lease.study_id, State.PAUSED),
    "design": lambda s, lease: designs.extend(s.database, lease.study_id, [designs.Row({"a": 1}, {})]),
    "settled": lambda s, lease: settled.settle(s.database, lease.study_id, "k", 1),
    "registration": lambda s, lease: workers.register(s.database, lease.study_id, "w", "host", 1, "cpu"),
    "token": _token,
    "session": _session,
    "ledger": lambda s, lease: ledger.announce(s.database, "s", ledger.Examples.of(["a"]), "ann", "confirm"),
    "audit log": lambda s, lease: audit_log.begin(s.database, "ann", "", "stop", ""),
    "hidden study": lambda s, lease: _hide(s, lease),
}


def _hide(s: Storage, lease: Lease) -> None:
    endings.give_back(s.database, lease, Outcome.STOPPED)
    deletions.remove(s.database, lease.study_id, "ann")
    deletions.restore(s.database, "s")


@pytest.mark.parametrize("write", WRITES.values(), ids=WRITES)
def test_every_write_takes_place_once(opened: Storage, lease: Lease, write: Callable[[Storage, Lease], Any]) -> None:
    counts = _counts(opened)
    lost: list[Connection] = []

    def lose_the_answer(connection: Connection) -> None:
        if len(lost) % 2 == 0:  # of each transaction's first commit
            lost.append(connection)
            connection.connection.commit()
            raise OperationalError("COMMIT", {}, Exception("the connection was lost"), connection_invalidated=True)
        lost.append(connection)

    event.listen(opened.database.engine, "commit", lose_the_answer)
    write(opened, lease)
    event.remove(opened.database.engine, "commit", lose_the_answer)
    assert lost
    with_losses = _grown(opened, counts)
    assert all(grown <= 1 for grown in with_losses.values() if grown > 0) or write is WRITES["stock trial"]


def test_the_second_writer_is_still_told_of_the_first(opened: Storage, lease: Lease) -> None:
    with pytest.raises(optuna.exceptions.DuplicatedStudyError):
        opened.create_new_study([StudyDirection.MINIMIZE], "s")
    assert state_of(opened.database, lease.study_id) is State.ACTIVE


def _counts(storage: Storage) -> dict[str, int]:
    return {
        table.name: int(storage.database.scalar(select(func.count()).select_from(table)))
        for table in metadata.sorted_tables
        if table.name != "winnow_receipts"
    }


def _grown(storage: Storage, before: dict[str, int]) -> dict[str, int]:
    return {name: count - before[name] for name, count in _counts(storage).items() if count != before[name]}
