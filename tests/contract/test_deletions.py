"""A study that is deleted can be restored, on every database."""

import optuna
import pytest
from optuna.study import StudyDirection
from sqlalchemy import update

from winnow.records import Outcome
from winnow.storage import Storage, claims, deletions, endings
from winnow.storage.clock import database_now
from winnow.storage.errors import StorageError
from winnow.storage.tables import deletions as rows


def names(opened: Storage) -> list[str]:
    return [study.study_name for study in opened.get_all_studies()]


def test_deleted_it_is_in_no_list_and_its_name_is_free(opened: Storage, study_id: int) -> None:
    optuna.load_study(study_name="s", storage=opened).add_trial(optuna.trial.create_trial(value=1.0))
    deletions.remove(opened.database, study_id, "ann")
    assert names(opened) == []
    with pytest.raises(KeyError):
        opened.get_study_id_from_name("s")
    assert claims.claim(opened.database, study_id, "a worker that knows it by its id") is None
    other = opened.create_new_study([StudyDirection.MAXIMIZE], "s")
    assert names(opened) == ["s"]
    with pytest.raises(StorageError, match="there is another study 's' now"):
        deletions.restore(opened.database, "s")
    opened.delete_study(other)
    deletions.restore(opened.database, "s")
    assert names(opened) == ["s"]
    assert len(opened.get_all_trials(study_id)) == 1
    assert deletions.everything(opened.database) == []


def test_it_is_refused_while_a_lease_is_alive(opened: Storage, study_id: int) -> None:
    lease = claims.claim(opened.database, study_id, "worker")
    assert lease is not None
    with pytest.raises(StorageError, match="a worker holds a trial of this study"):
        deletions.remove(opened.database, study_id, "ann")
    assert names(opened) == ["s"]
    endings.give_back(opened.database, lease, Outcome.STOPPED)
    deletions.remove(opened.database, study_id, "ann")
    with pytest.raises(StorageError, match="deleted already"):
        deletions.remove(opened.database, study_id, "ann")


def test_after_thirty_days_it_is_gone(opened: Storage, study_id: int) -> None:
    deletions.remove(opened.database, study_id, "ann")
    assert deletions.purge(opened.database) == []
    long_ago = update(rows).values(deleted_at=database_now() - 31 * 86_400)
    opened.database.execute(long_ago)
    with pytest.raises(StorageError, match="no study 's' was deleted in the last 30 days"):
        deletions.restore(opened.database, "s")
    assert deletions.purge(opened.database) == ["s"]
    with pytest.raises(KeyError):
        opened.get_study_name_from_id(study_id)
    again = opened.create_new_study([StudyDirection.MAXIMIZE], "another")
    assert names(opened) == ["another"], f"even where it is given the old id: {again}"
