"""What is tried again, for how long, and how it is said when it cannot be helped."""

import sqlite3
import threading
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import create_engine, event, text
from sqlalchemy.exc import DBAPIError

from winnow import storage
from winnow.storage import Storage
from winnow.storage.errors import StorageError, StorageUnreachable
from winnow.storage.retries import is_passing, remedy


@pytest.fixture
def opened(sqlite_url: str) -> Storage:
    return storage.open(sqlite_url)


class Trouble:
    """Fails so many times with an error of SQLite's own before a statement is let through."""

    def __init__(self, opened: Storage, code: int, times: int) -> None:
        self.left = times
        self.code = code
        event.listen(opened.database.engine, "before_cursor_execute", self)

    def __call__(self, *_: object) -> None:
        if self.left:
            self.left -= 1
            error = sqlite3.OperationalError("trouble")
            error.sqlite_errorcode = self.code
            raise DBAPIError.instance("SELECT 1", {}, error, sqlite3.Error)


ONE = text("SELECT 1")


@pytest.mark.parametrize("code", [sqlite3.SQLITE_BUSY, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_FULL])
def test_what_passes_is_tried_again(opened: Storage, code: int) -> None:
    Trouble(opened, code, times=2)
    assert opened.database.scalar(ONE) == 1


def test_what_cannot_succeed_is_not(opened: Storage) -> None:
    trouble = Trouble(opened, sqlite3.SQLITE_ERROR, times=2)
    with pytest.raises(StorageError, match="refused a statement: trouble"):
        opened.database.scalar(ONE)
    assert trouble.left == 1


def test_patience_ends(opened: Storage) -> None:
    Trouble(opened, sqlite3.SQLITE_BUSY, times=10**6)
    impatient = replace(opened.database, patience=0.05)
    with pytest.raises(StorageUnreachable, match="does not answer: trouble"):
        impatient.scalar(ONE)
    assert impatient.contact.since is None


def test_who_is_told_to_stop_waits_no_longer(opened: Storage) -> None:
    Trouble(opened, sqlite3.SQLITE_BUSY, times=10**6)
    stop = threading.Event()
    opened.database.patience = 60
    opened.database.give_up = stop.is_set
    threading.Timer(0.2, stop.set).start()
    with pytest.raises(StorageUnreachable):
        opened.database.execute(ONE)


def test_a_failure_breaks_the_contact(opened: Storage) -> None:
    opened.database.scalar(ONE)
    before = opened.database.contact.since
    Trouble(opened, sqlite3.SQLITE_BUSY, times=1)
    opened.database.scalar(ONE)
    assert before is not None
    assert opened.database.contact.since is not None
    assert opened.database.contact.since > before


def test_a_long_silence_is_no_contact(opened: Storage) -> None:
    opened.database.contact.longest_gap = 0.0
    opened.database.scalar(ONE)
    before = opened.database.contact.since
    opened.database.scalar(ONE)
    assert opened.database.contact.since != before


@pytest.mark.parametrize(
    ("kind", "error", "advice"),
    [
        ("postgresql", "FATAL: sorry, too many clients already", "max_connections"),
        ("mysql", "(1040, 'Too many connections')", "max_connections"),
        ("postgresql", 'password authentication failed for user "x"', "user and password"),
        ("postgresql", "connection refused", "the server runs"),
        ("sqlite", "unable to open database file", "may read and write the file"),
        ("sqlite", "disk I/O error", "disk of the file"),
    ],
)
def test_a_remedy_fits_the_error_and_the_kind_of_database(kind: str, error: str, advice: str) -> None:
    assert advice in remedy(DBAPIError("", {}, Exception(error)), kind)


@pytest.mark.parametrize(
    ("state", "passing"),
    [("57P01", True), ("40P01", True), ("55P03", True), ("53300", True), ("42501", False), ("42P01", False)],
)
def test_states_of_postgresql(state: str, passing: bool) -> None:
    import psycopg

    error = psycopg.errors.lookup(state)()
    assert is_passing(DBAPIError("", {}, error)) is passing


@pytest.mark.parametrize(
    ("number", "passing"), [(1213, True), (1205, True), (1226, True), (1317, True), (2006, True), (1146, False)]
)
def test_numbers_of_mariadb(number: int, passing: bool) -> None:
    import pymysql

    assert is_passing(DBAPIError("", {}, pymysql.err.OperationalError(number, "words"))) is passing


def test_a_transaction_of_sqlite_locks_before_it_reads(tmp_path: Path, sqlite_url: str) -> None:
    opened = storage.open(sqlite_url)
    other = create_engine(sqlite_url, connect_args={"timeout": 0})

    def work(_: object) -> None:
        with other.connect() as second, pytest.raises(DBAPIError, match="locked"):
            second.execute(text("INSERT INTO studies (study_name) VALUES ('x')"))

    opened.database.write(work)
    other.dispose()
