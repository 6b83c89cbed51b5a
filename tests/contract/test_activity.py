"""A study that is paused or stopped gives out no trial, on every database; and one of an older Winnow learns to."""

import optuna
from sqlalchemy import inspect, text

from winnow.records import Outcome
from winnow.storage import Storage, leases, migrations
from winnow.storage.activity import State, set_state, state_of
from winnow.storage.budget import Budget, set_budget
from winnow.storage.retries import transact


def test_only_an_active_study_gives_out_trials(opened: Storage) -> None:
    study_id = opened.create_new_study([optuna.study.StudyDirection.MAXIMIZE], "s")
    assert state_of(opened.engine, study_id) is State.ACTIVE, "nobody has given it a budget yet"
    set_budget(opened.engine, study_id, Budget(trials=3))
    lease = leases.claim(opened.engine, study_id, "w")
    assert lease is not None
    for state in (State.PAUSED, State.STOPPED):
        set_state(opened.engine, study_id, state)
        assert state_of(opened.engine, study_id) is state
        assert leases.claim(opened.engine, study_id, "w") is None
    leases.give_back(opened.engine, lease, Outcome.STOPPED)
    assert leases.claim(opened.engine, study_id, "w") is None, "nor one that waits"
    set_budget(opened.engine, study_id, Budget(trials=3))
    again = leases.claim(opened.engine, study_id, "w")
    assert again is not None
    assert (again.number, again.earlier) == (0, ("stopped",)), "giving a study its budget takes it up again"


def test_a_storage_of_the_first_version_is_brought_up_to_date(opened: Storage) -> None:
    study_id = opened.create_new_study([optuna.study.StudyDirection.MAXIMIZE], "s")
    set_budget(opened.engine, study_id, Budget(trials=3))
    for statement in (
        "ALTER TABLE winnow_budgets DROP COLUMN state",
        "ALTER TABLE winnow_budgets DROP COLUMN priority",
        "ALTER TABLE winnow_budgets ADD COLUMN draining BOOLEAN NOT NULL DEFAULT FALSE",
        "DELETE FROM winnow_schema WHERE version > 1",
    ):
        transact(opened.engine, lambda connection, statement=statement: connection.execute(text(statement)))
    migrations.apply(opened.engine)
    columns = {column["name"] for column in inspect(opened.engine).get_columns("winnow_budgets")}
    assert {"state", "priority"} <= columns
    assert "draining" not in columns
    assert state_of(opened.engine, study_id) is State.ACTIVE
    lease = leases.claim(opened.engine, study_id, "w")
    assert lease is not None
    assert lease.number == 0
