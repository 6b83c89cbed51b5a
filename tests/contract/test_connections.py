"""A server's connections are few: one that has none left is waited for, and an idle worker holds one."""

import logging
import math
import threading
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from optuna.study import StudyDirection
from sqlalchemy import text

from faults.wire import Wire
from storage_servers import PostgresServer
from winnow import storage
from winnow.storage.errors import StorageUnreachable
from winnow.storage.notifications import Bell


@pytest.fixture
def limited(postgres: PostgresServer, postgres_url: str) -> Iterator[tuple[str, str]]:
    """The name of a database, and its URL for somebody who may have one connection."""
    name = postgres_url.partition("@/")[2].partition("?")[0]
    postgres.execute("CREATE ROLE limited LOGIN CONNECTION LIMIT 1", name)
    postgres.execute("GRANT SELECT, INSERT, UPDATE ON ALL TABLES IN SCHEMA public TO limited", name)
    yield name, postgres.url(name, "limited")
    postgres.execute("DROP OWNED BY limited; DROP ROLE limited", name)


def test_a_server_without_a_free_connection_is_waited_for(
    limited: tuple[str, str], caplog: pytest.LogCaptureFixture
) -> None:
    first = storage.open(limited[1])
    held = first.database.engine.connect()
    held.execute(text("SELECT 1"))
    said = threading.Event()

    class Heard(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if "max_connections" in record.getMessage():
                said.set()

    handler = Heard()
    logging.getLogger("winnow").addHandler(handler)
    opened: list[storage.Storage] = []
    waiting = threading.Thread(target=lambda: opened.append(storage.open(limited[1])))
    waiting.start()
    assert said.wait(30)
    logging.getLogger("winnow").removeHandler(handler)
    held.close()
    first.database.release()
    waiting.join(30)
    assert opened
    opened[0].database.release()


def test_an_idle_worker_holds_one_connection(limited: tuple[str, str], postgres: PostgresServer) -> None:
    name = limited[0]
    opened = storage.open(postgres.url(name))
    with opened.database.engine.connect() as one, opened.database.engine.connect() as another:
        one.execute(text("SELECT 1"))
        another.execute(text("SELECT 1"))
    bell = Bell(opened.database, lambda: False)
    for _ in range(2):
        bell.wait(0.1, 0.1)
        count = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
        end = time.monotonic() + 10
        while (found := postgres.execute(count, name)) != [(1,)] and time.monotonic() < end:
            time.sleep(0.05)  # the server ends a closed connection's process in its own time
        assert found == [(1,)]
        assert opened.get_all_studies() == []
    bell.close()
    opened.database.release()


def test_an_idle_worker_waits_where_no_connection_is_left(limited: tuple[str, str], postgres: PostgresServer) -> None:
    opened = storage.open(limited[1])
    bell = Bell(opened.database, lambda: False)
    postgres.execute("ALTER ROLE limited CONNECTION LIMIT 0")
    bell.wait(0.1, 0.1)
    postgres.execute("ALTER ROLE limited CONNECTION LIMIT 1")
    assert opened.get_all_studies() == []
    bell.close()
    opened.database.release()


def test_a_servers_own_limits_and_isolation_do_not_count(postgres: PostgresServer, postgres_url: str) -> None:
    name = postgres_url.partition("@/")[2].partition("?")[0]
    for setting, value in (("statement_timeout", "1ms"), ("default_transaction_isolation", "serializable")):
        postgres.execute(f"ALTER DATABASE {name} SET {setting} = '{value}'")
    opened = storage.open(postgres_url)
    query = text("SELECT current_setting('transaction_isolation'), pg_sleep(0.1)")
    assert opened.database.transaction(lambda connection: connection.scalar(query)) == "read committed"
    opened.database.release()


class CutAtFirst(Wire):
    """Cuts its first connections, each after another message, and does no harm afterwards."""

    left = 3

    def decide(self, message: bytes, to_server: bool) -> str:
        if not self.left or to_server:
            return ""
        self.left -= 1
        return ("cut before", "cut after")[self.left % 2]


def test_a_storage_is_opened_whose_first_connections_are_cut(postgres: PostgresServer, postgres_url: str) -> None:
    wire = CutAtFirst(Path(postgres.folder) / ".s.PGSQL.5432", seed=0)
    opened = storage.open(wire.url(postgres_url.partition("@/")[2].partition("?")[0]))
    assert wire.left == 0
    assert opened.get_all_studies() == []
    opened.database.release()
    wire.close()


class CutAt(Wire):
    """Cuts one connection, before the first message with these words."""

    words = b"never"

    def decide(self, message: bytes, to_server: bool) -> str:
        if not to_server or self.words not in message:
            return ""
        self.words = b"never"
        return "cut before"


@pytest.mark.parametrize("words", [b"pg_advisory_lock", b"CREATE TABLE winnow_attempts", b"winnow_schema (version"])
def test_tables_are_made_over_a_connection_that_is_cut(postgres: PostgresServer, words: bytes) -> None:
    name = f"t_{uuid.uuid4().hex}"
    postgres.execute(f"CREATE DATABASE {name}")
    wire = CutAt(Path(postgres.folder) / ".s.PGSQL.5432", seed=0)
    wire.words = words
    opened = storage.open(wire.url(name))
    assert wire.words == b"never", "it was cut"
    assert opened.get_all_studies() == []
    opened.database.release()
    wire.close()
    postgres.drop(name)


def test_what_no_waiting_helps_is_refused_at_once(postgres: PostgresServer) -> None:
    with pytest.raises(StorageUnreachable, match=r"does not exist .* check the names of the database"):
        storage.open(postgres.url("none"), patience=math.inf)


@pytest.mark.parametrize("kind", ["postgresql", "mariadb"])
def test_who_finds_a_server_read_only_connects_anew(kind: str, request: pytest.FixtureRequest) -> None:
    """As one is that was the primary before a failover, on the connections that it has kept."""
    opened = storage.open(request.getfixturevalue({"postgresql": "postgres_url", "mariadb": "mariadb_url"}[kind]))
    demoted = {"postgresql": "SET default_transaction_read_only = on", "mariadb": "SET SESSION TRANSACTION READ ONLY"}
    opened.database.read(lambda connection: connection.execute(text(demoted[kind])))
    study_id = opened.create_new_study([StudyDirection.MAXIMIZE], "s")
    assert opened.get_study_name_from_id(study_id) == "s"
    opened.database.release()


def test_a_server_that_stays_read_only_is_said_to_be(postgres: PostgresServer, postgres_url: str) -> None:
    name = postgres_url.partition("@/")[2].partition("?")[0]
    postgres.execute(f"ALTER DATABASE {name} SET default_transaction_read_only = on")
    opened = storage.open(postgres_url)
    opened.database.patience = 0.0
    with pytest.raises(StorageUnreachable, match=r"read-only transaction .* name the server that takes writes"):
        opened.create_new_study([StudyDirection.MAXIMIZE], "s")
    opened.database.release()


@pytest.mark.parametrize("kind", ["postgresql", "mariadb"])
def test_a_statement_that_an_administrator_ends_is_tried_again(kind: str, request: pytest.FixtureRequest) -> None:
    opened = storage.open(request.getfixturevalue({"postgresql": "postgres_url", "mariadb": "mariadb_url"}[kind]))
    ended = {"postgresql": "SELECT pg_cancel_backend(pg_backend_pid())", "mariadb": "KILL QUERY CONNECTION_ID()"}
    statements = iter([ended[kind], "SELECT 1"])
    assert opened.database.read(lambda connection: connection.execute(text(next(statements))).scalar()) == 1
    opened.database.release()
