"""Engines: how a connection is opened and bounded in time, for each kind of database.

No statement may keep a worker waiting for ever: the server ends it by its own time limits, and where the server itself
is stuck (a frozen process, a network that swallows packets), the client ends it a little later.
"""

import sqlite3
import time
from collections.abc import Generator
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Engine, ExceptionContext, create_engine, event

from winnow.storage.errors import StorageError
from winnow.storage.retries import is_read_only

CONNECT_SECONDS = 5
LOCK_SECONDS = 8
STATEMENT_SECONDS = 20
SILENCE_SECONDS = 25
"""After so long without a word from the server the client gives a statement up."""
SQLITE_BUSY_SECONDS = 8


def make(url: URL) -> Engine:
    """Return an engine for one of the databases that Winnow knows."""
    kind = url.get_backend_name()
    if kind == "sqlite":
        return _sqlite(url)
    engine = _postgresql(url) if kind == "postgresql" else _mysql(url)

    @event.listens_for(engine, "handle_error")
    def _(context: ExceptionContext) -> None:
        # A server that has become another's standby: whoever connects anew finds the one that takes writes.
        if is_read_only(context.original_exception):
            context.is_disconnect = True

    return engine


def _sqlite(url: URL) -> Engine:
    engine = create_engine(url, connect_args={"timeout": SQLITE_BUSY_SECONDS})
    file = _File(Path(url.database or "").absolute())
    event.listen(engine, "do_connect", file.refuse_another)
    event.listen(engine, "checkout", file.refuse_another)

    @event.listens_for(engine, "connect")
    def _(connection: sqlite3.Connection, record: Any) -> None:
        file.know()
        connection.isolation_level = None  # Python's sqlite3 would begin a transaction only before a change
        connection.execute("PRAGMA foreign_keys = ON")

    @event.listens_for(engine, "begin")
    def _(connection: Any) -> None:
        # Locked for writing at once: a transaction that reads first cannot find itself overtaken when it writes.
        if connection.get_execution_options().get("isolation_level") != "AUTOCOMMIT":
            connection.exec_driver_sql("BEGIN IMMEDIATE")

    return engine


class _File:
    """The file of a database, to which connections that are open write on when it is another's place already."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._inode: int | None = None

    def know(self) -> None:
        """Take note of the file at the first connection."""
        self._inode = self._inode or self._path.stat().st_ino

    def refuse_another(self, *_: Any) -> None:
        """Raise StorageError where the file is not there any more, or another one is."""
        try:
            same = self._inode is None or self._path.stat().st_ino == self._inode
        except FileNotFoundError:
            same = False
        if not same:
            raise StorageError(
                f"the file of the database, {self._path}, was deleted, moved or replaced while it was in use",
                "end what still uses it, put the file back, and run the same command again",
            )


def _postgresql(url: URL) -> Engine:
    keepalive = {"keepalives_idle": 10, "keepalives_interval": 5, "keepalives_count": 3}
    engine = create_engine(
        url,
        pool_use_lifo=True,
        isolation_level="READ COMMITTED",
        connect_args={"connect_timeout": CONNECT_SECONDS, "tcp_user_timeout": int(SILENCE_SECONDS * 1000), **keepalive},
    )

    @event.listens_for(engine, "do_connect")
    def _(dialect: Any, record: Any, arguments: Any, options: dict[str, Any]) -> Any:
        return _impatient_psycopg().connect(*arguments, **options)

    @event.listens_for(engine, "connect")
    def _(connection: Any, record: Any) -> None:
        connection.autocommit = True
        connection.execute(
            f"SET statement_timeout = '{STATEMENT_SECONDS}s'; SET lock_timeout = '{LOCK_SECONDS}s'; "
            f"SET idle_in_transaction_session_timeout = '{SILENCE_SECONDS}s'; SET TIME ZONE 'UTC'"
        )
        (server_process,) = connection.execute("SELECT pg_backend_pid()").fetchone()
        if server_process != connection.info.backend_pid:
            # A pooler (PgBouncer) stands between: the next transaction may be on another connection of the server's,
            # which knows no statement that was prepared on this one.
            connection.prepare_threshold = None
        connection.autocommit = False

    return engine


def _impatient_psycopg() -> Any:
    """Return psycopg's connection, with an end to waiting: libpq has a limit for connecting and none for an answer.

    One that is in use while its pool is disposed of is closed with that pool; psycopg would only warn of it.
    """
    import psycopg

    class Connection(psycopg.Connection[Any]):
        def wait(self, gen: Any, *arguments: Any, **options: Any) -> Any:
            try:
                return super().wait(_within(SILENCE_SECONDS, gen), *arguments, **options)
            except TimeoutError as error:
                self.close()
                raise psycopg.OperationalError(str(error)) from None

        def __del__(self, *_: Any) -> None:
            if hasattr(self, "pgconn"):  # not where it never came to be
                self.close()

    return Connection


def _within(seconds: float, steps: Generator[Any, Any, Any]) -> Generator[Any, Any, Any]:
    """Yield the steps of a psycopg operation, ended when the server has been silent for too long."""
    deadline = time.monotonic() + seconds
    try:
        wanted = next(steps)
        while True:
            ready = yield wanted
            if not ready and time.monotonic() > deadline:
                raise TimeoutError(f"the server was silent for {seconds} s")
            wanted = steps.send(ready)
    except StopIteration as done:
        return done.value


def _mysql(url: URL) -> Engine:
    engine = create_engine(
        url,
        pool_use_lifo=True,
        isolation_level="READ COMMITTED",
        connect_args={
            "connect_timeout": CONNECT_SECONDS,
            "read_timeout": SILENCE_SECONDS,
            "write_timeout": SILENCE_SECONDS,
        },
    )

    @event.listens_for(engine, "connect")
    def _(connection: Any, record: Any) -> None:
        with connection.cursor() as cursor:
            cursor.execute(f"SET SESSION innodb_lock_wait_timeout = {LOCK_SECONDS}, time_zone = '+00:00'")
            if "MariaDB" in connection.get_server_info():
                cursor.execute(f"SET SESSION max_statement_time = {STATEMENT_SECONDS}")
                cursor.execute(f"SET SESSION idle_transaction_timeout = {SILENCE_SECONDS}")
            else:
                cursor.execute(f"SET SESSION max_execution_time = {STATEMENT_SECONDS * 1000}")

    return engine
