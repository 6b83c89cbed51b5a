"""Ids come again, identities do not: no byte of one study is taken for another's, whatever shares a folder."""

import shutil
import uuid
from collections.abc import Iterator
from pathlib import Path

import optuna
import pytest
from optuna.study import StudyDirection

from storage_servers import PostgresServer
from winnow import storage
from winnow.records import Epoch, Outcome
from winnow.storage import Storage, artifacts, checkpoints, claims, endings, epochs, outbox
from winnow.storage.leases import Lease


@pytest.fixture(autouse=True)
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The one folder of all databases of a test."""
    monkeypatch.setenv("WINNOW_FILES", str(tmp_path / "files"))
    return tmp_path / "files"


@pytest.fixture
def two(postgres: PostgresServer) -> Iterator[list[Storage]]:
    names = [f"t_{uuid.uuid4().hex}" for _ in range(2)]
    for name in names:
        postgres.execute(f"CREATE DATABASE {name}")
    opened = [storage.open(postgres.url(name)) for name in names]
    yield opened
    for each, name in zip(opened, names, strict=True):
        each.database.release()
        postgres.drop(name)


def begin(opened: Storage, mark: bytes, epoch: int = 4) -> Lease:
    """A trial that has a checkpoint, an undelivered epoch and an artifact, and whose worker is gone."""
    study_id = opened.create_new_study([StudyDirection.MAXIMIZE], "s")
    lease = claims.claim(opened.database, study_id, "w")
    assert lease is not None
    leave(opened, lease, mark, epoch)
    endings.give_back(opened.database, lease, Outcome.PREEMPTED)
    return lease


def leave(opened: Storage, lease: Lease, mark: bytes, epoch: int) -> None:
    stored = checkpoints.write(opened.store, lease, epoch, mark)
    epochs.record(opened.database, lease, Epoch(epoch, 0.5), stored)
    outbox.Outbox(opened.files, lease).keep(Epoch(epoch + 1, 0.6))
    artifacts.write(opened.store, lease.home, mark)


def taken_up(opened: Storage, study_id: int) -> tuple[Lease, bytes | None, list[int]]:
    """The next attempt of a study: its lease, the checkpoint and the undelivered epochs that it finds."""
    lease = claims.claim(opened.database, study_id, "w")
    assert lease is not None
    found = checkpoints.newest(opened.database, opened.store, lease)
    return lease, found.content, [epoch.epoch for epoch, _ in outbox.leftovers(opened.files, lease)]


def test_two_databases_share_a_folder(two: list[Storage]) -> None:
    first, second = two
    one, other = begin(first, b"first"), begin(second, b"second", epoch=9)
    assert (one.study_id, one.trial_id, one.token) == (other.study_id, other.trial_id, other.token)
    lease, content, missed = taken_up(first, one.study_id)
    assert (content, missed) == (b"first", [5])
    endings.finish(first.database, lease, Outcome.COMPLETE, 1.0)
    checkpoints.prune_files(first.store, lease, keep=0)
    outbox.clear_leftovers(first.files, lease)
    checkpoints.sweep(first.database, first.store)
    first.delete_study(one.study_id)
    checkpoints.sweep(first.database, first.store)
    assert taken_up(second, other.study_id)[1:] == (b"second", [10])
    assert [artifacts.read(second.store, name) for name in artifacts.names(second.store, other.home)] == [b"second"]


def test_an_id_that_is_given_again_after_stock_deletion(sqlite_url: str) -> None:
    opened = storage.open(sqlite_url)
    before = begin(opened, b"deleted")
    optuna.delete_study(study_name="s", storage=optuna.storages.RDBStorage(sqlite_url))
    again = storage.open(sqlite_url)
    study_id = again.create_new_study([StudyDirection.MAXIMIZE], "t")
    lease, content, missed = taken_up(again, study_id)
    assert (lease.study_id, lease.trial_id) == (before.study_id, before.trial_id), "SQLite gives ids again"
    assert (content, missed, artifacts.names(again.store, lease.home)) == (None, [], [])
    leave(again, lease, b"new", 1)
    checkpoints.sweep(again.database, again.store)
    kept = again.store.names("")
    assert kept
    assert all(name.startswith(lease.home) for name in kept), "what stock deletion left is swept up"


@pytest.mark.parametrize("kind", ["sqlite_url", "postgres_url", "mariadb_url"])
def test_the_files_of_a_study_that_stock_optuna_deleted_are_swept_up(kind: str, request: pytest.FixtureRequest) -> None:
    url = request.getfixturevalue(kind)
    opened = storage.open(url)
    begin(opened, b"deleted")
    stock = optuna.storages.RDBStorage(url)
    optuna.delete_study(study_name="s", storage=stock)
    stock.engine.dispose()
    checkpoints.sweep(opened.database, opened.store)
    assert opened.store.names("") == []
    opened.database.release()


def test_a_restored_backup_finds_nothing_of_what_came_after_it(tmp_path: Path) -> None:
    file = tmp_path / "winnow.db"
    url = f"sqlite:///{file}"
    opened = storage.open(url)
    study_id = opened.create_new_study([StudyDirection.MAXIMIZE], "s")
    opened.database.read(lambda connection: connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)").all())
    opened.database.release()
    shutil.copy(file, tmp_path / "backup.db")
    lost = claims.claim(opened.database, study_id, "w")
    assert lost is not None
    leave(opened, lost, b"after the backup", 4)
    opened.database.release()
    for each in tmp_path.glob("winnow.db-*"):
        each.unlink()
    shutil.copy(tmp_path / "backup.db", file)
    restored = storage.open(url)
    first, *found = taken_up(restored, study_id)
    assert (first.trial_id, first.token) == (lost.trial_id, lost.token), "the same ids are given again"
    endings.give_back(restored.database, first, Outcome.PREEMPTED)
    _, *again = taken_up(restored, study_id)
    assert found == again == [None, []]
