"""Who is known to be dead on this machine, and who is not: nobody who lives, or worked elsewhere, is taken for dead."""

import platform
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from optuna.study import StudyDirection

from winnow import storage
from winnow.records import Budget
from winnow.search.worker import liveness
from winnow.storage import Storage, claims, workers
from winnow.storage.budget import set_budget

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="of a kernel that says which boot it is")


@pytest.fixture
def opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Storage]:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    opened = storage.open(f"sqlite:///{tmp_path}/winnow.db")
    yield opened
    opened.database.release()


def _holds_a_trial(opened: Storage, study_name: str = "s") -> str:
    """Register a worker by the name of this host, and have it claim a trial; returns its name."""
    study_id = opened.create_new_study([StudyDirection.MAXIMIZE], study_name)
    set_budget(opened.database, study_id, Budget(trials=1))
    worker = f"{platform.node()}:1:{study_name}"
    workers.register(opened.database, study_id, worker, "host", 1, "cpu")
    assert claims.claim(opened.database, study_id, worker) is not None
    return worker


def test_a_worker_that_is_gone_holds_nothing(opened: Storage) -> None:
    worker = _holds_a_trial(opened)
    with liveness.shown(opened.database, worker):
        assert liveness.requeue_of_dead(opened.database) == [], "it lives, frozen or not"
        assert len(workers.present(opened.database, 1)) == 1
    assert liveness.requeue_of_dead(opened.database) == [0]
    assert workers.present(opened.database, 1) == []
    assert liveness.requeue_of_dead(opened.database) == []
    assert not list((liveness.folder_of_machine() / "workers").iterdir()), "nothing is left behind"


def test_who_worked_elsewhere_is_not_known_to_be_dead(opened: Storage) -> None:
    for number, part in enumerate(["boot", "host", "database"]):
        worker = _holds_a_trial(opened, part)
        with liveness.shown(opened.database, worker):
            (file,) = (each for each in (liveness.folder_of_machine() / "workers").iterdir() if worker in each.name)
        database, boot, rest = file.name[:32], file.name[33:69], file.name[70:]
        other = {
            "boot": f"{database}-{'0' * 36}-{rest}",
            "host": f"{database}-{boot}-another-{rest}",
            "database": f"{'0' * 32}-{boot}-{rest}",
        }
        file.rename(file.with_name(other[part]))
        assert liveness.requeue_of_dead(opened.database) == [], part
        assert len(workers.present(opened.database, number + 1)) == 1


def test_where_nothing_can_be_locked_its_lease_counts(opened: Storage) -> None:
    worker = _holds_a_trial(opened)
    (liveness.folder_of_machine() / "workers").write_text("a file stands where the folder would")
    with liveness.shown(opened.database, worker):
        pass
    assert liveness.requeue_of_dead(opened.database) == []
    assert len(workers.present(opened.database, 1)) == 1
