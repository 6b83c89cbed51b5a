"""A study that is paused or stopped gives out no trial, on every database; and one of an older Winnow learns to."""

import optuna

from winnow.records import Budget, Outcome
from winnow.storage import Storage, claims, endings
from winnow.storage.activity import State, set_state, state_of
from winnow.storage.budget import set_budget


def test_only_an_active_study_gives_out_trials(opened: Storage) -> None:
    study_id = opened.create_new_study([optuna.study.StudyDirection.MAXIMIZE], "s")
    assert state_of(opened.database, study_id) is State.ACTIVE, "nobody has given it a budget yet"
    set_budget(opened.database, study_id, Budget(trials=3))
    lease = claims.claim(opened.database, study_id, "w")
    assert lease is not None
    for state in (State.PAUSED, State.STOPPED):
        set_state(opened.database, study_id, state)
        assert state_of(opened.database, study_id) is state
        assert claims.claim(opened.database, study_id, "w") is None
    endings.give_back(opened.database, lease, Outcome.STOPPED)
    assert claims.claim(opened.database, study_id, "w") is None, "nor one that waits"
    set_budget(opened.database, study_id, Budget(trials=3))
    again = claims.claim(opened.database, study_id, "w")
    assert again is not None
    assert (again.number, again.earlier) == (0, ("stopped",)), "giving a study its budget takes it up again"
