"""Many processes open an empty database at once: each finds it made, whole and once."""

import os
import subprocess
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import URL, delete, insert, inspect, select, text, update

from storage_servers import PostgresServer, mariadb_database
from winnow import storage
from winnow.storage import claims, migrations, tables
from winnow.storage.endings import reap
from winnow.storage.errors import StorageError
from winnow.storage.leases import renew

STARTS = 8
TIMES = 20
# A process opens one database after another at the moments that the others do: it waits for a line before each.
OPEN_ALL = """
import sys
from winnow import storage
from optuna.study import StudyDirection
print("ready", flush=True)
for url in sys.stdin:
    try:
        opened = storage.open(url.strip())
        study = opened.create_new_study([StudyDirection.MINIMIZE], None)
        opened.database.release()
        print("good", flush=True)
    except Exception as error:
        print(repr(error), flush=True)
"""


class Starters:
    """Eight processes that have imported everything and wait for the address of a database."""

    def __init__(self) -> None:
        self.processes = [
            subprocess.Popen(
                [sys.executable, "-c", OPEN_ALL],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
                env={**os.environ, "OMP_NUM_THREADS": "1"},
            )
            for _ in range(STARTS)
        ]
        assert self.say() == ["ready"] * STARTS

    def say(self) -> list[str]:
        return [str(process.stdout and process.stdout.readline()).strip() for process in self.processes]

    def open_all(self, url: str) -> list[str]:
        for process in self.processes:
            assert process.stdin
            process.stdin.write(url + "\n")
            process.stdin.flush()
        return self.say()

    def end(self) -> None:
        for process in self.processes:
            assert process.stdin
            assert process.stdout
            process.stdin.close()
            process.wait(10)
            process.stdout.close()


@pytest.fixture
def starters() -> Iterator[Starters]:
    made = Starters()
    yield made
    made.end()


def test_eight_first_starts_at_once_on_sqlite(tmp_path: Path, starters: Starters) -> None:
    for time in range(TIMES):
        assert starters.open_all(f"sqlite:///{tmp_path}/{time}.db") == ["good"] * STARTS


def test_eight_first_starts_at_once_on_postgresql(postgres: PostgresServer, starters: Starters) -> None:
    for _ in range(TIMES):
        name = f"t_{uuid.uuid4().hex}"
        postgres.execute(f"CREATE DATABASE {name}")
        assert starters.open_all(postgres.url(name)) == ["good"] * STARTS
        postgres.drop(name)


def test_eight_first_starts_at_once_on_mariadb(mariadb_server: URL, starters: Starters) -> None:
    with mariadb_database(mariadb_server) as url:
        assert starters.open_all(url) == ["good"] * STARTS


def test_a_first_start_that_was_broken_off_is_taken_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    url = f"sqlite:///{tmp_path}/winnow.db"

    def broken(_: object) -> None:
        raise RuntimeError("the power went")

    with monkeypatch.context() as patch:
        patch.setattr(migrations, "STEPS", [*migrations.STEPS, broken])
        with pytest.raises(RuntimeError):
            storage.open(url)
    opened = storage.open(url)
    assert inspect(opened.database.engine).has_table("winnow_attempts")


def test_a_later_version_adds_its_step_once(sqlite_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    storage.open(sqlite_url)
    taken: list[int] = []
    monkeypatch.setattr(migrations, "STEPS", [*migrations.STEPS, lambda connection: taken.append(1)])
    for _ in range(2):
        opened = storage.open(sqlite_url)
    versions = opened.database.rows(select(tables.schema))
    assert taken == [1]
    assert [version for version, _ in versions] == [*range(1, len(migrations.STEPS) + 1)]


@pytest.mark.parametrize("version", [1, 2])
def test_tables_of_an_earlier_version_are_brought_up_to_this_one(
    opened: storage.Storage, study_id: int, version: int
) -> None:
    database = opened.database
    lease = claims.claim(database, study_id, "a worker of that version")
    assert lease is not None

    def columns() -> list[tuple[str, str, bool]]:
        found = (inspect(database.engine).get_columns(table.name) for table in (tables.attempts, tables.workers))
        return [(each["name"], str(each["type"]), each["nullable"]) for table in found for each in table]

    made_new = columns()
    for step, column in ((2, tables.workers.c.device_load), (3, tables.attempts.c.lease_seconds)):
        if step > version:
            database.execute(text(f"ALTER TABLE {column.table.name} DROP COLUMN {column.name}"))
            database.execute(delete(tables.schema).where(tables.schema.c.version == step))
    storage.open(database.url).database.release()
    assert columns() == made_new
    assert database.scalars(select(tables.schema.c.version).order_by(tables.schema.c.version)) == [
        *range(1, len(migrations.STEPS) + 1)
    ]
    assert reap(database, study_id) == []
    renew(database, lease)
    database.execute(update(tables.attempts).values(expires_at=0.0))
    assert reap(database, study_id) == [0], "by what that version wrote of its lease"
    again = claims.claim(database, study_id, "a worker of this version")
    assert again is not None
    assert (again.number, again.token) == (0, 2)


def test_tables_of_a_newer_version_are_refused(sqlite_url: str) -> None:
    opened = storage.open(sqlite_url)
    newer = insert(tables.schema).values(version=99, identity="0" * 32)
    opened.database.execute(newer)
    with pytest.raises(StorageError, match="newer Winnow"):
        storage.open(sqlite_url)
